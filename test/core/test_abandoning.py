"""What modules are told to let go of: reminded until they show that they did, and no longer."""

from __future__ import annotations

import pytest
from support.driver import Driver

from sustainml_orchestrator.core.adapters import STATE_ADAPTER
from sustainml_orchestrator.core.commands import Reply, SendControl
from sustainml_orchestrator.core.events import NodeCommanded, StatusReceived, TimePassed
from sustainml_orchestrator.core.ids import NodeCommand, NodeStatus, TaskCommand, TaskStatus
from sustainml_orchestrator.core.task import Task

NAME = "hw_constraints"
ANSWERS = {
    TaskCommand.STOP: TaskStatus.STOPPED,
    TaskCommand.PREEMPT: TaskStatus.RETURNED,
    TaskCommand.TERMINATE: TaskStatus.TERMINATED,
}


def told(core: Driver) -> list[TaskCommand]:
    """What the module was told about tasks since the last call."""
    sent = [c for c in core.find(SendControl) if c.target == NAME]
    core.forget()
    return [c.cmd_task for c in sent if c.cmd_task is not TaskCommand.NONE]


def node_commands(core: Driver) -> list[NodeCommand]:
    """What the module was told about itself."""
    sent = [c for c in core.find(SendControl) if c.target == NAME]
    return [c.cmd_node for c in sent if c.cmd_node is not NodeCommand.NONE]


def worked_on(core: Driver) -> Task:
    """A task that the module works on; no other may run."""
    core.core.settings.max_active_tasks = 1
    task = core.submit()
    core.report(NAME, task, TaskStatus.RUNNING)
    core.forget()
    return task


def obey_later(core: Driver, status: NodeStatus, seconds: float) -> None:
    """Heartbeats of a module that obeyed a later command, whatever became of this one."""
    for _ in range(round(seconds / 0.25)):
        core.status(NAME, status, last_command=core.core.lifecycle.command_ids.next())
        core.give(TimePassed(), 0.249)


@pytest.mark.parametrize("command", list(ANSWERS))
def test_what_was_lost_is_repeated_although_a_later_id_is_confirmed(
    core: Driver, command: TaskCommand
) -> None:
    task = worked_on(core)
    if command is TaskCommand.PREEMPT:
        core.core.settings.max_active_tasks = 0
    core.command(task, command)
    assert told(core) == [command]
    obey_later(core, NodeStatus.RUNNING, 1.75)
    assert told(core) == [command] * 2
    core.report(NAME, task, ANSWERS[command])
    obey_later(core, NodeStatus.RUNNING, 10.0)
    assert not told(core)


@pytest.mark.parametrize("answer", [*ANSWERS.values(), TaskStatus.SUCCEEDED, TaskStatus.ERROR])
def test_a_module_that_lets_go_at_once_is_told_once(core: Driver, answer: TaskStatus) -> None:
    task = worked_on(core)
    core.command(task, TaskCommand.STOP)
    core.report(NAME, task, answer)
    obey_later(core, NodeStatus.RUNNING, 10.0)
    assert told(core) == [TaskCommand.STOP] and not node_commands(core)


def test_one_that_says_that_it_holds_nothing_has_let_go(core: Driver) -> None:
    task = worked_on(core)
    core.command(task, TaskCommand.STOP)
    obey_later(core, NodeStatus.IDLE, 1.0)
    obey_later(core, NodeStatus.RUNNING, 10.0)
    assert told(core) == [TaskCommand.STOP]


def test_idle_from_before_the_command_is_no_answer(core: Driver) -> None:
    task = worked_on(core)
    core.command(task, TaskCommand.STOP)
    core.status(NAME, NodeStatus.IDLE, last_command=core.core.lifecycle.command_ids.last)
    core.give(TimePassed(), 0.6)
    obey_later(core, NodeStatus.RUNNING, 0.75)
    assert told(core) == [TaskCommand.STOP] * 2


def test_word_from_before_is_no_answer(core: Driver) -> None:
    task = worked_on(core)
    core.report(NAME, task, TaskStatus.ERROR, error_code=1)
    core.give(TimePassed())
    core.report(NAME, task, TaskStatus.RUNNING, try_number=2)
    core.command(task, TaskCommand.STOP)
    core.forget()
    core.report(NAME, task, TaskStatus.STOPPED, try_number=1)
    obey_later(core, NodeStatus.RUNNING, 1.25)
    assert told(core) == [TaskCommand.STOP]


def test_word_of_a_newer_attempt_is_an_answer(core: Driver) -> None:
    task = worked_on(core)
    core.command(task, TaskCommand.RESET)
    assert task.status is TaskStatus.RUNNING and told(core) == [TaskCommand.STOP]
    core.report(NAME, task, TaskStatus.RUNNING)
    obey_later(core, NodeStatus.RUNNING, 3.0)
    assert TaskCommand.STOP not in told(core)


def test_a_task_that_runs_again_is_not_taken_from_its_module(core: Driver) -> None:
    task = worked_on(core)
    core.command(task, TaskCommand.PREEMPT)
    assert task.status is TaskStatus.RUNNING
    core.give(TimePassed())
    assert told(core) == [TaskCommand.PREEMPT, TaskCommand.RESET]
    obey_later(core, NodeStatus.RUNNING, 3.0)
    assert TaskCommand.PREEMPT not in told(core)


