"""The embedded engine: PP-OCRv6 small on ONNX Runtime, with the models that the rapidocr package carries."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bibwatch.errors import EngineUnavailable
from bibwatch.values import Box, Reading

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bibwatch.read.photo_file import Image

MODELS = ("PP-OCRv6_det_small.onnx", "PP-OCRv6_rec_small.onnx")
LONG_SIDE = 2048  # pixels; a larger photo is shrunk to it before detection
SHORT_SIDE = 736  # pixels; a smaller photo is enlarged to it, as far as LONG_SIDE allows
MAX_ASPECT = 25  # a line longer than this many times its height is a banner, and costs memory without bound
# Raise it whenever this file makes other readings of the same photo than before.
REVISION = 1


@cache
def fingerprint() -> str:
    """`ppocr:` and a mark of the model files, the library that runs them, and this file's own settings."""
    mark = hashlib.sha256(f"{REVISION} {LONG_SIDE} {SHORT_SIDE} {MAX_ASPECT} {version('rapidocr')}".encode())
    for model in _model_paths():
        mark.update(hashlib.sha256(model.read_bytes()).digest())
    return f"ppocr:{mark.hexdigest()[:16]}"


class PpocrEngine:
    """Detection on the photo at up to 2048 pixels, then recognition of every text line found, on one thread."""

    device = "cpu"
    batch = 1

    def __init__(self) -> None:
        # ONNX Runtime sends statistics to its maker otherwise, and keeps files of its own below $HOME for that.
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        import cv2  # the service process never imports the model libraries
        from rapidocr import RapidOCR
        from rapidocr.ch_ppocr_det import TextDetector
        from rapidocr.ch_ppocr_rec import TextRecognizer

        cv2.setNumThreads(1)
        threads = {f"EngineConfig.onnxruntime.{kind}_op_num_threads": 1 for kind in ("intra", "inter")}
        config = RapidOCR(params={"Global.log_level": "error", **threads}).cfg
        for part, model in zip((config.Det, config.Rec), _model_paths(), strict=True):
            part.engine_cfg = config.EngineConfig.onnxruntime
            part.model_path = str(model)  # a path of our own keeps the library from downloading
            part.font_path = None
        self._detector = TextDetector(config.Det)
        self._recogniser = TextRecognizer(config.Rec)
        self._normalisation = (config.Det.mean, config.Det.std)
        self.name = fingerprint()

    def read(self, images: Sequence[Image]) -> Iterator[tuple[Reading, ...]]:
        """Every text with a digit in each upright (H, W, 3) uint8 RGB picture, in turn."""
        return map(self._read, images)

    def _read(self, image: Image) -> tuple[Reading, ...]:
        from rapidocr.ch_ppocr_rec import TextRecInput

        seen, scale = _shrunk(image)
        detected = self._detect(seen)
        if not detected:
            return ()
        lines = self._recogniser(TextRecInput(img=[_crop(seen, quad) for quad, _ in detected]))
        return tuple(
            Reading(text, float(score), _box(quad * scale, image), float(detection_score), self.name)
            for (quad, detection_score), text, score in zip(detected, lines.txts or (), lines.scores, strict=True)
            if any(character.isdigit() for character in text)
        )

    def _detect(self, image: Image) -> list[tuple[NDArray[np.float32], float]]:
        """Text lines as (4, 2) corners in pixels of this image, clockwise from top left, each with its score.

        The library's own call sorts the boxes and leaves the scores behind, so its parts are called one by one.
        """
        from rapidocr.ch_ppocr_det.utils import DetPreProcess

        # A thin strip must not be enlarged by its short side alone: 3000 x 4 pixels would become 552000 x 736.
        short, long = sorted(image.shape[:2])
        prepare = DetPreProcess(min(SHORT_SIDE, short * LONG_SIDE // long), "min", *self._normalisation)
        tensor = prepare(image)
        if tensor is None:
            return []
        found = zip(*self._detector.postprocess_op(self._detector.session(tensor), image.shape[:2]), strict=True)
        return [(quad, score) for quad, score in found if _aspect(quad) <= MAX_ASPECT]


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


def _shrunk(image: Image) -> tuple[Image, float]:
    """The image with its long side at most LONG_SIDE, in the library's BGR order, and how many times smaller it is."""
    import cv2

    height, width = image.shape[:2]
    scale = max(height, width) / LONG_SIDE
    if scale > 1:
        size = (max(1, round(width / scale)), max(1, round(height / scale)))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    return np.ascontiguousarray(image[:, :, ::-1]), max(scale, 1.0)


def _crop(image: Image, quad: NDArray[np.float32]) -> NDArray[Any]:
    from rapidocr.utils.process_img import get_rotate_crop_image

    return get_rotate_crop_image(image, quad.copy())


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
