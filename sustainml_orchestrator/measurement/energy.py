"""Meters of the energy that the processor takes while something runs."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

RAPL = Path("/sys/class/powercap")


class Rapl:
    """Intel's and AMD's counters of the processor packages (Linux powercap interface, in µJ)."""

    method = "RAPL counters of the processor packages, idle share included"

    def __init__(self, packages: Iterable[Path]) -> None:
        self._packages = tuple(packages)
        self._last = self._read()
        self._joules = 0.0

    @classmethod
    def find(cls, folder: Path = RAPL) -> Rapl | None:
        """The meter of this machine; None where there is none or it may not be read."""
        zones = [zone for zone in sorted(folder.glob("*-rapl:*")) if zone.name.count(":") == 1]
        try:
            meter = cls(zones)
        except (OSError, ValueError):
            return None
        return meter if zones else None

    def sample(self) -> None:
        """Add what has been used since the last sample; call it at least once a minute.

        A counter starts again from 0 at its range, on large processors after some minutes.
        """
        now = self._read()
        for zone, before, after in zip(self._packages, self._last, now, strict=True):
            used = after - before
            if used < 0:
                used += int((zone / "max_energy_range_uj").read_text())
            self._joules += used * 1e-6
        self._last = now

    def stop(self) -> float:
        """Joules since the meter was made."""
        self.sample()
        return self._joules

    def _read(self) -> list[int]:
        return [int((zone / "energy_uj").read_text()) for zone in self._packages]


class Codecarbon:
    """codecarbon's estimate: load of the processor times its rated power."""

    method = "codecarbon's estimate from the load and the rated power of the processor, no counter"

    def __init__(self) -> None:
        from codecarbon import OfflineEmissionsTracker

        logging.getLogger("codecarbon").setLevel(logging.CRITICAL)
        self._tracker: Any = OfflineEmissionsTracker(
            country_iso_code="ESP",  # the energy is wanted; the country changes the carbon alone
            save_to_file=False,
            log_level="critical",
            measure_power_secs=1,
            tracking_mode="process",
            allow_multiple_runs=True,
        )
        self._tracker.start()

    def sample(self) -> None:
        """Nothing: the tracker has a thread of its own."""

    def stop(self) -> float:
        """Joules since the meter was made."""
        self._tracker.stop()
        return float(self._tracker.final_emissions_data.cpu_energy) * 3.6e6


def start_meter() -> Rapl | Codecarbon:
    """The best meter that this machine has."""
    return Rapl.find() or Codecarbon()
