"""Service introspection, as the parameter `service_introspection` selects it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.parameter_client import AsyncParameterClient
from service_msgs.msg import ServiceEventInfo as Info
from support.system import wait_for
from support.up_process import Up
from sustainml_msgs.srv import Configure, ListTasks

from sustainml_orchestrator.client import OrchestratorClient
from sustainml_orchestrator.contract import names


class Observer:
    """Listens to the events of services, and sets the parameter of the orchestrator."""

    def __init__(self, namespace: str) -> None:
        self.context = Context()
        rclpy.init(context=self.context)
        self.node = Node(f"observer_{os.getpid()}", namespace=namespace, context=self.context)
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)
        self._parameters = AsyncParameterClient(self.node, f"{namespace}/orchestrator")

    def until(self, condition: Callable[[], object]) -> None:
        def spun() -> bool:
            self._executor.spin_once(timeout_sec=0.05)
            return bool(condition())

        wait_for(spun, 20.0)

    def select(self, state: str) -> str:
        """Set the parameter; returns why it was refused."""
        self.until(self._parameters.services_are_ready)
        future = self._parameters.set_parameters([Parameter("service_introspection", value=state)])
        self.until(future.done)
        return str(future.result().results[0].reason)

    def listen(self, kind: type, service: str) -> list:
        """The events of a service from now on, with the sender connected."""
        heard: list = []
        topic = f"{service}/_service_event"
        self.node.create_subscription(kind.Event, topic, heard.append, names.SERVICE_QOS)
        self.until(lambda: self.node.count_publishers(topic))
        return heard


@pytest.fixture
def observer(running: Up) -> Iterator[Observer]:
    made = Observer(running.namespace)
    try:
        yield made
    finally:
        made.select("disabled")
        made.node.destroy_node()
        made.context.try_shutdown()


def test_calls_are_shown_as_selected(running: Up, observer: Observer) -> None:
    topic = "orchestrator/list_tasks/_service_event"
    assert observer.node.count_publishers(topic) == 0, "off by default"
    assert (
        observer.select("all")
        == "service_introspection is 'all'; give disabled or metadata or contents or off"
    )
    assert observer.select("contents") == ""
    heard = observer.listen(ListTasks, "orchestrator/list_tasks")
    with OrchestratorClient(running.namespace, timeout=20.0) as client:

        def called() -> bool:
            client.list_tasks(limit=7)
            return any(event.info.event_type == Info.RESPONSE_SENT for event in heard)

        observer.until(called)
        requests = [e for e in heard if e.info.event_type == Info.REQUEST_RECEIVED]
        assert requests[-1].request[0].limit == 7

        client.configure_node("hw_resources", {})
        asked = observer.listen(Configure, "hw_resources/configure")
        assert observer.select("metadata") == ""
        observer.until(
            lambda: (
                client.configure_node("hw_resources", {})
                and any(event.info.event_type == Info.RESPONSE_RECEIVED for event in asked)
            )
        )
        heard.clear()
        observer.until(called)
        assert not any(event.request or event.response for event in heard)
    assert observer.select("off") == ""
    observer.until(lambda: not observer.node.count_publishers(topic))
