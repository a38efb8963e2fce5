"""`sustainml up` as a process."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress

import psutil
from typer.testing import CliRunner, Result

from sustainml_orchestrator.cli.main import app
from sustainml_orchestrator.processes.fork_server import python_command

SUSTAINML = python_command("sustainml_orchestrator.cli")
#: Finds every process that a test has started, whatever became of its parents.
MARK = "SUSTAINML_TEST_MARK"


class Up:
    """`sustainml up` in a namespace of its own, as a process."""

    def __init__(
        self, *options: str, namespace: str = "", home: str = "",
        variables: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        self.mark = f"{os.getpid()}_{time.monotonic_ns()}"
        self.home = home
        self.namespace = namespace or f"/cli_{self.mark}"
        at_home = {"ROS_HOME": home} if home else {}
        self.process = subprocess.Popen(
            [
                *(*SUSTAINML, "--namespace", self.namespace, "up"),
                *(() if home else ("--journal", "none")),
                *(() if any(each.startswith("--web") for each in options) else ("--no-web",)),
                *options,
            ],
            env={**os.environ, MARK: self.mark, **(variables or {}), **at_home},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout is not None
        self._output = self.process.stdout
        self.lines: list[str] = []

    def wait_for_line(self, text: str) -> None:
        """Read its output up to that line; the time limit of the test is ours."""
        for line in self._output:
            self.lines.append(line)
            if text in line:
                return
        raise AssertionError(f"'{text}' did not come:\n{''.join(self.lines[-40:])}")

    def read_on(self) -> None:
        """Read its output to the end: it must not block on a full pipe."""
        with suppress(ValueError):  # closed meanwhile
            self.lines.extend(self._output)

    def family(self) -> list[psutil.Process]:
        """All processes with our mark that are alive, this one included."""
        return [p for p in psutil.process_iter() if is_marked(p, self.mark)]

    def leader(self, name: str) -> psutil.Process | None:
        """The process of the orchestrator, a module or the fork server; None while it is not there.

        It leads a session; its workers do not.
        """
        others = {"orchestrator": "node.orchestrator_node", "fork_server": "processes.node_forker"}
        part = others.get(name, f"reference_modules.{name}")
        for process in self.family():
            with suppress(psutil.Error, ProcessLookupError):
                words = " ".join(process.cmdline())
                if (
                    os.getsid(process.pid) == process.pid
                    and f"sustainml_orchestrator.{part} " in f"{words} "
                ):
                    return process
        return None

    def end(self) -> None:
        """Whatever a test did: nothing stays."""
        for process in self.family():
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait()
        self._output.close()


def sustainml(up: Up, *words: str, stdin: str = "", code: int = 0) -> Result:
    """Run a command against that system."""
    options = ("--namespace", up.namespace, "--timeout", "20")
    result = CliRunner().invoke(app, [*options, *words], input=stdin)
    assert result.exit_code == code, f"{words}: {result.output} {result.exception!r}"
    return result


def is_marked(process: psutil.Process, mark: str) -> bool:
    """Whether a process is alive and has that mark."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE and process.environ().get(MARK) == mark
    except psutil.Error:
        return False
