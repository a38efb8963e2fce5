"""Counts what one inference of an ONNX file asks of a device."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Shapes = Mapping[str, Sequence[int]]


class ModelFileError(Exception):
    """The file is no ONNX model that can be counted or run; the text says why and what to do."""


@dataclass(frozen=True)
class Counts:
    """What one inference asks of a device."""

    parameters: int  #: weights
    flops: float  #: floating-point operations, two per multiply-accumulate
    weights_bytes: int  #: as the file stores them
    activations_bytes: int  #: memory for what is alive at once, first fit
    launches: int  #: operators
    operators: tuple[str, ...]  #: kinds of operations, as the catalogue of models names them
    depthwise: bool  #: most convolutions are depthwise
    inputs: Mapping[str, tuple[int, ...]]


def count(path: Path, shapes: Shapes) -> Counts:
    """Count an ONNX file with onnx-tool, which infers the shape of every tensor.

    Args:
        path: the file.
        shapes: of inputs that leave dimensions open; an open dimension that nobody names is 1.

    Raises:
        ModelFileError: no ONNX file, or an operator without a rule for its shape.
    """
    try:
        model = _loaded(path)
        inputs = _inputs(model, shapes)
        graph = _profiled(model, inputs)
        blocks = graph.compress_memory()[0]
    except ModelFileError:
        raise
    except Exception as error:
        raise ModelFileError(
            f"{path} cannot be counted ({type(error).__name__}: {error}); check it with "
            "onnx.checker, and name open dimensions with --shape"
        ) from error
    nodes, tensors = list(graph.nodemap.values()), model.graph.initializer
    return Counts(
        parameters=sum(math.prod(tensor.dims) for tensor in tensors),
        flops=2.0 * graph.macs[0],
        weights_bytes=sum(_nbytes(tensor) for tensor in tensors),
        activations_bytes=max((start + size for start, size in blocks.values()), default=0),
        launches=len(nodes),
        operators=kinds(nodes, {tensor.name for tensor in tensors}),
        depthwise=_is_depthwise(nodes),
        inputs=inputs,
    )


def _loaded(path: Path) -> Any:
    import onnx
    from onnx.external_data_helper import load_external_data_for_model

    try:
        model = onnx.load(str(path), load_external_data=False)
    except Exception as error:  # DecodeError of protobuf
        raise ModelFileError(f"{path} is no ONNX file; name one") from error
    if not model.graph.node:
        raise ModelFileError(f"{path} has no operators; name an ONNX file of a model")
    load_external_data_for_model(model, str(path.parent))
    return model


def _profiled(model: Any, inputs: Mapping[str, tuple[int, ...]]) -> Any:
    """The graph of onnx-tool with all shapes and figures."""
    import onnx_tool

    graph = onnx_tool.Model(model, {"verbose": False}).graph
    graph.shape_infer({name: _zeros(model, name, shape) for name, shape in inputs.items()})
    graph.profile()
    return graph


#: Kinds of operations by ONNX operator; others, such as activations, run everywhere.
_KINDS = {
    "ConvTranspose": "convolution",
    "Gemm": "linear",
    "LayerNormalization": "layer-norm",
    "SimplifiedLayerNormalization": "layer-norm",
    "RMSNormalization": "layer-norm",
    "Attention": "attention",
    "MultiHeadAttention": "attention",
    "GroupQueryAttention": "attention",
    "GridSample": "deformable-attention",
    "DeformConv": "deformable-attention",
    "LSTM": "recurrent",
    "GRU": "recurrent",
    "RNN": "recurrent",
    "TreeEnsemble": "trees",
    "TreeEnsembleClassifier": "trees",
    "TreeEnsembleRegressor": "trees",
}


def kinds(nodes: list[Any], weights: set[str]) -> tuple[str, ...]:
    """The kinds of operations of a graph: what a runtime must execute."""
    found = set()
    for node in nodes:
        if node.op_type in ("Conv", "ConvInteger", "QLinearConv"):
            shape = getattr(node, "kernel_shape", ())
            grouped = "depthwise" if getattr(node, "group", 1) > 1 else "convolution"
            found.add("convolution-3d" if len(shape) == 3 else grouped)
        elif node.op_type in ("MatMul", "MatMulInteger", "QLinearMatMul"):
            # Only attention multiplies activations by activations.
            found.add("linear" if weights & set(node.input) else "attention")
        elif kind := _KINDS.get(node.op_type):
            found.add(kind)
    return tuple(sorted(found))


def _is_depthwise(nodes: list[Any]) -> bool:
    groups = [getattr(node, "group", 1) for node in nodes if node.op_type == "Conv"]
    return bool(groups) and 2 * sum(group > 1 for group in groups) >= len(groups)


def _inputs(model: Any, shapes: Shapes) -> dict[str, tuple[int, ...]]:
    """The shape of every input that is no weight."""
    weights = {tensor.name for tensor in model.graph.initializer}
    found = {}
    for value in model.graph.input:
        if value.name in weights:
            continue
        stated = [axis.dim_value for axis in value.type.tensor_type.shape.dim]
        wanted = tuple(shapes.get(value.name, (size or 1 for size in stated)))
        if len(wanted) != len(stated) or any(size < 1 for size in wanted):
            raise ModelFileError(
                f"input {value.name} has {len(stated)} dimensions; give as many sizes of at least "
                f"1 with --shape {value.name}=…"
            )
        found[value.name] = wanted
    if unknown := sorted(set(shapes) - set(found)):
        names = ", ".join(found)
        raise ModelFileError(f"no input is called {', '.join(unknown)}; the inputs are {names}")
    return found


def _zeros(model: Any, name: str, shape: tuple[int, ...]) -> Any:
    import numpy
    import onnx

    (value,) = (value for value in model.graph.input if value.name == name)
    kind = onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
    return numpy.zeros(shape, kind)


def _nbytes(tensor: Any) -> int:
    import onnx

    kind = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
    return int(math.prod(tensor.dims) * kind.itemsize)
