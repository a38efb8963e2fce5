"""The lines of `sustainml up` while nobody reads its terminal."""

from __future__ import annotations

import os
import re
import select
import socket
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from sustainml_orchestrator.cli import console
from sustainml_orchestrator.cli.terminal import WAITING_LINES
from sustainml_orchestrator.cli.up_log import UpLog

LINES = WAITING_LINES + 3000
#: Longer than all that follows may take, in s; a write that blocks lasts for ever.
PATIENCE = 30.0


def pipe() -> tuple[int, int]:
    return os.pipe()


def terminal() -> tuple[int, int]:
    reading, writing = os.openpty()
    tty.setraw(writing)
    return reading, writing


def unix_socket() -> tuple[int, int]:
    ends = socket.socketpair()
    return ends[0].detach(), ends[1].detach()


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def log_to(
    make: Callable[[], tuple[int, int]],
    opened: ExitStack,
    monkeypatch: pytest.MonkeyPatch,
    path: Path | None,
) -> tuple[int, UpLog]:
    """What a reader reads from, and the log that prints to it."""
    reading, writing = make()
    opened.callback(os.close, reading)
    monkeypatch.setattr("sys.stdout", opened.enter_context(os.fdopen(writing, "w")))
    console.codecs.register_error("sustainml", console._replace)
    return reading, UpLog(path)


def in_time(call: Callable[[], object]) -> None:
    """Call it in a thread; it must return."""
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert not thread.is_alive(), "it blocks"


def read_all(reading: int) -> bytes:
    """What comes, until nothing has come for a second."""
    found = b""
    while select.select([reading], [], [], 1.0)[0]:
        found += os.read(reading, 65536)
    return found


@pytest.mark.parametrize("make", [pipe, terminal, unix_socket])
def test_nobody_reads(
    make: Callable[[], tuple[int, int]], opened: ExitStack, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    path = tmp_path / "up.log"
    reading, log = log_to(make, opened, monkeypatch, path)

    def work() -> None:
        for number in range(LINES):
            log("m", f"line {number} " + "x" * 80)

    in_time(work)
    kept = path.read_text(encoding="utf-8").splitlines()
    assert [each for each in kept if "[m] line " in each] == kept[-LINES:]
    # The reader is back: what waited, how many are missing, and what comes later.
    found = read_all(reading)
    log("m", "the end")
    text = (found + read_all(reading)).decode()
    (left_out,) = map(int, re.findall(r"\[up\] (\d+) lines are left out here", text))
    assert left_out + text.count("[m] line ") == LINES
    assert text.index("left out here") < text.index("the end")
    in_time(log.close)


def test_the_end_while_nobody_reads(opened: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
    _, log = log_to(pipe, opened, monkeypatch, None)
    for number in range(LINES):
        log("m", f"line {number} " + "x" * 80)
    in_time(log.close)


def test_the_reader_has_gone(
    opened: ExitStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "up.log"
    reading, log = log_to(pipe, opened, monkeypatch, path)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, reading)  # the end of the pipe is closed by it
    os.close(nothing)
    for number in range(LINES):
        log("m", f"line {number}")
    in_time(log.close)
    assert path.read_text(encoding="utf-8").count("[m] line ") == LINES
