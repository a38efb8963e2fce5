"""JSON answers, and problem details (RFC 9457) for what goes wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from sustainml_orchestrator.client.errors import ClientError
from sustainml_orchestrator.core.ids import ErrorCode

#: HTTP status of each code of the orchestrator.
STATUS = {
    ErrorCode.INTERNAL_ERROR: 502,
    ErrorCode.INVALID_REQUEST: 400,
    ErrorCode.NOT_FOUND: 404,
    ErrorCode.TIMEOUT: 504,
    ErrorCode.NODE_UNAVAILABLE: 503,
    ErrorCode.REJECTED: 409,
    ErrorCode.RESOURCE_EXHAUSTED: 429,
    ErrorCode.CANCELLED: 503,
}
PROBLEM_TYPE = "application/problem+json"


class Json(Response):
    """JSON in ASCII: any text can be written so, lone surrogates too."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The body."""
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")


class Problem(Json):
    """Problem details."""

    media_type = PROBLEM_TYPE


def problem(
    status: int, title: str, detail: str, instance: str = "", *, code: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> Problem:  # fmt: skip
    """An answer that says what is wrong.

    Args:
        status: of HTTP.
        title: name of the error: that of an `ErrorCode` where it is one.
        detail: a sentence that says what to do.
        instance: path of the request.
        code: number of the `ErrorCode`.
        headers: further ones.
    """
    content = {
        "type": f"urn:sustainml:error:{title.lower().replace('_', '-')}",
        "title": title,
        "status": status,
        "detail": detail,
        **({"instance": instance} if instance else {}),
        **({} if code is None else {"code": code}),
    }
    return Problem(content, status, dict(headers or {}))


def of_client_error(error: ClientError, instance: str = "") -> Problem:
    """The answer to a call of the orchestrator that failed."""
    status = STATUS.get(error.code, 502)
    headers = {"Retry-After": "1"} if status in (429, 503) else {}
    return problem(status, error.code.name, error.message, instance, code=int(error.code),
                   headers=headers)  # fmt: skip


def invalid(detail: str, instance: str = "", status: int = 400) -> Problem:
    """The answer to a request that makes no sense."""
    code = ErrorCode.INVALID_REQUEST
    return problem(status, code.name, detail, instance, code=int(code))
