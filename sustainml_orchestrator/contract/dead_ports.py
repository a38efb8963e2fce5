"""Keeps the ports of dead processes from being used again while others send to them.

A port of Fast DDS (2 and 3) is a file in /dev/shm, and its number is given to the next participant
once the reader has died. Whoever sends to it keeps the file mapped. If the reader stood still for
more than a second before, the senders have replaced the file, and each tries to mend it while the
next reader opens it: file and mutex are removed and made anew under each other. A reader or sender
can be left with a file that has no name any more, which Fast DDS takes for whole: that sender is
never received again. A port whose lock is held is not opened, so the next reader takes another one.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from contextlib import suppress
from pathlib import Path

_PORT = re.compile(r"fast(?:rtps|dds)_port\d+")
#: A port without a reader is one that nobody has locked in several looks, this far apart (s): its
#: reader unlocks it for a moment while it makes it anew.
_LOOKS, _APART = 4, 0.02
#: Others send to a dead participant until its lease of 20 s is over. Then a port that still has its
#: file may be used again.
_LEASE = 30.0
#: Fast DDS tries a hundred ports, and several processes may reserve some.
_MOST = 24


class DeadPorts:
    """The ports that this process keeps from being used.

    Args:
        folder: where Fast DDS has its files.
    """

    def __init__(self, folder: Path = Path("/dev/shm")) -> None:
        self._folder = folder
        self._held: dict[str, tuple[int, float]] = {}

    def reserve(self) -> None:
        """Lock the ports that others have mapped and nobody reads; unlock those not needed."""
        mapped = self._mapped()
        self._release(mapped)
        dead = {name for name in mapped if name not in self._held and self._is_unread(name)}
        for _ in range(_LOOKS - 1):
            if dead:
                time.sleep(_APART)
            dead = {name for name in dead if self._is_unread(name)}
        for name in sorted(dead)[: _MOST - len(self._held)]:
            descriptor = self._lock(name)
            if descriptor is not None:
                self._held[name] = descriptor, time.monotonic()

    def reserve_after_death(self) -> None:
        """The same, if a port has a lock file that nobody has locked: its reader was killed."""
        locks = (path.name for path in self._listed() if path.name.endswith("_el"))
        ports = [name[:-3] for name in locks if _PORT.fullmatch(name[:-3])]
        if any(self._is_unread(name) for name in ports):
            self.reserve()

    def close(self) -> None:
        """Unlock all."""
        for name in list(self._held):
            self._unlock(name)

    def _release(self, mapped: dict[str, bool]) -> None:
        now = time.monotonic()
        for name in list(self._held):  # the oldest comes first
            is_over = now - self._held[name][1] > _LEASE
            is_crowded = len(self._held) > _MOST // 2
            if name not in mapped or (is_over and (is_crowded or not mapped[name])):
                self._unlock(name)

    def _unlock(self, name: str) -> None:
        descriptor, _ = self._held.pop(name)
        with suppress(OSError):
            (self._folder / f"{name}_el").unlink()
        with suppress(OSError):
            os.close(descriptor)

    def _lock(self, name: str) -> int | None:
        """Descriptor of its lock file, locked; None if a reader has come."""
        path = self._folder / f"{name}_el"
        for _ in range(_LOOKS):
            with suppress(OSError):  # senders lock it, and remove it, while they look
                descriptor = os.open(path, os.O_CREAT | os.O_RDONLY | os.O_CLOEXEC, 0o666)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    time.sleep(_APART / 4)
                    if path.stat().st_ino == os.fstat(descriptor).st_ino:
                        return descriptor
                except OSError:
                    os.close(descriptor)
                    raise
                os.close(descriptor)
            time.sleep(_APART / 4)
        return None

    def _is_unread(self, name: str) -> bool:
        for path in (self._folder / f"{name}_el", self._folder / f"{name}_sl"):
            try:
                with path.open("rb") as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except FileNotFoundError:
                continue
            except OSError:
                return False
        return True

    def _mapped(self) -> dict[str, bool]:
        """The mapped ports; True where a process has mapped a file that has no name any more."""
        found: dict[str, bool] = {}
        try:
            device = self._folder.stat().st_dev
        except OSError:  # not on Linux
            return found
        # Another mount namespace has a folder of its own, on another device.
        place = f" {os.major(device):02x}:{os.minor(device):02x} "
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it has ended, or is another user's: so are its ports
                text = (process / "maps").read_bytes().decode("utf-8", errors="replace")
                for line in text.splitlines() if "_port" in text else ():
                    path, _, deleted = line[line.find("/") :].partition(" ")
                    folder, _, name = path.rpartition("/")
                    if place in line and folder == str(self._folder) and _PORT.fullmatch(name):
                        found[name] = found.get(name, False) or bool(deleted)
        return found

    def _listed(self) -> list[Path]:
        try:
            return list(self._folder.iterdir())
        except OSError:  # not on Linux
            return []


#: Of this process.
reserved = DeadPorts()
