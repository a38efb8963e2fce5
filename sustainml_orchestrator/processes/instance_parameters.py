"""The parameters of a further instance: those of its module in a file of ROS parameters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

#: Sections are within those of their namespaces, at most so deep.
_DEPTH = 4


def instance_parameters(params_file: str, module: str, name: str) -> dict[str, Any]:
    """The parameters that a file has for a module, and for one instance of it by name.

    Args:
        params_file: path of the file; one that cannot be read has none: the nodes refuse it.
        module: name of the module, in whichever namespace.
        name: of the instance; what the file says of it comes before what it says of the module.

    Returns:
        values by the full names of the parameters, such as ``limits.memory``.
    """
    import yaml  # not for the help of the command line

    try:
        data = yaml.safe_load(Path(params_file).read_bytes())
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return {}
    found: dict[str, Any] = {}
    for node in (module, name):
        for section in _sections(data, node, _DEPTH):
            found |= _flat(section, "", _DEPTH)
    return found


def _sections(data: Any, node: str, depth: int) -> Iterator[dict[Any, Any]]:
    for key, value in data.items() if isinstance(data, dict) and depth else ():
        if str(key).rpartition("/")[2] == node and isinstance(value, dict):
            section = value.get("ros__parameters")
            if isinstance(section, dict):
                yield section
        yield from _sections(value, node, depth - 1)


def _flat(section: dict[Any, Any], prefix: str, depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in section.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{key}.", depth - 1) if depth else {}
        else:
            found[f"{prefix}{key}"] = value
    return found
