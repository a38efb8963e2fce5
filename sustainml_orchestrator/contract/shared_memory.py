"""Removes the files of Fast DDS in /dev/shm: of this process at its end, and of dead processes.

Our profile uses UDP alone (config/fastdds.xml); clients, and nodes with a profile of the user, have
shared memory: a segment, and the queues of their ports. Fast DDS removes them when its participants
are destroyed; but that was seen to crash, and to spin for ever, while the peers leave, as they do
when a whole system ends. So nodes here end without it, and remove by name what they own. What
killed processes leave stays for ever, until somebody removes it.

Each segment and port has a lock file, locked (flock) by its owner while that runs: `_el`, or
`_sl` where several processes share a port. `fastdds shm clean` relies on the same. A port has a
named mutex (a semaphore) as well, which is held by whoever opens the port.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NoReturn

_FOLDER = Path("/dev/shm")
#: Fast DDS 2 and 3 (Kilted and newer) have different prefixes.
_LOCK = re.compile(r"(fast(?:rtps|dds)_(?:[0-9a-f]{16}|port\d+))_[es]l")
#: Time within which a port is opened, in s. Fast DDS removes a mutex that is held for longer.
_OPENED_WITHIN = 1.0
#: Loaded once: a signal handler or a dying process must not load libraries.
_libc = ctypes.CDLL(None)
_libc.sem_open.restype = ctypes.c_void_p
for _function in (_libc.sem_trywait, _libc.sem_post, _libc.sem_close):
    _function.argtypes = [ctypes.c_void_p]
#: A lock file is made a moment before it is locked: one so young (s) may have an owner.
_YOUNG = 5.0


def is_used_by(pid: int) -> bool:
    """Whether a process, of whatever user, has shared memory of Fast DDS."""
    with suppress(OSError):  # not on Linux
        locks = Path("/proc/locks").read_text(encoding="ascii").splitlines()
        fields = [line.split() for line in locks]
        held = {field[5] for field in fields if field[1] == "FLOCK" and field[4] == str(pid)}
        return any(_LOCK.fullmatch(path.name) and _inode(path) in held for path in _listed(_FOLDER))
    return False


def _inode(path: Path) -> str:
    """A file as it is named in /proc/locks."""
    with suppress(OSError):  # it is gone
        status = path.stat()
        device = status.st_dev
        return f"{os.major(device):02x}:{os.minor(device):02x}:{status.st_ino}"
    return ""


def end_process(code: int) -> NoReturn:
    """End this process at once, without destroying nodes; nothing stays in /dev/shm."""
    with suppress(OSError, ValueError):
        sys.stdout.flush()
    with suppress(OSError, ValueError):
        sys.stderr.flush()
    release()
    os._exit(code)


def release() -> None:
    """Remove what this process owns; it cannot take part in DDS any more."""
    for link in _listed(Path("/proc/self/fd")):
        with suppress(OSError):
            path = link.readlink()
            if path.parent == _FOLDER and (match := _LOCK.fullmatch(path.name)):
                # Of a port that several share we may be the last. Otherwise the lock is ours.
                _remove(match[1], path, int(link.name))


def remove_leftovers() -> None:
    """Remove what belongs to processes that are dead, of whatever program."""
    for path in _listed(_FOLDER):
        match = _LOCK.fullmatch(path.name)
        with suppress(OSError):  # its owner lives, it is gone, or it belongs to another user
            if match is not None and time.time() - path.stat().st_mtime > _YOUNG:
                _remove(match[1], path, patience=_OPENED_WITHIN)


def _remove(name: str, lock: Path, number: int | None = None, patience: float = 0.0) -> None:
    """Remove a segment or a port, unless another process owns it or is opening it.

    Args:
        name: of the segment or the port.
        lock: its lock file.
        number: file descriptor with which this process has locked the file; None if it has not.
        patience: time in s after which whoever holds the mutex of a port is taken for dead; 0: a
            port whose mutex is held stays.

    Raises:
        OSError: another process owns it.
    """
    with ExitStack() as held:
        # While this process tests the lock, another one that opens the port could not take it.
        if "port" not in name or held.enter_context(_mutex(name, patience)) or patience:
            file = number if number is not None else held.enter_context(lock.open("rb"))
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _unlink(name, lock.name, f"sem.{name}_mutex")


@contextmanager
def _mutex(port: str, patience: float = 0.0) -> Iterator[bool]:
    """Hold the mutex of a port, which Fast DDS holds while it opens one; yields whether we have it.

    If the files of a port are removed while a process opens it, a second process can create the
    same port. The first one then receives nothing from processes that open the port later.
    """
    semaphore = _libc.sem_open(f"/{port}_mutex".encode(), os.O_CREAT, 0o644, 1)
    is_ours = bool(semaphore) and _libc.sem_trywait(semaphore) == 0
    deadline = time.monotonic() + patience
    while semaphore and not is_ours and time.monotonic() < deadline:
        time.sleep(_OPENED_WITHIN / 20)
        is_ours = _libc.sem_trywait(semaphore) == 0
    try:
        yield is_ours
    finally:
        if is_ours:
            _libc.sem_post(semaphore)
        if semaphore:
            _libc.sem_close(semaphore)


def _unlink(*names: str) -> None:
    for name in names:
        with suppress(OSError):  # there is none, or it belongs to another user
            (_FOLDER / name).unlink()


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:  # not on Linux
        return []
