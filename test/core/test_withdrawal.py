"""A submission that could not be kept is undone as if it had never been."""

from __future__ import annotations

from support.driver import Driver

from sustainml_orchestrator.core.commands import PublishUserInput
from sustainml_orchestrator.core.events import SubmissionNotKept, TaskSubmitted
from sustainml_orchestrator.core.ids import NO_TASK, TaskId


def submission(base: TaskId = NO_TASK) -> TaskSubmitted:
    return TaskSubmitted(1, b"input", "a problem", request_id="once", base_task=base)


def test_nothing_of_it_stays() -> None:
    driver = Driver()
    driver.bring_up()
    core = driver.core
    assert any(isinstance(c, PublishUserInput) for c in driver.give(submission()))
    assert TaskId(1, 1) in core.tasks.running
    driver.give(SubmissionNotKept(TaskId(1, 1)))
    core.validate()
    assert not core.store.problems and not core.tasks.running
    assert core.store.payload_bytes == 0
    assert core.store.by_request("once") is None
    driver.give(submission())
    assert core.store.find(TaskId(2, 1)) is not None  # its id is not used again


def test_the_iterations_before_it_stay() -> None:
    driver = Driver()  # no module is up: tasks wait
    core = driver.core
    driver.give(submission())
    driver.give(TaskSubmitted(2, b"more", "a problem", base_task=TaskId(1, 1)))
    driver.give(SubmissionNotKept(TaskId(1, 2)))
    driver.give(SubmissionNotKept(TaskId(9, 9)))
    core.validate()
    assert [item.task_id for item in core.store.problem(1)] == [TaskId(1, 1)]
    assert len(core.tasks.waiting) == 1
