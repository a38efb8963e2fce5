"""Topics, services and the action of a framework, with the nodes at both ends of each.

The reference of the ROS interface and the security policy are written from this table; a test
compares it with the nodes as they run.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rclpy.qos import QoSProfile

from sustainml_orchestrator.contract import names
from sustainml_orchestrator.contract.enclaves import FRONT_END
from sustainml_orchestrator.contract.module_graph import type_name
from sustainml_orchestrator.core.pipeline import USER_INPUT, ModuleSpec, Pipeline
from sustainml_orchestrator.sdk.module_spec import CONSUMED

_LOCAL = QoSProfile(depth=10)
_PARAMETERS = {
    "describe_parameters": "DescribeParameters",
    "get_parameter_types": "GetParameterTypes",
    "get_parameters": "GetParameters",
    "list_parameters": "ListParameters",
    "set_parameters": "SetParameters",
    "set_parameters_atomically": "SetParametersAtomically",
}
_LIFECYCLE = {
    "get_state": "GetState",
    "change_state": "ChangeState",
    "get_available_states": "GetAvailableStates",
    "get_available_transitions": "GetAvailableTransitions",
    "get_transition_graph": "GetAvailableTransitions",
}
_PURPOSES = {
    "start_task": "starts a new problem",
    "start_iteration": "starts a further iteration of a problem",
    "get_task": "returns a task with the outputs of its modules",
    "list_tasks": "lists tasks page by page",
    "control_task": "stops, resets, preempts or terminates a task",
    "delete_problem": "deletes a problem with all its iterations",
    "get_node_status": "returns the state of the modules",
    "control_node": "starts, stops, resets or terminates modules",
    "configure_node": "changes or shows the configuration of a module",
    "get_inputs": "returns the inputs of an open step to its module",
    "compare_iterations": "sets the iterations of a problem side by side",
    "get_history": "returns what happened to tasks and nodes",
}
#: Services that modules call; all others are called by front-ends.
_CALLED_BY_MODULES = {"get_inputs", "control_node"}


@dataclass(frozen=True)
class Topic:
    """A topic: name, in the namespace of the framework or absolute; type, QoS and both ends.

    Attributes:
        standard: whether every ROS 2 node, or every managed node, has the like.
    """

    name: str
    type: str
    qos: QoSProfile
    publishers: tuple[str, ...]
    subscribers: tuple[str, ...]
    purpose: str
    standard: bool = False


@dataclass(frozen=True)
class Service:
    """A service, or the action: name in the namespace of the framework, type and both ends."""

    name: str
    type: str
    servers: tuple[str, ...]
    clients: tuple[str, ...]
    purpose: str
    standard: bool = False


@dataclass(frozen=True)
class Interface:
    """All that the nodes of one framework have in the ROS graph."""

    nodes: tuple[str, ...]
    topics: tuple[Topic, ...]
    services: tuple[Service, ...]
    action: Service


def interface(pipeline: Pipeline) -> Interface:
    """The interface of a framework with that module graph."""
    modules = {spec.name: _instances(spec) for spec in pipeline.modules}
    nodes = (names.ORCHESTRATOR, *(node for found in modules.values() for node in found))
    managed = {spec.name for spec in pipeline.modules if spec.lifecycle == "managed"}
    standard = [part for node in nodes for part in _standard_services(node, node in managed)]
    action = Service(
        names.RUN_TASK, "sustainml_msgs/action/RunTask", (names.ORCHESTRATOR,), (FRONT_END,),
        "runs a problem to its end, with feedback",
    )  # fmt: skip
    return Interface(
        nodes,
        (*_shared_topics(nodes[1:]), *_data_topics(pipeline, modules), *_standard_topics(nodes)),
        (*_orchestrator_services(nodes[1:]), *_module_services(pipeline, modules), *standard),
        action,
    )


def _instances(spec: ModuleSpec) -> tuple[str, ...]:
    """The nodes of a module, by the names that `sustainml up` gives to them."""
    return (spec.name, *(f"{spec.name}_{number}" for number in range(2, spec.replicas + 1)))


def _shared_topics(modules: tuple[str, ...]) -> Iterable[Topic]:
    orchestrator, front_end = (names.ORCHESTRATOR,), (FRONT_END,)
    message = "sustainml_msgs/msg/"
    yield Topic(
        names.CONTROL, f"{message}NodeControl", names.CONTROL_QOS, orchestrator, modules,
        "commands about nodes and tasks",
    )  # fmt: skip
    yield Topic(
        names.STATUS, f"{message}NodeStatus", names.STATUS_QOS, modules, orchestrator,
        "state of the nodes and of their tasks: on change, and once per heartbeat period",
    )  # fmt: skip
    yield Topic(
        names.TASK_UPDATES, f"{message}TaskSummary", names.TASK_UPDATES_QOS, orchestrator,
        front_end, "every change of a task",
    )  # fmt: skip
    yield Topic(
        names.SYSTEM_STATE, f"{message}SystemState", names.SYSTEM_STATE_QOS, orchestrator,
        # The orchestrator looks for another one in its namespace.
        (*front_end, *orchestrator), "nodes, counts of tasks, ready or why not",
    )  # fmt: skip
    yield Topic(
        "/diagnostics", "diagnostic_msgs/msg/DiagnosticArray", _LOCAL, orchestrator, front_end,
        "health of nodes and tasks, for rqt and monitors",
    )  # fmt: skip


def _data_topics(pipeline: Pipeline, modules: dict[str, tuple[str, ...]]) -> Iterable[Topic]:
    orchestrator = (names.ORCHESTRATOR,)

    def consumers(name: str) -> tuple[str, ...]:
        takers = (spec.name for spec in pipeline.modules if name in spec.inputs)
        return tuple(node for taker in takers for node in modules[taker])

    yield Topic(
        names.USER_INPUT, "sustainml_msgs/msg/UserInput", names.DATA_QOS, orchestrator,
        consumers(USER_INPUT), "the problem as stated: a task begins",
    )  # fmt: skip
    for spec in pipeline.modules:
        yield Topic(
            names.output_topic(spec.name), type_name(spec), names.DATA_QOS, modules[spec.name],
            (*orchestrator, *consumers(spec.name)), f"what {spec.name} delivers",
        )  # fmt: skip
    # Which of the baselines a module of one's own takes, its class says.
    takers = tuple(
        node
        for name, nodes in modules.items()
        if name == "ml_model_provider" or name not in CONSUMED
        for node in nodes
    )
    for spec in pipeline.baselines:
        yield Topic(
            names.baseline_topic(spec.name), type_name(spec), names.DATA_QOS, orchestrator,
            takers, f"output of {spec.name} in the iteration built upon",
        )  # fmt: skip


def _standard_topics(nodes: tuple[str, ...]) -> Iterable[Topic]:
    log = QoSProfile(depth=1000, durability=names.SYSTEM_STATE_QOS.durability)
    events = QoSProfile(depth=1000)
    yield Topic("/rosout", "rcl_interfaces/msg/Log", log, nodes, (), "the log", True)
    yield Topic(
        "/parameter_events", "rcl_interfaces/msg/ParameterEvent", events, (*nodes, FRONT_END),
        (names.ORCHESTRATOR,), "parameters that have changed", True,
    )  # fmt: skip
    for node in nodes:
        yield Topic(
            f"{node}/transition_event", "lifecycle_msgs/msg/TransitionEvent", _LOCAL, (node,), (),
            "states of the node that have changed", True,
        )  # fmt: skip


def _orchestrator_services(modules: tuple[str, ...]) -> Iterable[Service]:
    for name, type_ in names.SERVICES.items():
        callers = () if name == "get_inputs" else (FRONT_END,)
        if name in _CALLED_BY_MODULES:
            callers += modules
        yield Service(
            names.service(name), f"sustainml_msgs/srv/{type_}", (names.ORCHESTRATOR,), callers,
            _PURPOSES[name],
        )  # fmt: skip


def _module_services(pipeline: Pipeline, modules: dict[str, tuple[str, ...]]) -> Iterable[Service]:
    for spec in pipeline.modules:
        yield Service(
            names.configure_service(spec.name), "sustainml_msgs/srv/Configure",
            modules[spec.name], (names.ORCHESTRATOR,), f"changes or shows the configuration of "
            f"{spec.name}",
        )  # fmt: skip


def _standard_services(node: str, managed: bool) -> Iterable[Service]:
    """What any node serves; the orchestrator moves those that are `lifecycle: managed`."""
    described = "type_description_interfaces/srv/GetTypeDescription"
    own = {name: f"rcl_interfaces/srv/{type_}" for name, type_ in _PARAMETERS.items()}
    own |= {name: f"lifecycle_msgs/srv/{type_}" for name, type_ in _LIFECYCLE.items()}
    own["get_type_description"] = described
    if node == names.ORCHESTRATOR:
        own["get_logger_levels"] = "rcl_interfaces/srv/GetLoggerLevels"
        own["set_logger_levels"] = "rcl_interfaces/srv/SetLoggerLevels"
    for name, type_ in own.items():
        callers: tuple[str, ...] = ()
        if (node, name) == (names.ORCHESTRATOR, "get_parameters"):
            callers = (FRONT_END,)  # `sustainml doctor` asks for a limit
        elif managed and name in ("get_state", "change_state"):
            callers = (names.ORCHESTRATOR,)
        yield Service(f"{node}/{name}", type_, (node,), callers, "", True)
