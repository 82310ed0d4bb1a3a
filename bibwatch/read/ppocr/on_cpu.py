"""The networks on ONNX Runtime, on one thread."""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import onnxruntime

from bibwatch.read.photo_file import decoded
from bibwatch.read.ppocr import models
from bibwatch.read.ppocr.lines import LINE_HEIGHT, rectangle
from bibwatch.read.ppocr.networks import MIDDLE, Steps, alphabet_of
from bibwatch.read.ppocr.spots import Maps
from bibwatch.values import Box, Effort

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bibwatch.read.photo_file import Image, Picture
    from bibwatch.read.ppocr.lines import Cut

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # glibc's malloc.h
KEPT_IN_BYTES, KEPT_IN_FLOATS = 2**25, 2**22  # bytes of the largest block whose memory the process keeps
GREY = 128  # what lines are padded with: the middle of what the recogniser sees
BYTE_DOT_PRODUCTS = ("avx512_vnni", "avx_vnni")  # without them, bytes are multiplied no faster and less exactly


class SpotterOnCpu:
    """The spotter of a file, which computes in bytes or does not."""

    def __init__(self, model: Path, *, in_bytes: bool) -> None:
        self._session = _session(model, in_bytes=in_bytes)

    def see(self, picture: Image) -> Maps:
        """What it says of a picture whose sides are multiples of 32."""
        heat, shape = self._session.run(None, {"pictures": picture[np.newaxis]})
        return Maps(heat[0, 0], shape[0])


class RecogniserOnCpu:
    """The recogniser of a file, which computes in bytes or does not."""

    def __init__(self, model: Path, *, in_bytes: bool) -> None:
        self._session = _session(model, in_bytes=in_bytes)
        self._in_bytes = in_bytes
        self.alphabet = alphabet_of(self._session.get_modelmeta().custom_metadata_map["character"])

    def read(self, lines: Sequence[Image], width: int, characters: NDArray[np.intp]) -> Steps:
        """See `Recogniser`."""
        seen = padded(lines, width)
        told = _run(self._session, seen if self._in_bytes else as_floats(seen))
        return Steps(told.argmax(axis=2), told.max(axis=2), told[:, :, characters])


class CpuNetworks:
    """In eight-bit numbers where that is wanted and pays, and the whole recogniser beside the one in bytes."""

    device = "cpu"
    batch = 1
    lines = 4
    looks_at_parts = True
    decodes = False

    def __init__(self, effort: Effort) -> None:
        cv2.setNumThreads(1)
        self._in_bytes = effort != "thorough" and multiplies_bytes_well()
        _keep_memory(KEPT_IN_BYTES if self._in_bytes else KEPT_IN_FLOATS)
        self._spotter = SpotterOnCpu(
            models.SMALL_SPOTTER if self._in_bytes else models.SPOTTER, in_bytes=self._in_bytes
        )
        whole = RecogniserOnCpu(models.recogniser(), in_bytes=False)
        quick = [RecogniserOnCpu(models.SMALL_RECOGNISER, in_bytes=True)] if self._in_bytes else []
        self.recognisers = (*quick, whole)
        if effort != "fast":
            _ = self._detector  # so that a file that cannot be loaded is known before the first photo

    @cached_property
    def _detector(self) -> onnxruntime.InferenceSession:
        return _session(models.SMALL_DETECTOR if self._in_bytes else models.detector(), in_bytes=self._in_bytes)

    def take(self, pictures: Sequence[Picture]) -> list[Image]:
        """See `Networks`."""
        return [decoded(picture) for picture in pictures]

    def part(self, picture: Image, box: Box) -> Image:
        """See `Networks`."""
        return picture[box.y0 : box.y1, box.x0 : box.x1]

    def spot(self, pictures: Sequence[Image], height: int, width: int) -> list[Maps]:
        """See `Networks`."""
        return [self._spotter.see(resized(picture, height, width)) for picture in pictures]

    def detect(self, pictures: Sequence[Image], height: int, width: int) -> NDArray[np.uint8]:
        """See `Networks`."""
        [heat] = _run(self._detector, self._seen(pictures, height, width)).swapaxes(0, 1)
        bytes_of_heat: NDArray[np.uint8] = np.rint(heat * 255).astype(np.uint8)
        return bytes_of_heat

    def cut(self, picture: Image, cuts: Sequence[Cut]) -> list[Image]:
        """See `Networks`."""
        return [_line(picture, cut) for cut in cuts]

    def _seen(self, pictures: Sequence[Image], height: int, width: int) -> NDArray[np.generic]:
        shrunk = [resized(picture, height, width) for picture in pictures]
        return np.stack(shrunk) if self._in_bytes else as_floats(shrunk)


