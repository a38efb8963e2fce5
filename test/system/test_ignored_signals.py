"""What the parent of a process ignores, as `nohup` and `trap` have it, all its processes ignore."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from support.system import wait_for
from support.up_process import Up

IGNORED = (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


@pytest.fixture
def up() -> Iterator[Up]:
    before = {number: signal.signal(number, signal.SIG_IGN) for number in IGNORED}
    try:
        started = Up("--web-port", "0", "--rest", "--rest-port", "0")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    yield started
    started.end()


def heeds(process: psutil.Process) -> list[str]:
    """The signals of IGNORED that a process does not ignore; fork servers handle SIGUSR1."""
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
    masks = dict(line.split(":", 1) for line in status.splitlines())
    ignored, caught = int(masks["SigIgn"], 16), int(masks["SigCgt"], 16)
    own = caught if process.children() else 0
    return [n.name for n in IGNORED if not (ignored | own & 1 << signal.SIGUSR1 - 1) >> n - 1 & 1]


def test_no_process_heeds_what_is_ignored(up: Up) -> None:
    expected = ("[up] ready", "web page: http", "serving http")
    while not all(each in "".join(up.lines) for each in expected):
        up.wait_for_line("")
    family = up.family()
    assert len(family) > 15
    assert {p.pid: heard for p in family if (heard := heeds(p))} == {}
    for process in family:
        for number in (signal.SIGHUP, signal.SIGINT):
            process.send_signal(number)
    assert up.family() == family
    up.process.terminate()
    assert up.process.wait(10.0) == 0
    wait_for(lambda: not up.family(), 2.0, "processes are left")
