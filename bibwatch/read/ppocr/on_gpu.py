"""The networks in torch, with the pixels beside them: on a GPU in half precision, or, for tests, on a processor."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import onnx
import torch
from onnx import helper
from torch.nn import functional

from bibwatch.errors import EngineUnavailable
from bibwatch.read.gpu import WAY_OUT, device_name, torch_device, troubles_told
from bibwatch.read.photo_file import ON_THEIR_SIDE, Encoded, decoded
from bibwatch.read.ppocr import models
from bibwatch.read.ppocr.graph import folded
from bibwatch.read.ppocr.lines import LINE_HEIGHT, LINE_WIDTH, Cut
from bibwatch.read.ppocr.networks import MIDDLE, Networks, Steps, alphabet_of
from bibwatch.read.ppocr.on_cpu import GREY, CpuNetworks

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what it is built on says that it will be gone one day
    import onnx2torch
    from onnx2torch.node_converters.activations import OnnxErf

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bibwatch.read.photo_file import Image, Picture

BATCH = 8  # photos; docs/speed.md has what others cost
ROUNDING = 0.05  # of a probability, that half precision may be off
FINEST = 4  # points, along each side of a pixel that the recogniser sees, that are looked up in the photo

log = logging.getLogger(__name__)


class GpuNetworks:
    """Detector and recogniser in floating point, several pictures at a time; pictures are (3, H, W) uint8 RGB."""

    decodes = True

    def __init__(self, device: str) -> None:
        place = torch_device(device, threads=1)
        self.device = device_name(place)
        self.batch = BATCH
        self._place = place
        self._type = torch.float16 if place.type == "cuda" else torch.float32
        recogniser = folded(models.recogniser())
        self.alphabet = alphabet_of(next(told.value for told in recogniser.metadata_props if told.key == "character"))
        self._detector = self._network(folded(models.detector()))
        self._recogniser = self._network(recogniser)
        self._try_out()

    def take(self, pictures: Sequence[Picture]) -> list[torch.Tensor]:
        """See `Networks`; JPEG files are decoded on the GPU, together, where it can."""
        with troubles_told(), torch.inference_mode():
            files = [picture for picture in pictures if isinstance(picture, Encoded)]
            on_gpu = iter(self._decoded(files))
            taken = [next(on_gpu) if isinstance(picture, Encoded) else self._there(picture) for picture in pictures]
            self._wait()
            return taken

    def detect(self, pictures: Sequence[torch.Tensor], height: int, width: int) -> NDArray[np.uint8]:
        """See `Networks`.

        Raises:
            EngineBroken: the GPU failed, and will fail until the process is a new one.
            MemoryError: the GPU has not the memory for so many pictures.
        """
        with troubles_told(), torch.inference_mode():
            seen = _filled_up([self._resized(picture, height, width) for picture in pictures])
            heat = self._detector(self._given(seen))[: len(pictures)]
            return (heat[:, 0] * 255).round().byte().cpu().numpy()  # type: ignore[no-any-return]

    def cut(self, picture: torch.Tensor, cuts: Sequence[Cut]) -> list[torch.Tensor]:
        """See `Networks`; lines are (3, 48, W) float32 RGB, 0..255."""
        if not cuts:
            return []
        with troubles_told(), torch.inference_mode():
            points = self._points(cuts, *picture.shape[1:])
            grid = torch.cat([of_line.reshape(1, -1, 1, 2) for of_line in points], dim=1)
            looked_up = functional.grid_sample(
                picture[None].float(), grid, "bicubic", padding_mode="border", align_corners=False
            )
            of_lines = looked_up[0, :, :, 0].split([of_line[..., 0].numel() for of_line in points], dim=1)
            lines = (line.reshape(3, *of_line.shape[:2]) for line, of_line in zip(of_lines, points, strict=True))
            return [functional.avg_pool2d(line, line.shape[1] // LINE_HEIGHT).round().clamp(0, 255) for line in lines]

    def recognise(self, lines: Sequence[torch.Tensor], width: int, characters: NDArray[np.intp]) -> Steps:
        """See `Networks`; raises what `detect` does."""
        with troubles_told(), torch.inference_mode():
            padded = [functional.pad(line, (0, width - line.shape[2]), value=GREY) for line in lines]
            told = self._recogniser(self._given(_filled_up(padded)))[: len(lines)]
            probability, best = told.max(dim=2)
            asked = told[:, :, torch.from_numpy(characters).to(self._place)]
            return Steps(best.cpu().numpy(), probability.float().cpu().numpy(), asked.float().cpu().numpy())

    def _network(self, model: onnx.ModelProto) -> torch.nn.Module:
        _tell_padding(model)
        network = onnx2torch.convert(model)
        _join_gelus(network)
        return network.eval().to(self._place, self._type).to(memory_format=torch.channels_last)

    def _decoded(self, files: Sequence[Encoded]) -> list[torch.Tensor]:
        """Upright pictures; by way of a processor where torchvision cannot decode one of them on the GPU."""
        if files and self._place.type == "cuda":
            try:
                return _decoded_together(files, self._place)
            except torch.OutOfMemoryError:
                raise
            except (ImportError, RuntimeError) as error:  # it says that its decoders will be gone one day
                log.info("decoding on the processor: %s", error)
        return [self._there(decoded(file)) for file in files]

    def _there(self, image: NDArray[np.uint8]) -> torch.Tensor:
        """(H, W, 3) to (3, H, W), where the networks are."""
        return torch.from_numpy(image).to(self._place).permute(2, 0, 1)

    def _wait(self) -> None:
        """For what the GPU has been told to do, so that its time counts where it belongs."""
        if self._place.type == "cuda":
            torch.cuda.synchronize()

    def _resized(self, picture: torch.Tensor, height: int, width: int) -> torch.Tensor:
        """(3, height, width) in whole numbers, as OpenCV resizes: by the mean of areas where it shrinks, else by cubic
        curves."""
        high, wide = picture.shape[1:]
        if height * width < high * wide:
            down, across = (_shares(*sides, self._place, self._type) for sides in ((high, height), (wide, width)))
            return (down @ picture.to(self._type) @ across.T).round()
        large = functional.interpolate(picture[None].float(), (height, width), mode="bicubic", align_corners=False)
        return large[0].round().clamp(0, 255).to(self._type)

    def _points(self, cuts: Sequence[Cut], height: int, width: int) -> list[torch.Tensor]:
        """Where in a photo of this size each line's pixels are looked up: (n * 48, n * W, 2), from -1 to 1 both ways;
        each pixel of a line is the mean of n x n points."""
        corners = (2 * np.stack([cut.corners for cut in cuts]) + 1) / (width, height) - 1
        there = torch.from_numpy(corners.astype(np.float32)).to(self._place)
        return [_points(cut, *of_line) for cut, of_line in zip(cuts, there, strict=True)]

    def _given(self, pictures: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) RGB, 0..255, to BGR, -1 to 1."""
        scaled = (pictures.flip(1).to(self._type) - MIDDLE) / MIDDLE
        return scaled.contiguous(memory_format=torch.channels_last)

    def _try_out(self) -> None:
        """See that the GPU computes, and what ONNX Runtime computes: other libraries' versions convert otherwise.

        Raises:
            EngineUnavailable: it does not.
        """
        picture = np.full((64, 160, 3), 255, np.uint8)
        cv2.putText(picture, "2419", (20, 40), cv2.FONT_HERSHEY_SIMPLEX, 1.3, (0, 0, 0), 3)
        line = Cut(np.array(((0, 0), (160, 0), (160, 48), (0, 48)), np.float32), 1.0, 160, 48)
        try:
            seen, told = _seen(self, picture, line)
        except Exception as error:  # as the conversion, the GPU and what drives it raise anything
            raise EngineUnavailable(f"{self.device} is there, but does not compute; {WAY_OUT}: {error}") from error
        seen_there, told_there = _seen(CpuNetworks("thorough"), picture, line)
        off = max(np.abs(seen - seen_there).max(), np.abs(told - told_there).max())
        if not off < ROUNDING:
            text = f"what {self.device} computes is off by {off:.3f}; set reader.device to cpu, and tell us"
            raise EngineUnavailable(f"{text} (torch {torch.__version__})")


