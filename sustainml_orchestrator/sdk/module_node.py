"""The ROS node around a module: carries messages to the state machine, and out what it asks for."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from rclpy.executors import ExternalShutdownException, ShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from sustainml_msgs.msg import NodeControl

from sustainml_orchestrator.contract import names
from sustainml_orchestrator.contract.parameter_service_guard import guard_parameter_services
from sustainml_orchestrator.core.ids import (
    ErrorCode,
    NodeCommand,
    TaskCommand,
    TaskId,
    TaskStatus,
)
from sustainml_orchestrator.processes.fork_server import ForkServer
from sustainml_orchestrator.sdk import actions as act
from sustainml_orchestrator.sdk import parameters
from sustainml_orchestrator.sdk.configure_service import ConfigureService
from sustainml_orchestrator.sdk.input_fetcher import InputFetcher
from sustainml_orchestrator.sdk.input_subscriber import InputSubscriber
from sustainml_orchestrator.sdk.job_table import Limits
from sustainml_orchestrator.sdk.module_base import ModuleBase
from sustainml_orchestrator.sdk.module_spec import TYPES, USER_INPUT, spec_of
from sustainml_orchestrator.sdk.state_machine import StateMachine
from sustainml_orchestrator.sdk.status_publisher import StatusPublisher
from sustainml_orchestrator.sdk.task import BASELINE
from sustainml_orchestrator.sdk.transitions import Trigger
from sustainml_orchestrator.sdk.user_code import Host
from sustainml_orchestrator.sdk.wire_ids import Ticket, read_ticket, stamp
from sustainml_orchestrator.sdk.worker_processes import ProcessWorkers
from sustainml_orchestrator.sdk.worker_threads import WorkerThreads
from sustainml_orchestrator.sdk.workers import BrokenWorkersError, ThreadWorkers, Workers

#: For so long, and so often, heartbeats are sent to whoever has just begun to listen, in s.
_EAGER, _EAGER_PERIOD = 0.5, 0.1


class ModuleNode(Node):
    """Node of one module.

    Subscribes to ``control`` and to the inputs of the module; publishes ``status`` and
    ``<module>/output``; serves ``<module>/configure``; calls ``orchestrator/get_inputs``.
    Parameters: see ``parameters.py``.

    All that touches the state machine holds one lock, and carries out its actions under it, so
    what is published keeps the order of what happened. User code is called without it.
    """

    def __init__(
        self, cls: type[ModuleBase], fork_server: ForkServer, *, on_exit: Callable[[], None]
    ) -> None:
        """Come up INACTIVE. ``on_exit`` is called when the node is told to terminate.

        Raises:
            ValueError: a parameter has no sensible value.
        """
        spec = spec_of(cls)
        super().__init__(spec.module, namespace=names.DEFAULT_NAMESPACE)
        guard_parameter_services(self)
        self._class = cls
        self._fork_server = fork_server
        self._on_exit = on_exit
        self.values = values = parameters.declare(self)
        instance = self.get_fully_qualified_name()
        incarnation = random.SystemRandom().randrange(1, 1 << 64)
        self._lock = threading.RLock()
        self._state = StateMachine(
            module=spec.module,
            instance=instance,
            incarnation=incarnation,
            needed=spec.needed,
            limits=Limits(
                workers=values.workers,
                output_cache=values.output_cache,
                max_pending_joins=values.max_pending_joins,
                max_held_tasks=values.max_held_tasks,
                max_held_bytes=values.max_held_bytes,
            ),
        )
        self._workers: Workers | None = None
        self._evicted = 0
        self._configuration: dict[str, Any] = {}
        self._greeted = threading.Event()
        self._eager_until = 0.0
        self._statuses = StatusPublisher(
            self, module=spec.module, incarnation=incarnation, matched=self._greet
        )
        self._output = self.create_publisher(
            spec.output_type, names.output_topic(spec.module), names.DATA_QOS
        )
        self._fetcher = InputFetcher(
            self,
            spec,
            timeout=values.fetch_timeout,
            fetched=self._inputs_fetched,
            failed=self._fetch_failed,
        )
        self._receiver = InputSubscriber(self)
        self._listen(spec.inputs, spec.baselines)
        self._configure = ConfigureService(
            self, spec.module, timeout=values.configure_timeout, workers=self._ready_workers
        )
        self._executor_ = SingleThreadedExecutor()
        self._executor_.add_node(self)
        self._crew = WorkerThreads(values.workers + 1, turn=self._turn, nudge=self._receiver.nudge)

    def start(self) -> None:
        """Begin to work, with a first status."""
        self._dispatch(self._state.heartbeat)
        if self.values.autostart:
            self._dispatch(self._state.triggered, Trigger.START)
        self._crew.start()
        for serve in (self._spin, self._beat):
            threading.Thread(target=serve, name=serve.__name__, daemon=True).start()

    def stop(self, grace: float) -> bool:
        """Give back all tasks, say so, and end user code; it has ``grace`` s to heed.

        Returns whether no thread is left, so that the node can be destroyed.
        """
        self._dispatch(self._state.triggered, Trigger.TERMINATE)
        ended = self._workers is None or self._workers.end(grace)
        self._statuses.flush(0.2)
        return self._crew.close(0.3) and ended

    # What comes in #

    def _listen(self, inputs: Mapping[str, type], baselines: tuple[str, ...]) -> None:
        self.create_subscription(
            NodeControl,
            names.CONTROL,
            partial(self._guarded, self._control),
            names.CONTROL_QOS,
        )
        for name, type_ in inputs.items():
            topic = names.USER_INPUT if name == USER_INPUT else names.output_topic(name)
            self._receive(type_, topic, name)
        for name in baselines:
            self._receive(TYPES[name], names.baseline_topic(name), BASELINE + name)

    def _receive(self, type_: type, topic: str, name: str) -> None:
        take = partial(self._guarded, self._input, name)
        self._receiver.subscribe(type_, topic, names.DATA_QOS, take)

    def _input(self, name: str, data: bytes) -> None:
        self._dispatch(self._state.input_received, name, read_ticket(data), data)

    def _control(self, message: NodeControl) -> None:
        node, task = NodeCommand(message.cmd_node), TaskCommand(message.cmd_task)
        if (node is NodeCommand.NONE) == (task is TaskCommand.NONE):
            raise ValueError(f"a command with cmd_node {node} and cmd_task {task}")
        task_id = TaskId(message.task_id.problem_id, message.task_id.iteration_id)
        command = act.Command(
            message.target_node,
            message.command_id,
            message.incarnation,
            Ticket(task_id, message.attempt, message.session, message.token),
            node,
            task,
            message.try_number,
        )
        self._dispatch(self._state.command_received, command)

    def _heartbeat(self) -> None:
        self._dispatch(self._state.heartbeat)
        if self._state.evicted > self._evicted:
            self._evicted = self._state.evicted
            self.get_logger().warning(
                f"{self._evicted} tasks with missing inputs were forgotten so far; "
                "raise max_pending_joins or max_held_bytes"
            )

    def _inputs_fetched(self, job: act.Job, try_number: int, parts: dict[str, bytes]) -> None:
        self._dispatch(self._state.inputs_fetched, job, try_number, parts)

    def _fetch_failed(
        self, job: act.Job, status: TaskStatus, error_code: ErrorCode, text: str
    ) -> None:
        self._dispatch(self._state.fetch_failed, job, status, error_code, text)

    def _ready_workers(self) -> Workers | None:
        """The workers, when they can be configured."""
        return self._workers if self._state.accepts_work else None

    # What goes out #

    def _dispatch(self, happened: Callable[..., list[act.Action]], *args: object) -> None:
        with self._lock:
            for action in happened(*args):
                # One that fails must not take along those after it: each Run is waited for.
                self._guarded(self._perform, action)

    def _perform(self, action: act.Action) -> None:
        match action:
            case act.Report():
                self._statuses.publish(
                    action,
                    last_command=self._state.last_command,
                    session=self._state.session,
                )
            case act.PublishOutput(output):
                self._output.publish(output)
            case act.Run(job):
                assert self._workers is not None
                self._crew.assign(partial(self._work, job, self._workers))
            case act.Cancel(job):
                if self._workers is not None:
                    self._workers.cancel(job)
            case act.FetchInputs(job):
                self._fetcher.fetch(job)
            case act.Prepare(generation):
                self._replace_workers(self._new_workers(), generation)
            case act.Release():
                self._replace_workers(None, 0)
            case act.Exit():
                self._on_exit()

    def _new_workers(self) -> Workers:
        values, instance = self.values, self.get_fully_qualified_name()
        if values.isolation == parameters.THREAD:
            return ThreadWorkers(Host(self._class, instance), self._configuration)
        return ProcessWorkers(
            self._fork_server,
            instance=instance,
            count=values.workers,
            cancel_grace=values.cancel_grace,
            configuration=self._configuration,
        )

    def _replace_workers(self, workers: Workers | None, generation: int) -> None:
        """End the old workers, then prepare the new ones, on a thread of its own."""
        old, self._workers = self._workers, workers

        def replace() -> None:
            if old is not None:
                old.end(self.values.cancel_grace)
            if workers is not None:
                self._prepare(workers, generation)

        threading.Thread(target=replace, name="replace workers", daemon=True).start()

    def _prepare(self, workers: Workers, generation: int) -> None:
        try:
            workers.prepare()
        except Exception as error:
            self._broken(generation, error)
        else:
            self._dispatch(self._state.prepared, generation)

    def _broken(self, generation: int, error: Exception) -> None:
        self.get_logger().error(str(error))
        self._dispatch(self._state.broken, generation, str(error))

    def _work(self, job: act.Job, workers: Workers) -> None:
        generation = self._state.generation
        try:
            workers.run(job, partial(self._call_ended, job))
        except BrokenWorkersError as error:
            if workers is self._workers:
                self._broken(generation, error)
        except Exception as error:
            self._call_ended(job, act.Failed(ErrorCode.INTERNAL_ERROR, str(error)))
            self.get_logger().error(f"task {job.ticket.task_id}: {error}")
        finally:
            self._dispatch(self._state.slot_freed, job)

    def _call_ended(self, job: act.Job, outcome: act.Outcome) -> None:
        if isinstance(outcome, act.Succeeded):
            seconds, nanoseconds = self.get_clock().now().seconds_nanoseconds()
            stamped = stamp(outcome.output, seconds=seconds, nanoseconds=nanoseconds)
            outcome = act.Succeeded(stamped)
        self._dispatch(self._state.call_ended, job, outcome)

    # The threads #

    def _turn(self) -> None:
        """Receive inputs."""
        try:
            self._receiver.turn()
        except Exception as error:
            self._survive(error)

    def _spin(self) -> None:
        """Serve all else: commands, services, parameters."""
        while True:
            try:
                self._executor_.spin_once()
            except Exception as error:
                self._survive(error)

    def _beat(self) -> None:
        """Send heartbeats, on a thread: a timer costs the executor 20 times as much.

        They are sent at multiples of their period, by the clock that all processes of a machine
        share: those of several modules then wake the orchestrator, and the machine, once.
        """
        while True:
            now = time.monotonic()
            period = self.values.heartbeat_period
            if now < self._eager_until:
                period = min(period, _EAGER_PERIOD)
            if self._greeted.wait(period - now % period):
                self._greeted.clear()
            self._guarded(self._heartbeat)

    def _greet(self) -> None:
        """Let a new listener know of us; it may take a moment until it hears us."""
        self._eager_until = time.monotonic() + _EAGER
        self._greeted.set()

    def _survive(self, error: Exception) -> None:
        if isinstance(error, (ExternalShutdownException, ShutdownException)):
            self._on_exit()
        else:
            self.get_logger().error(f"{error!r}", throttle_duration_sec=1.0)
        threading.Event().wait(0.1)

    def _guarded(self, callback: Callable[..., None], *args: object) -> None:
        """Nothing that comes in, whatever it holds, may end the node."""
        try:
            callback(*args)
        except Exception as error:
            self.get_logger().warning(f"went on after {error!r}", throttle_duration_sec=1.0)
