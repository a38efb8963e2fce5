"""Does the simulator find bugs? The core is broken on purpose, in one place at a time.

``make simulate ARGS=--mutants`` runs schedules through each of these cores and counts how many it
takes to notice. One that is never noticed shows a gap in the invariants or in the faults.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from typing import NamedTuple

from support.simulation import syntax

_PACKAGE = "sustainml_orchestrator.core"


class Mutant(NamedTuple):
    """A bug.

    Attributes:
        name: what it does wrong.
        place: module and function, such as ``steps.Steps.tick``.
        pattern: what is replaced there, see `syntax`.
        replacement: what comes in its place; empty = nothing.
    """

    name: str
    place: str
    pattern: str
    replacement: str = ""

    @property
    def module(self) -> str:
        """The module of the core that it breaks."""
        return self.place.partition(".")[0]


class Result(NamedTuple):
    """What became of a mutant.

    Attributes:
        failed: so many of `count` schedules failed; `first` is the seed of the first one.
        why: what the first one broke.
    """

    mutant: Mutant
    failed: int
    count: int
    first: int
    why: str


_STEPS, _TASKS, _LIFECYCLE = "steps.Steps", "task_manager.TaskManager", "lifecycle.Lifecycle"
_OUTBOX, _REPORTS = "outbox.Outbox", "reports.Reports"
MUTANTS = (
    # Delivery
    Mutant("silence is no reason to deliver again", f"{_STEPS}._watch",
           "if ... >= A:\n    self.delivery.deliver(B, C, D)"),
    Mutant("an idle node is believed to work", f"{_STEPS}._watch_held",
           "A >= _IDLE_GRACE + ...", "False"),
    Mutant("a missing output is not asked for again", f"{_STEPS}._on_progress",
           "self._move(A, B, C)", "C is StepMove.REPORT or self._move(A, B, C)"),
    Mutant("redelivery without pace", "delivery.Delivery.deliver",
           "self._context.pace.take()", "True"),
    Mutant("redelivery counts as a try", "delivery.Delivery.deliver",
           "A.outbox.deliver(B, C.try_number, D)",
           "(setattr(C, 'try_number', min(C.try_number + 1, 2)),"
           " A.outbox.deliver(B, C.try_number, D))"),
    Mutant("instances are not told to share", "replicas.Modes._work_off",
           "A.name if B else C.name", "C.name"),
    Mutant("a step is assigned to every instance", "delivery.Delivery.deliver",
           "A.outbox.deliver(B, C.try_number, D)", "A.outbox.deliver(B, C.try_number)"),
    Mutant("steps of an instance that is gone are not assigned again", "delivery.holder_of",
           "A if A is not None and A.responsive else None", "A"),
    Mutant("a step waits for one of its inputs only", f"{_STEPS}._complete",
           "all(A.steps[B].state >= StepState.DONE for B in C)",
           "not C or any(A.steps[B].state >= StepState.DONE for B in C)"),
    Mutant("consumers are not told of an output", f"{_REPORTS}.take_output",
           "self._steps.feed_consumers(A, B)", "None"),
    # Tries
    Mutant("a try is counted twice", f"{_STEPS}.retry", "A.try_number += 1", "A.try_number += 2"),
    Mutant("no second try", f"{_STEPS}.retry", "A.try_number >= B.max_tries", "True"),
    Mutant("tries without end", f"{_STEPS}.retry", "A.try_number >= B.max_tries", "False"),
    Mutant("word of an earlier try counts", f"{_STEPS}.on_report",
           "A.try_number < B.try_number", "False"),
    Mutant("invalid input is tried again", f"{_STEPS}._on_error",
           "A is ErrorCode.INVALID_REQUEST", "False"),
    Mutant("a loss at work costs no try", f"{_STEPS}.lose",
           "A.state in (StepState.RUNNING, StepState.REPORTED)", "False"),
    Mutant("a loss costs what only waited a try, too", f"{_STEPS}.lose",
           "A.state in (StepState.RUNNING, StepState.REPORTED)", "A.state in OPEN_STEPS"),
    Mutant("one of two that dies leaves its work undone", f"{_STEPS}._watch_held",
           "not any(A)", "False"),
    Mutant("when two die at work that costs no try", "node_changes.NodeChanges._activated",
           "A and not any(B)", "False"),
    # Deadlines
    Mutant("work has no deadline", "deadlines.overdue", "A.worked >= B", "False"),
    Mutant("the queue has no deadline", "deadlines.overdue", "A and B.waited >= C", "False"),
    Mutant("work may be given back for ever", f"{_STEPS}._on_returned",
           "A.waited >= B", "False"),
    Mutant("a module that is gone is awaited for ever", f"{_STEPS}._wait_for",
           "A.absent >= B.node_lost_timeout", "False"),
    Mutant("deadlines begin anew in every life", "step.Step.pack_clocks", "-A", "0"),
    Mutant("the time taken is never kept", "step.Step.count", "A.counted < A.keep_at", "True"),
    Mutant("the pause of the orchestrator counts", "context.Context.begin",
           "A > LONGEST_PAUSE", "False"),
    # Stale statuses and outputs
    Mutant("outputs of an earlier attempt count", f"{_REPORTS}._current",
           "A != (B.attempt, B.token)", "False"),
    Mutant("outputs of another iteration count", f"{_REPORTS}._current",
           "self._store.find(A)", "self._store.find(A._replace(iteration_id=1))"),
    Mutant("the last output wins", f"{_REPORTS}.take_output",
           "A.outputs[B] is not None", "False"),
    Mutant("inputs are handed out to an earlier attempt", "orchestrator.Orchestrator.inputs_owed",
           "A != (self.session, B.attempt, B.token)", "False"),
    # Commands on tasks
    Mutant("STOP_TASK loses the outputs", f"{_TASKS}._end",
           "if A is TaskMove.RESET:\n    self._store.clear_outputs(B)\n    B.attempt += 1\n"
           "    B.token = F\n"
           "elif C is not TaskMove.PREEMPT:\n    B.finished = D\n    B.outcome_reason = E",
           "if A is TaskMove.STOP:\n    self._store.clear_outputs(B)\n"
           "if A is TaskMove.RESET:\n    self._store.clear_outputs(B)\n    B.attempt += 1\n"
           "    B.token = F\n"
           "elif C is not TaskMove.PREEMPT:\n    B.finished = D\n    B.outcome_reason = E"),
    Mutant("RESET_TASK keeps the attempt", f"{_TASKS}._end", "A.attempt += 1"),
    Mutant("RESET_TASK keeps the outputs", f"{_TASKS}._end", "self._store.clear_outputs(A)",
           "(lambda outputs: (A.reopen(), setattr(A, 'outputs', outputs)))(A.outputs)"),
    Mutant("modules are not told to let go", f"{_TASKS}._abandon", "A is None", "True"),
    Mutant("modules are told once to let go", f"{_OUTBOX}._repeat", "A and B.take()",
           "False"),
    Mutant("work on what does not run is not stopped", f"{_REPORTS}.on_report",
           "A in (TaskStatus.WAITING, TaskStatus.RUNNING)", "False"),
    Mutant("a preempted task is forgotten", f"{_TASKS}._move", "self.waiting.add(A)", "None"),
    Mutant("a preempted task is published again", f"{_TASKS}._admit", "A = B.published",
           "A = False"),
    # History
    Mutant("the moves of tasks are not recorded", f"{_TASKS}._move",
           "self._context.history.task(A, B, C, D)", "self._store.touch(A)"),
    Mutant("what was withdrawn stays in the history", f"{_TASKS}.withdraw",
           "self._context.history.withdraw(A)", "None"),
    Mutant("the history is not saved", "history.History.to_save",
           "tuple(self.since(self._saved))", "tuple(self.since(self._in_save))"),
    Mutant("the moves of steps are not recorded", "history.History.step",
           "self.step_event(A, B, C, D, E, F, G)", "self._store.touch(A)"),
    # Admission
    Mutant("too many tasks run", f"{_TASKS}.admit", "A < B.max_active_tasks",
           "A <= B.max_active_tasks"),
    Mutant("tasks run while a module is missing", f"{_TASKS}.admit",
           "self._lifecycle.ready", "True"),
    Mutant("priority does not count", "waiting_queue.WaitingQueue.add", "-A.priority", "0"),
    Mutant("baselines are not published", f"{_TASKS}._admit", "A.iteration_id > 1", "False"),
    Mutant("baselines are those of the first iteration", f"{_TASKS}.baseline",
           "self._store.find(A)", "self._store.find(TaskId(A.problem_id, 1))"),
    # What is kept
    Mutant("an output is not kept", f"{_REPORTS}.take_output",
           "self._context.do(SaveOutput(A, B))", "None"),
    Mutant("a change of a task is not kept", f"{_TASKS}._changed",
           "self._context.do(SaveTask(A))", "None"),
    Mutant("a further try is not kept", f"{_STEPS}.retry",
           "self._context.do(SaveTask(A))", "None"),
    Mutant("ids are used again after a restart", "restore.restore",
           "A.next_problem_id = max(A.next_problem_id, B)"),
    Mutant("revisions go back in a restart", "restore.restore",
           "A.revision = max(A.revision, B)"),
    Mutant("what ran waits for ever after a restart", "restore.restore",
           "A.steps.resume(B)", "None"),
    Mutant("what waited is forgotten in a restart", "restore.restore",
           "A.waiting.add(B)", "None"),
    Mutant("a task is told of before it is saved", "persistence.Persistence.sort",
           "A in _NEVER_HELD or B", "True"),
    Mutant("an input goes out before its attempt is saved", "persistence.Persistence.sort",
           "A and not self._is_new(B)", "A"),
    Mutant("a summary shows what is not saved", "persistence.Persistence.on_persisted",
           "isinstance(A, AnnounceTask) and B", "False"),
    Mutant("what could not be saved is forgotten", "persistence._Changes.add",
           "self.note(A)", "None"),
    Mutant("nobody is refused when the disk fails", "persistence.Persistence.on_persist_failed",
           "self._withdraw(A, B)", "None"),
    Mutant("a failed save is not tried again", "persistence.Persistence.on_time",
           "A if B else C", "not B and C"),
    Mutant("a stopped node starts after a restart", "operations.Operations._command",
           "self._context.do(SaveNode(A, B))", "None"),
    Mutant("a repeated request is another task", f"{_TASKS}.submit", "A is not None", "False"),
    Mutant("the next iteration is not linked", f"{_TASKS}._succeed",
           "self._store.link(A, B)", "B"),
    Mutant("the next iteration is made twice", f"{_TASKS}._succeed",
           "self._store.link(A, B)", "(B, self._store.link(A, B))"),
    Mutant("retention removes what runs", "retention.Retention._finished",
           "not any(A)", "True"),
    Mutant("retention removes nothing", "retention.Retention.enforce",
           "not self._fresh", "True"),
    Mutant("the request ids of deleted tasks stay", "task_store.TaskStore._drop",
           "del self._requests[A]"),
    # Nodes
    Mutant("silence of a node is not noticed", f"{_LIFECYCLE}._notice_loss",
           "A > B.heartbeat_timeout", "False"),
    Mutant("START_NODE is said once", f"{_OUTBOX}._tick_node",
           "... - A.sent_at >= B.resend_period", "A.command is not NodeCommand.START"),
    Mutant("the ladder is not climbed", f"{_LIFECYCLE}.climb",
           "A = B.recovery.climb()", "A = B.recovery\nreturn"),
    Mutant("the ladder ends at the first rung", f"{_LIFECYCLE}.climb",
           "NodeCommand.TERMINATE", "NodeCommand.RESET"),
    Mutant("START_NODE is repeated for ever to an unresponsive node",
           f"{_LIFECYCLE}._escalate_node_command", "A.ignored_starts % B == 0", "False"),
    Mutant("what a process dropped in a reset is not delivered again",
           f"{_LIFECYCLE}._notice_drop", "A.dropped = True", "None"),
    Mutant("healthy nodes are reset", f"{_LIFECYCLE}._change_status",
           "A.active_since = B",
           "A.active_since = B; A.outbox.command(NodeCommand.RESET)"),
    Mutant("a node in error is reset for ever", f"{_LIFECYCLE}._recover",
           "A.resets >= B.max_resets", "False"),
    Mutant("a node in error is not reset", f"{_LIFECYCLE}._work_off", "self._recover(A)", "None"),
    Mutant("RESET_NODE is confirmed by the state from before", f"{_OUTBOX}.judge",
           "A or B.command is not NodeCommand.RESET", "True"),
    Mutant("resets from before a person's reset count", "operations.Operations._command",
           "A.recovery.resets = 0"),
    Mutant("a command in place of another has all the time again", f"{_OUTBOX}.command",
           "A.began = B.began"),
    Mutant("a reset joins one that was obeyed before", "operations.Operations._command",
           "A.command is B is not NodeCommand.RESET", "A.command is B"),
    Mutant("node commands are not answered", "operations.Operations._advance",
           "self._context.do(Reply(A, B, C))", "C or self._context.do(Reply(A, B, C))"),
    Mutant("ids of commands begin anew after a restart", "outbox.CommandIds.seen", "self.last = A"),
    # Loss, rollback, copies
    Mutant("the token does not count", f"{_REPORTS}._current",
           "A != (B.attempt, B.token)", "A[0] != B.attempt"),
    Mutant("the token does not count for inputs", "orchestrator.Orchestrator.inputs_owed",
           "A != (self.session, B.attempt, B.token)", "A[1] != B.attempt"),
    Mutant("ids are not reserved", "persistence.Persistence._save",
           "self._reserved_in_save = A.next_problem_id + B"),
    Mutant("a reservation can be lost", "persistence.Persistence._save",
           "self._reserved_in_save > self._reserved", "False"),
    Mutant("ids that were reserved are used after a loss", "restore.restore",
           "A = max(A, B.reserved_problem_id)"),
    Mutant("a rollback is not noticed", "rollback_check.RollbackCheck.shown_by",
           "not self.armed or B", "True"),
    # Two orchestrators
    Mutant("both stay", "duplicate_check.DuplicateCheck.observe",
           "not 0 < A.incarnation < self.incarnation", "True"),
    Mutant("the one that must leave never does", "duplicate_check.DuplicateCheck.observe",
           "self.leaving = A"),
    Mutant("one that stands by commands", "orchestrator.Orchestrator._stand_by",
           "not isinstance(A, _FOR_MODULES)", "True"),
    Mutant("one that stands by looks at deadlines", "orchestrator.Orchestrator.handle",
           "if self.duplicate_check.yielding(A):\n    return self._stand_by(B, C)"),
    Mutant("one that is gone is waited for", "duplicate_check.DuplicateCheck.yielding",
           "not self.leaving and A >= SILENCE", "False"),
)  # fmt: skip


class _Breaker(MetaPathFinder, SourceFileLoader):
    """Loads one module of the core with its bug."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: object = None
    ) -> ModuleSpec | None:
        if name != f"{_PACKAGE}.{self._mutant.module}":
            return None
        spec = PathFinder.find_spec(name, path)
        assert spec is not None and spec.origin is not None
        SourceFileLoader.__init__(self, name, spec.origin)
        spec.loader = self
        return spec

    def get_code(self, name: str):  # type: ignore[no-untyped-def]
        """Never from the cache of compiled files, nor into it."""
        return compile(broken(self._mutant), self.path, "exec")


