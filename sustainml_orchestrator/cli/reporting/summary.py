"""A report for people: what was found, the versions, the nodes, the tasks, the last errors.

The report may come from anywhere: nothing in it is trusted, neither its form nor its texts.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sustainml_orchestrator.cli.console import Table, out
from sustainml_orchestrator.cli.doctor import print_findings
from sustainml_orchestrator.cli.examination.finding import Finding
from sustainml_orchestrator.core.ids import TaskStatus

#: Most characters of a value, most rows of a table, most lines of a log that are shown.
_LONGEST, _ROWS, _LINES = 300, 50, 15
_TROUBLE = re.compile(r"\[(WARN|ERROR|FATAL)\]|Traceback|\bError: |was killed|it is not restarted")
#: The names of the states that the journal has as numbers.
_STATUSES = {str(int(status)): status.name for status in TaskStatus}
_TASK = re.compile(r"tasks/(\d{1,10})-(\d{1,10})\.json")


class Report:
    """The files of a report, read as far as they make sense."""

    def __init__(self, entries: Mapping[str, bytes]) -> None:
        self.entries = entries
        self.about = _dict(self.load("report.json"))

    def load(self, name: str) -> Any:
        """A JSON file; None where there is none, or it cannot be read."""
        try:
            return json.loads(self.entries.get(name, b"null"))
        except (ValueError, RecursionError):
            return None

    def as_data(self) -> dict[str, Any]:
        """The report as one JSON object: all its files but logs and recordings."""
        names = [name for name in self.entries if name.endswith(".json")]
        return {name.removesuffix(".json"): self.load(name) for name in names} | {
            "files": {name: len(content) for name, content in self.entries.items()}
        }

    def show(self) -> None:
        """Print it."""
        self._head()
        self._doctor()
        self._nodes()
        self._tasks()
        self._log()
        for name in self.entries:
            if ".flight" in name:
                rest = "take it out with tar, and run: sustainml replay"
                out.say(("recording ", "bold"), f"{_text(name)}: {rest} {_text(name)}")
        for text in _list(self.about.get("missing")):
            out.say(("missing  ", "yellow"), _text(text))

    def _head(self) -> None:
        versions, about = _dict(self.load("versions.json")), self.about
        words = [f"{key} {_text(versions.get(key))}" for key in ("sustainml", "python", "system")]
        place = f"namespace {_text(about.get('namespace'))}, domain {_text(about.get('domain'))}"
        out.say(("report   ", "bold"), f"made {_time(about.get('created'))}, {place}")
        out.say(("versions ", "bold"), ", ".join(words), f", ROS {_text(versions.get('ros'))}")
        for key, value in list(_dict(versions.get("environment")).items())[:_ROWS]:
            out.say(f"         {_text(key)}={_text(value)}")

    def _doctor(self) -> None:
        data = _dict(self.load("doctor.json"))
        rows = [_dict(each) for each in _list(data.get("findings"))[:_ROWS]]
        print_findings(
            [Finding(*(_text(row.get(key, "")) for key in ("level", "finding", "remedy")))
             for row in rows],
            out,
        )  # fmt: skip

    def _nodes(self) -> None:
        table = Table(("node", "status", "processes", "remark"), ("resets", "restarts"))
        nodes = [_dict(each) for each in _list(self.load("nodes.json"))[:_ROWS]]
        for node in nodes:
            keys = ("node_name", "status_text")
            count = len(_list(node.get("instances")))
            table.add(*(_text(node.get(key)) for key in keys), str(count),
                      _text(node.get("error_description")),
                      *(_text(node.get(key)) for key in ("resets", "restarts")))  # fmt: skip
        if nodes:
            out.print(table)

    def _tasks(self) -> None:
        table = Table(("task", "status", "problem", "model", "reason"))
        names = [match for match in map(_TASK.fullmatch, self.entries) if match]
        for match in sorted(names, key=lambda m: (int(m[1]), int(m[2])))[-_ROWS:]:
            data = _dict(self.load(match[0]))
            of = _dict(_dict(data.get("task")).get("summary")) or _dict(data.get("stored"))
            status = of.get("status_text", _STATUSES.get(str(of.get("status")), of.get("status")))
            table.add(f"{match[1]}/{match[2]}", _text(status),
                      _text(of.get("problem_short_description", of.get("description"))),
                      _text(of.get("model")),
                      _text(of.get("error_description") or of.get("outcome_reason")))  # fmt: skip
        if names:
            out.print(table)

    def _log(self) -> None:
        last: deque[str] = deque(maxlen=_LINES)
        for name in sorted((n for n in self.entries if n.startswith("logs/")), reverse=True):
            text = self.entries[name].decode("utf-8", "replace")
            last.extend(line for line in text.splitlines() if _TROUBLE.search(line[:2000]))
        if last:
            out.say(("last warnings and errors of the log", "bold"))
        for each in last:
            out.say(f"  {_text(each)}")


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    if value is None:
        return "–"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _time(value: Any) -> str:
    try:
        return datetime.fromtimestamp(value).astimezone().isoformat(" ", "seconds")
    except (TypeError, ValueError, OverflowError, OSError):
        return "at an unknown time"
