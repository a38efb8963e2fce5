"""The table of topics, services and the action, and the security policy, against running nodes."""

from __future__ import annotations

import os
import subprocess
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import rclpy
from rclpy.action import ActionClient
from rclpy.context import Context
from rclpy.node import Node
from ros_interface import interface
from security_policy import policy
from support.system import wait_for
from support.up_process import Up, sustainml
from sustainml_msgs.msg import NodeControl, SystemState, UserInput
from sustainml_msgs.srv import StartTask

from sustainml_orchestrator.client import ClientError, OrchestratorClient
from sustainml_orchestrator.contract import names
from sustainml_orchestrator.contract.enclaves import FRONT_END
from sustainml_orchestrator.contract.exit_codes import ExitCode
from sustainml_orchestrator.contract.module_graph import read_pipeline
from sustainml_orchestrator.core.ids import NodeCommand, TaskCommand, TaskId
from sustainml_orchestrator.processes.programs import programs

#: A right: publish, subscribe, reply, request, execute or call; and the full name.
Rights = set[tuple[str, str]]
TABLE = interface(read_pipeline(""))
NODES = TABLE.nodes
PROBLEM = UserInput(problem_definition="tell cats from dogs in photos")


@pytest.fixture(scope="module")
def up() -> Iterator[Up]:
    made = Up("--isolation", "thread")
    try:
        made.wait_for_line("[up] ready")
        yield made
    finally:
        made.end()


@contextmanager
def probe() -> Iterator[Node]:
    """A node in another namespace that looks at the graph."""
    context = Context()
    rclpy.init(context=context)
    node = rclpy.create_node(f"probe_{os.getpid()}", context=context)
    try:
        yield node
    finally:
        node.destroy_node()
        context.try_shutdown()


def eventually(right: Callable[[Node], object], told: Callable[[Node], object]) -> None:
    """Until it is right what a node sees; one that has not discovered all is replaced by another.

    Raises:
        AssertionError: with what is `told`, none of three sees it.
    """
    for last in (False, False, True):
        with probe() as node:
            try:
                wait_for(lambda: right(node), 15.0, lambda: str(told(node)))
            except AssertionError:
                if last:
                    raise
            else:
                return


def rights_in(text: str) -> dict[str, Rights]:
    """What a policy grants, by the path of the enclave."""
    found: dict[str, Rights] = {}
    for enclave in ElementTree.fromstring(text).iter("enclave"):
        rights = found.setdefault(enclave.get("path", ""), set())
        for profile in enclave.iter("profile"):
            for group in profile:
                for right, value in group.items():
                    assert value == "ALLOW"
                    names_ = ((one.text or "").strip() for one in group)
                    rights.update((right, absolute(name, profile.get("ns", ""))) for name in names_)
    return found


def absolute(name: str, namespace: str) -> str:
    return name if name.startswith("/") else f"{namespace.rstrip('/')}/{name}"


def rights_of(probe: Node, name: str, namespace: str) -> Rights:
    """What a node has in the graph; the parts of an action count as the action."""
    asked = {
        ("publish", "execute"): probe.get_publisher_names_and_types_by_node,
        ("subscribe", "call"): probe.get_subscriber_names_and_types_by_node,
        ("reply", "execute"): probe.get_service_names_and_types_by_node,
        ("request", "call"): probe.get_client_names_and_types_by_node,
    }
    found: Rights = set()
    for (right, of_action), ask in asked.items():
        with suppress(RuntimeError):  # the node is gone
            for full, _ in ask(name, namespace):
                action, _, part = full.partition("/_action/")
                found.add((of_action, action) if part else (right, full))
    return found


@pytest.fixture
def made(up: Up, monkeypatch: pytest.MonkeyPatch) -> Rights:
    """What clients of the framework make in this process: some of it lives for milliseconds."""
    found: Rights = set()

    def watch(right: str, owner: type, method: str) -> None:
        make = getattr(owner, method)

        def spy(self, *words, **settings):
            node, name = (words[0], words[2]) if owner is ActionClient else (self, words[1])
            if node.get_namespace() == up.namespace:
                found.add((right, node.resolve_topic_name(name)))
            return make(self, *words, **settings)

        monkeypatch.setattr(owner, method, spy)

    watch("publish", Node, "create_publisher")
    watch("subscribe", Node, "create_subscription")
    watch("reply", Node, "create_service")
    watch("request", Node, "create_client")
    watch("call", ActionClient, "__init__")
    return found


def use_everything(client: OrchestratorClient) -> None:
    """Use each service and the action once; whether they refuse does not matter."""
    nowhere = TaskId(7, 7)
    for use in (
        lambda: client.start_iteration(nowhere, PROBLEM),
        lambda: client.get_task(nowhere),
        lambda: client.list_tasks(),
        lambda: client.control_task(nowhere, TaskCommand.STOP),
        lambda: client.delete_problem(7),
        lambda: client.compare_iterations(7),
        lambda: client.get_history(),
        lambda: client.get_node_status(),
        lambda: client.configure_node("hw_resources", {}),
    ):
        with suppress(ClientError):
            use()


