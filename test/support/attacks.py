"""What a hostile or broken participant may send, as strategies of hypothesis.

Whole messages and requests are made from the types themselves, so that a new field or service is
attacked without a word here. An attack is plain data: a failure prints what to send again.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

import sustainml_msgs.srv
from hypothesis import strategies as st
from rcl_interfaces.msg import ParameterType
from rclpy.serialization import serialize_message
from rosidl_parser import definition as idl
from sustainml_msgs.action import RunTask
from sustainml_msgs.msg import NodeStatus, SystemState, TaskId

from support.puppet import SERVICES, TYPES

MAX = 2**32 - 1
#: Ids of tasks that never were.
UNKNOWN = st.sampled_from([10**6, 2**31, MAX - 1, MAX])
_TEXTS = (
    "", " ", "\0", "first", "second", "first" * 500, "/first", "../../etc/passwd", "%s%n{0}{x}",
    "\u202e\u0000\ufeff", "\U0001d518" * 50, "\n" * 100, "x" * 100_000, "x" * (2**20 + 1),
    "NaN", "-1", "{}", "'; DROP TABLE iterations; --", "\x1b[2J\x1b]0;owned\a",
)  # fmt: skip
_JSON = (
    "[" * 100_000, '{"a":' * 100_000, '{"num_outputs": 1e400}', '{"num_outputs": NaN}',
    '{"num_outputs": 99999999999999999999}', '{"model_restrains": [[]]}', '{"quality": Infinity}',
    '{"max_memory_footprint": -Infinity}', '{"a": "\\ud800"}', '{"\\ud800": 1}', '{"a": 1e-9999}',
    '{"a": ' + "9" * 5000 + "}", '{"quality": ' + "9" * 400 + "}", '{"": {}, "": []}', "{}",
    '{"goal": {"a": [null]}}', '{"model_selected": 3}', '{"hardware_required": {"x": 1}}',
    '{"token": "t"}', '{"a": [{"api_key": "k"}]}', '{"num_outputs": 2}', "\ufeff{}",
)  # fmt: skip
texts = st.sampled_from(_TEXTS + _JSON) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=40
)
octets = st.binary(max_size=60) | st.sampled_from([t.encode() for t in _JSON])
floats = (
    st.sampled_from([float("nan"), float("inf"), -float("inf"), -1.0, 0.0, 1e308]) | st.floats()
)


# Messages of any type #


def _field(slot: idl.AbstractType) -> st.SearchStrategy[Any]:
    if isinstance(slot, idl.AbstractString):
        return texts
    if isinstance(slot, idl.NamespacedType):
        return messages(getattr(import_module(".".join(slot.namespaces)), slot.name))
    if isinstance(slot, idl.AbstractNestedType):
        item = slot.value_type
        if isinstance(item, idl.BasicType) and item.typename in ("uint8", "octet"):
            return octets
        return st.lists(_field(item), max_size=4) | _field(item).map(lambda value: [value] * 1001)
    kind = slot.typename
    if kind in ("float", "double"):
        return floats if kind == "double" else st.floats(width=32)
    if kind == "boolean":
        return st.booleans()
    bits = int(kind.lstrip("uint"))
    low, high = (0, 2**bits - 1) if kind.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1))
    high -= not kind.startswith("u")
    return st.sampled_from([low, high]) | st.integers(low, high) | st.integers(0, 5)


def fields(kind: type, **given: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Values for some of the fields of a message; those given, always."""
    names = kind.get_fields_and_field_types()
    slots = dict(zip(names, kind.SLOT_TYPES, strict=True))
    optional = {name: _field(slot) for name, slot in slots.items() if name not in given}
    return st.fixed_dictionaries(given, optional=optional)


