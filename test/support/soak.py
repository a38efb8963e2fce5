"""Tasks flow for hours: memory, file descriptors and threads of every process must stay flat.

PYTHONPATH=test python -m support.soak --hours 1 [--rate 20] [--plot soak.png]

Orchestrator (with a journal, and retention of 300 problems) and six modules, whose user code is in
processes of its own, run under the supervisor. The first third is warm-up. Over the rest, a line
is fitted to each figure (Theil-Sen: the median of the slopes of all pairs of samples, which
outliers do not move); it is flat when the line rises by less than what is allowed: 2 % of the
memory, or 2 MiB where that is more, and half a descriptor or thread. So the longer the run, the
smaller the leak that is found.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations, count
from pathlib import Path
from typing import NamedTuple

import psutil
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from sustainml_msgs.msg import UserInput

from support.system import System, check_task
from sustainml_orchestrator.core.ids import TaskId, TaskStatus

#: Share of the run that is warm-up, samples per run, and the pause between two at least, in s.
_WARM_UP, _SAMPLES, _PAUSE = 1 / 3, 300, 1.0
#: Tasks in flight at most: those that do not end in time show as a smaller rate, not as a pile.
_IN_FLIGHT = 50
#: Problems that the orchestrator keeps, and bytes of outputs that a module does: full soon.
_KEPT, _CACHE = 300, 500_000
_TASK_TIMEOUT = 60.0
FIGURES = {"memory (MiB)": (0.02, 2.0), "descriptors": (0.0, 0.5), "threads": (0.0, 0.5)}


class Verdict(NamedTuple):
    """How a figure of a process went after warm-up: first and last of the fitted line."""

    process: str
    figure: str
    begin: float
    end: float
    flat: bool


def rise(times: Sequence[float], values: Sequence[float]) -> tuple[float, float]:
    """First and last value of a line through points (Theil 1950, Sen 1968)."""
    slope = statistics.median(
        (values[j] - values[i]) / (times[j] - times[i])
        for i, j in combinations(range(len(times)), 2)
    )
    offset = statistics.median(v - slope * t for t, v in zip(times, values, strict=True))
    return offset + slope * times[0], offset + slope * times[-1]


#: When (s), and one value for each of FIGURES.
Sample = tuple[float, tuple[float, ...]]


def judge(samples: Mapping[str, Sequence[Sample]]) -> list[Verdict]:
    """Whether each figure of each process was flat after warm-up."""
    found = []
    for name, taken in samples.items():
        steady = taken[int(len(taken) * _WARM_UP) :]
        times = [when for when, _ in steady]
        for place, (figure, (share, least)) in enumerate(FIGURES.items()):
            begin, end = rise(times, [values[place] for _, values in steady])
            flat = end - begin <= max(share * begin, least)
            found.append(Verdict(name, figure, begin, end, flat))
    return found


class Soak:
    """Keeps tasks flowing and looks at the processes meanwhile.

    Attributes:
        samples: of each process.
        ended: tasks that ended, all of them right.
    """

    def __init__(self, system: System) -> None:
        self._system = system
        self._numbers = count(1)
        self._open: deque[tuple[str, TaskId, float]] = deque()
        self._pids = dict(system.supervisor.pids)
        self.samples: dict[str, list[Sample]] = defaultdict(list)
        self.ended = 0

    def run(
        self,
        seconds: float,
        rate: float,
        tell: Callable[[float, str], None] = lambda *_: None,
    ) -> None:
        """Submit tasks at a rate (1/s), see that each comes out right, take samples.

        Raises:
            AssertionError: a task failed or was mixed up, or a process was restarted.
        """
        begin = time.monotonic()
        pause = max(_PAUSE, seconds / _SAMPLES)
        sample_at = begin + pause
        while (now := time.monotonic()) < begin + seconds:
            self._submit()
            self._collect()
            if now >= sample_at:
                self._sample(now - begin)
                sample_at = now + pause
                tell(now - begin, f"{self.ended} tasks")
            time.sleep(max(0.0, now + 1.0 / rate - time.monotonic()))
        while self._open:
            self._collect(patient=True)

    def _submit(self) -> None:
        if len(self._open) < _IN_FLIGHT:
            text = f"soak {next(self._numbers)} work:1-5 fill:2000"
            task_id = self._system.client.start_task(UserInput(problem_definition=text))
            self._open.append((text, task_id, time.monotonic()))

    def _collect(self, patient: bool = False) -> None:
        """Look at the oldest task; wait for its end when patient."""
        if not self._open:
            return
        text, task_id, began = self._open[0]
        client = self._system.client
        if patient or time.monotonic() - began > _TASK_TIMEOUT:
            client.wait_for_task(task_id, _TASK_TIMEOUT)
        task = client.get_task(task_id, include_binary=True)
        if task.summary.task_status in (TaskStatus.WAITING, TaskStatus.RUNNING):
            return
        assert task.summary.task_status == TaskStatus.SUCCEEDED, task.summary.error_description
        check_task(text, task)
        self._open.popleft()
        self.ended += 1

    def _sample(self, when: float) -> None:
        pids = self._system.supervisor.pids
        assert pids == self._pids, f"restarted: {self._pids} became {pids}"
        for name, pid in {**pids, "client": psutil.Process().pid}.items():
            process = psutil.Process(pid)
            family = [process] if name == "client" else [process, *process.children(recursive=True)]
            memory = sum(p.memory_info().rss for p in family) / 2**20
            descriptors = sum(p.num_fds() for p in family)
            figures = (memory, descriptors, sum(p.num_threads() for p in family))
            self.samples[name].append((when, figures))

    def plot(self, file: Path) -> None:
        """Draw all samples."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(9, 9), layout="constrained")
        for place, name in enumerate(FIGURES):
            axes = figure.add_subplot(len(FIGURES), 1, place + 1, ylabel=name)
            for process, samples in self.samples.items():
                hours = [when / 3600 for when, _ in samples]
                axes.plot(hours, [values[place] for _, values in samples], label=process)
        axes.set_xlabel("time (h)")
        figure.axes[0].legend(ncols=4, fontsize="small", loc="lower center")
        figure.savefig(file)