def _decoded_together(files: Sequence[Encoded], place: torch.device) -> list[torch.Tensor]:
    """Upright (3, H, W) pictures on this device; raises RuntimeError where one cannot be decoded there."""
    from torchvision.io import ImageReadMode, decode_jpeg

    tensors = [torch.frombuffer(bytearray(file.data), dtype=torch.uint8) for file in files]
    pictures = decode_jpeg(tensors, ImageReadMode.RGB, device=place)
    return [_upright(picture, file.orientation) for picture, file in zip(pictures, files, strict=True)]


def _seen(networks: Networks[Any], picture: Image, line: Cut) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """The heat of a picture, 0..1, and the probabilities of all characters in a line of it."""
    [taken] = networks.take([picture])
    heat = networks.detect([taken], *picture.shape[:2])
    characters = np.arange(len(networks.alphabet))
    return heat / 255, networks.recognise(networks.cut(taken, [line]), LINE_WIDTH, characters).told


def _tell_padding(model: onnx.ModelProto) -> None:
    """Write out the padding that ONNX calls SAME_UPPER, which onnx2torch does not know: it never depends on the
    picture's size here, because the nodes that have it go on pixel by pixel."""
    for node in model.graph.node:
        attributes = {attribute.name: attribute for attribute in node.attribute}
        if "auto_pad" in attributes and attributes["auto_pad"].s == b"SAME_UPPER":
            kernel = attributes["kernel_shape"].ints
            before, after = [(side - 1) // 2 for side in kernel], [side // 2 for side in kernel]
            node.attribute.remove(attributes["auto_pad"])
            node.attribute.append(helper.make_attribute("pads", before + after))


def _join_gelus(network: torch.fx.GraphModule) -> None:
    """Each x / sqrt(2), erf, + 1, * x, / 2 becomes one step: a GPU's time goes into moving what lies between."""
    for erf in list(network.graph.nodes):
        if erf.op == "call_module" and isinstance(network.get_submodule(erf.target), OnnxErf):
            [divided] = erf.args
            last = erf
            for _ in range(3):
                [last] = last.users
            with network.graph.inserting_before(last):
                last.replace_all_uses_with(network.graph.call_function(functional.gelu, (divided.args[0],)))
    network.graph.eliminate_dead_code()
    network.recompile()


@lru_cache(maxsize=16)
def _shares(before: int, after: int, place: torch.device, kind: torch.dtype) -> torch.Tensor:
    """(after, before): how much each pixel of a row counts in each pixel of the row made shorter."""
    edges = np.arange(after + 1) * before / after
    pixels = np.arange(before)
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return torch.from_numpy(overlap.clip(0) * after / before).to(place, kind)


def _points(
    cut: Cut, top_left: torch.Tensor, top_right: torch.Tensor, bottom_right: torch.Tensor, bottom_left: torch.Tensor
) -> torch.Tensor:
    times = min(FINEST, max(1, math.ceil(cut.high / LINE_HEIGHT)))
    # The middle of each point, from 0 to 1 along the line and across it; a corner is the middle of a photo's pixel.
    along = (torch.arange(times * cut.width, device=top_left.device) + 0.5) / (times * cut.width) - 0.5 / cut.wide
    across = (torch.arange(times * LINE_HEIGHT, device=top_left.device) + 0.5) / (times * LINE_HEIGHT) - 0.5 / cut.high
    top = torch.lerp(top_left, top_right, along[:, None])
    bottom = torch.lerp(bottom_left, bottom_right, along[:, None])
    return torch.lerp(top, bottom, across[:, None, None])


def _filled_up(pictures: list[torch.Tensor]) -> torch.Tensor:
    """So many at once that there are few different numbers: a GPU prepares for each anew, which takes longer than to
    compute some in vain."""
    wanted = 1 << (len(pictures) - 1).bit_length()
    return torch.stack([*pictures, *pictures[:1] * (wanted - len(pictures))])


def _upright(picture: torch.Tensor, orientation: int) -> torch.Tensor:
    """A stored (3, H, W) picture, turned and mirrored as EXIF says: its first row and column are these sides."""
    if orientation in ON_THEIR_SIDE:
        picture = picture.transpose(1, 2)
    mirrored = {2: [2], 3: [1, 2], 4: [1], 6: [2], 7: [1, 2], 8: [1]}
    return picture.flip(mirrored[orientation]) if orientation in mirrored else picture
