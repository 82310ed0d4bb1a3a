"""The embedded engine: PP-OCRv6 small on ONNX Runtime, with the models that the rapidocr package carries."""

from __future__ import annotations

import hashlib
import math
import os
import string
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bibwatch.errors import EngineUnavailable
from bibwatch.read.spelling import spellings, steps
from bibwatch.values import Box, Reading

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bibwatch.read.photo_file import Image

MODELS = ("PP-OCRv6_det_small.onnx", "PP-OCRv6_rec_small.onnx")
# The long side that the detector sees, in pixels; docs/accuracy.md has what other sizes find, and cost.
LONG_SIDE = 2048  # of a larger photo
SMALL_SIDE = 1600  # of a small photo, enlarged
ENLARGED = 1.5  # times, where that lies between the two
MULTIPLE = 32  # pixels; the detector's input is made of these
MAX_ASPECT = 25  # a line longer than this many times its height is a banner, and costs memory without bound
LINE_HEIGHT = 48  # pixels of a line that the recogniser sees
LINE_WIDTH = 160  # pixels; shorter lines are padded to it: narrower ones are read less well
CHARACTERS = string.digits + string.ascii_letters + "-./:;,#_|+@©€$£¥· "  # told one by one in spellings of a line
# Raise it whenever this room makes other readings of the same photo than before.
REVISION = 2


@cache
def fingerprint() -> str:
    """`ppocr:` and a mark of the model files, the library that runs them, and the revision of this room's own work."""
    mark = hashlib.sha256(f"{REVISION} {version('rapidocr')}".encode())
    for model in _model_paths():
        mark.update(hashlib.sha256(model.read_bytes()).digest())
    return f"ppocr:{mark.hexdigest()[:16]}"


class PpocrEngine:
    """Detection on the photo at a size that suits it, then recognition of every text line found, on one thread."""

    device = "cpu"
    batch = 1

    def __init__(self) -> None:
        # ONNX Runtime sends statistics to its maker otherwise, and keeps files of its own below $HOME for that.
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        import cv2  # the service process never imports the model libraries
        from rapidocr import RapidOCR
        from rapidocr.ch_ppocr_det import TextDetector
        from rapidocr.ch_ppocr_det.utils import DetPreProcess
        from rapidocr.ch_ppocr_rec import TextRecognizer

        cv2.setNumThreads(1)
        threads = {f"EngineConfig.onnxruntime.{kind}_op_num_threads": 1 for kind in ("intra", "inter")}
        config = RapidOCR(params={"Global.log_level": "error", **threads}).cfg
        for part, model in zip((config.Det, config.Rec), _model_paths(), strict=True):
            part.engine_cfg = config.EngineConfig.onnxruntime
            part.model_path = str(model)  # a path of our own keeps the library from downloading
            part.font_path = None
        self._detector = TextDetector(config.Det)
        self._prepare = DetPreProcess(MULTIPLE, "min", config.Det.mean, config.Det.std)
        self._recogniser = TextRecognizer(config.Rec)
        alphabet = self._recogniser.postprocess_op.character
        self._columns = [0, *(alphabet.index(character) for character in CHARACTERS)]  # the blank comes first
        self.name = fingerprint()

    def read(self, images: Sequence[Image]) -> Iterator[tuple[Reading, ...]]:
        """Every text with a digit in each upright (H, W, 3) uint8 RGB picture, in turn."""
        return map(self._read, images)

    def _read(self, image: Image) -> tuple[Reading, ...]:
        upright = np.ascontiguousarray(image[:, :, ::-1])  # the library's order is BGR
        readings = (self._reading(upright, quad, score) for quad, score in self._detect(upright))
        return tuple(reading for reading in readings if reading is not None)

    def _detect(self, image: Image) -> list[tuple[NDArray[np.float32], float]]:
        """Text lines as (4, 2) corners in pixels of this image, clockwise from top left, each with its score.

        The library's own call sorts the boxes and leaves the scores behind, so its parts are called one by one.
        """
        scale = sight(*image.shape[:2])
        seen = _resized(image, scale)
        tensor = self._prepare(seen)
        if tensor is None:  # a strip that is less than half a MULTIPLE wide
            return []
        found = zip(*self._detector.postprocess_op(self._detector.session(tensor), seen.shape[:2]), strict=True)
        return [(quad / scale, float(score)) for quad, score in found if _aspect(quad) <= MAX_ASPECT]

    def _reading(self, image: Image, quad: NDArray[np.float32], detection_score: float) -> Reading | None:
        """What the line in these corners says, cut from the photo at full size; None where it holds no digit."""
        line = _line(image, quad)
        width = max(LINE_WIDTH, 8 * math.ceil(LINE_HEIGHT * line.shape[1] / line.shape[0] / 8))
        tensor = self._recogniser.resize_norm_img(line, width / LINE_HEIGHT)[np.newaxis]
        output = self._recogniser.session(tensor)
        [(text, score)], _ = self._recogniser.postprocess_op(output)
        if not any(character.isdigit() for character in text):
            return None
        spelled = spellings(steps(output[0][:, self._columns].tolist(), CHARACTERS))
        return Reading(text, float(score), _box(quad, image), detection_score, self.name, spellings=spelled)


def sight(height: int, width: int) -> float:
    """How many times larger than a photo of this size, in pixels, the detector sees it; less than 1 for large ones."""
    long = max(height, width)
    return min(LONG_SIDE, max(SMALL_SIDE, ENLARGED * long)) / long


def _model_paths() -> list[Path]:
    """Where the model files lie, without importing the library."""
    spec = find_spec("rapidocr")
    if spec is None or spec.origin is None:
        raise EngineUnavailable("engine ppocr needs the package rapidocr: pip install rapidocr")
    paths = [Path(spec.origin).parent / "models" / name for name in MODELS]
    for path in paths:
        if not path.is_file():
            raise EngineUnavailable(f"{path}: the model file is missing; reinstall the package: pip install rapidocr")
    return paths


def _resized(image: Image, scale: float) -> Image:
    import cv2

    height, width = image.shape[:2]
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)  # type: ignore[return-value]


def _line(image: Image, quad: NDArray[np.float32]) -> Image:
    """The line in these corners, upright, and no higher than the recogniser sees it."""
    from rapidocr.utils.process_img import get_rotate_crop_image

    line = get_rotate_crop_image(image, quad.astype(np.float32))
    return _resized(line, min(1.0, LINE_HEIGHT / line.shape[0]))


def _aspect(quad: NDArray[np.float32]) -> float:
    """The longer side of four corners over the shorter one."""
    sides = np.linalg.norm(quad - np.roll(quad, -1, axis=0), axis=1)
    return float(sides.max() / max(sides.min(), 1.0))


def _box(quad: NDArray[np.float32], image: Image) -> Box:
    """The upright rectangle around four corners, inside the image."""
    height, width = image.shape[:2]
    x0, y0 = np.floor(quad.min(axis=0)).astype(int)
    x1, y1 = np.ceil(quad.max(axis=0)).astype(int)
    return Box(max(0, int(x0)), max(0, int(y0)), min(width, int(x1)), min(height, int(y1)))
