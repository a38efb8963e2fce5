"""Deadlines over restarts, pauses and stops: what has passed counts, what nobody did does not."""

from __future__ import annotations

import pytest
from support.driver import Driver
from support.restarting import Restarting

from sustainml_orchestrator.core.commands import (
    AnnounceTask,
    Log,
    SaveTask,
    SendControl,
)
from sustainml_orchestrator.core.events import (
    NodeCommanded,
    TimePassed,
)
from sustainml_orchestrator.core.ids import (
    ErrorCode,
    NodeCommand,
    NodeStatus,
    TaskCommand,
    TaskId,
    TaskStatus,
)
from sustainml_orchestrator.core.states import StepState
from sustainml_orchestrator.core.step import Step
from sustainml_orchestrator.core.task import Task

TASK = TaskId(1, 1)


class Kept(Restarting):
    """A core whose state survives it, and that dies now and then."""

    @property
    def task(self) -> Task:
        return self.core.store.get(TASK)

    def step(self, name: str) -> Step:
        return self.task.steps[self.names.index(name)]

    def begin(self, status: TaskStatus = TaskStatus.RUNNING) -> None:
        """A task of which one step is at work, or in the queue of its module."""
        self.bring_up()
        self.submit()
        self.output("app_requirements", self.task)
        self.output("ml_model_metadata", self.task)
        self.report("hw_constraints", self.task, status)

    def live(self, seconds: float, status: TaskStatus, silent: tuple[str, ...] = ()) -> float:
        """A life of so many s, in which the module repeats what it does; how long it took."""
        for name in self.names:
            if name not in silent:
                self.status(name, NodeStatus.RUNNING)
        if "hw_constraints" not in silent:
            try_number = self.step("hw_constraints").try_number
            self.report("hw_constraints", self.task, status, try_number=try_number)
        begun = self.now
        while self.now < begun + seconds and self.step("hw_constraints").try_number == 1:
            self.beat(0.5, silent)
            if not self.task.open:
                break
        return self.now - begun


@pytest.mark.parametrize("times", [(0, 0, 0), (0.25, 1e6, 3.5), (3600, 300, 60), (1e6, 4e6, 3e4)])
def test_times_are_kept_in_one_number(times: tuple[float, float, float]) -> None:
    step, other = Step(0), Step(0)
    step.waited, step.worked, step.absent = times
    packed = step.pack_clocks()
    assert -(2**63) < packed <= 0
    other.unpack_clocks(packed)
    assert (other.waited, other.worked, other.absent) == times


def test_times_beyond_what_can_be_kept_are_kept_as_the_longest() -> None:
    step, other = Step(0), Step(0)
    step.waited = step.worked = step.absent = 1e12
    other.unpack_clocks(step.pack_clocks())
    assert other.waited > 1e6 and other.worked > 4e6 and other.absent > 3e4
    other.unpack_clocks(1732500000 * 10**9)  # the end of a step, in ns
    assert (other.waited, other.worked, other.absent) == (0, 0, 0)


@pytest.mark.parametrize(
    ("status", "limit"), [(TaskStatus.RUNNING, 300.0), (TaskStatus.WAITING, 200.0)]
)
@pytest.mark.parametrize("life", [3.0, 20.0, 170.0])
def test_an_orchestrator_that_crashes_again_and_again_gives_no_more_time(
    status: TaskStatus, limit: float, life: float
) -> None:
    core = Kept(queue_timeout=200.0)
    core.begin(status)
    total = core.live(life, status)
    while core.step("hw_constraints").try_number == 1:
        assert total < 2.1 * limit + life
        core.restart()
        total += core.live(life, status)
    assert total >= limit  # while nobody was there no time passed


@pytest.mark.parametrize("life", [5.0, 20.0, 50.0])
def test_an_absent_module_is_not_awaited_anew_by_every_life(life: float) -> None:
    core = Kept()
    core.begin()
    silent = ("hw_constraints",)
    core.beat(4.0, silent)
    total = 0.0
    while core.task.open:
        assert total < 150
        total += core.live(life, TaskStatus.RUNNING, silent)
        if core.task.open:
            core.restart()
    assert core.task.error_code == ErrorCode.NODE_UNAVAILABLE
    assert "start its process, or raise node_lost_timeout" in core.task.outcome_reason


def test_a_module_that_is_back_is_heard_before_it_is_judged() -> None:
    core = Kept()
    core.begin()
    core.beat(58.0, ("hw_constraints",))
    core.restart()
    core.give(TimePassed(), 0.1)
    core.step("hw_constraints").absent = 61.0
    core.live(2.5, TaskStatus.RUNNING, ("hw_constraints",))
    core.live(10.0, TaskStatus.RUNNING)
    assert core.task.open and core.step("hw_constraints").try_number == 1


