"""The command line against the whole framework, as `sustainml up` starts it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import yaml
from support.system import wait_for
from support.up_process import MARK, SUSTAINML, Up, is_marked
from typer.testing import CliRunner, Result

from sustainml_orchestrator.cli.console import harmless
from sustainml_orchestrator.cli.main import app
from sustainml_orchestrator.cli.run import examples
from sustainml_orchestrator.client import OrchestratorClient
from sustainml_orchestrator.contract import domain
from sustainml_orchestrator.processes.programs import MODULES


@pytest.fixture
def up(request: pytest.FixtureRequest) -> Iterator[Up]:
    made = Up(*getattr(request, "param", ()))
    try:
        yield made
    finally:
        made.end()


@pytest.fixture(scope="module")
def running() -> Iterator[Up]:
    """One system for all the tests that leave it whole."""
    made = Up("--isolation", "thread")
    try:
        made.wait_for_line("[up] ready")
        yield made
    finally:
        made.end()


def sustainml(up: Up, *words: str, stdin: str = "", code: int = 0) -> Result:
    """Run a verb against that system."""
    options = ("--namespace", up.namespace, "--timeout", "20")
    result = CliRunner().invoke(app, [*options, *words], input=stdin)
    assert result.exit_code == code, f"{words}: {result.output} {result.exception!r}"
    return result


# Verbs #


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


def test_a_stopped_node_and_its_task(running: Up) -> None:
    assert "INACTIVE" in sustainml(running, "node", "stop", "hw_resources").stdout
    findings = json.loads(sustainml(running, "doctor", "--json", code=1).stdout)
    assert any(f["remedy"] == "sustainml node start hw_resources" for f in findings)
    submitted = sustainml(
        running, "submit", "--define", "tell cats from dogs [in photos]", "--json"
    )
    name = json.loads(submitted.stdout)["task"]
    assert "WAITING" in sustainml(running, "list", "--status", "waiting").stdout
    refused = sustainml(running, "task", "preempt", name, code=1)
    assert "REJECTED" in refused.stderr
    assert "STOPPED" in sustainml(running, "task", "stop", name).stdout
    assert "hw_resources" in sustainml(running, "node", "start", "all").stdout
    assert "WAITING" in sustainml(running, "task", "reset", name).stdout
    assert "succeeded" in sustainml(running, "watch", name).stdout
    assert "version" in sustainml(running, "doctor").stdout


def test_the_database_is_there_next_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_HOME", str(tmp_path))
    namespace = f"/cli_kept_{os.getpid()}"
    for life in ("first", "second"):
        up = Up("--isolation", "thread", namespace=namespace, home=str(tmp_path))
        try:
            up.wait_for_line("[up] ready")
            text = f"tell cats from dogs, {life} life"
            sustainml(up, "submit", "-d", text, "--name", f"{life} 猫", "--watch")
            listed = json.loads(sustainml(up, "list", "--json").stdout)
            up.process.send_signal(signal.SIGINT)
            up.process.wait(15.0)
        finally:
            up.end()
    assert listed["total"] == 2
    report = sustainml(up, "journal", "check").stdout
    assert str(tmp_path / "sustainml") in report.replace("\n", "")
    assert "2 problems, 2 iterations" in report.replace("\n", " ")
    check_exports(tmp_path, ("--journal", next((tmp_path / "sustainml").glob("*.db"))))


def check_exports(folder: Path, journal: tuple[str, Path]) -> None:
    """To a file, to standard output of any encoding, to a full disk; and back."""
    file = folder / "exported"

    def run(*words: object, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        ascii_only = {**os.environ, "PYTHONIOENCODING": "ascii"}
        return subprocess.run([*SUSTAINML, *map(str, words)], input=stdin, env=ascii_only,
                              capture_output=True, check=False)  # fmt: skip

    assert b"2 iterations written" in run("export", file, *journal).stdout
    text = file.read_bytes()
    assert "猫".encode() in text
    assert run("export", "-", *journal).stdout == text
    assert run("export", "/dev/stdout", *journal).stdout == text
    copy = ("--journal", folder / "copy.db")
    assert run("import", "-", *copy, stdin=text).returncode == 0
    assert run("export", "-", *copy).stdout == text
    full = run("export", "/dev/full", *journal)
    assert full.returncode == 1 and b"No space left" in full.stderr and b"read" not in full.stderr


def test_a_task_that_fails_ends_with_1_and_the_reason(running: Up) -> None:
    nonsense = "extra_data.model_selected=no such model"
    result = sustainml(running, "submit", "-d", "x", "-s", nonsense, "--watch", code=1)
    assert "error" in result.stdout and "task " in result.stdout


def test_nodes_and_their_configuration(running: Up) -> None:
    states = json.loads(sustainml(running, "nodes", "--json").stdout)
    assert [state["node_name"] for state in states] == list(MODULES)
    assert "regions" in json.loads(sustainml(running, "configure", "carbon_tracker").stdout)
    assert "use one of" in sustainml(running, "configure", "carbon", code=1).stderr


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
    ):
        told = json.loads(sustainml(running, *words, "--json", code=1).stdout)
        assert (told["success"], told["error"]) == (False, error), told
        assert told["error_code"] and told["message"]


def test_nodes_show_losses(running: Up) -> None:
    process = running.leader("carbon_tracker")
    assert process is not None
    process.kill()

    def restarted() -> bool:
        nodes = json.loads(sustainml(running, "nodes", "--json").stdout)
        (node,) = (n for n in nodes if n["node_name"] == "carbon_tracker")
        return node["restarts"] == 1 and node["status_text"] == "IDLE"

    wait_for(restarted, 20.0)
    (row,) = re.findall(r"carbon_tracker +IDLE.*", sustainml(running, "nodes").stdout)
    assert re.search(r" 1 +\d\d:\d\d:\d\d +carbon_tracker", row), row


AS_ANOTHER_USER = """
import os, sys
from sustainml_orchestrator.cli.main import app
domain, namespace = os.environ["ROS_DOMAIN_ID"], sys.argv[1]
os.environ["ROS_DOMAIN_ID"] = sys.argv[2]
app(["--timeout", "0.2", "list"], standalone_mode=False)  # loads what the user cannot read
os.environ["ROS_DOMAIN_ID"] = domain
os.setgroups([])
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
code = app(["--namespace", namespace, "--timeout", "3", "list"], standalone_mode=False)
print("code", code, file=sys.stderr)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_is_told_why_nothing_is_answered(running: Up) -> None:
    other = str(domain.free(range(1, domain.LAST_SAFE)))
    command = [sys.executable, "-c", AS_ANOTHER_USER, running.namespace, other]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "shared memory of another user cannot be read" in result.stderr, result.stderr
    assert "(root)" in result.stderr and result.stderr.splitlines()[-1] in ("code 1", "code 3")
    works = {"ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET", "FASTDDS_BUILTIN_TRANSPORTS": "UDPv4"}
    assert all(f"{name}={value}" in result.stderr for name, value in works.items())
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False,
                            env={**os.environ, **works})  # fmt: skip
    assert result.stderr.splitlines()[-1] == "code 0", result.stderr


