"""What /diagnostics says to rqt_robot_monitor, and when it is time to look."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from diagnostic_msgs.msg import DiagnosticArray
from support.puppet import PIPELINE, Framework
from support.system import wait_for
from sustainml_msgs import msg

from sustainml_orchestrator.core.ids import TaskCommand, TaskStatus

ROOT = Path(__file__).parents[2]
OK, WARN, ERROR, STALE = (bytes([level]) for level in range(4))
TIMEOUT = 10.0  # s, of a step


@pytest.fixture(scope="module")
def framework(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Framework]:
    """Two modules whose steps have a short timeout, and a short queue."""
    folder = tmp_path_factory.mktemp("diagnostics")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PIPELINE, "first", {**PIPELINE["first"], "timeout": TIMEOUT})
        made = Framework(folder, "diagnosed", max_active_tasks=1, max_waiting_tasks=5,
                         journal_path=str(folder / "j.db"))  # fmt: skip
    with made as running:
        heard: list[DiagnosticArray] = []
        running.diagnostics = heard  # type: ignore[attr-defined]
        puppet = running.puppet
        puppet.run(lambda: puppet.node.create_subscription(
            DiagnosticArray, "/diagnostics", heard.append, 50))  # fmt: skip
        yield running


def statuses(framework: Framework, since: int = 0) -> Iterator[dict[str, Any]]:
    """Those of this framework, the latest first, by their names behind that of the orchestrator."""
    prefix = f"{framework.namespace}/orchestrator: "
    heard = list(framework.diagnostics)[since:]  # type: ignore[attr-defined]
    for message in reversed(heard):
        found = {s.name.removeprefix(prefix): s for s in message.status if prefix in s.name}
        if found:
            yield found


def latest(framework: Framework) -> dict[str, Any]:
    return next(statuses(framework), {})


def until(framework: Framework, name: str, level: bytes, text: str, since: int = -1) -> Any:
    """That status, once it has this level and matches this text; in a message from now on."""
    first = len(framework.diagnostics) if since < 0 else since  # type: ignore[attr-defined]

    def look() -> list[Any]:
        found = (each.get(name) for each in statuses(framework, first))
        return [s for s in found if s and s.level == level and re.search(text, s.message)]

    wait_for(look, 20.0, lambda: f"{name}: {latest(framework).get(name)}")
    return look()[-1]


def values(status: Any) -> dict[str, str]:
    return {pair.key: pair.value for pair in status.values}


def test_names_are_those_of_the_analyzers(framework: Framework) -> None:
    wait_for(lambda: len(latest(framework)) >= 6, 10.0)
    found = latest(framework)
    assert set(found) == {"tasks", "queues", "journal", "dropped messages", "first", "second"}
    assert {status.hardware_id for status in found.values()} == {framework.namespace}
    text = (ROOT / "config" / "diagnostics" / "analyzers.yaml").read_text(encoding="utf-8")
    parameters = yaml.safe_load(text)["/**"]["ros__parameters"]
    groups = {key: each["regex"] for key, each in parameters.items() if isinstance(each, dict)}
    for short, status in found.items():
        matching = [
            g for g, all_of in groups.items() for r in all_of if re.fullmatch(r, status.name)
        ]
        assert matching == ["modules" if short in ("first", "second") else "orchestrator"]
    assert values(found["first"])["timeout of a step (s)"] == f"{TIMEOUT:g}"
    assert float(values(found["journal"])["free space (MiB)"]) > 0
    database = framework.folder / "j.db"
    sizes = {"size (B)": database, "write-ahead log (B)": database.with_name("j.db-wal")}
    wait_for(lambda: all(int(values(latest(framework)["journal"])[key]) == file.stat().st_size > 0
                         for key, file in sizes.items()), 10.0)  # fmt: skip
    assert values(found["queues"])["waiting tasks, limit"] == "5"


def test_a_step_near_its_deadline_and_a_queue_that_fills(framework: Framework) -> None:
    puppet, since = framework.puppet, len(framework.diagnostics)  # type: ignore[attr-defined]
    task = puppet.start()
    puppet.node_status["first"] = msg.NodeStatus.NODE_RUNNING
    puppet.say("first", task, TaskStatus.RUNNING)
    for _ in range(4):
        assert puppet.call("start_task", user_input=msg.UserInput(problem_definition="x")).success
    queues = until(framework, "queues", WARN, "nearly full: 4 tasks wait of at most 5")
    assert values(queues)["running tasks"] == "1"
    assert puppet.call("start_task", user_input=msg.UserInput(problem_definition="x")).success
    until(framework, "queues", ERROR, "full: 5 tasks wait; new ones are refused")
    late = r"1/1: first works for .* s of at most 10 s"
    tasks = until(framework, "tasks", WARN, late, since)
    assert values(tasks)["running"] == "1" and values(tasks)["waiting"] == "5"
    puppet.node_status["first"] = msg.NodeStatus.NODE_IDLE
    for problem in range(6, 0, -1):
        task_id = msg.TaskId(problem_id=problem, iteration_id=1)
        puppet.call("control_task", task_id=task_id, cmd_task=int(TaskCommand.TERMINATE))
    until(framework, "queues", OK, "0 tasks wait")
    until(framework, "tasks", OK, "ready")


def test_a_module_that_does_not_stay_up(framework: Framework) -> None:
    puppet = framework.puppet
    until(framework, "second", OK, "IDLE")
    say = puppet.say

    def in_place_of(former: int) -> Callable[..., None]:
        def renewed(module: str, *rest: Any, **fields: Any) -> None:
            say(module, *rest, **{"incarnation": former + (module == "second"), **fields})

        return renewed

    try:
        for former in range(8, 11):
            puppet.say = in_place_of(former)  # type: ignore[method-assign]
            wait_for(lambda n=former: puppet.call("get_node_status", node_name="second")
                     .nodes[0].restarts >= n - 7, 10.0)  # fmt: skip
        flapping = until(framework, "second", WARN, "does not stay up: 3 restarts")
        assert values(flapping)["restarts of the module"] == "3"
    finally:
        puppet.say = say  # type: ignore[method-assign]


def test_messages_that_are_dropped(framework: Framework) -> None:
    puppet = framework.puppet
    until(framework, "dropped messages", OK, "messages were dropped")
    for _ in range(12):
        puppet.say("first", msg.NodeControl(task_id=msg.TaskId(problem_id=99, iteration_id=1)),
                   TaskStatus.RUNNING, session=1)  # fmt: skip
    found = until(framework, "dropped messages", WARN, "dropped in the last minute")
    assert int(values(found)["status of another session"]) >= 12
