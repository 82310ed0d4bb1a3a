"""Photos of one camera within seconds of each other help each other's doubtful readings. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from bibwatch.match.decide import Match, Rules, corrected, may_run, maybes_of, read_bibs, words_about
from bibwatch.values import Box, ReadPhoto

NEAR = 0.15  # of the photo's longer side, that a bib may have moved from one photo of a burst to the next
ALIKE = 1.5  # times as high, or as low, as it may have become


class Inferred(NamedTuple):
    """A doubtful bib that another photo of the burst shows surely, at a similar place."""

    match: Match
    source: ReadPhoto  # the photo that shows it surely


def inferred_bibs(photo: ReadPhoto, burst: Iterable[ReadPhoto], rules: Rules) -> dict[str, Inferred]:
    """Bib -> what speaks for it, of the maybes of a photo that its burst supports.

    Only what is read surely supports; what is itself inferred does not, so that no doubt travels along a burst.
    """
    maybes = {bib: match for bib, match in maybes_of(photo, rules).items() if may_run(bib, rules)}
    if not maybes:
        return {}
    found: dict[str, Inferred] = {}
    for other in burst:
        if other.path == photo.path or other.shot is None or (other.width, other.height) != (photo.width, photo.height):
            continue
        sure = read_bibs(other.readings, rules, maybes)
        shown = corrected(sure, words_about(other, rules))
        for bib, match in maybes.items():
            if bib in sure and bib in shown and bib not in found and _similar(match, sure[bib], photo):
                found[bib] = Inferred(match, other)
    return found


def _similar(one: Match, other: Match, photo: ReadPhoto) -> bool:
    """Whether two readings stand at about the same place, about as large."""
    (x, y, height), (other_x, other_y, other_height) = _place(one.reading.box), _place(other.reading.box)
    moved = math.hypot(x - other_x, y - other_y) / max(photo.width, photo.height)
    return moved <= NEAR and max(height, other_height) <= ALIKE * min(height, other_height)


def _place(box: Box) -> tuple[float, float, float]:
    """Centre and height, in pixels."""
    return (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2, max(1.0, box.y1 - box.y0)
