"""The orchestrator as a ROS 2 node: carries events into the core and its commands out.

ros2 run sustainml_orchestrator orchestrator --ros-args -p journal_path:=/tmp/journal.sqlite
"""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node

from sustainml_orchestrator.contract import discovery, introspection, names, shared_memory
from sustainml_orchestrator.contract.claim import Claim
from sustainml_orchestrator.contract.complaint import complain
from sustainml_orchestrator.contract.exit_codes import ExitCode
from sustainml_orchestrator.contract.module_graph import read_pipeline
from sustainml_orchestrator.contract.parameter_file import warn_of_mistakes
from sustainml_orchestrator.contract.parameter_service_guard import guard_parameter_services
from sustainml_orchestrator.contract.parameters import ParameterError
from sustainml_orchestrator.contract.signals import on_end
from sustainml_orchestrator.core.commands import (
    AnnounceSystem,
    AnnounceTask,
    ChangeLifecycle,
    Command,
    ConfigureNode,
    Leave,
    Log,
    PublishBaseline,
    PublishUserInput,
    Reply,
    Save,
    SendControl,
)
from sustainml_orchestrator.core.context import Instant
from sustainml_orchestrator.core.duplicate_check import make_incarnation
from sustainml_orchestrator.core.events import (
    BatchEnded,
    ConsumersMatched,
    Event,
    PeerObserved,
    TimePassed,
)
from sustainml_orchestrator.core.ids import TaskId
from sustainml_orchestrator.core.pipeline import Pipeline, PipelineError
from sustainml_orchestrator.core.settings import Settings
from sustainml_orchestrator.core.text import exception_text
from sustainml_orchestrator.node import outputs, parameters, service_manager
from sustainml_orchestrator.node.clients import Clients
from sustainml_orchestrator.node.configuration import Configuration
from sustainml_orchestrator.node.diagnostics import Diagnostics
from sustainml_orchestrator.node.duplicate_check import DuplicateCheck, find_peer
from sustainml_orchestrator.node.goals import Goals
from sustainml_orchestrator.node.lifecycle import OrchestratorLifecycle
from sustainml_orchestrator.node.log import LogWriter
from sustainml_orchestrator.node.loop import Loop
from sustainml_orchestrator.node.malloc_trim import Memory
from sustainml_orchestrator.node.managed_nodes import ManagedNodes
from sustainml_orchestrator.node.pending_calls import PendingCalls
from sustainml_orchestrator.node.persistence import open_journal
from sustainml_orchestrator.node.publishers import Publishers
from sustainml_orchestrator.node.reception_watch import ReceptionWatch
from sustainml_orchestrator.node.recording import Recording
from sustainml_orchestrator.node.requests import Limits, derive_user_input
from sustainml_orchestrator.node.services import Services
from sustainml_orchestrator.node.starting import StartError, exit_code, refusals, start_ros
from sustainml_orchestrator.node.subscriptions import Subscriptions
from sustainml_orchestrator.storage import JournalError

_RANDOM = random.SystemRandom()
#: Period of the check of deadlines, in s: while there is work, and while there is none.
_BUSY_TICK = 0.05
_IDLE_TICK = 0.5
#: The longest time between two publications of system_state and diagnostics, in s.
_STATE_PERIOD = 5.0
_DIAGNOSTICS_PERIOD = 1.0


