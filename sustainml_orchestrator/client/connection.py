"""A ROS 2 connection to one orchestrator: context, node, thread, and calls with deadlines."""

from __future__ import annotations

import atexit
import concurrent.futures
import os
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import Empty, Queue, SimpleQueue
from typing import Any, TypeVar

import rclpy
import sustainml_msgs.srv
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter

from sustainml_orchestrator.client import errors
from sustainml_orchestrator.client.errors import ClientError, RequestRefused, RequestTimeout
from sustainml_orchestrator.contract import domain, enclaves, field_values, names
from sustainml_orchestrator.core.ids import ErrorCode
from sustainml_orchestrator.core.text import cause

DEFAULT_TIMEOUT = 5.0
#: How long discovery may take, in s; longer while processes of this machine are not in the graph
#: yet, which may take 4 s.
_DISCOVERY_TIME = 2.0
_DISCOVERY_PERIOD = 0.02  # s
#: Period at which a wait checks that the server and this client still exist, in s.
_CHECK_PERIOD = 0.25
#: When a request that may be repeated is sent again, in s; then after twice as long, and so on.
#: DDS may lose a response: a server does not know that a new client reads it already.
_REPEAT_AFTER = 1.0
#: Services whose requests change nothing, and those that `request_id` protects from doing it twice.
_READING = frozenset(
    {
        "get_task",
        "list_tasks",
        "compare_iterations",
        "get_node_status",
        "get_inputs",
        "get_history",
    }
)
_PROTECTED = frozenset({"start_task", "start_iteration"})
_GONE = ErrorCode.NODE_UNAVAILABLE

_Self = TypeVar("_Self", bound="Connection")
_Result = TypeVar("_Result")


