"""What all routes share: the calls, and the description of their answers."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Request
from pydantic import BaseModel

from sustainml_orchestrator.rest.answers import PROBLEM_TYPE, STATUS
from sustainml_orchestrator.rest.calls import Calls
from sustainml_orchestrator.rest.schemas import ProblemDetails

_MEANING = {
    400: "The request makes no sense.", 401: "The token is missing.", 403: "Not from here.",
    404: "There is no such thing.", 409: "The state does not permit it.",
    413: "The body is too large.", 415: "The body is sent as another type than JSON.",
    422: "A field has a wrong type or value.", 429: "Too much at once; try again later.",
    502: "The orchestrator failed.", 503: "No orchestrator, or the module is unavailable.",
    504: "Not answered in time.",
}  # fmt: skip
_CONTENT = {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}}
#: Answers that any route may give.
FAILURES: dict[int | str, dict[str, Any]] = {
    status: {"description": text, "content": _CONTENT} for status, text in _MEANING.items()
}
assert set(STATUS.values()) <= set(_MEANING)


def _calls(request: Request) -> Calls:
    found: Calls = request.app.state.calls
    return found


Connected = Annotated[Calls, Depends(_calls)]


def answers(model: type[BaseModel], status: int = 200) -> dict[int | str, dict[str, Any]]:
    """The answers of a route, for its description."""
    return {status: {"model": model, "description": "Done."}, **FAILURES}


__all__ = ["FAILURES", "Connected", "ProblemDetails", "answers"]
