"""Service introspection: what rclpy publishes of calls, on `<service>/_service_event`.

The parameter `service_introspection` selects it: `metadata` tells who called and when, `contents`
the requests and responses as well. It is disabled by default, and then costs nothing.
"""

from __future__ import annotations

from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.service_introspection import ServiceIntrospectionState

from sustainml_orchestrator.contract import names
from sustainml_orchestrator.contract.parameters import Spec

_NAME = "service_introspection"
_DISABLED = "disabled"
_STATES = {
    _DISABLED: ServiceIntrospectionState.OFF,
    "metadata": ServiceIntrospectionState.METADATA,
    "contents": ServiceIntrospectionState.CONTENTS,
    "off": ServiceIntrospectionState.OFF,  # must be quoted twice: YAML reads a truth value
}
SPEC = Spec(
    _NAME, _DISABLED, "what is published of each service call on <service>/_service_event: "
    "'metadata' who and when, 'contents' requests and responses, too, with the credentials in them",
    choices=tuple(_STATES),
)  # fmt: skip
#: Services of rclpy itself: tools call them all the time.
_NOT_OURS = ("rcl_interfaces", "type_description_interfaces")


def follow(node: Node) -> None:
    """Do as the parameter says, now and whenever it is set. Call it when all services exist."""

    def changed(changes: list[Parameter]) -> None:
        if any(parameter.name == _NAME for parameter in changes):
            _configure(node)

    node.add_post_set_parameters_callback(changed)
    include_new(node)


def include_new(node: Node) -> None:
    """Have a service or client that is new do as the parameter says."""
    if node.get_parameter(_NAME).value != _DISABLED:
        _configure(node)


def _configure(node: Node) -> None:
    state = _STATES[str(node.get_parameter(_NAME).value)]
    for entity in (*node.services, *node.clients):
        if entity.srv_type.__module__.split(".")[0] not in _NOT_OURS:
            entity.configure_introspection(node.get_clock(), names.SERVICE_QOS, state)
