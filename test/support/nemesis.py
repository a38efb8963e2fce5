"""Break the network between real processes at random while tasks flow; see `support.trial`.

PYTHONPATH=test python -m support.nemesis --minutes 10 [--seed 7]

The orchestrator, each of the six modules and the client run on hosts of their own
(`support.network`, needs root). Real packets are lost, delayed, doubled and reordered; hosts are
cut off, in one direction or in both.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support import trial_main
from support.network import Network, missing
from support.system import System
from support.trial import Fault, Trial
from sustainml_orchestrator.processes.programs import MODULES

HOSTS = ("client", "orchestrator", *MODULES)
#: Length of a cut, and of a time in which packets are lost, in s.
_CUTS = (0.5, 8.0)
_STORMS = (2.0, 10.0)
#: Most that a storm does: share of lost and doubled packets, longest delay in s.
_LOSS, _DOUBLED, _DELAY = 0.3, 0.1, 0.05


class Nemesis(Trial):
    """Breaks the network; one fault after the other."""

    pauses = (3.0, 12.0)
    aftermath = 30.0  # a lost packet may be repaired late

    def __init__(self, system: System, network: Network, seed: int) -> None:
        super().__init__(system, seed)
        self._network = network
        self._over: threading.Timer | None = None

    def break_one(self) -> None:
        """Break the network for some time; it is whole between two faults."""
        if self._over is not None and self._over.is_alive():
            return
        kind = self._rng.choice([self._storm, self._cut_off, self._cut_one_way])
        length = kind()
        now = time.time()
        name = kind.__name__.strip("_").replace("_", " ")
        self.faults.append(Fault(now, now + length, name))
        self._over = threading.Timer(length, self._network.set)
        self._over.start()

    def mend(self) -> None:
        """Wait until the network is whole."""
        if self._over is not None:
            self._over.join()

    def _storm(self) -> float:
        rng = self._rng
        delay = rng.uniform(0.0, _DELAY)
        self._network.set(
            loss=rng.uniform(0.0, _LOSS), doubled=rng.uniform(0.0, _DOUBLED), delay=(0.0, delay)
        )
        return rng.uniform(*_STORMS)

    def _cut_off(self) -> float:
        """Some hosts reach none of the others, nor are reached by them."""
        away = self._some_hosts()
        self._network.set(cuts=[(a, b) for a in HOSTS for b in HOSTS if (a in away) != (b in away)])
        return self._rng.uniform(*_CUTS)

    def _cut_one_way(self) -> float:
        """Some hosts are not heard by the others, but hear them."""
        away = self._some_hosts()
        self._network.set(cuts=[(a, b) for a in away for b in HOSTS if b not in away])
        return self._rng.uniform(*_CUTS)

    def _some_hosts(self) -> set[str]:
        return set(self._rng.sample(HOSTS, self._rng.randint(1, 3)))

    @property
    def permitted_errors(self) -> int:
        """A cut can hit a running step of each of the modules that it cuts off."""
        return 3 * len(self.faults)


@contextmanager
def begin(seed: int) -> Iterator[Nemesis]:
    """A system on hosts of its own; the calling thread moves to the host of the client."""
    if why := missing():
        raise SystemExit(f"nemesis: hosts cannot be made here: {why}")
    folder = tempfile.TemporaryDirectory(prefix="sustainml_nemesis_")
    with folder, Network(HOSTS, seed) as network:
        os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "SUBNET"
        network.enter("client")
        with System(Path(folder.name), journal=True, place=network.command) as system:
            yield Nemesis(system, network, seed)


if __name__ == "__main__":
    sys.exit(trial_main.run("nemesis", __doc__, begin))
