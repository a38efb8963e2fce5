"""The ROS domain, and who takes part in it on this machine; needs no ROS."""

from __future__ import annotations

import os
import random
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
    first = 7400 + 250 * domain + 10
    ports = range(first, first + 2 * _PARTICIPANTS, 2)
    try:
        lines = Path("/proc/net/udp").read_text(encoding="ascii").splitlines()[1:]
    except OSError:  # not on Linux
        return 0
    bound = {int(line.split()[1].rpartition(":")[2], 16) for line in lines}
    return len(bound.intersection(ports))


def free(domains: range) -> int:
    """One of these domains in which nobody of this machine takes part, at random.

    Raises:
        LookupError: there is none.
    """
    for domain in random.sample(domains, len(domains)):
        if not participants(domain):
            return domain
    raise LookupError(f"every domain from {domains[0]} to {domains[-1]} is in use")
