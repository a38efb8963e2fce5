"""The ROS node of a module: passes messages to the state machine and carries out its actions."""

from __future__ import annotations

import random
import sys
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from rclpy.executors import ExternalShutdownException, ShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from sustainml_msgs.msg import NodeControl

from sustainml_orchestrator.contract import introspection, names
from sustainml_orchestrator.contract.module_graph import read_pipeline
from sustainml_orchestrator.contract.parameter_service_guard import guard_parameter_services
from sustainml_orchestrator.contract.wait_set import WaitSet
from sustainml_orchestrator.core.credentials import scrub
from sustainml_orchestrator.core.ids import ErrorCode, NodeCommand, TaskCommand, TaskId
from sustainml_orchestrator.processes.fork_server import ForkServer
from sustainml_orchestrator.sdk import actions as act
from sustainml_orchestrator.sdk import parameters
from sustainml_orchestrator.sdk.configure_service import ConfigureService
from sustainml_orchestrator.sdk.input_fetcher import InputFetcher
from sustainml_orchestrator.sdk.lifecycle import ModuleLifecycle
from sustainml_orchestrator.sdk.module_spec import USER_INPUT, ModuleSpec, name_of, spec_of
from sustainml_orchestrator.sdk.settings import Settings, serve_in_threads
from sustainml_orchestrator.sdk.state_machine import StateMachine
from sustainml_orchestrator.sdk.status_publisher import StatusPublisher
from sustainml_orchestrator.sdk.task import BASELINE, ModuleError
from sustainml_orchestrator.sdk.transitions import Trigger
from sustainml_orchestrator.sdk.user_code import Host
from sustainml_orchestrator.sdk.wire_ids import Ticket, read_ticket, stamp
from sustainml_orchestrator.sdk.worker_processes import ProcessWorkers
from sustainml_orchestrator.sdk.worker_threads import WorkerThreads
from sustainml_orchestrator.sdk.workers import BrokenWorkersError, ThreadWorkers, Workers

if TYPE_CHECKING:
    from sustainml_orchestrator.sdk.module import Module

#: Heartbeats follow each other faster, by this period, for so long after a reader matched, in s.
_FREQUENT_PERIOD, _FREQUENT = 0.1, 0.5


