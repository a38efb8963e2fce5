"""`sustainml demo`, from its start to its end."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import psutil
from support.system import wait_for
from support.up_process import MARK, SUSTAINML, is_marked

from sustainml_orchestrator.cli.run import examples


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
        said, _ = demo.communicate(timeout=10.0)
        assert demo.returncode == 130, said
        wait_for(lambda: not family(), 2.0)
    finally:
        for process in family():
            process.kill()
