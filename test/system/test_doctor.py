"""`sustainml doctor` names what is wrong, and what to do, in real systems."""

from __future__ import annotations

import json
import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.system import wait_for
from support.up_process import SUSTAINML, Up, sustainml

from sustainml_orchestrator.contract import domain


@pytest.fixture(scope="module")
def lacking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """A system with a journal, without one of its modules."""
    home = str(tmp_path_factory.mktemp("doctor"))
    made = Up("--isolation", "thread", "--without", "hw_resources", home=home)
    try:
        made.wait_for_line("node.started carbon_tracker")
        yield made
    finally:
        made.end()


def findings(text: str) -> dict[str, tuple[str, str]]:
    return {
        each["finding"]: (each["level"], each["remedy"]) for each in json.loads(text)["findings"]
    }


def elsewhere(namespace: str, **variables: str) -> dict[str, tuple[str, str]]:
    """What it finds where no orchestrator is."""
    result = subprocess.run(
        [*SUSTAINML, "--namespace", namespace, "--timeout", "3", "doctor", "--json"],
        env={**os.environ, **variables}, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert result.returncode == 3, result.stdout + result.stderr
    found = findings(result.stdout)
    level, remedy = found[f"no orchestrator answers in namespace {namespace}"]
    assert level == "error" and "sustainml up" in remedy and "doctor" not in remedy
    return found


def test_a_module_that_is_missing(lacking: Up) -> None:
    found = findings(sustainml(lacking, "doctor", "--json", code=1).stdout)
    level, remedy = found["hw_resources is INACTIVE: never seen"]
    assert level == "error" and remedy.startswith("start its process: sustainml up")
    assert found["carbon_tracker is IDLE"] == ("ok", "")
    assert any(text.startswith("tasks wait: ") and "hw_resources" in text for text in found)


def test_a_module_whose_process_was_stopped(lacking: Up) -> None:
    process = lacking.leader("carbon_tracker")
    assert process is not None

    def is_lost() -> bool:
        nodes = json.loads(sustainml(lacking, "nodes", "--json").stdout)
        (node,) = (each for each in nodes if each["node_name"] == "carbon_tracker")
        return not node["responsive"]

    process.suspend()
    try:
        wait_for(is_lost, 30.0)
        result = subprocess.run(
            [*SUSTAINML, "--namespace", lacking.namespace, "doctor", "--json"],
            env={**os.environ, "ROS_HOME": lacking.home},
            capture_output=True, text=True, timeout=100, check=False,
        )  # fmt: skip
    finally:
        process.resume()
    wait_for(lambda: not is_lost(), 30.0)
    found = findings(result.stdout)
    (remedy,) = (found[text][1] for text in found if text.startswith("carbon_tracker is INACTIVE"))
    assert f"kill -CONT {process.pid}" in remedy
    (remedy,) = (found[text][1] for text in found if text.startswith("hw_resources is INACTIVE"))
    assert "does not run it: it was left out" in remedy


def test_a_wrong_namespace(lacking: Up) -> None:
    found = elsewhere(f"{lacking.namespace}_not")
    text = f"an orchestrator runs in namespace {lacking.namespace}"
    assert found[text] == ("warning", f"sustainml --namespace {lacking.namespace} doctor")


def test_a_wrong_domain(lacking: Up) -> None:
    here = os.environ["ROS_DOMAIN_ID"]
    found = elsewhere(lacking.namespace, ROS_DOMAIN_ID=str(domain.free(range(1, 100))))
    (text,) = (each for each in found if "run in other domains: " in each)
    assert here in text.partition(": ")[2].split(", ")
    text = f"an orchestrator of namespace {lacking.namespace} runs in domain {here}"
    assert found[text] == ("warning", f"export ROS_DOMAIN_ID={here}")


def test_a_journal_that_cannot_be_written(lacking: Up) -> None:
    process = lacking.leader("orchestrator")
    assert process is not None
    before = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        refused = sustainml(lacking, "submit", "-d", "tell cats from dogs", "--json", code=1)
        assert json.loads(refused.stdout)["error"] == "RESOURCE_EXHAUSTED"
        found = findings(sustainml(lacking, "doctor", "--json", code=1).stdout)
    finally:
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, before)
    texts = [text for text, (level, _) in found.items() if level == "error"]
    assert any("journal" in text and "cannot be written" in text for text in texts), found


def test_a_journal_that_is_damaged(tmp_path: Path) -> None:
    """It is checked by a command of its own, also while no orchestrator runs."""
    journal = tmp_path / "j.db"
    journal.write_bytes(b"no database" * 1000)
    words = [*SUSTAINML, "journal", "check", "--journal", str(journal)]
    result = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 1 and "Traceback" not in result.stderr and result.stderr