def test_the_policy_lets_front_ends_do_what_they_do_and_no_more(up: Up, made: Rights) -> None:
    granted = rights_in(policy(namespace=up.namespace))[f"{up.namespace}/{FRONT_END}"]
    with OrchestratorClient(up.namespace, timeout=20.0) as client, client.updates():
        with client.states():
            use_everything(client)
            own = client.node.get_name(), up.namespace
            eventually(lambda node: rights_of(node, *own), Node.get_node_names)
            with probe() as node:
                assert rights_of(node, *own) <= granted
        # So that a task waits, and `doctor` asks for the limit.
        client.control_node("hw_resources", NodeCommand.STOP)
        with suppress(ClientError):
            client.run_task(PROBLEM, timeout=0.5)
        waiting = client.start_task(PROBLEM)
        sustainml(up, "doctor", code=1)
        client.control_task(waiting, TaskCommand.TERMINATE)
        client.control_node("hw_resources", NodeCommand.START)
    assert made == granted


def test_the_policy_lets_nodes_do_what_they_do_and_no_more(up: Up) -> None:
    granted = rights_in(policy(namespace=up.namespace))
    with OrchestratorClient(up.namespace, timeout=20.0) as client:
        for module in NODES[1:]:  # the orchestrator asks when it is asked
            client.configure_node(module, {})

    def differences(node: Node) -> dict[str, Rights]:
        if not any(one.topic_name.endswith(names.SYSTEM_STATE) for one in node.publishers):
            pretend_to_be_another(node, up.namespace)
        found = {
            name: granted[f"{up.namespace}/{name}"] ^ rights_of(node, name, up.namespace)
            for name in NODES
        }
        return {name: rights for name, rights in found.items() if rights}

    eventually(lambda node: not differences(node), differences)
    assert set(granted) == {f"{up.namespace}/{name}" for name in (*NODES, FRONT_END)}


def test_each_process_is_in_the_enclave_of_its_node(up: Up) -> None:
    def enclaves(node: Node) -> dict[str, str]:
        found = node.get_node_names_and_namespaces_with_enclaves()
        return {name: path for name, space, path in found if space == up.namespace}

    wanted = {name: f"{up.namespace}/{name}" for name in NODES}
    eventually(lambda node: wanted.items() <= enclaves(node).items(), enclaves)


def test_front_ends_ask_for_their_enclave_where_security_is_on(
    up: Up, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ROS_SECURITY_ENABLE", "true")
    monkeypatch.setenv("ROS_SECURITY_STRATEGY", "Permissive")  # goes on without security
    monkeypatch.setenv("ROS_SECURITY_KEYSTORE", str(tmp_path))
    with OrchestratorClient(up.namespace) as client:
        own = client.node.get_name(), up.namespace, f"{up.namespace}/{FRONT_END}"
        monkeypatch.undo()
        eventually(
            lambda node: own in node.get_node_names_and_namespaces_with_enclaves(),
            Node.get_node_names_and_namespaces_with_enclaves,
        )


def test_types_and_qos_are_those_of_the_table(up: Up) -> None:
    eventually(lambda node: not _mistakes(node, up.namespace), lambda n: _mistakes(n, up.namespace))


def _mistakes(probe: Node, namespace: str) -> list[str]:
    """Endpoints that are missing, or have another type or QoS than the table says."""
    found = []
    for topic in TABLE.topics:
        name = absolute(topic.name, namespace)
        wanted = topic.type, topic.qos.reliability, topic.qos.durability
        for look, nodes in (
            (probe.get_publishers_info_by_topic, topic.publishers),
            (probe.get_subscriptions_info_by_topic, topic.subscribers),
        ):
            due = set(nodes) & set(NODES)
            if topic.name == names.SYSTEM_STATE and nodes is topic.subscribers:
                due = set()  # it subscribes only while there is a second orchestrator
            ends = [end for end in look(name) if end.node_namespace == namespace]
            found += [f"{name}: no {node}" for node in due - {end.node_name for end in ends}]
            for end in ends:
                qos = end.qos_profile
                if (end.topic_type, qos.reliability, qos.durability) != wanted:
                    found.append(f"{name}: {end.node_name} has {end.topic_type}, {qos}")
    offered = dict(probe.get_service_names_and_types())
    for service in TABLE.services:
        full = absolute(service.name, namespace)
        if offered.get(full) != [service.type]:
            found.append(f"{full}: {offered.get(full)} in place of {service.type}")
    return found


@pytest.mark.parametrize("name", ["orchestrator", "hw_resources"])
def test_a_node_that_cannot_be_secured_ends_for_good(name: str, tmp_path: Path) -> None:
    """Its enclave holds no keys; the Fast DDS of the wheels could not use them either."""
    (tmp_path / "enclaves" / "lab" / name).mkdir(parents=True)
    secured = {
        "ROS_SECURITY_ENABLE": "true",
        "ROS_SECURITY_STRATEGY": "Enforce",
        "ROS_SECURITY_KEYSTORE": str(tmp_path),
    }
    program = next(one for one in programs(namespace="/lab") if one.name == name)
    ended = subprocess.run(
        program.command, env={**os.environ, **secured}, capture_output=True, text=True, timeout=60.0
    )
    assert ended.returncode == ExitCode.USAGE
    assert "Traceback" not in ended.stderr
    assert f"{name}: " in ended.stderr


def pretend_to_be_another(node: Node, namespace: str) -> None:
    """Make what an orchestrator has, by which the first one sees that there is a second."""
    for type_, name, qos in (
        (SystemState, names.SYSTEM_STATE, names.SYSTEM_STATE_QOS),
        (NodeControl, names.CONTROL, names.CONTROL_QOS),
    ):
        node.create_publisher(type_, f"{namespace}/{name}", qos)
    node.create_service(StartTask, f"{namespace}/{names.service('start_task')}", lambda *_: _[1])
