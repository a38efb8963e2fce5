"""A problem as a user writes it becomes a message, or a sentence that says what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from sustainml_orchestrator.cli import problems

#: What YAML 1.1 takes for something else than text.
NO_TEXTS = ("NO", "yes", "on", "12:30", "1e3", "find: a: b", "null", "~", "[x]", "{a: b}", "0x1F",
            "2024-01-01", "- a", "#1", "&a", "*a", "!b", "'", '"', "%", "@x", "| x", "1_0",
            "")  # fmt: skip


def test_fields_become_a_message() -> None:
    message, extra = problems.to_message(
        {"problem_definition": "x", "inputs": "photo", "maximum_samples": 5, "extra_data": {"a": 1}}
    )
    assert (message.problem_definition, list(message.inputs)) == ("x", ["photo"])
    assert message.maximum_samples == 5 and extra == {"a": 1}


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"problem_definitoin": "x"}, "did you mean problem_definition?"),
        ({"task_id": 1}, "no field of a problem"),
        ({"maximum_samples": "many"}, 'maximum_samples is "many"; use a whole number from 0 to'),
        ({"maximum_samples": -1}, "maximum_samples is -1"),
        ({"maximum_samples": "1.5"}, "maximum_samples"),
        ({"maximum_samples": "1_000"}, "maximum_samples"),
        ({"maximum_samples": "9" * 400}, "maximum_samples"),
        ({"maximum_samples": True}, "maximum_samples is true"),
        ({"desired_carbon_footprint": "nan"}, "use a number"),
        ({"desired_carbon_footprint": "1,5"}, "use a number"),
        ({"desired_carbon_footprint": [1]}, "use a number"),
        ({"optimize_carbon_footprint_auto": "yes"}, "use true or false"),
        ({"modality": ["image"]}, "modality is"),
        ({"modality": "\udcff"}, "modality is not valid UTF-8"),
        ({"inputs": [{"a": 1}]}, "an entry of inputs"),
        ({"extra_data": [1]}, "extra_data must be a mapping"),
    ],
)
def test_wrong_fields_are_named(fields: dict[str, object], text: str) -> None:
    with pytest.raises(typer.BadParameter) as caught:
        problems.to_message(fields)
    assert text in str(caught.value)


def test_settings_reach_into_extra_data() -> None:
    assert problems.parse_settings(
        ["maximum_samples=7", "extra_data.goal=translation", "extra_data.num_outputs=3",
         "extra_data.note=NO", 'extra_data.list=["a"]', "inputs=a: b", 'inputs=["c"]']
    ) == {
        "maximum_samples": "7",
        "extra_data": {"goal": "translation", "num_outputs": 3, "note": "NO", "list": ["a"]},
        "inputs": ["a: b", "c"],
    }  # fmt: skip
    for wrong in ("nothing", "extra_data=[1]", "extra_data={", 'extra_data={"a": 1e999}'):
        with pytest.raises(typer.BadParameter):
            problems.parse_settings([wrong])


@pytest.mark.parametrize("text", NO_TEXTS)
def test_text_stays_text(text: str) -> None:
    fields = problems.parse_settings([f"geo_location_region={text}", f"extra_data.a=x{text}"])
    message, extra = problems.to_message(fields)
    assert message.geo_location_region == text and extra == {"a": f"x{text}"}


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_arrives(text: str) -> None:
    fields = problems.parse_settings([f"problem_definition={text}", f"inputs=_{text}"])
    message, _ = problems.to_message(fields)
    assert message.problem_definition == text and list(message.inputs) == [f"_{text}"]


def test_text_that_the_locale_cannot_decode_is_utf8() -> None:
    """As Python gives it in a locale without UTF-8."""
    typed = "Käse 😀".encode().decode("ascii", "surrogateescape")
    fields = problems.parse_settings([f"inputs={typed}", f"extra_data.a={typed}"])
    message, extra = problems.to_message({**fields, "problem_definition": typed})
    assert (message.problem_definition, list(message.inputs)) == ("Käse 😀", ["Käse 😀"])
    assert extra == {"a": "Käse 😀"}
    assert problems.parse_json(f'{{"a": "{typed}"}}', "x") == {"a": "Käse 😀"}
    for wrong in ("a=\udcff", "a=\ud800"):
        with pytest.raises(typer.BadParameter, match="not valid UTF-8"):
            problems.parse_settings([wrong])


def test_numbers_are_read_by_their_field() -> None:
    pairs = ["maximum_samples=1e3", "minimum_samples=+7", "desired_carbon_footprint=1e-3",
             "optimize_carbon_footprint_auto=True"]  # fmt: skip
    message, _ = problems.to_message(problems.parse_settings(pairs))
    assert (message.maximum_samples, message.minimum_samples) == (1000, 7)
    assert message.desired_carbon_footprint == 1e-3 and message.optimize_carbon_footprint_auto


def read(folder: Path, text: str) -> dict[str, Any]:
    file = folder / "problem"
    file.write_text(text, encoding="utf-8")
    return problems.read(str(file))


def test_files(tmp_path: Path) -> None:
    text = """
