"""Make the embedded detector in eight-bit numbers, from the one that the rapidocr package carries.

    python -m bibwatch.train.quantise PHOTOS/*.jpg

Photos of races say how large the numbers inside the network grow. What is written beside the engine is the detector
with eight-bit weights and steps in place of floating point, and two changes that make it faster still: it takes the
bytes of a picture as they are, and its GELU is x * sigmoid(1.702 x), which bytes can look up (Hendrycks and Gimpel,
2016).
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantType, quantize_static

from bibwatch.read.photo_file import decode
from bibwatch.read.ppocr import models
from bibwatch.read.ppocr.graph import folded
from bibwatch.read.ppocr.lines import DETECTOR_SIGHT, seen_size
from bibwatch.read.ppocr.on_cpu import as_floats, resized

if TYPE_CHECKING:
    from numpy.typing import NDArray

PHOTOS = 20  # about so many of those given, evenly spread: many more take more memory than most machines have
PATCH = 640  # pixels; the middle of each photo, as the detector sees it
KEPT = 99.9995  # per cent of a step's values that its bytes can tell; the few larger ones count as the largest
OPSET = 13  # of ONNX: the first with a scale for each channel
GELU_SLOPE = 1.702


def quantise(photos: Sequence[Path], out: Path) -> None:
    """Write the detector in eight-bit numbers, as these photos (JPEG or PNG) ask for; takes a minute."""
    with tempfile.TemporaryDirectory(prefix="bibwatch-quantise-") as folder:
        plain, small = Path(folder, "plain.onnx"), Path(folder, "small.onnx")
        model = _with_quick_gelu(_with_biases(_named(folded(models.detector()))))
        onnx.save(model, plain)
        [given] = onnxruntime.InferenceSession(plain, providers=["CPUExecutionProvider"]).get_inputs()
        quantize_static(
            plain,
            small,
            _Patches(photos, given.name),
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=[*_gates(model.graph), *_last_steps(model.graph)],
            calibrate_method=CalibrationMethod.Percentile,
            extra_options={"CalibPercentile": KEPT},
        )
        onnx.save(_with_bytes_in(onnx.load(small), given.name), out)


class _Patches(CalibrationDataReader):  # type: ignore[misc]
    """What the detector sees of some of the photos."""

    def __init__(self, photos: Sequence[Path], name: str) -> None:
        self._patches = _patches(photos[:: max(1, len(photos) // PHOTOS)])
        self._name = name

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        patch = next(self._patches, None)
        return None if patch is None else {self._name: patch}


def _patches(photos: Iterable[Path]) -> Iterator[NDArray[np.float32]]:
    for photo in photos:
        image = decode(photo.read_bytes(), last_look=True)
        seen = resized(image, *seen_size(image.shape[0], image.shape[1], DETECTOR_SIGHT))
        top, left = (max(0, side - PATCH) // 2 for side in seen.shape[:2])
        yield as_floats([seen[top : top + PATCH, left : left + PATCH]])


def _named(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same network, in the ONNX that the quantiser wants, with nodes that can be told apart by name."""
    named = onnx.version_converter.convert_version(model, OPSET)
    for number, node in enumerate(named.graph.node):
        if node.op_type == "ReduceMean":  # of whole channels, which bytes can do under the other name
            assert next(list(told.ints) for told in node.attribute if told.name == "axes") == [2, 3]
            node.op_type = "GlobalAveragePool"
            del node.attribute[:]
        node.name = f"{node.op_type}_{number}"
    return named


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
    """Each x / sqrt(2), erf, + 1, * x, / 2 in turn becomes x * sigmoid(1.702 x)."""
    graph = model.graph
    graph.initializer.append(numpy_helper.from_array(np.array(GELU_SLOPE, np.float32), "gelu_slope"))
    nodes: list[onnx.NodeProto] = list(graph.node)
    for erf in [node for node in nodes if node.op_type == "Erf"]:
        divide = next(node for node in nodes if erf.input[0] in node.output)
        chain = [divide, erf]
        for _ in range(3):
            chain.append(next(node for node in nodes if chain[-1].output[0] in node.input))
        x, y = divide.input[0], chain[-1].output[0]
        place = nodes.index(divide)
        nodes = [node for node in nodes if node not in chain]
        nodes[place:place] = [
            helper.make_node("Mul", [x, "gelu_slope"], [f"{x}_steep"], f"{erf.name}_steep"),
            helper.make_node("Sigmoid", [f"{x}_steep"], [f"{x}_share"], f"{erf.name}_share"),
            helper.make_node("Mul", [x, f"{x}_share"], [y], f"{erf.name}_gelu"),
        ]
    del graph.node[:]
    graph.node.extend(nodes)
    return model


def _gates(graph: onnx.GraphProto) -> Iterator[str]:
    """The nodes that weigh channels, but for the means that they begin with: few numbers, on which many depend."""
    made_by = {output: node for node in graph.node for output in node.output}
    for node in graph.node:
        if node.op_type == "HardSigmoid":
            while node.op_type != "GlobalAveragePool":
                yield node.name
                node = made_by[node.input[0]]


def _last_steps(graph: onnx.GraphProto) -> Iterator[str]:
    """The nodes that make the heat map of what was found, from the activation before them on."""
    ops = [node.op_type for node in graph.node]
    yield from (node.name for node in graph.node[ops.index("ConvTranspose") - 1 :])


def _with_bytes_in(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    """(N, H, W, 3) uint8 RGB goes in, instead of (N, 3, H, W) float32 BGR that is turned into bytes at once."""
    graph = model.graph
    to_bytes = next(node for node in graph.node if node.op_type == "QuantizeLinear" and node.input[0] == name)
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


def main() -> None:
    """The program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, default=models.SMALL_DETECTOR)
    wish = parser.parse_args()
    quantise(sorted(wish.photos), wish.out)


if __name__ == "__main__":
    main()
