"""Does the simulator find bugs? The core is broken on purpose, in one place at a time.

``python test/core/simulation --mutants`` runs schedules through each of these cores and tells how
many it takes to notice. One that is never noticed shows a gap in the laws or in the faults.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from typing import NamedTuple

_PACKAGE = "sustainml_orchestrator.core"


class Mutant(NamedTuple):
    """A bug.

    Attributes:
        name: what it does wrong.
        module: of the core.
        before, after: the text that is replaced; it occurs once.
    """

    name: str
    module: str
    before: str
    after: str


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


MUTANTS = (
    # Delivery
    Mutant("silence is no reason to deliver again", "steps", "if age >= patience:", "if False:"),
    Mutant("an idle node is believed to work", "steps",
           "if idle >= _IDLE_GRACE + self._settings.resend_period:", "if False:"),
    Mutant("a missing output is not asked for again", "steps",
           "elif self._context.now >= step.output_due:", "elif False:"),
    Mutant("redelivery without pace", "steps", "        self._budget -= 1\n", ""),
    Mutant("redelivery counts as a try", "steps",
           "        step.deliveries += 1\n", "        step.deliveries += 1\n"
           "        step.try_number = min(step.try_number + 1, node.spec.max_tries)\n"),
    Mutant("a step waits for one of its inputs only", "steps",
           "return all(task.steps[i].state is StepState.DONE for i in sources)",
           "return not sources or any(task.steps[i].state is StepState.DONE for i in sources)"),
    Mutant("consumers are not told of an output", "task_manager",
           "self.steps.feed_consumers(task, event.module)", "pass"),
    # Tries
    Mutant("a try is counted twice", "steps", "step.try_number += 1", "step.try_number += 2"),
    Mutant("no second try", "steps", "if step.try_number >= spec.max_tries:", "if True:"),
    Mutant("tries without end", "steps", "if step.try_number >= spec.max_tries:", "if False:"),
    Mutant("word of an earlier try counts", "steps",
           "if event.try_number < step.try_number or step.state >= StepState.DONE:",
           "if step.state >= StepState.DONE:"),
    Mutant("invalid input is tried again", "steps",
           "if code is ErrorCode.INVALID_REQUEST:", "if False:"),
    Mutant("a loss at work costs no try", "steps",
           "        if step.state is StepState.RUNNING:\n            text = f\"the process",
           "        if False:\n            text = f\"the process"),
    Mutant("a loss costs what only waited a try, too", "steps",
           "        if step.state is StepState.RUNNING:\n            text = f\"the process",
           "        if step.state in OPEN_STEPS:\n            text = f\"the process"),
    Mutant("one of two that dies leaves its work undone", "steps",
           "        if not any(map(node.hosts, step.processes)):", "        if False:"),
    Mutant("when two die at work that costs no try", "steps",
           "if step.processes and not any(map(node.hosts, step.processes)):", "if False:"),
    # Deadlines
    Mutant("work has no deadline", "steps", "if step.worked < timeout:", "if True:"),
    Mutant("the queue has no deadline", "steps",
           "elif waits and step.waited >= queue_timeout:", "elif False:"),
    Mutant("work may be given back for ever", "steps",
           "if node.desired_active and step.waited >= limit:", "if False:"),
    Mutant("a module that is gone is awaited for ever", "steps",
           "if step.absent >= self._settings.node_lost_timeout and not begins:", "if False:"),
    Mutant("deadlines begin anew in every life", "step_clocks", "return -packed", "return 0"),
    Mutant("the time taken is never kept", "step_clocks",
           "if step.counted < step.keep_at:", "if True:"),
    Mutant("the pause of the orchestrator counts", "context",
           "pause if pause <= LONGEST_PAUSE else _MOMENT", "pause"),
    # Stale word
    Mutant("outputs of an earlier attempt count", "task_manager", "if attempt != task.attempt:",
           "if attempt > task.attempt:"),
    Mutant("word of another session counts", "task_manager",
           "if session != self._session:", "if False:"),
    Mutant("outputs of another iteration count", "task_manager",
           "        task = self._store.find(task_id)\n        if task is None:\n"
           "            self.dropped[f\"{what} of an unknown task\"]",
           "        task = self._store.find(TaskId(task_id[0], 1))\n        if task is None:\n"
           "            self.dropped[f\"{what} of an unknown task\"]"),
    Mutant("the last output wins", "task_manager",
           "if task.outputs[event.module] is not None:", "if False:"),
    Mutant("inputs are handed out to an earlier attempt", "orchestrator",
           "if session != self.session or attempt != task.attempt:", "if False:"),
    # Commands on tasks
    Mutant("STOP_TASK loses the outputs", "task_manager",
           "        if how is TaskMove.RESET:\n            self._store.clear",
           "        if how in (TaskMove.RESET, TaskMove.STOP):\n            self._store.clear"),
    Mutant("RESET_TASK keeps the attempt", "task_manager", "            task.attempt += 1\n", ""),
    Mutant("RESET_TASK keeps the outputs", "task_manager",
           "            self._store.clear_outputs(task)\n",
           "            task.published = False\n            task.steps = task.steps or [\n"
           "                Step(i) for i in range(len(task.outputs))\n            ]\n"),
    Mutant("modules are not told to let go", "task_manager",
           "        if command is None:\n            "
           "return\n", "        return\n"),
    Mutant("work on what does not run is not stopped", "task_manager",
           "event.task_status in (TaskStatus.WAITING, TaskStatus.RUNNING)", "False"),
    Mutant("a preempted task is forgotten", "task_manager",
           "        elif status is TaskStatus.WAITING:\n            self.waiting.add(task)\n", ""),
    Mutant("a preempted task is published again", "task_manager",
           "        redeliver = task.published\n",
           "        redeliver = False\n"),
    # Admission
    Mutant("too many tasks run", "task_manager",
           "len(self.running) < self._settings.max_active_tasks",
           "len(self.running) <= self._settings.max_active_tasks"),
    Mutant("tasks run while a module is missing", "task_manager",
           "            and self._lifecycle.ready\n", ""),
    Mutant("priority does not count", "waiting_queue", "(-iteration.priority, ticket, iteration)",
           "(0, ticket, iteration)"),
    Mutant("baselines are not published", "task_manager", "if task.task_id.iteration_id > 1:",
           "if False:"),
    Mutant("baselines are those of the first iteration", "task_manager",
           "base = self._store.find(task.base_task)",
           "base = self._store.find(TaskId(task.task_id.problem_id, 1))"),
    # What is kept
    Mutant("an output is not kept", "task_manager",
           "        self._context.do(SaveOutput(task.task_id, event.module))\n", ""),
    Mutant("a change of a task is not kept", "task_manager",
           "        self._context.do(SaveTask(task.task_id))\n        self._context.do(Announce",
           "        self._context.do(Announce"),
    Mutant("a further try is not kept", "steps",
           "        self._context.do(SaveTask(task.task_id))\n        self._redeliver_later",
           "        self._redeliver_later"),
    Mutant("ids are used again after a restart", "restore",
           "    store.next_problem_id = max(store.next_problem_id, next_problem_id)\n", ""),
    Mutant("revisions go back in a restart", "restore",
           "    store.revision = max(store.revision, revision)\n", ""),
    Mutant("what ran waits for ever after a restart", "restore",
           "            tasks.steps.resume(task)\n", "            pass\n"),
    Mutant("what waited is forgotten in a restart", "restore",
           "            tasks.waiting.add(task)\n", "            pass\n"),
    Mutant("a stopped node starts after a restart", "operations",
           "            self._context.do(SaveNode(node.name, desired))\n", ""),
    Mutant("a repeated request is another task", "task_manager",
           "if known is not None:", "if False:"),
    Mutant("the next iteration is not linked", "task_manager",
           "self._store.link(task, self.create(following, following.base_task))",
           "self.create(following, following.base_task)"),
    Mutant("the next iteration is made twice", "task_manager",
           "            self._store.link(task,",
           "            self.create(following, following.base_task)\n"
           "            self._store.link(task,"),
    Mutant("retention removes what runs", "retention",
           " and not any(item.open for item in problem)", ""),
    Mutant("retention removes nothing", "retention", "        if not self._fresh:\n",
           "        if True:\n"),
    Mutant("the request ids of deleted tasks stay", "task_store",
           "            del self._requests[item.request_id]\n", "            pass\n"),
    # Nodes
    Mutant("silence of a node is not noticed", "lifecycle",
           "if instance.responsive and silence > self._settings.heartbeat_timeout:", "if False:"),
    Mutant("START_NODE is said once", "lifecycle",
           "            and now - pending.sent_at >= settings.resend_period",
           "            and pending.command is not NodeCommand.START"),
    Mutant("the ladder is not climbed", "lifecycle", "        node.rung = min(node.rung + 1, 2)\n",
           "        return\n"),
    Mutant("the ladder ends at the first rung", "lifecycle",
           "NodeCommand.RESET if node.rung == 1 else NodeCommand.TERMINATE", "NodeCommand.RESET"),
    Mutant("a deaf node is told to start for ever", "lifecycle",
           "if node.vain_starts % _MAX_VAIN_STARTS == 0 and node.responsive:", "if False:"),
    Mutant("healthy nodes are reset", "lifecycle", "            node.active_since = now\n",
           "            node.active_since = now\n            node.next_reset = 0.0\n"
           "            self.command(node, NodeCommand.RESET)\n"),
    Mutant("a node in error is reset for ever", "lifecycle",
           "if node.resets >= self._settings.max_resets:", "if False:"),
    Mutant("a node in error is not reset", "lifecycle", "self._recover(node)", "pass"),
    Mutant("RESET_NODE is confirmed by the state from before", "lifecycle",
           "obeyed = heard or pending.command is not NodeCommand.RESET", "obeyed = True"),
    Mutant("node commands are not answered", "operations", "        if finished:\n",
           "        if finished and error is None:\n"),
    Mutant("ids of commands begin anew after a restart", "lifecycle",
           "            self._last_command_id = last_command\n", "            pass\n"),
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


def broken(mutant: Mutant) -> str:
    """The same with the bug.

    Raises:
        ValueError: there is no such place; the core has changed.
    """
    text = source(mutant)
    if text.count(mutant.before) != 1:
        raise ValueError(f"'{mutant.name}' has no place in {mutant.module}.py; adapt it")
    return text.replace(mutant.before, mutant.after)


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
