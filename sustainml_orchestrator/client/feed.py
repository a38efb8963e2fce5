"""A live feed of one topic."""

from __future__ import annotations

from contextlib import suppress
from queue import Empty, Full, Queue
from typing import Any, Generic, TypeVar

from rclpy.node import Node
from rclpy.qos import QoSProfile

#: What a slow reader has not taken; the oldest messages go first.
_KEPT = 10_000

Message = TypeVar("Message")


class Feed(Generic[Message]):
    """Every message of a topic, from the creation of this object until it is closed."""

    def __init__(self, node: Node, kind: type[Message], topic: str, qos: QoSProfile) -> None:
        self._node = node
        self._queue: Queue[Message] = Queue(_KEPT)
        self._subscription: Any = node.create_subscription(kind, topic, self._put, qos)

    def __enter__(self) -> Feed[Message]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Unsubscribe."""
        self._node.destroy_subscription(self._subscription)

    def get(self, timeout: float) -> Message | None:
        """The next message; None when there was none for so long (s)."""
        try:
            return self._queue.get(timeout=max(0.0, timeout))
        except Empty:
            return None

    def _put(self, message: Message) -> None:
        if self._queue.full():
            with suppress(Empty):
                self._queue.get_nowait()
        with suppress(Full):
            self._queue.put_nowait(message)
