"""The notebook's view of a photo: padded with zeros to a square, then resized."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bibwatch.values import Box

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bibwatch.read.photo_file import Image

STRIP = 256  # rows that are padded at a time


@dataclass(frozen=True, slots=True)
class Square:
    """How a photo of `width` x `height` pixels lies in a padded square of `size` x `size` pixels."""

    width: int
    height: int
    size: int

    @property
    def _scale(self) -> float:
        """Photo pixels per pixel of the square."""
        return max(self.width, self.height) / self.size

    @property
    def _padding(self) -> tuple[int, int]:
        """Zeros left of the photo and above it, in its own pixels: the smaller half where the padding is odd."""
        side = max(self.width, self.height)
        return (side - self.width) // 2, (side - self.height) // 2

    def picture(self, image: Image) -> Image:
        """The (size, size, 3) square of an upright (height, width, 3) uint8 RGB photo.

        Pillow resizes bilinearly over all pixels that fall together, as the notebook's torchvision does with a Pillow
        image. It resizes across first and down afterwards, so the outcome is the same to the pixel where the rows are
        padded and narrowed a few at a time; the whole square of a panorama would take gigabytes.
        """
        left, top = self._padding
        side = max(self.width, self.height)
        across = ((0, 0), (left, side - self.width - left), (0, 0))
        strips = (np.pad(image[start : start + STRIP], across) for start in range(0, self.height, STRIP))
        narrow = np.concatenate([_resized(strip, self.size, len(strip)) for strip in strips])
        down = ((top, side - self.height - top), (0, 0), (0, 0))
        return _resized(np.pad(narrow, down), self.size, self.size)

    def to_photo(self, box: Box) -> Box:
        """A box of the square in pixels of the photo, every pixel that it touches; at least one pixel."""
        left, top = self._padding
        x0, x1 = _span(box.x0 * self._scale - left, box.x1 * self._scale - left, self.width)
        y0, y1 = _span(box.y0 * self._scale - top, box.y1 * self._scale - top, self.height)
        return Box(x0, y0, x1, y1)

    def place(self, box: Box) -> tuple[float, float, float, float]:
        """A box of the photo in pixels of the square, x0, y0, x1, y1."""
        left, top = self._padding
        x0, x1 = ((x + left) / self._scale for x in (box.x0, box.x1))
        y0, y1 = ((y + top) / self._scale for y in (box.y0, box.y1))
        return x0, y0, x1, y1

    def from_photo(self, box: Box) -> Box:
        """A box of the photo in pixels of the square, truncated as the notebook does; at least one pixel."""
        x0, y0, x1, y1 = map(int, self.place(box))
        return Box(x0, y0, max(x0 + 1, x1), max(y0 + 1, y1))


def _resized(image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    from PIL import Image as Pillow

    return np.asarray(Pillow.fromarray(image).resize((width, height), Pillow.Resampling.BILINEAR))


def _span(start: float, end: float, length: int) -> tuple[int, int]:
    first = min(max(0, math.floor(start + 1e-6)), length - 1)
    return first, max(first + 1, min(length, math.ceil(end - 1e-6)))
