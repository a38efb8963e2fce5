"""Outputs of user code: what is converted, and what is refused by the name of its field."""

from __future__ import annotations

import array
import math
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from rclpy.serialization import deserialize_message, serialize_message
from std_msgs.msg import Header
from sustainml_msgs.msg import (
    AppRequirements,
    CO2Footprint,
    HWConstraints,
    HWResource,
    MLModel,
    MLModelMetadata,
    ModuleOutput,
    TaskId,
    TaskSummary,
    UserInput,
)

from sustainml_orchestrator.contract.field_values import FieldError
from sustainml_orchestrator.contract.module_graph import message_types, read_pipeline
from sustainml_orchestrator.sdk.output_message import checked, field_of

TYPES = (AppRequirements, MLModelMetadata, HWConstraints, MLModel, HWResource, CO2Footprint)
#: By the name of a field's type: values that fit none of it.
UNFIT: dict[str, Sequence[Any]] = {
    "string": (None, 1, b"bytes", ["a"], "\ud800", "a\0b", object()),
    "double": (
        None,
        "1",
        1j,
        True,
        [1.0],
        np.array([1.0]),
        np.array(True),
        10**400,
        Decimal("sNaN"),
    ),
    "uint32": (None, "1", 1.0, True, -1, 2**32, np.int64(-1), float("nan")),
    "int32": (None, "1", 1.5, 2**31, -(2**31) - 1),
    "boolean": (None, 1, "true", 0.0),
    "sequence<string>": (None, "text", 7, {"a": 1}, [None], ["a", 1], ["\ud800"], [b"x"], [["a"]]),
    "sequence<uint8>": (
        None,
        [256],
        [-1],
        ["a"],
        [1.0],
        7,
        "text",
        {"a": 1},
        array.array("d", [1]),
    ),
    "std_msgs/Header": (None, {}, TaskId(), "header"),
    "sustainml_msgs/TaskId": (None, (1, 1), Header()),
}


def with_field(message_type: Any, name: str, value: Any) -> Any:
    """A message with any value in a field, past its setter."""
    message = message_type()
    setattr(message, f"_{name}", value)
    return message


CASES = [
    pytest.param(each, name, value, id=f"{each.__name__}.{name}={value!r:.20}")
    for each in TYPES
    for name, kind in each.get_fields_and_field_types().items()
    for value in UNFIT[kind]
]


@pytest.mark.parametrize(("message_type", "name", "value"), CASES)
def test_a_wrong_value_is_refused_by_the_name_of_its_field(
    message_type: Any, name: str, value: Any
) -> None:
    with pytest.raises(FieldError, match=rf"^{name}\b"):
        checked(with_field(message_type, name, value), message_type)


def test_every_type_of_every_output_was_tried() -> None:
    pipeline = read_pipeline("")
    kinds = {
        kind
        for message_type in message_types(pipeline).values()
        for kind in message_type.get_fields_and_field_types().values()
    }
    assert kinds <= set(UNFIT)
    assert {*TYPES, UserInput} == set(message_types(pipeline).values())


@pytest.mark.parametrize(
    ("name", "value", "sent"),
    [
        ("latency", 1, 1.0),
        ("latency", np.float32(0.5), 0.5),
        ("latency", np.int64(3), 3.0),
        ("latency", Fraction(1, 4), 0.25),
        ("latency", Decimal("0.25"), 0.25),
        ("latency", np.array(0.25), 0.25),
        ("hw_description", np.str_("board"), "board"),
        ("extra_data", b"{}", b"{}"),
        ("extra_data", bytearray(b"{}"), b"{}"),
        ("extra_data", memoryview(b"{}"), b"{}"),
        ("extra_data", [123, np.uint8(125)], b"{}"),
        ("extra_data", (123, 125), b"{}"),
        ("extra_data", np.array([123, 125]), b"{}"),
        ("extra_data", np.array([123, 125], np.uint8), b"{}"),
    ],
)
def test_a_value_that_means_the_same_is_converted(name: str, value: Any, sent: Any) -> None:
    message = checked(with_field(HWResource, name, value), HWResource)
    received = getattr(deserialize_message(serialize_message(message), HWResource), name)
    assert (bytes(received) if name == "extra_data" else received) == sent


@pytest.mark.parametrize("value", [("a", "b"), {"a": 1}.keys() | {"b"}, np.array(["a", "b"])])
def test_what_holds_several_texts_is_a_list_of_texts(value: Any) -> None:
    message = checked(with_field(AppRequirements, "app_requirements", value), AppRequirements)
    received = deserialize_message(serialize_message(message), AppRequirements)
    assert sorted(received.app_requirements) == ["a", "b"]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -5.0, np.float64("nan")])
@pytest.mark.parametrize(
    ("message_type", "name"),
    [
        (MLModel, "target_latency"),
        (HWResource, "power_consumption"),
        (HWResource, "latency"),
        (HWResource, "memory_footprint_of_ml_model"),
        (HWResource, "max_hw_memory_footprint"),
        (CO2Footprint, "carbon_footprint"),
        (CO2Footprint, "energy_consumption"),
        (CO2Footprint, "carbon_intensity"),
    ],
)
def test_a_figure_that_makes_no_sense_is_refused(
    message_type: Any, name: str, value: float
) -> None:
    output = message_type(**{name: value})
    if name == "carbon_footprint" and math.isfinite(value):
        assert checked(output, message_type).carbon_footprint == value  # emissions were offset
        return
    with pytest.raises(FieldError, match=f"^{name} = .*; give a finite number"):
        checked(output, message_type)


def test_an_object_of_a_subclass_is_sent_as_the_type_that_is_due() -> None:
    class Better(HWResource):
        pass

    message = checked(Better(hw_description="board"), HWResource, attempt=3)
    assert type(message) is HWResource
    assert (message.hw_description, message.attempt) == ("board", 3)


def test_fields_of_messages_within_messages_are_named() -> None:
    output = TaskSummary()
    output.created.sec = "now"
    with pytest.raises(FieldError, match=r"^created\.sec is of type str; it must be int32"):
        checked(output, TaskSummary)
    output = ModuleOutput(node_name=3)
    with pytest.raises(FieldError, match=r"^node_name is of type int; it must be string"):
        checked(output, ModuleOutput)


def test_an_error_of_a_setter_is_said_with_its_field() -> None:
    with pytest.raises(TypeError) as raised:
        HWResource(extra_data="text")
    assert field_of(raised.value) == "extra_data (sequence<uint8>) of HWResource"
    assert field_of(KeyError()) == ""
