"""What supervisors are told, and which machines an orchestrator can reach."""

from __future__ import annotations

import pytest

from sustainml_orchestrator.contract.discovery import is_local
from sustainml_orchestrator.node import service_manager


def test_a_supervisor_hears_of_readiness(monkeypatch: pytest.MonkeyPatch) -> None:
    with service_manager.Listener() as listener:
        monkeypatch.setenv(service_manager.VARIABLE, listener.address)
        service_manager.notify(False, "node x has\nnever been seen")
        service_manager.notify(True, "ready")
        monkeypatch.setenv("WATCHDOG_USEC", "4000000")
        watchdog = service_manager.Watchdog()
        for now in (10.0, 10.5, 11.9):
            watchdog.beat(now)
        first, second, third = (listener.receive(1.0) for _ in range(3))
        assert listener.receive(0.0) is None
    assert first is not None and second is not None and third is not None
    assert (first.ready, first.status) == (False, "node x has never been seen")
    assert (second.ready, second.status) == (True, "ready")
    assert (third.ready, third.status, third.text) == (False, "", "WATCHDOG=1")


def test_a_supervisor_that_is_gone_or_deaf_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    with service_manager.Listener() as listener:
        monkeypatch.setenv(service_manager.VARIABLE, listener.address)
        for _ in range(1000):  # more than its queue holds
            service_manager.notify(True, "ready")
    service_manager.notify(True, "ready")
    monkeypatch.setenv(service_manager.VARIABLE, "/no/such/socket")
    service_manager.notify(True, "ready")
    monkeypatch.delenv(service_manager.VARIABLE)
    service_manager.notify(True, "ready")


@pytest.mark.parametrize(
    ("environment", "local"),
    [
        ({}, False),
        ({"ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET"}, False),
        ({"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}, True),
        ({"ROS_AUTOMATIC_DISCOVERY_RANGE": "OFF"}, True),
        ({"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST", "ROS_STATIC_PEERS": "far"}, False),
    ],
)
def test_who_can_be_reached(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], local: bool
) -> None:
    for name in ("ROS_AUTOMATIC_DISCOVERY_RANGE", "ROS_STATIC_PEERS", "ROS_DISCOVERY_SERVER"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert is_local() is local
