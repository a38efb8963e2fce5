"""Descriptions of ROS parameters, by which they are declared, checked and documented."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node


class ParameterError(ValueError):
    """A value from the command line or a file is not permitted; one sentence."""


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
            return " or ".join(self.choices)
        return "" if self.low is None else f"{_plain(self.low)} to {_plain(self.high)}"

    @property
    def descriptor(self) -> ParameterDescriptor:
        """What `ros2 param describe` shows."""
        constraints = f"one of: {', '.join(self.choices)}" if self.choices else ""
        descriptor = ParameterDescriptor(
            description=self.description,
            additional_constraints=constraints,
            read_only=self.read_only,
        )
        if self.low is not None and self.high is not None:
            if isinstance(self.default, float):
                bounds = FloatingPointRange(from_value=float(self.low), to_value=float(self.high))
                descriptor.floating_point_range = [bounds]
            else:
                limits = IntegerRange(from_value=int(self.low), to_value=int(self.high))
                descriptor.integer_range = [limits]
        return descriptor


def _plain(number: float | None) -> str:
    return f"{number:g}" if isinstance(number, float) and number < 1 else f"{number:.0f}"


def declare(node: Node, table: Iterable[Spec]) -> dict[str, Any]:
    """Declare all parameters of a table; returns their values.

    Raises:
        ParameterError: a value from the command line or a file is not permitted.
    """
    values: dict[str, Any] = {}
    for spec in table:
        try:
            value = node.declare_parameter(spec.name, spec.default, spec.descriptor).value
        except Exception as error:  # rclpy has several, which are no part of its interface
            hint = f"; set {spec.allowed}" if spec.allowed else ""
            raise ParameterError(f"parameter {spec.name}: {error}{hint}") from error
        if spec.choices and value not in spec.choices:
            raise ParameterError(f"parameter {spec.name} is '{value}'; set {spec.allowed}")
        values[spec.name] = value
    return values
