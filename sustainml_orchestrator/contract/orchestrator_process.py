"""The process of an orchestrator on this machine, and why it may not answer; needs no ROS."""

from __future__ import annotations

import os
import pwd
from contextlib import suppress
from dataclasses import dataclass

import psutil

from sustainml_orchestrator.contract import claim, shared_memory


@dataclass(frozen=True)
class OrchestratorProcess:
    """The process that has the place of the orchestrator in a namespace and domain.

    Attributes:
        pid, uid: as of the holder of a claim.
    """

    namespace: str
    domain: int
    pid: int
    uid: int

    @property
    def is_of_another_user(self) -> bool:
        """Whether it runs as another user, whose shared memory cannot be read."""
        return self.uid not in (-1, os.geteuid())

    @property
    def is_stopped(self) -> bool:
        """Whether it was stopped."""
        return bool(self.pid) and is_stopped(self.pid)

    def cause(self) -> tuple[str, str] | None:
        """Why it certainly does not answer, and what to do; None if nothing is known."""
        other = self.is_of_another_user
        if self.is_stopped:
            remedy = f"kill -CONT {self.pid} lets it go on"
            return f"{self._about}but was stopped by a signal", remedy + " (as that user)" * other
        if other and self.pid and shared_memory.is_used_by(self.pid):
            return f"{self._about}and the shared memory of another user cannot be read", (
                "run this as the same user, or set ROS_AUTOMATIC_DISCOVERY_RANGE=SUBNET and "
                "FASTDDS_BUILTIN_TRANSPORTS=UDPv4 for it"
            )
        return None

    def trouble(self) -> tuple[str, str]:
        """Why it may not answer, and what to do."""
        if (known := self.cause()) is not None:
            return known
        settings = (
            "RMW_IMPLEMENTATION, ROS_AUTOMATIC_DISCOVERY_RANGE, ROS_SECURITY_ENABLE, "
            "profiles of DDS"
        )
        text = f"{self._about}but does not answer: it starts, hangs, or has other settings "
        remedy = f"see what its log says last; if it hangs: kill -9 {self.pid or 'its process'}"
        if self.is_of_another_user:
            remedy = "that user finds out more by sustainml doctor, and ends it if it hangs"
        return f"{text}({settings})", remedy

    @property
    def _about(self) -> str:
        user = f" of another user ({_user(self.uid)})" if self.is_of_another_user else ""
        where = f"namespace {self.namespace} runs here in domain {self.domain}"
        return f"the process of an orchestrator{user} of {where}, "


def is_stopped(pid: int) -> bool:
    """Whether a process was stopped by a signal, or by a debugger."""
    with suppress(psutil.Error):
        return psutil.Process(pid).status() in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP)
    return False


def find(namespace: str, number: int) -> OrchestratorProcess | None:
    """The process that has this place; None if there is none on this machine."""
    if (holder := claim.holder(namespace, number)) is None:
        return None
    return OrchestratorProcess(namespace, number, holder.pid, holder.uid)


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return str(uid)
