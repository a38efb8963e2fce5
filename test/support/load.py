"""A thousand tasks at once: all end, all are right, and memory goes back.

PYTHONPATH=test python -m support.load [--tasks 1000] [--rounds 3] [--waiting 10000]

Each module works 10 to 50 ms on a task, four at a time; a listener hears of every end. After each
round all problems are deleted: what their payloads took goes back to the system, and no round
leaves more behind than the first, which fills buffers that the next ones use again. Last, tasks
are submitted while a module is stopped: so many may wait, and the one after them is refused.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import sustainml_msgs.srv
from rich.console import Console
from rich.table import Table
from sustainml_msgs.msg import TaskSummary, UserInput

from support.system import OUTPUTS, System, check_task, wait_for
from sustainml_orchestrator.client.connection import Connection
from sustainml_orchestrator.contract import names
from sustainml_orchestrator.core.ids import ErrorCode, NodeCommand, TaskId, TaskStatus
from sustainml_orchestrator.core.states import FINAL_TASKS

#: How long all the tasks of a round may take, in s per task, beside a fixed part.
_PATIENCE = (30.0, 0.1)
#: Calls on their way at a time; a service has room for so many, at least.
_BURST = names.SERVICE_QOS.depth
#: Bytes in each of the six outputs of a task, so that memory that does not go back shows.
FILL = 10_000
#: Resident memory that may be left behind, in MiB: by the first round, and by all others together.
#: They are buffers of DDS, which grow up to 10,000 updates of 1 KiB for a listener that is slow;
#: `make soak` has the finer scales.
_BUFFERS, _SLACK = 25.0, 15.0


def loaded_system(folder: Path) -> System:
    """A system whose orchestrator keeps no history.

    It keeps that of deleted problems, some 8 MiB for a thousand, which is not what is measured.
    """
    return System(folder, workers=4, timeout=30.0, parameters={"history_max_events": 0})


class Round(NamedTuple):
    """What a round of tasks came to; memory of the orchestrator in MiB.

    Attributes:
        seconds: until all had ended.
        stored: payloads.
        before, full, empty: memory before it, with all its tasks, and when they were deleted.
    """

    seconds: float
    stored: float
    before: float
    full: float
    empty: float


class Listener:
    """Hears of the end of every task, as any participant may."""

    def __init__(self, namespace: str) -> None:
        self._connection = Connection(namespace, node_name="listener")
        self.ended: set[int] = set()
        node, topic, qos = self._connection.node, names.TASK_UPDATES, names.TASK_UPDATES_QOS
        made = node.create_subscription(TaskSummary, topic, self._on_message, qos)
        wait_for(lambda: node.count_publishers(made.topic_name), 10.0, "nobody sends updates")

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def _on_message(self, summary: TaskSummary) -> None:
        if TaskStatus(summary.task_status) in FINAL_TASKS:
            self.ended.add(summary.task_id.problem_id)


class Load:
    """Submits many tasks at once to a system."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._client = system.client

    @property
    def memory(self) -> float:
        """Resident memory of the orchestrator, in MiB."""
        pid = self._system.supervisor.pids["orchestrator"]
        return psutil.Process(pid).memory_info().rss / 2**20

    def call_all(self, service: str, requests: Iterable[Mapping[str, Any]]) -> list[Any]:
        """The answers to many calls, sent as fast as they can be."""
        kind = getattr(sustainml_msgs.srv, names.SERVICES[service])
        node = self._client.node
        run, name, qos = self._client.run, names.service(service), names.SERVICE_QOS
        client = run(lambda: node.create_client(kind, name, qos_profile=qos))
        wait_for(client.service_is_ready, 10.0, f"no service {service}")
        left, answers = iter(requests), []
        while batch := [kind.Request(**request) for request in islice(left, _BURST)]:
            burst = run(lambda batch=batch: [client.call_async(request) for request in batch])
            patience = sum(_PATIENCE)
            wait_for(
                lambda burst=burst: all(f.done() for f in burst),
                patience,
                f"{service}: not answered",
            )
            answers += [future.result() for future in burst]
        run(lambda: node.destroy_client(client))
        return answers

    def submit(self, texts: list[str]) -> list[Any]:
        """Answers to submissions of these problems."""
        inputs = [UserInput(problem_definition=text) for text in texts]
        return self.call_all("start_task", [{"user_input": each} for each in inputs])

    def round(self, number: int, count: int) -> Round:
        """Submit, wait for all, look at each, delete all.

        Raises:
            AssertionError: a task was refused, lost, mixed up, or did not succeed.
        """
        texts = [f"round {number} task {i} work:10-50 fill:{FILL}" for i in range(count)]
        before, began = self.memory, time.monotonic()
        with Listener(self._client.namespace) as listener:
            ids = self._submit_and_wait(texts)
            seconds = time.monotonic() - began
            ended = {task_id.problem_id for task_id in ids}
            wait_for(lambda: ended <= listener.ended, 10.0, "task_updates left out an end")
        for text, task_id in zip(texts, ids, strict=True):
            check_task(text, self._client.get_task(task_id, include_binary=True))
        assert self._client.list_tasks(limit=1)[1] == count, "something was invented"
        stored, full = count * len(OUTPUTS) * FILL / 2**20, self.memory
        deleted = self.call_all("delete_problem", [{"problem_id": i.problem_id} for i in ids])
        assert all(answer.deleted_iterations == 1 for answer in deleted)
        assert self._client.list_tasks()[1] == 0
        what = f"of {stored:.0f} MiB deleted, less than half went back"
        wait_for(lambda: self.memory < full - stored / 2, 5.0, what)
        return Round(seconds, stored, before, full, self._settled_memory())

    def _settled_memory(self) -> float:
        """Memory once it does not fall any more: it is given back about once in a second."""
        least, since = self.memory, time.monotonic()
        while time.monotonic() < since + 2.5:
            if (now := self.memory) < least - 0.5:
                least, since = now, time.monotonic()
            time.sleep(0.1)
        return least

    def _submit_and_wait(self, texts: list[str]) -> list[TaskId]:
        answers = self.submit(texts)
        for text, answer in zip(texts, answers, strict=True):
            assert answer.success, f"{text}: {answer.message}"
        ids = [TaskId(a.task_id.problem_id, a.task_id.iteration_id) for a in answers]
        patience = _PATIENCE[0] + len(texts) * _PATIENCE[1]
        ends = {
            s.task_id.problem_id: s.task_status for s in self._client.watch(ids, timeout=patience)
        }
        assert ends == dict.fromkeys((i.problem_id for i in ids), TaskStatus.SUCCEEDED)
        return ids

    def fill_the_queue(self, most: int) -> str:
        """Have so many tasks wait; returns what the next one is told.

        Raises:
            AssertionError: fewer were taken, or more, or the node does not answer meanwhile.
        """
        self._client.control_node("carbon_tracker", NodeCommand.STOP)
        answers = self.submit([f"waits {i}" for i in range(most)])
        refused = [answer.message for answer in answers if not answer.success]
        assert not refused, refused[0]
        (one_more,) = self.submit(["one too many"])
        assert one_more.error_code == ErrorCode.RESOURCE_EXHAUSTED
        began = time.monotonic()
        assert self._client.list_tasks(statuses=[TaskStatus.WAITING], limit=1)[1] == most
        assert time.monotonic() - began < 1.0
        return str(one_more.message)


