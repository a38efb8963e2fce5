"""A process that dropped what it held is given it again, even if no status showed that."""

from __future__ import annotations

import pytest
from support.driver import SESSION, Driver

from sustainml_orchestrator.core.adapters import STATE_ADAPTER
from sustainml_orchestrator.core.commands import SendControl
from sustainml_orchestrator.core.events import NodeCommanded, StatusReceived, TimePassed
from sustainml_orchestrator.core.ids import NodeCommand, NodeStatus, TaskCommand, TaskStatus
from sustainml_orchestrator.core.task import Task

MODULE = "hw_constraints"
ONE, TWO = f"/sustainml/{MODULE}", "/sustainml/twin"


def say(
    core: Driver, name: str, last_command: int, task: Task | None = None, incarnation: int = 1
) -> None:
    """A process reports that it is RUNNING, and its work on a task."""
    about = (task.task_id, task.attempt, SESSION, task.token) if task else ()
    fields = (MODULE, name, incarnation, last_command, NodeStatus.RUNNING)
    core.give(StatusReceived(*fields, *about, *((TaskStatus.RUNNING, 1) if task else ())))


def node_commands(core: Driver) -> list[int]:
    """Ids of the node commands that were sent to MODULE."""
    return [c.command_id for c in core.find(SendControl) if c.cmd_node and c.target == MODULE]


def deliveries(core: Driver) -> list[tuple[str, int]]:
    """Target and try of every RESET_TASK sent."""
    sent = [c for c in core.find(SendControl) if c.cmd_task is TaskCommand.RESET]
    return [(c.target, c.try_number) for c in sent]


def work(core: Driver, name: str = ONE) -> Task:
    """A task on which a process of MODULE works."""
    task = core.submit()
    core.output("app_requirements", task)
    core.output("ml_model_metadata", task)
    say(core, name, core.core.lifecycle.command_ids.last, task)
    core.forget()
    return task


@pytest.mark.parametrize(
    "commands",
    [(NodeCommand.RESET,), (NodeCommand.STOP, NodeCommand.START)],
    ids=["reset", "stopped and started"],
)
def test_what_a_process_dropped_unseen_is_delivered_again(
    core: Driver, commands: tuple[NodeCommand, ...]
) -> None:
    """It works on another task already, so that it never shows to be idle."""
    work(core)
    for call, command in enumerate(commands):
        core.give(NodeCommanded(90 + call, MODULE, command, 5.0))
    say(core, ONE, node_commands(core)[-1])
    core.give(TimePassed())
    assert deliveries(core) == [(MODULE, 1)]


def test_a_reset_that_was_not_received_yet_drops_nothing(core: Driver) -> None:
    task = work(core)
    before = core.core.lifecycle.command_ids.last
    core.give(NodeCommanded(90, MODULE, NodeCommand.RESET, 5.0))
    say(core, ONE, before, task)
    core.give(TimePassed())
    assert not deliveries(core)


def test_a_process_that_never_confirms_is_delivered_to_after_a_while(core: Driver) -> None:
    task = work(core)
    core.core.lifecycle.by_name[MODULE].outbox.adapter = STATE_ADAPTER
    core.give(NodeCommanded(90, MODULE, NodeCommand.RESET, 5.0))
    core.give(TimePassed(), 0.6)
    say(core, ONE, 0)
    core.give(TimePassed())
    assert deliveries(core) == [(MODULE, 1)] and task.status is TaskStatus.RUNNING


def test_each_of_several_instances_that_are_reset_drops_its_own_work(core: Driver) -> None:
    """One of them is active all the time, so the node is, too."""
    say(core, TWO, core.core.lifecycle.command_ids.last)
    first, second = work(core), work(core, TWO)
    core.give(NodeCommanded(90, MODULE, NodeCommand.RESET, 5.0))
    (reset,) = node_commands(core)
    say(core, ONE, reset)
    steps = [task.steps[core.names.index(MODULE)] for task in (first, second)]
    assert [bool(step.processes) for step in steps] == [False, True]
    say(core, TWO, reset)
    assert [bool(step.processes) for step in steps] == [False, False]
    core.give(TimePassed())
    assert [number for _, number in deliveries(core)] == [1, 1]


def test_the_time_worked_before_a_reset_does_not_count_after_it(core: Driver) -> None:
    """No status showed the reset, and the task had been delivered again before it."""
    step = work(core).steps[core.names.index(MODULE)]
    for _ in range(5):
        last = core.core.lifecycle.command_ids.last
        core.give(StatusReceived(MODULE, ONE, 1, last, NodeStatus.IDLE))
        core.give(TimePassed(), 0.5)
    assert deliveries(core) and not step.processes and step.worked > 2.0
    core.give(NodeCommanded(90, MODULE, NodeCommand.RESET, 5.0))
    say(core, ONE, node_commands(core)[-1])
    assert step.worked == 0.0


@pytest.mark.parametrize(("seconds", "try_number"), [(1.0, 2), (8.0, 1)], ids=["soon", "late"])
def test_the_death_of_a_process_whose_output_is_overdue_costs_no_try(
    core: Driver, seconds: float, try_number: int
) -> None:
    """It reported success, its output was lost, its node is stopped, and then it is replaced."""
    task = work(core)
    core.report(MODULE, task, TaskStatus.SUCCEEDED)
    core.give(NodeCommanded(90, MODULE, NodeCommand.STOP, 5.0))
    core.status(MODULE, NodeStatus.INACTIVE, last_command=node_commands(core)[-1])
    core.beat(seconds)
    core.incarnations[MODULE] = 2
    core.status(MODULE, NodeStatus.INACTIVE)
    assert task.steps[core.names.index(MODULE)].try_number == try_number
