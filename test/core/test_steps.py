"""Steps: word that overtakes, work given back, deadlines and redeliveries."""

from __future__ import annotations

import pytest
from support.driver import SESSION, Driver

from sustainml_orchestrator.core.commands import PublishUserInput, SendControl
from sustainml_orchestrator.core.events import StatusReceived, TimePassed
from sustainml_orchestrator.core.ids import (
    ErrorCode,
    NodeCommand,
    NodeStatus,
    TaskCommand,
    TaskStatus,
)
from sustainml_orchestrator.core.states import StepState
from sustainml_orchestrator.core.step import Step
from sustainml_orchestrator.core.task import Task


def resets(core: Driver) -> list[tuple[str, int]]:
    """(module, try) of every RESET_TASK sent."""
    commands = core.find(SendControl)
    return [(c.target, c.try_number) for c in commands if c.cmd_task is TaskCommand.RESET]


def step_of(core: Driver, task: Task, name: str) -> Step:
    return task.steps[core.names.index(name)]


def test_a_step_that_overtook_its_inputs_waits_for_them_when_its_module_dies(core: Driver) -> None:
    """It must not be told to fetch inputs that nobody can give it."""
    task = core.submit()
    core.report("ml_model_provider", task, TaskStatus.WAITING)
    core.incarnations["ml_model_provider"] = 2
    core.status("ml_model_provider", NodeStatus.INACTIVE)
    core.status("ml_model_provider", NodeStatus.IDLE)
    core.give(TimePassed())
    assert step_of(core, task, "ml_model_provider").state is StepState.PENDING_FETCH
    assert not resets(core)
    for name in core.names[:3]:
        core.output(name, task)
    core.give(TimePassed())
    assert resets(core) == [("ml_model_provider", 1)]


def test_a_step_that_overtook_its_inputs_and_fails_tries_again_when_they_are_there(
    core: Driver,
) -> None:
    task = core.submit()
    core.report("ml_model_provider", task, TaskStatus.ERROR, error_description="no")
    core.give(TimePassed())
    assert not resets(core)
    for name in core.names[:3]:
        core.output(name, task)
    core.give(TimePassed())
    assert resets(core) == [("ml_model_provider", 2)]


def test_work_given_back_comes_again_by_and_by(core: Driver) -> None:
    core.beat(20.0)  # the nodes are not fresh any more
    task = core.submit()
    core.output("app_requirements", task)
    core.output("ml_model_metadata", task)
    core.report("hw_constraints", task, TaskStatus.WAITING)
    core.forget()
    core.report("hw_constraints", task, TaskStatus.RETURNED)
    core.status("hw_constraints", NodeStatus.IDLE)
    core.beat(4.0)
    assert not resets(core)
    core.beat(1.6)
    assert resets(core) == [("hw_constraints", 1)]


def test_a_module_without_room_is_neither_flooded_nor_reset(core: Driver) -> None:
    task = core.submit()
    core.output("app_requirements", task)
    core.output("ml_model_metadata", task)
    for _ in range(30):
        full = {"error_code": ErrorCode.RESOURCE_EXHAUSTED}
        core.report("hw_constraints", task, TaskStatus.RETURNED, **full)
        core.status("hw_constraints", NodeStatus.RUNNING)
        core.beat(2.0)
    assert len(resets(core)) <= 30
    assert not [c for c in core.find(SendControl) if c.cmd_node is not NodeCommand.NONE]
    assert (task.status, step_of(core, task, "hw_constraints").try_number) == (
        TaskStatus.RUNNING,
        1,
    )


@pytest.mark.parametrize("before", [None, TaskStatus.WAITING, TaskStatus.RUNNING])
@pytest.mark.parametrize("code", [ErrorCode.NO_ERROR, ErrorCode.RESOURCE_EXHAUSTED])
def test_what_is_given_back_for_ever_ends_with_the_reason(
    core: Driver, before: TaskStatus | None, code: ErrorCode
) -> None:
    """The module answers promptly whenever it is asked, but never does the work."""
    core.core.settings.queue_timeout = 100.0
    task = core.submit()
    core.output("app_requirements", task)
    core.output("ml_model_metadata", task)
    begun, core.commands = core.now, []
    while task.open:
        assert core.now - begun < 2 * 130
        for name, try_number in resets(core):
            assert name == "hw_constraints"
            if before is not None:
                core.report(name, task, before, try_number=try_number)
                core.beat(3.0)
            text = {"error_code": code, "error_description": "no room"}
            core.report(name, task, TaskStatus.RETURNED, try_number=try_number, **text)
        core.forget()
        core.beat(0.5)
    assert task.outcome_reason.startswith("hw_constraints after 2 tries: ")
    if before or code:
        assert task.error_code is ErrorCode.TIMEOUT
        given_back = "returned the task for 100 s (queue_timeout): no room"
        never_begun = "did not begin within 100 s (queue_timeout)"
        assert task.outcome_reason.partition(": ")[2] in (given_back, never_begun)


