"""Networks as graphs, made to compute in bytes."""

from __future__ import annotations

import io
import logging
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantType, quantize_static

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Gelu = Callable[[str, str, str], list[onnx.NodeProto]]  # from the names of x, of its GELU, and for a node

OPSET = 13  # of ONNX: the first with a scale for each channel
WARNINGS, ERRORS = 2, 3  # of what ONNX Runtime tells, at least
WHOLE_CHANNELS = [2, 3]  # the axes of a picture's height and width


def prepared(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same network in the ONNX that the quantiser wants, with means that bytes can do, and names."""
    model = onnx.version_converter.convert_version(model, OPSET)
    for node in model.graph.node:
        axes = next((list(told.ints) for told in node.attribute if told.name == "axes"), None)
        if node.op_type == "ReduceMean" and axes == WHOLE_CHANNELS:  # in bytes only under the other name
            node.op_type = "GlobalAveragePool"
            del node.attribute[:]
    return numbered(model)


def numbered(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same network, with nodes that can be told apart by name."""
    for number, node in enumerate(model.graph.node):
        node.name = f"{node.op_type}_{number}"
    return model


def quantised(
    model: onnx.ModelProto, examples: Iterable[NDArray[np.generic]], in_floats: Iterable[str], kept: float
) -> onnx.ModelProto:
    """The network in eight-bit numbers, but for the nodes named in `in_floats`.

    Examples of what it is given, all of one shape, say how large the numbers inside it grow; `kept` per cent of them
    can be told in bytes, and the few larger ones count as the largest.
    """
    [given] = model.graph.input
    with silence(), tempfile.TemporaryDirectory(prefix="bibwatch-quantise-") as folder:
        plain, small = Path(folder, "plain.onnx"), Path(folder, "small.onnx")
        onnx.save(model, plain)
        quantize_static(
            plain,
            small,
            _Examples(given.name, examples),
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=[*in_floats],
            calibrate_method=CalibrationMethod.Percentile,
            extra_options={"CalibPercentile": kept},
        )
        return onnx.load(small)


class _Examples(CalibrationDataReader):  # type: ignore[misc]
    """What the network is given."""

    def __init__(self, name: str, examples: Iterable[NDArray[np.generic]]) -> None:
        self._name = name
        self._examples = iter(examples)

    def get_next(self) -> dict[str, NDArray[np.generic]] | None:
        example = next(self._examples, None)
        return None if example is None else {self._name: example}


def gates(graph: onnx.GraphProto) -> Iterator[str]:
    """The nodes that weigh channels, but for the means that they begin with: few numbers, on which many depend."""
    made_by = {output: node for node in graph.node for output in node.output}
    for node in graph.node:
        if node.op_type == "HardSigmoid":
            while node.op_type != "GlobalAveragePool":
                yield node.name
                node = made_by[node.input[0]]


def with_gelus(model: onnx.ModelProto, gelu: Gelu) -> onnx.ModelProto:
    """Each x / sqrt(2), erf, + 1, * x, / 2 in turn becomes the nodes that `gelu` makes."""
    graph = model.graph
    nodes: list[onnx.NodeProto] = list(graph.node)
    for erf in [node for node in nodes if node.op_type == "Erf"]:
        divide = next(node for node in nodes if erf.input[0] in node.output)
        chain = [divide, erf]
        for _ in range(3):
            chain.append(next(node for node in nodes if chain[-1].output[0] in node.input))
        place = nodes.index(divide)
        nodes = [node for node in nodes if node not in chain]
        nodes[place:place] = gelu(divide.input[0], chain[-1].output[0], erf.name)
    del graph.node[:]
    graph.node.extend(nodes)
    return model


def with_bytes_in(model: onnx.ModelProto) -> onnx.ModelProto:
    """(N, H, W, 3) uint8 RGB goes in, instead of (N, 3, H, W) float32 BGR that is turned into bytes at once."""
    graph = model.graph
    [given] = graph.input
    to_bytes = next(node for node in graph.node if node.op_type == "QuantizeLinear" and node.input[0] == given.name)
    constants = {tensor.name: tensor for tensor in graph.initializer}
    scale, zero = (numpy_helper.to_array(constants[name]) for name in to_bytes.input[1:])
    assert abs(scale * 127.5 - 1) < 0.01 and int(zero) in {127, 128}  # the examples were nearly black and white too
    first = next(node for node in graph.node if node.op_type == "Conv")
    _turn_channels(graph, first.input[1])
    graph.node.remove(to_bytes)
    turn = helper.make_node("Transpose", ["pictures"], [to_bytes.output[0]], "channels_first", perm=[0, 3, 1, 2])
    graph.node.insert(0, turn)
    del graph.input[:]
    graph.input.append(helper.make_tensor_value_info("pictures", TensorProto.UINT8, ["n", "h", "w", 3]))
    return model


def _turn_channels(graph: Any, weights: str) -> None:
    """BGR becomes RGB in the weights of the first convolution, which a node makes of bytes."""
    of_bytes = next(node for node in graph.node if weights in node.output).input[0]
    tensor = next(tensor for tensor in graph.initializer if tensor.name == of_bytes)
    turned = np.ascontiguousarray(numpy_helper.to_array(tensor)[:, ::-1])
    tensor.CopyFrom(numpy_helper.from_array(turned, of_bytes))


@contextmanager
def silence() -> Iterator[None]:
    """Without what exporters and the quantiser tell of their progress and of preparations that are not needed."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    onnxruntime.set_default_logger_severity(ERRORS)
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        onnxruntime.set_default_logger_severity(WARNINGS)
        logging.disable(before)