problem_definition: NO
problem_short_description: 12:30
geo_location_region: "NO"
modality:
maximum_samples: 0123
inputs: [yes, 1e3]
extra_data: {region: NO, number: 1e3, whole: 12, time: 12:30, flag: true, none: null, text: '5'}
"""
    fields = read(tmp_path, text)
    assert fields.pop("extra_data") == {
        "region": "NO", "number": 1000.0, "whole": 12, "time": "12:30", "flag": True, "none": None,
        "text": "5",
    }  # fmt: skip
    message, _ = problems.to_message(fields)
    assert (message.problem_definition, message.problem_short_description) == ("NO", "12:30")
    assert (message.geo_location_region, message.modality) == ("NO", "")
    assert message.maximum_samples == 123 and list(message.inputs) == ["yes", "1e3"]


def test_json_files(tmp_path: Path) -> None:
    text = (
        '{\t"problem_definition": "\\ud83d\\ude00", "maximum_samples": 5, "extra_data": {"a": 1}}'
    )
    message, extra = problems.to_message(read(tmp_path, text))
    assert (message.problem_definition, message.maximum_samples) == ("😀", 5) and extra == {"a": 1}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: [", "cannot be read: line 1"),
        ("a: 1\nb: find: a: b", "line 2: mapping values are not allowed here; put the text in q"),
        ("a: 1\na: 2", "line 2: a is given twice"),
        ("a: \x00", "cannot be read"),
        ("extra_data: !!python/object:os.system x", "cannot be read: line 1"),
        ("extra_data: {[1]: 2}", "cannot be read"),
        ("a: &a [*a]", "cannot be read"),
        ("[" * 5000, "cannot be read"),
        ("- 1\n", "must hold fields"),
        ("", "must hold fields"),
        ("a: 1\n---\nb: 2", "cannot be read: line 2"),
        ("a: !tag b", "line 1: the tag !tag is not supported; put the text in quotes"),
        ("a: *b", "undefined alias 'b'; put the text in quotes"),
        ("a: %b", "put the text in quotes"),
        ("? [a]\n: b", "line 1: a key must be text"),
        ("extra_data:\n  a: 1\n  a: 2", "line 3: a is given twice"),
        ("inputs: [~]", "an entry of inputs is null"),
        ("token: 5", "'token' is no field of a problem"),
    ],
)
def test_wrong_files_are_explained(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(typer.BadParameter) as caught:
        problems.to_message(read(tmp_path, text))
    assert reason in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"problem_definition: \xe4")
    for name in ("none.yaml", "latin", "."):
        with pytest.raises(typer.BadParameter, match="cannot be read"):
            problems.read(str(tmp_path / name))
