"""Checks the outputs of user code field by field, before they are serialized."""

from __future__ import annotations

import linecache
import re
import traceback
from typing import Any

from sustainml_orchestrator.contract import figures
from sustainml_orchestrator.contract.field_values import FieldError, converters


def checked(output: Any, message_type: Any, **set_here: Any) -> Any:
    """A copy of an output, of exactly the type that is due, in which every field has its type.

    Args:
        output: what user code returned, of `message_type` or a subclass of it.
        message_type: the message class that is due.
        set_here: fields that are not taken from `output`.

    Raises:
        FieldError: a field has a wrong type, cannot be sent, or is a figure that makes no sense.
    """
    fields = {
        name: convert(getattr(output, name, None), name)
        for name, convert in converters(message_type).items()
        if name not in set_here
    }
    for name in figures.FIGURES.get(message_type, ()):
        if wrong := figures.complaint(message_type, name, fields[name]):
            raise FieldError(wrong)
    return message_type(**fields, **set_here)


def field_of(error: BaseException) -> str:
    """The message field at which a constructor or setter raised, as "name (type) of Message".

    These convert lists of numbers, and the errors do not name the field. "" for any other error.
    """
    frames = list(traceback.walk_tb(error.__traceback__))
    if not frames:
        return ""
    frame, line = frames[-1]
    message = type(frame.f_locals.get("self"))
    types: dict[str, str] = getattr(message, "get_fields_and_field_types", dict)()
    source = linecache.getline(frame.f_code.co_filename, line)
    assigned = re.match(r"\s*self\._?(\w+) = ", source)
    name = assigned[1] if assigned else ""
    return f"{name} ({types[name]}) of {message.__name__}" if name in types else ""
