"""Commands of front-ends to nodes: one node after the other, answered when confirmed."""

from __future__ import annotations

from collections import deque

from sustainml_orchestrator.core.commands import Reply, SaveNode
from sustainml_orchestrator.core.context import Context
from sustainml_orchestrator.core.errors import OrchestratorError
from sustainml_orchestrator.core.events import NodeCommanded
from sustainml_orchestrator.core.happenings import OF_NODE_COMMANDS
from sustainml_orchestrator.core.ids import ErrorCode, NodeCommand, NodeStatus
from sustainml_orchestrator.core.lifecycle import Lifecycle
from sustainml_orchestrator.core.node import Node
from sustainml_orchestrator.core.outbox import Order
from sustainml_orchestrator.core.states import NODE_COMMANDS, Effect, RecoveryMove
from sustainml_orchestrator.core.text import printable

_DESIRED = {NodeCommand.START: True, NodeCommand.STOP: False, NodeCommand.TERMINATE: False}
#: Nodes are taken down in reverse order, so that none sends to one that is gone.
_REVERSED = frozenset({NodeCommand.STOP, NodeCommand.TERMINATE})


class _Operation:
    """One request, and the nodes that it still has to command."""

    def __init__(self, event: NodeCommanded, nodes: list[Node], deadline: float) -> None:
        self.call = event.call
        self.command = event.command
        self.names = [node.name for node in nodes]
        self.rest = deque(nodes)
        self.deadline = deadline
        self.current: Order | None = None
        self.recorded = False  # whether the command to the first of the nodes is
        self.restarted = False  # whether another process of the node follows, or has followed

    def next_node(self) -> None:
        """The first of the nodes has confirmed."""
        self.rest.popleft()
        self.current, self.restarted, self.recorded = None, False, False


class Operations:
    """The node commands of front-ends that are not answered yet."""

    def __init__(self, lifecycle: Lifecycle, context: Context) -> None:
        self._lifecycle = lifecycle
        self._context = context
        self._operations: list[_Operation] = []

    @property
    def idle(self) -> bool:
        """Whether no request is open."""
        return not self._operations

    def begin(self, event: NodeCommanded) -> None:
        """Begin to execute a command.

        Raises:
            OrchestratorError: NOT_FOUND, for an unknown node.
        """
        nodes = self.targets(event.node_name)
        if not event.node_name:  # a module that is not required and not there holds up no others
            nodes = [n for n in nodes if n.spec.required or n.primary is not None]
        if event.command in _REVERSED:
            nodes.reverse()
        operation = _Operation(event, nodes, self._context.now + event.timeout)
        self._operations.append(operation)
        self._advance(operation)

    def targets(self, node_name: str) -> list[Node]:
        """The nodes of a name; "" means all, in pipeline order.

        Raises:
            OrchestratorError: NOT_FOUND.
        """
        if not node_name:
            return list(self._lifecycle.nodes)
        node = self._lifecycle.by_name.get(node_name)
        if node is None:
            known = ", ".join(self._lifecycle.by_name)
            raise OrchestratorError(
                ErrorCode.NOT_FOUND, f"no node '{printable(node_name, 80)}'; use one of: {known}"
            )
        return [node]

    def shift(self, missed: float) -> None:
        """Move all times on by a pause of this process (s), see `Context.begin`."""
        for operation in self._operations:
            operation.deadline += missed

    def advance(self) -> None:
        """Continue every open operation after a change of a node, or after some time."""
        for operation in list(self._operations):
            self._advance(operation)

    def _advance(self, operation: _Operation) -> None:
        try:
            finished = self._step(operation)
            error = None
        except OrchestratorError as refusal:
            finished, error = True, refusal
        if finished:
            self._operations.remove(operation)
            self._context.do(Reply(operation.call, operation.names, error))

    def _step(self, operation: _Operation) -> bool:
        """Continue as far as possible; True when all nodes are done."""
        while operation.rest:
            node = operation.rest[0]
            order = operation.current = operation.current or self._command(node, operation)
            outcome = order.outcome if order is not None else None
            if outcome is ErrorCode.NO_ERROR:
                if operation.command is NodeCommand.RESET:
                    node.recovery.did_well()
                operation.next_node()
            elif self._context.now >= operation.deadline:
                raise OrchestratorError(
                    ErrorCode.TIMEOUT,
                    f"{operation.command.name}_NODE is not confirmed yet: "
                    f"{node.describe(self._context.now, commanded=True)}",
                )
            elif order is None or outcome is None:
                return False
            elif outcome is ErrorCode.TIMEOUT:
                # There is time left: send the command again, unless another request has done so.
                pending = node.outbox.node_order
                repeated = pending is not None and pending.command is order.command
                operation.current = pending if repeated else None
            else:
                raise OrchestratorError(outcome, order.text)
        return True

    def _command(self, node: Node, operation: _Operation) -> Order | None:
        """Command one node; None while the process that is to obey has not appeared yet."""
        # A new process has nothing to drop: starting it is the reset.
        command = NodeCommand.START if operation.restarted else operation.command
        effect = self._judge(node, command)
        if effect is not Effect.NOTHING and not operation.recorded:
            operation.recorded = True
            name = OF_NODE_COMMANDS[operation.command]
            self._context.history.node(node.name, name, "", "on request of a front-end")
        desired = _DESIRED.get(command, node.desired_active)
        if desired is not node.desired_active:
            node.desired_active = desired
            self._context.do(SaveNode(node.name, desired))
        if command is NodeCommand.RESET:
            # The recovery level stays: a node that ignores commands may ignore this one, too.
            node.recovery.move(RecoveryMove.CLEAR)
            node.recovery.resets = 0
        if effect is Effect.WAIT:
            operation.restarted = True
            return None
        pending = node.outbox.node_order
        # A pending RESET may have been obeyed before the cause of the error was removed.
        if pending is not None and pending.command is command is not NodeCommand.RESET:
            return pending
        if effect is Effect.SEND:
            return node.outbox.command(command)
        done = Order(command, self._context.now)
        done.settle(ErrorCode.NO_ERROR)
        return done

    def _judge(self, node: Node, command: NodeCommand) -> Effect:
        status = NodeStatus.TERMINATING if node.terminating else node.status
        effect = NODE_COMMANDS[status, command]
        gone = not (node.responsive or node.terminating or command is NodeCommand.STOP)
        if node.primary is None or gone:
            raise OrchestratorError(ErrorCode.NODE_UNAVAILABLE, node.describe(self._context.now))
        stays_down = command is NodeCommand.RESET and not node.desired_active
        if effect is Effect.REJECT or (effect is Effect.WAIT and stays_down):
            raise OrchestratorError(
                ErrorCode.REJECTED,
                f"{command.name}_NODE is not permitted: {node.describe(self._context.now)}",
            )
        return effect
