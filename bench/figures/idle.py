"""CPU of the whole system while it has nothing to do, beside idle rclpy nodes."""

from __future__ import annotations

import time
from collections.abc import Iterator

from bench.asking import fresh_namespace
from bench.figure import Figure, Run
from bench.processes import Processes, python
from bench.systems import other_domain
from sustainml_orchestrator.processes.programs import MODULES, Program

#: From ready to quiet, in s: discovery repeats itself for a while.
_SETTLE = 5.0


def measure(runs: int, window: float, full: bool) -> Iterator[Figure]:
    """CPU seconds per second, of both at the same time, in domains of their own.

    Ours is all that `sustainml up` starts and itself: supervisor, nodes, worker processes.
    """
    command = python(
        "sustainml_orchestrator.cli", "--namespace", fresh_namespace(), "up", "--journal", "none"
    )
    bare = [Program(name, python("bench.bare_node", name)) for name in MODULES]
    with (
        Processes([Program("sustainml", command)]) as system,
        Processes(bare, {"ROS_DOMAIN_ID": str(other_domain())}) as nodes,
    ):
        nodes.wait_for_line("up", len(bare))
        system.wait_for_line("[up] ready")
        time.sleep(_SETTLE)
        pairs = [_run(system, nodes, window) for _ in range(runs)]
    yield Figure("CPU of the idle system", "%", 1.3, "lower", pairs)


def _run(system: Processes, nodes: Processes, window: float) -> Run:
    before, began = (system.cpu_seconds(), nodes.cpu_seconds()), time.perf_counter()
    time.sleep(window)
    took = time.perf_counter() - began
    return Run(*(
        100 * (which.cpu_seconds() - used) / took
        for which, used in zip((system, nodes), before, strict=True)
    ))  # fmt: skip
