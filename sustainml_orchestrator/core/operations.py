"""A front-end's commands to nodes: one node after the other, answered when confirmed."""

from __future__ import annotations

from collections import deque

from sustainml_orchestrator.core.commands import Reply, SaveNode
from sustainml_orchestrator.core.context import Context
from sustainml_orchestrator.core.errors import OrchestratorError
from sustainml_orchestrator.core.events import NodeCommanded
from sustainml_orchestrator.core.ids import ErrorCode, NodeCommand
from sustainml_orchestrator.core.lifecycle import Lifecycle
from sustainml_orchestrator.core.node import Node
from sustainml_orchestrator.core.outbox import Order
from sustainml_orchestrator.core.states import NODE_COMMANDS, Effect, RecoveryMove
from sustainml_orchestrator.core.text import printable

_DESIRED = {NodeCommand.START: True, NodeCommand.STOP: False, NodeCommand.TERMINATE: False}
#: Taken down in reverse, so that nothing is sent to a node that is going.
_REVERSED = frozenset({NodeCommand.STOP, NodeCommand.TERMINATE})


class _Operation:
    """One call, and the nodes that it still has to command."""

    def __init__(self, event: NodeCommanded, nodes: list[Node], deadline: float) -> None:
        self.call = event.call
        self.command = event.command
        self.names = [node.name for node in nodes]
        self.rest = deque(nodes)
        self.deadline = deadline
        self.current: Order | None = None


class Operations:
    """The node commands of front-ends that are not yet answered."""

    def __init__(self, lifecycle: Lifecycle, context: Context) -> None:
        self._lifecycle = lifecycle
        self._context = context
        self._operations: list[_Operation] = []

    @property
    def idle(self) -> bool:
        """Whether nobody waits for an answer."""
        return not self._operations

    def begin(self, event: NodeCommanded) -> None:
        """Begin to carry out a command.

        Raises:
            OrchestratorError: NOT_FOUND, for an unknown node.
        """
        nodes = self.targets(event.node_name)
        if event.command in _REVERSED:
            nodes.reverse()
        operation = _Operation(event, nodes, self._context.now + event.timeout)
        self._operations.append(operation)
        self._advance(operation)

    def targets(self, node_name: str) -> list[Node]:
        """The nodes that a name means: "" is every one, in pipeline order.

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
        """The orchestrator stood still for so many s: nobody had the time to answer."""
        for operation in self._operations:
            operation.deadline += missed

    def advance(self) -> None:
        """Look at every open operation after something happened to a node, or time passed."""
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
        """Go as far as it goes; True when all nodes are done."""
        while operation.rest:
            node, current = operation.rest[0], operation.current
            if current is None:
                operation.current = self._command(node, operation.command)
                if operation.current is None:
                    operation.rest.popleft()
            elif current.outcome is ErrorCode.NO_ERROR:
                if operation.command is NodeCommand.RESET:
                    node.recovery.did_well()
                operation.current = None
                operation.rest.popleft()
            elif self._context.now >= operation.deadline:
                raise OrchestratorError(
                    ErrorCode.TIMEOUT,
                    f"{operation.command.name}_NODE is not confirmed yet: "
                    f"{node.describe(self._context.now)}",
                )
            elif current.outcome is None:
                return False
            elif current.outcome is ErrorCode.TIMEOUT:
                # There is time left: another caller has sent the command again, or this one does.
                pending = node.outbox.node_order
                repeated = pending is not None and pending.command is operation.command
                operation.current = pending if repeated else None
            else:
                raise OrchestratorError(current.outcome, current.text)
        return True

    def _command(self, node: Node, command: NodeCommand) -> Order | None:
        """Command one node; None when it is already so."""
        effect = self._judge(node, command)
        desired = _DESIRED.get(command, node.desired_active)
        if desired is not node.desired_active:
            node.desired_active = desired
            self._context.do(SaveNode(node.name, desired))
        if command is NodeCommand.RESET:
            # The recovery level stays: a node that ignores commands ignores these, too.
            node.recovery.move(RecoveryMove.CLEAR)
            node.recovery.resets = 0
        if effect is Effect.NOTHING:
            return None
        pending = node.outbox.node_order
        # A reset that was obeyed already began before the cause of the trouble was removed.
        if pending is not None and pending.command is command is not NodeCommand.RESET:
            return pending
        return node.outbox.command(command)

    def _judge(self, node: Node, command: NodeCommand) -> Effect:
        effect = NODE_COMMANDS[node.status, command]
        if node.speaker is None or (not node.responsive and command is not NodeCommand.STOP):
            raise OrchestratorError(ErrorCode.NODE_UNAVAILABLE, node.describe(self._context.now))
        if effect is Effect.REJECT:
            raise OrchestratorError(
                ErrorCode.REJECTED,
                f"{command.name}_NODE is not permitted: {node.describe(self._context.now)}",
            )
        return effect
