"""The nodes: desired and observed state, and the commands that bring them together.

Commands are repeated until the node confirms them. A node in error is reset, after a pause that
doubles each time. For one that ignores commands the recovery ladder is climbed: RESET_NODE, then
TERMINATE_NODE, so that its supervisor restarts its process.
"""

from __future__ import annotations

import math
from enum import Enum
from typing import NamedTuple

from sustainml_orchestrator.core.commands import AnnounceSystem, Log
from sustainml_orchestrator.core.configurations import Configurations
from sustainml_orchestrator.core.context import Context
from sustainml_orchestrator.core.events import StatusReceived
from sustainml_orchestrator.core.happenings import (
    NODE_APPEARED,
    NODE_LOST,
    NODE_RECOVERED,
    NODE_RESPAWNED,
    OF_LADDER_LEVELS,
    OF_NODE_COMMANDS,
    OF_NODE_STATUSES,
    OF_RECOVERY_MOVES,
)
from sustainml_orchestrator.core.ids import ErrorCode, NodeCommand, NodeStatus, TaskCommand
from sustainml_orchestrator.core.instance import Instance, Process
from sustainml_orchestrator.core.node import Node
from sustainml_orchestrator.core.outbox import CommandIds, Order, Outbox
from sustainml_orchestrator.core.replicas import Modes
from sustainml_orchestrator.core.states import (
    ACTIVE_NODES,
    RecoveryLevel,
    RecoveryMove,
    RecoveryState,
)

#: How long (s) statuses of a replaced process are ignored: they are late rather than true.
_LATE = 1.0
#: By how much a deadline has to be over to be so for sure, in s.
_MOMENT = 0.01
#: Rounds of START_NODE, of `command_timeout` each, before a node that ignores them is terminated.
_MAX_IGNORED_STARTS = 3


class NodeChange(Enum):
    """The changes of a node that concern its steps."""

    ACTIVATED = "activated"  # it can take work again: its open steps must be delivered again
    INITIALIZED = "initialized"  # the same, and it has dropped what it held
    DROPPED = "dropped"  # one of its processes has dropped what it held
    RESPAWNED = "respawned"  # another process has replaced the one that held the steps
    GIVEN_UP = "given up"


class Change(NamedTuple):
    """A node and its change; DROPPED: with the process."""

    node: Node
    what: NodeChange
    process: Process = ("", 0)


_NOTHING: tuple[Change, ...] = ()


