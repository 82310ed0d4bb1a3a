"""What the spotter should say of a view: the maps of `bibwatch.read.ppocr.spots`, made of boxes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from bibwatch.read.ppocr.spots import CELL, SHAPES, shapes_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bibwatch.train.spotter.lessons import Quads

    Floats = NDArray[np.float32]

ALONG, ACROSS = 0.14, 0.22  # of a number's width and height: one standard deviation of its heat
NARROWEST = 0.55  # cells: of that, at least
BOXED = 0.3  # of the heat, from which on a place tells the box


class Targets(NamedTuple):
    """Of a view of H x W pixels, each place being a cell."""

    heat: Floats  # (H / 4, W / 4), 0..1; 1 in the middle of each number
    shape: Floats  # (6, H / 4, W / 4)
    boxed: Floats  # (H / 4, W / 4), 0..1: how much the shape matters here
    counts: Floats  # (H / 4, W / 4), 0 where neither heat nor cold would be wrong


def targets(numbers: Quads, unsure: Quads, size: int) -> Targets:
    """The maps for a square view of this size in pixels."""
    cells = size // CELL
    heat, boxed = np.zeros((cells, cells), np.float32), np.zeros((cells, cells), np.float32)
    shape, counts = np.zeros((SHAPES, cells, cells), np.float32), np.ones((cells, cells), np.float32)
    for quad in unsure:
        cv2.fillPoly(counts, [np.rint(quad / CELL - 0.5).astype(np.int32)], 0.0)
    rows, columns = np.mgrid[:cells, :cells].astype(np.float32) + 0.5
    for middle, told in zip(*shapes_of(numbers), strict=True):
        right, down = middle[0] - columns, middle[1] - rows
        along, across = right * told[2] + down * told[3], down * told[2] - right * told[3]
        spread = np.maximum(NARROWEST, np.exp(told[:2]) * (ALONG, ACROSS))
        warmth = np.exp(-((along / spread[0]) ** 2 + (across / spread[1]) ** 2) / 2).astype(np.float32)
        row, column = (int(np.clip(place, 0, cells - 1)) for place in middle[::-1])
        warmth[row, column] = 1.0
        counts[warmth > BOXED] = 1.0
        here = (warmth > BOXED) & (warmth >= heat)
        shape[:, here] = np.stack((right, down, *(np.full_like(right, one) for one in told)))[:, here]
        boxed[here] = warmth[here]
        np.maximum(heat, warmth, out=heat)
    return Targets(heat, shape, boxed, counts)
