"""This machine as a device of the catalogue: its peak rates are measured, not looked up."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

_GEMM = 1024  #: rows and columns of the matrices multiplied
_COPIED_BYTES = 256 * 2**20  #: more than the caches of any processor hold
_TRIES = 5
#: Where no counter can be read: codecarbon's lower bound, a tenth of the rated power.
_IDLE_SHARE = 0.1


def processor() -> str:
    """The name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def describe(name: str) -> Mapping[str, Any]:
    """An entry for the catalogue of hardware; takes some seconds.

    The rates are what one process attains: a product of matrices in single precision, a copy in
    memory. The power is the rated one of the processor that codecarbon knows.
    """
    import numpy
    from codecarbon.core.cpu import TDP

    left = numpy.random.default_rng(0).random((_GEMM, _GEMM), dtype=numpy.float32)
    source = numpy.ones(_COPIED_BYTES, numpy.uint8)
    target = numpy.empty_like(source)
    flops = 2 * _GEMM**3 / _least(lambda: left @ left)
    bandwidth = 2 * _COPIED_BYTES / _least(lambda: numpy.copyto(target, source))
    watts = float(TDP().tdp)
    return {
        "name": name,
        "class": "cpu",
        "engine": "cpu",
        "aliases": [],
        "peak": {"fp32": _rounded(flops)},
        "bandwidth": _rounded(bandwidth),
        "memory_mib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
        "power": {"idle": _rounded(watts * _IDLE_SHARE), "max": watts},
        "power_of": "processor (rated power as codecarbon knows it)",
        "derived": ["peak", "bandwidth", "power.idle"],
        "note": f"{processor()}, {os.cpu_count()} processors; rates measured on it by one process.",
        "source": ["sustainml measure"],
    }


def _least(work: Callable[[], object]) -> float:
    """The least time in seconds that some work took."""
    seconds = []
    for _ in range(_TRIES):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")
