"""A live feed of one topic."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import Empty, Full, Queue
from typing import TYPE_CHECKING, Generic, TypeVar

from rclpy.qos import QoSProfile

from sustainml_orchestrator.client.errors import ClientError
from sustainml_orchestrator.core.ids import NodeStatus, TaskStatus

if TYPE_CHECKING:
    from sustainml_msgs.msg import SystemState, TaskSummary

    from sustainml_orchestrator.client.connection import Connection

#: Messages kept for a slow reader; beyond that the oldest are dropped.
_DEPTH = 10_000
#: Period at which a waiting reader checks that the client still exists, in s.
_CHECK_PERIOD = 0.25

Message = TypeVar("Message")

_LAST_REVISION = 2**63 - 1  # that a database can hold
_TASK_STATES, _NODE_STATES = frozenset(TaskStatus), frozenset(NodeStatus)


def is_update(message: TaskSummary) -> bool:
    """Whether an orchestrator can have sent it: anyone can publish on the topic."""
    states = {message.task_status, *(step.task_status for step in message.modules)}
    return states <= _TASK_STATES and message.revision <= _LAST_REVISION


def is_state(message: SystemState) -> bool:
    """The same of a state of the system."""
    nodes = message.nodes
    states = {one.node_status for node in nodes for one in (node, *node.instances)}
    return states <= _NODE_STATES and message.revision <= _LAST_REVISION


class Feed(Generic[Message]):
    """Every message of a topic, from the creation of this object until it is closed.

    Args:
        connection: the client that subscribes.
        kind: type of the messages.
        topic: relative to the namespace of the client, or absolute.
        qos: of the subscription.
        accept: whether a message can be one; others are dropped.

    Raises:
        ClientError: the client is closed or broken.
    """

    def __init__(
        self,
        connection: Connection,
        kind: type[Message],
        topic: str,
        qos: QoSProfile,
        accept: Callable[[Message], bool] = lambda _: True,
    ) -> None:
        self._connection = connection
        self._accept = accept
        self._queue: Queue[Message] = Queue(_DEPTH)
        subscribe = partial(connection.node.create_subscription, kind, topic, self._put, qos)
        self._subscription = connection.run(subscribe)

    def __enter__(self) -> Feed[Message]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Unsubscribe; no effect once the client is closed."""
        with suppress(ClientError):
            node = self._connection.node
            self._connection.run(partial(node.destroy_subscription, self._subscription))

    def get(self, timeout: float) -> Message | None:
        """The next message; None when there was none for so long (s).

        Raises:
            ClientError: the client was closed or broke: no message can come any more.
        """
        deadline = time.monotonic() + timeout
        while True:
            left = deadline - time.monotonic()
            with suppress(Empty):
                message: Message = self._connection.wait(self._queue, min(left, _CHECK_PERIOD))
                return message
            if left <= _CHECK_PERIOD:
                return None

    def _put(self, message: Message) -> None:
        if not self._accept(message):
            return
        if self._queue.full():
            with suppress(Empty):
                self._queue.get_nowait()
        with suppress(Full):
            self._queue.put_nowait(message)
