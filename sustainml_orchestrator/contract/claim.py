"""The claim: a lock that one orchestrator of a namespace holds on this machine; needs no ROS."""

from __future__ import annotations

import errno
import hashlib
import os
import socket
from dataclasses import dataclass
from pathlib import Path

from sustainml_orchestrator.contract import domain


@dataclass(frozen=True)
class Holder:
    """The process that holds a claim.

    Attributes:
        pid: 0 where it is not known: that of another container, or of one that starts just now.
        uid: of its user; -1 where it is not known.
    """

    pid: int = 0
    uid: int = -1


class Claim:
    """The right to be the orchestrator of a namespace; one process per machine can have it.

    It is a socket of a certain name, which the kernel takes back when that process ends, however
    it ends. The graph of ROS shows the same only after discovery. The name of a second socket
    says which process holds the claim: the system itself tells only the user who owns it.

    Attributes:
        is_ours: False when another process holds it; None when the system has no such sockets.
    """

    def __init__(self, namespace: str) -> None:
        self._sockets: list[socket.socket] = []
        self.is_ours: bool | None = None
        name = _name(namespace, domain.current())
        try:
            self._bind(name)
            self._bind(f"{name}/{_pid_namespace()}-{os.getpid()}-{os.geteuid()}")
            self.is_ours = True
        except OSError as error:
            self.close()
            self.is_ours = False if error.errno == errno.EADDRINUSE else None

    def _bind(self, name: str) -> None:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sockets.append(made)
        made.bind(f"\0{name}")  # in no file system: Linux only

    def close(self) -> None:
        """Give it up."""
        while self._sockets:
            self._sockets.pop().close()


def domains(namespace: str, numbers: range) -> list[int]:
    """The domains among `numbers` in which a process of this machine holds the claim."""
    taken = _taken()
    return [number for number in numbers if _name(namespace, number) in taken]


def holder(namespace: str, number: int) -> Holder | None:
    """The process that holds the claim in a domain; None if none of this machine does."""
    taken, name = _taken(), _name(namespace, number)
    if name not in taken:
        return None
    for other in taken:
        ours, _, process = other.rpartition("/")
        fields = process.split("-")
        if ours == name and len(fields) == 3 and all(field.isdecimal() for field in fields):
            pid_namespace, pid, uid = map(int, fields)
            return Holder(pid if pid_namespace == _pid_namespace() else 0, uid)
    return Holder()


def _taken() -> set[str]:
    """The names of all sockets of this machine that are in no file system."""
    try:
        text = Path("/proc/net/unix").read_text(encoding="utf-8", errors="replace")
    except OSError:  # not on Linux
        return set()
    return {word[1:] for word in text.split() if word.startswith("@")}


def _name(namespace: str, number: int) -> str:
    place = f"{number}/{namespace.strip('/')}"
    name = hashlib.blake2s(place.encode(), digest_size=16).hexdigest()
    return f"sustainml_orchestrator/{name}"


def _pid_namespace() -> int:
    """Which numbering the ids of processes belong to: a container has its own."""
    return Path("/proc/self/ns/pid").stat().st_ino
