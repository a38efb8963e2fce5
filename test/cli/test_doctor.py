"""What `sustainml doctor` says of each state of a node."""

from __future__ import annotations

import pytest
from sustainml_msgs.msg import InstanceState, NodeState

from sustainml_orchestrator.cli import doctor
from sustainml_orchestrator.core.ids import NodeStatus


@pytest.mark.parametrize(
    ("status", "responsive", "level", "remedy"),
    [
        (NodeStatus.IDLE, True, "ok", ""),
        (NodeStatus.RUNNING, True, "ok", ""),
        (NodeStatus.INACTIVE, True, "error", "sustainml node start m"),
        (NodeStatus.ERROR, True, "error", "sustainml node reset m"),
        (NodeStatus.INITIALIZING, True, "warning", "wait until it has finished; run doctor again"),
        (NodeStatus.TERMINATING, True, "warning", "wait until it has finished; run doctor again"),
        (NodeStatus.INACTIVE, False, "error",
         "start its process: sustainml up, or ros2 run sustainml_orchestrator m"),
    ],
)  # fmt: skip
def test_each_state_has_a_remedy(
    status: NodeStatus, responsive: bool, level: str, remedy: str
) -> None:
    node = NodeState(
        node_name="m", node_status=int(status), responsive=responsive, restarts=2,
        error_description="no heartbeat", instances=[InstanceState(instance="/x/m")],
    )  # fmt: skip
    found = doctor._node(node)
    assert (found.level, found.remedy) == (level, remedy)
    assert f"m is {status.name}, restarted 2 times" in found.finding
    assert ("no heartbeat" in found.finding) is (level != "ok")


def test_a_wrong_domain_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", "two")
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "OFF")
    levels = {found.finding: found.remedy for found in doctor._environment()}
    assert levels["ROS_DOMAIN_ID is 'two'"] == "set it to a number from 0 to 232"
    assert levels["discovery range is OFF"].startswith("set ROS_AUTOMATIC_DISCOVERY_RANGE")
