"""A node whose messages are taken at as little cost as rclpy permits.

What measures must not be what is measured: an executor of rclpy takes 0.1 ms for each message,
here it is a tenth.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import rclpy
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.context import Context
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.qos import QoSProfile

from sustainml_orchestrator.contract import names

_numbers = count(1)


class Waiter:
    """Takes serialized messages and responses, in the thread of its user.

    Args:
        namespace: of its node.
        domain: its ROS domain; None = that of this process.
    """

    def __init__(self, namespace: str, domain: int | None = None) -> None:
        self._context = Context()
        rclpy.init(context=self._context, args=[], domain_id=domain)
        self.node = rclpy.create_node(
            f"bench_waiter_{next(_numbers)}",
            namespace=namespace,
            context=self._context,
            start_parameter_services=False,
        )
        self._group = ReentrantCallbackGroup()
        self._readers: list[tuple[Any, Callable[[bytes], None]]] = []
        self._clients: list[tuple[Any, Callable[[int, Any], None]]] = []
        self._wait_set: Any = None

    def close(self) -> None:
        """Leave the graph."""
        self.node.destroy_node()
        rclpy.try_shutdown(context=self._context)

    def listen(
        self, kind: type, topic: str, qos: QoSProfile, take: Callable[[bytes], None]
    ) -> None:
        """Have `take` called with each message; before the loop begins."""
        subscription = self.node.create_subscription(
            kind, topic, take, qos, raw=True, callback_group=self._group
        )
        self._readers.append((subscription, take))

    def client(self, kind: type, name: str, take: Callable[[int, Any], None]) -> Any:
        """A service client; `take` gets the number of the request and the response.

        Its `handle.send_request(request)` gives the number.

        Raises:
            TimeoutError: there is no such service.
        """
        client = self.node.create_client(
            kind, name, qos_profile=names.SERVICE_QOS, callback_group=self._group
        )
        if not client.wait_for_service(30.0):
            raise TimeoutError(f"no service {name}")
        self._clients.append((client, take))
        return client

    def turn(self, timeout: float) -> None:
        """Wait until something is there, for so long at most (s), and take all of it."""
        if self._wait_set is None:
            self._wait_set = rclpy_implementation.WaitSet(
                len(self._readers), 0, 0, len(self._clients), 0, 0, self._context.handle
            )
        wait_set = self._wait_set
        wait_set.clear_entities()
        for subscription, _ in self._readers:
            wait_set.add_subscription(subscription.handle)
        for client, _ in self._clients:
            wait_set.add_client(client.handle)
        wait_set.wait(int(timeout * 1e9))
        for client, answer in self._clients:
            while True:
                header, response = client.handle.take_response(client.srv_type.Response)
                if header is None:
                    break
                answer(header.request_id.sequence_number, response)
        for subscription, take in self._readers:
            while taken := subscription.handle.take_message(subscription.msg_type, True):
                take(taken[0])
