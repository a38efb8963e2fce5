"""A small ONNX model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper


def write_onnx(path: Path, name: str, pixels: int) -> Path:
    """Convolution 3 → 8, then depthwise on 8, both 3 × 3; the batch is open.

    Args:
        path: the file to write.
        name: of the input.
        pixels: height and width.
    """
    dense = numpy.ones((8, 3, 3, 3), numpy.float32)
    depthwise = numpy.ones((8, 1, 3, 3), numpy.float32)
    graph = helper.make_graph(
        [_convolution([name, "dense"], "a", 1), _convolution(["a", "depthwise"], "b", 8)],
        "tiny",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 3, pixels, pixels])],
        [helper.make_tensor_value_info("b", TensorProto.FLOAT, ["batch", 8, pixels, pixels])],
        [numpy_helper.from_array(dense, "dense"), numpy_helper.from_array(depthwise, "depthwise")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, str(path))
    return path


def _convolution(sources: list[str], into: str, groups: int) -> Any:
    return helper.make_node("Conv", sources, [into], pads=[1, 1, 1, 1], group=groups)