def test_a_second_system_in_the_same_place_is_refused(running: Up) -> None:
    second = Up(namespace=running.namespace)
    try:
        second.wait_for_line("runs already")
        assert second.process.wait(10.0) == 1
    finally:
        second.end()


# Wrong usage, and nobody there #


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
    told = json.loads(result.stdout)
    assert (told["success"], told["error_code"], told["error"]) == (False, 5, "NODE_UNAVAILABLE")
    assert "sustainml up" in result.stderr and told["message"] in result.stderr
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


# Life and death #


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_up_leaves_nothing_behind(up: Up, number: signal.Signals) -> None:
    up.wait_for_line("[up] ready")
    assert len(up.family()) >= 1 + 1 + len(MODULES)
    up.process.send_signal(number)
    up.process.wait(6.0)
    wait_for(lambda: not up.family(), 2.0)
    assert up.process.returncode == (-number if number == signal.SIGKILL else 0)


def test_up_needs_no_standard_streams() -> None:
    mark = f"{os.getpid()}_{time.monotonic_ns()}"
    line = f"exec {' '.join(SUSTAINML)} -n /closed_{mark} up --journal none <&- >&- 2>&-"
    up = subprocess.Popen(["bash", "-c", line], env={**os.environ, MARK: mark})
    try:
        with OrchestratorClient(f"/closed_{mark}", timeout=30.0) as client:
            client.wait_until_ready(60.0)
        up.send_signal(signal.SIGTERM)
        assert up.wait(15.0) == 0
    finally:
        for process in psutil.process_iter():
            if is_marked(process, mark):
                process.kill()


