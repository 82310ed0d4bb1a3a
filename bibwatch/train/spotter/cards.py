"""Drawn bibs, as the spotter is shown them beside real ones: in many fonts and colours."""

from __future__ import annotations

import string
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from bibwatch.read.ppocr.lines import rectangle

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

HEIGHT = 64  # pixels of the number on a card, before it goes into a picture
FONTS = (  # of those that come with matplotlib
    "DejaVuSans",
    "DejaVuSans-Bold",
    "DejaVuSans-BoldOblique",
    "DejaVuSansMono-Bold",
    "DejaVuSerif-Bold",
    "STIXGeneralBol",
    "cmss10",
)
LETTERED = 0.15  # of the numbers have a letter before or after
PLAIN = 0.25  # of the numbers stand on no card, as on a shirt
FAINTEST = 60  # of 255: how much number and card differ in their lightness, at least


class Card(NamedTuple):
    """A bib by itself."""

    picture: NDArray[np.uint8]  # (H, W, 4) RGB and how much of it covers what lies behind
    number: NDArray[np.float32]  # (4, 2) pixels of it: the corners of the number


def draw_card(chance: Generator) -> Card:
    """A bib with a number of one to five digits, some with a line of letters above or below."""
    text, font = _number(chance), _font(str(chance.choice(FONTS)), HEIGHT)
    ground, ink = _colours(chance)
    thick = int(chance.integers(0, 3))
    left, top, right, bottom = (round(side) for side in font.getbbox(text, stroke_width=thick))
    wide, high = right - left, bottom - top
    beside, above, below = (int(side) for side in chance.uniform((0.15, 0.2, 0.2), (0.7, 0.9, 0.8)) * high)
    size = (wide + 2 * beside, high + above + below)
    clear = 0 if chance.random() < PLAIN else 255
    card = Image.new("RGBA", size, (*ground, clear))
    pen = ImageDraw.Draw(card)
    if clear and chance.random() < 0.6:
        _line_of_letters(pen, size, (above, below), chance)
    pen.text((beside - left, above - top), text, fill=(*ink, 255), font=font, stroke_width=thick)
    return Card(np.asarray(card), _with_a_rim(rectangle(beside, above, wide, high), 0.12 * high))


def put(card: Card, picture: NDArray[np.uint8], corners: NDArray[np.float32]) -> NDArray[np.float32]:
    """Draw a card into a (H, W, 3) picture where these corners of its own go, and tell where its number went."""
    low = np.maximum(0, np.floor(corners.min(axis=0))).astype(int)
    top = np.minimum(picture.shape[1::-1], np.ceil(corners.max(axis=0))).astype(int)
    if (top > low).all():
        shrunk = _shrunk(card.picture, corners)
        own = rectangle(0, 0, *shrunk.shape[1::-1])
        # OpenCV counts from the middle of a pixel.
        turn = cv2.getPerspectiveTransform(own - 0.5, corners - low.astype(np.float32) - 0.5)
        drawn = cv2.warpPerspective(shrunk, turn, tuple(top - low))
        behind = picture[low[1] : top[1], low[0] : top[0]]
        behind[:] = np.rint(behind * (1 - drawn[..., 3:]) + drawn[..., :3])
    turn = cv2.getPerspectiveTransform(rectangle(0, 0, *card.picture.shape[1::-1]), corners)
    moved: NDArray[np.float32] = cv2.perspectiveTransform(card.number[np.newaxis], turn)[0]
    return moved


def _shrunk(card: NDArray[np.uint8], corners: NDArray[np.float32]) -> NDArray[np.float32]:
    """(H, W, 4) as small as it goes there, so that nothing flickers: what covers as 0..1, colours multiplied by it."""
    share = card[..., 3:].astype(np.float32) / 255
    sides = np.linalg.norm(corners - np.roll(corners, -1, axis=0), axis=1)
    wide, high = (max(1, round(min(own, float(side)))) for own, side in zip(card.shape[1::-1], sides[:2], strict=True))
    whole = np.concatenate((card[..., :3] * share, share), axis=2)
    return cv2.resize(whole, (wide, high), interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def _number(chance: Generator) -> str:
    digits = int(chance.choice((1, 2, 3, 4, 5), p=(0.05, 0.12, 0.25, 0.33, 0.25)))
    text = "".join(map(str, chance.integers(0, 10, digits)))
    if chance.random() < LETTERED:
        letter = str(chance.choice(list(string.ascii_uppercase)))
        return letter + text if chance.random() < 0.7 else text + letter
    return text


def _colours(chance: Generator) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The card's, mostly light, and the number's, mostly dark."""
    while True:
        light, dark = chance.integers(150, 256, 3), chance.integers(0, 140, 3)
        if abs(float(light.mean() - dark.mean())) >= FAINTEST:
            pair = tuple(map(int, light)), tuple(map(int, dark))
            return pair if chance.random() < 0.8 else pair[::-1]


def _line_of_letters(
    pen: ImageDraw.ImageDraw, size: tuple[int, int], margins: tuple[int, int], chance: Generator
) -> None:
    at_top = bool(chance.random() < 0.6)
    room = margins[0] if at_top else margins[1]
    middle = room / 2 if at_top else size[1] - room / 2
    colours = [tuple(map(int, chance.integers(0, 256, 3))) for _ in range(2)]
    if chance.random() < 0.7:
        pen.rectangle((0, middle - room / 2, size[0], middle + room / 2), fill=(*colours[0], 255))
    letters = "".join(chance.choice(list(string.ascii_uppercase + "  "), int(chance.integers(4, 14))))
    font = _font(str(chance.choice(FONTS)), max(6, int(0.6 * room)))
    pen.text((size[0] / 2, middle), letters, fill=(*colours[1], 255), font=font, anchor="mm")


def _with_a_rim(corners: NDArray[np.float32], rim: float) -> NDArray[np.float32]:
    """A little wider on all sides, as the teacher's lines are."""
    return corners + np.array(((-rim, -rim), (rim, -rim), (rim, rim), (-rim, rim)), np.float32)


@cache
def _font(name: str, size: int) -> ImageFont.FreeTypeFont:
    """One of those that come with matplotlib."""
    import matplotlib

    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts", "ttf", f"{name}.ttf"), size)
