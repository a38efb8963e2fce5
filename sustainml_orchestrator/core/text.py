"""Foreign texts made safe for logs and messages."""

from __future__ import annotations

import re
import traceback

from sustainml_orchestrator.core.credentials import scrub

#: Control characters, and those that change the direction of writing.
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
#: Longest foreign text in states and summaries, which are sent often.
MAX_SHOWN = 2000
#: Units of time: their s, name, and the s and name of the next smaller one.
_UNITS = ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s"))
#: Of a traceback, in characters.
_LONGEST_LINE = 10_000
#: Where in the code of rcl an error was raised.
_SOURCE_LINE = re.compile(r"\s*,? at /\S+\.[ch](?:pp)?:\d+")
_SPACES = "\t\n\r\v\f"


def printable(text: str, longest: int = MAX_SHOWN) -> str:
    r"""A text without control characters and credentials, cut to `longest` characters.

    White space becomes a blank, any other control character its escape, such as ``\x1b``.
    """
    if not text.isprintable():
        text = _UNPRINTABLE.sub(_escape, text)
    text = scrub(text)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def cause(error: BaseException) -> str:
    """Why something failed, for a sentence that names the file: no number, no path."""
    if isinstance(error, UnicodeDecodeError):
        return "it is no UTF-8 text"
    text = " ".join(str(getattr(error, "strerror", None) or error).split())
    return _SOURCE_LINE.sub("", text) or type(error).__name__


def exception_text() -> str:
    """The traceback of the exception that is being handled, as it may be logged."""
    lines = traceback.format_exc().splitlines()
    return "\n".join(printable(each, _LONGEST_LINE) for each in lines)


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    return " " if character in _SPACES else character.encode("unicode_escape").decode("ascii")


def duration(seconds: float) -> str:
    """A time for people: its two largest units."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    whole = int(seconds)
    size, unit, part, smaller = next(each for each in _UNITS if whole >= each[0])
    rest = whole % size // part
    return f"{whole // size} {unit}" + (f" {rest} {smaller}" if rest else "")
