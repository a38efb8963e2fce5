"""Settings are ROS parameters: `configure` and `ros2 param set` are two doors to one value."""

from __future__ import annotations

import json
from typing import Any

from rclpy.parameter import Parameter
from support.scripted_modules import Isolation, ScriptedOrchestrator

from sustainml_orchestrator.core.ids import ErrorCode, NodeCommand, NodeStatus


class Doors:
    """Both ways to the settings of one module."""

    def __init__(self, orchestrator: ScriptedOrchestrator) -> None:
        self._orchestrator = orchestrator
        self._client = orchestrator.parameters()

    def set(self, **values: Any) -> str:
        """Set parameters at once; returns the reason of a refusal."""
        wanted = [Parameter(name, value=value) for name, value in values.items()]
        future = self._client.set_parameters_atomically(wanted)
        result = self._orchestrator.answer(future).result
        return "" if result.successful else result.reason

    def get(self, name: str) -> Any:
        """The value of a parameter."""
        (value,) = self._orchestrator.answer(self._client.get_parameters([name])).values
        return value.double_value if name == "gain" else value.string_value

    def configuration(self) -> dict[str, Any]:
        """What `configure` answers to the question for the settings."""
        return json.loads(self._orchestrator.configure("{}").configuration)

    def used(self, number: int) -> dict[str, Any]:
        """The settings by which a task was worked on."""
        self._orchestrator.task((number, 1), "work")
        return json.loads(self._orchestrator.output((number, 1)).app_requirements[0])


def test_what_one_door_sets_the_other_shows(
    orchestrator: ScriptedOrchestrator, isolation: Isolation
) -> None:
    orchestrator.start("Tunable", *isolation, "-p", "gain:=2.0", "-p", "configure_timeout:=1.0")
    doors = Doors(orchestrator)
    assert doors.configuration() == {"gain": 2.0, "mode": "fast"}, "from the command line"

    assert doors.set(gain=3.0) == ""
    assert doors.configuration()["gain"] == doors.get("gain") == doors.used(1)["gain"] == 3.0

    assert orchestrator.configure('{"gain": 4, "mode": "exact"}').success
    assert (doors.get("gain"), doors.get("mode")) == (4.0, "exact")

    assert doors.set(gain=7.0) == "gain 7 brings bad luck; choose another"
    assert "mode is 'slow'" in doors.set(mode="slow")
    assert doors.set(gain=11.0) and doors.set(workers=2)
    assert "no answer from configure() within 1 s" in doors.set(gain=9.0, mode="exact")
    assert doors.get("gain") == doors.used(2)["gain"] == 4.0


def test_an_inactive_module_keeps_settings_for_its_start(
    orchestrator: ScriptedOrchestrator,
) -> None:
    orchestrator.launch("Tunable")
    doors = Doors(orchestrator)
    assert doors.set(gain=5.0) == ""
    assert orchestrator.configure('{"mode": "exact"}').success
    assert doors.configuration() == {"gain": 5.0, "mode": "exact"}
    refused = orchestrator.configure('{"gain": -1}')
    assert (refused.error_code, refused.message) == (
        ErrorCode.INVALID_REQUEST, "gain is -1.0; give 0 to 10",
    )  # fmt: skip
    unknown = orchestrator.configure('{"colour": 1}')
    assert unknown.error_code == ErrorCode.REJECTED
    orchestrator.order(node=NodeCommand.START)
    orchestrator.await_node(NodeStatus.IDLE)
    assert doors.configuration() == {"gain": 5.0, "mode": "exact"}
