"""What user code gets and raises: `Task`, `Inputs`, `ModuleError`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rclpy.serialization import deserialize_message

from sustainml_orchestrator.core.ids import ErrorCode, TaskId


class ModuleError(Exception):
    """Raised by `process` or `configure` if the request cannot be fulfilled.

    Args:
        sentence: shown to the user; says what is wrong and what to do.
        error_code: INVALID_REQUEST means that another try would fail, too; after any other code
            the task is tried again, up to max_tries of the module.
    """

    def __init__(self, sentence: str, error_code: ErrorCode = ErrorCode.INVALID_REQUEST) -> None:
        super().__init__(sentence)
        self.error_code = ErrorCode(error_code)


class Cancelled(BaseException):
    """Raised by `Task.check`. A BaseException, so that `except Exception` does not catch it."""


class Task:
    """The task that `process` is called for.

    Attributes:
        task_id: problem and iteration.
        attempt: from 1; incremented when the whole task is reset.
        try_number: from 1; incremented when this module has to try again.
    """

    def __init__(
        self, task_id: TaskId, *, attempt: int, try_number: int, cancelled: Callable[[], bool]
    ) -> None:
        self.task_id = task_id
        self.attempt = attempt
        self.try_number = try_number
        self._cancelled = cancelled

    @property
    def cancelled(self) -> bool:
        """Whether the task was cancelled. Cheap enough for every iteration of a loop."""
        return self._cancelled()

    def check(self) -> None:
        """Raise `Cancelled` if the task was cancelled; there is no need to catch it."""
        if self._cancelled():
            raise Cancelled

    def __repr__(self) -> str:
        """The ids, for logs."""
        return f"Task({self.task_id}, attempt={self.attempt}, try_number={self.try_number})"


class Messages:
    """Messages as attributes, each deserialized at its first access."""

    def __init__(self, types: Mapping[str, type], payloads: Mapping[str, bytes]) -> None:
        """A name without a payload has a default message."""
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
    """The inputs of a task: `inputs.user_input`, `inputs.<module>`, `inputs.baselines.<module>`.

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
        """The names of baselines in `payloads` begin with `BASELINE`."""
        super().__init__(types, payloads)
        prefix = len(BASELINE)
        self.baselines = Messages(
            baseline_types,
            {name[prefix:]: data for name, data in payloads.items() if name.startswith(BASELINE)},
        )


#: Prefix of the names of baselines among those of inputs.
BASELINE = "baseline/"
