"""The engine `dossard`: squares, detection, four looks at every dossard, merging."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bibwatch.errors import EngineBroken, EngineUnavailable
from bibwatch.read.dossard.models import easyocr_reader, folder_of
from bibwatch.read.dossard.square import Square
from bibwatch.values import FileStamp, Reading

if TYPE_CHECKING:
    import torch

    from bibwatch.read.dossard.detector import Detection
    from bibwatch.read.dossard.setup import DossardSetup
    from bibwatch.read.photo_file import Image

GPU_TROUBLE = re.compile("CUDA|cuDNN|cuBLAS", re.IGNORECASE)
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

    def __init__(self, setup: DossardSetup, device: str, threads: int) -> None:
        place = _torch_device(device, threads)
        # Both import the model libraries, which only the child process should.
        from bibwatch.read.dossard.detector import Detector, load_weights, network, read_state

        try:
            weights = setup.weights.read_bytes()
        except OSError as error:
            raise _unreadable(setup.weights, error) from error
        model = network()
        load_weights(model, setup.weights, read_state(setup.weights, weights))
        self.name = _name(setup, hashlib.sha256(weights).hexdigest())
        self.device = _device_name(place)
        self.batch = GPU_BATCH if place.type == "cuda" else 1
        self._on_gpu = place.type == "cuda"
        self._setup = setup
        self._detector = Detector(model, place, setup.detection_threshold, self.batch)
        self._reader = easyocr_reader(folder_of(setup.easyocr_models), place.type, download=setup.download)
        if self._on_gpu:
            self._try_out()

    def read(self, images: Sequence[Image]) -> Iterator[tuple[Reading, ...]]:
        """The numbers on the dossards in each upright (H, W, 3) uint8 RGB picture, in turn.

        Raises:
            EngineBroken: the GPU failed, and will fail until the process is a new one.
            MemoryError: the GPU has not the memory for one photo.
        """
        import torch

        try:
            yield from self._read(images)
        except torch.OutOfMemoryError as error:
            raise MemoryError(f"the GPU has too little memory: {error}") from error
        except RuntimeError as error:
            if GPU_TROUBLE.search(str(error)):
                raise EngineBroken(f"the GPU failed: {error}") from error
            raise

    def _try_out(self) -> None:
        """See that the GPU computes: one that is seen may still lack what this torch needs."""
        try:
            self._detector.detect([np.zeros((self._setup.image_size, self._setup.image_size, 3), np.uint8)])
            blank = np.zeros((64, 64), np.uint8)
            self._reader.readtext(blank)
            self._reader.recognize(blank)  # which a picture without text does not come to
        except RuntimeError as error:
            way_out = "free it, name another one, or set reader.device to cpu"
            raise EngineUnavailable(f"{self.device} is there, but does not compute; {way_out}: {error}") from error

    def _read(self, images: Sequence[Image]) -> Iterator[tuple[Reading, ...]]:
        squares = [Square(image.shape[1], image.shape[0], self._setup.image_size) for image in images]
        pictures = [square.picture(image) for square, image in zip(squares, images, strict=True)]
        found = self._detector.detect(pictures)
        for photo in zip(squares, pictures, found, strict=True):
            yield tuple(self._readings(*photo))

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


def _torch_device(device: str, threads: int) -> torch.device:
    """The device that a config names: auto, cpu, cuda or cuda:N.

    Raises:
        EngineUnavailable: a GPU is asked for, and torch sees none there.
    """
    kind, _, number = device.partition(":")
    if kind != "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = visible_gpu(os.environ.get("CUDA_VISIBLE_DEVICES"), int(number or 0))
    import torch

    if kind != "cpu" and torch.cuda.is_available():
        return torch.device("cuda")
    if kind == "cuda":
        built = f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "built without CUDA"
        raise EngineUnavailable(
            f"device {device} was asked for, but torch {torch.__version__} ({built}) sees no such GPU; "
            "see what `nvidia-smi` says, or set reader.device to cpu"
        )
    torch.set_num_threads(threads)
    return torch.device("cpu")


def visible_gpu(visible: str | None, index: int) -> str:
    """What CUDA_VISIBLE_DEVICES should be, so that of the GPUs it shows now only the one at `index` is seen.

    EasyOCR spreads itself over every GPU it sees, and expects to begin with the first. Empty means none at all.
    """
    if visible is None:
        return str(index)
    shown = [gpu.strip() for gpu in visible.split(",")]
    return shown[index] if index < len(shown) else ""


def _unreadable(weights: Path, error: OSError) -> EngineUnavailable:
    return EngineUnavailable(f"{weights}: the weights cannot be read: {error.strerror}; see reader.dossard.weights")


def _device_name(device: torch.device) -> str:
    import torch

    return f"cuda ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else "cpu"
