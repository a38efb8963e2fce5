"""Parameters of the further instances of a module, from the section of the module in a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

#: Maximum nesting of namespaces around a section, and of parameters within it.
_DEPTH = 4


def instance_parameters(params_file: str, module: str, name: str) -> dict[str, Any]:
    """Return the parameters of one instance: those of its module, overridden by its own section.

    Args:
        params_file: path of a ROS parameter file. If it cannot be read the result is empty: the
            nodes report the error.
        module: name of the module; its section may be in any namespace.
        name: node name of the instance.

    Returns:
        Values by full parameter name, such as ``limits.memory``.
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
