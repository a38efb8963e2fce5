"""An rclpy service that builds and returns a response, the reference of queries.

    python -m bench.bare_service GetTask /name response.cdr

The response is built anew for each call, field by field, by the constructors of its messages; a
large model is copied into it.
"""

from __future__ import annotations

import array
import math
import sys
from pathlib import Path
from typing import Any

import builtin_interfaces.msg
import rclpy
import std_msgs.msg
import sustainml_msgs.msg
import sustainml_msgs.srv
from rclpy.node import Node
from rclpy.serialization import deserialize_message
from sustainml_msgs.msg import MLModel

from sustainml_orchestrator.contract import names


def builder(response: Any) -> Any:
    """A function that builds an equal response."""
    model = response.task.ml_model if hasattr(response, "task") else MLModel()
    raw_model, model.raw_model = model.raw_model, array.array("B")
    known = {
        "array": array.array,
        "nan": math.nan,
        "builtin_interfaces": builtin_interfaces,
        "std_msgs": std_msgs,
        "sustainml_msgs": sustainml_msgs,
    }
    build = eval(f"lambda: {response!r}", known)  # the text of a message is what constructs it
    if repr(build()) != repr(response):
        raise ValueError("the response cannot be built from its text")
    if not raw_model:
        return build

    def build_whole() -> Any:
        whole = build()
        whole.task.ml_model.raw_model = array.array("B", raw_model)
        return whole

    return build_whole


def main(kind_name: str, name: str, file: str) -> None:
    """Serve."""
    kind = getattr(sustainml_msgs.srv, kind_name)
    build = builder(deserialize_message(Path(file).read_bytes(), kind.Response))
    rclpy.init()
    node = Node("bare_service")
    node.create_service(
        kind, name, lambda request, response: build(), qos_profile=names.SERVICE_QOS
    )
    rclpy.spin(node)


if __name__ == "__main__":
    main(*sys.argv[1:])
