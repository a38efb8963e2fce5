"""Takes serialized messages and requests from one wait set, past the executor of rclpy.

An executor of rclpy builds its wait set in Python, over all entities of its nodes, twice for each
message. With the entities of a node of this framework that takes longer than all that a message
leads to. Here one wait set stands and is filled again (20 µs), and all that has come is taken.

This file holds every private call of rclpy that the framework makes. Tested with rclpy 7.1.6
(Jazzy) and 9.1.2 (Kilted): `rclpy.impl.implementation_singleton.rclpy_implementation.WaitSet`,
`handle.pointer`, `Subscription.handle.take_message`, `Service.handle.service_take_request`, the
layout of `rmw_request_id_t`, and `ActionServer._execute_goal_request`. Where one of the first four
is missing, or SUSTAINML_EXECUTOR is "plain", `available()` is false, and the callers let a
SingleThreadedExecutor serve their nodes; without the others it is not known who sent a request.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from rclpy.action import ActionServer
from rclpy.callback_groups import CallbackGroup
from rclpy.context import Context
from rclpy.event_handler import EventHandler
from rclpy.guard_condition import GuardCondition
from rclpy.impl.implementation_singleton import rclpy_implementation as _rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.service import Service
from rclpy.subscription import Subscription
from rclpy.waitable import NumberOfEntities

from sustainml_orchestrator.contract.cdr import without_options

#: Environment variable; "plain" selects the executor of rclpy.
EXECUTOR = "SUSTAINML_EXECUTOR"
#: Most messages taken from one subscription, or requests from one service, before the others.
_MOST_MESSAGES, _MOST_REQUESTS = 100, 20
_KINDS = ("subscription", "service", "timer", "client", "guard_condition")
_NEEDED = {
    "WaitSet": ("clear_entities", "wait", "get_ready_entities", "add_subscription", "add_service",
                "add_timer", "add_client", "add_guard_condition"),
    "Subscription": ("take_message", "pointer"),
    "Service": ("service_take_request", "pointer"),
}  # fmt: skip

Take = Callable[[list[bytes]], None]
#: Called with a service, a request and its header.
Serve = Callable[[Service, Any, Any], None]


def available() -> bool:
    """Whether this rclpy has what is called here, and nobody asked for its executor."""
    return os.environ.get(EXECUTOR) != "plain" and all(
        hasattr(getattr(_rclpy, name, None), method)
        for name, methods in _NEEDED.items()
        for method in methods
    )


class NullCallbackGroup(CallbackGroup):
    """A callback group of entities that no executor of rclpy serves."""

    def can_execute(self, entity: object) -> bool:
        """Never."""
        return False

    def beginning_execution(self, entity: object) -> bool:
        """Never."""
        return False

    def ending_execution(self, entity: object) -> None:
        """Nothing begins, so nothing ends."""


class WaitSet:
    """Subscriptions and services that are served here, and the wait for them.

    One thread at a time waits. Without `available()`, the executor of the node serves the
    subscriptions, and `wait` waits for `wake` alone.

    Args:
        failed: called inside an except block, with what a callback failed at.
    """

    def __init__(self, context: Context, failed: Callable[[str], None]) -> None:
        self._context = context
        self._failed = failed
        self._group = NullCallbackGroup()
        self._plain = not available()
        self._woken = threading.Event()
        self._guard = GuardCondition(None, None, context=context)
        self._messages: list[tuple[Subscription, Take]] = []
        self._requests: list[tuple[Service, Serve]] = []
        self._wait_set: Any = None
        self._entities: list[tuple[Callable[..., object], Any]] = []

    def subscribe(self, node: Node, kind: type, topic: str, qos: QoSProfile, take: Take) -> None:
        """Have `take` called with the serialized messages that have come, one or more."""

        def callback(data: bytes) -> None:  # not called by our wait set
            self._guarded(topic, take, [data])

        subscription = node.create_subscription(
            kind, topic, callback, qos, raw=True,
            callback_group=None if self._plain else self._group,
        )  # fmt: skip
        self._messages.append((subscription, take))

    def renew(self, node: Node, topic: str) -> None:
        """Replace the subscription to a topic; what it has received is taken before."""
        name = node.resolve_topic_name(topic)
        for old, take in [entry for entry in self._messages if entry[0].topic_name == name]:
            if messages := _messages_of(old):
                self._guarded(name, take, messages)
            self._messages.remove((old, take))
            kind, qos = old.msg_type, old.qos_profile
            node.destroy_subscription(old)
            self.subscribe(node, kind, topic, qos, take)
        self.forget_entities()

    def serve(self, node: Node, kind: type, name: str, qos: QoSProfile, serve: Serve) -> None:
        """Offer a service; `serve` has to see that a response is sent. Not without `available`."""
        service = node.create_service(
            kind, name, serve, qos_profile=qos, callback_group=self._group
        )
        self._requests.append((service, serve))

    def wake(self) -> None:
        """Make `wait` return, from any thread."""
        self._woken.set()
        self._guard.trigger()

    def forget_entities(self) -> None:
        """Make the wait set anew before the next wait: entities came or went."""
        self._wait_set = None

    def wait(self, timeout: int, nodes: Iterable[Node] = ()) -> set[int]:
        """Wait until something is ready; returns the pointers of what is.

        Args:
            timeout: ns; -1 = no limit.
            nodes: whose other entities are waited for as well.
        """
        if self._plain:
            self._woken.wait(None if timeout < 0 else timeout / 1e9)
            self._woken.clear()
            return set()
        if self._wait_set is None:
            self._gather(list(nodes))
        wait_set = self._wait_set
        wait_set.clear_entities()
        for add, entity in self._entities:
            add(entity)
        wait_set.wait(timeout)
        ready = {pointer for kind in _KINDS for pointer in wait_set.get_ready_entities(kind)}
        ready.discard(self._guard.handle.pointer)
        return ready

    def dispatch(self, ready: set[int]) -> None:
        """Take what has come for subscriptions and services of this set, and remove it."""
        for subscription, take in self._messages:
            if subscription.handle.pointer in ready:
                ready.remove(subscription.handle.pointer)
                self._guarded(subscription.topic_name, take, _messages_of(subscription))
        for service, serve in self._requests:
            if service.handle.pointer in ready:
                ready.remove(service.handle.pointer)
                self._take_requests(service, serve)

    def _take_requests(self, service: Service, serve: Serve) -> None:
        kind = service.srv_type.Request
        for _ in range(_MOST_REQUESTS):
            try:
                request, header = service.handle.service_take_request(kind)
            except Exception:
                self._failed(f"a request to {service.service_name} cannot be read")
                continue
            if header is None:
                return
            self._guarded(service.service_name, serve, service, request, header)

    def _guarded(self, name: str, call: Callable[..., None], *args: object) -> None:
        try:
            call(*args)
        except Exception:
            self._failed(f"messages of {name} are lost")

    def _gather(self, nodes: list[Node]) -> None:
        """Make the wait set for the entities that there are now."""
        own = {
            "subscription": [subscription for subscription, _ in self._messages],
            "service": [service for service, _ in self._requests],
        }
        kinds: dict[str, list[Any]] = {}
        for kind in ("subscription", "timer", "client", "service"):
            found = [entity for node in nodes for entity in getattr(node, f"{kind}s")]
            kinds[kind] = [entity.handle for entity in (found if nodes else own.get(kind, ()))]
        waitables = [
            waitable
            for node in nodes
            for waitable in node.waitables
            if not isinstance(waitable, EventHandler)
        ]
        count = sum((waitable.get_num_entities() for waitable in waitables), NumberOfEntities(
            len(kinds["subscription"]), 1, *(len(kinds[k]) for k in ("timer", "client", "service"))
        ))  # fmt: skip
        self._wait_set = wait_set = _rclpy.WaitSet(
            count.num_subscriptions, count.num_guard_conditions, count.num_timers,
            count.num_clients, count.num_services, count.num_events, self._context.handle,
        )  # fmt: skip
        self._entities = [
            (wait_set.add_guard_condition, self._guard.handle),
            *((getattr(wait_set, f"add_{kind}"), h) for kind, all_ in kinds.items() for h in all_),
            *((waitable.add_to_wait_set, wait_set) for waitable in waitables),
        ]


def _messages_of(subscription: Subscription) -> list[bytes]:
    handle, kind = subscription.handle, subscription.msg_type
    messages: list[bytes] = []
    while len(messages) < _MOST_MESSAGES and (taken := handle.take_message(kind, True)):
        messages.append(without_options(taken[0]))
    return messages


class GoalServer(ActionServer):
    """An action server whose goals are carried out elsewhere, and that knows who sent them.

    A goal that was accepted is EXECUTING until `finish` is called for it.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        #: by id of the goal; taken out by the callback for accepted goals
        self.clients: dict[bytes, ClientId | None] = {}
        super().__init__(*args, **kwargs)

    async def _execute_goal_request(self, taken: Any) -> Any:
        header, request = taken
        key = bytes(request.goal_id.uuid)
        self.clients[key] = client_of(header)
        try:
            return await super()._execute_goal_request(taken)
        finally:
            self.clients.pop(key, None)

    def notify_execute(self, handle: Any, callback: Any) -> None:
        """Do nothing yet; called by `handle.execute()`."""

    def finish(self, handle: Any, make_result: Callable[[Any], Any]) -> None:
        """Have `make_result` called with the handle, to set its state and return its result."""
        super().notify_execute(handle, make_result)


class _RequestId(ctypes.Structure):
    """rmw_request_id_t of rmw."""

    _fields_ = (("writer_guid", ctypes.c_uint8 * 16), ("sequence_number", ctypes.c_int64))


class _Instance(ctypes.Structure):
    """The beginning of an object of pybind11: its head, then the address of what it holds."""

    _fields_ = (("head", ctypes.c_uint8 * object.__basicsize__), ("value", ctypes.c_void_p))


class ClientId(NamedTuple):
    """Names the endpoint from which a request came, as the graph does (`endpoint_gid`)."""

    gid: bytes

    @property
    def participant(self) -> bytes:
        """Names its process."""
        return self.gid[:12]


def client_of(header: Any) -> ClientId | None:
    """The client of a request, read from the header's memory; None where that is not possible."""
    request_id = getattr(header, "request_id", header)
    if type(request_id).__name__ != "rmw_request_id_t":
        return None
    address = _Instance.from_address(id(request_id)).value
    if not address:
        return None
    found = _RequestId.from_address(address)
    if found.sequence_number != request_id.sequence_number:
        return None
    return ClientId(bytes(found.writer_guid))
