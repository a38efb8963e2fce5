"""The outbox of a node: every command that it has not confirmed, on itself or on a task.

An order is sent again until it is confirmed, and expires when that takes too long; what follows
(see `Lifecycle`) is a stronger command. RESET_TASK is the exception: the step that it delivers
decides when it is sent again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from sustainml_orchestrator.core.adapters import (
    CIRCLE,
    ECHO_ADAPTER,
    MANAGED_ADAPTER,
    STATE_ADAPTER,
    StateAdapter,
    reached,
)
from sustainml_orchestrator.core.context import Context
from sustainml_orchestrator.core.events import StatusReceived
from sustainml_orchestrator.core.ids import (
    NO_TASK,
    ErrorCode,
    NodeCommand,
    NodeStatus,
    TaskCommand,
    TaskId,
    TaskStatus,
)
from sustainml_orchestrator.core.instance import Instance, Process
from sustainml_orchestrator.core.pipeline import ModuleSpec
from sustainml_orchestrator.core.states import NODE_GOALS
from sustainml_orchestrator.core.task import Task

#: Orders remembered per node.
MAX_ORDERS = 1000
#: More commands than an earlier orchestrator can have on their way when it ends.
_IN_TRANSIT = 10_000


class CommandIds:
    """Command ids of all nodes: they grow by one with every message, 0 left out."""

    def __init__(self) -> None:
        self.last = 0

    def next(self) -> int:
        """A new id."""
        self.last = (self.last + 1) % CIRCLE or 1
        return self.last

    def seen(self, command_id: int) -> None:
        """A node confirmed this id; one of an earlier orchestrator may be ahead of ours.

        It may confirm later ones of that, which must not pass for ours.
        """
        if not reached(self.last, command_id):
            self.last = (command_id + _IN_TRANSIT) % CIRCLE


class Order:
    """A command that is not confirmed.

    Attributes:
        command: to the node, or to the module about a task (`task_id` set).
        ids: command id of every message sent; none while the node is lost.
        began: when it was first sent, and `sent_at` when last (s, steady).
        deadline: of a node command, when it expires (s, steady).
        echoed: the node has confirmed this command or a later one.
        acknowledged: the node began to obey a node command, so it is not sent again.
        holders: processes that have not yet abandoned the task.
        target: the instance that it is for; "" = all of the module.
        outcome: of a node command: None while pending, then NO_ERROR or why it failed (`text`).
    """

    __slots__ = (
        "acknowledged", "attempt", "began", "command", "deadline", "echoed", "holders", "ids",
        "outcome", "sent_at", "target", "task_id", "text", "token", "try_number",
    )  # fmt: skip

    def __init__(
        self,
        command: NodeCommand | TaskCommand,
        now: float,
        task: Task | StatusReceived | None = None,
        try_number: int = 0,
        holders: Iterable[Process] = (),
    ) -> None:
        self.command = command
        self.task_id = task.task_id if task else NO_TASK
        self.attempt = task.attempt if task else 0
        self.token = task.token if task else 0
        self.try_number = try_number
        self.holders = set(holders)
        self.ids: list[int] = []
        self.began = self.sent_at = self.deadline = now
        self.echoed = self.acknowledged = False
        self.outcome: ErrorCode | None = None
        self.text = self.target = ""

    def settle(self, outcome: ErrorCode, text: str = "") -> None:
        """Set the outcome."""
        self.outcome = outcome
        self.text = text

    def answered_by(self, event: StatusReceived) -> bool:
        """Whether a status about the task shows that the process obeyed."""
        works = event.task_status in (TaskStatus.WAITING, TaskStatus.RUNNING)
        same = event.token == self.token and event.try_number >= self.try_number
        if self.command is TaskCommand.RESET:
            return same and (works or event.error_code == ErrorCode.RESOURCE_EXHAUSTED)
        return (same and not works) or event.attempt > self.attempt

    def overdue(self, instances: Mapping[Process, Instance], period: float) -> bool:
        """Whether a holder has reported RUNNING since; drops holders that hold no task."""
        overdue = False
        for process in tuple(self.holders):
            instance = instances.get(process)
            if instance is None:
                self.holders.discard(process)
            elif instance.responsive and instance.last_seen - self.sent_at >= period:
                if instance.status is NodeStatus.RUNNING:
                    overdue = True
                else:  # it holds no task at all
                    self.holders.discard(process)
        return overdue


class Outbox:
    """Unconfirmed commands of one node: at most one on itself, and one for each task.

    Attributes:
        orders: by task; NO_TASK: the command on the node itself.
        drop: the latest command to the node by which it drops what it holds; None = never sent.
    """

    def __init__(self, spec: ModuleSpec, context: Context, ids: CommandIds) -> None:
        self._target = spec.name
        self._settings = context.settings
        self._context = context
        self._ids = ids
        managed = spec.lifecycle == "managed"
        self.adapter: StateAdapter = MANAGED_ADAPTER if managed else STATE_ADAPTER
        self.orders: dict[TaskId, Order] = {}
        self.drop: Order | None = None

    @property
    def node_order(self) -> Order | None:
        """The unconfirmed command to the node itself."""
        return self.orders.get(NO_TASK)

    # Commanding #

    def command(self, command: NodeCommand) -> Order:
        """Command the node, in place of an unconfirmed command."""
        order = Order(command, self._context.now)
        before = self.orders.pop(NO_TASK, None)
        if before is not None and before.command is command:
            before.settle(ErrorCode.TIMEOUT, "repeated")
        elif before is not None:
            text = f"{command.name}_NODE to {self._target} took its place"
            before.settle(ErrorCode.REJECTED, text)
        least = self._context.now + self._settings.resend_period
        if before is not None and self.adapter.confirms and not before.echoed:
            order.began = before.began  # else commands to a node that ignores all never expire
            least = before.deadline if before.command is command else least
        order.deadline = max(order.began + self._settings.command_timeout, least)
        self.orders[NO_TASK] = order
        if command is not NodeCommand.START:
            self.drop = order
        self._send(order)
        return order

    def last_drop(self, instance: Instance) -> int:
        """Id of the latest command by which an instance dropped what it held, or may have; else 0.

        One that confirms a later command may have obeyed it. One that confirms nothing may have
        obeyed what was sent a while ago.
        """
        drop = self.drop
        if not self.adapter.confirms:
            long_ago = self._context.now - self._settings.resend_period
            return drop.ids[0] if drop is not None and drop.began <= long_ago else 0
        ids, last = [*(drop.ids if drop else ()), *instance.reset_ids], instance.last_command
        passed_ids = (i for i in ids if reached(last, i))
        return min(passed_ids, key=lambda i: (last - i) % CIRCLE, default=0)

    def deliver(self, task: Task, try_number: int, instance: str = "") -> None:
        """Send RESET_TASK, for the first time or again; to one of several instances by name."""
        order = self.orders.get(task.task_id)
        if order is None or order.command is not TaskCommand.RESET:
            order = Order(TaskCommand.RESET, self._context.now, task, try_number)
            self._add(order)
        elif order.echoed:
            order.echoed, order.began = False, self._context.now
        order.target = instance
        self._send(order)

    def deliveries(self, task_id: TaskId) -> int:
        """How often RESET_TASK was sent since the module last reported on the task."""
        order = self.orders.get(task_id)
        return len(order.ids) if order and order.command is TaskCommand.RESET else 0

    def abandon(
        self,
        command: TaskCommand,
        task: Task | StatusReceived,
        try_number: int,
        instances: Collection[Instance],
    ) -> None:
        """Command the module to abandon a task until all processes did, also those lost now.

        Args:
            task: the task, or a status about one that the store does not hold.
        """
        holders = [(i.name, i.incarnation) for i in instances]
        order = Order(command, self._context.now, task, try_number, holders)
        self._add(order)
        if any(i.responsive for i in instances):
            self._send(order)

    def forget(self, task_id: TaskId) -> None:
        """Drop the order about a task."""
        self.orders.pop(task_id, None)

    def delivered(self, task_id: TaskId) -> None:
        """Forget the deliveries of a task: its output was received, or they count from anew."""
        if self.deliveries(task_id):
            self.forget(task_id)

    def _add(self, order: Order) -> None:
        self.orders.pop(order.task_id, None)
        self.orders[order.task_id] = order
        if len(self.orders) > MAX_ORDERS:
            del self.orders[next(task_id for task_id in self.orders if task_id != NO_TASK)]

    def _send(self, order: Order) -> None:
        command_id = self._ids.next()
        order.ids.append(command_id)
        order.sent_at = self._context.now
        self._context.do(self.adapter.encode(order.target or self._target, order, command_id))

    # Confirming #

    def confirm(self, instance: Instance, event: StatusReceived) -> None:
        """Apply what a status confirms; to be called before `instance` takes it over."""
        last = event.last_command
        echoed = last != 0 and last != instance.last_command
        if echoed:
            if self.adapter is STATE_ADAPTER:
                self.adapter = ECHO_ADAPTER
            self._ids.seen(last)
        if not self.orders:
            return
        order = self.orders.get(event.task_id) if event.task_id != NO_TASK else None
        if order is not None and order.answered_by(event):
            self._release(order, event.process)
        if echoed:
            for order in list(self.orders.values()):
                if order.holders and last in order.ids:
                    self._release(order, event.process)
                elif order.ids and reached(last, order.ids[0]):
                    order.echoed = True

    def _release(self, order: Order, process: Process) -> None:
        order.holders.discard(process)
        if not order.holders:
            self.orders.pop(order.task_id, None)

    def judge(self, instance: Instance) -> Order | None:
        """The node command, if the status of the instance decides its outcome."""
        order, now = self.node_order, self._context.now
        if order is None or now <= order.sent_at:
            return None  # reported before it could have received the command
        shown = self.adapter.obeyed(
            order, instance, now - order.began, self._settings.resend_period
        )
        # The state alone confirms all but RESET: the node was active before that, too.
        obeyed = shown or order.command is not NodeCommand.RESET
        starts = order.command in (NodeCommand.START, NodeCommand.RESET)
        if order.acknowledged and instance.status is NodeStatus.INACTIVE:
            # Another process has taken the place of the one that began to obey.
            order.acknowledged = False
            order.deadline = now + self._settings.command_timeout
            return None
        if obeyed and instance.status in NODE_GOALS[NodeCommand(order.command)]:
            return self._settle(order, ErrorCode.NO_ERROR)
        if not (obeyed and starts):
            return None
        if instance.status is NodeStatus.INITIALIZING and not order.acknowledged:
            order.echoed = order.acknowledged = True
            order.deadline = now + self._settings.start_timeout
        elif instance.status is NodeStatus.ERROR and (
            order.acknowledged or (shown and self.adapter.confirms)
        ):
            return self._settle(order, ErrorCode.NODE_UNAVAILABLE)
        return None

    def _settle(self, order: Order, outcome: ErrorCode) -> Order:
        del self.orders[NO_TASK]
        order.settle(outcome)
        return order

    def process_lost(self, respawned: bool) -> Order | None:
        """The process is gone: STOP and TERMINATE succeeded, START and RESET failed.

        Returns:
            The node command with its outcome; None without one.
        """
        for order in list(self.orders.values()):
            order.echoed = True
            if respawned and order.command is TaskCommand.RESET:
                self.forget(order.task_id)
        node_order = self.node_order
        if node_order is None:
            return None
        ends = node_order.command in (NodeCommand.TERMINATE, NodeCommand.STOP)
        return self._settle(node_order, ErrorCode.NO_ERROR if ends else ErrorCode.NODE_UNAVAILABLE)

    # Time #

    def tick(self, instances: Mapping[Process, Instance], responsive: bool) -> Order | None:
        """Send again what is not confirmed; returns an order that has expired, or None."""
        if not self.orders:
            return None
        node_order = self.node_order
        if node_order is not None:  # commands on tasks wait until it is confirmed
            return self._tick_node(node_order, responsive)
        for order in list(self.orders.values()):
            if order.command is TaskCommand.RESET:
                age = self._context.now - order.began
                expired = self.adapter.confirms and age > self._settings.command_timeout
                if expired and not order.echoed:
                    return order
            elif self._repeat(order, instances):
                return order
        return None

    def _tick_node(self, order: Order, responsive: bool) -> Order | None:
        now = self._context.now
        if now >= order.deadline:
            return self._settle(order, ErrorCode.TIMEOUT)
        due = now - order.sent_at >= self._settings.resend_period
        if due and responsive and not order.acknowledged:
            self._send(order)
        return None

    def _repeat(self, order: Order, instances: Mapping[Process, Instance]) -> bool:
        """Repeat a command to abandon a task; True when it was ignored for too long."""
        period = self._settings.resend_period
        overdue = order.overdue(instances, period)
        if not order.holders:
            if order.ids or self._is_everyone_seen(order, instances):
                self.forget(order.task_id)
        elif overdue and (len(order.ids) - 1) * period >= self._settings.command_timeout:
            self.forget(order.task_id)
            return True
        elif overdue and self._context.pace.take():
            self._send(order)
        return False

    def _is_everyone_seen(self, order: Order, instances: Mapping[Process, Instance]) -> bool:
        """Whether every process that could hold the task of an unsent order has reported since."""
        age = self._context.now - order.began
        return bool(instances) and age > self._settings.heartbeat_timeout

    def appeared(self, process: Process) -> None:
        """Add a new process to the holders of unsent orders to abandon tasks.

        It may hold those tasks from before this orchestrator started.
        """
        for order in self.orders.values():
            if not order.ids and order.command is not TaskCommand.RESET:
                order.holders.add(process)

    def excuse_missing_echoes(self) -> None:
        """A stronger command follows, so the ladder is not climbed for the weaker ones."""
        for order in self.orders.values():
            order.echoed = True

    def shift(self, missed: float) -> None:
        """Move all times on by a pause of the orchestrator (s), see `Context.begin`."""
        for order in self.orders.values():
            order.began += missed
            order.sent_at += missed
            order.deadline += missed
