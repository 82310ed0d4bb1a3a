"""What the spotter is shown: pieces of photos, at every size, turned, blurred, in other light, with drawn bibs among
the real ones. A view is made of its seed alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from bibwatch.train.spotter.cards import draw_card, put

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.random import Generator
    from numpy.typing import NDArray

    from bibwatch.read.photo_file import Image
    from bibwatch.train.spotter.lessons import Lesson, Quads

    Turn = NDArray[np.float64]  # (2, 3): where each point of a photo goes

HIGH = (4.5, 70.0)  # pixels that the number in the middle of a view is high
SCALES = (0.15, 2.2)  # times that a photo is enlarged, at most
SHOWN = (3.5, 110.0)  # pixels; lower and higher numbers are neither right nor wrong
VISIBLE = 0.6  # of a number must lie in the view, or it is neither right nor wrong
ON_NUMBERS = 0.75  # of the views of photos with numbers have one of them in view
WITH_CARDS = 0.3  # of the views have drawn bibs too
INSIDE = 0.85  # of half a view: how far from its middle the number is at most, and how near the photo's edge
TURNED = (6.0, 35.0)  # degrees: how far most views are turned (one standard deviation), and how far others at most
FAR_TURNED = 0.15  # of the views are of the others


@dataclass(frozen=True, slots=True)
class View:
    """A square piece of a photo, as the spotter is shown it."""

    picture: Image
    numbers: Quads  # pixels of the view
    unsure: Quads


class Views:
    """Any number of views of some photos, each made of its number alone."""

    def __init__(self, lessons: Sequence[Lesson], size: int, seed: int) -> None:
        self._lessons = lessons
        self._size = size
        self._seed = seed

    def __getitem__(self, number: int) -> View:
        """The view of this number: the same for the same photos, size and seed."""
        chance = np.random.default_rng((self._seed, number))
        lesson = self._lessons[int(chance.integers(len(self._lessons)))]
        frame = _frame(lesson, self._size, chance)
        picture = _piece(lesson, frame, self._size)
        numbers, unsure = (_moved(quads, frame) for quads in (lesson.numbers, lesson.unsure))
        if chance.random() < WITH_CARDS:
            picture, numbers, unsure = _with_cards(picture, numbers, unsure, chance)
        shown = np.array([_is_shown(corners, self._size) for corners in numbers], bool)
        return View(in_other_light(picture, chance), numbers[shown], np.concatenate((unsure, numbers[~shown])))


def in_other_light(picture: Image, chance: Generator) -> Image:
    """Lighter, darker, in other colours, blurred, with noise, and as a JPEG file may have left it."""
    gain = chance.uniform(0.6, 1.4) * chance.uniform(0.88, 1.12, 3)
    shades = (np.arange(256)[:, np.newaxis] - 128) * gain + 128 + chance.normal(0, 18)
    seen: Any = cv2.LUT(picture, shades.clip(0, 255).astype(np.uint8)[np.newaxis])
    if chance.random() < 0.1:
        seen = cv2.cvtColor(cv2.cvtColor(seen, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    if chance.random() < 0.3:
        seen = cv2.GaussianBlur(seen, (0, 0), chance.uniform(0.3, 1.5))
    if chance.random() < 0.15:
        seen = cv2.filter2D(seen, -1, _motion(chance))
    if chance.random() < 0.4:
        seen = _with_noise(seen, chance)
    if chance.random() < 0.5:
        _, jpeg = cv2.imencode(".jpg", seen, (cv2.IMWRITE_JPEG_QUALITY, int(chance.integers(30, 96))))
        seen = cv2.imdecode(jpeg, cv2.IMREAD_COLOR)
    return seen  # type: ignore[no-any-return]


def _with_noise(picture: Image, chance: Generator) -> Image:
    """Lighter and darker grains, of OpenCV's own chance, which is the fastest."""
    noise = np.empty(picture.shape[:2], np.int16)
    cv2.setRNGSeed(int(chance.integers(1 << 31)))
    cv2.randn(noise, 0, chance.uniform(1, 12))  # type: ignore[call-overload]
    return cv2.add(picture, cv2.cvtColor(noise.view(np.uint16), cv2.COLOR_GRAY2RGB).view(np.int16), dtype=cv2.CV_8U)  # type: ignore[return-value]


