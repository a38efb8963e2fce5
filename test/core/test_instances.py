"""Several live processes of one module: one that is lost leaves its work to the others."""

from __future__ import annotations

import pytest
from support.driver import SESSION, Driver

from sustainml_orchestrator.core.commands import SendControl
from sustainml_orchestrator.core.events import StatusReceived, TimePassed
from sustainml_orchestrator.core.ids import (
    NO_TASK,
    ErrorCode,
    NodeCommand,
    NodeStatus,
    TaskCommand,
    TaskStatus,
)
from sustainml_orchestrator.core.states import StepState
from sustainml_orchestrator.core.step import Step
from sustainml_orchestrator.core.task import Task

MODULE = "hw_constraints"
#: More than one process of MODULE, by name and incarnation.
ONE, TWO = (f"/sustainml/{MODULE}", 1), ("/sustainml/twin", 2)


def say(
    core: Driver,
    process: tuple[str, int],
    status: NodeStatus = NodeStatus.IDLE,
    task: Task | None = None,
    word: TaskStatus = TaskStatus.RUNNING,
    try_number: int = 1,
) -> None:
    """A process says something of itself, or of its work on a task."""
    about = (task.task_id, task.attempt, SESSION, task.token) if task else (NO_TASK, 0, 0, 0)
    last = core.core.lifecycle.command_ids.last
    core.give(StatusReceived(MODULE, *process, last, status, *about, word, try_number))


def pass_time(core: Driver, seconds: float, *alive: tuple[tuple[str, int], NodeStatus]) -> None:
    """Time passes with heartbeats of the other modules, and of these processes."""
    for _ in range(round(seconds / 0.5)):
        for process, status in alive:
            say(core, process, status)
        core.beat(0.5, silent=(MODULE,))


def resets(core: Driver) -> list[int]:
    """Tries of every RESET_TASK sent."""
    sent = [c for c in core.find(SendControl) if c.cmd_task is TaskCommand.RESET]
    assert {c.target for c in sent} <= {MODULE, ONE[0], TWO[0]}
    return [c.try_number for c in sent]


def reset_processes(core: Driver) -> set[str]:
    """Targets of every RESET_NODE sent to MODULE."""
    names = {MODULE, ONE[0], TWO[0]}
    sent = {c.target for c in core.find(SendControl) if c.cmd_node is NodeCommand.RESET}
    return sent & names


@pytest.fixture
def task(core: Driver) -> Task:
    """A task that only waits for MODULE, of which two processes live."""
    task = core.submit()
    core.output("app_requirements", task)
    core.output("ml_model_metadata", task)
    say(core, ONE)
    say(core, TWO)
    core.forget()
    return task


def step_of(core: Driver, task: Task) -> Step:
    return task.steps[core.names.index(MODULE)]


def test_the_loss_of_one_at_work_uses_up_a_try_and_the_other_takes_over(
    core: Driver, task: Task
) -> None:
    say(core, ONE, NodeStatus.RUNNING, task)
    pass_time(core, 5.0, (TWO, NodeStatus.IDLE))
    assert step_of(core, task).try_number == 2
    assert resets(core) == [2]
    say(core, TWO, NodeStatus.RUNNING, task, try_number=2)
    pass_time(core, 20.0, (TWO, NodeStatus.RUNNING))
    assert step_of(core, task).instance == TWO[0]
    core.output(MODULE, task)
    assert task.status is TaskStatus.RUNNING and task.outputs[core.names.index(MODULE)]


def test_a_task_that_kills_one_process_after_the_other_ends(core: Driver, task: Task) -> None:
    say(core, ONE, NodeStatus.RUNNING, task)
    pass_time(core, 5.0, (TWO, NodeStatus.IDLE))
    say(core, TWO, NodeStatus.RUNNING, task, try_number=2)
    pass_time(core, 2.0, (TWO, NodeStatus.RUNNING))
    third = (ONE[0], 3)  # the supervisor has started the first one again
    pass_time(core, 5.0, (third, NodeStatus.IDLE))
    assert (task.status, task.error_code) == (TaskStatus.ERROR, ErrorCode.NODE_UNAVAILABLE)
    assert task.outcome_reason == (
        f"{MODULE} after 2 tries: the process of {MODULE} was lost while it worked on the task"
    )


