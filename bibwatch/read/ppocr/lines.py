"""Where the text lines of a photo are, and how large the detector sees it. No pixels are touched but a heat map's."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bibwatch.values import Box

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Heat = NDArray[np.uint8]  # (H, W), 0..255: how much each pixel looks like text
    Corners = NDArray[np.float32]  # (4, 2) pixels, clockwise from the top left of the text

MULTIPLE = 32  # pixels; what the detector sees is made of these
ENLARGED = 1.5  # times, where that lies between a sight's two sides
LINE_HEIGHT = 48  # pixels of a line that the recogniser sees
LINE_WIDTH = 160  # pixels; shorter lines are padded to it: narrower ones are read less well
LINE_STEP = 8  # pixels; padded widths are made of these
STANDS = 1.5  # times higher than wide: such a line is read from below
MAX_ASPECT = 25  # a line longer than this many times its height is a banner, and costs memory without bound


class Sight(NamedTuple):
    """The long side that a network sees, in pixels; docs/speed.md has what others find, and cost."""

    large: int  # of a large photo
    small: int  # of a small photo, enlarged


DETECTOR_SIGHT = Sight(2048, 1600)
SPOTTER_SIGHT = Sight(1024, 1024)


class Cut(NamedTuple):
    """Where a line is, and how large."""

    corners: Corners  # pixels of the photo
    detection_score: float  # 0..1
    wide: int  # pixels of the photo
    high: int

    @property
    def width(self) -> int:
        """Pixels, once it is LINE_HEIGHT high."""
        return math.ceil(LINE_HEIGHT * self.wide / self.high)


def seen_size(height: int, width: int, sight: Sight) -> tuple[int, int]:
    """Height and width at which a network sees a photo of this size, all in pixels."""
    long = max(height, width)
    scale = min(sight.large, max(sight.small, ENLARGED * long)) / long
    high, wide = (max(1, round(side * scale / MULTIPLE)) * MULTIPLE for side in (height, width))
    return high, wide


class LineFinder:
    """Finds the lines in a heat map, as the library does it."""

    def __init__(self) -> None:
        from rapidocr.ch_ppocr_det.utils import DBPostProcess

        # The library's own settings for this detector, in heats.
        self._boxes = DBPostProcess(thresh=0.3 * 255, box_thresh=0.5 * 255, unclip_ratio=1.6, use_dilation=True)

    def lines(self, heat: Heat, height: int, width: int) -> list[Cut]:
        """The lines of a photo of this size in pixels, whatever the heat map's own size is."""
        size = np.array((height, width))
        finest = np.maximum(size, heat.shape)  # the library tells corners in whole pixels
        found = zip(*self._boxes(heat[np.newaxis, np.newaxis], tuple(finest)), strict=True)
        cuts = (cut_of(corners * (size / finest)[::-1], score / 255) for corners, score in found)
        return [cut for cut in cuts if cut is not None]


def by_width(cuts: Iterable[Cut], most: int) -> Iterator[tuple[int, list[int]]]:
    """A width and the places of lines that are padded to it, so many at a time at most, until all have been told."""
    places: dict[int, list[int]] = defaultdict(list)
    for place, cut in enumerate(cuts):
        places[max(LINE_WIDTH, LINE_STEP * math.ceil(cut.width / LINE_STEP))].append(place)
    for width, some in places.items():
        yield from ((width, some[begin : begin + most]) for begin in range(0, len(some), most))


def rectangle(x: float, y: float, wide: float, high: float) -> Corners:
    """The corners of an upright one, from its top left."""
    return np.array(((x, y), (x + wide, y), (x + wide, y + high), (x, y + high)), np.float32)


def box_of(cut: Cut, height: int, width: int) -> Box:
    """The upright rectangle around a line, inside the photo."""
    x0, y0 = np.floor(cut.corners.min(axis=0)).astype(int)
    x1, y1 = np.ceil(cut.corners.max(axis=0)).astype(int)
    return Box(max(0, int(x0)), max(0, int(y0)), min(width, int(x1)), min(height, int(y1)))


def cut_of(corners: Corners, score: float) -> Cut | None:
    """A line with these corners whose text is upright; None for one that is too thin."""
    wide, high = _sides(corners)
    if high >= STANDS * wide:
        corners, wide, high = np.roll(corners, -1, axis=0), high, wide
    if wide < 1 or high < 1 or max(wide, high) > MAX_ASPECT * min(wide, high):
        return None
    return Cut(corners.astype(np.float32), float(score), int(wide), int(high))


def _sides(corners: Corners) -> tuple[float, float]:
    """The longer of each two opposite sides: along the text, and across it."""
    along_top, right, along_bottom, left = np.linalg.norm(corners - np.roll(corners, -1, axis=0), axis=1)
    return max(along_top, along_bottom), max(right, left)