class Connection:
    """A ROS 2 context and node, spun by a thread of its own; works inside any program.

    Safe to use from several threads: every entity of rclpy is created, used and destroyed by the
    spinning thread. When that thread has ended, each call raises at once and says why.

    Args:
        namespace: of the framework.
        timeout: default deadline of a call, in s.
        node_name: prefix of the name of the ROS 2 node; the leading underscore hides the node of a
            client from `ros2 node list` and rqt_graph.

    Raises:
        OrchestratorUnavailable: ROS cannot start, because of ROS_DOMAIN_ID or the namespace.
    """

    has_answered = False  #: whether an orchestrator has answered a call

    def __init__(
        self,
        namespace: str = names.DEFAULT_NAMESPACE,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        node_name: str = "_sustainml_client",
    ) -> None:
        self.namespace = "/" + namespace.strip("/")
        self.timeout = timeout
        self._context = Context()
        try:
            self._domain = domain.current()
            # No log file: a client must work where there is no place to write.
            args = ["--ros-args", "--disable-external-lib-logs"]
            if enclaves.is_secured():
                args += ["--enclave", enclaves.enclave(self.namespace, enclaves.FRONT_END)]
            rclpy.init(context=self._context, args=args)
            self.node = rclpy.create_node(
                f"{node_name}_{os.getpid()}_{time.monotonic_ns() % 10**6}",
                namespace=self.namespace, context=self._context, use_global_arguments=False,
                start_parameter_services=False, enable_rosout=False,
                parameter_overrides=[Parameter("start_type_description_service", value=False)],
            )  # fmt: skip
        except Exception as error:
            self._context.try_shutdown()
            self._context.destroy()
            text = f"ROS cannot start in namespace {self.namespace}: {cause(error)}"
            raise errors.OrchestratorUnavailable(ErrorCode.INVALID_REQUEST, text) from error
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._closing = False
        self._end: ClientError | None = None  # why no call is possible any more
        self._thread = threading.Thread(target=self._spin, name=node_name, daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Destroy the node; calls in progress raise. May be called repeatedly, by any thread."""
        if os.getpid() != self._pid:  # a fork has no spinning thread, and must not use the node
            return
        with self._lock:
            if self._closing:
                return
            self._closing = True
            self._end = ClientError(ErrorCode.CANCELLED, "this client is closed; make a new one")
            self._executor.create_task(lambda: None)  # wake() alone does not end the wait
        atexit.unregister(self.close)
        self._thread.join(DEFAULT_TIMEOUT)
        if self._thread.is_alive():  # blocked in the middleware: what it uses must stay
            return
        self.node.destroy_node()
        self._executor.shutdown()
        self._context.try_shutdown()
        self._context.destroy()  # nothing else frees the shared memory of the participant

    def _spin(self) -> None:
        try:
            while not self._closing:
                self._executor.spin_once(timeout_sec=1.0)
        except BaseException as error:
            reason = f"{type(error).__name__} {' '.join(str(error).split())}".rstrip()
            text = f"the thread of this client ended ({reason}); close it and make a new one"
            self._end = self._end or ClientError(ErrorCode.INTERNAL_ERROR, text)

    def check(self) -> None:
        """Raise if calls are not possible.

        Raises:
            ClientError: the client is closed, its thread has ended, or this process was forked.
        """
        if os.getpid() != self._pid:
            text = f"this client belongs to process {self._pid}; make a new one after a fork"
            raise ClientError(ErrorCode.REJECTED, text)
        if self._end is not None:
            raise ClientError(self._end.code, self._end.message)

    def run(self, call: Callable[[], _Result]) -> _Result:
        """Call something in the spinning thread, and return its result or raise its exception.

        Raises:
            ClientError: no call is possible any more, or the thread is busy for too long.
        """
        result: concurrent.futures.Future[_Result] = concurrent.futures.Future()

        def work() -> None:
            if result.set_running_or_notify_cancel():
                try:
                    result.set_result(call())
                except UnicodeEncodeError as error:  # rclpy checks texts only now
                    text = f"a text is not valid UTF-8: {str(error)[:200]}"
                    result.set_exception(RequestRefused(ErrorCode.INVALID_REQUEST, text))
                except Exception as error:  # raised here it would end the thread
                    result.set_exception(error)

        self.check()
        with self._lock:
            if not self._closing:
                self._executor.create_task(work)
        deadline = time.monotonic() + DEFAULT_TIMEOUT
        while True:
            try:
                return result.result(_CHECK_PERIOD)
            except concurrent.futures.TimeoutError:
                if result.done():  # meanwhile, or it is what the call raised
                    return result.result()
                self.check()
                if time.monotonic() > deadline and result.cancel():
                    text = "the thread of this client does not answer; try again"
                    raise RequestTimeout(ErrorCode.TIMEOUT, text) from None

    def wait(self, queue: Queue[Any] | SimpleQueue[Any], timeout: float) -> Any:
        """Take the next item of a queue that the spinning thread fills.

        Raises:
            queue.Empty: none came within so many s.
            ClientError: no item can come any more.
        """
        try:
            return queue.get(timeout=max(0.0, timeout))
        except Empty:
            self.check()
            raise

    # Calls of services #

    def call(self, service: str, wait: float | None = None, /, **fields: Any) -> Any:
        """Call any service of the orchestrator by its short name; returns the response.

        A request is sent again while no response comes, if it does no harm to carry it out twice.

        Args:
            service: one of `names.SERVICES`.
            wait: longest wait, in s; None = the client's timeout.
            fields: of the request.

        Raises:
            ClientError: unreachable, not in time, refused, or a field is not of its type.
        """
        kind = getattr(sustainml_msgs.srv, names.SERVICES[service])
        deadline = time.monotonic() + (self.timeout if wait is None else wait)
        request = checked(kind.Request, **fields)
        if service in _PROTECTED:
            request.request_id = request.request_id or uuid.uuid4().hex
        client = self.run(partial(self._client, service, kind))
        answers: SimpleQueue[Any] = SimpleQueue()
        sent: list[Any] = []

        def send() -> bool:
            if not client.service_is_ready():
                return False
            sent.append(client.call_async(request))
            sent[-1].add_done_callback(answers.put)
            return True

        self.find(send, deadline)
        take = partial(self.take, answers, deadline, client.service_is_ready, service)
        may_repeat = service in _READING | _PROTECTED
        try:
            answer = self._take_over_restart(take, send, deadline) if may_repeat else take()
        finally:
            self._forget(client, sent)
        self.has_answered = True
        return succeeded(answer.result())

    def _take_over_restart(
        self, take: Callable[..., Any], send: Callable[[], bool], deadline: float
    ) -> Any:
        """The answer to a request that may be repeated, also from an orchestrator that restarts.

        One that was killed is in the graph until it is found to be dead; that may be seen before
        its successor is discovered.
        """
        while True:
            try:
                return take(send)
            except errors.OrchestratorUnavailable as gone:
                try:
                    self.find(send, deadline)
                except errors.OrchestratorUnavailable:
                    raise gone from None

    def is_reachable(self) -> bool:
        """Whether the services of an orchestrator are seen at this moment; does not wait.

        One that was killed is seen until its lease is over.
        """
        client = self.run(
            partial(self._client, "get_node_status", sustainml_msgs.srv.GetNodeStatus)
        )
        return bool(self.run(client.service_is_ready))

    def _forget(self, client: Any, futures: list[Any]) -> None:
        with suppress(ClientError):
            for future in futures:
                if not future.done():
                    self.run(partial(client.remove_pending_request, future))

    def _client(self, service: str, kind: type) -> Any:
        if service not in self._clients:
            name, qos = names.service(service), names.SERVICE_QOS
            self._clients[service] = self.node.create_client(kind, name, qos_profile=qos)
        return self._clients[service]

    def find(self, attempt: Callable[[], _Result], deadline: float) -> _Result:
        """Repeat an attempt in the spinning thread until its result is true.

        Args:
            attempt: returns None or False while the server is not discovered.
            deadline: by the clock of `time.monotonic()`.

        Raises:
            OrchestratorUnavailable: there is none, by the deadline or as the graph shows earlier.
        """
        begun = time.monotonic()
        while not (found := self.run(attempt)):
            now = time.monotonic()
            if now > deadline or self._is_absent(now - begun):
                raise errors.unavailable(self.namespace, self._domain)
            time.sleep(_DISCOVERY_PERIOD)
        return found

    def _is_absent(self, waited: float) -> bool:
        """Whether the graph shows, after so many s, that there is no orchestrator."""
        if waited <= _DISCOVERY_TIME:
            return False
        if self.timeout > DEFAULT_TIMEOUT:  # there is time for a graph that is incomplete
            return self.is_alone()
        found = self.run(self.node.get_node_names_and_namespaces)
        all_seen = len(found) >= domain.participants(self._domain)
        return all_seen and (names.ORCHESTRATOR, self.namespace) not in found

    def is_alone(self) -> bool:
        """Whether no other process, of this machine or seen in the graph, is in the domain."""
        alone_here = domain.participants(self._domain) <= 1
        return alone_here and len(self.run(self.node.get_node_names)) <= 1

    def take(
        self,
        queue: SimpleQueue[Any],
        deadline: float,
        is_ready: Callable[[], bool],
        what: str,
        repeat: Callable[[], object] | None = None,
    ) -> Any:
        """The next item of a queue that a server fills; a future of rclpy may never be done.

        Args:
            queue: filled by the spinning thread.
            deadline: by the clock of `time.monotonic()`.
            is_ready: whether the server is there.
            what: the request, for error messages.
            repeat: sends the request again.

        Raises:
            RequestTimeout: nothing came before the deadline.
            OrchestratorUnavailable: the server went away meanwhile.
        """
        pause = _REPEAT_AFTER
        due = time.monotonic() + pause
        while True:
            left = deadline - time.monotonic()
            try:
                return self.wait(queue, min(left, _CHECK_PERIOD))
            except Empty:
                if left <= _CHECK_PERIOD:
                    raise errors.unanswered(what, self.namespace, self._domain) from None
                if not self.run(is_ready):
                    text = f"the orchestrator went away before it answered {what}; try again"
                    raise errors.OrchestratorUnavailable(_GONE, text) from None
            if repeat is not None and time.monotonic() > due:
                self.run(repeat)
                pause *= 2
                due += pause


def succeeded(response: Any) -> Any:
    """A response that is no refusal.

    Raises:
        RequestRefused: it is one.
    """
    if not response.success:
        raise errors.refused(response)
    return response


def checked(kind: Any, **fields: Any) -> Any:
    """A message with checked fields: a value of a wrong type would end the process in rclpy.

    Raises:
        RequestRefused: a value does not fit its field.
    """
    try:
        return kind(**field_values.converted(kind, fields))
    except (field_values.FieldError, TypeError, OverflowError) as error:
        text = f"this is no {kind.__name__.lstrip('_')}: {' '.join(str(error).split())}"
        raise RequestRefused(ErrorCode.INVALID_REQUEST, text) from error