def test_a_task_that_kills_both_at_once_uses_up_a_try(core: Driver, task: Task) -> None:
    """One is started again before the other is missed."""
    say(core, ONE, NodeStatus.RUNNING, task)
    say(core, TWO, NodeStatus.RUNNING, task)
    say(core, (TWO[0], 8), NodeStatus.INACTIVE)
    say(core, (ONE[0], 9), NodeStatus.INACTIVE)
    say(core, (ONE[0], 9), NodeStatus.IDLE)
    core.give(TimePassed())
    assert resets(core) == [2]


def test_a_respawn_beside_a_live_one_is_a_loss_too(core: Driver, task: Task) -> None:
    say(core, ONE, NodeStatus.RUNNING, task)
    say(core, (ONE[0], 9), NodeStatus.INACTIVE)
    core.give(TimePassed())
    assert step_of(core, task).try_number == 2


def test_what_was_only_queued_there_is_delivered_again_with_the_same_try(
    core: Driver, task: Task
) -> None:
    say(core, ONE, NodeStatus.RUNNING, task, TaskStatus.WAITING)
    pass_time(core, 5.0, (TWO, NodeStatus.RUNNING))
    assert step_of(core, task).try_number == 1
    assert resets(core) == [1]


def test_work_that_the_other_does_as_well_goes_on(core: Driver, task: Task) -> None:
    say(core, ONE, NodeStatus.RUNNING, task)
    say(core, TWO, NodeStatus.RUNNING, task)
    pass_time(core, 20.0, (TWO, NodeStatus.RUNNING))
    assert step_of(core, task).try_number == 1
    assert not resets(core)


def test_one_that_comes_back_rejoins_and_its_stale_word_is_dropped(
    core: Driver, task: Task
) -> None:
    """Frozen, then woken: the other one has the step by now."""
    say(core, ONE, NodeStatus.RUNNING, task)
    pass_time(core, 5.0, (TWO, NodeStatus.IDLE))
    say(core, TWO, NodeStatus.RUNNING, task, try_number=2)
    say(core, ONE, NodeStatus.RUNNING, task)
    say(core, ONE, NodeStatus.RUNNING, task, TaskStatus.ERROR)
    step = step_of(core, task)
    assert (step.try_number, step.instance) == (2, TWO[0])
    assert core.core.lifecycle.by_name[MODULE].hosts(ONE)


def test_both_idle_means_that_the_step_was_dropped(core: Driver, task: Task) -> None:
    say(core, ONE, NodeStatus.RUNNING, task, TaskStatus.WAITING)
    say(core, ONE)
    pass_time(core, 3.0, (ONE, NodeStatus.IDLE), (TWO, NodeStatus.IDLE))
    assert resets(core) == [1]


def test_word_from_beyond_the_grave_is_dropped(core: Driver, task: Task) -> None:
    say(core, (ONE[0], 9))
    say(core, ONE, NodeStatus.RUNNING, task)
    assert core.core.reports.dropped["status of a process that is gone"] == 1
    assert not step_of(core, task).instance


def test_one_in_error_is_no_error_of_the_module(core: Driver, task: Task) -> None:
    """Nor does it use up the resets of those that work."""
    core.core.settings.max_resets = 0
    say(core, ONE, NodeStatus.RUNNING, task)
    say(core, TWO, NodeStatus.ERROR)
    pass_time(core, 5.0, (ONE, NodeStatus.RUNNING), (TWO, NodeStatus.ERROR))
    node = core.core.lifecycle.by_name[MODULE]
    assert task.open and node.active and not node.recovery.given_up


def test_what_one_has_delivered_the_others_need_not_do(core: Driver, task: Task) -> None:
    say(core, ONE, NodeStatus.RUNNING, task)
    say(core, TWO, NodeStatus.RUNNING, task)
    core.forget()
    core.output(MODULE, task)
    (told,) = core.find(SendControl)
    assert (told.target, told.cmd_task, told.task_id) == (MODULE, TaskCommand.STOP, task.task_id)
    say(core, TWO, NodeStatus.RUNNING, task)  # it had not heard of it
    assert len(core.find(SendControl)) == 2


def test_what_one_returns_stays_with_the_one_that_works_on_it(core: Driver, task: Task) -> None:
    """Else the loss of that one would cost no try, and a deadly task would kill without end."""
    say(core, ONE, NodeStatus.RUNNING, task)
    say(core, TWO, NodeStatus.INACTIVE, task, TaskStatus.RETURNED)
    assert step_of(core, task).state is StepState.RUNNING
    pass_time(core, 5.0, (TWO, NodeStatus.IDLE))
    assert step_of(core, task).try_number == 2


