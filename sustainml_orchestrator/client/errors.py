"""Errors of the client: each has a code and a sentence that says what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sustainml_orchestrator.core.ids import ErrorCode

if TYPE_CHECKING:
    from sustainml_orchestrator.contract.orchestrator_process import OrchestratorProcess


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


def unavailable(namespace: str, domain_id: int) -> OrchestratorUnavailable:
    """The error of a call where no orchestrator was discovered."""
    process = _process(namespace, domain_id)
    advice = (
        "start one with `sustainml up`, or set ROS_DOMAIN_ID, ROS_AUTOMATIC_DISCOVERY_RANGE and "
        "--namespace to those of the one that runs"
    )
    if process is not None:
        advice = ": ".join(process.trouble())
    text = f"no orchestrator answers in namespace {namespace}; {advice}"
    return OrchestratorUnavailable(ErrorCode.NODE_UNAVAILABLE, text)


def unanswered(what: str, namespace: str, domain_id: int) -> RequestTimeout:
    """The error of a call whose answer did not come in time."""
    process = _process(namespace, domain_id)
    cause = process.cause() if process is not None else None
    advice = ": ".join(cause or ["try again with a longer timeout"])
    return RequestTimeout(ErrorCode.TIMEOUT, f"{what} was not answered in time; {advice}")


def _process(namespace: str, domain_id: int) -> OrchestratorProcess | None:
    from sustainml_orchestrator.contract import orchestrator_process  # takes time, once

    return orchestrator_process.find(namespace, domain_id)


def refused(response: Any) -> RequestRefused:
    """The error that a response or result carries."""
    known = response.error_code in ErrorCode._value2member_map_  # a newer orchestrator has more
    code = ErrorCode(response.error_code) if known else ErrorCode.INTERNAL_ERROR
    return RequestRefused(code, response.message)
