"""A mark that all descendants of a process inherit, also those that clear their environment.

It is the soft limit of the time that a process may run under real-time scheduling without a pause:
a random number of some 10,000 years, which limits nothing. Fork, exec, setsid and `env -i` keep it.
"""

from __future__ import annotations

import os
import random
import resource
import signal
from contextlib import suppress
from pathlib import Path

_LEAST = 1 << 60  #: µs

#: None where the system has no such limit (not Linux).
_LIMIT: int | None = getattr(resource, "RLIMIT_RTTIME", None)


def draw() -> int:
    """A mark of its own for a process and its descendants; 0 where there can be none."""
    if _LIMIT is None or resource.getrlimit(_LIMIT)[1] != resource.RLIM_INFINITY:
        return 0
    return random.SystemRandom().randrange(_LEAST, 2 * _LEAST)


def put(mark: int) -> None:
    """Mark this process, and so all that it will start."""
    if mark and _LIMIT is not None:
        resource.setrlimit(_LIMIT, (mark, resource.RLIM_INFINITY))


def kill_marked(mark: int, owner: int) -> None:
    """Kill all processes that carry a mark, except the owner, from which they have it."""
    if not mark or _LIMIT is None:
        return
    for folder in Path("/proc").glob("[0-9]*"):
        pid = int(folder.name)
        with suppress(OSError):
            if pid != owner and resource.prlimit(pid, _LIMIT)[0] == mark:
                os.kill(pid, signal.SIGKILL)
