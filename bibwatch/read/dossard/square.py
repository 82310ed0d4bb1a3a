"""The notebook's view of a photo: padded with zeros to a square, then resized."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bibwatch.values import Box

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bibwatch.read.photo_file import Image


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

        Pillow resizes bilinearly over all pixels that fall together, which is what the notebook's torchvision does
        with a Pillow image.
        """
        import numpy as np
        from PIL import Image as Pillow

        left, top = self._padding
        side = max(self.width, self.height)
        right, bottom = side - self.width - left, side - self.height - top
        padded = np.pad(image, ((top, bottom), (left, right), (0, 0)))
        resized: NDArray[Any] = np.asarray(
            Pillow.fromarray(padded).resize((self.size, self.size), Pillow.Resampling.BILINEAR)
        )
        return resized

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
        """A box of the photo in pixels of the square, truncated to whole ones as the notebook does."""
        return Box(*map(int, self.place(box)))


def _span(start: float, end: float, length: int) -> tuple[int, int]:
    first = min(max(0, math.floor(start + 1e-6)), length - 1)
    return first, max(first + 1, min(length, math.ceil(end - 1e-6)))
