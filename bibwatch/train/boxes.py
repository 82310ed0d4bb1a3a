"""Box files: one text file a photo, `x1,y1,x2,y2` a line in pixels of the photo; an empty file means no dossard."""

from collections.abc import Iterable
from pathlib import Path

from bibwatch.errors import TrainingError
from bibwatch.values import Box


def box_file_of(photo: Path, folder: Path) -> Path:
    """Where the boxes of a photo are: IMG_0001.JPG -> IMG_0001.txt."""
    return folder / f"{photo.stem}.txt"


def boxes_as_text(boxes: Iterable[Box]) -> str:
    """The content of a box file."""
    return "".join(f"{','.join(map(str, box))}\n" for box in boxes)


def read_boxes(path: Path) -> tuple[Box, ...]:
    """The boxes in a file.

    Raises:
        TrainingError: it cannot be read, or a line is no box; the first such line is named.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise TrainingError(f"{path}: no such box file; make an empty one where a photo shows no dossard") from error
    except (OSError, UnicodeDecodeError) as error:
        raise TrainingError(f"{path}: cannot be read: {error}") from error
    return tuple(_box(path, number, line) for number, line in enumerate(lines, start=1) if line.strip())


def _box(path: Path, number: int, line: str) -> Box:
    try:
        x0, y0, x1, y1 = (int(part) for part in line.split(","))
    except ValueError as error:
        raise TrainingError(f"{path}, line {number}: {line!r} is no box; write x1,y1,x2,y2 in whole pixels") from error
    if not (x0 < x1 and y0 < y1):
        raise TrainingError(f"{path}, line {number}: {line!r} is an empty box; x1 < x2 and y1 < y2 are needed")
    return Box(x0, y0, x1, y1)
