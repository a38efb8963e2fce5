"""The commands on tasks and problems against a whole framework, and wrong usage."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from support.up_process import SUSTAINML, Up, sustainml
from typer.testing import CliRunner

from sustainml_orchestrator.cli.console import harmless
from sustainml_orchestrator.cli.main import app


def test_a_problem_from_submission_to_deletion(running: Up, tmp_path: Path) -> None:
    text = json.dumps({"problem_definition": "translate French news", "extra_data": {"note": 1}})
    submitted = sustainml(running, "submit", "-", "--watch", "--json", stdin=text)
    task = json.loads(submitted.stdout)[0]
    name = "{problem_id}/{iteration_id}".format(**task["summary"]["task_id"])
    problem = name.partition("/")[0]
    assert task["user_input"]["extra_data"] == {"note": 1}
    assert task["summary"]["task_status"] == 3
    assert task["ml_model"]["model"]

    changes = ("--set", "maximum_samples=7", "--set", "extra_data.num=2")
    iterated = sustainml(running, "iterate", name, *changes, "--watch")
    assert f"{problem}/2" in iterated.stdout and "kgCO2e" in iterated.stdout
    assert f"{problem}/2 result: 7 inferences" in iterated.stdout
    again = yaml.safe_load(sustainml(running, "show", problem, "--yaml").stdout)
    assert again["user_input"]["maximum_samples"] == 7
    assert again["user_input"]["extra_data"] == {"note": 1, "num": 2}
    assert again["user_input"]["problem_definition"] == "translate French news"

    rows = json.loads(sustainml(running, "compare", problem, "--json").stdout)
    assert [row["task_id"]["iteration_id"] for row in rows] == [1, 2]
    assert sum(row["best"] for row in rows) == 1
    plot = tmp_path / "front.png"
    table = sustainml(running, "compare", problem, "--plot", str(plot))
    assert "Pareto" in table.stdout and plot.read_bytes().startswith(b"\x89PNG")
    assert sustainml(running, "compare", problem, "--csv").stdout.startswith("task,model,")

    listed = json.loads(sustainml(running, "list", problem, "--json").stdout)
    assert listed["total"] == 2
    assert "succeeded" in sustainml(running, "watch", name).stdout
    assert "SUCCEEDED" in sustainml(running, "show", name).stdout
    assert "2 iterations deleted" in sustainml(running, "delete", problem).stdout
    assert "NOT_FOUND" in sustainml(running, "show", name, code=1).stderr


def test_a_search_for_less_carbon(running: Up) -> None:
    """Down by itself while it brings something, then once more by hand from an earlier one."""
    text = "tell cats from dogs in photos"
    found = sustainml(running, "submit", "-d", text, "-s", "extra_data.model_selected=resnet-50",
                      "-s", "maximum_samples=1000000", "--auto", "--watch")  # fmt: skip
    reason = re.search(r"task (\d+)/(\d+): no further model can be proposed", found.stdout)
    assert reason, found.stdout
    problem, last = reason[1], int(reason[2])
    rows = json.loads(sustainml(running, "compare", problem, "--json").stdout)
    footprints = [row["carbon_footprint"] for row in rows]
    assert last == len(rows) >= 2 and footprints == sorted(footprints, reverse=True)
    assert [row["best"] for row in rows] == [False] * (last - 1) + [True]
    assert all(row["quality"] >= 0.9 * rows[0]["quality"] for row in rows)

    again = sustainml(running, "iterate", f"{problem}/1", "--manual", "--watch", "--json")
    (task,) = json.loads(again.stdout)
    assert task["summary"]["base_task"]["iteration_id"] == 1
    assert task["user_input"]["previous_iteration"] == 1
    assert task["summary"]["carbon_footprint"] < footprints[0]
    sustainml(running, "iterate", f"{problem}/-1", "-s", "maximum_samples=5", "--watch")
    shown = json.loads(sustainml(running, "show", problem, "--json").stdout)
    assert shown["summary"]["base_task"]["iteration_id"] == last + 1


def test_a_task_that_fails_ends_with_1_and_the_reason(running: Up) -> None:
    nonsense = "extra_data.model_selected=no such model"
    result = sustainml(running, "submit", "-d", "x", "-s", nonsense, "--watch", code=1)
    assert "error" in result.stdout and "task " in result.stdout


def test_hostile_texts_reach_the_terminal_as_text(running: Up) -> None:
    """From a user, through the orchestrator, to the commands that show them."""
    text = "[/gpu] \x1b[2J\u202e $x$ :smile:"
    words = ("-d", "tell cats from dogs", "-s", f"problem_short_description={text}")
    sustainml(running, "submit", *words, "-s", f"extra_data.hardware_required={text}")
    for verb in (("list",), ("list", "--json"), ("doctor",)):
        shown = sustainml(running, *verb).stdout
        assert "\x1b" not in shown and "\u202e" not in shown
    listed = json.loads(sustainml(running, "list", "--limit", "1", "--json").stdout)
    (task,) = listed["tasks"]
    assert task["problem_short_description"] == harmless(text)  # as summaries show it
    name = "{problem_id}/{iteration_id}".format(**task["task_id"])
    kept = json.loads(sustainml(running, "show", name, "--json").stdout)["user_input"]
    assert kept["problem_short_description"] == text
    for verb, code in (("watch", 1), ("show", 0)):
        shown = sustainml(running, verb, name, code=code).stdout
        assert "[/gpu]" in shown and "\\x1b[2J" in shown


def test_texts_keep_their_looks(running: Up) -> None:
    """What YAML would take for a number, a list or a truth value."""
    words = ("-s", "geo_location_region=NO", "-s", "problem_definition=find: a: b", "--json")
    name = json.loads(sustainml(running, "submit", *words).stdout)["task"]
    user_input = json.loads(sustainml(running, "show", name, "--json").stdout)["user_input"]
    assert user_input["geo_location_region"] == "NO"
    assert user_input["problem_definition"] == "find: a: b"


def test_a_refusal_is_json_where_that_was_asked_for(running: Up) -> None:
    for words, error in (
        (("show", "9999"), "NOT_FOUND"),
        (("delete", "9999"), "NOT_FOUND"),
        (("submit", "-s", "modality=x"), "INVALID_REQUEST"),
        (("node", "start", "nobody"), "NOT_FOUND"),
        (("configure", "nobody"), "NOT_FOUND"),
        (("compare", "9999"), "NOT_FOUND"),
        (("compare", "1", "1", "99"), "NOT_FOUND"),
    ):
        answer = json.loads(sustainml(running, *words, "--json", code=1).stdout)
        assert (answer["success"], answer["error"]) == (False, error), answer
        assert answer["error_code"] and answer["message"]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["submit"], "--define"),
        (["submit", "-d", "x", "-s", "maximum_sample=1"], "did you mean"),
        (["show", "1/2/3"], "PROBLEM/ITERATION"),
        (["show", "99999999999"], "PROBLEM/ITERATION"),
        (["list", "--status", "fine"], "succeeded"),
        (["up", "--without", "hw_resource"], "did you mean hw_resources"),
        (["up", "--log-level", "loud"], "debug"),
        (["configure", "carbon_tracker", "[1]"], "JSON object"),
        (["sumbit"], "submit"),
    ],
)
def test_wrong_usage_is_explained(words: list[str], text: str) -> None:
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 2
    assert text in " ".join(result.output.replace("│", " ").split())


def test_without_an_orchestrator_it_says_how_to_start_one() -> None:
    begun = time.monotonic()
    result = subprocess.run(
        [*SUSTAINML, "--namespace", f"/nobody_{os.getpid()}", "--timeout", "1", "list", "--json"],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert result.returncode == 3
    answer = json.loads(result.stdout)
    assert (answer["success"], answer["error_code"], answer["error"]) == (
        False,
        5,
        "NODE_UNAVAILABLE",
    )
    assert "sustainml up" in result.stderr and answer["message"] in result.stderr
    assert time.monotonic() - begun < 6.0  # 3 s on a machine that has nothing else to do


def test_help_needs_no_ros() -> None:
    code = (
        "import sys; sys.modules['rclpy'] = sys.modules['sustainml_msgs'] = None;"
        "from sustainml_orchestrator.cli.main import app; app(['--help'])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert "Exit codes" in result.stdout and "3/2" in result.stdout
