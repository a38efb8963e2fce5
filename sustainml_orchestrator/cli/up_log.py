"""The lines of all processes of `sustainml up`: on the terminal and in a rotating log file."""

from __future__ import annotations

import logging
import threading
from datetime import datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path

from rich.text import Text

from sustainml_orchestrator.cli.console import line, out, printed
from sustainml_orchestrator.cli.terminal import Terminal
from sustainml_orchestrator.core.text import cause

#: The log file and its four predecessors take 50 MiB at most.
_FILE_BYTES, _FILES = 10 * 2**20, 4
#: For what the terminal has not taken at the end, in s.
_LAST_LINES = 1.0


class UpLog:
    """Prints lines with time and process, and keeps them; called from several threads.

    It never waits for who reads the terminal; the log file is complete. Close it, or use it in a
    `with`.

    Args:
        path: the log file; None, or one that cannot be written: the terminal alone.

    Attributes:
        last: the latest line of each process.
    """

    def __init__(self, path: Path | None) -> None:
        self.last: dict[str, str] = {}
        self._lock = threading.Lock()
        self._terminal = Terminal(self._note)
        self._file: _File | None = None
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = _File(path)
        except OSError as error:
            self("up", f"no log file: {path} cannot be written ({cause(error)})")
        else:
            self("up", f"log file: {path}")

    def __enter__(self) -> UpLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __call__(self, name: str, text: str) -> None:
        """Print and keep one line of a process."""
        text = self.last[name] = printed(text)
        now = datetime.now().astimezone().isoformat(timespec="milliseconds")
        with self._lock:
            if self._file is not None:
                self._file.write(f"{now} [{name}] {text}")
            self._terminal.add(_shown(now, name, text))

    def close(self) -> None:
        """Print the last lines, as far as the terminal takes them."""
        with self._lock:
            self._terminal.close(_LAST_LINES)

    def _note(self, count: int) -> str:
        now = datetime.now().astimezone().isoformat(timespec="milliseconds")
        whole = "; the log file has them" if self._file is not None else ""
        return _shown(now, "up", f"{count} lines are left out here: nobody read them{whole}")


def _shown(now: str, name: str, text: str) -> str:
    with out.capture() as capture:
        head = line((f"{now} ", "dim"), f"[{name}] ")
        out.print(head, Text(text), sep="", soft_wrap=True)
    return capture.get()


class _File(RotatingFileHandler):
    """The file of the standard library, readable by this user alone; a full disk is no error."""

    def __init__(self, path: Path) -> None:
        path.touch(0o600)
        super().__init__(path, maxBytes=_FILE_BYTES, backupCount=_FILES, encoding="utf-8",
                         errors="backslashreplace")  # fmt: skip

    def write(self, text: str) -> None:
        """Append a line."""
        self.handle(logging.makeLogRecord({"msg": text}))

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - a name of the library
        """Leave the line out: the terminal has it."""