@pytest.mark.parametrize("works", [False, True])
def test_a_module_that_hangs_in_the_work_of_no_task_is_reset(core: Driver, works: bool) -> None:
    """Its user code hangs for a terminated task; a module at work on another task is not reset."""
    core.core.settings.queue_timeout = 100.0
    task, other = core.submit(), core.submit()
    for each in (task, other):
        core.output("app_requirements", each)
        core.output("ml_model_metadata", each)
        core.report("hw_constraints", each, TaskStatus.WAITING)
    if works:
        core.report("hw_constraints", other, TaskStatus.RUNNING)
    core.forget()
    begun = core.now
    while step_of(core, task, "hw_constraints").try_number == 1:
        assert core.now - begun < 110
        core.status("hw_constraints", NodeStatus.RUNNING)
        core.beat(0.5)
    told = {c.cmd_node for c in core.find(SendControl) if c.target == "hw_constraints"}
    assert (NodeCommand.RESET in told) is not works


def test_work_given_back_on_request_does_not_count(core: Driver) -> None:
    """A person stopped the module after hours of work: no deadline has passed by that."""
    core.core.settings.queue_timeout = 100.0
    task = core.submit()
    core.output("app_requirements", task)
    core.output("ml_model_metadata", task)
    core.report("hw_constraints", task, TaskStatus.RUNNING)
    core.beat(200.0)
    core.core.lifecycle.by_name["hw_constraints"].desired_active = False
    core.report("hw_constraints", task, TaskStatus.RETURNED)
    core.core.lifecycle.by_name["hw_constraints"].desired_active = True
    core.beat(1.0)
    core.report("hw_constraints", task, TaskStatus.WAITING)
    core.beat(90.0)
    assert step_of(core, task, "hw_constraints").try_number == 1


def test_a_module_that_initialises_for_ever_is_not_awaited_for_ever(core: Driver) -> None:
    core.core.settings.queue_timeout = 500.0
    task = core.submit()
    core.output("app_requirements", task)
    core.output("ml_model_metadata", task)
    begun = core.now
    while task.open:
        assert core.now - begun < 1100
        core.status("hw_constraints", NodeStatus.INITIALIZING)
        core.beat(0.5)
    assert "did not begin within 500 s (queue_timeout)" in task.outcome_reason


def test_a_node_that_calls_itself_idle_at_work_meets_its_deadline(core: Driver) -> None:
    """It is asked again and again, but repeating that it works gives it no more time."""
    task = core.submit()
    core.output("app_requirements", task)
    core.output("ml_model_metadata", task)
    begun = core.now
    while core.now - begun < 320 and step_of(core, task, "hw_constraints").try_number == 1:
        core.give(
            StatusReceived(
                "hw_constraints", "/sustainml/hw_constraints", 1, 0, NodeStatus.IDLE,
                task.task_id, 1, SESSION, task.token, TaskStatus.RUNNING, 1,
            )
        )  # fmt: skip
        core.beat(1.0)
    assert 300 <= core.now - begun < 305


def test_time_in_a_stopped_module_does_not_count(core: Driver) -> None:
    task = core.submit()
    core.output("app_requirements", task)
    core.output("ml_model_metadata", task)
    core.report("hw_constraints", task, TaskStatus.RUNNING)
    core.core.lifecycle.by_name["hw_constraints"].desired_active = False
    core.report("hw_constraints", task, TaskStatus.RETURNED)
    core.status("hw_constraints", NodeStatus.INACTIVE)
    core.beat(1000.0)
    core.core.lifecycle.by_name["hw_constraints"].desired_active = True
    core.status("hw_constraints", NodeStatus.IDLE)
    core.forget()
    core.give(TimePassed())
    assert resets(core) == [("hw_constraints", 1)]
    core.report("hw_constraints", task, TaskStatus.RUNNING)
    core.beat(100.0)
    assert step_of(core, task, "hw_constraints").try_number == 1


