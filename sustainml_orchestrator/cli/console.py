"""Output to the terminal. All commands print through this module.

Texts of users, modules and files are not read as markup, and their control characters, including
invisible and bidirectional ones, are printed as escapes. So it is with what libraries and other
processes print, whose colours are left out. Characters that the output encoding lacks
are replaced. An output that is closed, or whose reader has gone, is no error. An error that nobody
reads is left out after a few seconds.
"""

from __future__ import annotations

import atexit
import codecs
import errno
import fcntl
import io
import json
import os
import re
import shlex
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, TextIO

from rich import box, table
from rich.cells import cell_len
from rich.console import Console as RichConsole
from rich.console import ConsoleOptions, RenderableType, RenderResult
from rich.segment import Segment
from rich.style import StyleType
from rich.text import Text

from sustainml_orchestrator.cli.timed_write import TimedWrite, timed_write

#: How long an error waits for a reader of standard error, in s.
_LONGEST_WAIT = 5.0
#: Exit code when the reader of the output has gone, as if SIGPIPE had ended the program.
EXIT_BROKEN_PIPE = 141

#: Characters that a column of texts needs to be read, if it has so many; those of a usual terminal.
_LEAST, _USUAL = 6, 80

#: Columns of words that are not broken.
_WHOLE = ("status", "state", "event")

#: Unicode's control, format, surrogate and line separator characters.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f"
    "\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb\U000110bd\U000110cd"
    "\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f]"
)
#: What sets the colour of a terminal.
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
#: How long lines of libraries may take at the end, in s.
_LAST_LINES = 1.0
#: Replacements of the signs that the commands print, for encodings that lack them.
_PLAIN = {"–": "-", "…": "...", "→": "->", "▲": "^", "█": "#", "▏": "", "▎": "", "▍": "",
          "▌": "", "▋": "#", "▊": "#", "▉": "#", "━": "-", "╸": "-", "─": "-", "│": "|",
          "╭": "+", "╮": "+", "╰": "+", "╯": "+"}  # fmt: skip


def harmless(text: str, keep: str = "") -> str:
    """A text with its control characters as escapes, except those in `keep`."""

    def escape(match: re.Match[str]) -> str:
        found = match[0]
        return found if found in keep else repr(found)[1:-1]

    return _UNSAFE.sub(escape, text)


def quoted(path: object) -> str:
    """A path as the shell reads it, for a command that is printed."""
    return shlex.quote(str(path))


def printed(text: str) -> str:
    """A line that a library or another process has printed, without colours, harmless."""
    return harmless(_COLOURS.sub("", text), keep="\t")


class Console(RichConsole):
    """A console of rich without markup and without control characters."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, markup=False, emoji=False, highlight=False)
        if not self.is_terminal:
            self.width = 100  # a pipe or file has no width of its own

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """As the base class, without control characters."""
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield Segment(harmless(segment.text, keep="\n"), segment.style)

    def say(self, *parts: str | tuple[str, StyleType]) -> None:
        """Print one line, which only the terminal wraps.

        Args:
            parts: texts, or pairs of a text and its style; a line break in one is escaped.
        """
        self.print(line(*parts), soft_wrap=True)


def as_text(show: Callable[[Console], None]) -> str:
    """What a function prints."""
    console = Console()
    console.file = file = io.StringIO()
    show(console)
    return file.getvalue()


def line(*parts: str | tuple[str, StyleType]) -> Text:
    """One line of text for the console or a cell of a table."""
    pairs = ((part, "") if isinstance(part, str) else part for part in parts)
    return Text.assemble(*((harmless(text), style) for text, style in pairs))


class Table(table.Table):
    """A lean table: columns of text, then of figures, so that 100 characters do."""

    def __init__(self, texts: Iterable[str], figures: Iterable[str] = (), title: str = "") -> None:
        super().__init__(
            title=title or None,
            title_justify="left",
            box=box.SIMPLE_HEAD,
            pad_edge=False,
            padding=(0, 1),
            collapse_padding=True,
        )
        for head in texts:  # the first is a name
            is_whole = not self.columns or head in _WHOLE
            self.add_column(head, overflow="fold", no_wrap=is_whole)
        for head in figures:
            self.add_column(head, justify="right", no_wrap=True)

    def add(self, *cells: str | Text) -> None:
        """Add a row."""
        self.add_row(*(line(cell) if isinstance(cell, str) else cell for cell in cells))

    def __rich_console__(self, console: RichConsole, options: ConsoleOptions) -> RenderResult:
        """As the base class; one line for each cell where the columns have no room."""
        if min(self._least_width(), _USUAL) <= options.max_width:
            yield from super().__rich_console__(console, options)
            return
        if self.title:
            yield line(str(self.title))
        heads = [str(column.header).replace("\n", " ") for column in self.columns]
        for row in zip(*(column.cells for column in self.columns), strict=True):
            yield ""
            for head, cell in zip(heads, row, strict=True):
                yield line(f"{head}: ").append_text(cell)

    def _least_width(self) -> int:
        width = 0
        for column in self.columns:
            texts = [*str(column.header).splitlines(), *map(str, column.cells)]
            widest = max(map(cell_len, texts), default=0)
            width += (widest if column.no_wrap else min(widest, _LEAST)) + 2
        return width


def as_utf8(stream: TextIO) -> TextIO:
    """A standard stream with the encoding of data files."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(encoding="utf-8")
    return stream