def main() -> int:
    """Run what the arguments ask for."""
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("--hours", type=float, default=1.0, help="how long tasks flow")
    parser.add_argument("--rate", type=float, default=20.0, help="tasks per s")
    parser.add_argument("--plot", type=Path, help="draw all samples into this file")
    given = parser.parse_args()
    out, seconds = Console(), 3600.0 * given.hours
    folder = tempfile.TemporaryDirectory(prefix="sustainml_soak_")
    made = System(
        Path(folder.name),
        isolation="process",
        journal=True,
        timeout=30.0,
        parameters={"max_problems": _KEPT},
        module_parameters={"output_cache": _CACHE},
    )
    with folder, made as system:
        soak = Soak(system)
        columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
        with Progress(*columns, console=out, transient=True) as progress:
            bar = progress.add_task("soak", total=seconds)
            soak.run(
                seconds,
                given.rate,
                lambda done, what: progress.update(bar, completed=done, description=what),
            )
    if given.plot:
        soak.plot(given.plot)
    verdicts = judge(soak.samples)
    title = f"{soak.ended} tasks in {seconds / 3600:.2f} h; after the first third"
    table = Table("process", "figure", "from", "to", "per hour", "", title=title)
    steady = given.hours * (1 - _WARM_UP)
    for process, figure, begin, end, flat in verdicts:
        growth = (end - begin) / steady
        row = (f"{begin:.1f}", f"{end:.1f}", f"{growth:+.1f}", "flat" if flat else "GROWS")
        table.add_row(process, figure, *row)
    out.print(table)
    return 0 if all(verdict.flat for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
