"""A profile of a local data set: columns, types, size; read by rules, without a language model."""

from __future__ import annotations

import codecs
import csv
import io
import json
import math
import os
import re
import stat
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from sustainml_orchestrator.core.text import cause

#: What is read of a file at most, in bytes and rows; the rest is estimated or left out.
_MAX_BYTES, _MAX_ROWS = 16 * 2**20, 200_000
#: Longest time that the reading of rows or folders takes, in s.
_MAX_TIME = 8.0
_MAX_COLUMNS = 200
_MAX_FILES = 20_000
#: Separators of tables; the number of characters and of lines that are searched for them.
_SEPARATORS = ",;\t|"
_SAMPLE, _SAMPLE_LINES = 65536, 5
#: A target with at most so many values is a class.
_MAX_CLASSES = 20
_IMAGES = frozenset([".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp"])
_SOUNDS = frozenset([".wav", ".flac", ".mp3", ".ogg", ".m4a"])
_VIDEOS = frozenset([".mp4", ".avi", ".mov", ".mkv", ".webm"])
#: A number with a decimal comma, and a date, maybe with a time.
_COMMA = re.compile(r"\s*[-+]?\d+,\d+\s*")
_DATE = re.compile(r"\s*(\d{4}([-/.])\d\d?\2\d\d?|\d\d?([-/.])\d\d?\3\d{2,4})([T ].*)?\s*")
_CONTROL = re.compile(rb"[\0-\x08\x0e-\x1f\x7f]")
csv.field_size_limit(_MAX_BYTES)  # of the process: a field is at most as long as what is read
_MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "?"})


class DatasetError(Exception):
    """A data set that cannot be read; the message says why."""


def profile(path: str, timeout: float = _MAX_TIME) -> dict[str, Any]:
    """Describe a file or folder of this machine.

    Args:
        path: absolute, or a file: URL.
        timeout: after so many s it describes what it has seen by then.

    Raises:
        DatasetError: it is no readable file or folder.
    """
    if path.startswith("file:"):
        path = unquote(urlsplit(path).path)
    if not path or "\0" in path:
        raise DatasetError("name a file: dataset_path, /home/me/data.csv")
    place = Path(path)
    deadline = time.monotonic() + min(timeout, _MAX_TIME)
    try:
        if place.is_dir():
            return _folder(place, deadline)
        return _file(place, _octets(place), deadline)
    except (OSError, UnicodeError) as error:
        raise DatasetError(f"{path} cannot be read: {cause(error)}") from error