def test_work_of_a_process_that_died_with_the_orchestrator_is_no_work() -> None:
    """The machine was switched off: the step begins anew and has all its time."""
    core = Kept()
    core.begin()
    core.live(250.0, TaskStatus.RUNNING)
    core.restart()
    core.incarnations["hw_constraints"] = 2
    core.status("hw_constraints", NodeStatus.INACTIVE)
    core.live(200.0, TaskStatus.RUNNING)
    step = core.step("hw_constraints")
    assert step.try_number == 1 and step.worked <= 201
    assert step.waited >= 180


def test_time_in_a_module_stopped_on_purpose_is_not_counted_or_kept(core: Driver) -> None:
    task = core.submit()
    for name in core.names[:2]:
        core.output(name, task)
    core.report("hw_constraints", task, TaskStatus.RUNNING)
    core.beat(100.0)
    core.core.lifecycle.by_name["hw_constraints"].desired_active = False
    core.report("hw_constraints", task, TaskStatus.RETURNED)
    core.status("hw_constraints", NodeStatus.INACTIVE)
    core.forget()
    core.beat(5000.0)
    step = task.steps[core.names.index("hw_constraints")]
    assert (step.waited, step.worked, step.try_number) == (pytest.approx(0, abs=1), 0, 1)
    assert not core.find(SaveTask)


def test_what_is_quick_is_not_kept_more_often(core: Driver) -> None:
    task = core.submit()
    core.report("hw_constraints", task, TaskStatus.RUNNING)
    core.forget()
    core.beat(0.9)
    assert not core.find(SaveTask)
    core.beat(600.0)
    assert 6 * 3 <= len(core.find(SaveTask)) <= 20 * 3


def test_an_orchestrator_that_stood_still_blames_nobody(core: Driver) -> None:
    """Neither a step for its deadline, nor a node for its heartbeat or a command."""
    task = core.submit()
    for name in core.names[:2]:
        core.output(name, task)
    core.report("hw_constraints", task, TaskStatus.RUNNING)
    core.command(task, TaskCommand.PREEMPT)
    core.report("hw_constraints", task, TaskStatus.RUNNING)
    core.give(TimePassed(), 0.1)
    core.forget()
    core.give(TimePassed(), 10_000.0)
    core.beat(1.0)
    assert task.steps[core.names.index("hw_constraints")].try_number == 1
    assert core.core.lifecycle.ready
    assert not core.find(Log) and not core.find(SendControl)


def deadlines_of_all_kinds(core: Driver) -> None:
    """Something is due of everything that the core waits for."""
    stopped, task = core.submit(), core.submit()
    for name in core.names[:3]:
        core.report(name, stopped, TaskStatus.RUNNING)
    core.command(stopped, TaskCommand.STOP)
    core.report("hw_constraints", task, TaskStatus.RUNNING)
    core.report("app_requirements", task, TaskStatus.SUCCEEDED)
    core.status("hw_resources", NodeStatus.ERROR, error_code=1)
    core.give(NodeCommanded(99, "carbon_tracker", NodeCommand.STOP, 7.0))


def lived_through(pause: float) -> list[tuple[float, str]]:
    """What is commanded in the 20 s after a pause, and when, as from its end."""
    core = Driver()
    core.bring_up()
    deadlines_of_all_kinds(core)
    core.give(TimePassed(), pause)
    assert core.core.context.now == core.now
    end = core.now
    commands: list[tuple[float, str]] = []
    while core.now < end + 20.0:
        for node in core.core.lifecycle.nodes[1:]:
            core.status(node.name, node.primary.status)
            told = (c for c in core.commands if not isinstance(c, (AnnounceTask, Log)))
            commands += [(round(core.now - end, 3), str(c)) for c in told]
            core.forget()
        core.give(TimePassed(), 0.1)
    return commands


@pytest.mark.parametrize("pause", [2.1, 3.5, 10.0, 600.0, 1e6])
def test_after_a_freeze_everything_is_due_as_if_there_had_been_none(pause: float) -> None:
    expected = lived_through(0.25)
    kinds = {command.partition("(")[0] for _, command in expected}
    assert kinds >= {"SendControl", "Reply", "AnnounceSystem", "SaveTask"}
    assert lived_through(pause) == expected


@pytest.mark.parametrize("initialises", [True, False])
def test_a_module_that_initialises_works_from_the_beginning(
    core: Driver, initialises: bool
) -> None:
    """Also where its output was lost before, and the step was to be delivered again."""
    task = core.submit()
    core.output("app_requirements", task)
    core.output("ml_model_metadata", task)
    step = task.steps[core.names.index("hw_constraints")]
    core.report("hw_constraints", task, TaskStatus.RUNNING)
    step.worked = 290.0
    core.status("hw_constraints", NodeStatus.IDLE)  # its output and SUCCEEDED were lost
    core.beat(3.0)
    assert step.state is not StepState.RUNNING and step.worked > 290.0
    if initialises:
        core.status("hw_constraints", NodeStatus.INITIALIZING)
    core.status("hw_constraints", NodeStatus.IDLE)
    core.report("hw_constraints", task, TaskStatus.RUNNING)
    core.beat(20.0)
    assert step.try_number == (1 if initialises else 2)
