"""Where the spotter sees numbers: what its maps mean, and the boxes in them. No pixels are touched."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from bibwatch.read.ppocr.lines import Cut, cut_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

CELL = 4  # pixels of the picture that the spotter sees, along each side of one place in its maps
SHAPES = 6  # numbers that tell a box: see `corners_of`
AROUND = np.ones((3, 3), np.uint8)  # a place and those beside it
EDGES = np.array(((-1, -1), (1, -1), (1, 1), (-1, 1)), np.float32) / 2  # from the middle, clockwise from the top left
MOST = 200  # places that are looked at in one photo, the highest: what is more is no photo of a race
WITHIN = 0.4  # of a box's sides, on each side of its middle: another one whose middle lies there is the same number


class Maps(NamedTuple):
    """What the spotter says of a picture of H x W pixels."""

    heat: Floats  # (H / 4, W / 4), 0..1: how much this looks like the middle of a number
    shape: Floats  # (6, H / 4, W / 4): the box around the number whose middle is here


def spots(maps: Maps, height: int, width: int, threshold: float) -> list[Cut]:
    """The numbers of a photo of this size in pixels, the surest first: around each the box of the highest place.

    `threshold` is the least heat of such a place.
    """
    highest = (maps.heat >= threshold) & (maps.heat >= cv2.dilate(maps.heat, AROUND))
    rows, columns = np.nonzero(highest)
    order = np.argsort(-maps.heat[rows, columns], kind="stable")[:MOST]
    rows, columns = rows[order], columns[order]
    corners = corners_of(maps.shape[:, rows, columns].T, rows, columns)
    kept = _apart(corners)
    scale = np.array((width / maps.heat.shape[1], height / maps.heat.shape[0]), np.float32) / CELL
    scores = maps.heat[rows, columns]
    cuts = (cut_of(corners[place] * scale, float(scores[place])) for place in kept)
    return [cut for cut in cuts if cut is not None]


def corners_of(shapes: Floats, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Floats:
    """The boxes (N, 4, 2) that the six numbers (N, 6) at these places mean.

    From the place to the box's middle, right and down, in cells; the logarithms of its width and height in cells; the
    direction of the text, right and down, of any length.
    """
    middles = np.stack((columns, rows), axis=1) + 0.5 + shapes[:, :2]
    sides = np.exp(np.clip(shapes[:, 2:4], -3, 6))
    along = shapes[:, 4:6] / np.maximum(np.linalg.norm(shapes[:, 4:6], axis=1, keepdims=True), 1e-6)
    down = np.stack((-along[:, 1], along[:, 0]), axis=1)
    edges = EDGES * sides[:, np.newaxis]  # (N, 4, 2), along the text and across it
    turned = edges[..., :1] * along[:, np.newaxis] + edges[..., 1:] * down[:, np.newaxis]
    corners: Floats = ((middles[:, np.newaxis] + turned) * CELL).astype(np.float32)
    return corners


def shapes_of(corners: Floats) -> tuple[Floats, Floats]:
    """The other way round: middles (N, 2) in cells, and the last four of the six numbers (N, 4) of boxes (N, 4, 2)."""
    cells = corners / CELL
    middles = cells.mean(axis=1)
    along = (cells[:, 1] + cells[:, 2] - cells[:, 0] - cells[:, 3]) / 2
    across = (cells[:, 2] + cells[:, 3] - cells[:, 0] - cells[:, 1]) / 2
    wide, high = (np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-3) for side in (along, across))
    return middles, np.concatenate((np.log(wide), np.log(high), along / wide), axis=1)


def _apart(corners: Floats) -> list[int]:
    """Which boxes stay, of those given from the best to the worst: those whose middles lie in no better one."""
    middles, told = shapes_of(corners)
    sides, along = np.exp(told[:, :2]), told[:, 2:]
    between = middles[np.newaxis] - middles[:, np.newaxis]  # (N, N, 2), from each to each
    right = np.abs(between[..., 0] * along[:, :1] + between[..., 1] * along[:, 1:])
    down = np.abs(between[..., 1] * along[:, :1] - between[..., 0] * along[:, 1:])
    inside = (right < WITHIN * sides[:, :1]) & (down < WITHIN * sides[:, 1:])  # (N, N): the second in the first
    inside |= inside.T
    kept: list[int] = []
    for place in range(len(corners)):
        if not inside[kept, place].any():
            kept.append(place)
    return kept