def _octets(place: Path) -> bytes:
    """The beginning of a plain file; no pipe or device, which could block."""
    descriptor = os.open(place, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise DatasetError(f"{place} is no plain file; name a file or folder")
        return stream.read(_MAX_BYTES)


def _file(place: Path, octets: bytes, deadline: float) -> dict[str, Any]:
    size, suffix = place.stat().st_size, place.suffix.lower()
    media = _kind(suffix)
    if media:
        told = f"{place.name}: one {media} file, {_size(size)}"
        return _report(told, _topic(place), told, [media], _uses(media))
    text = _decoded(octets)
    if text is None:
        told = f"{place.name}: a binary file ({suffix or 'no suffix'}), {_size(size)}"
        return _report(told, _topic(place), told, [], [])
    if suffix in (".json", ".jsonl", ".ndjson") or text.lstrip()[:1] in ("{", "["):
        rows = _records(text)
        if rows is not None:
            return _table(place, size, "JSON", [], rows, len(octets) < size, deadline)
    if suffix in (".csv", ".tsv", ".tab", ".data") or _is_tabular(text):
        return _table(place, size, "CSV", *_lines(text), len(octets) < size, deadline)
    words, lines = _count(len(text.split()), "word"), _count(len(text.splitlines()), "line")
    told = f"{place.name}: a text of {words} in {lines}, {_size(size)}"
    return _report(told, _topic(place), told, ["text"], _uses("text"))


def _decoded(octets: bytes) -> str | None:
    """The text, in UTF-8, in UTF-16 with its mark, or as Windows writes it; None: it is binary."""
    if octets[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return octets.decode("utf-16", "replace")
    if b"\0" in octets[:4096]:
        return None
    try:  # the last character may be cut
        return codecs.getincrementaldecoder("utf-8-sig")().decode(octets)
    except UnicodeDecodeError:
        return None if _CONTROL.search(octets[:4096]) else octets.decode("cp1252", "replace")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _is_tabular(text: str) -> bool:
    return len(text[:_SAMPLE].splitlines()) > 1 and bool(_separator(text))


def _separator(text: str) -> str:
    """Return the separator of a table, "" if there is none.

    It occurs equally often in each of the first lines. `csv.Sniffer` needs a minute for 64 kB of
    quotation marks, and holds the GIL meanwhile.
    """
    lines = text[:_SAMPLE].splitlines()[:_SAMPLE_LINES]
    counts = {sign: [line.count(sign) for line in lines] for sign in _SEPARATORS}
    equal = {sign: found[0] for sign, found in counts.items() if found and len(set(found)) == 1}
    return max(equal, key=equal.__getitem__) if any(equal.values()) else ""


def _lines(text: str) -> tuple[list[str], Iterator[dict[str, Any]]]:
    """The names of the columns, and the rows; a first line of numbers alone is a row."""
    # With line breaks within quotation marks the counts differ: take the most frequent one.
    first = text[:_SAMPLE].partition("\n")[0]
    separator = _separator(text) or max(_SEPARATORS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
    rows = _rows(reader)
    header = next(rows, [])
    is_row = bool(header) and all(_number(_point(each)) is not None for each in header)
    names = _names([""] * len(header) if is_row else header)
    cells: Iterator[list[str]] = chain([header] if is_row else [], rows)
    if separator != ",":
        cells = ([_point(each) for each in row] for row in cells)
    return names, (dict(zip(names[:_MAX_COLUMNS], row, strict=False)) for row in cells)


def _rows(reader: Iterator[list[str]]) -> Iterator[list[str]]:
    with suppress(csv.Error):  # a stray NUL
        yield from (row for row in islice(reader, _MAX_ROWS + 1) if row)


def _point(cell: str) -> str:
    return cell.replace(",", ".") if _COMMA.fullmatch(cell) else cell


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _names(row: list[str]) -> list[str]:
    """The header, without names that appear twice."""
    seen: Counter[str] = Counter()
    names = []
    for number, name in enumerate(row, start=1):
        name = name.strip() or f"column {number}"
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return names


def _records(text: str) -> list[dict[str, Any]] | None:
    """The objects of a JSON array, or of one JSON text a line; None for other JSON."""
    try:
        whole = json.loads(text)
        if isinstance(whole, dict):  # {"data": [...]}, as many exports have it
            lists = [each for each in whole.values() if isinstance(each, list)]
            whole = lists[0] if len(lists) == 1 else [whole]
        items: Iterable[Any] = whole
    except (ValueError, RecursionError):
        items = (_parsed(line) for line in islice(text.splitlines(), _MAX_ROWS))
    try:
        found = [item for item in islice(items, _MAX_ROWS) if isinstance(item, dict)]
    except TypeError:
        return None
    return found or None


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


class _Column:
    """What is known of a column while its values go by."""

    def __init__(self) -> None:
        self.count = self.missing = self.numbers = self.whole = self.dates = 0
        self.low, self.high = math.inf, -math.inf
        self.values: Counter[str] = Counter()

    def add(self, value: Any) -> None:
        text = value if isinstance(value, str) else json.dumps(value, default=str)
        self.count += 1
        if value is None or text.strip().lower() in _MISSING:
            self.missing += 1
            return
        if len(self.values) <= 1000 or text in self.values:
            self.values[text[:80]] += 1
        number = _number(text)
        if number is not None:
            self.numbers += 1
            self.whole += number.is_integer()
            self.low, self.high = min(self.low, number), max(self.high, number)
        elif _DATE.fullmatch(text):
            self.dates += 1

    @property
    def kind(self) -> str:
        """The type of the values."""
        present = self.count - self.missing
        if not present:
            return "empty"
        if self.numbers == present:
            return "integer" if self.whole == present else "number"
        if self.dates == present:
            return "date"
        if {value.lower() for value in self.values} <= {"true", "false", "yes", "no"}:
            return "boolean"
        is_few = len(self.values) <= max(_MAX_CLASSES, present // 20)
        return "category" if is_few and len(self.values) < present else "text"

    def describe(self) -> str:
        """One phrase."""
        said = [self.kind]
        if self.kind in ("integer", "number"):
            said.append(f"{self.low:g} to {self.high:g}")
        elif self.kind in ("category", "boolean"):
            said.append("/".join(value for value, _ in self.values.most_common(4)))
        if self.missing:
            said.append(f"{self.missing} missing")
        return ", ".join(said)


def _table(
    place: Path,
    size: int,
    form: str,
    names: list[str],
    rows: Iterable[dict[str, Any]],
    is_cut: bool,
    deadline: float,
) -> dict[str, Any]:
    columns: dict[str, _Column] = {name: _Column() for name in names[:_MAX_COLUMNS]}
    count = 0
    for row in rows:
        count += 1
        for name, value in row.items():
            if name in columns or len(columns) < _MAX_COLUMNS:
                columns.setdefault(str(name), _Column()).add(value)
        if count % 1000 == 0 and time.monotonic() > deadline:
            is_cut = True
            break
    is_cut = is_cut or count >= _MAX_ROWS
    rows_text = f"{'at least ' if is_cut else ''}{_count(count, 'row')}"
    width = _count(max(len(names), len(columns)), "column")
    if not names and len(columns) >= _MAX_COLUMNS:
        width = f"at least {width}"
    text = f"{place.name}: {form} table with {rows_text} and {width}, {_size(size)}"
    details = "; ".join(f"{name} ({column.describe()})" for name, column in columns.items())
    if len(names) > len(columns):
        details += f"; and {len(names) - len(columns)} more"
    described = f"{text}. Columns: {details}" if columns else text
    return _report(text, _topic(place), described, list(columns), _table_uses(columns))


def _table_uses(columns: dict[str, _Column]) -> list[str]:
    """The ML tasks that the last column, where a target usually stands, speaks for."""
    if not columns:
        return []
    target = list(columns.values())[-1]
    words = [c for c in columns.values() if c.kind == "text" and _words(c) > 4]
    is_class = target.kind in ("category", "boolean") or (
        target.kind == "integer" and len(target.values) <= _MAX_CLASSES
    )
    found = []
    if words:
        found.append("text-classification" if is_class else "text-generation")
    if is_class:
        found.append("tabular-classification")
    elif target.kind in ("integer", "number"):
        found.append("tabular-regression")
    if any(c.kind == "date" or re.search(r"date|time", n, re.I) for n, c in columns.items()):
        found.append("time-series-forecasting")
    return found


def _words(column: _Column) -> float:
    sample = list(islice(column.values, 100))
    return sum(len(value.split()) for value in sample) / max(1, len(sample))


def _folder(place: Path, deadline: float) -> dict[str, Any]:
    suffixes: Counter[str] = Counter()
    classes: set[str] = set()
    total, is_cut = 0, False
    for number, entry in enumerate(_entries(place)):
        if number >= _MAX_FILES or time.monotonic() > deadline:
            is_cut = True
            break
        with suppress(OSError):  # it was deleted meanwhile
            if entry.is_file():
                total += entry.stat().st_size
                path = Path(entry.path)
                suffixes[path.suffix.lower()] += 1
                if path.parent != place:
                    classes.add(path.parent.name)
    media: Counter[str] = Counter()
    for suffix, count in suffixes.items():
        media[_kind(suffix) or "other"] += count
    kinds = ", ".join(f"{count} {suffix or 'without suffix'}" for suffix, count in
                      suffixes.most_common(5))  # fmt: skip
    files = f"{'at least ' if is_cut else ''}{_count(sum(suffixes.values()), 'file')}"
    kinds = kinds and f" ({kinds})"
    text = f"{place.name or place}: folder with {files}{kinds}, {_size(total)}"
    if classes:
        text += f", in {_count(len(classes), 'subfolder')}: {', '.join(sorted(classes)[:10])}"
    main = media.most_common(1)[0][0] if media else ""
    return _report(text, _topic(place), text, sorted(classes)[:50], _uses(main))


def _entries(place: Path) -> Iterator[os.DirEntry[str]]:
    """All that is below a folder, one by one: a folder may hold millions, or be slow."""
    folders = [str(place)]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(folder) as found:
                for entry in found:
                    yield entry
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
        except OSError:
            if folder == str(place):
                raise  # what is below it may be unreadable


def _kind(suffix: str) -> str:
    for name, suffixes in (("image", _IMAGES), ("audio", _SOUNDS), ("video", _VIDEOS)):
        if suffix in suffixes:
            return name
    return ""


def _uses(media: str) -> list[str]:
    return {
        "image": ["image-classification", "object-detection"],
        "audio": ["audio-classification", "automatic-speech-recognition"],
        "video": ["video-classification"],
        "text": ["text-classification", "text-generation"],
    }.get(media, [])


def _topic(place: Path) -> str:
    """The words of the name."""
    return " ".join(re.findall(r"[^\W\d_]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", place.stem)))


def _size(octets: int) -> str:
    value = float(octets)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:.3g} TB"


def _report(
    description: str, topic: str, details: str, keywords: list[str], applications: list[str]
) -> dict[str, Any]:
    return {
        "description": description,
        "topic": topic,
        "profile": details,
        "keywords": keywords[:50],
        "applications": applications,
    }
