"""A whole system of real processes."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml
from sustainml_msgs.msg import Task, UserInput

from support.checksums import checksum
from sustainml_orchestrator.client import OrchestratorClient
from sustainml_orchestrator.processes.programs import MODULES, Program
from sustainml_orchestrator.processes.supervisor import Supervisor

HERE = Path(__file__).parent
CONFIG = HERE.parents[1] / "config" / "pipeline.yaml"
STEP_TIMEOUT = 1.5
OUTPUTS = (
    "app_requirements", "ml_model_metadata", "hw_constraints", "ml_model", "hw_resource",
    "carbon_footprint",
)  # fmt: skip


def wait_for(
    condition: Callable[[], object],
    seconds: float = 20.0,
    what: str | Callable[[], str] = "it did not come true in time",
) -> None:
    """Until it is true; fails with `what`, or what that returns, when it is not in time."""
    deadline, pause = time.monotonic() + seconds, 0.001
    while not condition():
        assert time.monotonic() < deadline, what() if callable(what) else what
        time.sleep(pause)
        pause = min(2 * pause, 0.02)


def check_task(text: str, task: Task) -> None:
    """A task has all outputs, each of them of its own problem.

    Raises:
        AssertionError: not so.
    """
    assert task.user_input.problem_definition == text
    for name, module in zip(OUTPUTS, MODULES, strict=True):
        extra = json.loads(bytes(getattr(task, name).extra_data))
        assert extra["marks"] == [text], f"{name} of '{text}' is of {extra['marks']}"
        assert extra["checksum"] == checksum(module, text), f"{name} of '{text}' has other inputs"


class System:
    """The orchestrator and six scripted modules in a namespace of their own.

    Args:
        folder: for files of its own.
        isolation: where the modules run user code.
        journal: whether there is one.
        workers: calls of user code that a module runs at a time.
        timeout: of every step, in s.
        parameters: of the orchestrator.
        module_parameters: of every module.
        script: what the modules run.
        place: turns a process name and its command into one that runs elsewhere.
    """

    def __init__(
        self,
        folder: Path,
        *,
        isolation: str = "thread",
        journal: bool = False,
        workers: int = 1,
        timeout: float = STEP_TIMEOUT,
        parameters: Mapping[str, Any] | None = None,
        module_parameters: Mapping[str, Any] | None = None,
        script: str = "scripted_module",
        place: Callable[[str, tuple[str, ...]], tuple[str, ...]] = lambda _, command: command,
    ) -> None:
        self.namespace = f"/system_{os.getpid()}_{time.monotonic_ns() % 10**6}"
        self.lines: list[tuple[str, str]] = []
        pipeline = yaml.safe_load(CONFIG.read_text())
        for spec in pipeline["modules"].values():
            spec["timeout"] = timeout
        file = folder / "pipeline.yaml"
        file.write_text(yaml.safe_dump(pipeline, sort_keys=False))
        ros = ("--ros-args", "-r", f"__ns:={self.namespace}")
        command = (sys.executable, "-m", "sustainml_orchestrator.node.orchestrator_node", *ros)
        command += ("-p", f"pipeline_file:={file}")
        if journal:
            command += ("-p", f"journal_path:={folder / 'journal.sqlite'}")
        command += _settings(parameters)
        programs = [Program("orchestrator", place("orchestrator", command))]
        for name in MODULES:
            options = (*ros, "-p", f"isolation:={isolation}", "-p", f"workers:={workers}")
            options += _settings(module_parameters)
            command = (sys.executable, "-m", f"support.{script}", name, *options)
            programs.append(Program(name, place(name, command)))
        self.supervisor = Supervisor(programs, lambda *line: self.lines.append(line))
        self.client: OrchestratorClient

    def __enter__(self) -> System:
        self.supervisor.__enter__()
        try:
            self.client = OrchestratorClient(self.namespace, timeout=10.0)
            self.client.wait_until_ready(40.0)
        except BaseException:
            self.supervisor.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self.supervisor.__exit__(None, None, None)

    def solve(self, text: str, within: float = 30.0, **fields: object):
        """Run a problem to its end."""
        task = self.client.start_task(UserInput(problem_definition=text), **fields)
        return self.client.wait_for_task(task, within)


def _settings(parameters: Mapping[str, Any] | None) -> tuple[str, ...]:
    """As words of a command line."""
    given = (parameters or {}).items()
    return tuple(word for key, value in given for word in ("-p", f"{key}:={value}"))
