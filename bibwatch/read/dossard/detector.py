"""Faster R-CNN on padded squares: the network, a person's weights in it, and boxes out of it."""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torchvision.models.detection import FasterRCNN, fasterrcnn_resnet50_fpn_v2

from bibwatch.errors import EngineUnavailable
from bibwatch.values import Box

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bibwatch.read.photo_file import Image

CLASSES = 2  # background and dossard
HALF_TRIALS = 8  # photos with dossards that must agree before half precision is trusted
HALF_SHIFT = 1.0  # pixels of the square that a box may move by in half precision
TORCH_STARTS = (b"PK", b"\x80")  # of a file that torch.save wrote: a zip, formerly a pickle
EXPECTED = (
    "expected a state_dict of torchvision's fasterrcnn_resnet50_fpn_v2 with two classes (background and dossard), "
    "as torch.save(model.state_dict(), FILE) writes it"
)


_Found = tuple[list[float], float]  # box in pixels of the square, score


@dataclass(frozen=True, slots=True)
class Detection:
    """A box that may hold a dossard."""

    box: Box  # pixels of the square, truncated to whole ones
    score: float  # 0..1


def network(**limits: int) -> FasterRCNN:
    """The notebook's network with random weights; nothing is fetched.

    `limits` are torchvision's own, such as min_size, for networks that must be small enough to test.
    """
    return fasterrcnn_resnet50_fpn_v2(weights=None, weights_backbone=None, num_classes=CLASSES, **limits)


def trained_network(path: Path, data: bytes) -> FasterRCNN:
    """The notebook's network with the weights in the bytes of this file.

    Raises:
        EngineUnavailable: they are none, or of another network.
    """
    model = network()
    load_weights(model, path, read_state(path, data))
    return model


def load_weights(model: FasterRCNN, path: Path, state: Mapping[str, Any]) -> None:
    """Put a state_dict, which came from `path`, into the network.

    Raises:
        EngineUnavailable: it is one of another network.
    """
    fault = _misfit(state, model.state_dict())
    if fault:
        raise EngineUnavailable(f"{path}: {fault}; {EXPECTED}")
    model.load_state_dict(state)


def read_state(path: Path, data: bytes) -> Mapping[str, Any]:
    """The state_dict in the bytes of a file; nothing but tensors is ever unpickled.

    Raises:
        EngineUnavailable: there is none in it.
    """
    try:
        state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # damaged bytes make it raise anything
        text = "is no file of PyTorch weights, or is damaged"
        if isinstance(error, pickle.UnpicklingError) and data.startswith(TORCH_STARTS):
            text = "holds Python objects, such as a whole pickled model, which are not loaded because they may run code"
        raise EngineUnavailable(f"{path}: {text}; {EXPECTED}") from error
    if not isinstance(state, Mapping):
        raise EngineUnavailable(f"{path}: holds a {type(state).__name__}; {EXPECTED}")
    inner = [key for key, value in state.items() if isinstance(value, Mapping)]
    if inner:
        raise EngineUnavailable(f"{path}: is a training checkpoint that holds {', '.join(map(str, inner))}; {EXPECTED}")
    return state


def _misfit(state: Mapping[str, Any], wanted: Mapping[str, Any]) -> str | None:
    """Why this state_dict does not fit the network, or None."""
    for key, value in wanted.items():
        if key not in state:
            return f"has no {key}"
        if not isinstance(state[key], torch.Tensor):
            return f"{key} is no tensor"
        if state[key].shape != value.shape:
            return f"{key} has the shape {tuple(state[key].shape)}, not {tuple(value.shape)}"
    strange = next((key for key in state if key not in wanted), None)
    return None if strange is None else f"has {strange}, which that network has not"


