"""What runs in the background: `sustainml up --detach`, `status`, `logs`, `down`."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Annotated, Any

import typer

from sustainml_orchestrator.cli.console import Table, out
from sustainml_orchestrator.cli.context import (
    EXIT_UNREACHABLE,
    AsJson,
    Failure,
    Options,
    options,
    print_json,
)
from sustainml_orchestrator.contract import domain
from sustainml_orchestrator.processes.fork_server import python_command

#: Seconds in which a system is expected to be ready, or to say why it is not; or to end.
_READY_WITHIN, _END_WITHIN = 70.0, 30.0
_LOOK = 0.2  # s, between looks at a file that grows
_READY, _NOT_READY = "[up] ready", "[up] not ready"
_TITLE = 15  # maximum length of the name of a process in Linux


@dataclass(frozen=True)
class Running:
    """A `sustainml up` of this user, namespace and domain."""

    pid: int
    since: float  #: seconds since 1970
    namespace: str
    domain: int
    log: str  #: path of the log file


def place(suffix: str) -> Path:
    """A file beside the usual journal of this namespace and domain: up.log, up.run.

    Raises:
        OSError: the user has no home directory.
    """
    from sustainml_orchestrator.storage.errors import JournalError
    from sustainml_orchestrator.storage.location import default_path

    try:
        journal = default_path(options.namespace, domain.current())
    except (JournalError, ValueError) as error:
        raise OSError(str(error)) from error
    return journal.with_name(journal.stem.replace("journal", "up", 1) + suffix)


#: Locked as long as this process lives.
_run_files: list[IO[str]] = []


def write_run_file() -> None:
    """Say that this process runs a system, until it ends, however it ends.

    A system that cannot have such a file, or is not the first here, runs without one.
    """
    with suppress(OSError):
        path = place(".run")
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            raise
        log = str(place(".log"))
        about = Running(os.getpid(), time.time(), options.namespace, domain.current(), log)
        file.truncate()
        json.dump(asdict(about), file)
        file.flush()
        _run_files.append(file)


def running() -> Running | None:
    """The system of this namespace and domain; None while there is none."""
    try:
        with place(".run").open(encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return Running(**json.load(file))
    except (OSError, ValueError, TypeError):
        pass
    return None


def _found() -> Running:
    known = running()
    if known is None:
        raise Failure(
            f"no `sustainml up` of yours runs in namespace {options.namespace} and domain "
            f"{domain.current()}; start one with `{_command('up --detach')}`",
            EXIT_UNREACHABLE,
            name="NOT_FOUND",
            error_code=3,
        )
    return known


def _command(words: str) -> str:
    """A command to type, for this namespace."""
    usual = Options().namespace
    is_usual = options.namespace.strip("/") == usual.strip("/")
    return f"sustainml {'' if is_usual else f'--namespace {options.namespace} '}{words}"


def detach() -> None:
    """Start `sustainml up` as it was typed in a session of its own; return when it is ready."""
    words = [word for word in sys.argv[1:] if word != "--detach"]
    command = [*python_command("sustainml_orchestrator.cli"), *words]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    os.set_blocking(process.stdout.fileno(), False)
    deadline, pending = time.monotonic() + _READY_WITHIN, b""
    while time.monotonic() < deadline:
        has_ended = process.poll() is not None
        pending += process.stdout.read() or b""
        *lines, pending = pending.split(b"\n")
        for each in lines:
            text = each.decode(errors="replace")
            out.say(text)
            if _READY in text:
                out.say(
                    f"the framework runs in the background as process {process.pid}; "
                    f"{_command('logs -f')} shows its log ({place('.log')}), "
                    f"{_command('down')} ends it"
                )
                return
            if _NOT_READY in text:  # it says why
                out.say(f"see how it goes on: {_command('logs -f')}; end it: {_command('down')}")
                return
        if has_ended and not process.returncode:  # it has shown a help, or was told to end
            return
        if has_ended:
            raise Failure("it has ended; see the lines above", process.returncode)
        time.sleep(_LOOK / 4)
    look = _command("logs -f")
    out.say(f"not ready after {_READY_WITHIN:g} s, still waiting; look at: {look}")


def status(as_json: AsJson = False) -> None:
    """Say whether `sustainml up` runs here, and what its processes use.

    Exit codes: 0 it runs; 3 it does not.

    sustainml status
    """
    known = _found()
    rows = processes(known.pid)
    if as_json:
        print_json({**asdict(known), "processes": rows})
        return
    since = datetime.fromtimestamp(known.since).astimezone().isoformat(" ", "seconds")
    out.say(f"sustainml up runs since {since} as process {known.pid}; log file: {known.log}")
    table = Table(("process",), ("pid", "memory\n(MiB)", "CPU\n(s)"))
    for row in rows:
        table.add(*map(str, row.values()))
    out.print(table)


def processes(pid: int) -> list[dict[str, Any]]:
    """The processes that `up` started, each with those of its own added."""
    import psutil

    descendants = psutil.Process(pid).children(recursive=True)
    sessions: dict[int, list[psutil.Process]] = {}  # a node leads one, its workers are in it
    for process in descendants:
        with suppress(ProcessLookupError):
            sessions.setdefault(os.getsid(process.pid), []).append(process)
    rows = []
    for process in descendants:
        with suppress(psutil.Error):
            if (family := sessions.get(process.pid)) is None:
                continue
            memory = sum(each.memory_info().rss for each in family) / 2**20
            cpu = sum(sum(each.cpu_times()[:2]) for each in family)
            rows.append({"process": name_of(process.name(), process.cmdline()), "pid": process.pid,
                         "memory_mib": round(memory, 1), "cpu_s": round(cpu, 1)})  # fmt: skip
    return sorted(rows, key=lambda row: row["process"])


def name_of(title: str, command: list[str]) -> str:
    """Return the name that the log of `up` has for a process.

    Args:
        title: name of the process in Linux, which truncates it to 15 characters.
        command: its command line.
    """
    for word in reversed(command):
        if word.startswith("__node:="):  # also of a program of the user, as the pipeline names it
            return word.removeprefix("__node:=")
    if title.startswith("python") and "--namespace" in command[:-2]:
        return command[command.index("--namespace") + 2]  # sustainml --namespace NAMESPACE web
    words = re.split(r"[^A-Za-z0-9_]+", " ".join(command))
    whole = [word for word in words if word.startswith(title)] if len(title) == _TITLE else []
    return whole[-1] if whole else title


def logs(
    name: Annotated[str, typer.Argument(help="Process or module; by default all.")] = "",
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="So many at first.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
) -> None:
    """Show what the processes of `sustainml up` have logged, also of one that has ended.

    sustainml logs orchestrator -n 20
    """
    domain.current()  # raises where it is invalid
    path = place(".log")
    if not path.exists():
        start = _command("up --detach")
        raise Failure(f"there is no log file {path}; start a system with `{start}`",
                      name="NOT_FOUND", error_code=3)  # fmt: skip
    wanted = re.compile(rf"\S+ \[{re.escape(name)}\]" if name else "")
    with path.open(encoding="utf-8", errors="replace") as file:
        found = deque((each for each in file if wanted.match(each)), lines or 1)
        if not (found or follow):
            raise _no_lines(name, path)
        for text in found if lines else ():
            out.say(text.rstrip("\n"))
        for text in _growing(path, file) if follow else ():
            if wanted.match(text):
                out.say(text)


def _no_lines(name: str, path: Path) -> Failure:
    with path.open(encoding="utf-8", errors="replace") as file:
        names = {match[1] for match in map(re.compile(r"\S+ \[(\w+)\]").match, file) if match}
    text = f"{path} has no line of '{name}'; it has those of: {', '.join(sorted(names))}"
    return Failure(text, name="NOT_FOUND", error_code=3)


def _growing(path: Path, file: IO[str]) -> Iterator[str]:
    """Lines that are added to a file, also after it was rotated."""
    pending = ""
    while True:
        pending += file.read()
        *complete, pending = pending.split("\n")
        yield from complete
        with suppress(FileNotFoundError):
            if not os.path.samestat(path.stat(), os.fstat(file.fileno())):
                yield from file.read().splitlines()
                file = path.open(encoding="utf-8", errors="replace")
                continue
        time.sleep(_LOOK)


def down() -> None:
    """End `sustainml up`, also one that runs in the background; tasks go on at the next start.

    sustainml down
    """
    known = _found()
    with suppress(ProcessLookupError):
        os.kill(known.pid, signal.SIGTERM)
    deadline = time.monotonic() + _END_WITHIN
    while running() is not None:
        if time.monotonic() > deadline:
            raise Failure(f"process {known.pid} does not end; see: {_command('logs')}; kill -9 it")
        time.sleep(_LOOK / 4)
    out.say(f"ended process {known.pid} and all that it had started")
