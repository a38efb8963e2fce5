"""Kill and freeze real processes at random while tasks flow; nothing accepted may be lost.

PYTHONPATH=test python -m support.chaos --minutes 10 [--seed 7]

Orchestrator (with a journal) and six modules run under the supervisor; see `support.trial`.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from support import trial_main
from support.system import System
from support.trial import Fault, Trial

#: Lengths of freezes, in s.
_FREEZES = (0.5, 6.0)


class Chaos(Trial):
    """Kills and freezes processes."""

    def __init__(self, system: System, seed: int) -> None:
        super().__init__(system, seed)
        self._frozen: dict[int, threading.Timer] = {}  # by pid; each ends a freeze

    def break_one(self) -> None:
        """Kill a process, or freeze it for some time."""
        pids = {n: p for n, p in self._system.supervisor.pids.items() if p not in self._frozen}
        if not pids:
            return
        name = self._rng.choice(sorted(pids))
        kill = self._rng.random() < 0.5
        length = 0.0 if kill else self._rng.uniform(*_FREEZES)
        with suppress(ProcessLookupError):
            os.kill(pids[name], signal.SIGKILL if kill else signal.SIGSTOP)
            now = time.time()
            self.faults.append(Fault(now, now + length, f"{name} {'killed' if kill else 'frozen'}"))
            if not kill:
                timer = threading.Timer(length, self._thaw, [pids[name]])
                self._frozen[pids[name]] = timer
                timer.start()

    def mend(self) -> None:
        """Wait for the end of the freezes."""
        for timer in list(self._frozen.values()):
            timer.join()

    def _thaw(self, pid: int) -> None:
        del self._frozen[pid]
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


@contextmanager
def begin(seed: int) -> Iterator[Chaos]:
    """A system of its own, with a journal, to break."""
    folder = tempfile.TemporaryDirectory(prefix="sustainml_chaos_")
    with folder, System(Path(folder.name), journal=True) as system:
        yield Chaos(system, seed)


if __name__ == "__main__":
    sys.exit(trial_main.run("chaos", __doc__, begin))
