"""What others wrote is shown as it is and does no harm, in every command and every encoding."""

from __future__ import annotations

import ast
import json
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sustainml_msgs.msg import (
    HistoryEvent,
    InstanceState,
    IterationComparison,
    ModuleOutput,
    ModuleProgress,
    NodeState,
    Task,
    TaskId,
    TaskSummary,
)
from typer.testing import CliRunner, Result

import sustainml_orchestrator.client
from sustainml_orchestrator import cli
from sustainml_orchestrator.cli.console import harmless
from sustainml_orchestrator.cli.context import check_variables
from sustainml_orchestrator.cli.main import app
from sustainml_orchestrator.client import RequestRefused
from sustainml_orchestrator.core.ids import ErrorCode, TaskStatus

HOSTILE = ("A100 [/gpu] rack", "[red]x", "\x1b]0;\a\x1b[2J", "a\u202eb\u200bc", "\x9b31m",
           "$a$ \\frac{", "=1+1", "a\nb\r\tc", "😀 – é", ":smile:", "\U000e0041")  # fmt: skip
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
FOLDER = Path(cli.__file__).parent


class Answers:
    """In a client's place: every text in what it answers is the same."""

    text = ""

    def __init__(self, *_: object, **__: object) -> None:
        self.refuses = False

    def __enter__(self) -> Answers:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def summary(self) -> TaskSummary:
        return TaskSummary(
            task_id=TaskId(problem_id=1, iteration_id=1), task_status=int(TaskStatus.ERROR),
            problem_short_description=self.text, model=self.text, hw_description=self.text,
            outcome_reason=self.text, error_description=self.text,
            modules=[ModuleProgress(node_name=self.text, error_description=self.text)],
        )  # fmt: skip

    def list_tasks(self, *_: object, **__: object) -> tuple[list[TaskSummary], int]:
        return [self.summary()], 1

    def get_task(self, *_: object, **__: object) -> Task:
        task = Task(summary=self.summary())
        task.ml_model_metadata.ml_model_metadata = [self.text]
        task.hw_constraints.hardware_required = [self.text]
        task.user_input.problem_definition = self.text
        output = json.dumps({"label": self.text})
        task.extra_outputs = [
            ModuleOutput(node_name=self.text, type_name=self.text, json=output),
        ]
        return task

    def watch(self, *_: object, **__: object) -> Iterator[TaskSummary]:
        yield self.summary()

    def compare_iterations(self, *_: object) -> list[IterationComparison]:
        task_id = TaskId(problem_id=1, iteration_id=1)
        return [
            IterationComparison(
                task_id=task_id, model=self.text, hw_description=self.text,
                carbon_footprint=1.0, quality=0.5,
            )
        ]  # fmt: skip

    def get_node_status(self, *_: object) -> list[NodeState]:
        process = InstanceState(instance=self.text, responsive=True)
        return [NodeState(node_name=self.text, error_description=self.text, instances=[process])]

    def get_history(self, *_: object, **__: object) -> list[HistoryEvent]:
        return [
            HistoryEvent(
                task_id=TaskId(problem_id=1, iteration_id=1), node_name=self.text, attempt=1,
                instance=self.text, try_number=1, event="step.started", detail=self.text,
            )
        ]  # fmt: skip

    def configure_node(self, *_: object) -> dict[str, str]:
        return {"text": self.text}

    def delete_problem(self, *_: object) -> int:
        raise RequestRefused(ErrorCode.REJECTED, self.text)


@contextmanager
def answering(text: str) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sustainml_orchestrator.client, "OrchestratorClient", Answers)
        patch.setattr(Answers, "text", text)
        yield


def run(*words: str, code: int = 0) -> Result:
    result = CliRunner().invoke(app, words)
    assert result.exit_code == code, result.output
    assert harmless(result.output, keep="\n") == result.output
    return result


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_are_shown_as_they_are(text: str) -> None:
    shown = "".join(harmless(text).split())
    with answering(text):
        for words in (("list",), ("show", "1/1"), ("compare", "1"), ("nodes",), ("watch", "1/1"),
                      ("history",)):  # fmt: skip
            code = 1 if words[0] == "watch" else 0
            found = "".join(run(*words, code=code).stdout.split())
            is_folded = words[0] in ("nodes", "list") and len(shown) > 10  # by its narrow columns
            assert shown in found or is_folded, words
        assert "".join(harmless(" ".join(text.split())).split()) in "".join(
            run("delete", "1", code=1).stderr.split()
        )


