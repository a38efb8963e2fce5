"""What goes out: user inputs, baselines, commands, and the news for front-ends."""

from __future__ import annotations

from rclpy.node import Node
from rclpy.serialization import serialize_message
from sustainml_msgs.msg import NodeControl, SystemState, TaskSummary, UserInput

import sustainml_orchestrator
from sustainml_orchestrator.contract import names
from sustainml_orchestrator.contract.cdr import Ids, with_ids
from sustainml_orchestrator.contract.module_graph import output_type
from sustainml_orchestrator.core.commands import PublishBaseline, PublishUserInput, SendControl
from sustainml_orchestrator.core.ids import TaskStatus
from sustainml_orchestrator.core.orchestrator import Orchestrator
from sustainml_orchestrator.core.task import Task
from sustainml_orchestrator.node import conversions, summaries


class Publishers:
    """The publishers of the orchestrator."""

    def __init__(self, node: Node, core: Orchestrator) -> None:
        self._node = node
        self._core = core
        self._author = node.get_fully_qualified_name()
        self._control = node.create_publisher(NodeControl, names.CONTROL, names.CONTROL_QOS)
        self._user_input = node.create_publisher(UserInput, names.USER_INPUT, names.DATA_QOS)
        self._updates = node.create_publisher(
            TaskSummary, names.TASK_UPDATES, names.TASK_UPDATES_QOS
        )
        self._system = node.create_publisher(
            SystemState, names.SYSTEM_STATE, names.SYSTEM_STATE_QOS
        )
        self._baselines = {}
        self._no_baseline = {}
        for spec in core.pipeline.baselines:
            message_type = output_type(spec)
            self._baselines[spec.index] = node.create_publisher(
                message_type, names.baseline_topic(spec.name), names.DATA_QOS
            )
            self._no_baseline[spec.index] = serialize_message(message_type())

    def renew_control(self) -> None:
        """Replace the publisher of control by a new one; unconfirmed commands are sent again."""
        self._node.destroy_publisher(self._control)
        self._control = self._node.create_publisher(NodeControl, names.CONTROL, names.CONTROL_QOS)

    @property
    def consumers(self) -> int:
        """Subscriptions matched with the publisher of user_input."""
        return int(self._user_input.get_subscription_count())

    def publish_user_input(self, command: PublishUserInput) -> None:
        """Hand a task to the modules that begin the pipeline."""
        ids = Ids(command.task_id, command.attempt, self._core.session, command.token)
        self._user_input.publish(with_ids(command.payload, ids, self._core.context.stamp))

    def publish_baseline(self, command: PublishBaseline) -> None:
        """Tell a later iteration what its base brought; a default message where nothing."""
        ids = Ids(command.task_id, command.attempt, self._core.session, command.token)
        payload = command.payload or self._no_baseline[command.module]
        self._baselines[command.module].publish(with_ids(payload, ids))

    def send_control(self, command: SendControl) -> None:
        """Command a module."""
        message = conversions.control_to_msg(command, self._core.session, self._author)
        message.header.stamp = conversions.time_to_msg(self._core.context.stamp)
        self._control.publish(message)

    def announce_task(self, iteration: Task) -> None:
        """Publish the summary of a task that changed."""
        self._updates.publish(summaries.serialize(self._core, iteration))

    @property
    def has_listeners(self) -> bool:
        """Whether anyone listens to task_updates."""
        return bool(self._updates.get_subscription_count())

    def announce_system(self) -> None:
        """Publish nodes and counts."""
        self._system.publish(self.system_state())

    def readiness(self) -> tuple[bool, str]:
        """Whether tasks can start, and why not; "" when they can."""
        lifecycle, superior = self._core.lifecycle, self._core.duplicate_check.reason
        return lifecycle.ready and not superior, superior or lifecycle.reason()

    def system_state(self) -> SystemState:
        """Nodes, counts, and whether all is ready."""
        core = self._core
        store = core.store
        ready, reason = self.readiness()
        return SystemState(
            stamp=conversions.time_to_msg(core.context.stamp),
            revision=store.revision,
            session=core.session,
            incarnation=core.duplicate_check.incarnation,
            version=sustainml_orchestrator.__version__,
            nodes=[conversions.node_to_msg(core, node) for node in core.lifecycle.nodes],
            ready=ready,
            reason=reason,
            waiting=store.count(TaskStatus.WAITING),
            running=store.count(TaskStatus.RUNNING),
            succeeded=store.count(TaskStatus.SUCCEEDED),
            failed=store.count(TaskStatus.ERROR),
            stopped=store.count(TaskStatus.STOPPED) + store.count(TaskStatus.TERMINATED),
        )
