"""What `sustainml up` hands to its nodes arrives as it was given."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import NoReturn

import pytest
import typer
import yaml
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from sustainml_orchestrator.cli import run
from sustainml_orchestrator.cli.main import app
from sustainml_orchestrator.cli.up_log import UpLog
from sustainml_orchestrator.processes.programs import programs


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_values_survive_the_yaml_of_ros(text: str) -> None:
    orchestrator = programs(namespace="/x", journal=text, pipeline_file=text)[0]
    for name in ("journal_path", "pipeline_file"):
        (argument,) = (w for w in orchestrator.command if w.startswith(f"{name}:="))
        assert argument.isascii() and yaml.safe_load(argument.partition(":=")[2]) == text


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("/**:\n  ros__parameters:\n    journal_path: x\n", True),
        ("/**:\n  ros__parameters: {max_resets: 4}\n# journal_path\n", False),
        ("", False),
    ],
)
def test_a_parameter_file_may_name_the_journal(tmp_path: Path, text: str, names: bool) -> None:
    file = tmp_path / "params"
    file.write_text(text)
    assert run._names_journal(file) is names


def test_a_journal_is_found_from_other_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reports and messages name it, and are read elsewhere."""
    handed_on: list[str] = []

    def start(*_: object, journal: str, **__: object) -> NoReturn:
        handed_on.append(journal)
        raise typer.Exit

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run, "started", start)
    for journal in ("a/j.db", "none", "auto"):
        CliRunner().invoke(app, ["up", "--journal", journal])
    assert handed_on == [str(tmp_path / "a/j.db"), "none", "auto"]


def test_a_wrong_parameter_file_is_explained(tmp_path: Path) -> None:
    file = tmp_path / "params"
    for text in (b"a: 1\nb: c: d", b"a: \xff", b"a: [", b"a: \0"):
        file.write_bytes(text)
        result = CliRunner().invoke(app, ["up", "--params", str(file)])
        assert result.exit_code == 2 and "cannot be read" in result.stderr


def test_lines_of_nodes_are_printed_without_control_characters(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with UpLog(None) as log:
        log("hw_resources", "a b \x1b]0;x\a\x1b[2J \u202e\u200b [/red] :smile: \x9b31m\x00")
    time, _, line = capsys.readouterr().out.partition(" ")
    assert datetime.fromisoformat(time).tzinfo is not None
    assert line == (
        "[hw_resources] a b \\x1b]0;x\\x07\\x1b[2J \\u202e\\u200b [/red] :smile: \\x9b31m\\x00\n"
    )


def test_a_path_that_is_no_text_is_refused() -> None:
    result = CliRunner().invoke(app, ["up", "--journal", "/tmp/\udcff.db"])
    assert result.exit_code == 2 and "not valid UTF-8" in result.stderr
