"""Photos with their boxes, as the detector is trained on them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import torch

from bibwatch.errors import PhotoError, TrainingError
from bibwatch.read.dossard.detector import as_floats
from bibwatch.read.dossard.square import Square
from bibwatch.read.photo_file import decode
from bibwatch.train.boxes import box_file_of, read_boxes
from bibwatch.values import Box

EXTENSIONS = (".jpg", ".jpeg", ".png")
VALIDATION_SHARE = 0.2
Tell = Callable[[int, int], None]  # hears how many of something are done, and of how many
SHOWN_PROBLEMS = 10
KEPT_BYTES = 1 << 30  # of decoded squares, for training and for validation each


@dataclass(frozen=True, slots=True)
class Scene:
    """A photo and its dossards."""

    photo: Path
    boxes: tuple[Box, ...]  # pixels of the upright photo

    @property
    def name(self) -> str:
        """The photo's file name."""
        return self.photo.name


class Named(Protocol):
    """What a photo is learned from by its name."""

    @property
    def name(self) -> str:
        """The photo's file name."""
        ...


Of = TypeVar("Of", bound=Named)


def find_scenes(photos: Path, boxes: Path) -> list[Scene]:
    """Every photo in a folder with its box file, by name.

    Raises:
        TrainingError: with every problem: a folder or box file that is missing, a line that is no box.
    """
    scenes, problems = [], []
    for photo in find_photos(photos):
        try:
            scenes.append(Scene(photo, read_boxes(box_file_of(photo, boxes))))
        except TrainingError as error:
            problems.append(str(error))
    refuse(problems)
    return scenes


def find_photos(folder: Path) -> list[Path]:
    """The photos of a folder, by name.

    Raises:
        TrainingError: there are too few to learn from some and measure on others.
    """
    try:
        found = sorted(path for path in folder.iterdir() if path.suffix.lower() in EXTENSIONS and path.is_file())
    except OSError as error:
        raise TrainingError(f"{folder}: no folder of photos: {error.strerror}") from error
    if len(found) < 2:
        raise TrainingError(f"{folder}: {len(found)} photos; training and validation need at least one each")
    return found


def refuse(problems: Sequence[str]) -> None:
    """Raise a TrainingError that shows the first problems, if there are any."""
    if problems:
        more = [f"and {len(problems) - SHOWN_PROBLEMS} more"] if len(problems) > SHOWN_PROBLEMS else []
        raise TrainingError("\n".join([*problems[:SHOWN_PROBLEMS], *more]))


def split(scenes: Sequence[Of], seed: int) -> tuple[list[Of], list[Of]]:
    """Four fifths to train on and one fifth to validate on, the same for the same photos and seed."""
    shuffled = sorted(scenes, key=lambda scene: scene.name)
    random.Random(seed).shuffle(shuffled)
    held_out = max(1, round(len(shuffled) * VALIDATION_SHARE))
    return shuffled[held_out:], shuffled[:held_out]


class Squares:
    """The scenes padded and resized as the engine sees photos; kept once decoded, the first gigabyte of them.

    Raises where a scene is taken:
        TrainingError: its photo cannot be read.
    """

    def __init__(self, scenes: Sequence[Scene], size: int) -> None:
        self._scenes = scenes
        self._size = size
        self._kept: dict[int, tuple[np.ndarray[Any, Any], Any]] = {}

    def __len__(self) -> int:
        return len(self._scenes)

    @property
    def names(self) -> list[str]:
        """The photos' file names."""
        return [scene.name for scene in self._scenes]

    def take(self, index: int, *, flipped: bool = False) -> tuple[Any, dict[str, Any]]:
        """A (3, size, size) float32 tensor, 0..1, and torchvision's target: boxes as (N, 4) float32, labels 1."""
        picture, boxes = self._kept.get(index) or self._square(self._scenes[index])
        if len(self._kept) * picture.nbytes < KEPT_BYTES:
            self._kept[index] = picture, boxes
        if flipped:
            picture, boxes = picture[:, ::-1], boxes.copy()
            boxes[:, [0, 2]] = self._size - boxes[:, [2, 0]]
        tensor = torch.from_numpy(as_floats(picture).transpose(2, 0, 1).copy())
        return tensor, {"boxes": torch.from_numpy(boxes), "labels": torch.ones(len(boxes), dtype=torch.int64)}

    def _square(self, scene: Scene) -> tuple[np.ndarray[Any, Any], Any]:
        try:
            image = decode(scene.photo.read_bytes(), last_look=True)
        except (OSError, PhotoError) as error:
            raise TrainingError(f"{scene.photo}: {error}") from error
        height, width = image.shape[:2]
        square = Square(width, height, self._size)
        clipped = [_clipped(scene, box, width, height) for box in scene.boxes]
        boxes = np.array([square.place(box) for box in clipped], np.float32).reshape(-1, 4)
        return square.picture(image), boxes


def _clipped(scene: Scene, box: Box, width: int, height: int) -> Box:
    """The box as far as it lies in the photo; annotators draw a little over the edge, but not by half a box."""
    inside = Box(max(0, box.x0), max(0, box.y0), min(width, box.x1), min(height, box.y1))
    if 2 * (inside.x1 - inside.x0) < box.x1 - box.x0 or 2 * (inside.y1 - inside.y0) < box.y1 - box.y0:
        text = "was it annotated before the photo was turned upright?"
        raise TrainingError(
            f"{scene.photo}: the box {tuple(box)} lies outside of its {width} x {height} pixels; {text}"
        )
    return inside