def test_up_can_be_interrupted_while_it_starts(up: Up) -> None:
    wait_for(lambda: len(up.family()) > 1)  # what forks the nodes is there, and loads ROS
    up.process.send_signal(signal.SIGTERM)
    up.process.wait(6.0)
    wait_for(lambda: not up.family(), 2.0)


def test_up_takes_any_path(tmp_path: Path) -> None:
    """What YAML, the command line of ROS or an encoding would take for something else."""
    folder = tmp_path / "😀 a'b\"c: #d\\e %41?k=v"
    folder.mkdir()
    graph, params = folder / "-pipe line.yaml", folder / "pa'rams.yaml"
    graph.write_bytes((examples()[0].parents[1] / "pipeline.yaml").read_bytes())
    params.write_text("/**:\n  ros__parameters:\n    max_resets: 4\n")
    for name in ("yes", "1e3", "-j \U0001f600.db"):
        journal = folder / name
        made = Up("--isolation", "thread", "--journal", str(journal), "--params", str(params),
                  "--pipeline", str(graph), home=str(tmp_path))  # fmt: skip
        try:
            made.wait_for_line("[up] ready")
            assert journal.read_bytes().startswith(b"SQLite format 3")
        finally:
            made.end()


@pytest.mark.parametrize("up", [("--without", "hw_resources")], indirect=True)
def test_up_without_a_module_restarts_what_dies(up: Up) -> None:
    def module(name: str) -> list[psutil.Process]:
        leaders = [p for p in up.family() if os.getsid(p.pid) == p.pid]
        program = f"-m sustainml_orchestrator.reference_modules.{name} "
        return [p for p in leaders if program in " ".join(p.cmdline())]

    up.wait_for_line("carbon_tracker is IDLE")
    assert not module("hw_resources")
    module("carbon_tracker")[0].kill()
    up.wait_for_line("carbon_tracker was killed by SIGKILL; restarting it in 0.5 s")
    up.wait_for_line("carbon_tracker is IDLE")
    assert len(module("carbon_tracker")) == 1


def test_the_demo_solves_the_examples() -> None:
    begun = time.monotonic()
    result = subprocess.run([*SUSTAINML, "demo"], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    for number in range(1, len(examples()) + 1):
        assert f"{number}/1 100% succeeded" in result.stdout
    assert all(unit in result.stdout for unit in ("(s)", "(W)", "(Wh)", "(kgCO2e)"))
    assert re.search(r"4/1 .*\n +4/2 .*\n +▲ target: ", result.stdout)
    assert re.search(r"^target of \S+ kgCO2e met: best is 4/2 with", result.stdout, re.MULTILINE)
    assert time.monotonic() - begun < 60.0  # 30 s on a machine that has nothing else to do


def test_a_demo_that_fails_says_why(tmp_path: Path) -> None:
    problem = tmp_path / "bad.yaml"
    problem.write_text(
        "problem_definition: translate French news into English\n"
        "extra_data: {model_selected: none such}\n"
    )
    result = subprocess.run(
        [*SUSTAINML, "demo", str(problem)], capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert "none such" in result.stdout


def test_an_interrupted_demo_leaves_nothing_behind() -> None:
    mark = f"{os.getpid()}_{time.monotonic_ns()}"
    demo = subprocess.Popen(
        [*SUSTAINML, "demo", "--verbose"], env={**os.environ, MARK: mark},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip

    def family() -> list[psutil.Process]:
        return [p for p in psutil.process_iter() if is_marked(p, mark)]

    try:
        assert demo.stdout is not None
        for line in demo.stdout:
            if "[orchestrator]" in line:
                break
        demo.send_signal(signal.SIGINT)
        demo.send_signal(signal.SIGINT)  # an impatient user presses it twice
        demo.communicate(timeout=10.0)
        assert demo.returncode == 130
        wait_for(lambda: not family(), 2.0)
    finally:
        for process in family():
            process.kill()