def test_one_that_never_lets_go_climbs_the_ladder(core: Driver) -> None:
    task = worked_on(core)
    core.command(task, TaskCommand.STOP)
    obey_later(core, NodeStatus.RUNNING, 9.0)
    assert node_commands(core)[0] is NodeCommand.RESET
    assert told(core) == [TaskCommand.STOP] * 11


def test_one_that_never_echoes_is_reminded_and_left_alone(core: Driver) -> None:
    task = worked_on(core)
    core.core.lifecycle.by_name[NAME].outbox.adapter = STATE_ADAPTER
    core.command(task, TaskCommand.STOP)
    for _ in range(60):
        core.status(NAME, NodeStatus.RUNNING)
        core.give(TimePassed(), 0.249)
    assert not node_commands(core) and told(core) == [TaskCommand.STOP] * 11


def test_one_that_was_lost_is_told_when_it_comes_back_at_work(core: Driver) -> None:
    task = worked_on(core)
    core.beat(4.0, silent=(NAME,))
    core.command(task, TaskCommand.STOP)
    core.beat(20.0, silent=(NAME,))
    assert not told(core)
    obey_later(core, NodeStatus.RUNNING, 0.75)
    assert told(core) == [TaskCommand.STOP]


def test_another_process_is_not_reminded(core: Driver) -> None:
    task = worked_on(core)
    core.command(task, TaskCommand.STOP)
    core.incarnations[NAME] = 2
    obey_later(core, NodeStatus.RUNNING, 10.0)
    assert told(core) == [TaskCommand.STOP]


def test_many_are_reminded_at_a_measured_pace(core: Driver) -> None:
    core.core.settings.max_redeliveries_per_second = 2
    tasks = [core.submit() for _ in range(5)]
    for task in tasks:
        core.report(NAME, task, TaskStatus.RUNNING)
        core.command(task, TaskCommand.STOP)
    core.forget()
    core.now += 1.0
    obey_later(core, NodeStatus.RUNNING, 2.0)
    for _ in range(100):
        core.give(TimePassed(), 0.0)
    assert 3 <= len(told(core)) <= 5


def test_the_echo_of_its_very_id_is_enough(core: Driver) -> None:
    task = worked_on(core)
    core.command(task, TaskCommand.STOP)
    command = [c for c in core.find(SendControl) if c.target == NAME][-1]
    for _ in range(10):
        core.status(NAME, NodeStatus.RUNNING, last_command=command.command_id)
        core.give(TimePassed(), 1.0)
    assert told(core) == [TaskCommand.STOP]


@pytest.mark.parametrize("seen", ["its id", "INITIALIZING"])
def test_a_reset_is_not_confirmed_by_a_later_command(core: Driver, seen: str) -> None:
    core.give(NodeCommanded(99, NAME, NodeCommand.RESET, 30.0))
    reset = core.find(SendControl)[-1]
    node = core.core.lifecycle.by_name[NAME]
    node.abandon(TaskCommand.STOP, core.submit(), 1)
    later = core.core.lifecycle.command_ids.last
    core.status(NAME, NodeStatus.IDLE, last_command=later)
    assert not core.find(Reply)[1:] and node.outbox.node_order is not None
    if seen == "its id":
        core.status(NAME, NodeStatus.IDLE, last_command=reset.command_id)
    else:
        core.status(NAME, NodeStatus.INITIALIZING, last_command=later)
        core.status(NAME, NodeStatus.IDLE, last_command=later)
    assert [r.call for r in core.find(Reply)][-1] == 99 and node.outbox.node_order is None


def ended_unseen(command: TaskCommand = TaskCommand.TERMINATE) -> tuple[Driver, Task]:
    """A task that ended before any of its modules was seen, as just after a restart."""
    core = Driver()
    core.core.settings.admission = "always"
    task = core.submit()
    core.command(task, command)
    core.give(TimePassed(), 0.2)
    core.forget()
    return core, task


@pytest.mark.parametrize("command", [TaskCommand.STOP, TaskCommand.TERMINATE])
def test_a_process_that_works_on_when_it_is_first_seen_is_told(command: TaskCommand) -> None:
    core, task = ended_unseen(command)
    core.give(TimePassed(), 10.0)  # its first heartbeat is late
    obey_later(core, NodeStatus.RUNNING, 1.5)
    assert command in told(core)
    core.report(NAME, task, ANSWERS[command])
    core.forget()
    obey_later(core, NodeStatus.RUNNING, 3.0)  # with another task
    assert told(core) == []


def test_so_is_the_second_of_two_processes() -> None:
    core, _ = ended_unseen()
    core.give(StatusReceived(NAME, "/ns/twin", 9, 0, NodeStatus.IDLE))
    core.give(TimePassed(), 1.0)
    obey_later(core, NodeStatus.RUNNING, 1.5)
    assert TaskCommand.TERMINATE in told(core)


def test_one_that_holds_nothing_is_told_nothing_and_the_order_is_forgotten() -> None:
    core, _ = ended_unseen()
    node = core.core.lifecycle.by_name[NAME]
    assert node.outbox.orders
    obey_later(core, NodeStatus.IDLE, 2 * core.core.settings.heartbeat_timeout)
    assert told(core) == [] and not node.outbox.orders