class Detector:
    """Finds dossards in squares, several at a time where the device is a GPU."""

    def __init__(self, model: FasterRCNN, device: torch.device, threshold: float, batch: int) -> None:
        self._backbone = HalfOrFull(model.backbone, device.type)
        model.backbone = self._backbone
        self._model = model.to(device).eval()
        self._device = device
        self._threshold = threshold
        self.batch = batch  # squares at a time; halved where the device has not the memory for it
        self.half = HalfPrecision(trials=HALF_TRIALS if device.type == "cuda" else 0)

    def detect(self, squares: Sequence[Image]) -> list[list[Detection]]:
        """The dossards in each (S, S, 3) uint8 RGB square, best first.

        Raises:
            torch.OutOfMemoryError: not even one square fits.
        """
        found: list[list[Detection]] = []
        while len(found) < len(squares):
            some = squares[len(found) : len(found) + self.batch]
            try:
                found += self._detect(some)
                continue
            except torch.OutOfMemoryError:
                if len(some) == 1:
                    raise
            # Outside of the handler, which holds on to what filled the memory.
            self.batch = len(some) // 2
            if self._device.type == "cuda":
                torch.cuda.empty_cache()
        return found

    def _detect(self, squares: Sequence[Image]) -> list[list[Detection]]:
        tensors = [torch.from_numpy(as_floats(square).transpose(2, 0, 1)).to(self._device) for square in squares]
        found = self._predict(tensors, half=self.half.trusted)
        if self.half.on_trial:
            self.half.compare(found, self._predict(tensors, half=True))
        return [[Detection(Box(*map(int, box)), score) for box, score in photo] for photo in found]

    def _predict(self, tensors: Sequence[Any], *, half: bool) -> list[list[_Found]]:
        self._backbone.half_wanted = half
        with torch.inference_mode():
            outputs = self._model(tensors)
        scored = [zip(output["boxes"].tolist(), output["scores"].tolist(), strict=True) for output in outputs]
        return [[(box, score) for box, score in photo if score >= self._threshold] for photo in scored]


class HalfOrFull(torch.nn.Module):  # type: ignore[misc]
    """A backbone in half precision where that is wanted; what follows it works out boxes, and gets full precision."""

    def __init__(self, backbone: torch.nn.Module, device_type: str) -> None:
        super().__init__()
        self.backbone = backbone
        self.out_channels = backbone.out_channels
        self.half_wanted = False
        self._device_type = device_type

    def forward(self, batch: torch.Tensor) -> dict[str, torch.Tensor]:
        """(N, 3, H, W) float32 in, torchvision's feature maps out."""
        with torch.autocast(self._device_type, torch.float16, enabled=self.half_wanted):
            features = self.backbone(batch)
        return {name: feature.float() for name, feature in features.items()}


class HalfPrecision:
    """Whether half precision finds the same boxes, tried beside full precision on the first photos with dossards."""

    def __init__(self, trials: int) -> None:
        self._left = trials
        self.trusted = False

    @property
    def on_trial(self) -> bool:
        """Whether it still has to show what it can do."""
        return self._left > 0

    def compare(self, full: Sequence[Sequence[_Found]], half: Sequence[Sequence[_Found]]) -> None:
        """Take in what both found in the same photos; one that differs ends the trial."""
        for one, other in zip(full, half, strict=True):
            if not _alike(one, other):
                self._left = 0
                return
            self._left -= bool(one)
            if self._left == 0:
                self.trusted = True
                return


def as_floats(square: Image) -> NDArray[np.float32]:
    """(S, S, 3) float32 RGB, 0..1."""
    return square.astype(np.float32) / np.float32(255)


def _alike(one: Sequence[_Found], other: Sequence[_Found]) -> bool:
    """Whether each box has one of the other precision within a pixel; scores that lie close may change places."""
    twins = {min(range(len(other)), key=lambda n: _shift(box, other[n][0]), default=None): box for box, _ in one}
    if len(one) != len(other) or len(twins) != len(one):
        return False
    return all(number is not None and _shift(box, other[number][0]) <= HALF_SHIFT for number, box in twins.items())


def _shift(box: Sequence[float], other: Sequence[float]) -> float:
    """The most that any side of a box moved, in pixels."""
    return max(abs(a - b) for a, b in zip(box, other, strict=True))
