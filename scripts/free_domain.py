"""Prints a ROS domain id that no process on this machine uses, for a run that must meet nobody."""

import random
import socket

#: Ids whose ports lie below the range that Linux hands out to clients.
DOMAINS = range(1, 102)


def is_free(domain: int) -> bool:
    """Whether no first participant of the domain listens; DDS fixes its port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("", 7400 + 250 * domain + 10))
        except OSError:
            return False
    return True


def choose() -> int:
    """A free domain, at random, so that two runs that begin together rarely meet."""
    return next(filter(is_free, random.sample(DOMAINS, len(DOMAINS))))


if __name__ == "__main__":
    print(choose())
