"""Writes docs/ros_api.md from the interface files and the table of topics and services."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from textwrap import wrap

from rclpy.qos import DurabilityPolicy, QoSProfile
from ros_interface import Interface, Topic, interface

from sustainml_orchestrator.contract.enclaves import FRONT_END
from sustainml_orchestrator.contract.module_graph import read_pipeline

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "docs" / "ros_api.md"
_MESSAGES = ROOT / "msg"
_HEAD = """\
# ROS interface

`make ros-api` writes this file from the interface files in [msg](../msg) and from the names that
the nodes use; a test compares it with nodes that run. Names without a leading slash are relative
to the namespace (`/sustainml` unless told otherwise). Parameters are in
[parameters.md](parameters.md), the rights of each node in [security.md](security.md). A front-end
is the command line, the web page, the REST server, or any program that uses `OrchestratorClient`.

## Topics

All are reliable and keep the last *depth* messages; *latched* is durability `transient_local`.

"""
_STANDARD = """
## What ROS 2 nodes have anyway

The orchestrator and each module publish `/rosout`, `/parameter_events` and `~/transition_event`,
and serve {}.
The orchestrator also serves `~/get_logger_levels` and `~/set_logger_levels`. Nodes of front-ends
publish `/parameter_events` alone and serve nothing. The orchestrator subscribes to
`/parameter_events`, to remember the settings of modules.
"""
_FIELD = re.compile(r"(?P<type>\S+)\s+(?P<name>\w+)\s*(?P<value>=.*)?$")
_PARTS = {".srv": ("Request", "Response"), ".action": ("Goal", "Result", "Feedback")}


def document() -> str:
    """The content of the file."""
    parts = interface(read_pipeline(""))
    shared = sorted({s.name.partition("/")[2] for s in parts.services if s.standard})
    listed = ", ".join(f"`~/{name}`" for name in shared if "logger" not in name)
    text = [
        _HEAD,
        *_topics(parts),
        "\n## Services and the action\n\n",
        *_services(parts),
        _STANDARD.format("\n".join(wrap(listed, 110))),
        *_interfaces(),
    ]
    return "".join(text)


def _topics(parts: Interface) -> Iterator[str]:
    yield "| topic | type | QoS | from | to | what |\n|---|---|---|---|---|---|\n"
    for topic in parts.topics:
        if not topic.standard:
            ends = _nodes(topic.publishers, parts), _nodes(topic.subscribers, parts)
            cells = [f"`{topic.name}`", _link(topic.type), _qos(topic), *ends, topic.purpose]
            yield _row(cells)


def _services(parts: Interface) -> Iterator[str]:
    yield "| name | type | server | called by | what |\n|---|---|---|---|---|\n"
    for service in (*parts.services, parts.action):
        if not service.standard:
            ends = _nodes(service.servers, parts), _nodes(service.clients, parts)
            yield _row([f"`{service.name}`", _link(service.type), *ends, service.purpose])


def _nodes(nodes: tuple[str, ...], parts: Interface) -> str:
    """Names of nodes, short where all modules are among them."""
    modules = parts.nodes[1:]
    if set(modules) <= set(nodes):
        nodes = (*(node for node in nodes if node not in modules), "all modules")
    return ", ".join("front-ends" if node == FRONT_END else node for node in nodes)


def _qos(topic: Topic) -> str:
    profile: QoSProfile = topic.qos
    latched = profile.durability == DurabilityPolicy.TRANSIENT_LOCAL
    return f"{profile.depth}{', latched' if latched else ''}"


def _link(type_: str) -> str:
    package, _, name = type_.rpartition("/")
    own = package.startswith("sustainml_msgs/")
    return f"[{name}](#{name.lower()})" if own else f"{package.split('/')[0]}/{name}"


def _row(cells: Iterable[str]) -> str:
    escaped = (cell.replace("|", "\\|") for cell in cells)
    return f"| {' | '.join(escaped)} |\n"


def _interfaces() -> Iterator[str]:
    """Each interface, in the order of the list that they are built from."""
    for line in (_MESSAGES / "CMakeLists.txt").read_text(encoding="utf-8").splitlines():
        if title := re.match(r"  # (.*)", line):
            yield f"\n## Types: {title[1][0].lower()}{title[1][1:]}\n"
        elif path := re.match(r'  "(.*)"', line):
            yield from _interface(_MESSAGES / path[1])


def _interface(path: Path) -> Iterator[str]:
    text = path.read_text(encoding="utf-8")
    head, _, rest = text.partition("\n\n")
    yield f"\n### {path.stem}\n\n{_comment(head.splitlines())}\n"
    parts = re.split(r"^---$", rest, flags=re.MULTILINE)
    titles = _PARTS.get(path.suffix, ("Field",))
    for title, part in zip(titles, parts, strict=True):
        yield f"\n| {title.lower()} | type | |\n|---|---|---|\n"
        yield from _fields(part)


def _fields(text: str) -> Iterator[str]:
    comment: list[str] = []
    for line in text.splitlines():
        if line.startswith("#"):
            comment.append(line)
        elif field := _FIELD.match(line):
            value = (field["value"] or "").removeprefix("=").strip()
            name = f"`{field['name']}`{f' = {value}' if value else ''}"
            yield _row([name, field["type"], _comment(comment)])
            comment = []
        elif line:
            raise ValueError(f"'{line}' is neither a comment nor a field")


def _comment(lines: Iterable[str]) -> str:
    """One paragraph; lines that are indented stand on lines of their own."""
    text = ""
    for line in lines:
        words = line.removeprefix("# ")
        if words.startswith("  "):
            key, _, meaning = re.sub(r"  +", "  ", words.strip()).partition("  ")
            text += f"<br>`{key}`: {meaning}"
        else:
            escaped = re.sub(r"[*<]", lambda found: "\\*" if found[0] == "*" else "&lt;", words)
            text += ("<br>" if "<br>" in text else " " if text else "") + escaped.strip()
    return text


if __name__ == "__main__":
    FILE.write_text(document(), encoding="utf-8")
