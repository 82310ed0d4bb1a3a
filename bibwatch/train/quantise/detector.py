"""The embedded text detector in eight-bit numbers, from the one that the rapidocr package carries.

Photos of races say how large the numbers inside the network grow. What comes out is the detector with eight-bit weights
and steps in place of floating point, and two changes that make it faster still: it takes the bytes of a picture as they
are, and its GELU is x * sigmoid(1.702 x), which bytes can look up (Hendrycks and Gimpel, 2016).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import helper, numpy_helper

from bibwatch.read.photo_file import decode
from bibwatch.read.ppocr import models
from bibwatch.read.ppocr.graph import folded
from bibwatch.read.ppocr.lines import DETECTOR_SIGHT
from bibwatch.read.ppocr.on_cpu import as_floats
from bibwatch.train.quantise.examples import middle, spread
from bibwatch.train.quantise.graphs import gates, prepared, quantised, with_bytes_in, with_gelus

if TYPE_CHECKING:
    from numpy.typing import NDArray

PHOTOS = 20  # about so many of those given, evenly spread: many more take more memory than most machines have
PATCH = 640  # pixels; the middle of each photo, as the detector sees it
KEPT = 99.9995  # per cent of a step's values that its bytes can tell
GELU_SLOPE = 1.702


def detector_in_bytes(photos: Sequence[Path]) -> onnx.ModelProto:
    """The detector as these photos (JPEG or PNG) ask for; takes a minute."""
    model = _with_quick_gelu(_with_biases(prepared(folded(models.detector()))))
    patches = _patches(spread(photos, PHOTOS))
    in_floats = [*gates(model.graph), *_last_steps(model.graph)]
    return with_bytes_in(quantised(model, patches, in_floats, KEPT))


def _patches(photos: Iterable[Path]) -> Iterator[NDArray[np.float32]]:
    for photo in photos:
        yield as_floats([middle(decode(photo.read_bytes(), last_look=True), DETECTOR_SIGHT, PATCH)])


def _with_biases(model: onnx.ModelProto) -> onnx.ModelProto:
    """What is added to a transposed convolution is its bias: the largest tensors of all are not gone through again."""
    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in [node for node in graph.node if node.op_type == "ConvTranspose"]:
        [add] = (other for other in graph.node if node.output[0] in other.input)
        [name] = (name for name in add.input if name in constants)
        bias = numpy_helper.to_array(constants[name]).reshape(-1)
        constants[name].CopyFrom(numpy_helper.from_array(bias, name))
        node.input.append(name)
        node.output[0] = add.output[0]
        graph.node.remove(add)
    return model


def _with_quick_gelu(model: onnx.ModelProto) -> onnx.ModelProto:
    """GELU as x * sigmoid(1.702 x)."""
    model.graph.initializer.append(numpy_helper.from_array(np.array(GELU_SLOPE, np.float32), "gelu_slope"))

    def quick_gelu(x: str, y: str, name: str) -> list[onnx.NodeProto]:
        return [
            helper.make_node("Mul", [x, "gelu_slope"], [f"{x}_steep"], f"{name}_steep"),
            helper.make_node("Sigmoid", [f"{x}_steep"], [f"{x}_share"], f"{name}_share"),
            helper.make_node("Mul", [x, f"{x}_share"], [y], f"{name}_gelu"),
        ]

    return with_gelus(model, quick_gelu)


def _last_steps(graph: onnx.GraphProto) -> Iterator[str]:
    """The nodes that make the heat map of what was found, from the activation before them on."""
    ops = [node.op_type for node in graph.node]
    yield from (node.name for node in graph.node[ops.index("ConvTranspose") - 1 :])