# Sharing #

OTHERS = (ONE, TWO)


def share(core: Driver) -> None:
    """Both obey START_NODE that is sent to them by name."""
    core.beat(1.0, silent=(MODULE,))
    for process in OTHERS:
        told = [c for c in core.find(SendControl) if c.target == process[0]]
        assert told and told[-1].cmd_node is NodeCommand.START, process
        confirmed = StatusReceived(MODULE, *process, told[-1].command_id, NodeStatus.IDLE)
        core.give(confirmed)
    core.forget()


def assigned(core: Driver) -> list[str]:
    """Who of MODULE was sent RESET_TASK, in order."""
    sent = [c for c in core.find(SendControl) if c.cmd_task is TaskCommand.RESET]
    return [c.target for c in sent if c.target in (MODULE, ONE[0], TWO[0])]


def test_each_is_assigned_its_steps_and_one_more_to_queue(core: Driver, task: Task) -> None:
    core.output(MODULE, task)
    share(core)
    tasks = [core.submit() for _ in range(6)]
    core.beat(0.1, silent=(MODULE,))
    assert sorted(assigned(core)) == sorted(p[0] for p in OTHERS)  # one for each, the rest waits
    first = core.core.lifecycle.by_name[MODULE]
    held = {s.assigned: t for t in tasks if (s := step_of(core, t)).assigned}
    assert set(held) == set(OTHERS) == set(first.instances)
    core.forget()
    say(core, ONE, NodeStatus.RUNNING, held[ONE])
    assert assigned(core) == [ONE[0]]  # at once
    core.output(MODULE, held[ONE])
    assert task.open and assigned(core) == [ONE[0]]  # its queue is not empty yet


def test_one_that_is_lost_leaves_its_steps_to_the_other(core: Driver, task: Task) -> None:
    core.output(MODULE, task)
    share(core)
    other = core.submit()
    core.beat(0.1, silent=(MODULE,))
    (target,) = assigned(core)
    lost, left = OTHERS if target == ONE[0] else OTHERS[::-1]
    say(core, lost, NodeStatus.RUNNING, other)
    core.forget()
    pass_time(core, 5.0, (left, NodeStatus.IDLE))
    assert assigned(core) == [left[0]]
    assert step_of(core, other).try_number == 2


def test_one_that_hangs_is_told_to_stop_what_the_other_has_delivered(
    core: Driver, task: Task
) -> None:
    """RESET_TASK of the next try, which it would obey too, may have been lost."""
    core.output(MODULE, task)
    share(core)
    both = [core.submit(), core.submit()]
    for each in both:
        core.output("app_requirements", each)
        core.output("ml_model_metadata", each)
    core.beat(0.1, silent=(MODULE,))
    of = {step_of(core, each).assigned: each for each in both}
    core.output(MODULE, of[ONE])
    say(core, TWO, NodeStatus.RUNNING, of[TWO])
    core.forget()
    timeout = core.core.pipeline.by_name[MODULE].timeout
    pass_time(core, timeout + 1.0, (ONE, NodeStatus.IDLE), (TWO, NodeStatus.RUNNING))
    assert assigned(core) == [ONE[0]] and step_of(core, of[TWO]).try_number == 2
    core.forget()
    core.output(MODULE, of[TWO])
    (sent,) = [c for c in core.find(SendControl) if c.task_id == of[TWO].task_id]
    assert (sent.target, sent.cmd_task) == (MODULE, TaskCommand.STOP)


def test_the_one_that_is_left_takes_inputs_from_topics_again(core: Driver, task: Task) -> None:
    core.output(MODULE, task)
    share(core)
    pass_time(core, 5.0, (ONE, NodeStatus.IDLE))
    told = [c for c in core.find(SendControl) if c.cmd_node is NodeCommand.START]
    assert told and {c.target for c in told} == {MODULE}
    core.give(StatusReceived(MODULE, *ONE, told[-1].command_id, NodeStatus.IDLE))
    pass_time(core, 20.0, (ONE, NodeStatus.IDLE))  # what was published is of old by then
    core.forget()
    other = core.submit()
    pass_time(core, 0.5, (ONE, NodeStatus.IDLE))
    assert not assigned(core) and step_of(core, other).state is StepState.READY