def messages(kind: type, **given: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Messages of a type, whose fields hold anything."""
    return fields(kind, **given).map(lambda values: kind(**values))


# Attacks #


class Message(NamedTuple):
    """A message of the right type on a topic that the node reads.

    `about` is the task of which it speaks: "done" is one that is over, word for word; "stale" the
    one that runs, but of another attempt or session; None leaves the ids of the message.
    """

    topic: str
    message: Any
    about: str | None


class Bytes(NamedTuple):
    """Anything else, on such a topic."""

    topic: str
    data: bytes


class Call(NamedTuple):
    """A request to a service of the node, by its short name."""

    service: str
    fields: dict[str, Any]


class Goal(NamedTuple):
    """A goal for run_task, cancelled at once or left to its task."""

    fields: dict[str, Any]
    cancelled: bool


class Setting(NamedTuple):
    """A value that a parameter must not take."""

    name: str
    value: Any


class Inspection(NamedTuple):
    """A request to a service that rclpy adds to every node, by its short name."""

    service: str
    kind: type
    fields: dict[str, Any]


Attack = Message | Bytes | Call | Goal | Setting | Inspection

TOPICS = {"status": NodeStatus, **{f"{name}/output": kind for name, kind in TYPES.items()}}
_READ = {**TOPICS, "orchestrator/system_state": SystemState}


def _spoiled(data: bytes) -> st.SearchStrategy[bytes]:
    """A serialized message that was cut, flipped, lengthened, or put into another byte order."""
    at = st.integers(0, len(data) - 1)
    cut = at.map(lambda i: data[:i])
    flipped = st.tuples(at, st.integers(0, 7)).map(
        lambda t: data[: t[0]] + bytes([data[t[0]] ^ 1 << t[1]]) + data[t[0] + 1 :]
    )
    lengths = st.sampled_from([b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x00\x00\x00\x80"])
    long = st.tuples(at, lengths).map(lambda t: data[: t[0]] + t[1] + data[t[0] + 4 :])
    headers = st.sampled_from([b"\0\0\0\0", b"\0\2\0\0", b"\0\3\0\0", b"\xff\xff\xff\xff"])
    ordered = headers.map(lambda head: head + data[4:])
    return cut | flipped | long | ordered | st.binary(max_size=40).map(lambda tail: data + tail)


def _bytes(topic: str) -> st.SearchStrategy[Bytes]:
    kind = _READ[topic]
    spoiled = messages(kind).map(serialize_message).flatmap(_spoiled)
    noise = st.binary(max_size=200) | st.binary(max_size=100).map(lambda b: b"\0\1\0\0" + b)
    return (noise | spoiled).map(lambda data: Bytes(topic, data))


def _message(topic: str) -> st.SearchStrategy[Message]:
    given = {}
    if topic == "status":
        given["node_name"] = st.sampled_from(["first", "second", "nobody", ""]) | texts
    about = st.sampled_from([None, "done", "stale"])
    return st.builds(Message, st.just(topic), messages(TOPICS[topic], **given), about)


_task_ids = messages(TaskId, problem_id=UNKNOWN | st.just(0))
_bases = messages(TaskId, problem_id=UNKNOWN | st.sampled_from([0, 1]))
_short = st.sampled_from([float("nan"), -1.0, float("inf"), 0.0, 0.01])
#: What a request may hold, where anything would do lawful harm: stop old tasks, or wait for long.
_LAWFUL: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "control_task": {"task_id": _task_ids},
    "delete_problem": {"problem_id": UNKNOWN | st.just(0)},
    "control_node": {"timeout": _short},
    "configure_node": {"timeout": _short},
    "start_iteration": {"base_task": _bases},
}


def _call(service: str) -> st.SearchStrategy[Call]:
    request = getattr(sustainml_msgs.srv, SERVICES[service]).Request
    given = _LAWFUL.get(service, {})
    return fields(request, **given).map(lambda values: Call(service, values))


_goals = st.builds(Goal, fields(RunTask.Goal, request_id=st.just("")), st.booleans())


def _value(kind: int, **held: Any) -> Callable[[str], Setting]:
    return lambda name: Setting(name, {"type": kind, **held})


_NUMBERS = ("max_active_tasks", "max_waiting_tasks", "max_pending_calls", "max_text_bytes")
_SECONDS = ("heartbeat_timeout", "ack_timeout", "control_timeout", "queue_timeout")
_settings = (
    st.sampled_from(_NUMBERS).flatmap(
        lambda name: st.sampled_from([-(2**63), -1, 0, 2**63 - 1]).map(
            lambda n: _value(ParameterType.PARAMETER_INTEGER, integer_value=n)(name)
        )
    )
    | st.sampled_from(_SECONDS).flatmap(
        lambda name: st.sampled_from([float("nan"), float("inf"), -1.0, 0.0, 1e308]).map(
            lambda x: _value(ParameterType.PARAMETER_DOUBLE, double_value=x)(name)
        )
    )
    | st.sampled_from([*_NUMBERS, *_SECONDS, "pipeline_file", "journal_path", "autostart"]).map(
        _value(ParameterType.PARAMETER_STRING, string_value="x")
    )
    | (texts | st.sampled_from(_NUMBERS)).map(_value(ParameterType.PARAMETER_NOT_SET))
    | texts.map(_value(ParameterType.PARAMETER_BOOL_ARRAY, bool_array_value=[True]))
)


@cache
def _inspections() -> st.SearchStrategy[Inspection]:
    from rcl_interfaces import srv
    from type_description_interfaces.srv import GetTypeDescription

    kinds = {
        "get_parameters": srv.GetParameters,
        "get_parameter_types": srv.GetParameterTypes,
        "describe_parameters": srv.DescribeParameters,
        "list_parameters": srv.ListParameters,
        "set_parameters_atomically": srv.SetParametersAtomically,
        "get_type_description": GetTypeDescription,
    }

    def request(name: str) -> st.SearchStrategy[Inspection]:
        kind = kinds[name]
        return fields(kind.Request).map(lambda values: Inspection(name, kind, values))

    return st.sampled_from(sorted(kinds)).flatmap(request)


attacks: st.SearchStrategy[Attack] = st.one_of(
    st.sampled_from(sorted(TOPICS)).flatmap(_message),
    st.sampled_from(sorted(_READ)).flatmap(_bytes),
    st.sampled_from(sorted(SERVICES)).flatmap(_call),
    _goals,
    _settings,
    _inspections(),
)
batches = st.lists(attacks, min_size=1, max_size=12)
