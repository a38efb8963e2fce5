"""Notices clients that are gone, so that what they wait for takes no place.

A client that ends in order leaves the graph at once. The endpoints of one that is killed stay there
for 20 s; where its process runs on this machine, also in a container, its end is noticed within a
second.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from rclpy.node import Node

from sustainml_orchestrator.contract.wait_set import ClientId

#: How long a client may take to appear in the graph after its request, in s.
_DISCOVERY = 10.0
#: A GUID of Fast DDS: its vendor, two bytes of the host, two of the process, and the rest.
_FAST_DDS = b"\x01\x0f"
_HOST, _PROCESS = slice(2, 4), slice(4, 6)
#: In the status of a process: its pids in all namespaces, its own last.
_OWN_PID = re.compile(r"^NSpid:.*\t(\d+)$", re.MULTILINE)


class _Process(NamedTuple):
    """A process; `started` distinguishes it from a later one with the same pid."""

    pid: int
    started: str


class _Client:
    """One client.

    Attributes:
        processes: those of this machine that it may be; empty where that is not known.
        seen: whether it was in the graph.
        deadline: until when it has to appear there (s, steady).
        waiting: what to call when it is gone, by key.
    """

    def __init__(self, processes: list[_Process]) -> None:
        self.processes = processes
        self.seen = False
        self.deadline = time.monotonic() + _DISCOVERY
        self.waiting: dict[object, Callable[[], None]] = {}


class Clients:
    """Watches the clients that wait for something; each by the service that it called."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._clients: dict[tuple[str, ClientId], _Client] = {}
        self._host: bytes | None = None

    def watch(
        self, service: str, client: ClientId | None, key: object, gone: Callable[[], None]
    ) -> None:
        """Have `gone` called when a client ends before `forget` is called with the same key.

        Args:
            service: fully qualified name of the one that it called.
            client: None where it is not known; it is not watched then. Nor is one of a middleware
                other than Fast DDS, where the graph does not have it by the same id.
        """
        if client is None or client.gid[:2] != _FAST_DDS:
            return
        found = self._clients.get((service, client))
        if found is None:
            found = self._clients[service, client] = _Client(self._processes(client))
        found.waiting[key] = gone

    def forget(self, service: str, client: ClientId | None, key: object) -> None:
        """The client no longer waits for this."""
        found = self._clients.get((service, client)) if client else None
        if found is not None and client is not None:
            found.waiting.pop(key, None)
            if not found.waiting:
                del self._clients[service, client]

    def update(self) -> None:
        """Find those that are gone; to be called about once a second."""
        present: dict[str, set[bytes]] = {}
        for (service, client), state in list(self._clients.items()):
            if service not in present:
                present[service] = self._readers(service)
            ended = bool(state.processes) and not any(map(_is_alive, state.processes))
            if client.gid in present[service]:
                state.seen = True
            elif state.seen or time.monotonic() > state.deadline:
                ended = True
            if ended:
                self._clients.pop((service, client), None)
                for gone in list(state.waiting.values()):
                    gone()

    def _readers(self, service: str) -> set[bytes]:
        """Readers of the responses of a service: one per client."""
        topic = f"rr{service}Reply"  # as rmw maps names of services to topics of DDS
        found = self._node.get_subscriptions_info_by_topic(topic, no_mangle=True)
        return {bytes(info.endpoint_gid)[:16] for info in found}

    def _processes(self, client: ClientId) -> list[_Process]:
        """The processes of this machine that a client may be."""
        if client.gid[_HOST] != self._own_host():
            return []
        low = int.from_bytes(client.gid[_PROCESS], "little")
        pids = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
        same = [pid for pid in pids if _own_pid(pid) & 0xFFFF == low and _uses_dds(pid)]
        found = [(pid, _started(pid)) for pid in same]
        return [_Process(pid, started) for pid, started in found if started]

    def _own_host(self) -> bytes:
        if self._host is None:
            topic = self._node.resolve_topic_name("/rosout")
            found = self._node.get_publishers_info_by_topic(topic)
            name = self._node.get_name(), self._node.get_namespace()
            own = [i for i in found if (i.node_name, i.node_namespace) == name]
            if not own:
                return b""
            self._host = bytes(own[0].endpoint_gid)[_HOST]
        return self._host


def _own_pid(pid: int) -> int:
    """The pid that a process has for itself, another one in a container; -1 when it has ended."""
    try:
        text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return -1
    found = _OWN_PID.search(text)
    return int(found[1]) if found else pid


def _uses_dds(pid: int) -> bool:
    """Whether a process has a thread of Fast DDS, by its name."""
    for path in Path(f"/proc/{pid}/task").glob("*/comm"):
        with suppress(OSError):  # it has ended
            if path.read_bytes().startswith(b"dds."):
                return True
    return False


def _started(pid: int) -> str:
    """When a process started, in ticks since the machine did; "" when it is not there."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    state, *rest = fields.rpartition(")")[2].split()
    return "" if state in "ZX" else rest[18]


def _is_alive(process: _Process) -> bool:
    return _started(process.pid) == process.started
