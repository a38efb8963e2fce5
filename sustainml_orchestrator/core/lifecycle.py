"""Responsibility 1: the nodes. Desired and observed state, and the commands that join them.

A difference between the two is worked off with commands, repeated until the node shows that it
obeys. A node in error is reset with growing pauses; one that obeys nothing climbs a ladder: its
node is reset, then its process terminated, so that its supervisor starts it anew.
"""

from __future__ import annotations

import math
from enum import Enum
from typing import NamedTuple

from sustainml_orchestrator.core.commands import AnnounceSystem, Log, SendControl
from sustainml_orchestrator.core.context import Context
from sustainml_orchestrator.core.events import StatusReceived
from sustainml_orchestrator.core.ids import (
    ErrorCode,
    NodeCommand,
    NodeStatus,
    TaskCommand,
    TaskId,
)
from sustainml_orchestrator.core.node import AbandonCommand, Instance, Node, PendingCommand
from sustainml_orchestrator.core.pipeline import Pipeline
from sustainml_orchestrator.core.settings import Settings
from sustainml_orchestrator.core.states import ACTIVE_NODES, NODE_GOALS

#: Word of a process that another took the place of is ignored for so long, in s: it is more
#: likely late than true.
_LATE = 1.0
#: Rounds of START_NODE, of `command_timeout` each, before a node that obeys none is terminated.
_MAX_VAIN_STARTS = 3
#: Command ids are compared on a circle (RFC 1982), so that no number can jam the counter.
_CIRCLE = 2**32


class NodeChange(Enum):
    """What the tasks must know of a node."""

    ACTIVATED = "activated"  # took up work anew: what it owes must be delivered again
    RESPAWNED = "respawned"  # another process than the one that held the work
    GIVEN_UP = "given up"


class Change(NamedTuple):
    """A node and what became of it."""

    node: Node
    what: NodeChange


_NOTHING: tuple[Change, ...] = ()


