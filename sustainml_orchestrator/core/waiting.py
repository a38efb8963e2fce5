"""What a RUNNING task waits for, and how one succeeded, in words."""

from __future__ import annotations

import math

from sustainml_orchestrator.core.lifecycle import Lifecycle
from sustainml_orchestrator.core.node import Node
from sustainml_orchestrator.core.pipeline import Pipeline
from sustainml_orchestrator.core.settings import Settings
from sustainml_orchestrator.core.states import OPEN_STEPS, StepState
from sustainml_orchestrator.core.step import Step
from sustainml_orchestrator.core.task import Task
from sustainml_orchestrator.core.text import duration

#: Most characters of a reason.
_LONGEST = 200

#: Time after which it is told how long a step takes, in s.
_WORTH_TELLING = 1.0
#: What a module does with a step, as shown in `outcome_reason`.
_DOES = {
    StepState.READY: "task delivered",
    StepState.UNDELIVERED: "task to be delivered again",
    StepState.ACCEPTED: "task queued",
    StepState.RUNNING: "working",
    StepState.REPORTED: "finished, output not received yet",
}


def waiting_for(task: Task, lifecycle: Lifecycle, settings: Settings, now: float) -> str:
    """The modules that a RUNNING task waits for, and what each of them does."""
    parts, trouble = [], []
    for step in task.steps:
        if step.state in OPEN_STEPS:
            node = lifecycle.nodes[step.index]
            parts.append(f"{node.name} ({_does(step, node, settings, now)})")
            if not node.active:
                trouble.append(node.describe(now))
    return "; ".join([f"waits for {', '.join(parts)}", *trouble])


def _does(step: Step, node: Node, settings: Settings, now: float) -> str:
    """What a module does with a step; after some time also for how long, and until when it may."""
    text, elapsed, limit = _DOES[step.state], now - step.since, math.inf
    if step.state is StepState.RUNNING:
        elapsed, limit = step.worked, node.spec.timeout
    elif step.absent:
        elapsed, limit = step.absent, settings.node_lost_timeout
    elif step.state is StepState.ACCEPTED:
        elapsed, limit = step.waited, settings.queue_timeout
    if elapsed >= _WORTH_TELLING:
        text += f" for {duration(elapsed)}"
        text += f", at most {duration(limit)}" if math.isfinite(limit) else ""
    if elapsed >= _WORTH_TELLING or step.try_number > 1:
        text += f", try {step.try_number} of {node.spec.max_tries}"
    return text


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
