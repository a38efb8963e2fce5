"""Reads the ids of serialized messages, and sets their stamp, without deserializing them.

All messages of the pipeline begin with task_id, attempt, session, token and header, so that these
have fixed offsets after the four bytes of CDR encapsulation.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from sustainml_orchestrator.core.ids import TaskId

_STAMP_OFFSET = 24
#: Byte order by the last bit of the encapsulation kind (0 big, 1 little endian).
_IDS = (struct.Struct(">4x5I"), struct.Struct("<4x5I"))
_STAMP = (struct.Struct(">iI"), struct.Struct("<iI"))
_SHORTEST = _STAMP_OFFSET + 8


class Ticket(NamedTuple):
    """One attempt at a task in one session: the key by which inputs are joined."""

    task_id: TaskId
    attempt: int
    session: int
    token: int

    @property
    def key(self) -> tuple[int, TaskId]:
        """Identifies the task, whichever the attempt; task ids repeat from session to session."""
        return self.session, self.task_id

    def replaces(self, other: Ticket) -> bool:
        """Whether this supersedes another ticket of the same key.

        A later attempt does, and another token of the same attempt: the journal of the orchestrator
        was rolled back.
        """
        return self.attempt > other.attempt or (
            self.attempt == other.attempt and self.token != other.token
        )


def read_ticket(data: bytes) -> Ticket:
    """Read the ids of a serialized message.

    Raises:
        ValueError: not a message of the pipeline, or without a task.
    """
    if len(data) < _SHORTEST or data[0] != 0:
        raise ValueError(f"{len(data)} bytes that are not a message of the pipeline")
    problem_id, iteration_id, attempt, session, token = _IDS[data[1] & 1].unpack_from(data)
    if not (problem_id and iteration_id and attempt and token):
        raise ValueError(
            f"a message of task {problem_id}/{iteration_id}, attempt {attempt}, token {token}"
        )
    return Ticket(TaskId(problem_id, iteration_id), attempt, session, token)


def stamp(data: bytes, *, seconds: int, nanoseconds: int) -> bytes:
    """Return the serialized message with ``header.stamp`` set."""
    stamped = bytearray(data)
    _STAMP[data[1] & 1].pack_into(stamped, _STAMP_OFFSET, seconds, nanoseconds)
    return bytes(stamped)
