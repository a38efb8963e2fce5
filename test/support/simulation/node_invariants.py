"""Nodes: one that is silent, in error, inactive or ignores commands is not left so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from support.simulation.modules import Module
from sustainml_orchestrator.core.commands import Command, SendControl
from sustainml_orchestrator.core.events import Event, NodeCommanded
from sustainml_orchestrator.core.ids import NodeCommand, NodeStatus
from sustainml_orchestrator.core.node import Node
from sustainml_orchestrator.core.orchestrator import Orchestrator
from sustainml_orchestrator.core.states import StepState

if TYPE_CHECKING:
    from support.simulation.site import Site

#: How long a node may be in error at a time, s: the longest pause, and two vain commands.
_RECOVERY = 20.0
#: How long a command to a node may be late, s: until time passes, and what is before it is saved.
_LATE = 3.0
#: Mean time of a commit, s, where it is not longer than that.
_QUICK = 0.1
#: How long a process may ignore a command before it is terminated, s: once `command_timeout`; three
#: times for START_NODE.
_IGNORED = {NodeCommand.RESET: 5.0 + _LATE, NodeCommand.START: 15.0 + _LATE}


class NodeInvariants:
    """Remembers which nodes were started, and which processes ignore commands."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._starts: dict[str, float] = {}
        self._ignored: dict[tuple[str, int], float] = {}
        self._broken: dict[str, float] = {}
        self._resets: Counter[str] = Counter()

    def after_restart(self) -> None:
        """Another process of the orchestrator begins to command."""
        self._starts.clear()
        self._ignored.clear()
        self._broken.clear()
        self._resets.clear()

    def count_resets(self, event: Event, commands: Sequence[Command]) -> None:
        """Those since the last one that a person asked for."""
        for command in commands:
            if isinstance(command, SendControl) and command.cmd_node is NodeCommand.RESET:
                self._resets[command.target] += 1
                if isinstance(event, NodeCommanded):
                    self._resets[command.target] = 0

    def check(self, core: Orchestrator) -> None:
        """What is silent is noticed at the next tick, what is in error is reset."""
        for node in core.lifecycle.nodes:
            in_error = node.status is NodeStatus.ERROR and node.primary is not None
            if in_error and node.desired_active and not node.recovery.given_up:
                seen = self._broken.setdefault(node.name, core.context.now)
                patience = core.context.now - max(seen, node.primary.since)
                assert patience < _RECOVERY, f"{node.name} is left in error"
            else:
                self._broken.pop(node.name, None)
            self._check_start(core, node)
            if node.recovery.given_up:
                enough = self._resets[node.name] >= core.settings.max_resets
                assert enough, f"{node.name} is given up after {self._resets[node.name]} resets"
            for instance in node.instances.values():
                silence = core.context.now - instance.last_seen
                heard = silence <= core.settings.heartbeat_timeout
                assert heard or not instance.responsive, f"{instance.name} is gone unnoticed"
        self._check_assigned(core)

    def _check_assigned(self, core: Orchestrator) -> None:
        """A step that waits is assigned to no process that is gone, where others are active."""
        for task in core.tasks.running.values():
            for step in task.steps:
                node = core.lifecycle.nodes[step.index]
                waits = step.state is StepState.READY and node.active and step.assigned
                holder = node.instances.get(step.assigned) if waits else None
                gone = holder is not None and not holder.responsive
                assert not gone, f"{task.task_id} waits for {step.assigned}, which is gone"

    def _check_start(self, core: Orchestrator, node: Node) -> None:
        """START_NODE is repeated until it is obeyed."""
        faults, now = self._site.faults, core.context.now
        inactive = node.status is NodeStatus.INACTIVE and node.responsive and not node.terminating
        if not (inactive and node.desired_active):
            self._starts.pop(node.name, None)
        elif not (faults.pause or faults.disk_hangs or faults.disk_delay > _QUICK):
            wait = core.settings.bring_up_wait
            due = self._starts.setdefault(node.name, now + wait)
            due = max(due, node.primary.since + wait)  # its process may have been replaced
            late = now - due - core.settings.resend_period
            assert late < _LATE, f"{node.name} is not started"

    def sent(self, command: SendControl) -> None:
        """A command goes to a module."""
        if command.cmd_node is NodeCommand.START:
            due = self._starts.get(command.target, 0.0)
            self._starts[command.target] = max(due, self._site.network.now)

    def commanded(
        self, name: str, command: NodeCommand, before: dict[Module, tuple[int, int]]
    ) -> None:
        """The orchestrator says that a node, or every one, has done as it was told."""
        for node in self._site.process.last.lifecycle.nodes:
            if name not in ("", node.name):
                continue
            if command is NodeCommand.RESET:
                processes = [m for m in before if m.name == node.name]
                told = any(m.told(command) > before[m] for m in processes)
                blind = any(m.foreign for m in processes) or self._site.faults.duplicate
                assert told or blind, f"{node.name} never heard of {command.name}"

    def ignored(self, module: Module, command: SendControl) -> None:
        """A process does not listen to a command that it has received.

        One that repeats what it has obeyed already does not count.
        """
        (node,) = (n for n in self._site.process.last.lifecycle.nodes if n.name == module.spec.name)
        orders = filter(None, (node.outbox.node_order, node.outbox.drop))
        repeated = any(module.state.last_command in order.ids for order in orders)
        if command.cmd_node in _IGNORED and not repeated:
            process = module.instance, module.incarnation
            limit = self._site.network.now + _IGNORED[command.cmd_node]
            self._ignored[process] = min(limit, self._ignored.get(process, limit))

    def listens(self, module: Module) -> None:
        """It has obeyed."""
        self._ignored.pop((module.instance, module.incarnation), None)

    def unresponsive(self, module: Module) -> None:
        """A process goes on to ignore commands to its node: it is terminated in the end."""
        now, faults = self._site.network.now, self._site.faults
        limit = self._ignored.get((module.instance, module.incarnation), now)
        assert now <= limit or not faults.prompt, f"{module.instance} is not terminated"
