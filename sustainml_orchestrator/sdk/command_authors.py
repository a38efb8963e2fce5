"""Whose commands a module obeys: those of an orchestrator. Anyone can publish on `control`."""

from __future__ import annotations

from rclpy.node import Node

from sustainml_orchestrator.contract import names


class CommandAuthors:
    """Recognises the author of a command, which its header.frame_id names.

    It is the node `orchestrator` of the namespace, or one of another name that serves start_task.

    Args:
        node: the node of the module.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._expected = f"{node.get_namespace().rstrip('/')}/{names.ORCHESTRATOR}"
        self._service = node.resolve_service_name(names.service("start_task"))

    def has(self, author: str) -> bool:
        """Whether this is the fully qualified name of an orchestrator."""
        return author == self._expected or self._serves(author)

    def _serves(self, author: str) -> bool:
        namespace, slash, name = author.rpartition("/")
        if not (slash and name):
            return False
        try:
            found = self._node.get_service_names_and_types_by_node(name, namespace or "/")
        except (RuntimeError, ValueError):  # no such node is discovered, or the name is none
            return False
        return any(service == self._service for service, _ in found)
