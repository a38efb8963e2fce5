"""When a task starts, and what is said of one that waits or runs."""

from __future__ import annotations

from support.driver import Driver

from sustainml_orchestrator.core.events import TimePassed
from sustainml_orchestrator.core.ids import NodeStatus, TaskStatus
from sustainml_orchestrator.core.task import Task


def up_without(core: Driver, missing: str) -> None:
    """All nodes are active but one."""
    for name in core.names:
        if name != missing:
            core.status(name, NodeStatus.IDLE)
    core.beat(2.0)


def reason(core: Driver, task: Task) -> str:
    return core.core.outcome_reason(task)


def test_a_task_waits_for_every_required_module_and_says_for_whom() -> None:
    core = Driver()
    up_without(core, "hw_resources")
    task = core.submit()
    assert task.status is TaskStatus.WAITING and not core.core.lifecycle.ready
    assert "never seen: hw_resources" in reason(core, task)


def test_admission_always_starts_a_task_at_once_and_its_step_waits() -> None:
    core = Driver(admission="always")
    up_without(core, "hw_constraints")
    task = core.submit()
    assert task.status is TaskStatus.RUNNING
    core.beat(10.0, silent=("hw_constraints",))
    assert "node hw_constraints has never been seen" in reason(core, task)
    core.status("hw_constraints", NodeStatus.IDLE)
    core.give(TimePassed())
    assert [c.target for c in core.commands if getattr(c, "cmd_task", 0)][-1:] == ["hw_constraints"]
    core.finish(task)
    assert task.status is TaskStatus.SUCCEEDED


def test_admission_always_queues_what_exceeds_max_active_tasks() -> None:
    core = Driver(admission="always", max_active_tasks=1)
    first, second = core.submit(), core.submit()
    assert (first.status, second.status) == (TaskStatus.RUNNING, TaskStatus.WAITING)
    assert reason(core, second) == "queued: 1 tasks run, 1 wait"


def test_a_running_task_says_which_modules_it_waits_for_and_what_they_do(core: Driver) -> None:
    task = core.submit()
    core.output("app_requirements", task)
    core.report("ml_model_metadata", task, TaskStatus.WAITING)
    core.report("hw_constraints", task, TaskStatus.RUNNING)
    assert reason(core, task) == (
        "waits for ml_model_metadata (task queued), hw_constraints (working)"
    )
    core.beat(4.0, silent=("hw_constraints",))
    assert "; node hw_constraints is INACTIVE (no heartbeat for" in reason(core, task)
    core.finish(task)
    assert reason(core, task) == "every module delivered"
