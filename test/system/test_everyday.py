"""README's everyday commands, and the examples of every help text, work as they are pasted."""

from __future__ import annotations

import inspect
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.onnx_files import write_onnx
from support.up_process import Up
from typer import Typer
from typer.testing import CliRunner

from sustainml_orchestrator.cli import main

ROOT = Path(main.__file__).parents[2]
_SERVERS = ("sustainml up", "sustainml demo", "sustainml web", "sustainml rest")


def readme_lines() -> list[str]:
    """Everyday commands of the README, in their order, but for those that start the system."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.split("## Everyday use")[1].split("\n#")[0]
    found = re.findall(r"^    (sustainml .*)$", section, re.MULTILINE)
    return [line for line in found if not line.startswith(_SERVERS)]


def callbacks(app: Typer) -> Iterator[Callable[..., Any]]:
    if app.registered_callback is not None and app.registered_callback.callback is not None:
        yield app.registered_callback.callback
    yield from (c.callback for c in app.registered_commands if c.callback is not None)
    for group in app.registered_groups:
        assert group.typer_instance is not None
        yield from callbacks(group.typer_instance)


def examples() -> list[str]:
    """All lines of help texts that are commands."""
    found: list[str] = []
    for callback in callbacks(main.app):
        text = inspect.getdoc(callback) or ""
        found += re.findall(r"^ *(sustainml .*)$", text, re.MULTILINE)
    return [line for line in found if "[/]" not in line]


def command(line: str) -> str:
    return line.partition("#")[0].strip()


class Terminal:
    """A shell in a folder of its own, and the system that it speaks to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "config").symlink_to(ROOT / "config")
        write_onnx(folder / "detector.onnx", "image", 16)
        write_onnx(folder / "net.onnx", "x", 224)
        binaries = Path(sys.executable).parent
        assert shutil.which("sustainml", path=str(binaries)), "the package is not installed"
        path = f"{binaries}{os.pathsep}{os.environ['PATH']}"
        self.environment = {**os.environ, "PATH": path, "ROS_HOME": str(folder / "ros")}
        options = {"namespace": "/sustainml", "home": self.environment["ROS_HOME"]}
        self.up = Up("--isolation", "thread", **options)

    def paste(self, line: str, timeout: float = 100.0) -> None:
        """Run a line as it is typed; all its commands must end with 0."""
        each = command(line).replace(";", "\n")
        result = subprocess.run(
            ["bash", "-c", f"set -e\n{each}"], cwd=self.folder,
            env=self.environment, capture_output=True, text=True, timeout=timeout, check=False,
        )  # fmt: skip
        assert result.returncode == 0, f"{line}\n{result.stdout}{result.stderr}"

    def enter(self, line: str) -> None:
        """Run a line in this process, which has all loaded, in its folder; it must end with 0."""
        words = shlex.split(line, comments=True)[1:]
        result = CliRunner().invoke(main.app, words, env=self.environment)
        assert result.exit_code == 0, f"{line}\n{result.output}"


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    made = Terminal(tmp_path_factory.mktemp("everyday"))
    try:
        made.up.wait_for_line("[up] ready")
        yield made
    finally:
        made.up.end()


@pytest.mark.timeout(300)
def test_the_everyday_commands(terminal: Terminal) -> None:
    lines = readme_lines()
    assert len(lines) >= 13
    for line in lines:
        terminal.paste(line)
    assert (terminal.folder / "front.png").exists()
    assert (terminal.folder / "problems.jsonl").read_text().count("\n") >= 7


@pytest.mark.timeout(300)
def test_the_examples_of_help_texts(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the problems that the everyday commands left; those are not tried again."""
    tried = {command(line) for line in readme_lines()}
    found = [line for line in examples() if not line.startswith(_SERVERS)]
    found = [line for line in found if command(line) not in tried]
    found.remove("sustainml down")  # it would end this system; test_background tries it
    found = [line for line in found if "mlflow" not in line]  # an optional package
    assert len(found) >= 20
    monkeypatch.chdir(terminal.folder)
    for line in found:
        run = terminal.paste if ">" in line else terminal.enter
        run(line)
        if line.startswith("sustainml node "):
            run("sustainml node start all")


def test_the_examples_that_start_systems(tmp_path: Path) -> None:
    found = [each for each in examples() if each.startswith("sustainml up")]
    found = [line for line in found if "--detach" not in line]  # test_background
    assert len(found) >= 2
    for line in found:
        words = line.partition("#")[0].split()[2:]
        up = Up(*words, home=str(tmp_path))
        try:
            up.wait_for_line("node.appeared app_requirements")
            up.process.send_signal(signal.SIGINT)
            assert up.process.wait(15.0) == 0
        finally:
            up.end()
