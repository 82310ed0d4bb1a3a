"""VGG Image Annotator's CSV of regions, as box files (the first notebook)."""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bibwatch.errors import TrainingError
from bibwatch.values import Box

NAME, COUNT, SHAPE = "filename", "region_count", "region_shape_attributes"


@dataclass(slots=True)
class Annotated:
    """What a CSV says of one photo."""

    name: str  # of its file
    boxes: list[Box] = field(default_factory=list)
    unusable: int = 0  # regions that are no rectangle

    @property
    def tells_something(self) -> bool:
        """Whether there are boxes, or there is surely no dossard."""
        return bool(self.boxes) or self.unusable == 0


@dataclass(frozen=True, slots=True)
class Annotations:
    """The photos of a CSV in its order, and every problem with its line."""

    photos: list[Annotated]
    problems: list[str]


def read_vgg(path: Path) -> Annotations:
    """The rectangles in a CSV that VGG Image Annotator (1 or 2) exported.

    Raises:
        TrainingError: the file cannot be read, or is no such CSV.
    """
    photos: dict[str, Annotated] = {}
    problems = []
    for line, row in _rows(path):
        name = Path(row[NAME] or "").name
        if not name:
            problems.append(f"{path}, line {line}: names no photo")
            continue
        photo = photos.setdefault(name, Annotated(name))
        try:
            box = _rectangle(row)
        except ValueError as error:
            photo.unusable += not _is_bare(row)
            problems.append(f"{path}, line {line}: {name}: {error}")
        else:
            photo.boxes.append(box)
    return Annotations(list(photos.values()), problems)


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each row with its line; version 1 of the annotator writes a # before the first column."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            rows.fieldnames = [column.lstrip("#").strip() for column in rows.fieldnames or ()]
            missing = [column for column in (NAME, SHAPE) if column not in rows.fieldnames]
            if missing:
                text = "in VGG Image Annotator choose Annotation, Export annotations (as csv)"
                raise TrainingError(f"{path}, line 1: has no column {', '.join(missing)}; {text}")
            for row in rows:
                yield rows.line_num, row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TrainingError(f"{path}: cannot be read as CSV: {error}") from error


def _is_bare(row: dict[str, Any]) -> bool:
    """Whether the row stands for a photo without any region."""
    return (row.get(COUNT) or "").strip() in ("", "0") and (row[SHAPE] or "").strip() in ("", "{}")


def _rectangle(row: dict[str, Any]) -> Box:
    if _is_bare(row):
        raise ValueError("has no region, so it counts as a photo without a dossard")
    try:
        shape = json.loads(row[SHAPE] or "")
    except ValueError as error:
        raise ValueError(f"its region is broken JSON: {error}") from error
    if not isinstance(shape, dict) or not shape:
        raise ValueError("its region is empty")
    if shape.get("name") != "rect":
        raise ValueError(f"its region is a {shape.get('name', 'shape without a name')}, not a rect")
    try:
        x, y, width, height = (round(float(shape[key])) for key in ("x", "y", "width", "height"))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError("its rect needs the numbers x, y, width and height") from error
    box = Box(max(0, x), max(0, y), x + width, y + height)
    if box.x0 >= box.x1 or box.y0 >= box.y1:
        raise ValueError(f"its rect is empty: {row[SHAPE]}")
    return box
