"""The notebook's CSV of labels, `images_dossard_labels.csv`: one row for each number on each dossard."""

import csv
import io
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bibwatch.errors import BibwatchError
from bibwatch.values import Box

COLUMNS = ("image_name", "bbox", "bbox_score", "ocr_text", "ocr_score")
NUMBER = re.compile(r"\d+")  # what the notebook's merging leaves


@dataclass(frozen=True, slots=True)
class Label:
    """One row."""

    image_name: str  # of the photo's file, perhaps after some of the folders above it
    square_box: Box  # pixels of the padded, resized photo
    box_score: float  # 0..1
    text: str  # digits
    score: float  # 0..1


@dataclass(frozen=True, slots=True)
class LabelFile:
    """The rows of a CSV: those that can be used, by line, and what is wrong with the others."""

    labels: dict[int, Label]  # line -> row
    problems: list[str]  # each with its line


def read_labels(path: Path, image_size: int) -> LabelFile:
    """Every row of a CSV whose boxes lie in squares of `image_size` pixels.

    Raises:
        BibwatchError: the file cannot be read, or is no such CSV.
    """
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            return _parsed(path, csv.DictReader(file), image_size)
    except OSError as error:
        raise BibwatchError(f"{path}: cannot be read: {error.strerror}") from error
    except csv.Error as error:
        raise BibwatchError(f"{path}: is no CSV file: {error}") from error


def labels_as_text(labels: Iterable[Label]) -> str:
    """A CSV as the notebook writes it."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    for label in labels:
        rows.writerow((label.image_name, list(label.square_box), label.box_score, label.text, label.score))
    return text.getvalue()


def distinct_names(paths: Iterable[Path]) -> dict[Path, str]:
    """Path -> its file name, with as many of the folders above it as tell it from the other paths."""
    left = set(paths)
    names: dict[Path, str] = {}
    length = 1
    while left:
        ends = {path: path.parts[-length:] for path in left}
        counts: dict[tuple[str, ...], int] = {}
        for end in ends.values():
            counts[end] = counts.get(end, 0) + 1
        names |= {path: "/".join(end) for path, end in ends.items() if counts[end] == 1}
        left -= names.keys()
        length += 1
    return names


def lines_of(labels: dict[int, Label]) -> dict[str, list[int]]:
    """Image name -> its lines, in the order of the file."""
    by_name: dict[str, list[int]] = {}
    for line, label in labels.items():
        by_name.setdefault(label.image_name, []).append(line)
    return by_name


def _parsed(path: Path, rows: "csv.DictReader[str]", image_size: int) -> LabelFile:
    missing = [column for column in COLUMNS if column not in (rows.fieldnames or ())]
    if missing:
        raise BibwatchError(
            f"{path}, line 1: has no column {', '.join(missing)}; the notebook's CSV begins with {','.join(COLUMNS)}"
        )
    labels, problems = {}, []
    for row in rows:
        try:
            labels[rows.line_num] = _label(row, image_size)
        except ValueError as error:
            problems.append(f"{path}, line {rows.line_num}: {error}")
    return LabelFile(labels, problems)


def _label(row: dict[str, str | None], image_size: int) -> Label:
    name, text = row["image_name"] or "", (row["ocr_text"] or "").strip()
    if not Path(name.strip()).name:
        raise ValueError("names no image")
    if not NUMBER.fullmatch(text):
        raise ValueError(f"ocr_text {text!r} is not made of digits only")
    box = _box(row["bbox"] or "", image_size)
    return Label(name, box, _share(row, "bbox_score"), text, _share(row, "ocr_score"))


def _box(text: str, image_size: int) -> Box:
    try:
        numbers = json.loads(text)
        if not isinstance(numbers, list):
            raise TypeError
        x0, y0, x1, y1 = (int(number) for number in numbers)
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise ValueError(f"bbox {text[:60]!r} is no list of four numbers") from error
    if not (0 <= x0 < x1 <= image_size and 0 <= y0 < y1 <= image_size):
        limits = (
            f"a padded square of {image_size} pixels; the config's reader.dossard.image_size must be the notebook's"
        )
        raise ValueError(f"bbox {text} is no box inside {limits}")
    return Box(x0, y0, x1, y1)


def _share(row: dict[str, str | None], column: str) -> float:
    text = row[column] or ""
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise ValueError(f"{column} {text!r} is no number from 0 to 1")
    return share
