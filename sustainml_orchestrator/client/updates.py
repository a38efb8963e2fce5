"""The live feed of all tasks."""

from __future__ import annotations

from contextlib import suppress
from queue import Empty, Full, Queue

from rclpy.node import Node
from sustainml_msgs.msg import TaskSummary

from sustainml_orchestrator.ros import names

#: What a slow reader has not taken; the oldest updates go first.
_KEPT = 10_000


class TaskUpdates:
    """Every update of any task, from the creation of this object until it is closed."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._queue: Queue[TaskSummary] = Queue(_KEPT)
        self._subscription = node.create_subscription(
            TaskSummary, names.TASK_UPDATES, self._put, names.TASK_UPDATES_QOS
        )

    def __enter__(self) -> TaskUpdates:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Unsubscribe."""
        self._node.destroy_subscription(self._subscription)

    def get(self, timeout: float) -> TaskSummary | None:
        """The next update; None when there was none for so long (s)."""
        try:
            return self._queue.get(timeout=max(0.0, timeout))
        except Empty:
            return None

    def _put(self, summary: TaskSummary) -> None:
        if self._queue.full():
            with suppress(Empty):
                self._queue.get_nowait()
        with suppress(Full):
            self._queue.put_nowait(summary)