@given(text=TEXTS)
@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@example(text="[/]")
@example(text="\x1b[2J")
@example(text="a\u202eb\u200bc\x7f\x85 ä😀")
def test_any_text_is_harmless(text: str) -> None:
    with answering(text):
        for words in (("list",), ("show", "1"), ("compare", "1"), ("compare", "1", "--csv"),
                      ("list", "--wide"), ("list", "--csv"), ("history",), ("nodes",),
                      ("show", "1", "--yaml")):  # fmt: skip
            run(*words)
        shown = json.loads(run("show", "1", "--json").stdout)
        assert shown["user_input"]["problem_definition"] == text
        assert shown["extra_outputs"][0]["json"] == {"label": text}
        assert yaml.safe_load(run("show", "1", "--yaml").stdout) == shown
        assert json.loads(run("configure", "x").stdout) == {"text": text}
        assert json.loads(run("nodes", "--json").stdout)[0]["node_name"] == text
        run("watch", "1/1", code=1)
        refused = json.loads(run("delete", "1", "--json", code=1).stdout)
        assert refused["success"] is False


@given(text=TEXTS.filter(lambda text: not text.startswith("-")))
@settings(max_examples=20, deadline=None)
def test_what_the_user_typed_is_harmless_too(text: str) -> None:
    with answering("x"):
        run("list", "--status", f"_{text}", code=2)
        run("show", f"_{text}", code=2)
        run("submit", "-s", f"_{text}", code=2)
        run("submit", f"/nowhere/{text}".replace("\0", ""), code=2)


def test_a_label_is_no_formula(tmp_path: Path) -> None:
    for text in HOSTILE:
        with answering(text):
            plot = tmp_path / "front.png"
            run("compare", "1", "--plot", str(plot))
            assert plot.read_bytes().startswith(b"\x89PNG")
    with answering("=cmd|' /C calc'!A0"):
        assert ",'=cmd|" in run("compare", "1", "--csv").stdout


def test_what_is_escaped_is_what_unicode_says() -> None:
    wrong = [
        hex(number)
        for number in range(sys.maxunicode + 1)
        if (unicodedata.category(chr(number)) in ("Cc", "Cf", "Cs", "Zl", "Zp"))
        > (harmless(chr(number)) != chr(number))
    ]
    assert not wrong


def test_all_output_goes_through_the_console() -> None:
    """What is printed elsewhere would be read as markup, or act on the terminal."""
    found = []
    for path in sorted(FOLDER.rglob("*.py")):
        if path.name == "console.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = ast.unparse(node.func)
            is_raw = name in (
                "print",
                "Console",
                "Text.from_markup",
                "Table.grid",
            ) or name.endswith((".echo", ".secho", "stdout.write", "stderr.write", "console.print"))
            is_markup = name == "TextColumn" and "markup=False" not in ast.unparse(node)
            if is_raw or (is_markup and "task.percentage" not in ast.unparse(node)):
                found.append(f"{path.name}:{node.lineno}: {name}")
    assert not found


@pytest.mark.parametrize("value", ["\x1b[31mX", "a\nb", "\u202ex", "\x9b1m"])
def test_variables_of_ros_hold_no_control_characters(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What rcl prints of them is printed as it is."""
    monkeypatch.setenv("RMW_IMPLEMENTATION", value)
    result = CliRunner().invoke(app, ["nodes"])
    assert result.exit_code == 2 and "RMW_IMPLEMENTATION" in result.stderr
    assert value not in result.output
    monkeypatch.setenv("RMW_IMPLEMENTATION", "rmw_fastrtps_cpp")
    monkeypatch.setenv("ROS_HOME", "/home/j\udcf6rg \u00e9")
    check_variables()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("list --timeout 1", "--timeout goes before the command: sustainml --timeout … list"),
        ("node reset all -n /x", "-n goes before the command: sustainml -n … node reset"),
        ("list --timeot 1", "No such option: --timeot"),
    ],
)
def test_a_global_option_behind_the_command(words: str, said: str) -> None:
    result = CliRunner().invoke(app, words.split())
    assert result.exit_code == 2 and result.stderr.startswith(f"error: {said}")
