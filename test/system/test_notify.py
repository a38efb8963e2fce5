"""What supervisors are told, and how an orchestrator knows that it is the only one here."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sustainml_orchestrator import notify
from sustainml_orchestrator.ros.domain import Claim, is_local


def test_a_supervisor_hears_of_readiness(monkeypatch: pytest.MonkeyPatch) -> None:
    with notify.Listener() as listener:
        monkeypatch.setenv(notify.VARIABLE, listener.address)
        notify.tell(False, "node x has\nnever been seen")
        notify.tell(True, "ready")
        assert listener.receive(1.0) == (False, "node x has never been seen")
        assert listener.receive(1.0) == (True, "ready")
        assert listener.receive(0.0) is None


def test_a_supervisor_that_is_gone_or_deaf_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    with notify.Listener() as listener:
        monkeypatch.setenv(notify.VARIABLE, listener.address)
        for _ in range(1000):  # more than its queue holds
            notify.tell(True, "ready")
    notify.tell(True, "ready")
    monkeypatch.setenv(notify.VARIABLE, "/no/such/socket")
    notify.tell(True, "ready")
    monkeypatch.delenv(notify.VARIABLE)
    notify.tell(True, "ready")


def test_one_process_has_the_place_until_it_ends() -> None:
    code = (
        "import sys; from sustainml_orchestrator.ros.domain import Claim;"
        "claim = Claim('/claimed'); print(claim.is_ours, flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout is not None and other.stdout.readline() == "True\n"
        assert Claim("claimed").is_ours is False
        elsewhere = Claim("/claimed/more")
        assert elsewhere.is_ours
        elsewhere.close()
    finally:
        other.kill()
        other.wait()
    mine = Claim("/claimed/")
    assert mine.is_ours
    mine.close()


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
