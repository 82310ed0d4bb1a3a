"""Labelled photos: which bibs a careful person reads in each."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bibwatch.errors import BibwatchError
from bibwatch.values import shown


@dataclass(frozen=True, slots=True)
class LabelledPhoto:
    """A photo with what a person reads in it."""

    file: str  # relative to the folder of the photos
    bibs: frozenset[str]
    ambiguous: frozenset[str]  # doubtful or half hidden: neither right nor wrong
    source: str  # the event that it comes from, empty where the manifest tells none


def read_manifest(path: Path) -> list[LabelledPhoto]:
    """The photos of a CSV with the columns file, bibs and perhaps ambiguous and source; bibs parted by blanks.

    Raises:
        BibwatchError: it is no such file.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            photos = list(_photos(path, csv.DictReader(file)))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BibwatchError(f"{shown(path)}: cannot be read: {error}") from error
    if not photos:
        raise BibwatchError(f"{shown(path)}: no photo in it")
    return photos


def _photos(path: Path, rows: "csv.DictReader[str]") -> Iterator[LabelledPhoto]:
    missing = [column for column in ("file", "bibs") if column not in (rows.fieldnames or ())]
    if missing:
        raise BibwatchError(f"{shown(path)}: no column {' and no column '.join(missing)} in its first line")
    lines: dict[str, int] = {}
    for row in rows:
        where = f"{shown(path)}, line {rows.line_num}"
        file, written = row["file"], row["bibs"]
        if not file or written is None:
            raise BibwatchError(f"{where}: a row needs a file and its bibs, if only empty")
        if file in lines:
            raise BibwatchError(f"{where}: {shown(file)} is in line {lines[file]} already; a photo has one row")
        lines[file] = rows.line_num
        bibs = _bibs(written, where)
        ambiguous = _bibs(row.get("ambiguous") or "", where) - bibs
        yield LabelledPhoto(file, bibs, ambiguous, (row.get("source") or "").strip())


def _bibs(text: str, where: str) -> frozenset[str]:
    if parted := next((mark for mark in ",;" if mark in text), None):
        raise BibwatchError(f"{where}: {text!r}: bibs are parted by blanks, not by {parted!r}")
    return frozenset(bib.upper() for bib in text.split())
