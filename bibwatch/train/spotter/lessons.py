"""What the spotter learns from: photos with the lines that a teacher read in them, held in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from bibwatch.errors import PhotoError
from bibwatch.read.photo_file import decode, size_of
from bibwatch.read.ppocr.lines import DETECTOR_SIGHT
from bibwatch.read.ppocr.on_cpu import resized
from bibwatch.train.scenes import Tell, refuse

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bibwatch.read.photo_file import Image

    Quads = NDArray[np.float32]  # (N, 4, 2) pixels of the upright photo, clockwise from the top left of the text

SURE = 0.6  # from this score on a teacher's line with digits is a number
OF_DIGITS = 0.34  # of a number's characters, at least, are digits: a date within a banner is none
LARGEST = DETECTOR_SIGHT.large  # pixels of a photo's long side that are kept


@dataclass(frozen=True, slots=True)
class Line:
    """A text that the teacher read."""

    text: str
    score: float  # 0..1
    corners: tuple[tuple[float, float], ...]  # four, in pixels of the photo, clockwise from the top left of the text

    @property
    def is_number(self) -> bool:
        """Whether a bib could read like this."""
        digits = sum(character.isdigit() for character in self.text)
        return self.score >= SURE and digits >= max(1, OF_DIGITS * len(self.text))


@dataclass(frozen=True, slots=True)
class Lesson:
    """A photo, and where its numbers are."""

    name: str
    picture: Image
    halves: tuple[Image, ...]  # the picture at half its size, at a quarter
    numbers: Quads
    unsure: Quads  # other texts, and bibs whose number the teacher could not read: neither right nor wrong


def lessons(photos: Sequence[Path], lines: Mapping[str, Any], tell: Tell) -> list[Lesson]:
    """Every photo decoded, with its lines: `{name: {"lines": [[text, score, corners], ...], "bibs": [box, ...]}}`.

    Raises:
        TrainingError: naming the photos that cannot be used, ten at most.
    """
    cv2.setNumThreads(1)  # before its first work: processes forked later would wait for its threads for ever
    found, problems = [], []
    for done, photo in enumerate(photos, start=1):
        try:
            found.append(_lesson(photo, lines[photo.name]))
        except (OSError, PhotoError) as error:
            problems.append(f"{photo}: {error}")
        except KeyError:
            problems.append(f"{photo}: no lines are told of it; add them, or take lines.json away to have it read")
        except (TypeError, ValueError, AttributeError) as error:
            problems.append(f"{photo}: what is told of its lines cannot be used: {error}")
        tell(done, len(photos))
    refuse(problems)
    return found


def mark_of(all_of_them: Iterable[Lesson]) -> str:
    """The same for the same photos with the same numbers."""
    mark = hashlib.sha256()
    for lesson in all_of_them:
        mark.update(lesson.name.encode())
        for part in (lesson.picture, lesson.numbers, lesson.unsure):
            mark.update(part.tobytes())
    return mark.hexdigest()


def _lesson(photo: Path, told: Mapping[str, Any]) -> Lesson:
    lines = [Line(str(text), float(score), _four(quad)) for text, score, quad in told["lines"]]
    numbers = [line.corners for line in lines if line.is_number]
    others = [line.corners for line in lines if not line.is_number]
    unread = [_corners(box) for box in told.get("bibs", ()) if not any(_holds(box, number) for number in numbers)]
    picture = decode(photo.read_bytes(), last_look=True)
    scale = min(1.0, LARGEST / max(picture.shape))
    if scale < 1:
        height, width = (max(1, round(side * scale)) for side in size_of(picture))
        picture = resized(picture, height, width)
    half = _halved(picture)
    return Lesson(
        photo.name, picture, (half, _halved(half)), scale * _quads(numbers), scale * _quads([*others, *unread])
    )


def _four(quad: Any) -> tuple[tuple[float, float], ...]:
    """Four corners that lie apart.

    Raises:
        ValueError: they do not.
    """
    corners = np.array(quad, float)
    if corners.shape != (4, 2) or not np.isfinite(corners).all() or (np.ptp(corners, axis=0) < 1).any():
        raise ValueError(f"{quad} are not the four corners of a line")
    return tuple((x, y) for x, y in corners.tolist())


def _halved(picture: Image) -> Image:
    height, width = (max(1, side // 2) for side in picture.shape[:2])
    even = picture[: 2 * height, : 2 * width]
    return cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def _holds(box: Sequence[float], corners: Sequence[Sequence[float]]) -> bool:
    x, y = np.mean(corners, axis=0)
    return bool(box[0] <= x <= box[2] and box[1] <= y <= box[3])


def _corners(box: Sequence[float]) -> tuple[tuple[float, float], ...]:
    x0, y0, x1, y1 = map(float, box)
    return ((x0, y0), (x1, y0), (x1, y1), (x0, y1))


def _quads(corners: Sequence[Any]) -> Quads:
    return np.array(corners, np.float32).reshape(-1, 4, 2)
