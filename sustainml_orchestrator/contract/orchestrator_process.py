"""The process of an orchestrator on this machine, and why it may not answer; needs no ROS."""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import psutil

from sustainml_orchestrator.contract import domain, shared_memory

#: In the command line of an orchestrator, however it was started.
_PROGRAM = re.compile(r"\borchestrator(_node)?\b")


@dataclass(frozen=True)
class OrchestratorProcess:
    """The process that has the place of the orchestrator in a namespace and domain.

    Attributes:
        pid: 0 where it cannot be seen, as that of another container.
        uid: of its user; -1 where it is not known.
    """

    namespace: str
    domain: int
    pid: int
    uid: int

    @property
    def is_of_another_user(self) -> bool:
        """Whether it runs as another user, whose shared memory cannot be read."""
        return self.uid != os.geteuid()

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
        settings = "RMW_IMPLEMENTATION, ROS_AUTOMATIC_DISCOVERY_RANGE, profiles of DDS"
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
    if number not in domain.claimed(namespace, range(number, number + 1)):
        return None
    claim = f"@{domain.claim_name(namespace, number)}"
    sockets = psutil.net_connections(kind="unix")
    # The system says which process has a socket only to its user, and to root.
    pids = [each.pid for each in sockets if each.laddr == claim and each.pid]
    others = domain.users(number) - {os.geteuid()}
    pids += [] if pids else _by_command(namespace, others)
    with suppress(psutil.Error):
        if len(pids) == 1:  # of several it may be in any domain
            return OrchestratorProcess(
                namespace, number, pids[0], psutil.Process(pids[0]).uids().effective
            )
    return OrchestratorProcess(namespace, number, 0, min(others, default=-1))


def _by_command(namespace: str, users: set[int]) -> Iterator[int]:
    """Processes of these users that run an orchestrator of that namespace, by their commands."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.uids().effective in users:
                command = " ".join(process.cmdline()).split()  # forked ones have it in one word
                named = [w.partition(":=")[2] for w in command if w.startswith("__ns:=")]
                if _PROGRAM.search(" ".join(command)) and (not named or namespace in named):
                    yield process.pid


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return str(uid) if uid >= 0 else "not known"