class OrchestratorNode(Node):
    """The orchestrator node.

    Subscribes: status (NodeStatus), <module>/output (the six outputs), /parameter_events.
    Publishes: control (NodeControl), user_input (UserInput), <module>/baseline,
        orchestrator/task_updates (TaskSummary), orchestrator/system_state (SystemState, latched),
        /diagnostics.
    Serves: orchestrator/{start_task, start_iteration, get_task, list_tasks, control_task,
        delete_problem, compare_iterations, get_node_status, control_node, configure_node,
        get_inputs, get_history}; the action orchestrator/run_task.
    Calls: <module>/configure.
    Parameters: see docs/parameters.md.
    """

    def __init__(self, loop: Loop, **kwargs: Any) -> None:
        kwargs = {"enable_logger_service": True, **kwargs}
        with refusals():
            super().__init__(names.ORCHESTRATOR, namespace=names.DEFAULT_NAMESPACE, **kwargs)
        guard_parameter_services(self)
        self._loop = loop
        self._settings = settings = Settings()
        self._limits, self._dropped = Limits(), Counter[str]()
        parameters.declare(self, settings, self._read_limits)
        self._read_limits()
        pipeline = read_pipeline(str(self.get_parameter("pipeline_file").value))
        self._claim_name()
        self._persistence = open_journal(self, pipeline, loop.end_wait)
        self._make_core(pipeline)
        self._changed_tasks: dict[TaskId, None] = {}
        self._system_changed = True
        self._announced_revision = -1
        self._notified, self._leave_reason = (False, ""), ""
        self._state_due = self._diagnostics_due = 0.0
        self._tick_at, self._period, self._matched = 0.0, _BUSY_TICK, -1
        self._watchdog = service_manager.Watchdog()
        self._log = LogWriter(self)
        restored = self._restore()
        self._make_endpoints(pipeline)
        self._carry_out(restored)

    def _claim_name(self) -> None:
        """Make sure that no other orchestrator is active in this namespace.

        Raises:
            StartError: one is.
        """
        self._claim = Claim(self.get_namespace())
        # With the claim, and where only this machine can be reached, there is none.
        ours = self._claim.is_ours
        alone = ours and discovery.is_local()
        if peer := "" if alone else find_peer(self, claimed=ours is False):
            self.destroy_node()
            raise StartError(peer)

    def _make_core(self, pipeline: Pipeline) -> None:
        limit = int(self.get_parameter("flight_recorder_bytes").value)
        self._recording = Recording(self._persistence.place, limit)
        self.core = self._recording.make_core(
            pipeline=pipeline,
            settings=self._settings,
            session=self._persistence.session or _RANDOM.randrange(1, 2**32),
            incarnation=make_incarnation(time.time(), _RANDOM.randrange(2**32)),
            draw_token=lambda: _RANDOM.randrange(1, 2**32),
            derive=derive_user_input,
            exhausted=partial(outputs.is_exhausted, pipeline),
            journalled=bool(self._persistence.place),
        )

    def _restore(self) -> list[Command]:
        """Read the journal into the core; returns what follows from it."""
        self._log.warn_of_journal(self._persistence.warnings())
        restored = self._persistence.restored()
        commands = self._recording.handle(self.core, restored, self._instant())
        self._log.begin(self.core, self._persistence.place)
        return commands

    def _make_endpoints(self, pipeline: Pipeline) -> None:
        self._own_publishers = publishers = Publishers(self, self.core)
        self._calls = PendingCalls(
            self.dispatch, self.saved, self._loop.wake,
            lambda: int(self.get_parameter("max_pending_calls").value),
        )  # fmt: skip
        managed = ManagedNodes(self, pipeline, self._settings, self.dispatch)
        self._carry: dict[type, Callable[[Any], None]] = {
            PublishUserInput: publishers.publish_user_input,
            PublishBaseline: publishers.publish_baseline,
            SendControl: publishers.send_control,
            ChangeLifecycle: managed.change,
            AnnounceTask: lambda command: self._changed_tasks.setdefault(command.task_id),
            AnnounceSystem: self._note_system,
            Reply: self._calls.reply,
            Log: self._log.write,
            Save: self._persistence.save,
            Leave: self._note_leave,
        }
        self._watched_clients = Clients(self)
        configuration = Configuration(self, self.dispatch)
        self._carry[ConfigureNode] = configuration.apply
        services = Services(
            self, self._loop, self.core, self._calls, self._watched_clients, self._limits,
            configuration, self.saved,
        )  # fmt: skip
        self._goals = Goals(
            self, self.core, self._calls, self._watched_clients, services.submission,
            lambda: self._settings.max_waiting_tasks,
        )  # fmt: skip
        OrchestratorLifecycle(self, self._loop, self._calls)
        subscriptions = Subscriptions(
            self, self._loop, self.core, self.dispatch, self._dropped, managed.adopt
        )
        self._make_watches(subscriptions, publishers)

    def _make_watches(self, subscriptions: Subscriptions, publishers: Publishers) -> None:
        """What looks after the others."""
        self._diagnostics = Diagnostics(
            self, self.core, self._dropped, self._calls, lambda: self._persistence.space
        )  # fmt: skip
        self._duplicate_check = DuplicateCheck(
            self, lambda peer: self.dispatch([PeerObserved(peer.incarnation, peer.session)])
        )
        lifecycle = self.core.lifecycle
        self._reception_watch = ReceptionWatch(self, lifecycle, subscriptions, publishers)
        self._loop.after_taking, self._loop.after_spin = self._end_batch, self._announce
        introspection.follow(self)
        self._memory = Memory()

    def _read_limits(self) -> None:
        for name in ("max_text_bytes", "max_request_bytes", "max_list_entries"):
            setattr(self._limits, name, self.get_parameter(name).value)

    # The loop: events in, commands out #

    def dispatch(self, events: list[Event]) -> None:
        """Let the core handle the events, then execute its commands.

        While a batch of messages and requests is taken, saving is deferred to share one commit.
        """
        if not self.core.lifecycle.ready:
            events = [*events, TimePassed()]  # what a node waits for may have come: no need to wait
        self._handle(events)
        if not self._loop.taking:
            self._end_batch()

    def _handle(self, events: list[Event]) -> None:
        now = self._instant()
        for event in events:
            try:
                commands = self._recording.handle(self.core, event, now)
            except Exception:
                self.get_logger().error(f"{type(event).__name__}:\n{exception_text()}")
            else:
                self._carry_out(commands)

    def _end_batch(self) -> None:
        """Handle the outcomes of commits, then start a commit of what has changed."""
        outcomes = self._persistence.outcomes()
        if outcomes:
            self._handle(outcomes)
        if self.core.persistence.unsaved:
            self._handle([BatchEnded()])
        self._persistence.resume(self.core)
        if self._log.update_journal(self.core.persistence.failed):
            self.get_logger().error(self.core.persistence.failed, throttle_duration_sec=10.0)
        self._log.update(self.core)

    async def saved(self) -> bool:
        """Wait until all that the store shows now is persistent; False when it will not be."""
        return await self._persistence.saved(self.core)

    def _instant(self) -> Instant:
        return Instant(time.monotonic(), self.get_clock().now().nanoseconds)

    def close(self) -> None:
        """Write what is left, and close the journal."""
        self._persistence.close(self._handle, self.core)
        self._recording.close(self.core)

    def _carry_out(self, commands: list[Command]) -> None:
        for command in commands:
            try:
                self._carry[type(command)](command)
            except Exception:
                self.get_logger().error(f"{type(command).__name__}:\n{exception_text()}")

    def _announce(self) -> None:
        """Publish what has changed since the last spin; of each task its present state alone."""
        self._announce_tasks()
        if self._system_changed:
            self._announce_system()

    def _note_system(self, command: AnnounceSystem) -> None:
        self._system_changed = True

    def _note_leave(self, command: Leave) -> None:
        self._leave_reason = command.reason

    def _announce_tasks(self) -> None:
        changed, self._changed_tasks = self._changed_tasks, {}
        subscribed, followed = self._own_publishers.has_listeners, self._goals.followed
        for task_id in changed if subscribed or followed else ():
            iteration = self.core.store.find(task_id)
            if self.core.persistence.shows_unsaved(task_id):
                self._changed_tasks[task_id] = None
                continue
            if iteration is not None and subscribed:
                self._own_publishers.announce_task(iteration)
            if iteration is not None and followed:
                self._goals.update(iteration)

    def _announce_system(self) -> None:
        self._system_changed = False
        self._announced_revision = self.core.store.revision
        self._state_due = self.core.context.now + _STATE_PERIOD
        self._own_publishers.announce_system()
        self._log.update_readiness(self.core)
        ready, reason = self._own_publishers.readiness()
        if (ready, reason) != self._notified:
            self._notified = ready, reason
            service_manager.notify(ready, reason or "ready")

    # Time #

    def spin_once(self) -> None:
        """Serve what is ready; check the deadlines when that is due.

        No timer of rclpy does that: each of its wake-ups costs as much as ten of ours.

        Raises:
            StartError: another orchestrator stays in the place of this one.
        """
        if self._leave_reason:
            self._announce_system()
            raise StartError(self._leave_reason)
        self._loop.spin_once(max(0.0, self._tick_at - time.monotonic()))
        left = self._tick_at - (now := time.monotonic())
        self._watchdog.beat(now)
        if left <= self._period / 4:  # what woke us just before saves us a wake-up
            self._tick()
            self._announce()
            self._loop.look_again()
            self._period = self._tick_period()
            self._tick_at = min(now + self._period, self.core.lifecycle.first_loss(now))
        elif left > _BUSY_TICK and self._tick_period() < self._period:
            self._period = _BUSY_TICK
            self._tick_at = now + _BUSY_TICK

    def _tick_period(self) -> float:
        """Period of the check of deadlines (s): short while there is work."""
        core = self.core
        idle = not core.tasks.running and core.operations.idle and core.lifecycle.ready
        return _IDLE_TICK if idle else _BUSY_TICK

    def _tick(self) -> None:
        events: list[Event] = [TimePassed()]
        if self._own_publishers.consumers != self._matched:
            self._matched = self._own_publishers.consumers
            events.insert(0, ConsumersMatched(self._matched))
        self.dispatch(events)
        self._recording.update(self.core)
        now = self.core.context.now
        if now >= self._diagnostics_due:
            self._diagnostics_due = now + _DIAGNOSTICS_PERIOD
            self._diagnostics.publish()
            self._log.warn_of_journal(self._persistence.warnings())
            self._log.update_recording(self._recording.trouble)
            self._memory.update(self.core.store.payload_bytes)
            self._watched_clients.update()
            self._reception_watch.update()
            several = self._duplicate_check.update()
            if several or self.core.store.revision != self._announced_revision:
                self._announce_system()
        if now >= self._state_due:
            self._announce_system()
            self._loop.look_around()


def main(args: list[str] | None = None) -> NoReturn:
    """Run the node until a signal; end with an `ExitCode` and a sentence if it cannot start."""
    ending = False

    def end(_: int) -> None:
        # Nothing is shut down here: whatever the signal interrupts must be able to finish.
        nonlocal ending
        ending = True

    on_end(end)
    shared_memory.remove_leftovers()
    discovery.prefer_profile()
    code = ExitCode.OK
    node = None
    try:
        start_ros(args)
        loop = Loop()
        node = OrchestratorNode(loop)
        warn_of_mistakes(node, args, node.core.pipeline.by_name)
        loop.add_node(node)
        while not (ending or loop.ended):
            node.spin_once()
    except (StartError, PipelineError, ParameterError, JournalError) as error:
        complain(f"orchestrator: {error}")
        code = exit_code(error)
    except ExternalShutdownException:
        pass
    finally:
        if node is not None:
            node.close()
        rclpy.try_shutdown()
    if node is None:
        sys.exit(code)  # leaves the graph in order: DDS would show its endpoints for 20 s more
    shared_memory.end_process(code)


if __name__ == "__main__":
    main()
