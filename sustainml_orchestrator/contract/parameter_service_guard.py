"""The services that rclpy gives to every node (of its parameters), made to answer whatever comes.

A callback that raises ends the executor and leaves the caller waiting for ever; rclpy's own raise
for a parameter of an unknown type, for one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from rcl_interfaces.msg import SetParametersResult
from rclpy.node import Node


def guard_parameter_services(node: Node) -> None:
    """Guard the services that a node has so far."""
    for service in node.services:
        service.callback = _guarded(node, service.srv_name, service.callback)


def _guarded(node: Node, name: str, callback: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(callback)
    def guard(request: Any, response: Any) -> Any:
        try:
            return callback(request, response)
        except Exception as error:
            reason = f"the request cannot be granted ({error}); correct it"
            node.get_logger().warning(f"{name}: {reason}")
            refusal = SetParametersResult(successful=False, reason=reason)
            answer = type(response)()
            if hasattr(answer, "result") and hasattr(answer.result, "successful"):
                answer.result = refusal
            elif hasattr(answer, "results") and hasattr(request, "parameters"):
                answer.results = [refusal for _ in request.parameters]
            return answer

    return guard
