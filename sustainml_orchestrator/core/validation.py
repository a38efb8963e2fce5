"""Invariants of the state of the core, checked after each event of a test or a replay."""

from __future__ import annotations

from typing import NoReturn

from sustainml_orchestrator.core.ids import NO_TASK, TaskId, TaskStatus
from sustainml_orchestrator.core.node import MAX_PROCESSES
from sustainml_orchestrator.core.orchestrator import Orchestrator
from sustainml_orchestrator.core.outbox import MAX_ORDERS
from sustainml_orchestrator.core.states import HELD_STEPS, PENDING_STEPS, StepState
from sustainml_orchestrator.core.step import Step
from sustainml_orchestrator.core.task import Task

_MAX_PROCESSES = 16
_MAX_REASONS = 32
#: So many tasks are checked for each event, on average.
_TASKS_PER_EVENT = 20


class BrokenInvariant(Exception):
    """A bug: the state of the core contradicts itself; the text tells the story."""


def validate(core: Orchestrator) -> None:
    """Check the whole state.

    Raises:
        BrokenInvariant: with the task and its story.
    """
    _check_database(core)
    for problem in core.store.problems.values():
        for task in problem:
            _check_task(core, task)
    _check_nodes(core)
    _check_memory(core)


class Validation:
    """Checks the whole state after each event; of many tasks after every n-th, at the same cost.

    Attributes:
        unchecked: events since the last check.
    """

    def __init__(self) -> None:
        self.unchecked = 0

    def __call__(self, core: Orchestrator) -> None:
        """Check it, if that is due.

        Raises:
            BrokenInvariant: with the task and its story.
        """
        self.unchecked += 1
        if self.unchecked * _TASKS_PER_EVENT >= sum(map(len, core.store.problems.values())):
            self.check(core)

    def check(self, core: Orchestrator) -> None:
        """Check it now; raises as `__call__`."""
        unchecked, self.unchecked = self.unchecked, 0
        try:
            validate(core)
        except BrokenInvariant as bug:
            if unchecked < 2:
                raise
            text = f"{bug}\nit was checked {unchecked} events before this one for the last time"
            raise BrokenInvariant(text) from bug


def _check_database(core: Orchestrator) -> None:
    store = core.store
    tasks: list[Task] = []
    for problem_id, problem in store.problems.items():
        if problem_id >= store.next_problem_id:
            _broken(core, "ids are not reused")
        for number, task in enumerate(problem, 1):
            if task.task_id != (problem_id, number):
                _broken(core, "the place of a task is its id", task)
        tasks += problem
    payload_bytes = sum([len(t.user_input) + sum(map(len, filter(None, t.outputs))) for t in tasks])
    if payload_bytes != store.payload_bytes:
        _broken(core, "payload bytes are counted")
    revisions = {task.revision for task in tasks}
    if len(revisions) != len(tasks) or max(revisions, default=0) > store.revision:
        _broken(core, "revisions are unique and past")
    tasks.sort(key=lambda task: task.serial)
    _check_lists(core, tasks)


def _check_lists(core: Orchestrator, tasks: list[Task]) -> None:
    """All of them are found where they are looked for."""
    store = core.store
    if len({task.serial for task in tasks}) != len(tasks):
        _broken(core, "every task has a serial of its own")
    if store.page(0, (), False, 0, len(tasks) + 1) != (tasks, len(tasks)):
        _broken(core, "all are listed, by creation")
    expected: dict[TaskStatus, list[Task]] = {status: [] for status in TaskStatus}
    for task in tasks:
        expected[task.status].append(task)
    for status, of_status in expected.items():
        if store.count(status) != len(of_status):
            _broken(core, f"those of status {status.name} are counted")
        if of_status and store.page(0, [status], False, 0, len(tasks) + 1)[0] != of_status:
            _broken(core, f"those of status {status.name} are listed")
    if len(core.tasks.running) != store.count(TaskStatus.RUNNING):
        _broken(core, "RUNNING ones run")
    if len(core.tasks.waiting) != store.count(TaskStatus.WAITING):
        _broken(core, "WAITING ones wait")


