"""The embedded engine: PP-OCRv6 small on ONNX Runtime, with the models that the rapidocr package carries."""

from __future__ import annotations

import hashlib
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
# Raise it whenever this file makes other readings of the same photo than before.
REVISION = 1


@cache
def fingerprint() -> str:
    """`ppocr:` and a mark of the model files, the library that runs them, and this file's own settings."""
    mark = hashlib.sha256(f"{REVISION} {LONG_SIDE} {version('rapidocr')}".encode())
    for model in _model_paths():
        mark.update(hashlib.sha256(model.read_bytes()).digest())
    return f"ppocr:{mark.hexdigest()[:16]}"


class PpocrEngine:
    """Detection on the photo at up to 2048 pixels, then recognition of every text line found, on one thread."""

    def __init__(self) -> None:
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
        self._name = fingerprint()

    def read(self, image: Image) -> tuple[Reading, ...]:
        """Every text with a digit in an upright (H, W, 3) uint8 RGB picture."""
        from rapidocr.ch_ppocr_rec import TextRecInput

        seen, scale = _shrunk(image)
        quads, detection_scores = self._detect(seen)
        if len(quads) == 0:
            return ()
        lines = self._recogniser(TextRecInput(img=[_crop(seen, quad) for quad in quads]))
        readings = zip(quads, detection_scores, lines.txts or (), lines.scores, strict=True)
        return tuple(
            Reading(text, float(score), _box(quad * scale, image), float(detection_score), self._name)
            for quad, detection_score, text, score in readings
            if any(character.isdigit() for character in text)
        )

    def _detect(self, image: Image) -> tuple[NDArray[np.float32], list[float]]:
        """Text lines as (N, 4, 2) corners in pixels of this image, clockwise from top left, with their scores.

        The library's own call sorts the boxes and leaves the scores behind, so its parts are called one by one.
        """
        tensor = self._detector.get_preprocess()(image)
        if tensor is None:
            return np.empty((0, 4, 2), np.float32), []
        return self._detector.postprocess_op(self._detector.session(tensor), image.shape[:2])


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


def _box(quad: NDArray[np.float32], image: Image) -> Box:
    """The upright rectangle around four corners, inside the image."""
    height, width = image.shape[:2]
    x0, y0 = np.floor(quad.min(axis=0)).astype(int)
    x1, y1 = np.ceil(quad.max(axis=0)).astype(int)
    return Box(max(0, int(x0)), max(0, int(y0)), min(width, int(x1)), min(height, int(y1)))
