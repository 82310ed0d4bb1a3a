"""The networks in torch, with the pixels beside them: on a GPU in half precision, or, for tests, on a processor."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import onnx
import torch
from onnx import helper
from torch.nn import functional

from bibwatch.errors import EngineUnavailable
from bibwatch.read.gpu import TROUBLE, WAY_OUT, device_name, torch_device, troubles_told
from bibwatch.read.photo_file import Encoded, decoded
from bibwatch.read.ppocr import models
from bibwatch.read.ppocr.gpu_pixels import cut_lines, decoded_together, resized
from bibwatch.read.ppocr.graph import folded
from bibwatch.read.ppocr.lines import LINE_WIDTH, Cut
from bibwatch.read.ppocr.networks import MIDDLE, Networks, Steps, alphabet_of
from bibwatch.read.ppocr.on_cpu import GREY, CpuNetworks
from bibwatch.read.ppocr.spots import Maps

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what it is built on says that it will be gone one day
    import onnx2torch
    from onnx2torch.node_converters.activations import OnnxErf

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bibwatch.read.photo_file import Image, Picture
    from bibwatch.values import Box

ROUNDING = 0.05  # of a probability, that half precision may be off


class GpuNetworks:
    """Spotter, detector and recogniser in floating point, several pictures at a time; pictures are (3, H, W) uint8 RGB.

    Raises:
        EngineUnavailable: there is no such GPU, or it does not compute, or not what ONNX Runtime computes.
    """

    batch = 8
    lines = 32
    looks_at_parts = False  # a GPU prepares for every new size, which takes longer than to look at the whole
    decodes = True

    def __init__(self, device: str) -> None:
        self._place = torch_device(device, threads=1)
        self._type = torch.float16 if self._place.type == "cuda" else torch.float32
        torch.backends.cudnn.allow_tf32 = False  # the spotter's boxes are told in numbers, which need all their digits
        try:
            self.device = device_name(self._place)
            self._detector = self._network(folded(models.detector()), self._type)
            self.recognisers = (self._recogniser(folded(models.recogniser())),)
            self._spotter = self._network(folded(models.SPOTTER), torch.float32)
            off = _difference(self, CpuNetworks("thorough"))
        except Exception as error:  # as the conversion, the GPU and what drives it raise anything
            text = f"torch {torch.__version__} does not compute on {device}; {WAY_OUT}: {type(error).__name__}: {error}"
            raise EngineUnavailable(text) from error
        if not off < ROUNDING:
            text = f"what torch {torch.__version__} computes on {self.device} is off by {off:.3f}"
            raise EngineUnavailable(f"{text}; set reader.device to cpu, and tell us")

    def take(self, pictures: Sequence[Picture]) -> list[torch.Tensor]:
        """See `Networks`; JPEG files are decoded on the GPU, together, where it can."""
        with troubles_told(), torch.inference_mode():
            files = [picture for picture in pictures if isinstance(picture, Encoded)]
            on_gpu = iter(self._decoded(files))
            taken = [next(on_gpu) if isinstance(picture, Encoded) else self._there(picture) for picture in pictures]
            self._wait()
            return taken

    def part(self, picture: torch.Tensor, box: Box) -> torch.Tensor:
        """See `Networks`."""
        return picture[:, box.y0 : box.y1, box.x0 : box.x1]

    def spot(self, pictures: Sequence[torch.Tensor], height: int, width: int) -> list[Maps]:
        """See `Networks`; raises what `detect` does."""
        with troubles_told(), torch.inference_mode():
            seen = _filled_up([resized(picture, height, width, self._type) for picture in pictures])
            told = self._spotter(seen.permute(0, 2, 3, 1))
            heat, shape = (maps[: len(pictures)].float().cpu().numpy() for maps in told)
            return [Maps(heat[place, 0], shape[place]) for place in range(len(pictures))]

    def detect(self, pictures: Sequence[torch.Tensor], height: int, width: int) -> NDArray[np.uint8]:
        """See `Networks`.

        Raises:
            EngineBroken: the GPU failed, and will fail until the process is a new one.
            PhotoOutOfReach: the GPU has not the memory for so many pictures now.
        """
        with troubles_told(), torch.inference_mode():
            seen = _filled_up([resized(picture, height, width, self._type) for picture in pictures])
            heat = self._detector(_given(seen, self._type))[: len(pictures)]
            return (heat[:, 0] * 255).round().byte().cpu().numpy()  # type: ignore[no-any-return]

    def cut(self, picture: torch.Tensor, cuts: Sequence[Cut]) -> list[torch.Tensor]:
        """See `Networks`; raises what `detect` does."""
        with troubles_told(), torch.inference_mode():
            return cut_lines(picture, cuts)

    def _recogniser(self, model: onnx.ModelProto) -> _RecogniserOnGpu:
        [told] = (told.value for told in model.metadata_props if told.key == "character")
        return _RecogniserOnGpu(self._network(model, self._type), alphabet_of(told), self._type)

    def _network(self, model: onnx.ModelProto, kind: torch.dtype) -> torch.nn.Module:
        _tell_padding(model)
        network = onnx2torch.convert(model)
        _join_gelus(network)
        return network.eval().to(self._place, kind).to(memory_format=torch.channels_last)

    def _decoded(self, files: Sequence[Encoded]) -> list[torch.Tensor]:
        """Upright pictures; on a processor where the GPU cannot decode them, or has decoded one otherwise."""
        pictures: list[torch.Tensor | None] = [None] * len(files)
        if files and self._place.type == "cuda":
            try:
                pictures = decoded_together(files, self._place)
            except torch.OutOfMemoryError:
                raise
            except (ImportError, RuntimeError) as error:
                if TROUBLE.search(str(error)):
                    raise
        return [
            self._there(decoded(file)) if picture is None else picture
            for picture, file in zip(pictures, files, strict=True)
        ]

    def _there(self, image: NDArray[np.uint8]) -> torch.Tensor:
        """(H, W, 3) to (3, H, W), where the networks are."""
        return torch.from_numpy(image).to(self._place).permute(2, 0, 1)

    def _wait(self) -> None:
        """For what the GPU has been told to do, so that its time counts where it belongs."""
        if self._place.type == "cuda":
            torch.cuda.synchronize()


class _RecogniserOnGpu:
    """The recogniser where its lines are, (3, 48, W) uint8 RGB."""

    def __init__(self, network: torch.nn.Module, alphabet: list[str], kind: torch.dtype) -> None:
        self._network = network
        self._type = kind
        self.alphabet = alphabet

    def read(self, lines: Sequence[torch.Tensor], width: int, characters: NDArray[np.intp]) -> Steps:
        """See `Recogniser`; raises what `GpuNetworks.detect` does."""
        with troubles_told(), torch.inference_mode():
            padded = [functional.pad(line, (0, width - line.shape[2]), value=GREY) for line in lines]
            told = self._network(_given(_filled_up(padded), self._type))[: len(lines)]
            probability, best = told.max(dim=2)
            asked = told[:, :, torch.from_numpy(characters).to(told.device)]
            return Steps(best.cpu().numpy(), probability.float().cpu().numpy(), asked.float().cpu().numpy())


def _given(pictures: torch.Tensor, kind: torch.dtype) -> torch.Tensor:
    """(N, 3, H, W) RGB, 0..255, to BGR, -1 to 1, in this precision."""
    scaled = (pictures.flip(1).to(kind) - MIDDLE) / MIDDLE
    return scaled.contiguous(memory_format=torch.channels_last)


def _difference(networks: Networks[Any], reference: Networks[Any]) -> float:
    """How much two ways differ, at most, in the heats of a drawn picture and in the probabilities of its characters."""
    picture = np.full((128, 320, 3), 255, np.uint8)
    cv2.putText(picture, "2419", (40, 80), cv2.FONT_HERSHEY_SIMPLEX, 2.6, (0, 0, 0), 6)
    line = Cut(np.array(((0, 0), (320, 0), (320, 96), (0, 96)), np.float32), 1.0, 320, 96)
    heat, told = _seen(networks, picture, line)
    heat_there, told_there = _seen(reference, picture, line)
    return float(max(np.abs(heat - heat_there).max(), np.abs(told - told_there).max()))


def _seen(networks: Networks[Any], picture: Image, line: Cut) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """The heats of a picture at half its size, 0..1, with the box at its hottest place, and the probabilities of all
    characters in a line of it."""
    [taken] = networks.take([picture])
    [maps] = networks.spot([taken], 64, 160)
    row, column = divmod(int(maps.heat.argmax()), maps.heat.shape[1])
    heats = (networks.detect([taken], 64, 160).ravel() / 255, maps.heat.ravel(), maps.shape[:, row, column])
    recogniser = networks.recognisers[-1]
    characters = np.arange(len(recogniser.alphabet))
    return np.concatenate(heats), recogniser.read(networks.cut(taken, [line]), LINE_WIDTH, characters).told


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


def _filled_up(pictures: list[torch.Tensor]) -> torch.Tensor:
    """So many at once that there are few different numbers: a GPU prepares for each anew, which takes longer than to
    compute some in vain."""
    wanted = 1 << (len(pictures) - 1).bit_length()
    return torch.stack([*pictures, *pictures[:1] * (wanted - len(pictures))])
