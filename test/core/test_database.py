"""The store: by id, by page, by request, and what is left after a deletion."""

from __future__ import annotations

import pytest
from support.driver import Driver

from sustainml_orchestrator.core.errors import OrchestratorError
from sustainml_orchestrator.core.events import DeletionRequested
from sustainml_orchestrator.core.ids import NO_TASK, ErrorCode, TaskCommand, TaskId, TaskStatus


def ids(core: Driver, *args: object) -> tuple[list[str], int]:
    page, total = core.core.store.page(*args)
    return [str(item.task_id) for item in page], total


@pytest.fixture
def filled(core: Driver) -> Driver:
    """1/1 and 1/2 succeeded, 2/1 stopped, 3/1 runs; 1/2 is younger than 2/1."""
    first = core.submit()
    core.finish(first)
    stopped = core.submit()
    core.command(stopped, TaskCommand.STOP)
    core.finish(core.submit(base=first.task_id))
    core.submit()
    return core


def test_by_id(filled: Driver) -> None:
    store = filled.core.store
    assert str(store.get(TaskId(1, 1)).task_id) == "1/1"
    assert str(store.get(TaskId(1, 0)).task_id) == "1/2"
    assert str(store.get(NO_TASK).task_id) == "3/1"
    assert store.find(TaskId(1, 3)) is store.find(TaskId(1, 0)) is None


@pytest.mark.parametrize(
    ("task_id", "text"),
    [
        (TaskId(9, 1), "no problem 9"),
        (TaskId(1, 3), "problem 1 has no iteration 3; it has 1 to 2"),
        (TaskId(2**32 - 1, 2**32 - 1), "no problem 4294967295"),
    ],
)
def test_unknown_ids(filled: Driver, task_id: TaskId, text: str) -> None:
    with pytest.raises(OrchestratorError, match=text) as caught:
        filled.core.store.get(task_id)
    assert caught.value.code is ErrorCode.NOT_FOUND


def test_an_empty_database_says_so() -> None:
    with pytest.raises(OrchestratorError, match="start_task"):
        Driver().core.store.get(NO_TASK)


def test_pages_are_by_creation(filled: Driver) -> None:
    assert ids(filled, 0, (), False, 0, 10) == (["1/1", "2/1", "1/2", "3/1"], 4)
    assert ids(filled, 0, (), True, 0, 2) == (["3/1", "1/2"], 4)
    assert ids(filled, 0, (), True, 2, 2) == (["2/1", "1/1"], 4)
    assert ids(filled, 0, (), True, 9, 2) == ([], 4)


def test_pages_of_a_problem_and_of_states(filled: Driver) -> None:
    assert ids(filled, 1, (), True, 0, 1) == (["1/2"], 2)
    assert ids(filled, 0, [TaskStatus.STOPPED], False, 0, 9) == (["2/1"], 1)
    both = [TaskStatus.STOPPED, TaskStatus.SUCCEEDED]
    assert ids(filled, 0, both, False, 1, 2) == (["2/1", "1/2"], 3)
    assert ids(filled, 0, both, True, 0, 2) == (["1/2", "2/1"], 3)
    assert ids(filled, 1, [TaskStatus.RUNNING], False, 0, 9) == ([], 0)


@pytest.mark.parametrize("newest_first", [False, True])
def test_pages_of_several_states_are_cut_from_the_whole(core: Driver, newest_first: bool) -> None:
    for number in range(12):
        task = core.submit()
        if number % 3 == 0:
            core.finish(task)
        elif number % 3 == 1:
            core.command(task, TaskCommand.STOP)
        if number % 4 == 1:
            core.ask(DeletionRequested, task.task_id.problem_id)
    both = [TaskStatus.STOPPED, TaskStatus.SUCCEEDED]
    every, total = ids(core, 0, both, newest_first, 0, 100)
    assert len(every) == total == 6
    for offset in range(total + 2):
        for limit in range(total + 2):
            page = ids(core, 0, both, newest_first, offset, limit)
            assert page == (every[offset : offset + limit], total)


def test_a_request_id_is_free_again_after_deletion(core: Driver) -> None:
    task = core.submit(request_id="x")
    core.finish(task)
    core.ask(DeletionRequested, 1)
    assert core.core.store.by_request("x") is None
    assert core.submit(request_id="x").task_id == TaskId(2, 1)


def test_a_base_without_iteration_is_the_latest(core: Driver) -> None:
    core.finish(core.submit())
    assert core.submit(base=TaskId(1, 0)).base_task == TaskId(1, 1)