def test_success_from_before_a_preemption_is_no_promise(core: Driver) -> None:
    task = core.submit()
    core.report("hw_constraints", task, TaskStatus.SUCCEEDED)
    core.core.settings.max_active_tasks = 0
    core.command(task, TaskCommand.PREEMPT)
    core.beat(10.0)
    core.core.settings.max_active_tasks = 1
    core.beat(1.0)
    assert step_of(core, task, "hw_constraints").try_number == 1


def test_the_last_output_may_come_while_the_task_waits(core: Driver) -> None:
    task = core.submit()
    for name in core.names[:-1]:
        core.output(name, task)
    core.core.settings.max_active_tasks = 0
    core.command(task, TaskCommand.PREEMPT)
    core.output(core.names[-1], task)
    assert task.status is TaskStatus.WAITING
    core.core.settings.max_active_tasks = 1
    core.give(TimePassed())
    assert task.status is TaskStatus.SUCCEEDED
    assert len(core.find(PublishUserInput)) == 1


def test_three_redeliveries_in_vain_reset_the_node_and_use_up_a_try(core: Driver) -> None:
    task = core.submit()
    core.output("app_requirements", task)
    core.output("ml_model_metadata", task)
    core.beat(26.0)
    assert resets(core)[:3] == [("hw_constraints", 1)] * 3
    told = [c.cmd_node for c in core.find(SendControl) if c.cmd_node]
    assert told[:1] == [NodeCommand.RESET]
    assert step_of(core, task, "hw_constraints").try_number == 2


def test_a_module_that_dies_of_another_task_is_not_silent_about_this_one(core: Driver) -> None:
    task = core.submit()
    core.output("app_requirements", task)
    core.output("ml_model_metadata", task)
    for incarnation in range(2, 8):
        core.incarnations["hw_constraints"] = incarnation
        core.status("hw_constraints", NodeStatus.INACTIVE)
        core.status("hw_constraints", NodeStatus.IDLE)
        core.beat(1.0)
    assert set(resets(core)) == {("hw_constraints", 1)} and len(resets(core)) >= 6
    assert not [c for c in core.find(SendControl) if c.cmd_node is NodeCommand.RESET]


def test_redelivery_is_paced_by_time_however_many_events_come() -> None:
    core = Driver(max_redeliveries_per_second=2)
    core.bring_up()
    for _ in range(3):
        core.submit()
    core.beat(2.0)  # of nine steps no module reports anything
    assert 2 <= len(resets(core)) <= 4
    for _ in range(100):
        core.give(TimePassed(), 0.0)
    assert len(resets(core)) <= 4
    core.beat(4.0)
    assert set(resets(core)) == {(name, 1) for name in core.names[:3]}


def test_an_error_code_that_is_none_counts_as_internal(core: Driver) -> None:
    task = core.submit()
    for try_number in (1, 2):
        core.report(
            "hw_constraints", task, TaskStatus.ERROR, error_code=200, try_number=try_number
        )  # fmt: skip
    assert task.error_code is ErrorCode.INTERNAL_ERROR
    assert task.error_description.endswith("no reason given")


def test_word_of_an_earlier_try_is_ignored(core: Driver) -> None:
    task = core.submit()
    core.report("hw_constraints", task, TaskStatus.ERROR, error_code=1)
    core.report("hw_constraints", task, TaskStatus.RUNNING, try_number=1)
    assert step_of(core, task, "hw_constraints").state is StepState.UNDELIVERED


def test_a_step_has_so_much_time_in_the_queue(core: Driver) -> None:
    core.core.settings.queue_timeout = 50.0
    task = core.submit()
    core.output("app_requirements", task)
    core.output("ml_model_metadata", task)
    for try_number in (1, 2):
        core.report("hw_constraints", task, TaskStatus.WAITING, try_number=try_number)
        core.beat(51.0)
    assert (task.status, task.error_code) == (TaskStatus.ERROR, ErrorCode.TIMEOUT)
    assert "did not begin within 50 s" in task.error_description
