"""Descriptions of ROS parameters, by which they are declared, checked and documented."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.node import Node
from rclpy.parameter import Parameter

#: Greatest number of an IntegerRange: the sliders of rqt_reconfigure hold 32 bits, and a range
#: beyond them ends its list of parameters. Wider limits are checked when a value is set.
_SLIDER_LIMIT = 2**31 - 1


class ParameterError(ValueError):
    """A value is not permitted; one sentence."""


Value = bool | int | float | str


@dataclass(frozen=True)
class Spec:
    """One parameter; its type is that of the default.

    Attributes:
        description: what it sets, without a full stop.
        low: least number permitted; None for texts and truth values.
        high: greatest number permitted.
        choices: texts permitted; empty = any.
        read_only: whether it is read at start only.
    """

    name: str
    default: Value
    description: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    read_only: bool = False

    @property
    def allowed(self) -> str:
        """The values permitted, for people; "" for any."""
        if self.choices:
            return " or ".join(choice or "empty" for choice in self.choices)
        return "" if self.low is None else f"{_plain(self.low)} to {_plain(self.high)}"

    @property
    def descriptor(self) -> ParameterDescriptor:
        """What `ros2 param describe` shows."""
        constraints = f"one of: {', '.join(map(repr, self.choices))}" if self.choices else ""
        descriptor = ParameterDescriptor(
            description=self.description,
            additional_constraints=constraints,
            read_only=self.read_only,
        )
        if self.low is not None and self.high is not None:
            if isinstance(self.default, float):
                bounds = FloatingPointRange(from_value=float(self.low), to_value=float(self.high))
                descriptor.floating_point_range = [bounds]
            elif self.high <= _SLIDER_LIMIT:
                limits = IntegerRange(from_value=int(self.low), to_value=int(self.high))
                descriptor.integer_range = [limits]
            else:
                descriptor.additional_constraints = self.allowed
        return descriptor

    def checked(self, value: Any) -> Value:
        """The value in the type of the parameter: JSON writes 1 for 1.0, and 5.0 for 5.

        Raises:
            ParameterError: it has another type, or is not permitted.
        """
        kind = type(self.default)
        numbers = kind in (int, float) and type(value) in (int, float)
        if numbers and math.isfinite(value) and kind(value) == value:
            value = kind(value)
        if type(value) is not kind:
            raise ParameterError(f"{self.name} is {value!r}; give {_KINDS[kind]}")
        low, high = self.low, self.high
        number: Any = value  # as it is: as a float, 2**53 + 1 would be 2**53
        if low is not None and high is not None and not low <= number <= high:
            raise ParameterError(f"{self.name} is {value}; give {self.allowed}")
        if self.choices and value not in self.choices:
            raise ParameterError(f"{self.name} is {value!r}; give {self.allowed}")
        return kind(value)


_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


def _plain(number: float | None) -> str:
    return f"{number:g}" if isinstance(number, float) and number < 1 else f"{number:.0f}"


def declare(node: Node, table: Iterable[Spec]) -> dict[str, Any]:
    """Declare all parameters of a table, and check what is set later; returns their values.

    Raises:
        ParameterError: a value from the command line or a file is not permitted.
    """
    specs = {spec.name: spec for spec in table}
    values: dict[str, Any] = {}
    for spec in specs.values():
        try:
            value = node.declare_parameter(spec.name, spec.default, spec.descriptor).value
        except Exception as error:  # rclpy has several, which are no part of its interface
            hint = f"; set {spec.allowed}" if spec.allowed else ""
            raise ParameterError(f"parameter {spec.name}: {error}{hint}") from error
        try:
            values[spec.name] = spec.checked(value)
        except ParameterError as error:
            raise ParameterError(f"parameter {error}") from error
    node.add_on_set_parameters_callback(lambda changes: refusal(specs, changes))
    return values


def refusal(specs: Mapping[str, Spec], changes: Iterable[Parameter]) -> SetParametersResult:
    """Whether values may be set; the reason says which may not."""
    try:
        for parameter in changes:
            if parameter.name in specs:
                specs[parameter.name].checked(parameter.value)
    except ParameterError as error:
        return SetParametersResult(successful=False, reason=str(error))
    return SetParametersResult(successful=True)
