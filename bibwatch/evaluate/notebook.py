"""The notebook's way to read photos: one after the other, a detector on the whole, then four looks at every dossard."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bibwatch.read.dossard.models import folder_of, missing_models
from bibwatch.read.dossard.setup import DossardSetup
from bibwatch.read.photo_file import decode

if TYPE_CHECKING:
    from bibwatch.read.photo_file import Image

IMAGE_SIZE, THRESHOLD = 1000, 0.2  # the notebook's


class NotebookWay:
    """The notebook's loop, as far as its models are here.

    Raises:
        ImportError: torch or EasyOCR is not installed.
        EngineUnavailable: the weights, the models or the device are not what they should be.
    """

    def __init__(self, weights: Path | None, easyocr_models: Path | None, device: str, threads: int) -> None:
        folder = folder_of(easyocr_models)
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        try:
            if weights is None:  # which see dossards everywhere, or nowhere: there is nothing to look at four times
                self._read = _detector(None, device, threads)
                self.ran = "Faster R-CNN with random weights, and so no OCR; --weights names yours"
            elif missing_models(folder):
                self._read = _detector(weights, device, threads)
                self.ran = f"Faster R-CNN with {weights.name}, and no OCR, as EasyOCR's models are not in {folder}"
            else:
                self._read = _engine(weights, folder, device, threads)
                self.ran = f"Faster R-CNN with {weights.name}, then EasyOCR's four passes"
        finally:  # the service that is measured beside it sees the GPUs that there are
            os.environ.pop("CUDA_VISIBLE_DEVICES", None)
            if visible is not None:
                os.environ["CUDA_VISIBLE_DEVICES"] = visible

    def read(self, photos: Sequence[Path], number: int) -> float:
        """Seconds for all photos, from their files to their readings."""
        began = time.perf_counter()
        for photo in photos:
            self._read(decode(photo.read_bytes(), last_look=True))
        return time.perf_counter() - began


def _detector(weights: Path | None, device: str, threads: int) -> Callable[[Image], object]:
    from bibwatch.read.dossard.detector import Detector, HalfPrecision, network, trained_network
    from bibwatch.read.dossard.square import Square
    from bibwatch.read.gpu import torch_device

    place = torch_device(device, threads)
    model = network() if weights is None else trained_network(weights, weights.read_bytes())
    detector = Detector(model, place, THRESHOLD, batch=1)
    detector.half = HalfPrecision(trials=0)  # the notebook's precision is the whole one

    def read(image: Image) -> object:
        return detector.detect([Square(image.shape[1], image.shape[0], IMAGE_SIZE).picture(image)])

    return read


def _engine(weights: Path, folder: Path, device: str, threads: int) -> Callable[[Image], object]:
    from bibwatch.read.dossard.engine import DossardEngine

    setup = DossardSetup(weights, THRESHOLD, IMAGE_SIZE, folder, download=False, certain_score=None)
    engine = DossardEngine(setup, device, threads)

    def read(image: Image) -> object:
        return list(engine.read([image]))

    return read
