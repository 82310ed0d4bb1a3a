"""How many numbers of whole photos the spotter finds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bibwatch.read.photo_file import size_of
from bibwatch.read.ppocr.lines import SPOTTER_SIGHT, seen_size
from bibwatch.read.ppocr.on_cpu import resized
from bibwatch.read.ppocr.spots import Maps, spots

if TYPE_CHECKING:
    from bibwatch.read.photo_file import Image
    from bibwatch.train.spotter.lessons import Lesson, Quads

    See = Callable[[Image], Maps]  # what the spotter says of a picture whose sides are multiples of 32

THRESHOLD = 0.2
COVERED = 0.5  # of the area of both together that a number and its box share


@dataclass(frozen=True, slots=True)
class Found:
    """What a spotter finds in photos."""

    photos: int
    numbers: int  # that the teacher read
    found: int  # of these
    boxes: int  # that the spotter saw, all in all

    @property
    def recall(self) -> float:
        """The share of the numbers that it finds."""
        return self.found / max(1, self.numbers)

    @property
    def boxes_a_photo(self) -> float:
        """What reading them costs."""
        return self.boxes / max(1, self.photos)


def measure(see: See, lessons: Sequence[Lesson]) -> Found:
    """What a spotter finds in these photos, seen as those are that are read."""
    numbers = found = boxes = 0
    for lesson in lessons:
        size = size_of(lesson.picture)
        maps = see(resized(lesson.picture, *seen_size(*size, SPOTTER_SIGHT)))
        corners = np.array([cut.corners for cut in spots(maps, *size, THRESHOLD)])
        numbers += len(lesson.numbers)
        boxes += len(corners)
        found += sum(_is_covered(number, corners) for number in lesson.numbers)
    return Found(len(lessons), numbers, found, boxes)


def _is_covered(number: Quads, corners: Quads) -> bool:
    """Whether the upright rectangle around one of the boxes is nearly the number's."""
    if not len(corners):
        return False
    low, high = corners.min(axis=1), corners.max(axis=1)
    shared = np.clip(np.minimum(high, number.max(axis=0)) - np.maximum(low, number.min(axis=0)), 0, None).prod(axis=1)
    together = (high - low).prod(axis=1) + (number.max(axis=0) - number.min(axis=0)).prod() - shared
    return bool((shared / together).max() >= COVERED)
