"""Outputs of modules: what summaries show of them, and their payloads as messages."""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Sequence
from typing import Any

from rclpy.serialization import deserialize_message, serialize_message
from sustainml_msgs.msg import CO2Footprint, HWResource, MLModel, ModuleOutput

from sustainml_orchestrator.contract import cdr, figures
from sustainml_orchestrator.contract.cdr import Spans
from sustainml_orchestrator.contract.module_graph import figure_sources, output_type, type_name
from sustainml_orchestrator.core.pipeline import ModuleSpec, Pipeline
from sustainml_orchestrator.core.text import printable

#: Payloads up to this size, of types of one's own, are deserialized once on arrival, to be sure.
#: Of ours, what passes `cdr.spans` can be deserialized (tested), in a fifth of the time.
SMALL = 64 * 1024
_MAX_EXTRA_DATA = 2**20
#: Fields of outputs that may be of any size.
BINARY = ("raw_model", "extra_data")


class BadFigure(ValueError):
    """A number in an output makes no sense; the text names the field."""


def facts(data: bytes, message_type: type) -> dict[str, str | float]:
    """What summaries show of an output, by attribute of `Task`; all of it is checked.

    Raises:
        cdr.BadPayload: the bytes are no such message.
        BadFigure: a number in it makes no sense.
    """
    spans = cdr.spans(data, message_type)
    if not message_type.__module__.startswith("sustainml_msgs.") and len(data) <= SMALL:
        try:
            deserialize_message(data, message_type)
        except Exception as error:  # rclpy raises whatever the middleware found
            raise cdr.BadPayload(f"no {message_type.__name__}: {error}") from error
    number = _figures(data, message_type, spans)
    if message_type is MLModel:
        quality = _quality(cdr.octets(data, spans["extra_data"]))
        return {"model": printable(cdr.text(data, spans["model"])), "quality": quality}
    if message_type is HWResource:
        return {
            "hw_description": printable(cdr.text(data, spans["hw_description"])),
            "latency": number["latency"],
            "power": number["power_consumption"],
        }
    if message_type is CO2Footprint:
        return {"carbon": number["carbon_footprint"], "energy": number["energy_consumption"]}
    return {}


def _figures(data: bytes, message_type: type, spans: Spans) -> dict[str, float]:
    """The figures of an output, each of which makes sense."""
    found: dict[str, float] = {}
    for name in figures.FIGURES.get(message_type, ()):
        value = found[name] = cdr.number(data, spans[name])
        if wrong := figures.complaint(message_type, name, value):
            raise BadFigure(f"its output has {wrong}")
    return found


def _quality(extra_data: memoryview) -> float:
    """`quality` in the extra_data of a model, NaN where there is no finite number."""
    value = _number(extra_data, "quality")
    return math.nan if value is None else value


def _number(extra_data: memoryview, key: str) -> float | None:
    if not extra_data or len(extra_data) > _MAX_EXTRA_DATA:
        return None
    try:
        value = json.loads(bytes(extra_data)).get(key)
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return float(value) if is_number and math.isfinite(value) else None
    except (ValueError, AttributeError, RecursionError, OverflowError):
        return None


def is_exhausted(pipeline: Pipeline, outputs: Sequence[bytes | None]) -> bool:
    """Whether the extra_data of a model holds `remaining` = 0: no other model can be proposed."""
    sources = figure_sources(pipeline)
    for spec, data in zip(pipeline.modules, outputs, strict=True):
        if spec.index in sources and output_type(spec) is MLModel and data:
            try:
                span = cdr.spans(data, MLModel)["extra_data"]
            except cdr.BadPayload:  # from a damaged journal
                continue
            if _number(cdr.octets(data, span), "remaining") == 0:
                return True
    return False


def read_payload(data: bytes | None, message_type: type, include_binary: bool) -> Any:
    """A stored payload as a message; without its large fields unless asked for."""
    if not data:  # not delivered, or lost with a damaged journal
        return message_type()
    if len(data) > SMALL:
        return _read_large(data, message_type, include_binary)
    message = deserialize_message(data, message_type)
    if not include_binary:
        for name in _binary_fields(message):
            setattr(message, name, b"")
    return message


def _read_large(data: bytes, message_type: type, include_binary: bool) -> Any:
    """The same, with large fields copied once and not by way of the middleware's own form."""
    rest = cdr.without(data, message_type, BINARY)
    message = deserialize_message(rest, message_type)
    spans = cdr.spans(data, message_type) if include_binary else {}
    for name in _binary_fields(message):
        octets = array("B")
        if include_binary:
            octets.frombytes(cdr.octets(data, spans[name]))
        setattr(message, name, octets)
    return message


def _binary_fields(message: Any) -> list[str]:
    return [name for name in BINARY if hasattr(message, name)]


def to_plain(value: Any) -> Any:
    """A message as nested dictionaries and lists, fit for JSON."""
    if hasattr(value, "get_fields_and_field_types"):
        names = value.get_fields_and_field_types()
        return {name: to_plain(getattr(value, name)) for name in names}
    if isinstance(value, (bytes, bytearray)):
        return list(value)
    if isinstance(value, (str, bool, int, float)):
        return value
    return [to_plain(item) for item in value]


def extra_output(spec: ModuleSpec, data: bytes, include_binary: bool) -> ModuleOutput:
    """An output as front-ends get it that has no field of its own in a Task."""
    message = deserialize_message(data, output_type(spec))
    return ModuleOutput(
        node_name=spec.name,
        type_name=type_name(spec),
        serialized=data if include_binary else b"",
        json=json.dumps(to_plain(message), default=str),
    )


def whole_output(spec: ModuleSpec, data: bytes | None, ids: cdr.Ids) -> ModuleOutput:
    """An output as modules get it: serialized, complete, under these ids.

    Args:
        data: None gives a default message, without header.frame_id.
    """
    if data is None:
        data = serialize_message(output_type(spec)())
    serialized = cdr.with_ids(data, ids)
    return ModuleOutput(node_name=spec.name, type_name=type_name(spec), serialized=serialized)
