"""Tasks flow while something is broken on purpose; nothing accepted may be lost, doubled or mixed.

`support.chaos` breaks processes, `support.nemesis` the network. Afterwards every accepted task is
there once, has ended, and holds outputs whose checksums follow from its own problem. A task may
end in error only where a fault could cause it; revisions never go back, over restarts too.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from sustainml_msgs.msg import SystemState, TaskSummary, UserInput

from support.system import System, check_task, wait_for
from sustainml_orchestrator.client import ClientError, OrchestratorClient
from sustainml_orchestrator.contract import names
from sustainml_orchestrator.core.ids import ErrorCode, TaskId, TaskStatus

#: Tasks submitted per s.
_RATE = 15.0
#: Lines of the processes that a failure shows.
_TAIL = 100
#: What a task may fail of: a lost module, or one that did not answer until its deadline.
_PERMITTED = {ErrorCode.NODE_UNAVAILABLE, ErrorCode.TIMEOUT}
_UNFINISHED = (TaskStatus.WAITING, TaskStatus.RUNNING)


class Revisions:
    """Listens to what the orchestrator publishes: revisions must not go back.

    Attributes:
        faults: what went back, as sentences.
    """

    def __init__(self, client: OrchestratorClient) -> None:
        self.faults: list[str] = []
        self._of_task: dict[TaskId, int] = {}
        self._session = self._of_all = 0
        subscribe = client.node.create_subscription
        subscribe(TaskSummary, names.TASK_UPDATES, self._on_task, names.TASK_UPDATES_QOS)
        subscribe(SystemState, names.SYSTEM_STATE, self._on_system, names.SYSTEM_STATE_QOS)

    def _on_task(self, summary: TaskSummary) -> None:
        task_id = TaskId(summary.task_id.problem_id, summary.task_id.iteration_id)
        before = self._of_task.get(task_id, 0)
        if summary.revision < before:
            self.faults.append(f"task {task_id} went from revision {before} to {summary.revision}")
        self._of_task[task_id] = summary.revision

    def _on_system(self, state: SystemState) -> None:
        if state.session == self._session and state.revision < self._of_all:
            self.faults.append(f"the system went from {self._of_all} to {state.revision}")
        self._session, self._of_all = state.session, state.revision


class Fault(NamedTuple):
    """A fault: when it began and was over (s since the epoch), and what it was."""

    began: float
    over: float
    kind: str


class Trial:
    """Submits tasks and breaks things, for so many s; then checks.

    Attributes:
        accepted: the id that each answered submission was given, by its text.
        faults: all that was broken.
        unanswered: submissions that had to be made again.
    """

    #: Longest time for the system to finish when the faults are over, in s.
    quiet_timeout = 180.0
    #: Shortest and longest pause between two faults, in s.
    pauses = (1.5, 4.0)
    #: How long after it was over a fault may still be the cause of an error, in s.
    aftermath = 15.0

    def __init__(self, system: System, seed: int) -> None:
        self._system = system
        self._seed = seed
        self._rng = random.Random(seed)
        # With a short timeout: a call to an orchestrator that was killed is never answered.
        self._client = OrchestratorClient(system.namespace, timeout=2.0)
        self._revisions = Revisions(system.client)
        self.accepted: dict[str, TaskId] = {}
        self.faults: list[Fault] = []
        self.unanswered = 0

    @property
    def counts(self) -> Counter[str]:
        """How often each kind of fault was made."""
        return Counter(fault.kind for fault in self.faults)

    def break_one(self) -> None:
        """Make one fault."""
        raise NotImplementedError

    def mend(self) -> None:
        """End the faults that still go on."""

    def run(self, seconds: float, show: Callable[[float, str], None] = lambda *_: None) -> None:
        """Submit tasks and break things.

        Args:
            seconds: how long.
            show: takes how much of it is over (s), and what has happened so far.
        """
        begin = time.monotonic()
        end, fault_at = begin + seconds, begin + 1.0
        submitting = threading.Thread(target=self._submit_until, args=(end,))
        submitting.start()
        while (now := time.monotonic()) < end:
            if now >= fault_at:
                self.break_one()
                fault_at = now + self._rng.uniform(*self.pauses)
            show(now - begin, f"{len(self.accepted)} accepted, {len(self.faults)} faults")
            time.sleep(0.1)
        self.mend()
        submitting.join()
        self._client.close()

    def _submit_until(self, end: float) -> None:
        number = 0
        while time.monotonic() < end:
            number += self._submit(f"task {number}")
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
        late = f"not all tasks ended within {self.quiet_timeout:g} s"
        wait_for(self._is_quiet, self.quiet_timeout, late)
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
        ends = Counter(self._judge(text, summary) for text, summary in kept.items())
        errors = ends.total() - ends["SUCCEEDED"]
        assert errors <= self.permitted_errors, f"{errors} errors of {len(self.faults)} faults"
        assert not self._revisions.faults, self._revisions.faults[:5]
        return ends

    @property
    def permitted_errors(self) -> int:
        """Tasks that may end in error: one per fault, which can hit one running step per module."""
        return len(self.faults)

    def _is_quiet(self) -> bool:
        try:
            return self._system.client.list_tasks(statuses=_UNFINISHED, limit=1)[1] == 0
        except ClientError:
            return False

    def _judge(self, text: str, summary: TaskSummary) -> str:
        status = TaskStatus(summary.task_status)
        if status is TaskStatus.ERROR:
            code, why = ErrorCode(summary.error_code), summary.error_description
            assert code in _PERMITTED, f"'{text}' failed: {code.name}: {why}"
            assert self._was_hit(summary), f"'{text}' failed although nothing was broken: {why}"
            return f"ERROR {code.name}"
        assert status is TaskStatus.SUCCEEDED, f"'{text}' ended as {status.name}"
        task_id = TaskId(summary.task_id.problem_id, summary.task_id.iteration_id)
        check_task(text, self._system.client.get_task(task_id, include_binary=True))
        return status.name

    def _was_hit(self, summary: TaskSummary) -> bool:
        began, ended = (at.sec + at.nanosec / 1e9 for at in (summary.created, summary.finished))
        return any(f.began <= ended and began <= f.over + self.aftermath for f in self.faults)
