"""The spotter as ONNX Runtime runs it: its weights in bytes, its steps in floating point or in bytes too."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import torch
from onnx import TensorProto
from torch import Tensor, nn

from bibwatch.files import whole_file
from bibwatch.read.ppocr.graph import folded
from bibwatch.read.ppocr.lines import SPOTTER_SIGHT
from bibwatch.train.quantise.examples import middle, spread
from bibwatch.train.quantise.graphs import numbered, quantised, silence

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bibwatch.train.spotter.lessons import Lesson
    from bibwatch.train.spotter.network import Spotter

OPSET = 16  # of ONNX: onnx2torch knows no later one
NEW_IN_RESIZE = {"antialias", "axes", "keep_aspect_ratio_policy"}  # since then, and none of them asked for
PHOTOS = 30  # about so many say how large the numbers inside grow
PATCH = 512  # pixels of them
KEPT = 99.999  # per cent of a step's values that its bytes can tell; the few larger ones count as the largest


def export(spotter: Spotter, lessons: Sequence[Lesson], network: Path, in_bytes: Path) -> None:
    """Write the network twice: (N, H, W, 3) uint8 RGB in, sides multiples of 32; heat, 0..1, and shapes out.

    The weights of both are the same bytes; `in_bytes` computes in bytes too, as some of these photos ask for.
    """
    plain = numbered(_of_older_onnx(_graph(spotter)))
    small = quantised(plain, _patches(spread(lessons, PHOTOS)), _last_steps(plain.graph), KEPT)
    for path, model in ((in_bytes, small), (network, _in_floats(plain, small))):
        with whole_file(path) as file:
            file.write(_bare(model).SerializeToString())


class _Told(nn.Module):  # type: ignore[misc]
    """What those who read want to know."""

    def __init__(self, spotter: Spotter) -> None:
        super().__init__()
        self.spotter = spotter

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Heat from 0 to 1, and shapes."""
        heat, shape = self.spotter(pictures)
        return heat.sigmoid(), shape


def _graph(spotter: Spotter) -> onnx.ModelProto:
    """The network with all that is constant worked out."""
    anything = torch.export.Dim.DYNAMIC
    with silence(), tempfile.TemporaryDirectory(prefix="bibwatch-export-") as folder:
        path = Path(folder, "spotter.onnx")
        torch.onnx.export(
            _Told(copy.deepcopy(spotter)).cpu().eval(),
            (torch.zeros(2, 64, 96, 3, dtype=torch.uint8),),
            path,
            input_names=["pictures"],
            output_names=["heat", "shape"],
            dynamic_shapes=({0: anything, 1: anything, 2: anything},),
            external_data=False,
            verbose=False,
        )
        return folded(path)


def _patches(lessons: Iterable[Lesson]) -> Iterator[NDArray[np.uint8]]:
    """The middles of photos, as the spotter sees them."""
    for lesson in lessons:
        seen = middle(lesson.picture, SPOTTER_SIGHT, PATCH)
        patch = np.zeros((1, PATCH, PATCH, 3), np.uint8)
        patch[0, : seen.shape[0], : seen.shape[1]] = seen
        yield patch


def _in_floats(model: onnx.ModelProto, in_bytes: onnx.ModelProto) -> onnx.ModelProto:
    """The network with the weights of the one in bytes, which are made floating point when it is loaded."""
    constants = {tensor.name: tensor for tensor in in_bytes.graph.initializer}
    graph, nodes = model.graph, []
    for node in in_bytes.graph.node:
        of_bytes = constants.get(node.input[0]) if node.op_type == "DequantizeLinear" else None
        if of_bytes is not None and of_bytes.data_type == TensorProto.INT8:
            [before] = (tensor for tensor in graph.initializer if f"{tensor.name}_quantized" == of_bytes.name)
            graph.initializer.remove(before)
            graph.initializer.extend(constants[name] for name in node.input)
            nodes.append(onnx.helper.make_node(node.op_type, node.input, [before.name], before.name, axis=0))
    nodes.extend(graph.node)
    del graph.node[:]
    graph.node.extend(nodes)
    return model


def _of_older_onnx(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same network as an older ONNX tells it: all that it is made of has meant the same since then."""
    for node in model.graph.node:
        for attribute in [told for told in node.attribute if node.op_type == "Resize" and told.name in NEW_IN_RESIZE]:
            node.attribute.remove(attribute)
    [standard] = (told for told in model.opset_import if told.domain in {"", "ai.onnx"})
    standard.version = OPSET
    onnx.checker.check_model(model, full_check=True)
    return model


def _bare(model: onnx.ModelProto) -> onnx.ModelProto:
    """Without what the exporter tells of its own way."""
    for part in (model, *model.graph.node, *model.graph.input, *model.graph.output, *model.graph.initializer):
        part.ClearField("doc_string")
        part.ClearField("metadata_props")
    del model.graph.value_info[:]
    return model


def _last_steps(graph: onnx.GraphProto) -> list[str]:
    """The names of the nodes that tell heat and shapes, from the last convolution on."""
    last = max(place for place, node in enumerate(graph.node) if node.op_type == "Conv")
    return [node.name for node in graph.node[last:]]
