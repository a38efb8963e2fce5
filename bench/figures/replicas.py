"""Tasks per second of three instances of one module, beside one; and what one alone costs."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from statistics import median

from sustainml_msgs.msg import UserInput

from bench import systems
from bench.asking import fresh_namespace
from bench.client import Client
from bench.figure import Figure, Run
from bench.processes import Processes, python
from bench.systems import orchestrator_program
from sustainml_orchestrator.client import OrchestratorClient
from sustainml_orchestrator.processes.programs import Program

_TAKES, _SLOWER = 0.2, 3.0
_PIPELINE = "modules: {slow: {inputs: [user_input], output_type: HWConstraints}}\n"
#: Tasks for each instance.
_TASKS = 30
_GOAL, _GOAL_UNEQUAL = 2.7, 0.85
#: Of one instance, beside an orchestrator that knows no others: nothing extra, to the noise.
_GOAL_ALONE = 1.05
#: Share of a window for one run of one system; a task takes some ms.
_SHARE, _TURNS = 0.4, 10


def measure(runs: int, window: float, full: bool) -> Iterator[Figure]:
    """Three alike; one of them three times slower, beside the sum of their rates; one alone."""
    alike, unequal = [], []
    for _ in range(runs):
        one = _rate([_TAKES])
        alike.append(Run(_rate([_TAKES] * 3), one))
        sum_of_rates = one * (2 + 1 / _SLOWER)
        unequal.append(Run(_rate([_TAKES, _TAKES, _TAKES * _SLOWER]), sum_of_rates))
    yield Figure("three instances beside one", "tasks/s", _GOAL, "higher", alike)
    name = "one of three slower, beside the sum of their rates"
    yield Figure(name, "tasks/s", _GOAL_UNEQUAL, "higher", unequal)
    yield from _alone(runs, window)


def _alone(runs: int, window: float) -> Iterator[Figure]:
    """Six modules, one instance of each, beside an orchestrator that cannot share their work.

    Both are started anew for each run, in turns one or the other first: of two alike systems the
    first was up to 5 % slower.
    """
    pairs = []
    for number in range(runs):
        programs = ("bench.unshared", systems.ORCHESTRATOR)[:: 1 if number % 2 else -1]
        with systems.ours(program=programs[0]) as one, systems.ours(program=programs[1]) as other:
            taken = dict(zip(programs, _medians((one, other), window * _SHARE), strict=True))
        pairs.append(Run(1e3 * taken[systems.ORCHESTRATOR], 1e3 * taken["bench.unshared"]))
    name = "latency with one instance, beside an orchestrator without replicas"
    yield Figure(name, "ms", _GOAL_ALONE, "lower", pairs)


def _medians(clients: Sequence[Client], window: float) -> list[float]:
    """Latency of a task with each client, in s; in turns, for what else the machine does."""
    taken = [client.run(1, window / _TURNS).latencies for _ in range(_TURNS) for client in clients]
    return [median(chain(*taken[n :: len(clients)])) for n in range(len(clients))]


def _rate(seconds: list[float]) -> float:
    """Tasks per second of instances that take so long for one."""
    namespace = fresh_namespace()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pipeline.yaml"
        file.write_text(_PIPELINE)
        ros = ("--ros-args", "-r", f"__ns:={namespace}", "-p", "isolation:=thread")
        modules = [
            Program(
                f"slow_{n}", python("bench.slow_module", str(s), *ros, "-r", f"__node:=slow_{n}")
            )
            for n, s in enumerate(seconds)
        ]
        programs = [orchestrator_program(namespace, pipeline_file=file), *modules]
        with Processes(programs), OrchestratorClient(namespace, timeout=20.0) as client:
            _wait_for(client, len(seconds))
            _solve(client, 4 * len(seconds))  # then all know that they share the work
            return _solve(client, _TASKS * len(seconds))


def _wait_for(client: OrchestratorClient, count: int) -> None:
    client.wait_until_ready(60.0)
    while sum(i.responsive and i.node_status > 1 for i in _instances(client)) < count:
        time.sleep(0.1)


def _instances(client: OrchestratorClient) -> list[object]:
    return list(client.get_node_status("slow")[0].instances)


def _solve(client: OrchestratorClient, count: int) -> float:
    began = time.monotonic()
    ids = [client.start_task(UserInput(problem_definition="a problem")) for _ in range(count)]
    for _ in client.watch(ids, timeout=300.0):
        pass
    return count / (time.monotonic() - began)
