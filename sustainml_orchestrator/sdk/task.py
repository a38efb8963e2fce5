"""What user code sees of a task: its handle, its inputs, and how to say that it cannot be done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rclpy.serialization import deserialize_message

from sustainml_orchestrator.core.ids import ErrorCode, TaskId


class ModuleError(Exception):
    """Raised in ``process`` or ``configure``: it cannot be done, and why.

    The sentence says what is wrong and what to do, for the user who reads it. INVALID_REQUEST,
    the default code, tells that another try would fail as well.
    """

    def __init__(self, sentence: str, error_code: ErrorCode = ErrorCode.INVALID_REQUEST) -> None:
        """Say why, and with which code."""
        super().__init__(sentence)
        self.error_code = ErrorCode(error_code)


class Cancelled(BaseException):
    """Raised by ``Task.check``. No Exception, so that ``except Exception`` does not swallow it."""


class Task:
    """The task that ``process`` works on.

    Attributes:
        task_id: problem and iteration.
        attempt: from 1; grows when the task is reset as a whole.
        try_number: from 1; grows when this module has to do it again.
    """

    def __init__(
        self, task_id: TaskId, *, attempt: int, try_number: int, cancelled: Callable[[], bool]
    ) -> None:
        """``cancelled`` is asked each time."""
        self.task_id = task_id
        self.attempt = attempt
        self.try_number = try_number
        self._cancelled = cancelled

    @property
    def cancelled(self) -> bool:
        """Whether nobody waits for the result any more. Cheap: ask in every loop."""
        return self._cancelled()

    def check(self) -> None:
        """Raise ``Cancelled``, which needs no handling, once the task is cancelled."""
        if self._cancelled():
            raise Cancelled

    def __repr__(self) -> str:
        """Which task it is, for logs."""
        return f"Task({self.task_id}, attempt={self.attempt}, try_number={self.try_number})"


class Messages:
    """Messages as attributes, each deserialized when first looked at."""

    def __init__(self, types: Mapping[str, type], payloads: Mapping[str, bytes]) -> None:
        """What has no payload is a default message."""
        self._types = types
        self._payloads = payloads

    def __getattr__(self, name: str) -> Any:
        """Deserialize a message, once."""
        if name.startswith("_") or name not in self._types:
            raise AttributeError(f"there is no input '{name}'; there are {self._names()}")
        message = self._read(name)
        setattr(self, name, message)
        return message

    def _read(self, name: str) -> object:
        payload = self._payloads.get(name)
        if payload is None:
            return self._types[name]()
        try:
            return deserialize_message(payload, self._types[name])
        except Exception as error:
            raise ModuleError(
                f"the input '{name}' cannot be read: {error}", ErrorCode.INTERNAL_ERROR
            ) from error

    def _names(self) -> str:
        return ", ".join(self._types) or "none"


class Inputs(Messages):
    """The inputs of a task: ``inputs.user_input``, ``inputs.<module>``, and ``baselines``.

    Attributes:
        baselines: outputs of the iteration that this one starts from, by module; default
            messages (task_id 0/0) in a first iteration.
    """

    def __init__(
        self,
        types: Mapping[str, type],
        baseline_types: Mapping[str, type],
        payloads: Mapping[str, bytes],
    ) -> None:
        """Baselines stand among the payloads, with ``BASELINE`` before their name."""
        super().__init__(types, payloads)
        prefix = len(BASELINE)
        self.baselines = Messages(
            baseline_types,
            {name[prefix:]: data for name, data in payloads.items() if name.startswith(BASELINE)},
        )


#: What the name of a baseline begins with where inputs and baselines stand side by side.
BASELINE = "baseline/"
