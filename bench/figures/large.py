"""A model of 50 MiB: from its module to stored, and out again, beside a bare subscriber."""

from __future__ import annotations

import array
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import NamedTuple

from rclpy.serialization import deserialize_message
from sustainml_msgs.msg import MLModel, Task, TaskSummary
from sustainml_msgs.srv import GetTask

from bench import work
from bench.asking import Asker, bare_service, fresh_namespace
from bench.bare_subscriber import Counter
from bench.figure import Figure, Run
from bench.processes import Processes, python
from bench.puppets import PATIENT, Puppets
from bench.systems import orchestrator_program
from bench.waiting import Waiter
from sustainml_orchestrator.contract import names
from sustainml_orchestrator.processes.programs import Program

SIZE = 50 * 2**20
_MODULE = "ml_model_provider"
_BEFORE = ("app_requirements", "ml_model_metadata", "hw_constraints")
_AFTER = ("hw_resources", "carbon_tracker")
_GOAL = 1.2
#: Of which the median is one run; and of questions whose answer takes about a ms.
_REPEATS, _TIMES = 3, 50


def measure(runs: int, window: float, full: bool) -> Iterator[Figure]:
    """Times of single messages and calls, in turns."""
    model = work.answer(_MODULE, work.text(0))
    # One that repeats itself after a prime number of bytes, so that shifted parts show.
    model.raw_model = array.array("B", (bytes(range(251)) * (SIZE // 251 + 1))[:SIZE])
    with ExitStack() as stack:
        bare = stack.enter_context(_Bare())
        ours = stack.enter_context(_Orchestrator())
        service = stack.enter_context(_BareService(ours, model))
        small = ours.small_task()
        rounds = [
            [_one(bare, ours, service, model, small) for _ in range(_REPEATS)] for _ in range(runs)
        ]
    medians = [_Times(*map(median, zip(*one, strict=True))) for one in rounds]
    stored = [Run(one.stored, one.bare) for one in medians]
    whole = [Run(one.whole, one.bare) for one in medians]
    served = [Run(one.whole, one.service) for one in medians]
    without = [Run(1e3 * one.without, 1e3 * one.small) for one in medians]
    name = "a model of 50 MiB"
    yield Figure(f"{name}, from module to stored", "s", _GOAL, "lower", stored)
    yield Figure(f"{name}, get_task with it", "s", _GOAL, "lower", whole)
    yield Figure(f"{name}, get_task with it, beside a bare service", "s", _GOAL, "lower", served)
    yield Figure(f"{name}, get_task without it", "ms", _GOAL, "lower", without)


class _Times(NamedTuple):
    """How long things took, in s.

    Attributes:
        bare: to the bare subscriber.
        stored, whole: into ours, and out of it.
        service: out of a bare service.
        without, small: that task without its model, and a task that never had one.
    """

    bare: float
    stored: float
    whole: float
    service: float
    without: float
    small: float


def _one(
    bare: _Bare, ours: _Orchestrator, service: _BareService, model: MLModel, small: bytes
) -> _Times:
    reference = bare.send(model)
    stored, ids = ours.store(model)
    whole, _ = ours.get_whole(ids, model)
    served = service.get()
    return _Times(
        reference, stored, whole, served, ours.get_without(ids), ours.get_without(small)
    )  # fmt: skip


class _BareService:
    """A bare rclpy service whose response holds such a task."""

    def __init__(self, ours: _Orchestrator, model: MLModel) -> None:
        self._stack = ExitStack()
        _, ids = ours.store(model)
        self._example = GetTask.Response(task=ours.get_whole(ids, model)[1])

    def __enter__(self) -> _BareService:
        name = self._stack.enter_context(bare_service("GetTask", self._example))
        self._asker = self._stack.enter_context(Asker())
        self._client = self._asker.client(GetTask, name)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def get(self) -> float:
        """Time of a call, in s."""
        began = time.perf_counter()
        response = self._asker.call(self._client, GetTask.Request())
        took = time.perf_counter() - began
        if len(response.task.ml_model.raw_model) != SIZE:
            raise RuntimeError("the bare service returned another model")
        return took


class _Bare:
    """One subscription to such messages; a callback that does nothing."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        file = Path(self._folder.name) / "counter"
        self._counter = Counter(file)
        topic = f"{fresh_namespace()}/model"
        command = python("bench.bare_subscriber", "MLModel", topic, str(file))
        self._processes = Processes([Program("bare", command)])
        self._waiter = Waiter("/")
        self._publisher = self._waiter.node.create_publisher(MLModel, topic, names.DATA_QOS)

    def __enter__(self) -> _Bare:
        self._processes.__enter__()
        self._processes.wait_until(lambda: self._publisher.get_subscription_count() == 1)
        self.send(work.answer(_MODULE, work.text(0)))
        return self

    def __exit__(self, *_: object) -> None:
        self._processes.__exit__()
        self._waiter.close()
        self._folder.cleanup()

    def send(self, model: MLModel) -> float:
        """Time from publishing to the callback, in s."""
        before, began = self._counter.value, time.perf_counter()
        self._publisher.publish(model)
        self._processes.wait_until(lambda: self._counter.value > before)
        return time.perf_counter() - began


class _Orchestrator:
    """The real one; all modules are puppets, one of which sends large models."""

    def __init__(self) -> None:
        self._namespace = fresh_namespace()
        self._processes = Processes([orchestrator_program(self._namespace, **PATIENT)])
        self._updates: list[TaskSummary] = []
        self._stack = ExitStack()

    def __enter__(self) -> _Orchestrator:
        self._stack.enter_context(self._processes)
        self._puppets = Puppets(self._namespace)
        self._puppets.waiter.listen(
            TaskSummary, names.TASK_UPDATES, names.TASK_UPDATES_QOS, self._on_update
        )
        self._stack.enter_context(self._puppets)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def small_task(self) -> bytes:
        """A finished task of the usual size."""
        ids = self._begin()
        self._puppets.say(_MODULE, ids)
        self._end(ids)
        return ids

    def store(self, model: MLModel) -> tuple[float, bytes]:
        """Time from publishing to the update that tells that it is there, in s; and the task."""
        ids = self._begin()
        problem, iteration, model.attempt, model.session, model.token = array.array("I", ids)
        model.task_id.problem_id, model.task_id.iteration_id = problem, iteration
        model.model = work.text(problem)
        model.header.frame_id = f"{self._namespace}/{_MODULE}"
        began = time.perf_counter()
        self._puppets.outputs[_MODULE].publish(model)
        self._until(lambda task: any(m.node_name == _MODULE and m.has_output for m in task.modules))
        took = time.perf_counter() - began
        self._end(ids)
        return took, ids

    def get_whole(self, ids: bytes, model: MLModel) -> tuple[float, Task]:
        """Time to get a task with all of its model, in s, and the task.

        Raises:
            RuntimeError: it is not the one that was stored.
        """
        took, task = self._puppets.get_task(ids, include_binary=True)
        if task.ml_model.raw_model != model.raw_model:
            raise RuntimeError("another model is returned than was stored")
        return took, task

    def get_without(self, ids: bytes) -> float:
        """Median time to get a task without what is binary, in s."""
        return median(self._puppets.get_task(ids, include_binary=False)[0] for _ in range(_TIMES))

    def _begin(self) -> bytes:
        self._puppets.submit(1)
        ids = self._puppets.take_task()
        for module in _BEFORE:
            self._puppets.say(module, ids)
        done = set(_BEFORE)
        self._until(lambda task: done <= {m.node_name for m in task.modules if m.has_output})
        return ids

    def _end(self, ids: bytes) -> None:
        for module in _AFTER:
            self._puppets.say(module, ids)
        self._puppets.wait_until_succeeded()
        self._puppets.check_all()

    def _until(self, condition: Callable[[TaskSummary], bool], timeout: float = 60.0) -> None:
        """Until an update of the task that was submitted last says so."""
        deadline = time.monotonic() + timeout
        while not any(
            condition(task)
            for task in self._updates
            if task.task_id.problem_id == self._puppets.submitted
        ):
            if time.monotonic() > deadline:
                raise TimeoutError("the orchestrator does not tell of an output")
            self._updates.clear()
            self._puppets.waiter.turn(1.0)

    def _on_update(self, data: bytes) -> None:
        self._updates.append(deserialize_message(data, TaskSummary))
