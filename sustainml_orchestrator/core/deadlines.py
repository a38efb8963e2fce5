"""The deadlines of an open step: when it is overdue, and when its task goes on without it."""

from __future__ import annotations

from sustainml_orchestrator.core.node import Node
from sustainml_orchestrator.core.pipeline import Pipeline
from sustainml_orchestrator.core.settings import Settings
from sustainml_orchestrator.core.states import OPEN_STEPS, StepState
from sustainml_orchestrator.core.step import Step
from sustainml_orchestrator.core.task import Task

#: For so long (s) after a node became active, it may not be matched with all its publishers, and
#: miss messages: the first redelivery to it follows after `_FRESH_PATIENCE` (s).
_FRESH = 15.0
_FRESH_PATIENCE = 1.0


def overdue(step: Step, node: Node, settings: Settings) -> str:
    """Why a step needs another try, as a clause; "" while it is in time."""
    timeout, queue_timeout = node.spec.timeout, settings.queue_timeout
    # READY with an active node needs no limit: redelivery is limited.
    waits = step.state is StepState.ACCEPTED or not node.active
    if step.state is StepState.RUNNING:
        if step.worked >= timeout:
            return f"did not finish within {timeout:g} s; raise its timeout in the pipeline"
    elif waits and step.waited >= queue_timeout:
        return f"did not begin within {queue_timeout:g} s (queue_timeout)"
    return ""


def patience(node: Node, again: bool, settings: Settings, now: float) -> float:
    """Longest time without a report of a delivered step, in s.

    Args:
        again: whether it was delivered by RESET_TASK.
    """
    if again or now - node.active_since >= _FRESH:
        return settings.ack_timeout
    return min(settings.ack_timeout, _FRESH_PATIENCE)


def is_dispensable(step: Step, node: Node, settings: Settings, now: float) -> bool:
    """Whether a module is neither required nor active, nor will be in a moment."""
    if node.spec.required or node.active:
        return False
    moment, primary = settings.bring_up_wait, node.primary
    if primary is None or not node.desired_active or node.recovery.given_up:
        return True
    since = primary.since if primary.responsive else primary.last_seen
    return now - since >= moment or step.waited >= 2 * moment


def holds_up(task: Task, step: Step, pipeline: Pipeline, now: float) -> str:
    """Why a task goes on without a module that is not required, as a clause; "" if it does not."""
    spec = pipeline.modules[step.index]
    if spec.required:
        return ""
    others = [pipeline.modules[other.index] for other in task.steps if other.state in OPEN_STEPS]
    if any(other.required for other in others):
        return ""
    ended = [other.since for other in task.steps if other.state >= StepState.DONE]
    if now - max([step.fed_at, *ended]) < spec.wait:
        return ""
    return f"not done {spec.wait:g} s after all else; raise its wait in the pipeline"
