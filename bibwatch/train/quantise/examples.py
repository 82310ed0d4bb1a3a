"""What networks are shown that are to compute in bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

from bibwatch.read.photo_file import size_of
from bibwatch.read.ppocr.lines import Sight, seen_size
from bibwatch.read.ppocr.on_cpu import resized

if TYPE_CHECKING:
    from bibwatch.read.photo_file import Image

Some = TypeVar("Some")


def spread(some: Sequence[Some], about: int) -> Sequence[Some]:
    """About so many of them, evenly spread."""
    return some[:: max(1, len(some) // about)]


def middle(picture: Image, sight: Sight, side: int) -> Image:
    """The middle of a photo as a network of this sight sees it, so many pixels high and wide at most."""
    seen = resized(picture, *seen_size(*size_of(picture), sight))
    top, left = (max(0, length - side) // 2 for length in size_of(seen))
    return seen[top : top + side, left : left + side]
