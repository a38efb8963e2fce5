"""What a RUNNING task waits for, and how one succeeded, in words."""

from __future__ import annotations

from sustainml_orchestrator.core.lifecycle import Lifecycle
from sustainml_orchestrator.core.pipeline import Pipeline
from sustainml_orchestrator.core.states import OPEN_STEPS, StepState
from sustainml_orchestrator.core.task import Task

#: Most characters of a reason.
_LONGEST = 200

#: What a module does with a step, as shown in `outcome_reason`.
_DOES = {
    StepState.READY: "task delivered",
    StepState.UNDELIVERED: "task to be delivered again",
    StepState.ACCEPTED: "task queued",
    StepState.RUNNING: "working",
    StepState.REPORTED: "finished, output not received yet",
}


def waiting_for(task: Task, lifecycle: Lifecycle, now: float) -> str:
    """The modules that a RUNNING task waits for, and what each of them does."""
    parts, trouble = [], []
    for step in task.steps:
        if step.state in OPEN_STEPS:
            node = lifecycle.nodes[step.index]
            parts.append(f"{node.name} ({_DOES[step.state]})")
            if not node.active:
                trouble.append(node.describe(now))
    return "; ".join([f"waits for {', '.join(parts)}", *trouble])


def describe_success(task: Task, pipeline: Pipeline) -> str:
    """Why a task has succeeded, and without which modules. Its steps are still there."""
    missing = [step for step in task.steps if step.state is StepState.FAILED]
    if not missing:
        return "every module delivered"
    texts = [
        f"{pipeline.modules[step.index].name} ({step.error_description[:_LONGEST]})"
        for step in missing
    ]
    return f"every required module delivered; done without {', '.join(texts)}"
