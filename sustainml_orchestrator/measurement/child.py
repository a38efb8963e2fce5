"""The process that runs the model: what it loads, and its peak memory, are the model's alone.

`python -m sustainml_orchestrator.measurement.child REQUEST` reads a request as JSON and writes one
JSON object a line: progress, at last the result or an error. A model that crashes the runtime ends
this process and no other.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sustainml_orchestrator.measurement.energy import start_meter
from sustainml_orchestrator.measurement.onnx_file import ModelFileError, count

#: Runs before the first that counts: caches fill, and the runtime plans its memory.
WARM_UP = 10
#: Energy is taken over at least this time; counters and estimates are renewed every second.
ENERGY_S = 5.0
_REPORT_S = 0.5

Answer = Callable[[dict[str, Any]], None]


def main() -> int:
    """Measure what the request says."""
    request = json.loads(sys.argv[1])
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print is no answer

    def answer(message: dict[str, Any]) -> None:
        answers.write(json.dumps(message) + "\n")
        answers.flush()

    try:
        result = measure(Path(request["model"]), request, answer)
    except ModelFileError as error:
        answer({"error": str(error)})
        return 1
    except ImportError as error:
        answer({"error": f"{error}; install requirements/measure.txt, or run make build"})
        return 1
    answer({"result": result})
    return 0


def measure(path: Path, request: dict[str, Any], answer: Answer) -> dict[str, Any]:
    """Count and run a model.

    Raises:
        ModelFileError: the file cannot be counted, loaded or run.
    """
    counts = count(path, request["shapes"])
    before = _peak_bytes()
    try:
        run = _runner(path, counts.inputs, request["threads"])
        for _ in range(WARM_UP):
            run()
    except Exception as error:
        raise ModelFileError(f"onnxruntime cannot run {path}: {error}") from error
    seconds = _time(run, request["runs"], answer)
    joules, method = _energy(run, answer)
    return {
        "counts": asdict(counts),
        "seconds": seconds,
        "energy_j": joules,
        "energy_method": method,
        "peak_memory_bytes": max(0, _peak_bytes() - before),
        "runtime": _version(),
    }


def _runner(path: Path, inputs: Any, threads: int) -> Any:
    import numpy
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    random = numpy.random.default_rng(0)
    feed = {}
    for value in session.get_inputs():
        shape, kind = inputs[value.name], _numpy_type(value.type)
        fill = random.random(shape) if "float" in kind else random.integers(0, 2, shape)
        feed[value.name] = fill.astype(kind)
    return lambda: session.run(None, feed)


def _numpy_type(name: str) -> str:
    kind = name.removeprefix("tensor(").removesuffix(")")
    return {"float": "float32", "double": "float64", "bool": "bool"}.get(kind, kind)


def _time(run: Any, runs: int, answer: Answer) -> list[float]:
    """Seconds of each run."""
    seconds, reported = [], time.monotonic()
    for number in range(runs):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
        if time.monotonic() - reported > _REPORT_S:
            reported = time.monotonic()
            answer({"done": number + 1, "of": runs})
    return seconds


def _energy(run: Any, answer: Answer) -> tuple[float, str]:
    """Joules of one run, the mean of some seconds, and how they were measured."""
    meter, runs = start_meter(), 0
    start = sampled = time.monotonic()
    while time.monotonic() - start < ENERGY_S:
        run()
        runs += 1
        if time.monotonic() - sampled > _REPORT_S:
            sampled = time.monotonic()
            meter.sample()
            answer({"energy_s": sampled - start, "of_s": ENERGY_S})
    return meter.stop() / runs, meter.method


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _version() -> str:
    import onnxruntime

    return f"onnxruntime {onnxruntime.__version__}"


if __name__ == "__main__":
    sys.exit(main())