class ModuleNode(Node):
    """The node of one module.

    Subscribes to `control` and to the inputs of the module; publishes `status` and
    `<module>/output`; serves `<module>/configure`; calls `orchestrator/get_inputs`.
    Parameters: see `parameters.py`.

    One lock protects the state machine; its actions are carried out under the same lock, so that
    messages are published in the order of the events. User code is called without it.
    """

    def __init__(
        self, cls: type[Module], fork_server: ForkServer, *, on_exit: Callable[[], None]
    ) -> None:
        """Come up INACTIVE; `on_exit` is called at TERMINATE_NODE.

        Raises:
            ValueError: a parameter or the pipeline file has a value that is not permitted.
            TypeError: the class does not describe a module of the pipeline.
        """
        super().__init__(name_of(cls), namespace=names.DEFAULT_NAMESPACE)
        guard_parameter_services(self)
        serve_in_threads(self)
        self._class, self._fork_server, self._on_exit = cls, fork_server, on_exit
        self.values = values = parameters.declare(self)
        graph = read_pipeline(values.pipeline_file) if values.pipeline_file else None
        self._spec = spec = spec_of(cls, graph)
        incarnation = random.SystemRandom().randrange(1, 1 << 64)
        self._lock = threading.RLock()
        self._state = StateMachine(
            module=spec.module,
            instance=self.get_fully_qualified_name(),
            incarnation=incarnation,
            needed=spec.needed,
            limits=values,
        )
        self._ending = False
        self._workers: Workers | None = None
        self._threads = WorkerThreads(values.workers)
        self._evicted = 0
        self._configuration: dict[str, Any] = {}
        self._new_reader = threading.Event()
        self._frequent_until = 0.0
        self._create_endpoints(spec, incarnation)
        self._executor_ = SingleThreadedExecutor()
        self._executor_.add_node(self)

    def _create_endpoints(self, spec: ModuleSpec, incarnation: int) -> None:
        self._statuses = StatusPublisher(
            self, module=spec.module, incarnation=incarnation, matched=self._status_matched
        )
        self._output = self.create_publisher(
            spec.output_type, names.output_topic(spec.module), names.DATA_QOS
        )
        self._fetcher = InputFetcher(
            self,
            spec,
            self.values.fetch_timeout,
            fetched=partial(self._dispatch, self._state.inputs_fetched),
            failed=partial(self._dispatch, self._state.fetch_failed),
        )
        self._inputs = WaitSet(self.context, self._input_failed)
        self._subscribe(spec.inputs, spec.baselines)
        self._mode = self._state.mode
        self._lifecycle = ModuleLifecycle(
            self, spec.module, lambda: self._state.mode, self._obey_transition
        )
        settings = Settings(
            self, spec.module, self._class.parameters, self._configuration, self._ready_workers,
            self.values.configure_timeout,
        )  # fmt: skip
        ConfigureService(self, spec.module, settings.configure)
        introspection.follow(self)

    def start(self) -> None:
        """Publish the first status and start the threads."""
        self._dispatch(self._state.heartbeat)
        if self.values.autostart:
            self._dispatch(self._state.triggered, Trigger.START)
        does = "starts by itself" if self.values.autostart else "waits for START_NODE"
        self.get_logger().info(
            f"module {self._class.module} {does}: {self.values.workers} worker(s), isolation "
            f"{self.values.isolation}; its orchestrator is the one of {self.get_namespace()}"
        )
        self._threads.start()
        for serve in (self._receive_inputs, self._spin, self._send_heartbeats):
            threading.Thread(target=serve, name=serve.__name__, daemon=True).start()

    def stop(self, grace: float) -> bool:
        """Return all tasks to the orchestrator and end user code after `grace` s at most.

        Returns whether all worker threads have ended.
        """
        self._ending = True
        self._dispatch(self._state.triggered, Trigger.TERMINATE)
        ended = self._workers is None or self._workers.end(grace)
        self._statuses.flush(0.2)
        return self._threads.close(0.3) and ended

    # Subscriptions #

    def _subscribe(self, inputs: Mapping[str, type], baselines: Mapping[str, type]) -> None:
        control = partial(self._guarded, self._control)
        self.create_subscription(NodeControl, names.CONTROL, control, names.CONTROL_QOS)
        for name, type_ in inputs.items():
            topic = names.USER_INPUT if name == USER_INPUT else names.output_topic(name)
            self._subscribe_input(type_, topic, name)
        for name, type_ in baselines.items():
            self._subscribe_input(type_, names.baseline_topic(name), BASELINE + name)

    def _subscribe_input(self, type_: type, topic: str, name: str) -> None:
        def take(messages: list[bytes]) -> None:
            for data in messages:
                self._guarded(self._input, name, data)

        self._inputs.subscribe(self, type_, topic, names.DATA_QOS, take)

    def _input(self, name: str, data: bytes) -> None:
        self._dispatch(self._state.input_received, name, read_ticket(data), data)

    def _input_failed(self, what: str) -> None:
        self.get_logger().error(f"{what}: {sys.exc_info()[1]!r}", throttle_duration_sec=1.0)

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
                f"{self._evicted} tasks with missing inputs were dropped so far; "
                "raise max_pending_joins or max_held_bytes"
            )

    def _ready_workers(self) -> Workers | None:
        """The workers, if they can be configured; None while there are none.

        Raises:
            ModuleError: they are being prepared, or failed.
        """
        if self._workers is not None and not self._state.accepts_work:
            text = f"{self._spec.module} is not active; start it first"
            raise ModuleError(text, ErrorCode.REJECTED)
        return self._workers

    # Actions #

    def _dispatch(self, happened: Callable[..., list[act.Action]], *args: object) -> None:
        with self._lock:
            for action in happened(*args):
                # If one fails, the others are still carried out: each Run needs its end.
                self._guarded(self._perform, action)
            if self._state.mode is not self._mode:
                self._mode = self._state.mode
                self._guarded(self._lifecycle.update)

    def _obey_transition(self, trigger: Trigger) -> None:
        """Execute a command that no orchestrator has sent."""
        self._dispatch(self._state.triggered, trigger)

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
                self._threads.submit(partial(self._work, job, self._workers))
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
            return ThreadWorkers(Host(self._class, instance, self._spec), self._configuration)
        return ProcessWorkers(
            self._fork_server,
            instance=instance,
            spec=self._spec,
            count=values.workers,
            cancel_grace=values.cancel_grace,
            configuration=self._configuration,
        )

    def _replace_workers(self, workers: Workers | None, generation: int) -> None:
        """End the old workers, then prepare the new ones, in a thread."""
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
        if self._ending:  # that is why they are: no error
            return
        self.get_logger().error(scrub(str(error)))
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
            self.get_logger().error(scrub(f"task {job.ticket.task_id}: {error}"))
        finally:
            self._dispatch(self._state.slot_freed, job)

    def _call_ended(self, job: act.Job, outcome: act.Outcome) -> None:
        if isinstance(outcome, act.Succeeded):
            seconds, nanoseconds = self.get_clock().now().seconds_nanoseconds()
            stamped = stamp(outcome.output, seconds=seconds, nanoseconds=nanoseconds)
            outcome = act.Succeeded(stamped)
        self._dispatch(self._state.call_ended, job, outcome)

    # Threads #

    def _receive_inputs(self) -> None:
        while True:
            try:
                self._inputs.dispatch(self._inputs.wait(-1))
            except Exception as error:
                self._survive(error)

    def _spin(self) -> None:
        """Serve commands, services and parameters."""
        while True:
            try:
                self._executor_.spin_once()
            except Exception as error:
                self._survive(error)

    def _send_heartbeats(self) -> None:
        """Send heartbeats from a thread: a timer costs the executor 20 times as much.

        They are sent at multiples of the period on the monotonic clock, which all processes of a
        machine share, so that those of several modules wake the orchestrator once.
        """
        while True:
            now = time.monotonic()
            period = self.values.heartbeat_period
            if now < self._frequent_until:
                period = min(period, _FREQUENT_PERIOD)
            if self._new_reader.wait(period - now % period):
                self._new_reader.clear()
            self._guarded(self._heartbeat)

    def _status_matched(self) -> None:
        """Send heartbeats to a reader that has just matched; it may not receive the first ones."""
        self._frequent_until = time.monotonic() + _FREQUENT
        self._new_reader.set()

    def _survive(self, error: Exception) -> None:
        if isinstance(error, (ExternalShutdownException, ShutdownException)):
            self._on_exit()
        else:
            self.get_logger().error(f"{error!r}", throttle_duration_sec=1.0)
        threading.Event().wait(0.1)

    def _guarded(self, callback: Callable[..., None], *args: object) -> None:
        """Call a function; an exception is logged and does not end the node."""
        try:
            callback(*args)
        except Exception as error:
            self.get_logger().warning(f"ignored an error: {error!r}", throttle_duration_sec=1.0)
