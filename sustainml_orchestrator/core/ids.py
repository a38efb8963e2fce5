"""Identifiers and constants of the framework.

Every enum equals constants of ``sustainml_msgs``; a test compares them.
"""

from __future__ import annotations

import re
from enum import IntEnum
from typing import NamedTuple

_TASK_ID = re.compile(r"\s*(\d{1,10})\s*(?:/\s*(\d{1,10}|-1)\s*)?")


class TaskId(NamedTuple):
    """Identifies a task, that is an iteration of a problem. Both count from 1; 0 means "unset"."""

    problem_id: int
    iteration_id: int

    def __str__(self) -> str:
        return f"{self.problem_id}/{self.iteration_id}"

    @classmethod
    def parse(cls, text: str) -> TaskId:
        """Read ``"3/2"`` (problem 3, iteration 2), or ``"3"`` or ``"3/-1"`` (its latest one).

        The latest iteration is ``TaskId(3, 0)``.

        Raises:
            ValueError: the text is no task id.
        """
        match = _TASK_ID.fullmatch(text)
        if match is None:
            raise ValueError(
                f"'{text}' is no task id; write PROBLEM/ITERATION, for example 3/2, "
                "or PROBLEM for its latest iteration"
            )
        return cls(int(match[1]), max(0, int(match[2] or 0)))


#: No task: in node-level statuses and commands, and for missing outputs in responses.
NO_TASK = TaskId(0, 0)


class NodeStatus(IntEnum):
    """State of a module node (NODE_* in sustainml_msgs/NodeStatus)."""

    INACTIVE = 0
    ERROR = 1
    IDLE = 2
    INITIALIZING = 3
    RUNNING = 4
    TERMINATING = 5


class TaskStatus(IntEnum):
    """State of a task, or of a module's work on it (TASK_* in sustainml_msgs/NodeStatus)."""

    WAITING = 0
    ERROR = 1
    RUNNING = 2
    SUCCEEDED = 3
    STOPPED = 4
    TERMINATED = 5
    RETURNED = 6


class NodeCommand(IntEnum):
    """Command to a node (sustainml_msgs/NodeControl.cmd_node)."""

    NONE = 0
    START = 1
    STOP = 2
    RESET = 3
    TERMINATE = 4


class TaskCommand(IntEnum):
    """Command on a task (sustainml_msgs/NodeControl.cmd_task)."""

    NONE = 0
    STOP = 1
    RESET = 2
    PREEMPT = 3
    TERMINATE = 4


class ErrorCode(IntEnum):
    """Why a request or a task failed (sustainml_msgs/ErrorCode)."""

    NO_ERROR = 0
    INTERNAL_ERROR = 1
    INVALID_REQUEST = 2
    NOT_FOUND = 3
    TIMEOUT = 4
    NODE_UNAVAILABLE = 5
    REJECTED = 6
    RESOURCE_EXHAUSTED = 7
    CANCELLED = 8

    @classmethod
    def of(cls, code: int) -> ErrorCode:
        """The error that a module reported, which may be any number."""
        try:
            return cls(code) or cls.INTERNAL_ERROR
        except ValueError:
            return cls.INTERNAL_ERROR
