"""What is done with pixels, wherever they lie: the networks, and the cutting and resizing around them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bibwatch.read.photo_file import Picture
    from bibwatch.read.ppocr.lines import Cut
    from bibwatch.read.ppocr.spots import Maps
    from bibwatch.values import Box

MIDDLE = 127.5  # of the values of a byte, which the networks see as -1 to 1

Pixels = TypeVar("Pixels")  # a whole picture, or a line cut from one, where the networks are
Line = TypeVar("Line", contravariant=True)  # a line cut from a picture


class Steps(NamedTuple):
    """What a recogniser says of N lines, at each of T steps along them."""

    best: NDArray[np.intp]  # (N, T): the likeliest character's place in the alphabet
    probability: NDArray[np.float32]  # (N, T), 0..1: its probability
    told: NDArray[np.float32]  # (N, T, K), 0..1: the probabilities of K characters that were asked for


class Recogniser(Protocol[Line]):
    """A network that reads lines."""

    alphabet: list[str]  # the blank comes first

    def read(self, lines: Sequence[Line], width: int, characters: NDArray[np.intp]) -> Steps:
        """What lines say that are padded to this width, a multiple of 8; `characters` are places in the alphabet."""
        ...


class Networks(Protocol[Pixels]):
    """A spotter of numbers, a text detector and recognisers of lines, and the pixels that they see."""

    device: str  # where they run, for people
    batch: int  # photos that they take best at once
    lines: int  # and lines: many more would take memory without bound
    looks_at_parts: bool  # whether parts of a photo, of many sizes, cost less than all of it
    decodes: bool  # whether they would rather have JPEG files than pictures

    @property
    def recognisers(self) -> Sequence[Recogniser[Pixels]]:
        """The one that reads lines; or a quick one, and one that reads again what that doubts."""
        ...

    def take(self, pictures: Sequence[Picture]) -> list[Pixels]:
        """Bring upright pictures to where the networks are.

        Raises:
            PhotoUnreadable: a file cannot be decoded.
        """
        ...

    def part(self, picture: Pixels, box: Box) -> Pixels:
        """What of a picture lies in this box."""
        ...

    def spot(self, pictures: Sequence[Pixels], height: int, width: int) -> list[Maps]:
        """Where numbers may be in each of these pictures, at this size, in multiples of 32."""
        ...

    def detect(self, pictures: Sequence[Pixels], height: int, width: int) -> NDArray[np.uint8]:
        """How much each pixel looks like text, 0..255, at this size, in multiples of 32: (N, height, width)."""
        ...

    def cut(self, picture: Pixels, cuts: Sequence[Cut]) -> list[Pixels]:
        """Lines of a picture, upright and 48 pixels high."""
        ...


def alphabet_of(characters: str) -> list[str]:
    """A recogniser's alphabet, from what its file holds: one character a line; the blank and the space are added."""
    return ["", *characters.splitlines(), " "]
