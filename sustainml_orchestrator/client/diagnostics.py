"""The latest diagnostics of an orchestrator."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.qos import QoSProfile

from sustainml_orchestrator.client.errors import ClientError
from sustainml_orchestrator.contract import names

if TYPE_CHECKING:
    from sustainml_orchestrator.client.client import OrchestratorClient

#: They are published every second: older ones (s) are of an orchestrator that has gone.
_SILENCE = 5.0


class Diagnostics:
    """The latest status of each part of the orchestrator on /diagnostics, such as ``journal``.

    Any node can publish there: a value is a text, and not always the number that one expects.

    Args:
        client: used for the subscription, and not closed with it.

    Raises:
        ClientError: the client is closed or broken.
    """

    def __init__(self, client: OrchestratorClient) -> None:
        self._client = client
        self._prefix = f"{client.namespace}/{names.ORCHESTRATOR}: "
        self._parts: dict[str, DiagnosticStatus] = {}
        self._received_at = 0.0
        self._received = threading.Event()
        subscribe = partial(
            client.node.create_subscription, DiagnosticArray, "/diagnostics", self._on_message,
            QoSProfile(depth=10),
        )  # fmt: skip
        self._subscription = client.run(subscribe)

    def __enter__(self) -> Diagnostics:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def wait(self, seconds: float) -> dict[str, DiagnosticStatus]:
        """Wait for the first message; returns `parts`, which are empty if none came in time."""
        self._received.wait(seconds)
        return self.parts

    def close(self) -> None:
        """Unsubscribe; no effect once the client is closed."""
        with suppress(ClientError):
            self._client.run(partial(self._client.node.destroy_subscription, self._subscription))

    @property
    def parts(self) -> dict[str, DiagnosticStatus]:
        """The latest status by the name of the part; empty while no orchestrator publishes."""
        silent = time.monotonic() - self._received_at
        return self._parts if silent < _SILENCE else {}

    def _on_message(self, message: DiagnosticArray) -> None:
        found = {
            status.name.removeprefix(self._prefix): status
            for status in message.status
            if status.name.startswith(self._prefix)
        }
        if found:  # other nodes publish there as well
            self._parts, self._received_at = found, time.monotonic()
            self._received.set()
