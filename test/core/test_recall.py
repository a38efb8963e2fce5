"""Modules let go of tasks that ended, although the orchestrator crashed before it told them."""

from __future__ import annotations

import pytest
from support.driver import SESSION, Driver
from support.restarting import Restarting

from sustainml_orchestrator.core.events import (
    DeletionRequested,
    StatusReceived,
    TaskCommanded,
    TimePassed,
)
from sustainml_orchestrator.core.ids import NodeStatus, TaskCommand, TaskId, TaskStatus
from sustainml_orchestrator.core.task import Task

NAME = "hw_constraints"


@pytest.fixture
def core() -> Restarting:
    """A core with a journal; `hw_constraints` works on the only task that may run."""
    core = Restarting(max_active_tasks=1)
    core.bring_up()
    core.report(NAME, core.submit(), TaskStatus.RUNNING)
    return core


def end_and_crash(core: Restarting, command: TaskCommand) -> Task:
    """The orchestrator commits the end of the task, and crashes before it commands the module."""
    task = core.core.store.get(TaskId(1, 1))
    core.sent.clear()
    core.crashing = True
    core.command(task, command)
    assert core.sent == []
    return task


def told(core: Restarting, status: NodeStatus) -> list[tuple[TaskCommand, TaskId, int]]:
    """What the module is told about tasks while it sends heartbeats for 2 s."""
    core.sent.clear()
    for _ in range(8):
        core.status(NAME, status)
        core.give(TimePassed(), 0.249)
    return [(c.cmd_task, c.task_id, c.token) for c in core.sent if c.target == NAME and c.cmd_task]


@pytest.mark.parametrize("command", [TaskCommand.STOP, TaskCommand.TERMINATE, TaskCommand.PREEMPT])
def test_a_module_that_works_on_is_told_by_the_next_orchestrator(
    core: Restarting, command: TaskCommand
) -> None:
    core.submit(priority=9)  # runs next
    task = end_and_crash(core, command)
    core.restart()
    about_it = [t for t in told(core, NodeStatus.RUNNING) if t[1] == task.task_id]
    assert set(about_it) == {(command, task.task_id, task.token)}
    core.report(NAME, task, TaskStatus.STOPPED)
    others = {task_id for _, task_id, _ in told(core, NodeStatus.RUNNING)}
    assert task.task_id not in others


def test_a_module_that_holds_nothing_is_told_nothing(core: Restarting) -> None:
    end_and_crash(core, TaskCommand.STOP)
    core.restart()
    assert told(core, NodeStatus.IDLE) == []
    core.beat(4.0)
    assert not core.core.lifecycle.by_name[NAME].outbox.orders


def test_the_last_tasks_to_end_are_recalled_and_no_others(core: Restarting) -> None:
    first, second, third = core.core.store.get(TaskId(1, 1)), core.submit(), core.submit()
    core.command(third, TaskCommand.STOP)  # before modules knew of it
    core.command(first, TaskCommand.STOP)
    core.command(second, TaskCommand.STOP)
    core.command(third, TaskCommand.TERMINATE)
    core.restart()
    assert {task_id for _, task_id, _ in told(core, NodeStatus.RUNNING)} == {second.task_id}


def test_a_module_that_works_on_a_deleted_task_is_told(core: Restarting) -> None:
    task = core.core.store.get(TaskId(1, 1))
    core.crashing = True
    Driver.give(core, TaskCommanded(7, task.task_id, TaskCommand.STOP))  # both in one commit
    core.give(DeletionRequested(8, 1))
    core.restart()
    assert core.core.store.find(task.task_id) is None
    ids = {"task_id": task.task_id, "attempt": 1, "session": SESSION, "token": task.token}
    for _ in range(2):
        core.give(
            StatusReceived(
                NAME, f"/sustainml/{NAME}", 1, 0, NodeStatus.RUNNING,
                **ids, task_status=TaskStatus.RUNNING, try_number=1,
            )
        )  # fmt: skip
    assert (TaskCommand.TERMINATE, task.task_id, task.token) in told(core, NodeStatus.RUNNING)