class Lifecycle:
    """All nodes of the pipeline."""

    def __init__(self, context: Context) -> None:
        self._settings = settings = context.settings
        self._context = context
        self._sources = context.pipeline.sources
        self.command_ids = ids = CommandIds()
        self.nodes = [
            Node(spec, settings.autostart, context.now, Outbox(spec, context, ids))
            for spec in context.pipeline.modules
        ]
        self.by_name = {node.name: node for node in self.nodes}
        self._changes: list[Change] = []
        self.modes = Modes(context, ids)
        self.configurations = Configurations(context)

    # State #

    @property
    def ready(self) -> bool:
        """Whether every required module is active."""
        return all(node.active or not node.spec.required for node in self.nodes)

    def reason(self) -> str:
        """Why the system is not ready; empty when it is."""
        missing = [node for node in self.nodes if node.spec.required and not node.active]
        unseen = [node.name for node in missing if node.primary is None]
        texts = [node.describe(self._context.now) for node in missing if node.primary is not None]
        if unseen:
            texts.append(f"never seen: {', '.join(unseen)}; start their processes")
        return "; ".join(texts)

    # Observing #

    def observe(self, event: StatusReceived) -> tuple[Change, ...] | list[Change]:
        """Apply a status of a node; returns the changes."""
        node = self.by_name[event.node_name]
        instance = node.instances.get(event.process)
        self._changes = []
        if instance is None:
            if self._context.now - node.retired.get(event.process, -math.inf) < _LATE:
                return _NOTHING
            instance = self._appear(node, event)
        instance.last_seen = self._context.now
        instance.last_seen_stamp = self._context.stamp
        node.outbox.confirm(instance, event)
        self.modes.confirm(node, instance, event)
        instance.last_command = event.last_command
        if event.node_status is not instance.status or not instance.responsive:
            self._change_status(node, instance, event)
        self._notice_drop(node, instance)
        if instance is node.primary:
            self._explain(node, node.outbox.judge(instance))
        return self._changes or _NOTHING

    def _appear(self, node: Node, event: StatusReceived) -> Instance:
        """Add a process that was not known."""
        instance = Instance(
            event.instance, event.incarnation, self._context.now, self._context.stamp
        )
        new = node.primary is None and event.node_status not in ACTIVE_NODES
        known = event.process in node.retired
        if node.retired.pop(event.process, None) is None:  # else both are alive, with one name
            for other in node.instances.values():
                if other.name == instance.name and other.responsive:  # the new one replaces it
                    other.responsive = False
                    node.last_loss_stamp = self._context.stamp
                    self._record(node, NODE_LOST, other, "another process has taken its name")
        replaced = bool(node.instances) and not any(
            other.responsive for other in node.instances.values()
        )
        respawned = not all(other.responsive for other in node.instances.values())
        node.restarts += respawned
        node.retire(self._context.now)
        node.instances[event.process] = instance
        instance.last_drop = node.outbox.last_drop(instance)
        node.outbox.appeared(event.process)
        node.choose_primary()
        self._record(node, NODE_RESPAWNED if respawned else NODE_APPEARED, instance)
        self._context.do(AnnounceSystem())
        if replaced:
            self._explain(node, node.outbox.process_lost(respawned=True))
        if replaced or new:
            self._changes.append(Change(node, NodeChange.RESPAWNED))
        others = [i.name for i in node.instances.values() if i.responsive and i is not instance]
        if others:
            text = f"{node.name} has several instances: {', '.join([*others, instance.name])}"
            self._context.do(Log("info", f"{text}; they share its work", "lifecycle"))
        if (respawned or event.node_status not in ACTIVE_NODES) and not known:
            self.configurations.apply(node, instance)
        return instance

    def _change_status(self, node: Node, instance: Instance, event: StatusReceived) -> None:
        now, was_active = self._context.now, node.active
        lost = not instance.responsive
        before = instance.status
        instance.become(event, now)
        node.choose_primary()
        if before in ACTIVE_NODES and event.node_status in ACTIVE_NODES and not lost:
            return  # IDLE ↔ RUNNING is too frequent to announce; the periodic state shows it
        if lost:
            self._record(node, NODE_RECOVERED, instance)
        if instance.status is not before:
            name, text = OF_NODE_STATUSES[instance.status], instance.error_description
            self._record(node, name, instance, text, instance.error_code)
        if instance.status in ACTIVE_NODES:
            self.configurations.activated(node, instance)
        self._context.do(AnnounceSystem())
        if node.active and not was_active and not (lost and before in ACTIVE_NODES):
            node.active_since = now
            node.recovery.move(RecoveryMove.CLEAR)
            node.recovery.ignored_starts = 0
            fresh = before is NodeStatus.INITIALIZING
            what = NodeChange.INITIALIZED if fresh else NodeChange.ACTIVATED
            self._changes.append(Change(node, what))

    def _notice_drop(self, node: Node, instance: Instance) -> None:
        """Notice that a process has dropped what it held, even if no status showed it at that.

        The statuses in between may be lost, and other processes of the node may be active.
        """
        drop = node.outbox.last_drop(instance)
        if drop and drop != instance.last_drop:
            instance.last_drop, instance.dropped = drop, True
        if instance.status not in ACTIVE_NODES:
            instance.dropped = True
        elif instance.dropped:
            instance.dropped = False
            self._changes.append(Change(node, NodeChange.DROPPED, instance.process))

    def _record(
        self, node: Node, name: str, instance: Instance, detail: str = "", code: int = 0
    ) -> None:
        self._context.history.node(node.name, name, instance.name, detail, code)

    def _explain(self, node: Node, order: Order | None) -> None:
        """Set the text of a failed node command."""
        if order is not None and order.outcome is not ErrorCode.NO_ERROR:
            order.text = node.describe(self._context.now)

    def first_loss(self, now: float) -> float:
        """Earliest heartbeat deadline after `now` (s, steady), with a moment; inf if none."""
        patience = self._settings.heartbeat_timeout + _MOMENT
        seen = [i.last_seen for node in self.nodes for i in node.instances.values()]
        return min((at + patience for at in seen if at + patience > now), default=math.inf)

    # Commanding #

    def climb(self, node: Node, why: str) -> None:
        """Go one level up the recovery ladder: reset the node, then terminate its process."""
        if node.status is NodeStatus.INACTIVE:
            return  # lost, or not started yet
        pending = node.outbox.node_order
        if pending is not None and pending.command is not NodeCommand.START:
            return
        level = node.recovery.climb()
        node.outbox.excuse_missing_echoes()
        command = NodeCommand.RESET if level is RecoveryLevel.RESET else NodeCommand.TERMINATE
        self._context.history.node(node.name, OF_LADDER_LEVELS[level], "", why)
        node.outbox.command(command)

    # Time #

    def shift(self, missed: float) -> None:
        """Move all times on by a pause of this process (s), see `Context.begin`."""
        for node in self.nodes:
            node.shift(missed)

    def tick(self) -> list[Change]:
        """Check every deadline of every node; returns the changes."""
        self._changes = []
        for node in self.nodes:
            self._notice_loss(node)
            if node.outbox.node_order is None and node.responsive:
                self._work_off(node)
            self.modes.work_off(node)
            expired = node.outbox.tick(node.instances, node.responsive)
            if expired is not None:
                self._escalate(node, expired)
        return self._changes

    def _notice_loss(self, node: Node) -> None:
        now, lost = self._context.now, False
        for instance in node.instances.values():
            silence = now - instance.last_seen
            if instance.responsive and silence > self._settings.heartbeat_timeout:
                instance.responsive = False
                lost = True
                node.last_loss_stamp = self._context.stamp
                text = f"no heartbeat for {silence:.1f} s"
                self._record(node, NODE_LOST, instance, text, ErrorCode.NODE_UNAVAILABLE)
        if lost:
            node.choose_primary()
            if not node.responsive:
                order = node.outbox.process_lost(respawned=False)
                if order is not None and order.command is NodeCommand.TERMINATE:
                    assert node.primary is not None
                    node.primary.status = NodeStatus.TERMINATING  # even if it could not report that
                self._explain(node, order)
            self._context.do(AnnounceSystem())

    def _escalate(self, node: Node, order: Order) -> None:
        """A command has expired: send a stronger one."""
        confirms, command = node.outbox.adapter.confirms, order.command
        if command is TaskCommand.RESET:
            order.echoed = True
            self.climb(node, f"command {order.ids[-1]} is not confirmed")
        elif isinstance(command, TaskCommand):
            if confirms:
                self.climb(node, f"does not abandon task {order.task_id}")
        else:
            state = node.describe(self._context.now, commanded=True)
            order.text = f"{command.name}_NODE was not confirmed: {state}"
            self._escalate_node_command(node, order)

    def _escalate_node_command(self, node: Node, order: Order) -> None:
        recovery = node.recovery
        if order.command is NodeCommand.START and not order.acknowledged:
            # START is repeated while the node is wanted; a live node that ignores it is terminated.
            recovery.ignored_starts += 1
            if recovery.ignored_starts % _MAX_IGNORED_STARTS == 0 and node.responsive:
                name = OF_NODE_COMMANDS[NodeCommand.TERMINATE]
                self._context.history.node(node.name, name, "", order.text)
                node.outbox.command(NodeCommand.TERMINATE)
        elif order.command in (NodeCommand.START, NodeCommand.RESET):
            if order.command is NodeCommand.RESET and recovery.level is RecoveryLevel.NONE:
                recovery.climb()  # this was the first level
            self.climb(node, order.text)

    def _work_off(self, node: Node) -> None:
        """Send the command that brings the observed state closer to the desired one."""
        status = node.status
        if not node.desired_active:
            if status in ACTIVE_NODES or status is NodeStatus.INITIALIZING:
                node.outbox.command(NodeCommand.STOP)
        elif status is NodeStatus.INACTIVE:
            if self._may_start(node):
                node.outbox.command(NodeCommand.START)
        elif status is NodeStatus.ERROR and not node.recovery.given_up:
            self._recover(node)

    def _may_start(self, node: Node) -> bool:
        """Whether the modules that it depends on are active, or `bring_up_wait` is over."""
        assert node.primary is not None
        if node.held(self._context.now):
            return False
        if self._context.now - node.primary.since >= self._settings.bring_up_wait:
            return True
        return all(self.nodes[i].active for i in self._sources[node.spec.index])

    def _recover(self, node: Node) -> None:
        """Reset a node in error, after a pause that doubles with every reset."""
        recovery, now = node.recovery, self._context.now
        count = f"reset {recovery.resets + 1} of {self._settings.max_resets}"
        if recovery.resets >= self._settings.max_resets:
            self._move(node, RecoveryMove.GIVE_UP, node.describe(now))
            self._changes.append(Change(node, NodeChange.GIVEN_UP))
        elif recovery.state is RecoveryState.WELL:
            pause = 2.0**recovery.resets
            self._move(node, RecoveryMove.PLAN, f"{count} follows in {pause:g} s")
            recovery.reset_at = now + pause
        elif now >= recovery.reset_at:
            self._move(node, RecoveryMove.RESET, f"{count}, as the node is in error")
            recovery.resets += 1
            node.outbox.command(NodeCommand.RESET)

    def _move(self, node: Node, how: RecoveryMove, detail: str) -> None:
        node.recovery.move(how)
        code, _ = node.error(self._context.now)
        self._context.history.node(node.name, OF_RECOVERY_MOVES[how], "", detail, code)
