"""Errors of the client: each has a code and a sentence that says what to do."""

from __future__ import annotations

import os
import pwd
from typing import Any

from sustainml_orchestrator.contract import domain, shared_memory
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


def unavailable(namespace: str, domain_id: int) -> OrchestratorUnavailable:
    """The error of a call where no orchestrator was discovered."""
    text = f"no orchestrator answers in namespace {namespace}"
    advice = _of_another_user(domain_id) or (
        "start one with `sustainml up`, or set ROS_DOMAIN_ID, ROS_AUTOMATIC_DISCOVERY_RANGE and "
        "--namespace to those of the one that runs"
    )
    return OrchestratorUnavailable(ErrorCode.NODE_UNAVAILABLE, f"{text}; {advice}")


def unanswered(what: str, domain_id: int) -> RequestTimeout:
    """The error of a call whose answer did not come in time."""
    advice = _of_another_user(domain_id) or "try again with a longer timeout"
    return RequestTimeout(ErrorCode.TIMEOUT, f"{what} was not answered in time; {advice}")


def _of_another_user(domain_id: int) -> str:
    """What to do if the orchestrator may run as another user; "" if no other user runs ROS."""
    others = sorted((domain.users(domain_id) & shared_memory.owners()) - {os.geteuid()})
    if not others:
        return ""
    users = ", ".join(map(_user, others))
    return (
        f"ROS 2 processes of another user ({users}) run in domain {domain_id}, and the shared "
        "memory of another user cannot be read: run this as the same user, or set "
        "ROS_AUTOMATIC_DISCOVERY_RANGE=SUBNET and FASTDDS_BUILTIN_TRANSPORTS=UDPv4 for it"
    )


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def refused(response: Any) -> RequestRefused:
    """The error that a response or result carries."""
    known = response.error_code in ErrorCode._value2member_map_  # a newer orchestrator has more
    code = ErrorCode(response.error_code) if known else ErrorCode.INTERNAL_ERROR
    return RequestRefused(code, response.message)
