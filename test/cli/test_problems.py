"""A problem as a user writes it becomes a message, or a sentence that says what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from sustainml_orchestrator.cli import problems


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
        ({"maximum_samples": "many"}, "maximum_samples"),
        ({"maximum_samples": -1}, "maximum_samples"),
        ({"optimize_carbon_footprint_auto": "yes"}, "use true or false"),
        ({"extra_data": [1]}, "extra_data must be a mapping"),
    ],
)
def test_wrong_fields_are_named(fields: dict[str, object], text: str) -> None:
    with pytest.raises(typer.BadParameter, match=text.replace("?", r"\?")):
        problems.to_message(fields)


def test_settings_reach_into_extra_data() -> None:
    assert problems.parse_settings(["maximum_samples=7", "extra_data.goal=translation"]) == {
        "maximum_samples": 7,
        "extra_data": {"goal": "translation"},
    }
    with pytest.raises(typer.BadParameter, match="no field=value"):
        problems.parse_settings(["nothing"])


def test_files(tmp_path: Path) -> None:
    good, bad, empty = (tmp_path / name for name in ("good.yaml", "bad.yaml", "list.yaml"))
    good.write_text("problem_definition: x\n")
    bad.write_text("a: [")
    empty.write_text("- 1\n")
    assert problems.read(str(good)) == {"problem_definition": "x"}
    for path in (bad, tmp_path / "none.yaml"):
        with pytest.raises(typer.BadParameter, match="cannot be read"):
            problems.read(str(path))
    with pytest.raises(typer.BadParameter, match="must hold fields"):
        problems.read(str(empty))
