"""Finds nodes that are announced in the graph but not received, or that commands do not reach.

After packet loss an endpoint of DDS can stay matched and silent, for minutes; new endpoints of ours
end that. A process that was killed is announced until its lease of 20 s is over.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from rclpy.node import Node

from sustainml_orchestrator.contract import names
from sustainml_orchestrator.core.ids import NO_TASK
from sustainml_orchestrator.core.lifecycle import Lifecycle
from sustainml_orchestrator.node.publishers import Publishers
from sustainml_orchestrator.node.subscriptions import Subscriptions

#: Maximum silence of an endpoint, in s: one never received, and one received before, whose process
#: may have been killed.
_NEW, _KNOWN = 6.0, 26.0
#: Maximum time without a confirmation of any node command, in s, of a node that reports statuses.
_COMMANDS = 20.0
#: From the first renewal to the second, in s; then twice as long each time, up to the last. They
#: go on without end: after a cut network an endpoint may need several. One costs a new endpoint,
#: announced to all participants.
_AGAIN, _LONGEST = 10.0, 60.0
#: The renewal that also says what to do, and those that are reported: up to it, then each tenth.
_REMEDY, _REPORTED = 3, 10
#: Between two updates; after a longer time (s) this process itself has received nothing.
_LONGEST_PAUSE = 3.0


@dataclass
class _Silence:
    since: float
    patience: float
    renewals: int = 0


class SilenceWatch:
    """Which of several endpoints have been silent for too long.

    Args:
        new: maximum silence of one that was never received, in s.
        known: the same of one that was.
    """

    def __init__(self, new: float, known: float) -> None:
        self._new, self._known = new, known
        self._silences: dict[object, _Silence] = {}
        self._updated = 0.0

    def update(
        self, endpoints: Mapping[object, str], received: Mapping[str, float], now: float
    ) -> list[tuple[str, int]]:
        """Names of the nodes whose endpoints to renew, and how often that was done with this one.

        Args:
            endpoints: node name by endpoint, all that there are.
            received: when a node was received last (s, steady), by its name.
            now: s, steady.
        """
        pause = now - self._updated if self._updated else 0.0
        self._updated = now
        self._silences = {
            endpoint: self._silences.get(endpoint) or _Silence(now, self._new)
            for endpoint in endpoints
        }
        found = []
        for endpoint, silence in self._silences.items():
            if pause > _LONGEST_PAUSE:
                silence.since += pause
            name = endpoints[endpoint]
            if received.get(name, 0.0) > silence.since:
                silence.since, silence.patience = received[name], self._known
                silence.renewals = 0
            elif now - silence.since > silence.patience:
                silence.patience = min(_AGAIN * 2.0 ** min(silence.renewals, 10), _LONGEST)
                silence.renewals += 1
                silence.since = now
                found.append((name, silence.renewals))
        return found


class ReceptionWatch:
    """Renews the endpoints of the orchestrator by which it does not reach a node."""

    def __init__(
        self, node: Node, lifecycle: Lifecycle, subscriptions: Subscriptions, publishers: Publishers
    ) -> None:
        self._node = node
        self._lifecycle = lifecycle
        self._subscriptions = subscriptions
        self._publishers = publishers
        self._statuses = SilenceWatch(_NEW, _KNOWN)
        self._commands = SilenceWatch(_COMMANDS, _COMMANDS)

    def update(self) -> None:
        """Check the graph and the commands that are not confirmed; to be called each second."""
        now = time.monotonic()
        received: dict[str, float] = {}
        for node in self._lifecycle.nodes:
            for instance in node.instances.values():
                received[instance.name] = max(instance.last_seen, received.get(instance.name, 0.0))
        silent = self._statuses.update(self._announced(received), received, now)
        for name, count in silent:
            self._warn(f"no status of {name} arrives, although it publishes them", count)
        if silent:
            self._subscriptions.renew_status()
        unreached = self._commands.update(self._unconfirmed(), {}, now)
        for name, count in unreached:
            self._warn(f"{name} confirms no command, although it reports its status", count)
        if unreached:
            self._publishers.renew_control()

    def _announced(self, received: Collection[str]) -> dict[object, str]:
        """Publishers of status: the nodes of modules, by their default names or by their statuses.

        Others may publish for nodes of other names, as bridges do.
        """
        modules = {node.name for node in self._lifecycle.nodes}
        found = (
            (bytes(info.endpoint_gid), info.node_name, info.node_namespace.rstrip("/"))
            for info in self._node.get_publishers_info_by_topic(names.STATUS)
        )
        return {
            gid: full
            for gid, name, space in found
            if (full := f"{space}/{name}") in received or name in modules
        }

    def _unconfirmed(self) -> dict[object, str]:
        """Nodes that report their status and have a command that they have not confirmed."""
        orders = ((node, node.outbox.orders.get(NO_TASK)) for node in self._lifecycle.nodes)
        return {
            node.name: node.name
            for node, order in orders
            if order and node.responsive and not (order.echoed or order.acknowledged)
        }

    def _warn(self, what: str, count: int) -> None:
        if count > _REMEDY and count % _REPORTED:
            return
        last = (
            f"; if it stays so, restart that node and see that its {names.STATUS} QoS is reliable"
        )
        remedy = last if count >= _REMEDY else ""
        self._node.get_logger().warning(f"{what}: renewing the endpoint, time {count}{remedy}")