def multiplies_bytes_well() -> bool:
    """Whether this processor has instructions for dot products of bytes."""
    return processor_has(*BYTE_DOT_PRODUCTS)


def processor_has(*features: str) -> bool:
    """Whether this processor has one of these features, as Linux names them."""
    if platform.machine() != "x86_64":
        return False
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return False
    flags = next((line for line in lines if line.startswith("flags")), "")
    return not set(features).isdisjoint(flags.split())


def resized(image: Image, height: int, width: int) -> Image:
    """The picture at this size in pixels."""
    shrinks = height * width < image.shape[0] * image.shape[1]
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)  # type: ignore[return-value]


def padded(lines: Sequence[Image], width: int) -> Image:
    """Lines as a recogniser sees them together: (N, 48, width, 3) uint8 RGB."""
    together = np.full((len(lines), LINE_HEIGHT, width, 3), GREY, np.uint8)
    for place, line in zip(together, lines, strict=True):
        place[:, : line.shape[1]] = line
    return together


def as_floats(pictures: Iterable[Image]) -> NDArray[np.float32]:
    """So many (H, W, 3) uint8 RGB to (N, 3, H, W) float32 BGR, -1 to 1."""
    return cv2.dnn.blobFromImages(list(pictures), 1 / MIDDLE, mean=(MIDDLE,) * 3, swapRB=True)  # type: ignore[return-value]


def _line(picture: Image, cut: Cut) -> Image:
    """The line upright and LINE_HEIGHT high: enlarged in one step, or shrunk from the photo's own pixels."""
    if cut.high <= LINE_HEIGHT:
        return _straightened(picture, cut, LINE_HEIGHT, cut.width)
    return resized(_straightened(picture, cut, cut.high, cut.wide), LINE_HEIGHT, cut.width)


def _straightened(picture: Image, cut: Cut, high: int, wide: int) -> Image:
    """The line by itself, at this size in pixels."""
    # A corner is the middle of a photo's pixel, which is enlarged around it.
    x, y = (wide / cut.wide - 1) / 2, (high / cut.high - 1) / 2
    turn = cv2.getPerspectiveTransform(cut.corners, rectangle(x, y, wide, high))
    return cv2.warpPerspective(picture, turn, (wide, high), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[return-value]


def _keep_memory(largest: int) -> None:
    """Let what one picture took serve the next one, but for blocks above this size, which leave holes in the heap.

    Had all gone back to the kernel, getting it again would take a third of detection's time in bytes; in floats,
    keeping large blocks saves no time, and holes take 240 MB at 24 megapixels. The arena that ONNX Runtime would keep
    instead grows by powers of two, to more than a gigabyte.
    """
    with suppress(AttributeError):  # another C library than glibc
        mallopt = ctypes.CDLL(None).mallopt
        for what in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD):
            mallopt(what, largest)


def _session(model: Path, *, in_bytes: bool = False) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    if not in_bytes:  # weights that are stored in bytes are made floating point once, not for every picture
        options.add_session_config_entry("session.disable_quant_qdq", "1")
    options.enable_cpu_mem_arena = options.enable_mem_pattern = False  # see _keep_memory
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _run(session: onnxruntime.InferenceSession, tensor: NDArray[np.generic]) -> NDArray[np.float32]:
    [given] = session.get_inputs()
    [output] = session.run(None, {given.name: tensor})
    return output  # type: ignore[no-any-return]
