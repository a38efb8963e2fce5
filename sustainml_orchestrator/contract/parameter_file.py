"""Files of ROS parameters: which sections apply to a node, and what in them is ignored.

A node of ROS 2 ignores parameters that it does not know, and sections that do not match its name;
a misspelt name would not be noticed.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Iterator, Sequence
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sustainml_orchestrator.core.pipeline_reader import nearest
from sustainml_orchestrator.core.text import printable

if TYPE_CHECKING:
    from rclpy.node import Node

#: Maximum nesting of namespaces around a section, and of parameters within it.
_DEPTH = 4
#: Parameters that libraries of ROS declare by themselves, some only when a setting of QoS or a
#: diagnostic asks for them.
_OF_LIBRARIES = ("qos_overrides.", "diagnostic_updater.", "use_sim_time",
                 "start_type_description_service")  # fmt: skip
#: Least likeness of a name that is taken for one of ours, misspelt.
_LIKENESS = 0.8


def sections(path: str | Path) -> list[tuple[str, dict[str, Any]]]:
    """The sections of a file in its order: node name with namespace, and values by full name.

    It is empty for a file that cannot be read: the nodes report the error.
    """
    import yaml  # not for the help of the command line

    try:
        data = yaml.safe_load(Path(path).read_bytes())
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return []
    return list(_sections(data, "", _DEPTH))


def _sections(data: Any, name: str, depth: int) -> Iterator[tuple[str, dict[str, Any]]]:
    for key, value in data.items() if isinstance(data, dict) and depth else ():
        if key != "ros__parameters":
            yield from _sections(value, f"{name}/{str(key).strip('/')}", depth - 1)
        elif isinstance(value, dict):
            yield name, _flat(value, "", _DEPTH)


def _flat(section: dict[Any, Any], prefix: str, depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in section.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{key}.", depth - 1) if depth else {}
        else:
            found[f"{prefix}{key}"] = value
    return found


def applies(section: str, node: str) -> bool:
    """Whether a section is for a node: `*` is for one part of its full name, `**` for any."""
    parts = (
        r"(/\w+)*" if part == "**" else r"/\w+" if part == "*" else f"/{re.escape(part)}"
        for part in section.split("/")[1:]
    )
    return re.fullmatch("".join(parts), node) is not None


def warn_of_mistakes(
    node: Node, args: Sequence[str] | None = None, modules: Collection[str] = ()
) -> None:
    """Log a warning for each parameter and each section that is ignored by mistake.

    Sections with a wildcard for the name of the node may be for other nodes: nothing is said of
    these.

    Args:
        node: it has declared its parameters.
        args: command line; None for that of the process.
        modules: names of all modules, where it is for this node to judge the names of sections.
    """
    for text in _mistakes(node, sys.argv if args is None else args, modules):
        node.get_logger().warning(printable(text))


def _mistakes(node: Node, args: Sequence[str], modules: Collection[str]) -> Iterator[str]:
    full = node.get_fully_qualified_name()
    files, given = _arguments(args)
    own = [("the command line", name) for name in given]
    for path in files:
        found = sections(path)
        mine = [(name, values) for name, values in found if _base(name) == node.get_name()]
        matching = [(name, values) for name, values in mine if applies(name, full)]
        own += [(f"{path}, section {name}", key) for name, values in matching for key in values]
        for name, _ in mine if not matching else ():
            yield (
                f"section {name} of {path} is ignored: this node is {full}; write {full} or "
                f"/**{full[full.rindex('/') :]}"
            )
        if modules:
            nodes = {node.get_name(), *modules}
            for text in _unknown_nodes([name for name, _ in found], node.get_namespace(), nodes):
                yield f"{path}: {text}"
    declared = {*node.get_parameters_by_prefix("")}
    for place, name in own:
        if name not in declared and not name.startswith(_OF_LIBRARIES):
            hint = nearest(name, declared) or f"see: ros2 param list {full}"
            yield (
                f"parameter {name} ({place}) is ignored: {full} has no parameter of this name; "
                f"{hint.strip()}"
            )


def _unknown_nodes(found: list[str], namespace: str, nodes: Collection[str]) -> Iterator[str]:
    """Yield what is wrong with sections that are meant for a node of the framework, but for none.

    Files of a whole robot have sections of other nodes, of other namespaces: they are let be.
    """
    for name in found:
        base = re.sub(r"_\d+$", "", _base(name))  # the further instances of a module
        close = get_close_matches(base, nodes, 1, _LIKENESS)
        here = name == f"{namespace.rstrip('/')}/{_base(name)}"
        if base in nodes or "*" in base or not (here or close):
            continue
        hint = f"did you mean {close[0]}?" if close else f"these are {', '.join(sorted(nodes))}"
        yield f"section {name} names neither the orchestrator nor a module; {hint}"


def _base(section: str) -> str:
    return section.rpartition("/")[2]


def _arguments(args: Sequence[str]) -> tuple[list[str], list[str]]:
    """The parameter files of a command line, and the names of parameters set on it."""
    files, names, ours = [], [], False
    for word, value in pairwise(args):
        ours = (ours or word == "--ros-args") and word != "--"
        if ours and word == "--params-file":
            files.append(value)
        if ours and word in ("-p", "--param"):
            names.append(value.partition(":=")[0].rpartition(":")[2])
    return files, names
