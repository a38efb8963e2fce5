"""Topics, services, actions and their QoS: the names of the public contract, once.

All names are relative: remapping the namespace moves a whole framework. Depths are sized for
100 active tasks; with the default depth of 10 a burst of calls or commands is silently lost.
"""

from __future__ import annotations

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

DEFAULT_NAMESPACE = "/sustainml"
ORCHESTRATOR = "orchestrator"

CONTROL = "control"
STATUS = "status"
#: Of all nodes of the domain, whatever their namespace; ROS 2 sets its name and QoS.
PARAMETER_EVENTS = "/parameter_events"
USER_INPUT = "user_input"
TASK_UPDATES = "orchestrator/task_updates"
SYSTEM_STATE = "orchestrator/system_state"
RUN_TASK = "orchestrator/run_task"

#: Services of the orchestrator: name under ``orchestrator/`` → interface type name.
SERVICES = {
    "start_task": "StartTask",
    "start_iteration": "StartIteration",
    "get_task": "GetTask",
    "list_tasks": "ListTasks",
    "control_task": "ControlTask",
    "delete_problem": "DeleteProblem",
    "get_node_status": "GetNodeStatus",
    "control_node": "ControlNode",
    "configure_node": "ConfigureNode",
    "get_inputs": "GetInputs",
    "compare_iterations": "CompareIterations",
    "get_history": "GetHistory",
}


def output_topic(module: str) -> str:
    """Topic on which a module publishes its output."""
    return f"{module}/output"


def baseline_topic(module: str) -> str:
    """Topic on which the orchestrator publishes the base iteration's output of a module."""
    return f"{module}/baseline"


def configure_service(module: str) -> str:
    """Service by which a module is configured."""
    return f"{module}/configure"


def service(name: str) -> str:
    """Full relative name of one of the orchestrator's services."""
    return f"{ORCHESTRATOR}/{name}"


def _reliable(depth: int, durability: DurabilityPolicy = DurabilityPolicy.VOLATILE) -> QoSProfile:
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE,
        durability=durability,
    )


CONTROL_QOS = _reliable(2000)
STATUS_QOS = _reliable(5000)
#: user_input, baselines and outputs
DATA_QOS = _reliable(1000)
#: A task has some 20 updates, and a busy listener may not run for a second.
TASK_UPDATES_QOS = _reliable(10_000)
SYSTEM_STATE_QOS = _reliable(1, DurabilityPolicy.TRANSIENT_LOCAL)
#: services, the action's services and its feedback, on both sides
SERVICE_QOS = _reliable(1000)
