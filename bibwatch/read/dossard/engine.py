"""The engine `dossard`: squares, detection, four looks at every dossard, merging."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bibwatch.errors import EngineUnavailable
from bibwatch.read.dossard.models import easyocr_reader, folder_of
from bibwatch.read.dossard.square import Square
from bibwatch.read.gpu import WAY_OUT, device_name, torch_device, troubles_told
from bibwatch.read.photo_file import decoded
from bibwatch.read.stages import Stages
from bibwatch.values import FileStamp, Reading

if TYPE_CHECKING:
    from bibwatch.read.dossard.detector import Detection
    from bibwatch.read.dossard.setup import DossardSetup
    from bibwatch.read.photo_file import Image, Picture

GPU_BATCH = 8  # photos whose dossards are detected at once
# Raise it whenever this folder makes other readings of the same photo than before.
REVISION = 1


def fingerprint(setup: DossardSetup) -> str:
    """`dossard:` and a mark of the weights, EasyOCR's version and the settings that readings depend on.

    Raises:
        EngineUnavailable: the weights cannot be read, or EasyOCR is not installed.
    """
    try:
        stamp = FileStamp.of(setup.weights.stat())
        return _name(setup, _hash_of(setup.weights, stamp))
    except OSError as error:
        raise _unreadable(setup.weights, error) from error
    except PackageNotFoundError as error:
        raise EngineUnavailable(f"engine dossard needs {error.name}: pip install 'bibwatch[dossard]'") from error


class DossardEngine:
    """Faster R-CNN with a person's weights, and EasyOCR."""

    decodes = False
    lack: str | None = None

    def __init__(self, setup: DossardSetup, device: str, threads: int) -> None:
        place = torch_device(device, threads)
        # Both import the model libraries, which only the child process should.
        from bibwatch.read.dossard.detector import Detector, trained_network

        try:
            weights = setup.weights.read_bytes()
        except OSError as error:
            raise _unreadable(setup.weights, error) from error
        model = trained_network(setup.weights, weights)
        self.name = _name(setup, hashlib.sha256(weights).hexdigest())
        self.device = device_name(place)
        self.batch = GPU_BATCH if place.type == "cuda" else 1
        self.stages = Stages()
        self._on_gpu = place.type == "cuda"
        self._setup = setup
        self._detector = Detector(model, place, setup.detection_threshold, self.batch)
        self._reader = easyocr_reader(folder_of(setup.easyocr_models), place.type, download=setup.download)
        if self._on_gpu:
            self._try_out()

    def read(self, pictures: Sequence[Picture]) -> Iterator[tuple[Reading, ...]]:
        """The numbers on the dossards in each upright (H, W, 3) uint8 RGB picture, in turn.

        Raises:
            EngineBroken: the GPU failed, and will fail until the process is a new one.
            PhotoOutOfReach: the GPU has not the memory for one photo now.
        """
        with troubles_told():
            yield from self._read([decoded(picture) for picture in pictures])

    def _try_out(self) -> None:
        """See that the GPU computes: one that is seen may still lack what this torch needs."""
        try:
            self._detector.detect([np.zeros((self._setup.image_size, self._setup.image_size, 3), np.uint8)])
            blank = np.zeros((64, 64), np.uint8)
            self._reader.readtext(blank)
            self._reader.recognize(blank)  # which a picture without text does not come to
        except RuntimeError as error:
            raise EngineUnavailable(f"{self.device} is there, but does not compute; {WAY_OUT}: {error}") from error

    def _read(self, images: Sequence[Image]) -> Iterator[tuple[Reading, ...]]:
        squares = [Square(image.shape[1], image.shape[0], self._setup.image_size) for image in images]
        with self.stages.during("detect"):
            pictures = [square.picture(image) for square, image in zip(squares, images, strict=True)]
            found = self._detector.detect(pictures)
        for photo in zip(squares, pictures, found, strict=True):
            with self.stages.during("recognise"):
                readings = tuple(self._readings(*photo))
            yield readings

    def _readings(self, square: Square, picture: Image, detections: Sequence[Detection]) -> Iterator[Reading]:
        from bibwatch.read.dossard.detector import as_floats
        from bibwatch.read.dossard.reader import read_dossard

        floats = as_floats(picture)
        for detection in detections:
            x0, y0, x1, y1 = detection.box
            for number in read_dossard(floats[y0:y1, x0:x1], self._reader.readtext, self._setup.certain_score):
                box = square.to_photo(detection.box)
                text, score = number["ocr_text"], number["ocr_score"]
                yield Reading(text, score, box, detection.score, self.name, detection.box)


def _name(setup: DossardSetup, weights_hash: str) -> str:
    settings = f"{setup.detection_threshold} {setup.image_size} {setup.certain_score}"
    mark = hashlib.sha256(f"{REVISION} {settings} {version('easyocr')} {weights_hash}".encode())
    return f"dossard:{mark.hexdigest()[:16]}"


@lru_cache(maxsize=4)
def _hash_of(weights: Path, stamp: FileStamp) -> str:
    """The SHA-256 of a file in this state, as hex digits."""
    with weights.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _unreadable(weights: Path, error: OSError) -> EngineUnavailable:
    return EngineUnavailable(f"{weights}: the weights cannot be read: {error.strerror}; see reader.dossard.weights")