def _check_task(core: Orchestrator, task: Task) -> None:
    running = core.tasks.running.get(task.task_id) is task
    if running != (task.status is TaskStatus.RUNNING):
        _broken(core, "runs iff RUNNING", task)
    if (task in core.tasks.waiting) != (task.status is TaskStatus.WAITING):
        _broken(core, "queued iff WAITING", task)
    if bool(task.steps) != task.open:
        _broken(core, "has steps iff open", task)
    if task.status is TaskStatus.SUCCEEDED and None in task.outputs:
        required = [task.outputs[spec.index] for spec in core.pipeline.modules if spec.required]
        if None in required:
            _broken(core, "succeeded with every output that is required", task)
    if running and all(step.state >= StepState.DONE for step in task.steps):
        _broken(core, "runs while something is missing", task)
    for other, later in ((task.base_task, False), (task.next_task, True)):
        if other != NO_TASK:
            _check_relative(core, task, other, later)
    for step in task.steps:
        _check_step(core, task, step)


def _check_relative(core: Orchestrator, task: Task, other: TaskId, later: bool) -> None:
    if core.store.find(other) is None:
        _broken(core, f"{other} is there", task)
    if other.problem_id != task.task_id.problem_id or (other > task.task_id) != later:
        _broken(core, f"{other} is of its problem, base before and next after it", task)


def _check_step(core: Orchestrator, task: Task, step: Step) -> None:
    if (task.outputs[step.index] is not None) != (step.state is StepState.DONE):
        _broken(core, "DONE iff stored", task)
    spec = core.pipeline.modules[step.index]
    if step.state is StepState.FAILED and spec.required and task.status is TaskStatus.RUNNING:
        _broken(core, "no task goes on without a module that is required", task)
    if not 1 <= step.try_number <= spec.max_tries:
        _broken(core, "tries within limits", task)
    if len(step.processes) > _MAX_PROCESSES:
        _broken(core, "few processes have a step", task)
    if min(step.waited, step.worked, step.absent) < 0:
        _broken(core, "clocks count upwards", task)
    if task.status is not TaskStatus.RUNNING or step.state >= StepState.DONE:
        return
    if step.state in HELD_STEPS:
        if not step.processes and step.state is not StepState.REPORTED:
            _broken(core, "whoever has a step is known", task)
        return
    sources = core.pipeline.sources[step.index]
    complete = all(task.steps[i].state >= StepState.DONE for i in sources)
    if complete == (step.state in PENDING_STEPS):
        _broken(core, "PENDING for want of inputs, READY or UNDELIVERED with all of them", task)


def _check_nodes(core: Orchestrator) -> None:
    for node in core.lifecycle.nodes:
        if max(len(node.instances), len(node.retired)) > MAX_PROCESSES:
            _broken(core, f"{node.name} has few processes")
        if node.primary is not None and node.primary not in node.instances.values():
            _broken(core, f"{node.name} speaks for itself")
        orders = node.outbox.orders
        if len(orders) > MAX_ORDERS:
            _broken(core, f"few commands to {node.name} are remembered")
        if orders and any(order.outcome is not None for order in orders.values()):
            _broken(core, f"what {node.name} has confirmed is not in its outbox")
        if not 0 <= node.recovery.resets <= core.settings.max_resets:
            _broken(core, f"{node.name} is reset a few times at most")
        if node.recovery.given_up and node.active:
            _broken(core, f"{node.name} is given up, but active")


def _check_memory(core: Orchestrator) -> None:
    """What is remembered beside the tasks themselves is bounded by them, or by a number."""
    store, tasks = core.store, core.tasks
    stored = sum(map(len, store.problems.values()))
    if len(store._requests) > stored or len(store._previous) > stored:
        _broken(core, "nothing is remembered of tasks that are gone")
    if len(tasks.waiting._heap) > 2 * len(tasks.waiting) + 64:
        _broken(core, "few ghosts in the queue")
    if len(core.reports.dropped) > _MAX_REASONS:
        _broken(core, "few reasons for dropping")


def _broken(core: Orchestrator, what: str, task: Task | None = None) -> NoReturn:
    subject = str(task.task_id) if task else ""
    story = "\n".join(core.context.history.story(task.task_id if task else None))
    raise BrokenInvariant(f"{subject or 'the state'}: not so: {what}\n{story}")
