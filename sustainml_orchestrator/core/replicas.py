"""Several instances of one module share its work.

While several live, each is told by START_NODE, sent to its own name, to take no inputs from topics:
it works on what RESET_TASK assigns to it by name. A step is assigned to the least loaded instance
that has nothing queued; the others wait here, so that a slow instance gets fewer of them. The one
that is left in the end is told by START_NODE, sent to the name of its module, to take inputs again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from sustainml_orchestrator.core.commands import SendControl
from sustainml_orchestrator.core.context import Context
from sustainml_orchestrator.core.events import StatusReceived
from sustainml_orchestrator.core.ids import NodeCommand, NodeStatus
from sustainml_orchestrator.core.instance import Instance, Process
from sustainml_orchestrator.core.node import Node
from sustainml_orchestrator.core.outbox import CommandIds
from sustainml_orchestrator.core.states import ACTIVE_NODES, StepState
from sustainml_orchestrator.core.task import Task

_STARTABLE = ACTIVE_NODES | {NodeStatus.INACTIVE, NodeStatus.INITIALIZING}
_QUEUED = (StepState.READY, StepState.ACCEPTED)
_WORKED_ON = (StepState.RUNNING, StepState.REPORTED)
#: Period (s) of resets of an instance in error while others work.
_RESET_PERIOD = 4.0
#: Command ids of resets remembered per instance.
_MAX_RESET_IDS = 4


def live(node: Node) -> list[Instance]:
    """The instances of a node that can work."""
    return [i for i in node.instances.values() if i.responsive and i.status in ACTIVE_NODES]


def choose(node: Node, tasks: Collection[Task]) -> Instance | None:
    """The least loaded instance for another step; None while all have one queued.

    Args:
        tasks: those that run.
    """
    able = live(node)
    if not node.addressed:  # one that takes inputs from topics has been published them
        able = [i for i in able if not i.addressed]
    queued: Counter[Process] = Counter()
    worked_on: Counter[Process] = Counter()
    for task in tasks:
        step = task.steps[node.spec.index]
        for process in (*step.processes[-1:],) if step.processes else (step.assigned,):
            if process is not None:
                queued[process] += step.state in _QUEUED
                worked_on[process] += step.state in _WORKED_ON
    if node.addressed:
        able = [i for i in able if not queued[i.process]]
    return min(able, key=lambda i: worked_on[i.process] + queued[i.process], default=None)


class Modes:
    """Tells the instances of a node from where they take their work."""

    def __init__(self, context: Context, ids: CommandIds) -> None:
        self._context, self._ids = context, ids

    def work_off(self, node: Node) -> None:
        """Send what is due; to be called now and then."""
        instances = node.instances.values()
        if len(instances) == 1 and not any(i.addressed for i in instances):
            return  # one instance has all the work
        alive = [i for i in instances if i.responsive]
        several = len(alive) > 1
        if not several and not any(i.addressed for i in alive):
            return
        if not node.desired_active or node.outbox.node_order is not None:
            return
        for instance in alive:
            self._work_off(node, instance, several)

    def _work_off(self, node: Node, instance: Instance, several: bool) -> None:
        since = self._context.now - instance.start_sent_at
        period = self._context.settings.resend_period
        wrong = instance.addressed is not several or instance.status is NodeStatus.INACTIVE
        held = self._context.now < instance.held_until
        if instance.status in _STARTABLE and wrong and since >= period and not held:
            target = instance.name if several else node.name
            instance.start_sent = (self._send(target, NodeCommand.START), several)
            instance.start_sent_at = self._context.now
        elif instance.status is NodeStatus.ERROR and several and since >= _RESET_PERIOD:
            instance.resets += 1
            instance.start_sent_at = self._context.now
            if instance.resets <= self._context.settings.max_resets:
                self.reset(instance)

    def reset(self, instance: Instance) -> None:
        """Reset one of several instances, in error or as it ignores what is assigned to it."""
        command_id = self._send(instance.name, NodeCommand.RESET)
        instance.reset_ids = (*instance.reset_ids, command_id)[-_MAX_RESET_IDS:]

    def _send(self, target: str, command: NodeCommand) -> int:
        command_id = self._ids.next()
        self._context.do(SendControl(target, command_id, cmd_node=command))
        return command_id

    def confirm(self, node: Node, instance: Instance, event: StatusReceived) -> None:
        """Take note that an instance has been told. It is exact: ids of other targets grow, too."""
        command_id, addressed = instance.start_sent
        if command_id and event.last_command == command_id and instance.addressed is not addressed:
            before = node.addressed
            instance.addressed = addressed
            if node.addressed is not before:
                node.active_since = self._context.now  # what was published before may be missed
