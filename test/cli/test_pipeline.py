"""`sustainml pipeline` names every mistake of a file; `sustainml new module` adds to one."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from sustainml_orchestrator.cli.main import app
from sustainml_orchestrator.cli.pipeline import mistakes
from sustainml_orchestrator.cli.pipeline_drawing import as_dot, as_mermaid, as_text
from sustainml_orchestrator.contract import pipeline_file
from sustainml_orchestrator.core.pipeline import Pipeline

WRONG = """\
modules:
  meter:
    inputs: [user_input, meters]
    output_type: MLModell
    timeot: 3.0
  Loud:
    inputs: [user_input]
  first:
    inputs: [second]
    output_type: HWResource
    executable: no_such_program_at_all --fast
  second:
    inputs: [first]
    output_type: std_msgs/msg/String
    timeout: -1
  meter:
    inputs: [user_input]
    output_type: no_such_msgs/msg/Thing
    max_tries: 0
version: 2
"""


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_every_mistake_is_named_with_its_line_and_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(WRONG)
    texts = [text.removeprefix(f"{file}, line ") for text in mistakes(file)]
    for expected in (
        "6: modules.Loud: is no ROS name",
        "11: modules.first.executable: names no_such_program_at_all, which is not there",
        "14: modules.second.output_type: std_msgs/msg/String does not begin with task_id",
        "15: modules.second.timeout: is '-1'; give seconds",
        "16: modules.meter: stands here and in line 2; remove one, or rename it",
        "18: modules.meter.output_type: no_such_msgs/msg/Thing is not installed",
        "19: modules.meter.max_tries: is '0'; give a whole number, 1 to 100",
        "20: version: is not a key of this file; only 'modules' is",
    ):
        assert any(text.startswith(expected) for text in texts), (expected, texts)
    assert any("first, second wait for each other" in text for text in texts)
    result = run("pipeline", "check", file, "--json")
    assert result.exit_code == 1 and len(json.loads(result.stdout)["mistakes"]) == len(texts)


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("inputs: [user_inptu]", "names 'user_inptu', which is no module of this file; did you "
         "mean user_input?"),
        ("output_type: MLModell", "is 'MLModell'; did you mean MLModel? use one of"),
        ("timeot: 3.0", "is unknown; did you mean timeout? known are"),
        ("lifecycle: manged", "is 'manged'; did you mean managed? use"),
        ("executable: 3", "is '3'; give a command line, or 'none'"),
        ("executable: \"'\"", "is no command line"),
        ("wait: 0", "is '0'; give seconds"),
    ],
)  # fmt: skip
def test_the_nearest_word_is_proposed(tmp_path: Path, line: str, hint: str) -> None:
    lines = {"inputs": "inputs: [user_input]", "output_type": "output_type: MLModel"}
    lines[line.partition(":")[0]] = line
    file = tmp_path / "pipeline.yaml"
    file.write_text("modules:\n  a:\n" + "".join(f"    {one}\n" for one in lines.values()))
    (text,) = mistakes(file)
    assert hint in text and f"{file}, line " in text


def test_executables_are_found_beside_the_file_in_packages_and_on_the_path(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("")
    file = tmp_path / "pipeline.yaml"
    for command in ("mine.py --fast", "sustainml_orchestrator/hw_resources", "sh -c 'exit 0'"):
        file.write_text(
            "modules:\n  a:\n    inputs: [user_input]\n    output_type: MLModel\n"
            f'    executable: "{command}"\n'
        )
        assert mistakes(file) == ()


def test_the_graph_is_drawn_with_every_line() -> None:
    standard = pipeline_file.parse("")
    assert [f"{lines.rstrip()} {name}" for lines, name in as_text(standard)] == [
        "● user_input",
        "├─● app_requirements",
        "├─│─● ml_model_metadata",
        "├─│─│─● hw_constraints",
        "│ ├─┴─┼─● ml_model_provider",
        "│ └───┴─┼─● hw_resources",
        "└───────┴─┴─● carbon_tracker",
    ]
    edges = sum(len(spec.inputs) for spec in standard.modules)
    assert as_dot(standard).count(" -> ") == as_mermaid(standard).count(" --> ") == edges
    alone = {"modules": {"a": {"inputs": ["user_input"], "output_type": "MLModel"}}}
    assert len(as_text(Pipeline.from_data(alone, "one"))) == 2


def test_a_file_that_is_there_is_added_to_or_left_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "pipeline.yaml"
    text = "# mine\nmodules:\n    a:\n        inputs: [user_input]\n        output_type: MLModel"
    file.write_text(text)
    assert run("new", "module", "b", "--folder", tmp_path, "--input", "a").exit_code == 0
    assert file.read_text().startswith(text) and mistakes(file) == ()
    assert pipeline_file.parse(str(file)).by_name["b"].inputs == ("a",)
    before = file.read_text()
    for words, hint in (
        (["b"], "has a module b already"),
        (["c", "--input", "bb"], "there is no input 'bb'; did you mean b?"),
        (["C"], "is no ROS name"),
        (["c", "--output-type", "Nope"], "is 'Nope'"),
        (["a", "--pipeline", "other.yaml", "--output-type", "x/msg/Y"], "x/msg/Y is not installed"),
    ):
        result = run("new", "module", *words, "--folder", tmp_path)
        assert result.exit_code != 0 and hint in " ".join(result.output.split()), result.output
    assert file.read_text() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b.py", "pipeline.yaml", "test_b.py"]
    (tmp_path / "c.py").write_text("mine")
    assert run("new", "module", "c", "--folder", tmp_path).exit_code == 1
    assert (tmp_path / "c.py").read_text() == "mine" and file.read_text() == before


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        *((name, "could not be imported: Python has one") for name in ("class", "json", "numpy")),
        *((name, "is for files of pytest") for name in ("conftest", "test_it", "own_test")),
        *((name, "is no ROS name") for name in ("", "a/b", "..", "1a", "a b", "a" * 65)),
        *((name, "is a value of YAML") for name in ("true", "null")),
        ("all", "is a reserved name (commands use it for every module)"),
        *((name, "is a reserved name (of a process of sustainml up)")
          for name in ("up", "web", "rest")),
        ("orchestrator", "is a reserved name (of the node that runs it)"),
    ],
)  # fmt: skip
def test_a_new_module_has_a_name_that_nothing_else_has(
    tmp_path: Path, name: str, cause: str
) -> None:
    result = run("new", "module", name, "--folder", tmp_path)
    assert result.exit_code == 1
    assert (
        result.stderr.startswith(f"INVALID_REQUEST: '{name}' {cause}")
        and result.stderr.count("\n") == 1
    )
    assert not list(tmp_path.iterdir())


def test_an_instance_has_no_name_of_another_module(tmp_path: Path) -> None:
    file = tmp_path / "pipeline.yaml"
    module = "inputs: [user_input], output_type: MLModel, executable: none"
    file.write_text(f"modules:\n  a: {{{module}, replicas: 3}}\n  a_3: {{{module}}}\n")
    (text,) = mistakes(file)
    assert "modules.a.replicas: gives an instance the name of module a_3; rename that" in text
    file.write_text(f"modules:\n  a: {{{module}}}\n  a_3: {{{module}}}\n  web: {{{module}}}\n")
    (text,) = mistakes(file)
    assert "modules.web: is a reserved name" in text
    file.write_text(f"modules:\n  a: {{{module}}}\n  a_3: {{{module}}}\n")
    result = run("up", "--pipeline", file, "--replicas", "a=3")
    assert result.exit_code == 2 and "the name of module a_3" in result.stderr


def test_printed_commands_can_be_pasted(tmp_path: Path) -> None:
    folder = tmp_path / "my $(folder)"
    printed = run("new", "module", "meter", "--folder", folder).stdout.splitlines()[-2:]
    for line, file in zip(printed, ("test_meter.py", "pipeline.yaml"), strict=True):
        assert shlex.split(line)[-1] == str(folder / file)


def test_the_line_that_runs_the_test_leaves_the_plugins_of_launch_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "launch_testing").mkdir()
    (tmp_path / "launch_testing" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    said = run("new", "module", "a", "--folder", tmp_path).output
    assert "python -m pytest -p no:launch_testing -p no:launch_ros -p no:launch_pytest" in said


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["--without", "hw_resource"], "'hw_resource' is no module; did you mean hw_resources?"),
        (["--replicas", "carbon=2"], "'carbon' is no module"),
        (["--replicas", "hw_resources"], "write MODULE=N, N from 1 to 64"),
        (["--replicas", "hw_resources=0"], "write MODULE=N, N from 1 to 64"),
    ],
)
def test_up_refuses_what_it_cannot_start(words: list[str], hint: str) -> None:
    result = run("up", *words)
    assert result.exit_code == 2 and hint in " ".join(result.output.split())
