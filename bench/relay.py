"""The pipeline in bare rclpy: a hub and six relays, without any logic of ours.

    python -m bench.relay hub --ros-args -r __ns:=/name
    python -m bench.relay app_requirements --ros-args -r __ns:=/name

Default nodes that pass on messages of the same types and sizes, along the same edges: each relay
sends RUNNING, its output and SUCCEEDED when the last of its inputs is there; the hub publishes
one typed update per status, the last of a task when its last output is there.
"""

from __future__ import annotations

import sys
from collections import Counter
from typing import Any

import rclpy
from rclpy.node import Node
from sustainml_msgs.msg import NodeStatus, TaskSummary, UserInput

from bench import work
from sustainml_orchestrator.contract import names
from sustainml_orchestrator.contract.module_graph import read_pipeline
from sustainml_orchestrator.core.pipeline import USER_INPUT

#: Where the hub takes tasks.
TASK = "task"


def hub(node: Node) -> None:
    """Take tasks and hand them to the relays; publish an update per status."""
    user_input = node.create_publisher(UserInput, names.USER_INPUT, names.DATA_QOS)
    updates = node.create_publisher(TaskSummary, names.TASK_UPDATES, names.TASK_UPDATES_QOS)
    summary = work.summary()

    def update(message: Any, status: int) -> None:
        summary.task_id = message.task_id
        summary.problem_short_description = work.text(message.task_id.problem_id)
        summary.task_status = status
        updates.publish(summary)

    def on_status(status: NodeStatus) -> None:
        if (status.node_name, status.task_status) != (work.LAST, NodeStatus.TASK_SUCCEEDED):
            update(status, NodeStatus.TASK_RUNNING)

    def on_output(output: Any) -> None:
        """It is nothing to the hub."""

    def on_last_output(output: Any) -> None:
        update(output, NodeStatus.TASK_SUCCEEDED)

    node.create_subscription(UserInput, TASK, user_input.publish, names.DATA_QOS)
    node.create_subscription(NodeStatus, names.STATUS, on_status, names.STATUS_QOS)
    for module, kind in work.TYPES.items():
        take = on_last_output if module == work.LAST else on_output
        node.create_subscription(kind, names.output_topic(module), take, names.DATA_QOS)


def relay(node: Node, module: str) -> None:
    """Pass on a task once all its inputs are there."""
    sources = read_pipeline("").by_name[module].inputs
    statuses = node.create_publisher(NodeStatus, names.STATUS, names.STATUS_QOS)
    outputs = node.create_publisher(work.TYPES[module], names.output_topic(module), names.DATA_QOS)
    author = node.get_fully_qualified_name()
    status = NodeStatus(node_name=module, instance=author, node_status=NodeStatus.NODE_RUNNING)
    status.header.frame_id = author
    seen: Counter[int] = Counter()

    def on_input(message: Any) -> None:
        number = message.task_id.problem_id
        seen[number] += 1
        if seen[number] < len(sources):
            return
        del seen[number]
        output = work.answer(module, work.text(number))
        output.header.frame_id = author
        output.task_id = status.task_id = message.task_id
        status.task_status = NodeStatus.TASK_RUNNING
        statuses.publish(status)
        outputs.publish(output)
        status.task_status = NodeStatus.TASK_SUCCEEDED
        statuses.publish(status)

    for name in sources:
        topic = names.USER_INPUT if name == USER_INPUT else names.output_topic(name)
        kind = UserInput if name == USER_INPUT else work.TYPES[name]
        node.create_subscription(kind, topic, on_input, names.DATA_QOS)


if __name__ == "__main__":
    rclpy.init()
    role = sys.argv[1]
    made = Node(role)
    if role == "hub":
        hub(made)
    else:
        relay(made, role)
    print("up", flush=True)
    rclpy.spin(made)
