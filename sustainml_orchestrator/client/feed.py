"""A live feed of one topic."""

from __future__ import annotations

import time
from contextlib import suppress
from functools import partial
from queue import Empty, Full, Queue
from typing import TYPE_CHECKING, Generic, TypeVar

from rclpy.qos import QoSProfile

from sustainml_orchestrator.client.errors import ClientError

if TYPE_CHECKING:
    from sustainml_orchestrator.client.connection import Connection

#: Messages kept for a slow reader; beyond that the oldest are dropped.
_DEPTH = 10_000
#: Period at which a waiting reader checks that the client still exists, in s.
_CHECK_PERIOD = 0.25

Message = TypeVar("Message")


class Feed(Generic[Message]):
    """Every message of a topic, from the creation of this object until it is closed.

    Args:
        connection: the client that subscribes.
        kind: type of the messages.
        topic: relative to the namespace of the client, or absolute.
        qos: of the subscription.

    Raises:
        ClientError: the client is closed or broken.
    """

    def __init__(
        self, connection: Connection, kind: type[Message], topic: str, qos: QoSProfile
    ) -> None:
        self._connection = connection
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
        if self._queue.full():
            with suppress(Empty):
                self._queue.get_nowait()
        with suppress(Full):
            self._queue.put_nowait(message)
