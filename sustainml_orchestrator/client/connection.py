"""A connection to one orchestrator: context, thread, and calls that always end."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import Any

import rclpy
import sustainml_msgs.srv
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor

from sustainml_orchestrator.client.errors import (
    RequestRefused,
    RequestTimeout,
    unavailable,
)
from sustainml_orchestrator.core.ids import ErrorCode
from sustainml_orchestrator.ros import names

DEFAULT_TIMEOUT = 5.0
#: The node of an orchestrator that is there is found sooner, in s.
_DISCOVERY = 2.0


class Connection:
    """Has a ROS context and a thread of its own, so that it lives inside any program.

    Args:
        namespace: of the framework.
        timeout: default longest wait of a call, in s.
    """

    def __init__(
        self,
        namespace: str = names.DEFAULT_NAMESPACE,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        node_name: str = "sustainml_client",
    ) -> None:
        self.namespace = "/" + namespace.strip("/")
        self.timeout = timeout
        self._context = Context()
        rclpy.init(context=self._context, args=[])
        unique = f"{node_name}_{time.monotonic_ns() % 10**9}"
        self.node = rclpy.create_node(
            unique,
            namespace=self.namespace,
            context=self._context,
            use_global_arguments=False,
            start_parameter_services=False,
        )
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._clients: dict[str, Any] = {}
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the graph."""
        rclpy.try_shutdown(context=self._context)
        self._thread.join(timeout=2.0)

    def _spin(self) -> None:
        with contextlib.suppress(ExternalShutdownException):
            self._executor.spin()

    # Calls #

    def call(self, service: str, wait: float | None = None, /, **fields: Any) -> Any:
        """Call any service of the orchestrator by its short name; returns the response.

        Args:
            wait: longest wait, in s; None = the client's timeout.
            fields: of the request.

        Raises:
            ClientError: it is not there, does not answer, or refuses.
        """
        kind = getattr(sustainml_msgs.srv, names.SERVICES[service])
        begun = time.monotonic()
        deadline = begun + (self.timeout if wait is None else wait)
        client = self._clients.get(service)
        if client is None:
            client = self._clients[service] = self.node.create_client(
                kind, names.service(service), qos_profile=names.SERVICE_QOS
            )
        while not client.service_is_ready():
            now = time.monotonic()
            if now > deadline or (now > begun + _DISCOVERY and not self._sees_orchestrator()):
                raise unavailable(self.namespace)
            time.sleep(0.02)
        future = client.call_async(kind.Request(**fields))
        response = self.wait(future, deadline)
        if response is None:
            client.remove_pending_request(future)
            raise RequestTimeout(
                ErrorCode.TIMEOUT,
                f"{service} was not answered in time; is the orchestrator alive? try again, or "
                "give a longer timeout",
            )
        if not response.success:
            raise RequestRefused(ErrorCode(response.error_code), response.message)
        return response

    def _sees_orchestrator(self) -> bool:
        """Whether its node is in the graph; its services may be found a little later."""
        return (names.ORCHESTRATOR, self.namespace) in self.node.get_node_names_and_namespaces()

    @staticmethod
    def wait(future: Any, deadline: float) -> Any | None:
        """The result of a future, or None when it is not there by then (`time.monotonic()`)."""
        done = threading.Event()
        future.add_done_callback(lambda _: done.set())
        if not done.wait(max(0.0, deadline - time.monotonic())):
            return None
        return future.result()
