"""A signal ends a command in an orderly way, and in time also where that is not possible."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

CODE = """
import sys, threading
from sustainml_orchestrator.cli import context
context._LONGEST_CLOSE = 1
context.end_on_signals()
try:
    print("ready", flush=True)
    threading.Event().wait()
finally:
    print("closing", flush=True)
    if sys.argv[1] == "hangs":
        threading.Event().wait()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("closing", ["closes", "hangs"])
def test_a_signal_ends_a_command(number: signal.Signals, closing: str) -> None:
    ignore = signal.signal(number, signal.SIG_DFL)  # a test run in the background ignores SIGINT
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", CODE, closing], stdout=subprocess.PIPE, text=True
        )
    finally:
        signal.signal(number, ignore)
    try:
        assert process.stdout is not None and "ready\n" in process.stdout  # or lines of Fast DDS
        process.send_signal(number)
        assert process.stdout.readline() == "closing\n"
        process.send_signal(number)  # an impatient user presses it twice
        expected = -signal.SIGALRM if closing == "hangs" else 128 + number
        assert process.wait(30.0) == expected
    finally:
        process.kill()
        process.communicate()


#: As modules in C do while they are loaded.
TURNED = """
import threading, typer
from sustainml_orchestrator.cli.context import end_on_signals
from sustainml_orchestrator.cli.main import CommandLine
app = typer.Typer(cls=CommandLine, callback=lambda: None)

@app.command()
def load():
    try:
        print("ready", flush=True)
        threading.Event().wait()
    except BaseException as error:
        try:
            raise ImportError("initialization failed") from error
        except ImportError:
            raise ImportError("the C extension isn't present")

end_on_signals()
app(["load"])
"""


def test_a_signal_that_a_library_turned_into_an_error_ends_a_command_quietly() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", TURNED], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None and "ready\n" in process.stdout
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30.0)
        assert (process.returncode, errors) == (128 + signal.SIGTERM, "")
    finally:
        process.kill()
        process.communicate()


def test_signals_that_come_at_once_end_a_command_quietly() -> None:
    at_once = """
import os, signal
from sustainml_orchestrator.cli.context import end_on_signals
end_on_signals()
both = (signal.SIGHUP, signal.SIGTERM)
signal.pthread_sigmask(signal.SIG_BLOCK, both)
for number in both:
    os.kill(os.getpid(), number)
try:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, both)
finally:
    signal.pthread_sigmask(signal.SIG_BLOCK, ())  # the second handler is called
"""
    done = subprocess.run(
        [sys.executable, "-c", at_once], capture_output=True, text=True, timeout=30.0, check=False
    )
    assert (done.returncode, done.stderr) == (128 + signal.SIGHUP, "")
