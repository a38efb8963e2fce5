"""Payloads from before messages had a token are rewritten; credentials are left out of all."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from rclpy.serialization import deserialize_message, serialize_message
from sustainml_msgs import msg

from sustainml_orchestrator.contract import cdr
from sustainml_orchestrator.contract.module_graph import message_types, read_pipeline
from sustainml_orchestrator.contract.payloads import Payloads

#: Texts of several lengths in front of the 64-bit number, which moves with them.
TEXTS = ["", "a", "ab", "abc", "abcd", "abcdefg", "abcdefgh"]


def old_layout(user_input: msg.UserInput) -> bytes:
    """A UserInput in the layout without a token, written by hand from the XCDR1 rules."""
    data = bytearray(b"\0\1\0\0")

    def pack(kind: str, value: object) -> None:
        size = struct.calcsize(kind)
        data.extend(bytes(-(len(data) - 4) % size) + struct.pack(f"<{kind}", value))

    def text(value: str) -> None:
        encoded = value.encode() + b"\0"
        pack("I", len(encoded))
        data.extend(encoded)

    stamp = user_input.header.stamp
    for kind, number in zip(
        "IIIIiI",
        (user_input.task_id.problem_id, user_input.task_id.iteration_id, user_input.attempt,
         user_input.session, stamp.sec, stamp.nanosec), strict=True,
    ):  # fmt: skip
        pack(kind, number)
    text(user_input.header.frame_id)
    for name in ("modality", "problem_short_description", "problem_definition"):
        text(getattr(user_input, name))
    for name in ("inputs", "outputs"):
        pack("I", len(getattr(user_input, name)))
        for item in getattr(user_input, name):
            text(item)
    pack("I", user_input.minimum_samples)
    pack("I", user_input.maximum_samples)
    pack("?", user_input.optimize_carbon_footprint_manual)
    pack("i", user_input.previous_iteration)
    pack("?", user_input.optimize_carbon_footprint_auto)
    pack("d", user_input.desired_carbon_footprint)
    text(user_input.geo_location_continent)
    text(user_input.geo_location_region)
    pack("I", len(user_input.extra_data))
    data.extend(bytes(user_input.extra_data))
    return bytes(data)


Upgrade = Callable[[str, bytes], bytes]


@pytest.fixture(scope="module")
def upgrade() -> Upgrade:
    return Payloads(message_types(read_pipeline(""))).upgrade


@pytest.mark.parametrize("text", TEXTS)
def test_a_user_input_keeps_every_field(upgrade: Upgrade, text: str) -> None:
    old = msg.UserInput(
        attempt=2, session=3, modality=text, problem_definition="sort", inputs=["a", text],
        outputs=[], minimum_samples=1, maximum_samples=9, previous_iteration=-1,
        optimize_carbon_footprint_auto=True, desired_carbon_footprint=0.25,
        geo_location_region=text, extra_data=b'{"goal": 1}',
    )  # fmt: skip
    old.task_id = msg.TaskId(problem_id=7, iteration_id=1)
    old.header.stamp.sec, old.header.stamp.nanosec, old.header.frame_id = 5, 6, text
    fresh = upgrade("user_input", old_layout(old))
    assert deserialize_message(fresh, msg.UserInput) == old
    assert len(fresh) == len(serialize_message(old))  # its padding is not zero
    assert cdr.read_ids(fresh).token == 0


def test_what_cannot_be_read_or_is_unknown_stays(upgrade: Upgrade) -> None:
    whole = old_layout(msg.UserInput(modality="text"))
    for name, payload in (("nobody", whole), ("user_input", whole[:-9]), ("hw_resources", b"")):
        assert upgrade(name, payload) is payload


def test_a_module_of_one_s_own_is_upgraded_by_its_name(tmp_path: Path) -> None:
    file = tmp_path / "pipeline.yaml"
    file.write_text("modules:\n  mine: {inputs: [user_input], output_type: CO2Footprint}\n")
    upgrade = Payloads(message_types(read_pipeline(str(file)))).upgrade
    old = struct.pack("<4x4IiII1s3x3dI", 1, 1, 1, 9, 0, 0, 1, b"\0", 1.0, 2.0, 3.0, 0)
    old = b"\0\1\0\0" + old[4:]
    message = deserialize_message(upgrade("mine", old), msg.CO2Footprint)
    assert (message.carbon_footprint, message.carbon_intensity) == (1.0, 3.0)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("size", [0, 5000], ids=["short", "long"])
@pytest.mark.parametrize("name", ["hf_token", "apiKey", "DB PASSWORD"])
def test_credentials_are_left_out(encoding: str, size: int, name: str) -> None:
    redact = Payloads(message_types(read_pipeline(""))).redact
    given = msg.MLModel(model="m" * size, keywords=["a", "b"])
    for data, kept in (
        ({name: "s3cret", "note": 1}, {"note": 1}),
        ({"note": [1, "x"]}, {"note": [1, "x"]}),
    ):
        given.extra_data = json.dumps(data).encode(encoding)
        payload = serialize_message(given)
        plain = redact("ml_model_provider", payload)
        found = deserialize_message(plain, msg.MLModel)
        assert json.loads(bytes(found.extra_data)) == kept
        assert (plain is payload) == (data == kept)
        found.extra_data = given.extra_data
        assert found == given
