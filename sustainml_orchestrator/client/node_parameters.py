"""The ROS parameters of a node, read by the services that every node has."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from queue import SimpleQueue
from typing import Any

from rcl_interfaces.srv import GetParameters, ListParameters
from rclpy.parameter import parameter_value_to_python

from sustainml_orchestrator.client.connection import Connection
from sustainml_orchestrator.client.errors import ClientError, OrchestratorUnavailable
from sustainml_orchestrator.contract.names import ORCHESTRATOR


def get_parameters(
    connection: Connection, node: str, wanted: Sequence[str], timeout: float
) -> dict[str, Any]:
    """Parameters of a node by name; all that it has unless some are named.

    Args:
        node: its fully qualified name.
        timeout: longest wait, in s.

    Raises:
        ClientError: the node does not answer.
    """
    deadline = time.monotonic() + timeout
    names = list(wanted)
    if not names:
        request: Any = ListParameters.Request()
        answer = _ask(connection, ListParameters, f"{node}/list_parameters", request, deadline)
        names = sorted(answer.result.names)
    request = GetParameters.Request(names=names)
    answer = _ask(connection, GetParameters, f"{node}/get_parameters", request, deadline)
    return dict(zip(names, map(parameter_value_to_python, answer.values), strict=False))


def _ask(connection: Connection, kind: Any, name: str, request: Any, deadline: float) -> Any:
    client = connection.run(partial(connection.node.create_client, kind, name))
    answers: SimpleQueue[Any] = SimpleQueue()

    def send() -> bool:
        if not client.service_is_ready():
            return False
        client.call_async(request).add_done_callback(answers.put)
        return True

    try:
        connection.find(send, deadline)
        return connection.take(answers, deadline, client.service_is_ready, name).result()
    except OrchestratorUnavailable as error:
        node = name.rpartition("/")[0]
        if node == f"{connection.namespace}/{ORCHESTRATOR}":
            raise
        text = f"{node} does not answer; look at it with sustainml nodes and sustainml logs"
        raise ClientError(error.code, text) from error
    finally:
        connection.run(partial(connection.node.destroy_client, client))
