"""Output of any encoding, closed, full, or read by nobody; files that are no plain files."""

from __future__ import annotations

import json
import os
import select
import shlex
import socket
import stat
import subprocess
import sys
import threading
import tty
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from support.up_process import SUSTAINML

from sustainml_orchestrator.cli import console, timed_write
from sustainml_orchestrator.cli.context import written
from sustainml_orchestrator.cli.main import app

ENCODINGS = (
    {"PYTHONIOENCODING": "ascii"},
    {"PYTHONIOENCODING": "iso-8859-1"},
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    {"LC_ALL": "de_DE.ISO-8859-1"},
)


def commands() -> list[list[str]]:
    """Words of each command."""
    groups = {group.name: group.typer_instance for group in app.registered_groups}
    found = [[str(c.name or c.callback.__name__)] for c in app.registered_commands if c.callback]
    for name, group in groups.items():
        found += [[str(name), str(c.name or c.callback.__name__)]
                  for c in group.registered_commands if c.callback]  # fmt: skip
    return [[], *found]


def test_every_help_in_every_encoding_without_ros() -> None:
    """In one process for each encoding: a start takes longer than the help."""
    code = """
import json, sys
for name in ("rclpy", "sustainml_msgs", "rcl_interfaces", "ament_index_python", "numpy", "yaml"):
    sys.modules[name] = None
from sustainml_orchestrator.cli.console import prepare_streams
prepare_streams()
from sustainml_orchestrator.cli.main import app
for words in json.loads(sys.argv[1]):
    assert app([*words, "--help"], standalone_mode=False) == 0, words
print("done")
"""
    for encoding in ENCODINGS:
        result = subprocess.run(
            [sys.executable, "-c", code, json.dumps(commands())], capture_output=True,
            env={**os.environ, **encoding}, check=False,
        )  # fmt: skip
        assert result.returncode == 0 and result.stdout.endswith(b"done\n"), result.stderr
        assert b"Exit codes" in result.stdout and not result.stderr


