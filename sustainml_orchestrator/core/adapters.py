"""How a kind of node is commanded, and what shows that it obeyed.

A node of the contract takes NodeControl messages. Most confirm each by its id in `last_command`;
others never do, and their reported state is the only answer. A node that is commanded in another
way (services of lifecycle_msgs) needs one more adapter here and nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sustainml_orchestrator.core.commands import SendControl
from sustainml_orchestrator.core.ids import NodeCommand, NodeStatus, TaskCommand
from sustainml_orchestrator.core.instance import Instance

if TYPE_CHECKING:
    from sustainml_orchestrator.core.outbox import Order

_CIRCLE = 2**32


def reached(last: int, command_id: int) -> bool:
    """Whether `last` is `command_id` or after it: ids count on a circle (RFC 1982)."""
    return (last - command_id) % _CIRCLE < _CIRCLE // 2


class StateAdapter:
    """A node that never confirms an id: its state answers, once it cannot be from before.

    Attributes:
        confirms: whether a missing confirmation may be held against the node.
    """

    confirms = False

    def encode(self, target: str, order: Order, command_id: int) -> SendControl:
        """The command that carries an order to the node."""
        command = order.command
        return SendControl(
            target,
            command_id,
            cmd_node=command if isinstance(command, NodeCommand) else NodeCommand.NONE,
            cmd_task=command if isinstance(command, TaskCommand) else TaskCommand.NONE,
            task_id=order.task_id,
            attempt=order.attempt,
            token=order.token,
            try_number=order.try_number,
        )

    def obeyed(self, order: Order, instance: Instance, age: float, period: float) -> bool:
        """Whether what an instance says shows that it obeyed a node command.

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


def _begins_anew(order: Order, instance: Instance) -> bool:
    return instance.status is NodeStatus.INITIALIZING or order.acknowledged


STATE_ADAPTER, ECHO_ADAPTER = StateAdapter(), EchoAdapter()
