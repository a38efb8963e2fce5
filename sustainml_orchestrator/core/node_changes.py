"""What the changes of a node mean for the steps of its module: delivered again, lost or failed."""

from __future__ import annotations

from sustainml_orchestrator.core.context import Context
from sustainml_orchestrator.core.ids import ErrorCode
from sustainml_orchestrator.core.instance import Process
from sustainml_orchestrator.core.lifecycle import Change, NodeChange
from sustainml_orchestrator.core.node import Node
from sustainml_orchestrator.core.states import HELD_STEPS, OPEN_STEPS, StepState
from sustainml_orchestrator.core.step import Step
from sustainml_orchestrator.core.steps import Steps
from sustainml_orchestrator.core.task import Task


class NodeChanges:
    """Applies the changes of nodes to the steps of running tasks."""

    def __init__(self, context: Context, steps: Steps) -> None:
        self._context = context
        self._steps = steps

    def apply(self, change: Change) -> None:
        """Apply the change of a node to the steps of its module."""
        acts = {
            NodeChange.ACTIVATED: self._activated,
            NodeChange.INITIALIZED: self._initialized,
            NodeChange.RESPAWNED: self._respawned,
            NodeChange.GIVEN_UP: self._given_up,
        }
        for task in list(self._steps.running.values()):
            step, node = task.steps[change.node.spec.index], change.node
            if act := acts.get(change.what):
                act(task, step, node)
            else:
                self._dropped(task, step, node, change.process)

    def _activated(self, task: Task, step: Step, node: Node) -> None:
        """A node can take work again: steps from before are delivered again."""
        if step.state in OPEN_STEPS and step.fed_at < node.active_since:
            if step.processes and not any(map(node.hosts, step.processes)):
                self._steps.lose(task, step, node)
                return
            node.outbox.delivered(task.task_id)  # earlier deliveries could not have an effect
            if step.state is StepState.RUNNING:
                step.worked = 0.0  # it was dropped
            self._steps.redeliver_later(task, step, "its inputs are older than the activation")

    def _initialized(self, task: Task, step: Step, node: Node) -> None:
        """The same, and it has dropped what it held: it works on it from the beginning."""
        if step.state in OPEN_STEPS:
            step.worked = 0.0
        self._activated(task, step, node)

    def _dropped(self, task: Task, step: Step, node: Node, process: Process) -> None:
        """A process has dropped what it held. What it reported to be done is on its way."""
        if step.state in OPEN_STEPS and not any(map(node.hosts, {*node.instances} - {process})):
            step.worked = 0.0  # nobody works on it any more, whoever was delivered it before
        held = step.state in (StepState.ACCEPTED, StepState.RUNNING) and process in step.processes
        if held and step.is_left_by(process, node):
            step.worked = 0.0
            node.outbox.delivered(task.task_id)
            self._steps.redeliver_later(task, step, "the module was reset")

    def _respawned(self, task: Task, step: Step, node: Node) -> None:
        """Another process has replaced the one that held the step."""
        if step.state in HELD_STEPS:
            self._steps.lose(task, step, node)
        else:
            step.stop_work()  # it may have worked before this orchestrator started

    def _given_up(self, task: Task, step: Step, node: Node) -> None:
        """No reset ended the error of the node."""
        if step.state in OPEN_STEPS:
            text = node.describe(self._context.now)
            self._steps.fail(task, step, ErrorCode.NODE_UNAVAILABLE, text)
