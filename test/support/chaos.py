"""Kill and freeze real processes at random while tasks flow; nothing accepted may be lost.

PYTHONPATH=test python -m support.chaos --minutes 10 [--seed 7]

Orchestrator (with a journal) and six modules run under the supervisor. Afterwards every accepted
task is there once, has ended, and holds the outputs of its own problem. A task may fail only when
it has used up its tries on modules that were killed or frozen; how many did is told.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from sustainml_msgs.msg import TaskSummary, UserInput

from support.system import System, check_task, wait_for
from sustainml_orchestrator.client import ClientError, OrchestratorClient
from sustainml_orchestrator.core.ids import ErrorCode, TaskId, TaskStatus

#: Tasks submitted per s, pauses between faults and lengths of freezes, in s.
_RATE = 15.0
_PAUSES = (1.5, 4.0)
_FREEZES = (0.5, 6.0)
#: How long the system may take to finish when the faults have stopped, in s.
_QUIET = 180.0
#: Lines of the processes that a failure shows.
_TAIL = 100
#: What a task may fail of: a lost module, or one frozen beyond its deadline.
_EXCUSES = {ErrorCode.NODE_UNAVAILABLE, ErrorCode.TIMEOUT}


class Chaos:
    """Submits and breaks, for so many s; then checks.

    Attributes:
        accepted: what each answered submission was promised, by its text.
        counts: faults, by kind.
        unanswered: submissions that had to be made again.
    """

    def __init__(self, system: System, seed: int) -> None:
        self._system = system
        self._seed = seed
        self._rng = random.Random(seed)
        # With little patience: a call to an orchestrator that was killed is never answered.
        self._client = OrchestratorClient(system.namespace, timeout=2.0)
        self._frozen: dict[int, threading.Timer] = {}  # by pid; each ends a freeze
        self.accepted: dict[str, TaskId] = {}
        self.counts: Counter[str] = Counter()
        self.unanswered = 0

    def run(self, seconds: float, tell: Callable[[float, str], None] = lambda *_: None) -> None:
        """Submit tasks and break processes.

        Args:
            seconds: how long.
            tell: takes how much of it is over (s), and what has happened so far.
        """
        begin = time.monotonic()
        end, fault_at = begin + seconds, begin + 1.0
        submitting = threading.Thread(target=self._submit_until, args=(end,))
        submitting.start()
        while (now := time.monotonic()) < end:
            if now >= fault_at:
                self._break_one()
                fault_at = now + self._rng.uniform(*_PAUSES)
            tell(now - begin, f"{len(self.accepted)} accepted, {self.counts.total()} faults")
            time.sleep(0.1)
        submitting.join()
        for timer in list(self._frozen.values()):
            timer.join()
        self._client.close()

    def _submit_until(self, end: float) -> None:
        number = 0
        while time.monotonic() < end:
            number += self._submit(f"chaos {number}")
            time.sleep(1.0 / _RATE)

    def _submit(self, text: str) -> bool:
        """Try once; the request id makes it harmless to try again."""
        user_input = UserInput(problem_definition=text)
        try:
            task = self._client.start_task(user_input, request_id=text)
        except ClientError:
            self.unanswered += 1
            return False
        self.accepted[text] = task
        return True

    def _break_one(self) -> None:
        pids = {n: p for n, p in self._system.supervisor.pids.items() if p not in self._frozen}
        if not pids:
            return
        name = self._rng.choice(sorted(pids))
        kill = self._rng.random() < 0.5
        with suppress(ProcessLookupError):
            os.kill(pids[name], signal.SIGKILL if kill else signal.SIGSTOP)
            self.counts[f"{name} {'killed' if kill else 'frozen'}"] += 1
            if not kill:
                timer = threading.Timer(self._rng.uniform(*_FREEZES), self._thaw, [pids[name]])
                self._frozen[pids[name]] = timer
                timer.start()

    def _thaw(self, pid: int) -> None:
        del self._frozen[pid]
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)

    def check(self) -> Counter[str]:
        """Wait for the end of all tasks, then look at each; returns how they ended.

        Raises:
            AssertionError: something was lost, doubled, mixed up, invented, or did not end; with
                the seed, and the last lines of the processes.
        """
        try:
            return self._check()
        except AssertionError as error:
            lines = [f"[{name}] {text}" for name, text in self._system.lines[-_TAIL:]]
            told = "\n".join([*lines, f"seed {self._seed}, {dict(self.counts)}: {error}"])
            raise AssertionError(told) from error

    def _check(self) -> Counter[str]:
        wait_for(self._is_quiet, _QUIET, f"not all tasks ended within {_QUIET:g} s")
        kept: dict[str, TaskSummary] = {}
        for summary in self._system.client.all_tasks():
            text = summary.problem_short_description
            assert text not in kept, f"'{text}' is there twice"
            kept[text] = summary
        for text, task_id in self.accepted.items():
            assert text in kept, f"'{text}' ({task_id}) was accepted and is lost"
            there = kept[text].task_id
            assert (there.problem_id, there.iteration_id) == task_id, f"'{text}' changed its id"
        # The last submission may have been taken although its answer never came.
        assert len(kept) - len(self.accepted) in (0, 1), f"invented: {kept.keys()}"
        return Counter(self._judge(text, summary) for text, summary in kept.items())

    def _is_quiet(self) -> bool:
        unfinished = (TaskStatus.WAITING, TaskStatus.RUNNING)
        try:
            return self._system.client.list_tasks(statuses=unfinished, limit=1)[1] == 0
        except ClientError:
            return False

    def _judge(self, text: str, summary: TaskSummary) -> str:
        status = TaskStatus(summary.task_status)
        task_id = self.accepted.get(text, TaskId(0, 0))
        if status is TaskStatus.ERROR:
            code, why = ErrorCode(summary.error_code), summary.error_description
            assert code in _EXCUSES, f"'{text}' failed without an excuse: {code.name}: {why}"
            return f"ERROR {code.name}"
        assert status is TaskStatus.SUCCEEDED, f"'{text}' ended as {status.name}"
        if all(task_id):
            check_task(text, self._system.client.get_task(task_id, include_binary=True))
        return status.name


def main() -> int:
    """Run what the arguments ask for."""
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long faults go on")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    given = parser.parse_args()
    out = Console()
    out.print(f"seed {given.seed}")
    folder = tempfile.TemporaryDirectory(prefix="sustainml_chaos_")
    with folder, System(Path(folder.name), journal=True) as system:
        chaos = Chaos(system, given.seed)
        columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
        with Progress(*columns, console=out, transient=True) as progress:
            bar = progress.add_task("chaos", total=60.0 * given.minutes)
            chaos.run(
                60.0 * given.minutes,
                lambda done, what: progress.update(bar, completed=done, description=what),
            )
        try:
            ends = chaos.check()
        except AssertionError as error:
            out.print(str(error), markup=False, highlight=False)
            return 1
    chaos.counts["submissions made again"] = chaos.unanswered
    table = Table("what", "how often", title=f"{len(chaos.accepted)} tasks accepted, none lost")
    for what, count in [*sorted(chaos.counts.items()), *sorted(ends.items())]:
        table.add_row(what, str(count))
    out.print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