def test_another_that_works_on_it_as_well_is_told_to_stop(core: Driver, task: Task) -> None:
    core.output(MODULE, task)
    share(core)
    other = core.submit()
    core.beat(0.1, silent=(MODULE,))
    (target,) = assigned(core)
    holder, wrong = OTHERS if target == ONE[0] else OTHERS[::-1]
    say(core, holder, NodeStatus.RUNNING, other)
    core.forget()
    say(core, wrong, NodeStatus.RUNNING, other)
    (told,) = [c for c in core.find(SendControl) if c.cmd_task]
    assert (told.target, told.cmd_task) == (wrong[0], TaskCommand.STOP)
    assert step_of(core, other).instance == holder[0]


def test_deliveries_from_before_the_node_was_active_do_not_count_as_ignored(
    core: Driver, task: Task
) -> None:
    """Each process dies right after the delivery, beside one that is not active."""
    for incarnation in range(10, 16):
        say(core, (ONE[0], incarnation), NodeStatus.INACTIVE)
        say(core, (ONE[0], incarnation), NodeStatus.IDLE)
        pass_time(core, 5.0, (TWO, NodeStatus.INACTIVE))
    assert len(resets(core)) > 3 and set(resets(core)) == {1}
    assert not [c for c in core.find(SendControl) if c.cmd_node is NodeCommand.RESET]


def test_deliveries_to_processes_that_are_gone_do_not_count_as_ignored(
    core: Driver, task: Task
) -> None:
    """Each dies right after a step was assigned to it, and another process takes its name."""
    core.output(MODULE, task)
    share(core)
    other, alive = core.submit(), dict(OTHERS)
    core.beat(0.1, silent=(MODULE,))
    for _ in range(5):
        target = assigned(core)[-1]
        alive[target] += 10
        say(core, (target, alive[target]), NodeStatus.INACTIVE)
        pass_time(core, 1.0, *((p, NodeStatus.IDLE) for p in alive.items() if p[0] != target))
        started = [c for c in core.find(SendControl) if c.cmd_node is NodeCommand.START][-1]
        said = StatusReceived(MODULE, target, alive[target], started.command_id, NodeStatus.IDLE)
        core.give(said)
    tries = [c.try_number for c in core.find(SendControl) if c.task_id == other.task_id]
    assert len(tries) > 3 and set(tries) == {1}
    assert not [c for c in core.find(SendControl) if c.cmd_node is NodeCommand.RESET]


def test_one_that_is_assigned_what_another_delivers_after_all_is_told_to_stop(
    core: Driver, task: Task
) -> None:
    """The first was not heard for a while, so the step, with the same try, went to the second."""
    core.output(MODULE, task)
    share(core)
    other = core.submit()
    core.beat(0.1, silent=(MODULE,))
    first, second = OTHERS if assigned(core) == [ONE[0]] else OTHERS[::-1]
    pass_time(core, 6.0, (second, NodeStatus.IDLE))
    assert assigned(core)[0] == first[0] and assigned(core)[-1] == second[0]
    assert step_of(core, other).try_number == 1
    say(core, second, NodeStatus.RUNNING, other)
    say(core, first, NodeStatus.RUNNING)
    core.forget()
    core.output(MODULE, other)
    told = [(c.target, c.cmd_task) for c in core.find(SendControl) if c.task_id == other.task_id]
    assert told == [(MODULE, TaskCommand.STOP)]


def test_of_several_the_one_that_hangs_in_the_work_of_no_task_is_reset(
    core: Driver, task: Task
) -> None:
    """It queued a step, but its user code hangs for a task that was terminated."""
    core.core.settings.queue_timeout = 100.0
    core.output(MODULE, task)
    share(core)
    other = core.submit()
    core.output("app_requirements", other)
    core.output("ml_model_metadata", other)
    core.beat(0.1, silent=(MODULE,))
    hung, healthy = OTHERS if assigned(core) == [ONE[0]] else OTHERS[::-1]
    say(core, hung, NodeStatus.RUNNING, other, TaskStatus.WAITING)
    core.forget()
    pass_time(core, 99.0, (hung, NodeStatus.RUNNING), (healthy, NodeStatus.IDLE))
    assert not reset_processes(core)
    pass_time(core, 3.0, (hung, NodeStatus.RUNNING), (healthy, NodeStatus.IDLE))
    assert reset_processes(core) == {hung[0]}
