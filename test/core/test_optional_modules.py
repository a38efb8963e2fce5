"""A module with `required: false` neither holds up nor fails a task."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.driver import PIPELINE, Driver

from sustainml_orchestrator.core.commands import SendControl
from sustainml_orchestrator.core.ids import (
    ErrorCode,
    NodeStatus,
    TaskCommand,
    TaskStatus,
)
from sustainml_orchestrator.core.pipeline import Pipeline
from sustainml_orchestrator.core.task import Task

#: hw_constraints has consumers, carbon_tracker has none.
SOURCE, LAST = "hw_constraints", "carbon_tracker"


def optional(*names: str, **changes: float) -> Pipeline:
    """The pipeline, in which some modules are not required."""
    return Pipeline(
        tuple(
            replace(s, required=False, **changes) if s.name in names else s
            for s in PIPELINE.modules
        )
    )


def up_without(core: Driver, *missing: str) -> None:
    """All nodes are active but these, and the orchestrator has run for a while."""
    for name in core.names:
        if name not in missing:
            core.status(name, NodeStatus.IDLE)
    core.beat(5.0)


def finish_others(core: Driver, task: Task, *missing: str) -> None:
    """Every module delivers but these."""
    for name in core.names:
        if name not in missing:
            core.output(name, task)


def delivered_to(core: Driver, name: str, task: Task) -> list[SendControl]:
    return [
        c
        for c in core.find(SendControl)
        if (c.target, c.task_id, c.cmd_task) == (name, task.task_id, TaskCommand.RESET)
    ]


@pytest.mark.parametrize("name", [SOURCE, LAST])
def test_a_task_goes_on_at_once_without_a_module_that_was_never_seen(name: str) -> None:
    core = Driver(pipeline=optional(name))
    up_without(core, name)
    task = core.submit()
    began = core.now
    finish_others(core, task, name)
    assert task.status is TaskStatus.SUCCEEDED and core.now - began < 0.1
    assert task.outcome_reason == (
        f"every required module delivered; done without {name} "
        f"(node {name} has never been seen; start its process)"
    )
    record = task.records()[core.names.index(name)]
    assert (record.task_status, record.error_code) == (
        TaskStatus.ERROR,
        ErrorCode.NODE_UNAVAILABLE,
    )
    assert name in record.error_description


def test_consumers_of_a_missing_output_are_told_to_fetch_their_inputs() -> None:
    core = Driver(pipeline=optional(SOURCE))
    up_without(core, SOURCE)
    task = core.submit()
    core.forget()
    core.output("app_requirements", task)
    core.output("ml_model_metadata", task)
    core.beat(0.2)
    assert delivered_to(core, "ml_model_provider", task)
    assert not delivered_to(core, "hw_resources", task)


def test_the_output_of_a_module_that_is_there_is_waited_for_and_kept() -> None:
    core = Driver(pipeline=optional(LAST))
    up_without(core)
    task = core.submit()
    finish_others(core, task, LAST)
    core.report(LAST, task, TaskStatus.RUNNING)
    assert task.status is TaskStatus.RUNNING
    core.output(LAST, task)
    assert task.status is TaskStatus.SUCCEEDED and None not in task.outputs
    assert task.outcome_reason == "every module delivered"


def test_a_module_that_hangs_is_waited_for_as_long_as_its_key_wait_says() -> None:
    core = Driver(pipeline=optional(SOURCE, wait=3.0))
    up_without(core)
    task = core.submit()
    core.report(SOURCE, task, TaskStatus.RUNNING)
    core.report("app_requirements", task, TaskStatus.RUNNING)
    core.beat(10.0)  # a required module works: no time is lost
    assert task.steps[core.names.index(SOURCE)].error_code == ErrorCode.NO_ERROR
    core.output("app_requirements", task)
    core.output("ml_model_metadata", task)
    core.beat(2.5)
    assert not delivered_to(core, "ml_model_provider", task)
    core.beat(1.0)
    assert delivered_to(core, "ml_model_provider", task)
    stops = [c for c in core.find(SendControl) if c.cmd_task is TaskCommand.STOP]
    assert {c.target for c in stops} == {SOURCE}
    finish_others(core, task, SOURCE, "app_requirements", "ml_model_metadata")
    assert task.status is TaskStatus.SUCCEEDED
    assert "hw_constraints (not done 3 s after all else; raise its wait" in task.outcome_reason


def test_a_module_that_fails_every_try_does_not_fail_the_task() -> None:
    core = Driver(pipeline=optional(SOURCE))
    up_without(core)
    task = core.submit()
    failure = {"error_code": ErrorCode.INTERNAL_ERROR, "error_description": "no disk"}
    core.report(SOURCE, task, TaskStatus.ERROR, **failure)
    core.beat(0.2)
    assert len(delivered_to(core, SOURCE, task)) == 1  # it is tried again
    core.report(SOURCE, task, TaskStatus.ERROR, try_number=2, **failure)
    finish_others(core, task, SOURCE)
    assert task.status is TaskStatus.SUCCEEDED and task.error_code == ErrorCode.NO_ERROR
    assert task.outcome_reason.endswith("done without hw_constraints (no disk)")


def test_a_late_output_counts_while_the_task_runs() -> None:
    core = Driver(pipeline=optional(SOURCE))
    up_without(core, SOURCE)
    task = core.submit()
    core.output(SOURCE, task)
    finish_others(core, task, SOURCE)
    assert task.status is TaskStatus.SUCCEEDED and None not in task.outputs
    assert task.records()[core.names.index(SOURCE)].task_status is TaskStatus.SUCCEEDED


def test_one_that_is_lost_or_stopped_is_not_waited_for_but_one_that_starts_is_for_a_moment() -> (
    None
):
    core = Driver(pipeline=optional(LAST))
    up_without(core)
    core.beat(5.0, silent=(LAST,))
    task = core.submit()
    finish_others(core, task, LAST)
    assert task.status is TaskStatus.SUCCEEDED
    core.incarnations[LAST] = 2
    core.status(LAST, NodeStatus.INITIALIZING)
    task = core.submit()
    finish_others(core, task, LAST)
    assert task.status is TaskStatus.RUNNING
    core.status(LAST, NodeStatus.IDLE)
    core.beat(0.2)
    assert delivered_to(core, LAST, task)
    core.output(LAST, task)
    assert task.status is TaskStatus.SUCCEEDED and None not in task.outputs


def test_one_whose_start_hangs_holds_up_no_task_for_longer_than_bring_up_wait() -> None:
    core = Driver(pipeline=optional(LAST))
    up_without(core, LAST)
    core.status(LAST, NodeStatus.INITIALIZING)
    task = core.submit()
    finish_others(core, task, LAST)
    core.beat(1.5)
    assert task.status is TaskStatus.RUNNING
    core.beat(1.0)
    assert task.status is TaskStatus.SUCCEEDED


def test_a_chain_of_missing_modules_and_a_task_of_nothing_else() -> None:
    core = Driver(pipeline=optional(*PIPELINE.by_name))
    core.beat(5.0)
    task = core.submit()
    assert task.status is TaskStatus.SUCCEEDED and task.progress == 1.0


def test_after_a_preemption_the_module_has_another_chance() -> None:
    core = Driver(pipeline=optional(SOURCE), max_active_tasks=1)
    up_without(core, SOURCE)
    task, other = core.submit(), core.submit()
    core.command(task, TaskCommand.PREEMPT)
    core.status(SOURCE, NodeStatus.IDLE)
    finish_others(core, other)
    assert task.status is TaskStatus.RUNNING
    core.forget()
    core.beat(0.2)
    assert delivered_to(core, SOURCE, task)
    finish_others(core, task)
    assert task.status is TaskStatus.SUCCEEDED and None not in task.outputs
