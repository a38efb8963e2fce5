"""A profile of a local data set: columns, types, size; read by rules, without a language model."""

from __future__ import annotations

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
from itertools import islice
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
        text = f"{place.name}: one {media} file, {_size(size)}"
        return _report(text, _topic(place), text, [media], _uses(media))
    text = octets.decode("utf-8", "replace").removeprefix("\ufeff")
    if b"\0" in octets[:4096]:
        text = f"{place.name}: a binary file ({suffix or 'no suffix'}), {_size(size)}"
        return _report(text, _topic(place), text, [], [])
    if suffix in (".json", ".jsonl", ".ndjson") or text.lstrip()[:1] in ("{", "["):
        rows = _records(text)
        if rows is not None:
            return _table(place, size, "JSON", rows, len(octets) < size, deadline)
    if suffix in (".csv", ".tsv", ".tab", ".data") or _is_tabular(text):
        return _table(place, size, "CSV", _lines(text), len(octets) < size, deadline)
    words = len(text.split())
    text = f"{place.name}: a text of {words} words in {text.count(chr(10)) + 1} lines, "
    text += _size(size)
    return _report(text, _topic(place), text, ["text"], _uses("text"))


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


def _lines(text: str) -> Iterator[dict[str, Any]]:
    # With line breaks within quotation marks the counts differ: take the most frequent one.
    first = text[:_SAMPLE].partition("\n")[0]
    separator = _separator(text) or max(_SEPARATORS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
    header: list[str] = []
    with_limit = islice(reader, _MAX_ROWS + 1)
    try:
        for row in with_limit:
            if not header:
                header = _names(row)
            elif row:
                yield dict(zip(header, row, strict=False))
    except csv.Error:  # a field that is too long, a stray NUL
        return


def _names(row: list[str]) -> list[str]:
    """The header, without names that appear twice."""
    seen: Counter[str] = Counter()
    names = []
    for number, name in enumerate(row[:_MAX_COLUMNS], start=1):
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
        self.count = self.missing = self.numbers = self.whole = 0
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
        try:
            number = float(text)
        except ValueError:
            return
        if math.isfinite(number):
            self.numbers += 1
            self.whole += number.is_integer()
            self.low, self.high = min(self.low, number), max(self.high, number)

    @property
    def kind(self) -> str:
        """The type of the values."""
        present = self.count - self.missing
        if not present:
            return "empty"
        if self.numbers == present:
            return "integer" if self.whole == present else "number"
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
    rows: Iterable[dict[str, Any]],
    is_cut: bool,
    deadline: float,
) -> dict[str, Any]:
    columns: dict[str, _Column] = {}
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
    rows_text = f"{'at least ' if is_cut else ''}{count} rows"
    text = f"{place.name}: {form} table with {rows_text} and {len(columns)} columns, {_size(size)}"
    details = "; ".join(f"{name} ({column.describe()})" for name, column in columns.items())
    applications = _table_uses(columns)
    return _report(text, _topic(place), f"{text}. Columns: {details}", list(columns), applications)


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
    if any(re.search(r"date|time", name, re.IGNORECASE) for name in columns):
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
    files = f"{'at least ' if is_cut else ''}{sum(suffixes.values())} files"
    text = f"{place.name}: folder with {files} ({kinds}), {_size(total)}"
    if classes:
        text += f", in {len(classes)} subfolders: {', '.join(sorted(classes)[:10])}"
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