class Lifecycle:
    """All nodes of the pipeline."""

    def __init__(self, pipeline: Pipeline, settings: Settings, context: Context) -> None:
        self._settings = settings
        self._context = context
        self._sources = pipeline.sources
        self.nodes = [Node(spec, settings.autostart, context.now) for spec in pipeline.modules]
        self.by_name = {node.name: node for node in self.nodes}
        self._last_command_id = 0
        self._changes: list[Change] = []

    # Looking #

    @property
    def last_id(self) -> int:
        """Id of the last command sent."""
        return self._last_command_id

    @property
    def ready(self) -> bool:
        """Whether every required module is active."""
        return all(node.active or not node.spec.required for node in self.nodes)

    def reason(self) -> str:
        """Why the system is not ready; empty when it is."""
        missing = [node for node in self.nodes if node.spec.required and not node.active]
        unseen = [node.name for node in missing if node.speaker is None]
        texts = [node.describe(self._context.now) for node in missing if node.speaker is not None]
        if unseen:
            texts.append(f"never seen: {', '.join(unseen)}; start their processes")
        return "; ".join(texts)

    # Observing #

    def observe(self, event: StatusReceived) -> tuple[Change, ...] | list[Change]:
        """Take note of what a node says of itself."""
        node = self.by_name[event.node_name]
        instance = node.instances.get(event.process)
        self._changes = []
        if instance is None:
            if self._context.now - node.retired.get(event.process, -math.inf) < _LATE:
                return _NOTHING
            instance = self._appear(node, event)
        instance.last_seen = self._context.now
        instance.last_seen_stamp = self._context.stamp
        if instance.abandoned:
            instance.hear(event)
        if event.last_command != instance.last_command:
            self._confirm(node, instance, event.last_command)
        if event.node_status is not instance.status or not instance.responsive:
            self._change_status(node, instance, event)
        if node.pending is not None and instance is node.speaker:
            self._check_pending(node, instance)
        return self._changes or _NOTHING

    def _appear(self, node: Node, event: StatusReceived) -> Instance:
        """A process not known so far."""
        instance = Instance(
            event.instance, event.incarnation, self._context.now, self._context.stamp
        )
        new = node.speaker is None and event.node_status not in ACTIVE_NODES
        if node.retired.pop(event.process, None) is None:  # else both live, with one name
            for other in node.instances.values():
                if other.name == instance.name:  # it took the place of this one
                    other.responsive = False
                    node.last_loss_stamp = self._context.stamp
        replaced = bool(node.instances) and not any(
            other.responsive for other in node.instances.values()
        )
        node.restarts += not all(other.responsive for other in node.instances.values())
        node.retire(self._context.now)
        node.instances[event.process] = instance
        node.choose_speaker()
        self._context.do(Log("info", f"{instance.name} appeared as {node.name}"))
        self._context.do(AnnounceSystem())
        if replaced:
            node.settle_by_death(self._context.now)
        if replaced or new:
            self._changes.append(Change(node, NodeChange.RESPAWNED))
        others = [i.name for i in node.instances.values() if i.responsive and i is not instance]
        if others:
            text = f"{node.name} has several instances: {', '.join([*others, instance.name])}"
            self._context.do(Log("warning", f"{text}; the first output of a step wins"))
        return instance

    def _confirm(self, node: Node, instance: Instance, last_command: int) -> None:
        instance.last_command = last_command
        if not last_command:
            return
        instance.obey(last_command)
        node.echoes = True
        unconfirmed = node.unconfirmed
        while unconfirmed and _reached(last_command, unconfirmed[0][0]):
            unconfirmed.popleft()
        if not _reached(self._last_command_id, last_command):
            # It obeyed an earlier life of the orchestrator: go on above that.
            self._last_command_id = last_command

    def _change_status(self, node: Node, instance: Instance, event: StatusReceived) -> None:
        now, was_active = self._context.now, node.active
        lost = not instance.responsive
        before = instance.status
        instance.become(event, now)
        node.choose_speaker()
        if before in ACTIVE_NODES and event.node_status in ACTIVE_NODES and not lost:
            return  # IDLE ↔ RUNNING: everyday life, told with the next periodic state
        self._context.tell(node.name, f"{before.name} → {instance.status.name} ({instance.name})")
        self._context.do(AnnounceSystem())
        if node.active and not was_active and not (lost and before in ACTIVE_NODES):
            node.active_since = now
            node.given_up = False
            node.next_reset = None
            node.vain_starts = 0
            self._changes.append(Change(node, NodeChange.ACTIVATED))
        self._tell_status(node, instance, lost)

    def _tell_status(self, node: Node, instance: Instance, lost: bool) -> None:
        text = f"{instance.name} is {'back, ' if lost else ''}{instance.status.name}"
        if instance.status is NodeStatus.ERROR:
            self._context.do(Log("warning", f"{text}: {instance.error_description}"))
        else:
            self._context.do(Log("info", text))

    # Commanding #

    def next_command_id(self) -> int:
        """Ids grow by one with every command sent, 0 left out."""
        self._last_command_id = (self._last_command_id + 1) % _CIRCLE or 1
        return self._last_command_id

    def send_task(
        self,
        node: Node,
        command: TaskCommand,
        task_id: TaskId,
        attempt: int,
        token: int,
        try_number: int,
    ) -> int:
        """Command a module on a task; it must confirm the id, or the ladder is climbed."""
        node.take_back(task_id)  # this is what it is told now
        command_id = self.next_command_id()
        if node.responsive:
            node.unconfirmed.append((command_id, self._context.now))
        self._context.do(
            SendControl(
                node.name,
                command_id,
                cmd_task=command,
                task_id=task_id,
                attempt=attempt,
                token=token,
                try_number=try_number,
            )
        )
        return command_id

    def abandon(self, node: Node, task_id: TaskId, order: AbandonCommand) -> None:
        """Command a module to let go of a task; repeated until it confirms this very command."""
        command, attempt, token, try_number, *_ = order
        if node.responsive:
            command_id = self.send_task(node, command, task_id, attempt, token, try_number)
            order = order._replace(command_id=command_id)
        for instance in node.instances.values():
            instance.abandon(task_id, order)

    def take_back(self, task_id: TaskId) -> None:
        """No module needs to let go of this task any more: it runs again."""
        for node in self.nodes:
            node.take_back(task_id)

    def command(self, node: Node, command: NodeCommand) -> PendingCommand:
        """Command a node, in place of what it was told before; repeated until confirmed."""
        if node.pending is not None:
            node.pending.settle(
                ErrorCode.REJECTED, f"{command.name}_NODE to {node.name} took its place"
            )
        patience = self._settings.command_timeout
        node.pending = PendingCommand(command, self._context.now + patience)
        self._send_pending(node, node.pending)
        return node.pending

    def _send_pending(self, node: Node, pending: PendingCommand) -> None:
        command_id = self.next_command_id()
        if not pending.ids:
            pending.began = self._context.now
        pending.ids.append(command_id)
        pending.sent_at = self._context.now
        self._context.tell(node.name, f"told {pending.command.name}")
        self._context.do(SendControl(node.name, command_id, cmd_node=pending.command))

    def _check_pending(self, node: Node, instance: Instance) -> None:
        pending = node.pending
        if pending is None or self._context.now <= pending.sent_at:
            return  # said before it could have heard of the command
        heard = node.echoes and _reached(instance.last_command, pending.ids[0])
        starts = pending.command in (NodeCommand.START, NodeCommand.RESET)
        status = instance.status
        # The state alone confirms all but RESET, which an active node shows from before. One that
        # never echoes is believed when what it says can no longer be from before. One that echoes
        # a later command may never have heard of the reset.
        anew = status is NodeStatus.INITIALIZING or pending.acknowledged
        if pending.command is NodeCommand.RESET:
            heard = heard and (anew or instance.last_command in pending.ids)
        late = self._context.now - pending.began >= self._settings.resend_period
        obeyed = heard or pending.command is not NodeCommand.RESET
        obeyed = obeyed or (not node.echoes and (anew or late))
        if obeyed and status in NODE_GOALS[pending.command]:
            pending.settle(ErrorCode.NO_ERROR)
            node.pending = None
        elif not (obeyed and starts):
            return
        elif status is NodeStatus.INITIALIZING and not pending.acknowledged:
            pending.acknowledged = True
            pending.deadline = self._context.now + self._settings.start_timeout
        elif status is NodeStatus.ERROR and (heard or pending.acknowledged):
            pending.settle(ErrorCode.NODE_UNAVAILABLE, node.describe(self._context.now))
            node.pending = None

    def climb(self, node: Node, why: str) -> None:
        """One rung up the ladder: reset the node, then terminate its process."""
        if node.status is NodeStatus.INACTIVE:
            return  # gone, or told nothing that it could obey
        if node.pending and node.pending.command is not NodeCommand.START:
            return
        node.rung = min(node.rung + 1, 2)
        node.unconfirmed.clear()
        command = NodeCommand.RESET if node.rung == 1 else NodeCommand.TERMINATE
        self._context.do(Log("warning", f"{node.name}: {why}; sending {command.name}_NODE"))
        self.command(node, command)

    def did_well(self, node: Node) -> None:
        """A step of it came out: past trouble is forgotten."""
        node.rung = 0
        node.resets = 0

    # Time #

    def tick(self) -> list[Change]:
        """Look at every deadline of every node."""
        self._changes = []
        for node in self.nodes:
            self._notice_loss(node)
            if node.pending is not None:
                self._chase(node, node.pending)
            elif node.responsive:
                self._work_off(node)
            if node.unconfirmed and node.echoes and not node.pending:
                command_id, sent_at = node.unconfirmed[0]
                if self._context.now - sent_at > self._settings.command_timeout:
                    self.climb(node, f"command {command_id} is not confirmed")
            if not node.pending:
                self._remind(node)
        return self._changes

    def _remind(self, node: Node) -> None:
        """Tell a module again to let go of tasks, where it gave no word that it did."""
        settings = self._settings
        for instance in node.instances.values():
            for _ in range(settings.max_redeliveries_per_tick):
                overdue = instance.overdue(settings.resend_period)
                if overdue is None:
                    break
                task_id, order = overdue
                if order.reminders * settings.resend_period < settings.command_timeout:
                    again = order._replace(sent_at=self._context.now, reminders=order.reminders + 1)
                    self.abandon(node, task_id, again)
                elif node.echoes:
                    self.climb(node, f"does not let go of task {task_id}")

    def _notice_loss(self, node: Node) -> None:
        now, lost = self._context.now, False
        for instance in node.instances.values():
            silence = now - instance.last_seen
            if instance.responsive and silence > self._settings.heartbeat_timeout:
                instance.responsive = False
                lost = True
                node.last_loss_stamp = self._context.stamp
                text = f"lost {instance.name}: no heartbeat for {silence:.1f} s"
                self._context.do(Log("warning", text))
                self._context.tell(node.name, text)
        if lost:
            node.choose_speaker()
            if not node.responsive:
                node.settle_by_death(now)
            self._context.do(AnnounceSystem())

    def _chase(self, node: Node, pending: PendingCommand) -> None:
        """Repeat a command, or find that it failed."""
        now, settings = self._context.now, self._settings
        if now >= pending.deadline:
            self._fail_pending(node, pending)
        elif (
            not pending.acknowledged
            and node.responsive
            and now - pending.sent_at >= settings.resend_period
        ):
            self._send_pending(node, pending)

    def _fail_pending(self, node: Node, pending: PendingCommand) -> None:
        node.pending = None
        text = f"{pending.command.name}_NODE was not confirmed: {node.describe(self._context.now)}"
        pending.settle(ErrorCode.TIMEOUT, text)
        if pending.command is NodeCommand.START and not pending.acknowledged:
            self._start_in_vain(node, text)
        elif pending.command in (NodeCommand.START, NodeCommand.RESET):
            self.climb(node, text)

    def _start_in_vain(self, node: Node, text: str) -> None:
        """Sent anew as long as the node is wanted; but one that lives and never obeys is ended."""
        node.vain_starts += 1
        if node.vain_starts % _MAX_VAIN_STARTS == 0 and node.responsive:
            self._context.do(Log("warning", f"{node.name}: {text}; sending TERMINATE_NODE"))
            self.command(node, NodeCommand.TERMINATE)

    def _work_off(self, node: Node) -> None:
        """Send what brings the observed state to the desired one."""
        status = node.status
        if not node.desired_active:
            if status in ACTIVE_NODES or status is NodeStatus.INITIALIZING:
                self.command(node, NodeCommand.STOP)
        elif status is NodeStatus.INACTIVE:
            if self._may_start(node):
                self.command(node, NodeCommand.START)
        elif status is NodeStatus.ERROR and not node.given_up:
            self._recover(node)

    def _may_start(self, node: Node) -> bool:
        """In pipeline order where the others come up, without them after `bring_up_wait`."""
        assert node.speaker is not None
        if self._context.now - node.speaker.since >= self._settings.bring_up_wait:
            return True
        return all(self.nodes[i].active for i in self._sources[node.spec.index])

    def _recover(self, node: Node) -> None:
        """Reset a node in error after a pause that doubles with every reset in vain."""
        if node.resets >= self._settings.max_resets:
            node.given_up = True
            self._changes.append(Change(node, NodeChange.GIVEN_UP))
            self._context.do(Log("error", f"{node.describe(self._context.now)}; no reset helped"))
        elif node.next_reset is None:
            node.next_reset = self._context.now + 2.0**node.resets
        elif self._context.now >= node.next_reset:
            node.resets += 1
            node.next_reset = None
            self.command(node, NodeCommand.RESET)


def _reached(last: int, command_id: int) -> bool:
    """Whether `last` is `command_id` or after it, on the circle."""
    return (last - command_id) % _CIRCLE < _CIRCLE // 2
