"""A journal that is older than what modules have seen of its session."""

from __future__ import annotations

import pytest
from support.driver import SESSION, Driver
from support.restarting import Restarting

from sustainml_orchestrator.core.commands import Log, SendControl
from sustainml_orchestrator.core.events import (
    OutputReceived,
    StatusReceived,
    TimePassed,
)
from sustainml_orchestrator.core.ids import NodeStatus, TaskCommand, TaskId, TaskStatus


@pytest.fixture
def core() -> Restarting:
    """A second process, with task 1/1 running; what the first one submitted since is lost."""
    core = Restarting()
    core.bring_up()
    core.submit()
    core.restart()
    core.bring_up()
    return core


def _shows(core: Driver, task_id: TaskId, attempt: int, token: int) -> None:
    core.give(
        StatusReceived(
            "hw_constraints", "/sustainml/hw_constraints", 1, 0, NodeStatus.RUNNING,
            task_id, attempt, SESSION, token, TaskStatus.RUNNING, 1,
        )
    )  # fmt: skip


@pytest.mark.parametrize(
    ("task_id", "attempt", "token"),
    [((2, 1), 1, 5), ((1, 2), 1, 5), ((1, 1), 2, 5), ((1, 1), 1, 9999)],
    ids=["a later problem", "a later iteration", "a later attempt", "another token"],
)
def test_what_the_journal_does_not_know_begins_a_new_session(
    core: Restarting, task_id: tuple[int, int], attempt: int, token: int
) -> None:
    task = core.core.store.get(TaskId(1, 1))
    _shows(core, TaskId(*task_id), attempt, token)
    session = core.core.session
    assert session != SESSION
    (text,) = [c.text for c in core.find(Log) if "rolled back or copied" in c.text]
    assert str(session) in text and str(SESSION) in text
    assert core.disk.contents.session == session
    core.beat(3.0)
    delivered = {c.target for c in core.find(SendControl) if c.cmd_task is TaskCommand.RESET}
    assert task.status is TaskStatus.RUNNING
    assert {"app_requirements", "ml_model_metadata", "hw_constraints"} <= delivered


def test_it_happens_once_as_everything_else_is_forged(core: Restarting) -> None:
    _shows(core, TaskId(7, 1), 1, 5)
    session = core.core.session
    for number in range(3):
        core.give(OutputReceived(0, TaskId(9 + number, 1), 1, session, 5, b"?"))
    assert core.core.session == session
    assert core.core.reports.dropped["output of an unknown task"] == 3


@pytest.mark.parametrize(
    ("task_id", "attempt", "token"),
    [((1, 1), 0, 5), ((2, 1), 1, 0)],
    ids=["an earlier attempt", "no token"],
)
def test_what_is_merely_stale_begins_nothing(
    core: Restarting, task_id: tuple[int, int], attempt: int, token: int
) -> None:
    _shows(core, TaskId(*task_id), attempt, token)
    assert core.core.session == SESSION


def test_a_deleted_problem_begins_nothing(core: Restarting) -> None:
    task = core.core.store.get(TaskId(1, 1))
    core.command(task, TaskCommand.TERMINATE)
    token = task.token
    core.core.store.delete(1)
    _shows(core, TaskId(1, 1), 1, token)
    assert core.core.session == SESSION


@pytest.mark.parametrize("journalled", [False, True])
def test_where_the_session_began_in_this_process_nothing_can_show_a_rollback(
    journalled: bool,
) -> None:
    core = Restarting() if journalled else Driver()
    core.bring_up()
    _shows(core, TaskId(7, 1), 1, 5)
    assert core.core.session == SESSION


def test_after_a_loss_no_id_that_was_reserved_is_given_again() -> None:
    core = Restarting()
    core.bring_up()
    core.submit()
    core.disk.contents.incomplete = True
    reserved = core.disk.contents.numbers[2]
    core.restart()
    core.bring_up()
    assert core.submit().task_id == (reserved, 1)
    assert reserved > 2


def test_a_repeated_status_of_the_present_session_is_not_stale(core: Restarting) -> None:
    _shows(core, TaskId(7, 1), 1, 5)
    core.give(TimePassed())
    task = core.core.store.get(TaskId(1, 1))
    core.give(OutputReceived(2, task.task_id, 1, core.core.session, task.token, b"output"))
    assert task.outputs[2] == b"output"
