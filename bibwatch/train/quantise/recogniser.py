"""The embedded recogniser in eight-bit numbers, from the one that the rapidocr package carries.

Lines of photos of races say how large the numbers inside the network grow, and which of its 18,710 characters it ever
thinks of there: the others are left out. It takes the bytes of lines as they are. Its GELU stays exact, since x *
sigmoid(1.702 x), which serves the detector, makes it misread digits, and is no faster here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from bibwatch.read.photo_file import decode, size_of
from bibwatch.read.ppocr import models
from bibwatch.read.ppocr.graph import folded
from bibwatch.read.ppocr.lines import LINE_WIDTH, SPOTTER_SIGHT, by_width, seen_size
from bibwatch.read.ppocr.on_cpu import CpuNetworks, as_floats, padded
from bibwatch.read.ppocr.spots import spots
from bibwatch.read.ppocr.texts import places_told
from bibwatch.train.quantise.examples import spread
from bibwatch.train.quantise.graphs import gates, prepared, quantised, with_bytes_in, with_gelus

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bibwatch.read.photo_file import Image

LEAST_HEAT = 0.15  # of a spot in a photo: lower than readers ask for, so that what is no number is there too
LEAST_THOUGHT_OF = 0.01  # of a character's probability, in any line, or it is left out
EXAMPLES = 100  # lines, about, that say how large numbers grow: more choose no better scales
KEPT = 99.9995  # per cent of a step's values that its bytes can tell


def recogniser_in_bytes(photos: Sequence[Path]) -> onnx.ModelProto:
    """The recogniser as the lines of these photos (JPEG or PNG) ask for; takes a minute for 200 photos."""
    alphabet, kept, lines = _looked_at(photos)
    model = with_gelus(_with_fewer_characters(prepared(folded(models.recogniser())), kept), _gelu)
    examples = (as_floats(padded([line], LINE_WIDTH)) for line in spread(lines, EXAMPLES))
    in_floats = [*gates(model.graph), *_last_steps(model.graph)]
    small = _in_halves(with_bytes_in(quantised(model, examples, in_floats, KEPT)))
    # Without the blank and the space, which every reader adds.
    helper.set_model_props(small, {"character": "\n".join(alphabet[place] for place in kept[1:-1])})
    return small


def _looked_at(photos: Sequence[Path]) -> tuple[list[str], NDArray[np.intp], list[Image]]:
    """The alphabet, the places in it of what is kept, and many short lines."""
    networks = CpuNetworks("thorough")
    [recogniser] = networks.recognisers
    everything = np.arange(len(recogniser.alphabet))
    likeliest = np.zeros(len(everything), np.float32)
    likeliest[places_told(recogniser.alphabet)] = 1
    short: list[Image] = []
    for photo in photos:
        picture = decode(photo.read_bytes(), last_look=True)
        [maps] = networks.spot([picture], *seen_size(*size_of(picture), SPOTTER_SIGHT))
        cuts = spots(maps, *size_of(picture), LEAST_HEAT)
        lines = networks.cut(picture, cuts)
        for width, places in by_width(cuts, networks.lines):
            some = [lines[place] for place in places]
            likeliest = np.maximum(likeliest, recogniser.read(some, width, everything).told.max(axis=(0, 1)))
            short += some[:1] if width == LINE_WIDTH else []
    return recogniser.alphabet, np.flatnonzero(likeliest >= LEAST_THOUGHT_OF), short


def _with_fewer_characters(model: onnx.ModelProto, kept: NDArray[np.intp]) -> onnx.ModelProto:
    """The network that knows these places of its alphabet only."""
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    product, add, softmax = model.graph.node[-3:]
    for name in {*product.input, *add.input} & constants.keys():
        fewer = np.ascontiguousarray(numpy_helper.to_array(constants[name])[..., kept])
        constants[name].CopyFrom(numpy_helper.from_array(fewer, name))
    for told in (*model.graph.value_info, *model.graph.output):
        if told.name in {*product.output, *add.output, *softmax.output}:
            told.type.tensor_type.shape.dim[-1].dim_value = len(kept)
    return model


def _gelu(x: str, y: str, name: str) -> list[onnx.NodeProto]:
    """GELU as ONNX Runtime computes it in one step."""
    return [helper.make_node("Gelu", [x], [y], f"{name}_gelu", domain="com.microsoft")]


def _last_steps(graph: onnx.GraphProto) -> list[str]:
    """Names of the nodes that look along a whole line, from the last pooling on, but for the product that weighs all
    characters."""
    pooling = next(place for place, node in enumerate(graph.node) if node.op_type == "AveragePool")
    return [node.name for node in (*graph.node[pooling:-3], *graph.node[-2:])]


def _in_halves(model: onnx.ModelProto) -> onnx.ModelProto:
    """The weights that are still in floating point in half precision, made whole when the file is loaded."""
    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    weighing = [node for node in graph.node if node.op_type in {"Conv", "MatMul"}]
    for name in (node.input[1] for node in weighing if node.input[1] in constants):
        half = numpy_helper.from_array(numpy_helper.to_array(constants[name]).astype(np.float16), f"{name}_half")
        constants[name].CopyFrom(half)
        graph.node.insert(0, helper.make_node("Cast", [half.name], [name], f"{name}_whole", to=TensorProto.FLOAT))
    return model
