"""A client that fills places of an orchestrator and waits: to be killed.

python waiting_client.py NAMESPACE CALLS GOALS
"""

from __future__ import annotations

import sys

import rclpy
from rclpy.action import ActionClient
from rclpy.node import Node
from sustainml_msgs.action import RunTask
from sustainml_msgs.msg import UserInput
from sustainml_msgs.srv import ConfigureNode

from sustainml_orchestrator.contract import names


def main() -> None:
    """Say "waiting" once every goal is accepted and every call is made."""
    namespace, calls, goals = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    rclpy.init()
    node = Node("waiting_client", namespace=namespace)
    action = ActionClient(
        node, RunTask, names.RUN_TASK, goal_service_qos_profile=names.SERVICE_QOS,
        result_service_qos_profile=names.SERVICE_QOS,
    )  # fmt: skip
    service = node.create_client(
        ConfigureNode, names.service("configure_node"), qos_profile=names.SERVICE_QOS
    )
    action.wait_for_server()
    service.wait_for_service()
    sent = []
    for number in range(goals):
        user_input = UserInput(problem_definition=f"goal {number}")
        sent.append(action.send_goal_async(RunTask.Goal(user_input=user_input)))
    for future in sent:
        rclpy.spin_until_future_complete(node, future)
        future.result().get_result_async()
    for _ in range(calls):
        service.call_async(ConfigureNode.Request(node_name="first", timeout=300.0))
    print("waiting", flush=True)
    rclpy.spin(node)


if __name__ == "__main__":
    main()
