"""Calls the code of module authors and turns whatever it does into an outcome. Knows no node."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rclpy.logging import get_logger
from rclpy.serialization import deserialize_message, serialize_message
from std_msgs.msg import Header
from sustainml_msgs.msg import TaskId

from sustainml_orchestrator.contract.field_values import FieldError
from sustainml_orchestrator.core.ids import ErrorCode
from sustainml_orchestrator.core.text import exception_text
from sustainml_orchestrator.sdk.actions import Failed, Job, Outcome, Succeeded
from sustainml_orchestrator.sdk.module_spec import ModuleSpec, spec_of
from sustainml_orchestrator.sdk.output_message import checked, field_of
from sustainml_orchestrator.sdk.task import Cancelled, ModuleError, Task
from sustainml_orchestrator.sdk.wire_ids import Ticket

if TYPE_CHECKING:
    from sustainml_orchestrator.sdk.module import Module

#: Maximum length of an error text, in characters.
LONGEST_TEXT = 2000


class Host:
    """Holds one instance of the author's class and calls its hooks."""

    def __init__(self, cls: type[Module], instance: str, spec: ModuleSpec | None = None) -> None:
        """`instance` is the fully qualified node name, set as frame_id of the outputs."""
        self._class = cls
        self._spec = spec or spec_of(cls)
        self._name = instance
        self._author: Module | None = None

    def start(self, configuration: dict[str, Any]) -> None:
        """Create the instance, call `on_start`, and apply the stored configuration.

        Raises:
            BaseException: whatever the author's code raised.
        """
        for type_ in (self._spec.output_type, *self._spec.inputs.values()):
            # The first use of a type loads libraries: not during the first task.
            deserialize_message(serialize_message(type_()), type_)
        try:
            author = self._class()
            author.on_start()
            if configuration:
                author.configure(dict(configuration))
        except BaseException:
            self._log_error("on_start")
            raise
        self._author = author

    def _log_error(self, what: str) -> None:
        """Log the traceback of the exception that is being handled."""
        log = get_logger(self._name.strip("/").replace("/", "."))
        log.error(clean(f"{what}: {exception_text()}"))

    def configure(self, configuration: dict[str, Any]) -> dict[str, Any]:
        """Call `configure`; returns plain JSON data.

        Raises:
            ModuleError: it was refused, failed, or did not return a dict that is JSON.
        """
        assert self._author is not None
        try:
            answer = self._author.configure(configuration)
        except ModuleError as error:
            raise ModuleError(text_of(error), _code_of(error)) from None
        except BaseException as error:
            raise ModuleError(describe(error), ErrorCode.INTERNAL_ERROR) from error
        if not isinstance(answer, dict):
            raise ModuleError(
                f"configure() of {self._class.__name__} returned {_kind(answer)}; "
                "it must return a dict",
                ErrorCode.INTERNAL_ERROR,
            )
        try:  # objects of user code stay here: another process could not read them
            plain: dict[str, Any] = json.loads(json.dumps(answer, allow_nan=False, default=_plain))
        except Exception as error:
            raise ModuleError(
                f"configure() returned a value that is not JSON: {text_of(error)}",
                ErrorCode.INTERNAL_ERROR,
            ) from error
        return plain

    def call(self, job: Job, cancelled: Callable[[], bool]) -> Outcome:
        """Call `process` for a task; `cancelled` is polled by the task."""
        assert self._author is not None
        assert job.inputs is not None
        ticket = job.ticket
        task = Task(
            ticket.task_id,
            attempt=ticket.attempt,
            try_number=job.try_number,
            cancelled=cancelled,
        )
        try:
            output = self._author.process(task, self._spec.open(job.inputs))
            return Succeeded(self._serialize(output, ticket))
        except Cancelled:
            return Failed(ErrorCode.CANCELLED, "process was cancelled")
        except ModuleError as error:
            return Failed(_code_of(error), text_of(error))
        except BaseException as error:
            self._log_error(f"task {ticket.task_id}")
            return Failed(ErrorCode.INTERNAL_ERROR, describe(error))

    def _serialize(self, output: Any, ticket: Ticket) -> bytes:
        due: Any = self._spec.output_type
        returned = f"process() of {self._class.__name__} returned {_kind(output)}"
        if not isinstance(output, due):
            package = due.__module__.split(".")[0]
            raise ModuleError(
                f"{returned}; it must return a {package}/msg/{due.__name__}",
                ErrorCode.INTERNAL_ERROR,
            )
        problem_id, iteration_id = ticket.task_id
        try:
            message = checked(
                output,
                due,
                task_id=TaskId(problem_id=problem_id, iteration_id=iteration_id),
                attempt=ticket.attempt,
                session=ticket.session,
                token=ticket.token,
                header=Header(frame_id=self._name),
            )
            return serialize_message(message)
        except FieldError as error:
            text = f"{returned} whose {error}"
        except Exception as error:
            text = f"{returned}, which cannot be serialized: {describe(error)}"
        raise ModuleError(text, ErrorCode.INTERNAL_ERROR)


def describe(error: BaseException) -> str:
    """An exception as "Type: text", with the message field at which it was raised, if any."""
    text = ": ".join(filter(None, (type(error).__name__, text_of(error))))
    field = field_of(error)
    return f"{text}, in field {field}" if field else text


def text_of(error: BaseException) -> str:
    """The text of an exception that user code defined; its methods may raise as well."""
    try:
        return clean(str(error))
    except BaseException as failure:
        return f"(its __str__ raised {type(failure).__name__})"


def _code_of(error: ModuleError) -> ErrorCode:
    """The code of an error; a subclass may have set anything."""
    try:
        return ErrorCode(error.error_code)
    except (AttributeError, ValueError):
        return ErrorCode.INTERNAL_ERROR


def clean(text: str) -> str:
    """A text that can be sent: no NUL, no lone surrogate, at most LONGEST_TEXT characters."""
    text = text.encode("utf-8", "replace").decode().replace("\0", "?")
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"


def _plain(value: Any) -> Any:
    """Scalars and arrays of NumPy as JSON takes them."""
    if not callable(plain := getattr(value, "tolist", None)):
        raise TypeError(f"it holds {_kind(value)}")
    return plain()


def _kind(value: object) -> str:
    return "None" if value is None else f"a {type(value).__name__}"