def write_yaml(data: Any) -> None:
    """Write YAML to standard output: exact in every encoding, without control characters."""
    import yaml

    text = yaml.safe_dump(data, sort_keys=False, allow_unicode=_is_utf8(sys.stdout))
    if harmless(text, keep="\n") != text:
        text = yaml.safe_dump(data, sort_keys=False)  # with escapes
    sys.stdout.write(text)


def write_json(data: Any, indent: int | None = 2) -> None:
    """Write JSON to standard output: valid in every encoding, without control characters."""
    text = json.dumps(data, ensure_ascii=not _is_utf8(sys.stdout), indent=indent)

    def escape(match: re.Match[str]) -> str:
        return match[0] if match[0] == "\n" else json.dumps(match[0])[1:-1]

    sys.stdout.write(_UNSAFE.sub(escape, text) + "\n")


def _is_utf8(stream: Any) -> bool:
    with suppress(LookupError, TypeError):
        return codecs.lookup(stream.encoding).name == "utf-8"
    return False


class _Output(io.FileIO):
    """Standard output; its reader may go away."""

    def write(self, data: Any) -> int:
        """As the base class; end the program quietly if the reader has gone."""
        try:
            return super().write(data) or 0
        except OSError as error:
            sink = os.open(os.devnull, os.O_WRONLY)
            os.dup2(sink, self.fileno())  # for what is still buffered
            os.close(sink)
            if error.errno in (errno.EPIPE, errno.EIO):  # EIO: the terminal is gone
                raise SystemExit(EXIT_BROKEN_PIPE) from None
            raise


class _Errors(io.FileIO):
    """Standard error; a reader that has gone, or does not read, neither ends nor blocks us."""

    _write: TimedWrite | None = None
    _patience = _LONGEST_WAIT  # s, for who does not read

    def write(self, data: Any) -> int:
        """As the base class; leave out what nobody takes."""
        rest = bytes(data)
        try:
            if self._write is None:  # opened late: child processes have no use for it
                self._write = timed_write(self.fileno()) or self._write_plain
            while rest and (count := self._write(rest, self._patience)):
                rest, self._patience = rest[count:], _LONGEST_WAIT
        except OSError:  # nothing can be reported any more
            return len(data)
        if rest:
            self._patience = 0.0  # the wait was in vain: the next text is tried only
        return len(data)

    def _write_plain(self, data: bytes, _: float) -> int:
        return super().write(data) or 0


def prepare_streams() -> None:
    """Make standard output and error accept any text in any encoding, also when closed."""
    codecs.register_error("sustainml", _replace)
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:  # closed: a file opened later would take its number
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    if sys.stdin is None:
        sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False))
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        former = getattr(sys, name)
        encoding = former.encoding if former is not None else "utf-8"
        own = descriptor if descriptor == 2 else fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)
        raw = (_Errors if descriptor == 2 else _Output)(own, "w", closefd=False)
        buffer = io.BufferedWriter(raw)
        is_lively = descriptor == 2 or os.isatty(descriptor)
        stream = io.TextIOWrapper(buffer, encoding, "sustainml", line_buffering=is_lively)
        setattr(sys, name, stream)


def divert_foreign_output() -> None:
    """From now on what C libraries print goes to standard error; ours goes on to standard output.

    Fast DDS logs to descriptor 1, where it would end up within JSON or a table: in colours, and
    with names that stand in files and messages of others.
    """
    reading, writing = os.pipe()
    os.dup2(writing, 1)
    os.close(writing)
    encoding = sys.stderr.encoding or "utf-8"
    thread = threading.Thread(target=_pass_on, args=(reading, encoding), daemon=True)
    thread.start()
    atexit.register(_end_diversion, thread)


def _pass_on(descriptor: int, encoding: str) -> None:
    """Print the lines that come, until nobody can write any more, or nobody reads ours."""
    with suppress(OSError), open(descriptor, encoding="utf-8", errors="replace") as lines:
        for text in lines:
            os.write(2, f"{printed(text.rstrip())}\n".encode(encoding, "replace"))


def _end_diversion(thread: threading.Thread) -> None:
    os.dup2(2, 1)
    thread.join(_LAST_LINES)


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(_PLAIN.get(sign, "?") for sign in lacking), error.end


out = Console()
err = Console(stderr=True)
