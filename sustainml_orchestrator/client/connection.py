"""A connection to one orchestrator: context, thread, and calls that always end."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

import rclpy
import sustainml_msgs.srv
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor

from sustainml_orchestrator.client.errors import (
    ClientError,
    OrchestratorUnavailable,
    RequestRefused,
    RequestTimeout,
    refused,
    unavailable,
)
from sustainml_orchestrator.contract import domain, names
from sustainml_orchestrator.core.ids import ErrorCode

DEFAULT_TIMEOUT = 5.0
#: How long we look for an orchestrator when it is not among those who are there, in s; one that is
#: just being started is there by then. Longer while some have not been seen: that may take 4 s.
_LOOK_AROUND = 2.0
#: How often a wait looks whether the server is still there, in s.
_LOOK = 0.25

_Self = TypeVar("_Self", bound="Connection")
_Result = TypeVar("_Result")


class Connection:
    """Has a ROS context and a thread of its own, so that it lives inside any program.

    Safe to use from several threads.

    Args:
        namespace: of the framework.
        timeout: default longest wait of a call, in s.

    Raises:
        OrchestratorUnavailable: ROS cannot start, because of ROS_DOMAIN_ID or the namespace.
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
        try:
            self._domain = domain.current()
            rclpy.init(context=self._context, args=[])
            self.node = rclpy.create_node(
                f"{node_name}_{os.getpid()}_{time.monotonic_ns() % 10**6}",
                namespace=self.namespace,
                context=self._context,
                use_global_arguments=False,
                start_parameter_services=False,
                enable_rosout=False,
            )
        except Exception as error:
            rclpy.try_shutdown(context=self._context)
            raise _cannot_start(self.namespace, error) from error
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._closing = False
        self._thread = threading.Thread(target=self._spin, name=node_name, daemon=True)
        self._thread.start()

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the graph. More than once does no harm."""
        if self._closing:
            return
        # The thread ends before what it waits for goes: rclpy raises anything otherwise.
        self._closing = True
        self._executor.create_task(lambda: None)  # wake() alone does not end its wait
        self._thread.join()
        self.node.destroy_node()
        self._executor.shutdown()
        rclpy.try_shutdown(context=self._context)

    def _spin(self) -> None:
        while not self._closing:
            self._executor.spin_once(timeout_sec=1.0)

    def run(self, call: Callable[[], _Result]) -> _Result:
        """Have our thread call something of rclpy that is not safe to call from another.

        rclpy's ActionClient sends a request before it notes that it waits for the answer, which
        is thrown away when it comes in between.

        Raises:
            RequestTimeout: the thread is busy for too long.
        """
        results: SimpleQueue[_Result | Exception] = SimpleQueue()

        def run() -> None:
            try:
                results.put(call())
            except Exception as error:  # raised here it would end the thread
                results.put(error)

        self._executor.create_task(run)
        try:
            result = results.get(timeout=DEFAULT_TIMEOUT)
        except Empty:
            text = "the thread of the client does not answer; try again"
            raise RequestTimeout(ErrorCode.TIMEOUT, text) from None
        if isinstance(result, Exception):
            raise result
        return result

    # PendingCalls #

    def call(self, service: str, wait: float | None = None, /, **fields: Any) -> Any:
        """Call any service of the orchestrator by its short name; returns the response.

        Args:
            service: one of `names.SERVICES`.
            wait: longest wait, in s; None = the client's timeout.
            fields: of the request.

        Raises:
            ClientError: it is not there, does not answer, or refuses.
        """
        kind = getattr(sustainml_msgs.srv, names.SERVICES[service])
        deadline = time.monotonic() + (self.timeout if wait is None else wait)
        request = checked(kind.Request, **fields)
        client = self._client(service, kind)
        self.find(client.service_is_ready, deadline)
        answers: SimpleQueue[Any] = SimpleQueue()
        future = client.call_async(request)
        future.add_done_callback(answers.put)
        try:
            response = self.take(answers, deadline, client.service_is_ready, service).result()
        finally:
            client.remove_pending_request(future)
        if not response.success:
            raise refused(response)
        return response

    def _client(self, service: str, kind: type) -> Any:
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self.node.create_client(
                    kind, names.service(service), qos_profile=names.SERVICE_QOS
                )
            return self._clients[service]

    def find(self, is_ready: Callable[[], bool], deadline: float) -> None:
        """Wait until a server is there.

        Args:
            is_ready: whether it is.
            deadline: by the clock of `time.monotonic()`.

        Raises:
            OrchestratorUnavailable: it is not; told sooner where nobody is.
        """
        begun = time.monotonic()
        while not is_ready():
            now = time.monotonic()
            if now > deadline or self._is_absent(now - begun):
                raise unavailable(self.namespace)
            time.sleep(0.02)

    def _is_absent(self, waited: float) -> bool:
        """Whether there is no orchestrator, as far as one can tell after so many s."""
        if waited <= _LOOK_AROUND:
            return False
        if self.timeout > DEFAULT_TIMEOUT:  # someone has patience: all may not be in the graph yet
            return self.is_alone()
        found = self.node.get_node_names_and_namespaces()
        all_seen = len(found) >= domain.participants(self._domain)
        return all_seen and (names.ORCHESTRATOR, self.namespace) not in found

    def is_alone(self) -> bool:
        """Whether no other process, of this machine or seen in the graph, is in the domain."""
        return domain.participants(self._domain) <= 1 and len(self.node.get_node_names()) <= 1

    def take(
        self, queue: SimpleQueue[Any], deadline: float, is_ready: Callable[[], bool], what: str
    ) -> Any:
        """What comes next in a queue that a server feeds: its future alone may never end.

        Raises:
            RequestTimeout: nothing by then (`time.monotonic()`).
            OrchestratorUnavailable: the server went away meanwhile.
        """
        while True:
            left = deadline - time.monotonic()
            try:
                return queue.get(timeout=max(0.0, min(left, _LOOK)))
            except Empty:
                if left <= _LOOK:
                    text = f"{what} was not answered in time; try again with a longer timeout"
                    raise RequestTimeout(ErrorCode.TIMEOUT, text) from None
                if not is_ready():
                    text = f"the orchestrator went away before it answered {what}; try again"
                    raise OrchestratorUnavailable(ErrorCode.NODE_UNAVAILABLE, text) from None


_Message = TypeVar("_Message")


def checked(kind: type[_Message], **fields: Any) -> _Message:
    """A message whose fields were checked: unchecked ones end the process inside rclpy.

    Raises:
        RequestRefused: a value does not fit its field.
    """
    try:
        return kind(check_fields=True, **fields)
    except (AssertionError, TypeError, ValueError, OverflowError) as error:
        text = f"this is no {kind.__name__.lstrip('_')}: {' '.join(str(error).split())}"
        raise RequestRefused(ErrorCode.INVALID_REQUEST, text) from error


def _cannot_start(namespace: str, error: Exception) -> ClientError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return OrchestratorUnavailable(
        ErrorCode.INVALID_REQUEST, f"ROS cannot start in namespace {namespace}: {reason}"
    )
