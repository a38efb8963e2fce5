"""The ROS domain, and who takes part in it on this machine; needs no ROS."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import socket
from pathlib import Path

#: The highest domain whose ports exist.
LAST = 232
#: Up to here its ports lie below those that Linux hands out to clients.
LAST_SAFE = 101
_PARTICIPANTS = 120


class DomainError(ValueError):
    """The domain is invalid; the text says what to do."""


def current() -> int:
    """The domain of this process.

    Raises:
        DomainError: ROS_DOMAIN_ID is invalid; DDS would end the process without a message.
    """
    text = os.environ.get("ROS_DOMAIN_ID") or "0"
    if not (text.isdecimal() and int(text) <= LAST):
        raise DomainError(f"ROS_DOMAIN_ID is '{text}'; set it to a number from 0 to {LAST}")
    return int(text)


def participants(domain: int) -> int:
    """Number of participants on this machine, by the ports that are bound.

    The DDS standard fixes the port on which the n-th participant of a domain listens.
    """
    return len(_sockets(domain))


def users(domain: int) -> set[int]:
    """Ids of the users that own these participants."""
    return set(_sockets(domain).values())


def _sockets(domain: int) -> dict[int, int]:
    """Ports of the domain that are bound, and the users that own the sockets."""
    first = 7400 + 250 * domain + 10
    ports = range(first, first + 2 * _PARTICIPANTS, 2)
    try:
        lines = Path("/proc/net/udp").read_text(encoding="ascii").splitlines()[1:]
    except OSError:  # not on Linux
        return {}
    fields = (line.split() for line in lines)
    bound = {int(field[1].rpartition(":")[2], 16): int(field[7]) for field in fields}
    return {port: user for port, user in bound.items() if port in ports}


def free(domains: range) -> int:
    """One of these domains in which nobody of this machine takes part, at random.

    Raises:
        LookupError: there is none.
    """
    for domain in random.sample(domains, len(domains)):
        if not participants(domain):
            return domain
    raise LookupError(f"every domain from {domains[0]} to {domains[-1]} is in use")


def claimed(namespace: str, domains: range) -> list[int]:
    """The domains in which a process of this machine has the place of the orchestrator."""
    try:
        text = Path("/proc/net/unix").read_text(encoding="utf-8", errors="replace")
    except OSError:  # not on Linux
        return []
    taken = set(text.split())
    return [number for number in domains if f"@{claim_name(namespace, number)}" in taken]


def claim_name(namespace: str, number: int) -> str:
    """Name of the socket that stands for the place of the orchestrator."""
    place = f"{number}/{namespace.strip('/')}"
    name = hashlib.blake2s(place.encode(), digest_size=16).hexdigest()
    return f"sustainml_orchestrator/{name}"


class Claim:
    """The place of the orchestrator in a namespace: one process of this machine can have it.

    It is a socket of a certain name, which the kernel takes back when that process ends, however
    it ends. The graph of ROS shows the same only after discovery.

    Attributes:
        is_ours: False when another process has it; None when the system has no such sockets.
    """

    def __init__(self, namespace: str) -> None:
        self._socket: socket.socket | None = None
        self.is_ours: bool | None = None
        try:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            # In no file system: Linux only.
            self._socket.bind(f"\0{claim_name(namespace, current())}")
            self.is_ours = True
        except OSError as error:
            self.close()
            self.is_ours = False if error.errno == errno.EADDRINUSE else None

    def close(self) -> None:
        """Give it up."""
        if self._socket is not None:
            self._socket.close()