def _frame(lesson: Lesson, size: int, chance: Generator) -> Turn:
    """Somewhere in the photo, mostly where a number is: from pixels of the photo to those of the view."""
    sides = np.array(lesson.picture.shape[1::-1])
    if len(lesson.numbers) and chance.random() < ON_NUMBERS:
        corners = lesson.numbers[chance.integers(len(lesson.numbers))]
        middle, high = corners.mean(axis=0), _height(corners)
    else:
        middle, high = chance.uniform((0, 0), sides), 0.02 * sides.max()
    scale = np.clip(math.exp(chance.uniform(*np.log(HIGH))) / high, *SCALES)
    far = chance.random() < FAR_TURNED
    angle = math.radians(chance.uniform(-TURNED[1], TURNED[1]) if far else chance.normal(0, TURNED[0]))
    stretch, slant = math.exp(chance.normal(0, 0.08)), chance.normal(0, 0.05)
    cos, sin = math.cos(angle), math.sin(angle)
    matrix = scale * np.array(((cos * stretch, slant - sin), (sin, cos / stretch)))
    half = size / 2 / scale  # pixels of the photo
    least = np.minimum(half * INSIDE, sides / 2)
    middle = np.clip(middle + chance.uniform(-half, half, 2) * INSIDE, least, sides - least)
    return np.column_stack((matrix, size / 2 - matrix @ middle))


def _piece(lesson: Lesson, frame: Turn, size: int) -> Image:
    """The view's pixels, from the photo or from one of its halves, so that nothing flickers; one colour beyond it."""
    scale = math.sqrt(abs(np.linalg.det(frame[:, :2])))
    halvings = min(len(lesson.halves), max(0, int(-math.log2(scale))))
    picture = (lesson.picture, *lesson.halves)[halvings]
    turn = frame * (2.0**halvings, 2.0**halvings, 1.0)
    turn[:, 2] += turn[:, :2].sum(axis=1) / 2 - 0.5  # OpenCV counts from the middle of a pixel
    colour = cv2.mean(lesson.halves[-1])[:3]
    return cv2.warpAffine(picture, turn, (size, size), borderMode=cv2.BORDER_CONSTANT, borderValue=colour)  # type: ignore[return-value]


def _moved(quads: Quads, frame: Turn) -> Quads:
    moved: Quads = (quads @ frame[:, :2].T + frame[:, 2]).astype(np.float32)
    return moved


def _with_cards(picture: Image, numbers: Quads, unsure: Quads, chance: Generator) -> tuple[Image, Quads, Quads]:
    """One to three drawn bibs, where there is no real number; what lies below them is gone."""
    size = len(picture)
    for _ in range(int(chance.integers(1, 4))):
        card = draw_card(chance)
        scale = math.exp(chance.uniform(*np.log(HIGH))) / _height(card.number)
        corners = _thrown(card.picture.shape[1] * scale, card.picture.shape[0] * scale, size, chance)
        low, high = corners.min(axis=0), corners.max(axis=0)
        if any(_meets(quad, low, high) for quad in numbers):
            continue
        unsure = unsure[np.array([not _covers(corners, quad) for quad in unsure], bool)]
        number = put(card, picture, corners)
        numbers = np.concatenate((numbers, number[np.newaxis]))
    return picture, numbers, unsure


def _thrown(wide: float, high: float, size: int, chance: Generator) -> Quads:
    """The corners of a card of these sides, somewhere in the view, turned and bent a little."""
    angle = math.radians(chance.normal(0, 10))
    x, y = np.array(((-wide, -high), (wide, -high), (wide, high), (-wide, high))).T / 2
    turned = np.stack((x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle)), axis=1)
    bent = turned + chance.normal(0, 0.04 * min(wide, high), (4, 2))
    corners: Quads = (bent + chance.uniform(0, size, 2)).astype(np.float32)
    return corners


def _meets(quad: Quads, low: Quads, high: Quads) -> bool:
    return bool((quad.min(axis=0) < high).all() and (quad.max(axis=0) > low).all())


def _covers(card: Quads, quad: Quads) -> bool:
    return cv2.pointPolygonTest(card, quad.mean(axis=0).tolist(), measureDist=False) >= 0


def _is_shown(corners: Quads, size: int) -> bool:
    inside = np.clip(corners, 0, size)
    share = float(cv2.contourArea(inside)) / max(1e-6, float(cv2.contourArea(corners)))
    return share >= VISIBLE and SHOWN[0] <= _height(corners) <= SHOWN[1]


def _height(corners: Quads) -> float:
    return float(np.linalg.norm(corners[3] - corners[0] + corners[2] - corners[1]) / 2)


def _motion(chance: Generator) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """The kernel of a blur along a line of three to seven pixels."""
    length = int(chance.choice((3, 5, 7)))
    kernel = np.zeros((length, length), np.float32)
    angle = chance.uniform(0, math.pi)
    half = length / 2 * np.array((math.cos(angle), math.sin(angle)))
    begin, end = (length / 2 - half).astype(int).tolist(), (length / 2 + half).astype(int).tolist()
    cv2.line(kernel, begin, end, 1.0)
    return kernel / max(1.0, float(kernel.sum()))
