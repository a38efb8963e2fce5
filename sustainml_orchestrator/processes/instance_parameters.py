"""Parameters of the further instances of a module, from the section of the module in a file."""

from __future__ import annotations

from typing import Any

from sustainml_orchestrator.contract.parameter_file import applies, sections


def instance_parameters(params_file: str, namespace: str, module: str, name: str) -> dict[str, Any]:
    """Return the parameters of one instance: those of its module, overridden by its own section.

    Args:
        params_file: path of a ROS parameter file. If it cannot be read the result is empty: the
            nodes report the error.
        namespace: namespace of both.
        module: name of the module.
        name: node name of the instance.

    Returns:
        Values by full parameter name, such as ``limits.memory``.
    """
    file = sections(params_file)
    found: dict[str, Any] = {}
    for node in (module, name):
        for section, values in file:
            full = f"/{namespace.strip('/')}/{node}".replace("//", "/")
            if section.rpartition("/")[2] == node and applies(section, full):
                found |= values
    return found
