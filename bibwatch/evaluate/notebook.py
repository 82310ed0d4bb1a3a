"""The notebook's way to read photos: one after the other, a detector on the whole, then four looks at every dossard."""

from __future__ import annotations

import tempfile
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
        detector = "Faster R-CNN with " + ("random weights" if weights is None else weights.name)
        if missing_models(folder):
            self._read = _detector(weights, device, threads)
            self.ran = f"{detector}, and no OCR, because EasyOCR's models are not in {folder}"
        else:
            self._read = _engine(weights, folder, device, threads)
            self.ran = f"{detector}, then EasyOCR's four passes"

    def read(self, photos: Sequence[Path], number: int) -> float:
        """Seconds for all photos, from their files to their readings."""
        began = time.perf_counter()
        for photo in photos:
            self._read(decode(photo.read_bytes(), last_look=True))
        return time.perf_counter() - began


def _detector(weights: Path | None, device: str, threads: int) -> Callable[[Image], object]:
    from bibwatch.read.dossard.detector import Detector, load_weights, network, read_state
    from bibwatch.read.dossard.square import Square
    from bibwatch.read.gpu import torch_device

    place = torch_device(device, threads)
    model = network()
    if weights is not None:
        load_weights(model, weights, read_state(weights, weights.read_bytes()))
    detector = Detector(model, place, THRESHOLD, batch=1)

    def read(image: Image) -> object:
        return detector.detect([Square(image.shape[1], image.shape[0], IMAGE_SIZE).picture(image)])

    return read


def _engine(weights: Path | None, folder: Path, device: str, threads: int) -> Callable[[Image], object]:
    import torch

    from bibwatch.read.dossard.detector import network
    from bibwatch.read.dossard.engine import DossardEngine

    with tempfile.TemporaryDirectory(prefix="bibwatch-bench-") as temporary:
        if weights is None:
            weights = Path(temporary, "random.pt")
            torch.save(network().state_dict(), weights)
        setup = DossardSetup(weights, THRESHOLD, IMAGE_SIZE, folder, download=False, certain_score=None)
        engine = DossardEngine(setup, device, threads)

    def read(image: Image) -> object:
        return list(engine.read([image]))

    return read