def test_help_of_up_starts_nothing() -> None:
    code = (
        "import sys; sys.modules['rclpy'] = None; sys.argv = ['sustainml', 'up', '--help'];"
        "from sustainml_orchestrator.cli.__main__ import main; main()"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert result.returncode == 0 and b"--journal" in result.stdout and not result.stderr


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_errors_in_any_encoding(encoding: dict[str, str]) -> None:
    for words in (
        ["show", "ä😀\u202e"],
        ["submit", "-s", "ä😀"],
        ["list", "--json", "--status", "😀"],
    ):
        result = subprocess.run(
            [*SUSTAINML, *words], capture_output=True, env={**os.environ, **encoding}, check=False
        )
        assert result.returncode == 2 and b"Traceback" not in result.stderr
        assert result.stderr.startswith(b"error: ")
    answer = json.loads(
        result.stdout.decode("ascii" if "PYTHONIOENCODING" in encoding else "utf-8")
    )
    assert answer["error"] == "INVALID_REQUEST"


def test_what_a_library_prints_does_not_get_into_the_output(tmp_path: Path) -> None:
    code = """
import ctypes, sys
from pathlib import Path
from sustainml_orchestrator.cli import console, context
console.prepare_streams()
console.divert_foreign_output()
libc = ctypes.CDLL(None)
libc.puts(b"\\x1b[31;1m[\\x1b[37;1mXML\\x1b[31;1m Error]\\x1b[m noise of \\x1b]0;owned\\x07\\x9b")
libc.fflush(None)
console.write_json({"answer": 42})
with context.written(Path(sys.argv[1])) as stream:
    stream.write("exported")
"""
    for target in ("/dev/stdout", str(tmp_path / "file")):
        result = subprocess.run(
            [sys.executable, "-c", code, target], capture_output=True, text=True, check=False
        )
        answer, _, rest = result.stdout.partition("}\n")
        assert json.loads(answer + "}") == {"answer": 42}
        # without colours and without control characters
        assert result.stderr == "[XML Error] noise of \\x1b]0;owned\\x07\ufffd\n"
        assert rest == "exported" * (target == "/dev/stdout"), result
    assert (tmp_path / "file").read_text() == "exported"


def shell(line: str) -> subprocess.CompletedProcess[str]:
    """Run a line that starts with sustainml."""
    line = line.replace("sustainml", shlex.join(SUSTAINML), 1)
    return subprocess.run(["bash", "-c", f"set -o pipefail; {line}"], capture_output=True,
                          text=True, check=False)  # fmt: skip


def test_closed_streams() -> None:
    for redirection in (">&-", "2>&-", "<&-", ">&- 2>&- <&-"):
        assert shell(f"sustainml --help {redirection}").returncode == 0
        result = shell(f"sustainml show nonsense --json {redirection}")
        assert result.returncode == 2 and "Traceback" not in result.stderr


def test_a_reader_that_goes_away_is_no_error() -> None:
    result = shell("sustainml submit --help | head -c 1")
    assert result.returncode in (0, 141) and not result.stderr
    result = shell("sustainml show nonsense --json 2>/dev/null | true")
    assert result.returncode in (0, 2, 141) and not result.stderr


def test_a_full_disk_is_reported() -> None:
    result = shell("sustainml --version >/dev/full")
    assert result.returncode == 1 and "No space left" in result.stderr
    assert "Traceback" not in result.stderr and "Errno" not in result.stderr


@pytest.mark.parametrize("make", [os.pipe, os.openpty, socket.socketpair])
@pytest.mark.parametrize("is_foreign", [False, True])
def test_errors_that_nobody_reads(
    make: Any, is_foreign: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are left out, the command goes on, and what comes later is seen by a reader."""
    monkeypatch.setattr(console, "_LONGEST_WAIT", 0.2)
    monkeypatch.setattr(console._Errors, "_patience", 0.2)
    if is_foreign:  # the pipe or terminal of another user cannot be opened again
        monkeypatch.setattr(timed_write.os, "open", lambda *_: os.close(-1))
    ends = make()
    reading, writing = (end.detach() if isinstance(end, socket.socket) else end for end in ends)
    if os.isatty(writing):
        tty.setraw(writing)
    stream = console._Errors(writing, "w", closefd=False)

    def report() -> None:
        for _ in range(100):
            assert stream.write(b"x" * 8191 + b"\n") == 8192

    thread = threading.Thread(target=report, daemon=True)
    thread.start()
    thread.join(30.0)
    try:
        assert not thread.is_alive(), "it blocks"
        while select.select([reading], [], [], 0.3)[0]:
            os.read(reading, 65536)
        stream.write(b"the end\n")
        assert b"the end" in os.read(reading, 65536)
    finally:
        os.close(reading)
    stream.write(b"the reader has gone\n" * 1000)
    with suppress(OSError):
        os.close(writing)


def test_an_empty_home_is_no_home() -> None:
    """Files would go to /.local and /.ros."""
    bare = {name: value for name, value in os.environ.items() if name != "ROS_HOME"}
    result = subprocess.run(
        [*SUSTAINML, "--namespace", "/nobody", "journal", "check"],
        capture_output=True, text=True, check=False, env={**bare, "HOME": ""},
    )  # fmt: skip
    assert result.returncode == 1 and "there is no journal" in result.stderr
    assert " /.local" not in result.stderr


# Files #


def test_a_link_is_followed(tmp_path: Path) -> None:
    for name in ("old", "new"):
        target, link = tmp_path / name, tmp_path / f"link-{name}"
        link.symlink_to(target.name)
        if name == "old":
            target.write_text("before")
            target.chmod(0o640)
        with written(link) as file:
            file.write("after")
        assert link.is_symlink() and target.read_text() == "after"
        assert stat.S_IMODE(target.stat().st_mode) == (0o640 if name == "old" else 0o600)
    assert len(list(tmp_path.iterdir())) == 4


def test_half_a_file_does_not_take_the_place_of_a_whole_one(tmp_path: Path) -> None:
    file = tmp_path / "whole"
    file.write_text("before")

    def write_half() -> None:
        with written(file) as stream:
            stream.write("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()
    assert file.read_text() == "before" and list(tmp_path.iterdir()) == [file]


def test_a_pipe_is_written_through(tmp_path: Path) -> None:
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    with written(pipe) as stream:
        stream.write("through")
    reader.join(10.0)
    assert read == ["through"] and stat.S_ISFIFO(pipe.stat().st_mode)
