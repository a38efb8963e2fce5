"""Changes of parameters of modules, as the orchestrator reads them."""

from __future__ import annotations

import struct
from collections import Counter
from typing import Any

import pytest
from rcl_interfaces.msg import ParameterEvent
from rclpy.parameter import Parameter
from rclpy.serialization import serialize_message

from sustainml_orchestrator.node.parameter_events import read

NAME = "/sustainml/carbon_tracker"


def event(changed: dict[str, Any], node: str = NAME) -> bytes:
    parameters = [
        Parameter(name, value=value).to_parameter_msg() for name, value in changed.items()
    ]
    return serialize_message(ParameterEvent(node=node, changed_parameters=parameters))


def settings(data: bytes, dropped: Counter[str] | None = None) -> dict[str, str] | None:
    found = read(data, {NAME}, Counter() if dropped is None else dropped)
    return None if found is None else dict(found.settings)


def test_scalars_of_modules_are_read() -> None:
    wanted = {"pue": 1.2, "inferences": 5, "exact": True, "grid": 'P"L'}
    texts = {"pue": "1.2", "inferences": "5", "exact": "true", "grid": '"P\\"L"'}
    others = {"list": [1.0, 2.0], "nan": float("nan"), "endless": float("-inf"), "bytes": [b"x"]}
    of_ros = {"use_sim_time": True, "qos_overrides./status.depth": 5}
    assert settings(event({**others, **wanted, **of_ros})) == texts
    assert settings(event({**others, **of_ros})) is None
    assert settings(event(wanted, node="/sustainml/other")) is None
    new = serialize_message(
        ParameterEvent(node=NAME, new_parameters=[Parameter("pue", value=1.0).to_parameter_msg()])
    )
    assert settings(new) is None, "what a process starts with it has anyway"


@pytest.mark.parametrize("size", [0, 3, 11, 20, 44, 60, 80])
def test_what_cannot_be_read_is_dropped_and_counted(size: int) -> None:
    dropped: Counter[str] = Counter()
    assert settings(event({"pue": 1.2})[:size], dropped) is None
    assert sum(dropped.values()) == 1


def test_events_that_claim_more_than_they_hold_or_are_large() -> None:
    dropped: Counter[str] = Counter()
    whole = bytearray(event({"pue": 1.2}))
    at = whole.index(b"tracker\0") + 8
    at += -at % 4
    struct.pack_into("<3I", whole, at, 0, 2**31, 0)
    assert settings(bytes(whole), dropped) is None
    assert settings(event({"text": "x" * (1 << 19)}), dropped) is None
    assert sum(dropped.values()) == 2
    many = settings(event({f"p{number}": number for number in range(1000)}))
    assert many is not None and len(many) == 100
