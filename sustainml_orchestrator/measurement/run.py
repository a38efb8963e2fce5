"""Runs the measuring process and gives what it found."""

from __future__ import annotations

import json
import math
import selectors
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sustainml_orchestrator.measurement.onnx_file import Counts, ModelFileError, Shapes
from sustainml_orchestrator.processes.fork_server import python_command

Progress = Callable[[float], None]


@dataclass(frozen=True)
class Measured:
    """One model, run on this machine."""

    counts: Counts
    seconds: tuple[float, ...]  #: of each run, sorted
    energy_j: float  #: joules of one run
    energy_method: str
    peak_memory_bytes: int  #: of the runtime with the model, above what it takes without
    runtime: str

    def latency_s(self, percent: float) -> float:
        """The latency in seconds that so many per cent of the runs stay below (nearest rank)."""
        rank = max(1, math.ceil(percent / 100 * len(self.seconds)))
        return self.seconds[rank - 1]


def measure(
    path: Path, shapes: Shapes, *, runs: int, threads: int, limit_s: float, progress: Progress
) -> Measured:
    """Run a model in a process of its own.

    Args:
        path: an ONNX file.
        shapes: sizes of inputs with open dimensions.
        runs: how often it is timed, after some runs that do not count.
        threads: of the runtime; 0 = as many as the machine has cores.
        limit_s: seconds after which the process is ended.
        progress: called with the share done, 0..1.

    Raises:
        ModelFileError: it cannot be run, or not in time.
    """
    request = {"model": str(path), "shapes": shapes, "runs": runs, "threads": threads}
    words = python_command("sustainml_orchestrator.measurement.child")
    child = subprocess.Popen(
        [*words, json.dumps(request)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
    )
    try:
        result = _follow(child, limit_s, progress)
    finally:
        child.kill()
        child.wait()
    seconds = tuple(sorted(result.pop("seconds")))
    counts = result.pop("counts")
    named = Counts(**{**counts, "operators": tuple(counts["operators"])})
    return Measured(counts=named, seconds=seconds, **result)


def _follow(child: subprocess.Popen[bytes], limit_s: float, progress: Progress) -> dict[str, Any]:
    """Read the answers of the process until its result."""
    assert child.stdout is not None
    deadline, pending = time.monotonic() + limit_s, b""
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        while (left := deadline - time.monotonic()) > 0:
            if not selector.select(left):
                break
            if not (chunk := child.stdout.read(65536)):
                raise ModelFileError(
                    f"the process that ran the model ended with {child.wait()}; the model may need "
                    "more memory than there is, or an operator that crashes the runtime"
                )
            *lines, pending = (pending + chunk).split(b"\n")
            for message in map(json.loads, lines):
                if "error" in message:
                    raise ModelFileError(message["error"])
                if "result" in message:
                    return dict(message["result"])
                progress(_share(message))
    raise ModelFileError(
        f"it did not finish within {limit_s:g} s; ask for fewer --runs, or raise --limit"
    )


def _share(message: dict[str, float]) -> float:
    """Timing is the first half, energy the second."""
    if "done" in message:
        return 0.5 * message["done"] / message["of"]
    return 0.5 + 0.5 * min(1.0, message["energy_s"] / message["of_s"])