def check_memory(rounds: list[Round]) -> None:
    """Memory goes back: the first round leaves buffers behind, the others nothing.

    Raises:
        AssertionError: it grows.
    """
    first, last = rounds[0], rounds[-1]
    left = first.empty - first.before
    assert left < _BUFFERS, f"the first round left {left:.1f} MiB behind"
    growth = last.empty - first.empty
    assert growth < _SLACK, f"memory grew by {growth:.1f} MiB from the first round to the last"


def main() -> int:
    """Run what the arguments ask for."""
    parser = argparse.ArgumentParser(prog="load", description=__doc__)
    parser.add_argument("--tasks", type=int, default=1000, help="submitted at once")
    parser.add_argument("--rounds", type=int, default=3, help="how often")
    parser.add_argument("--waiting", type=int, default=10_000, help="tasks that wait at last")
    given = parser.parse_args()
    out = Console()
    table = Table("round", "ended after (s)", "tasks/s", "MiB stored", "before", "full", "deleted")
    folder = tempfile.TemporaryDirectory(prefix="sustainml_load_")
    with folder, loaded_system(Path(folder.name)) as system:
        load = Load(system)
        rounds = []
        for number in range(1, given.rounds + 1):
            rounds.append(load.round(number, given.tasks))
            took, *figures = rounds[-1]
            out.print(f"round {number} of {given.rounds}: all right after {took:.1f} s")
            rate = given.tasks / took
            table.add_row(str(number), *(f"{figure:.1f}" for figure in (took, rate, *figures)))
        out.print(table)
        check_memory(rounds)
        out.print(f"{given.waiting} tasks wait; the next one is told:")
        out.print(load.fill_the_queue(given.waiting))
    return 0


if __name__ == "__main__":
    sys.exit(main())
