"""A process with one subscription and an empty callback.

    python -m bench.bare_subscriber NodeStatus /topic counter

The callback does nothing but count, in a file that is shared memory: so nothing needs to be sent
to tell how far it is. `Counter` reads it.
"""

from __future__ import annotations

import mmap
import struct
import sys
from pathlib import Path
from typing import Any

import rclpy
import sustainml_msgs.msg
from rclpy.node import Node

from sustainml_orchestrator.contract import names

_NUMBER = struct.Struct("<Q")


class Counter:
    """A number that two processes share."""

    def __init__(self, file: Path) -> None:
        if not file.exists():
            file.write_bytes(bytes(_NUMBER.size))
        with file.open("r+b") as opened:
            self._memory = mmap.mmap(opened.fileno(), _NUMBER.size)

    @property
    def value(self) -> int:
        """The number now."""
        return int(_NUMBER.unpack_from(self._memory)[0])

    @value.setter
    def value(self, value: int) -> None:
        _NUMBER.pack_into(self._memory, 0, value)


def main(kind: str, topic: str, file: str) -> None:
    """Subscribe."""
    counter = Counter(Path(file))
    count = 0

    def on_message(message: Any) -> None:
        nonlocal count
        count += 1
        counter.value = count

    rclpy.init()
    node = Node("bare_subscriber")
    node.create_subscription(getattr(sustainml_msgs.msg, kind), topic, on_message, names.STATUS_QOS)
    print("up", flush=True)
    rclpy.spin(node)


if __name__ == "__main__":
    main(*sys.argv[1:4])
