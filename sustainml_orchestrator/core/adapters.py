"""How a kind of node is commanded, and which statuses confirm a command.

A node of the contract takes NodeControl messages. Most confirm each by its id in `last_command`;
others never do, and only their reported state shows what they did. A managed node is commanded by
its services of lifecycle_msgs; its state, which is read again after each, shows what it did.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sustainml_orchestrator.core.commands import ChangeLifecycle, Command, SendControl
from sustainml_orchestrator.core.ids import NodeCommand, NodeStatus, TaskCommand
from sustainml_orchestrator.core.instance import Instance

if TYPE_CHECKING:
    from sustainml_orchestrator.core.outbox import Order

#: Command ids count on a circle of this size (RFC 1982).
CIRCLE = 2**32


def reached(last: int, command_id: int) -> bool:
    """Whether `last` is `command_id` or after it."""
    return (last - command_id) % CIRCLE < CIRCLE // 2


class StateAdapter:
    """A node that never echoes a command id: the state that it reports later confirms.

    Attributes:
        confirms: whether the recovery ladder is climbed when a confirmation is missing.
    """

    confirms = False

    def encode(self, target: str, order: Order, command_id: int) -> Command:
        """The message that carries an order to the node."""
        command, is_node_command = order.command, isinstance(order.command, NodeCommand)
        return SendControl(
            target,
            command_id,
            cmd_node=NodeCommand(command) if is_node_command else NodeCommand.NONE,
            cmd_task=TaskCommand.NONE if is_node_command else TaskCommand(command),
            task_id=order.task_id,
            attempt=order.attempt,
            token=order.token,
            try_number=order.try_number,
        )

    def obeyed(self, order: Order, instance: Instance, age: float, period: float) -> bool:
        """Whether the last status of an instance shows that it obeyed a node command.

        Args:
            age: s since the command was first sent.
            period: s after which a status cannot be from before the command.
        """
        return order.command is NodeCommand.RESET and (
            _begins_anew(order, instance) or age >= period
        )


class EchoAdapter(StateAdapter):
    """A node that confirms commands by `last_command`."""

    confirms = True

    def obeyed(self, order: Order, instance: Instance, age: float, period: float) -> bool:
        """See `StateAdapter.obeyed`.

        A node that confirms a later command may never have received a RESET_NODE before it.
        """
        if not reached(instance.last_command, order.ids[0]):
            return False
        exact = _begins_anew(order, instance) or instance.last_command in order.ids
        return exact or order.command is not NodeCommand.RESET


class ManagedAdapter(StateAdapter):
    """A managed node; only commands on tasks are NodeControl messages."""

    def encode(self, target: str, order: Order, command_id: int) -> Command:
        """See `StateAdapter.encode`."""
        if isinstance(order.command, NodeCommand):
            return ChangeLifecycle(target, order.command)
        return super().encode(target, order, command_id)


def _begins_anew(order: Order, instance: Instance) -> bool:
    return instance.status is NodeStatus.INITIALIZING or order.acknowledged


STATE_ADAPTER, ECHO_ADAPTER, MANAGED_ADAPTER = StateAdapter(), EchoAdapter(), ManagedAdapter()
