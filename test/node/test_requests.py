"""What a front-end asks is refused with the field and the remedy, or taken as it is."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rclpy.serialization import deserialize_message, serialize_message
from sustainml_msgs.msg import UserInput

from sustainml_orchestrator.core.errors import OrchestratorError
from sustainml_orchestrator.core.ids import ErrorCode
from sustainml_orchestrator.node import requests
from sustainml_orchestrator.node.requests import USER_FIELDS, Limits

LIMITS = Limits(max_text_bytes=100, max_request_bytes=4000, max_list_entries=3)
NAN, INFINITY = float("nan"), float("inf")


def user_input(**fields: object) -> UserInput:
    return UserInput(**{"problem_definition": "sort apples", **fields})


def refusal(check, *arguments: object) -> str:
    with pytest.raises(OrchestratorError) as error:
        check(*arguments)
    assert error.value.code is ErrorCode.INVALID_REQUEST
    assert "\n" not in error.value.message and len(error.value.message) < 400
    return error.value.message


BAD_INPUTS = [
    ({"problem_definition": ""}, "problem_definition is empty"),
    ({"problem_definition": " \t\n"}, "problem_definition is empty"),
    ({"problem_definition": "x" * 101}, "problem_definition is longer than 100 bytes"),
    ({"problem_definition": "é" * 51}, "problem_definition is longer than 100 bytes"),
    ({"modality": "x" * 101}, "modality is longer"),
    ({"geo_location_region": "x" * 101}, "geo_location_region is longer"),
    ({"inputs": ["x"] * 4}, "inputs has 4 entries; at most 3"),
    ({"outputs": ["x", "x" * 101]}, "an entry of outputs is longer"),
    ({"minimum_samples": 2, "maximum_samples": 1}, r"minimum_samples (2) is greater than"),
    ({"minimum_samples": 2}, r"minimum_samples (2) is greater than maximum_samples (0)"),
    ({"desired_carbon_footprint": NAN}, "desired_carbon_footprint is nan"),
    ({"desired_carbon_footprint": INFINITY}, "desired_carbon_footprint is inf"),
    ({"desired_carbon_footprint": -0.1}, "desired_carbon_footprint is -0.1"),
]
BAD_EXTRA = [
    (b"{", "is not JSON"),
    (b"\xff\xfe", "is not JSON"),
    ("{}".encode("utf-16"), "is not JSON"),
    (b'{"a": NaN}', "NaN is no JSON number"),
    (b'{"a": [{"b": 1}, {"c": 1e999}]}', "a[1].c is inf; JSON numbers are finite"),
    (b'{"a": -' + b"9" * 400 + b".0}", "a is inf; JSON numbers are finite"),
    (b'{"a": ' + b"[" * 100_000, "is not JSON"),
    (b'{"a": ' + b"[" * 200 + b"]" * 200 + b"}", "nested deeper than"),
    (b'{"a": "\\ud800"}', "is not JSON"),
    (b'{"\\uDC00": 1}', "is not JSON"),
    (b"[]", "is a JSON list"),
    (b"null", "is a JSON NoneType"),
    (b'"text"', "is a JSON str"),
    (b'{"num_outputs": "two"}', 'num_outputs is "two"'),
    (b'{"num_outputs": true}', "num_outputs is true"),
    (b'{"num_outputs": 101}', "num_outputs is 101"),
    (b'{"num_outputs": -1}', "num_outputs is -1"),
    (b'{"model_restrains": "bert"}', "model_restrains must be a list"),
    (b'{"model_restrains": [1]}', "model_restrains must be a list"),
    (b'{"max_memory_footprint": -1}', "max_memory_footprint is -1"),
    (b'{"max_memory_footprint": 1e999}', "max_memory_footprint is inf"),
    (b'{"max_memory_footprint": "8 GB"}', 'max_memory_footprint is "8 GB"'),
    (b'{"a": "' + b"x" * 4000 + b'"}', "more than 4000 bytes"),
]
deep = Limits(max_request_bytes=2**20)


@pytest.mark.parametrize(("fields", "text"), BAD_INPUTS)
def test_a_bad_field_is_named(fields: dict[str, object], text: str) -> None:
    assert text in refusal(requests.check_user_input, user_input(**fields), "", LIMITS)


@pytest.mark.parametrize(("extra", "text"), BAD_EXTRA, ids=[text for _, text in BAD_EXTRA])
def test_bad_extra_data_is_refused_wherever_it_comes_from(extra: bytes, text: str) -> None:
    limits = LIMITS if b"x" in extra else deep
    message = user_input(extra_data=extra)
    assert text in refusal(requests.check_user_input, message, "", limits)
    try:
        typed = extra.decode()
    except UnicodeDecodeError:
        return  # a string of ROS cannot hold it
    if typed.isprintable():
        assert requests.check_user_input(message_without_extra(), "", limits)
        refusal(requests.check_user_input, user_input(), typed, limits)


def message_without_extra() -> UserInput:
    return user_input(extra_data=b"")


def test_typed_extra_data_replaces_the_bytes() -> None:
    message = user_input(extra_data=b"no JSON at all")
    goal = requests.check_user_input(
        message, '{"num_outputs": 2, "model_restrains": ["a"]}', LIMITS
    )
    assert json.loads(bytes(message.extra_data))["num_outputs"] == 2
    assert (goal.num_outputs, goal.model_restrains) == (2, ("a",))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(st.binary(max_size=60) | json_values.map(lambda v: json.dumps(v, indent=1).encode()))
def test_any_extra_data_is_taken_or_refused(extra: bytes) -> None:
    try:
        value = requests.read_extra_data(extra, LIMITS)
    except OrchestratorError:
        return
    assert isinstance(value, dict)
    json.dumps(value, ensure_ascii=False).encode()  # so that parts of it can be passed on


@pytest.mark.parametrize("seconds", [NAN, INFINITY, -INFINITY, -0.5])
def test_a_time_that_is_none_is_refused(seconds: float) -> None:
    assert "timeout is" in refusal(requests.check_seconds, "timeout", seconds, 5.0)


def test_zero_seconds_are_the_default() -> None:
    assert requests.check_seconds("timeout", 0.0, 5.0) == 5.0
    assert requests.check_seconds("timeout", 0.25, 5.0) == 0.25


def test_a_text_is_bounded_in_bytes() -> None:
    assert "node_name is longer" in refusal(requests.check_text, "node_name", "ä" * 200, 300)
    requests.check_text("node_name", "ä" * 150, 300)


def test_a_whole_request_is_bounded() -> None:
    message = user_input(inputs=["x" * 90] * 3, outputs=["x" * 90] * 3)
    small = Limits(max_request_bytes=500)
    assert "at most 500" in refusal(requests.to_payload, message, "/orchestrator", 0, small)


def test_overrides_replace_the_named_fields_alone() -> None:
    base = user_input(modality="image", inputs=["a"], minimum_samples=5, maximum_samples=9)
    new = user_input(problem_definition="sort pears", modality="text", minimum_samples=7)
    payload = serialize_message(base)
    merged = requests.merge_overrides(payload, new, ["problem_definition", "minimum_samples"], "")
    assert merged.problem_definition == "sort pears" and merged.minimum_samples == 7
    assert (merged.modality, list(merged.inputs), merged.maximum_samples) == ("image", ["a"], 9)
    assert requests.merge_overrides(payload, new, [], "") is new
    typed = requests.merge_overrides(payload, new, ["modality"], '{"goal": "x"}')
    assert bytes(typed.extra_data) == b'{"goal": "x"}'


@pytest.mark.parametrize("name", ["colour", "task_id", "session", "header", "previous_iteration"])
def test_an_override_of_no_field_of_the_user_is_refused(name: str) -> None:
    text = refusal(
        requests.merge_overrides, serialize_message(user_input()), user_input(), [name], ""
    )
    assert f"'{name}'" in text and "problem_definition" in text


def test_every_field_of_the_user_can_be_overridden() -> None:
    base, new = user_input(), user_input(problem_definition="pears")
    merged = requests.merge_overrides(serialize_message(base), new, list(USER_FIELDS), "")
    assert merged == new


def test_what_follows_by_itself_keeps_the_user_input() -> None:
    base = user_input(modality="image", extra_data=b'{"goal": "sort", "num_outputs": 3}')
    following = deserialize_message(
        requests.derive_user_input(serialize_message(base), ("a", "b"), 2, 1), UserInput
    )
    assert json.loads(bytes(following.extra_data)) == {
        "goal": "sort",
        "num_outputs": 2,
        "model_restrains": ["a", "b"],
    }
    assert (following.modality, following.previous_iteration) == ("image", 1)
