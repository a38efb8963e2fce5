"""Serialized messages read in place: right for what is sound, BadPayload for all else."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rclpy.serialization import deserialize_message, serialize_message
from std_msgs.msg import Header
from sustainml_msgs import msg

from sustainml_orchestrator.contract import cdr
from sustainml_orchestrator.contract.cdr import BadPayload, Ids
from sustainml_orchestrator.contract.module_graph import read_pipeline
from sustainml_orchestrator.core.ids import TaskId
from sustainml_orchestrator.core.text import MAX_SHOWN, printable
from sustainml_orchestrator.node import outputs

OUTPUTS = [
    msg.AppRequirements,
    msg.MLModelMetadata,
    msg.HWConstraints,
    msg.MLModel,
    msg.HWResource,
    msg.CO2Footprint,
    msg.UserInput,
]
u32 = st.integers(0, 2**32 - 1)
texts = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=20)


@given(u32, u32, u32, u32, u32, texts)
def test_ids_stand_at_fixed_offsets(
    p: int, i: int, attempt: int, session: int, token: int, name: str
) -> None:
    message = msg.MLModel(attempt=attempt, session=session, token=token, model=name)
    message.task_id = msg.TaskId(problem_id=p, iteration_id=i)
    message.header.frame_id = name
    data = serialize_message(message)
    ids = Ids(TaskId(p, i), attempt, session, token)
    assert cdr.read_ids(data) == ids
    assert [int.from_bytes(data[at : at + 4], "little") for at in (4, 8, 12, 16, 20)] == [
        p, i, attempt, session, token,
    ]  # fmt: skip
    empty = serialize_message(msg.MLModel(model=name))
    patched = deserialize_message(cdr.with_ids(empty, ids, 5_000_000_007), msg.MLModel)
    assert (patched.task_id, patched.session) == (message.task_id, session)
    assert (patched.attempt, patched.token) == (attempt, token)
    assert (patched.header.stamp.sec, patched.header.stamp.nanosec) == (5, 7)


@given(texts, texts, st.integers(0, 2**64 - 1), u32, st.integers(0, 5), st.integers(0, 6), texts)
def test_a_status_is_read_like_its_message(
    name: str, instance: str, incarnation: int, last: int, node: int, task: int, text: str
) -> None:
    message = msg.NodeStatus(
        node_name=name, instance=instance, incarnation=incarnation, last_command=last,
        node_status=node, task_status=task, try_number=3, error_code=200, error_description=text,
    )  # fmt: skip
    message.header.frame_id = instance
    event = cdr.read_status(serialize_message(message))
    assert (event.node_name, event.instance) == (printable(name), printable(instance))
    assert event.incarnation == incarnation
    assert (event.last_command, event.node_status, event.task_status) == (last, node, task)
    assert (event.try_number, event.error_code, event.error_description) == (
        3,
        200,
        printable(text),
    )


@settings(max_examples=300)
@given(st.sampled_from(OUTPUTS), st.binary(max_size=200), st.booleans())
def test_random_bytes_raise_nothing_but_bad_payload(kind: type, data: bytes, honest: bool) -> None:
    data = (b"\x00\x01\x00\x00" if honest else b"") + data
    for read in (cdr.read_status, cdr.read_ids, lambda d: outputs.facts(d, kind)):
        try:
            read(data)
        except BadPayload:
            continue


edits = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=4)


@settings(max_examples=500)
@given(st.sampled_from(OUTPUTS), texts, st.binary(max_size=20), edits, st.integers(0, 400))
def test_what_can_be_walked_can_be_deserialized(
    kind: type, text: str, raw: bytes, changes: list[tuple[int, int]], cut: int
) -> None:
    message = kind(extra_data=raw)
    for name, slot in kind.get_fields_and_field_types().items():
        if slot == "string":
            setattr(message, name, text)
        elif slot == "sequence<string>":
            setattr(message, name, [text, "", text])
    data = bytearray(serialize_message(message))
    for at, value in changes:
        data[at % len(data)] = value
    data = cdr.without_options(bytes(data)[: max(cut, 24)] if cut < len(data) // 2 else bytes(data))
    try:
        facts = outputs.facts(data, kind)
    except (BadPayload, outputs.BadFigure):
        return
    read = deserialize_message(data, kind)
    for fact, field in (("model", "model"), ("hw_description", "hw_description")):
        assert fact not in facts or facts[fact] == printable(getattr(read, field))


@given(st.binary(min_size=2, max_size=2), st.binary(max_size=9))
def test_options_of_the_encapsulation_mean_nothing(options: bytes, raw: bytes) -> None:
    message = msg.HWResource(hw_description="T4", extra_data=raw)
    plain = serialize_message(message)
    received = cdr.without_options(plain[:2] + options + plain[4:])
    assert received == plain
    assert deserialize_message(received, msg.HWResource) == message
    assert cdr.without_options(plain[:3]) == plain[:3]


@settings(max_examples=300)
@given(texts, texts, edits)
def test_a_changed_status_is_read_like_its_message_or_not_at_all(
    name: str, instance: str, changes: list[tuple[int, int]]
) -> None:
    message = msg.NodeStatus(node_name=name, instance=instance, last_command=7)
    plain = serialize_message(message)
    cdr.read_status(plain)  # its names are known from now on
    data = bytearray(plain)
    for at, value in changes:
        data[at % len(data)] = value
    data = cdr.without_options(bytes(data))
    try:
        event = cdr.read_status(data)
    except BadPayload:
        return
    read = deserialize_message(data, msg.NodeStatus)
    assert event.node_name == printable(read.node_name)
    assert event.instance == printable(read.instance)
    assert (event.incarnation, event.last_command) == (read.incarnation, read.last_command)
    assert (event.try_number, event.error_code) == (read.try_number, read.error_code)
    assert event.error_description == printable(read.error_description)


@given(st.integers(0, 400), st.binary(max_size=40))
def test_a_truncated_message_is_refused(cut: int, raw: bytes) -> None:
    message = msg.MLModel(model="m", raw_model=raw, input_batch=["a", "b"])
    data = serialize_message(message)
    spans = cdr.spans(data, msg.MLModel)
    assert cdr.octets(data, spans["raw_model"]) == raw
    if cut < len(data) - 4:
        with pytest.raises(BadPayload):
            cdr.spans(data[:cut], msg.MLModel)


@given(st.binary(max_size=50), st.binary(max_size=50), texts, st.floats(allow_nan=False))
def test_large_fields_are_cut_and_all_others_kept(
    raw: bytes, extra: bytes, name: str, latency: float
) -> None:
    message = msg.MLModel(
        model=name, raw_model=raw, input_batch=[name], target_latency=latency, extra_data=extra
    )
    data = cdr.without(serialize_message(message), msg.MLModel, ("raw_model", "extra_data"))
    cut = deserialize_message(data, msg.MLModel)
    assert len(cut.raw_model) < 8 and len(cut.extra_data) < 8
    assert (cut.model, list(cut.input_batch), cut.target_latency) == (name, [name], latency)


def test_facts_of_outputs() -> None:
    model = msg.MLModel(model="m", extra_data=b'{"quality": 0.75}')
    assert outputs.facts(serialize_message(model), msg.MLModel) == {
        "model": "m",
        "quality": 0.75,
    }
    for odd in (b"1e999", b"-Infinity", b"NaN", b"true", b'"0.5"', b"9" * 400):
        model = msg.MLModel(model="m", extra_data=b'{"quality": %s}' % odd)
        assert math.isnan(outputs.facts(serialize_message(model), msg.MLModel)["quality"]), odd
    carbon = msg.CO2Footprint(carbon_footprint=1.5, energy_consumption=2.5)
    facts = outputs.facts(serialize_message(carbon), msg.CO2Footprint)
    assert facts == {"carbon": 1.5, "energy": 2.5}
    hardware = msg.HWResource(hw_description="h", latency=0.5, power_consumption=3.0)
    facts = outputs.facts(serialize_message(hardware), msg.HWResource)
    assert facts == {"hw_description": "h", "latency": 0.5, "power": 3.0}


@pytest.mark.parametrize(
    ("extra", "exhausted"),
    [(b'{"remaining": 0}', True), (b'{"remaining": 1}', False), (b"{}", False), (b"[", False)],
)
def test_a_model_may_say_that_none_is_left(extra: bytes, exhausted: bool) -> None:
    pipeline = read_pipeline("")
    delivered: list[bytes | None] = [None] * len(pipeline.modules)
    assert not outputs.is_exhausted(pipeline, delivered)
    data = serialize_message(msg.MLModel(extra_data=extra))
    delivered[pipeline.by_name["ml_model_provider"].index] = data
    assert outputs.is_exhausted(pipeline, delivered) == exhausted
    delivered[pipeline.by_name["ml_model_provider"].index] = data[:30]
    assert not outputs.is_exhausted(pipeline, delivered)


def test_long_texts_of_modules_are_cut_and_long_names_refused() -> None:
    status = msg.NodeStatus(node_name="a", node_status=2, error_description="x" * 10_000)
    event = cdr.read_status(serialize_message(status))
    assert len(event.error_description) == MAX_SHOWN
    assert event.error_description.endswith("x…")
    for field in ("node_name", "instance"):
        named = msg.NodeStatus(**{field: "/" + "x" * 300})
        with pytest.raises(BadPayload, match="a name of 301 characters"):
            cdr.read_status(serialize_message(named))


def test_types_that_name_a_task() -> None:
    for kind in (msg.MLModel, msg.UserInput, msg.NodeStatus):
        assert cdr.names_a_task(kind)
    for kind in (Header, msg.TaskSummary):
        assert not cdr.names_a_task(kind)