def source(mutant: Mutant) -> str:
    """The text of the module that it breaks."""
    core = Path(__file__).parents[3] / "sustainml_orchestrator" / "core"
    return (core / f"{mutant.module}.py").read_text()


def broken(mutant: Mutant, text: str = "") -> ast.Module:
    """The syntax tree of the module with the bug.

    Args:
        text: of the module, where it is not as `source` returns it.

    Raises:
        syntax.NotFound: there is no such place; the core has changed.
    """
    tree = ast.parse(text or source(mutant))
    try:
        where = syntax.function(tree, mutant.place.partition(".")[2])
        syntax.replace(where, mutant.pattern, mutant.replacement)
    except syntax.NotFound as error:
        raise syntax.NotFound(f"'{mutant.name}' ({mutant.place}): {error}; adapt it") from None
    return tree


def install(number: int) -> None:
    """Break the core of this process, before it is imported."""
    assert f"{_PACKAGE}.orchestrator" not in sys.modules
    sys.meta_path.insert(0, _Breaker(MUTANTS[number]))


def _try(number: int, count: int, enough: int) -> Result:
    """Run schedules through a mutant, each process with another core."""
    command = [
        sys.executable, "-m", "support.simulation", "--mutant", str(number), "--count", str(count),
        "--enough", str(enough),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        failed, ran, first, why = done.stdout.strip("\n").split("\t")
    except ValueError:
        raise RuntimeError(f"{MUTANTS[number].name}: {done.stderr[-2000:]}") from None
    return Result(MUTANTS[number], int(failed), int(ran), int(first), why)


def run(count: int, jobs: int, numbers: Sequence[int] = (), enough: int = 5) -> Iterator[Result]:
    """Try mutants (all by default); the result of each as it comes.

    Args:
        count: schedules at most for each.
        enough: failures after which one counts as found.
    """
    chosen = numbers or range(len(MUTANTS))
    with ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(lambda number: _try(number, count, enough), chosen)
