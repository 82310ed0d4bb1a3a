"""Where the spotter is in doubt, so that the large detector looks there too. No pixels are touched."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from bibwatch.read.ppocr.lines import MULTIPLE, Cut, box_of
from bibwatch.values import Box

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bibwatch.read.ppocr.texts import Text

SURE_SPOT = 0.5  # of a spot's
ASIDE = 2.0  # heights of a number that are looked at on each side of it, at least
LEAST = 48  # pixels of the large detector's picture, likewise
EDGE = 0.3  # heights of a line: one that is nearer to a window's edge may go on beyond it
SAME = 0.5  # of a box: where another one covers more of it, they are of one text


class Window(NamedTuple):
    """A part of a photo that the large detector looks at."""

    box: Box  # pixels of the photo
    seen: tuple[int, int]  # height and width of it as the detector sees it, in multiples of 32

    @property
    def size(self) -> tuple[int, int]:
        """Its height and width in pixels of the photo."""
        return self.box.y1 - self.box.y0, self.box.x1 - self.box.x0


class Seen(NamedTuple):
    """A text in a photo."""

    cut: Cut
    text: Text

    @property
    def is_sure(self) -> bool:
        """Whether this is what it says, without a second look."""
        return self.text.is_sure and (self.cut.detection_score >= SURE_SPOT or not self.text.has_digit)


def windows(seen: Sequence[Seen], photo: Window, *, in_parts: bool) -> list[Window]:
    """What the large detector should look at of a photo that it would see wholly so.

    Around each text that is not sure, or all of the photo; that too where no number is sure, since few photos of a
    race have none.
    """
    doubtful = [one.cut for one in seen if not one.is_sure]
    has_number = any(one.text.has_digit and one.is_sure for one in seen)
    if has_number and not doubtful:
        return []
    if not (has_number and in_parts):
        return [photo]
    scale = np.array(photo.seen[::-1]) / photo.size[::-1]
    looked_at = np.zeros(np.array(photo.seen) // MULTIPLE, np.uint8)
    for cut in doubtful:
        aside = np.maximum(LEAST, ASIDE * cut.high * scale)
        low = np.floor((cut.corners.min(axis=0) * scale - aside) / MULTIPLE).astype(int)
        high = np.ceil((cut.corners.max(axis=0) * scale + aside) / MULTIPLE).astype(int)
        looked_at[max(0, low[1]) : max(0, high[1]), max(0, low[0]) : max(0, high[0])] = 1
    _, _, parts, _ = cv2.connectedComponentsWithStats(looked_at)
    return [_window(part[:2], part[2:4], scale) for part in parts[1:]]


def _window(low: NDArray[np.int32], sides: NDArray[np.int32], scale: NDArray[np.float64]) -> Window:
    """From places of the grid that the detector's pictures are made of."""
    x0, y0 = np.rint(low * MULTIPLE / scale).astype(int)
    x1, y1 = np.rint((low + sides) * MULTIPLE / scale).astype(int)
    return Window(Box(int(x0), int(y0), int(x1), int(y1)), (int(sides[1]) * MULTIPLE, int(sides[0]) * MULTIPLE))


def whole_lines(cuts: Sequence[Cut], window: Window, size: tuple[int, int]) -> list[Cut]:
    """Lines found in a window of a photo of this size, as lines of the photo, but for those that its edges may cut."""
    box, lines = window.box, []
    for cut in cuts:
        corners = cut.corners + np.array((box.x0, box.y0), np.float32)
        low, high = corners.min(axis=0), corners.max(axis=0)
        edge = EDGE * cut.high
        inside = (low[0] > box.x0 + edge or box.x0 == 0) and (low[1] > box.y0 + edge or box.y0 == 0)
        inside &= (high[0] < box.x1 - edge or box.x1 == size[1]) and (high[1] < box.y1 - edge or box.y1 == size[0])
        if inside:
            lines.append(cut._replace(corners=corners))
    return lines


def merged(seen: Sequence[Seen], again: Sequence[Seen], size: tuple[int, int]) -> list[Seen]:
    """What a photo says after the second look: its numbers win over what was not sure, and over nothing else."""
    taken = [box_of(one.cut, *size) for one in seen if one.is_sure and one.text.has_digit]
    new: dict[Box, Seen] = {}
    for one in again:
        box = box_of(one.cut, *size)
        if one.text.has_digit and not any(
            _shared(box, other) > SAME * min(_area(box), _area(other)) for other in taken
        ):
            new[box] = one
            taken.append(box)  # two windows may show one number
    return [*(one for one in seen if one.is_sure or not _is_covered(box_of(one.cut, *size), new)), *new.values()]


def _is_covered(box: Box, others: Iterable[Box]) -> bool:
    return any(_shared(box, other) > SAME * _area(box) for other in others)


def _shared(one: Box, other: Box) -> int:
    """Pixels that lie in both."""
    wide = min(one.x1, other.x1) - max(one.x0, other.x0)
    high = min(one.y1, other.y1) - max(one.y0, other.y0)
    return max(0, wide) * max(0, high)


def _area(box: Box) -> int:
    return (box.x1 - box.x0) * (box.y1 - box.y0)
