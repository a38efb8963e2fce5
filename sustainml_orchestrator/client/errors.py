"""What can go wrong with a call."""

from __future__ import annotations

from typing import Any

from sustainml_orchestrator.core.ids import ErrorCode


class ClientError(Exception):
    """A call that brought no result: `code` says why, `message` what to do."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class OrchestratorUnavailable(ClientError):
    """No orchestrator is reachable."""


class RequestTimeout(ClientError):
    """The orchestrator is there, but the answer did not come in time."""


class RequestRefused(ClientError):
    """The orchestrator answered: no."""


def unavailable(namespace: str) -> OrchestratorUnavailable:
    """The error of a framework that is not there."""
    return OrchestratorUnavailable(
        ErrorCode.NODE_UNAVAILABLE,
        f"no orchestrator answers in namespace {namespace}; start one with `sustainml up`, or "
        "check ROS_DOMAIN_ID and ROS_AUTOMATIC_DISCOVERY_RANGE with `sustainml doctor`",
    )


def refused(response: Any) -> RequestRefused:
    """The error that a response or result carries."""
    known = response.error_code in ErrorCode._value2member_map_  # a newer orchestrator has more
    code = ErrorCode(response.error_code) if known else ErrorCode.INTERNAL_ERROR
    return RequestRefused(code, response.message)
