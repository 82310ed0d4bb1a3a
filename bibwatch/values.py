"""The words that all rooms share, as frozen values without I/O."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

MAX_DIGITS = 5  # races number to 99999; longer strings on photos are phone numbers and watermarks
MOST_IN_BURST = 60  # photos: three seconds before and after, at ten a second
LONGEST_FORMAL = 12  # characters of a bib that is more than a number: a format may take for ever on a longer text
LONGEST_BIB = 60  # characters; with a template around it, it still makes a folder name


class Box(NamedTuple):
    """A half-open rectangle in pixels of the upright photo (EXIF orientation applied)."""

    x0: int
    y0: int
    x1: int
    y1: int


class FileStamp(NamedTuple):
    """What tells one state of a file from the next, as the file system reports it."""

    device: int
    inode: int
    size: int  # bytes
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, stat: os.stat_result) -> FileStamp:
        """The stamp in a stat result."""
        return cls(stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)

    @property
    def version(self) -> tuple[int, int]:
        """Size in bytes and mtime in nanoseconds: what makes a new version of a photo.

        Inode and ctime are left out: network shares renumber inodes, and a hard link made by us moves the ctime.
        """
        return self.size, self.mtime_ns


@dataclass(frozen=True, slots=True)
class Photo:
    """One version of an image file in a watched folder."""

    path: Path
    size: int  # bytes
    mtime_ns: int


class Sighting(NamedTuple):
    """What is known of a photo from when it was seen last."""

    version: tuple[int, int]  # size in bytes, mtime in nanoseconds
    place: bytes | None  # its folder's, as `bibwatch.mounts` names places; None where nobody knows where it is now


class NameRange(NamedTuple):
    """A stretch of the file names in one folder, in the order of their bytes; all of them unless it says otherwise."""

    after: bytes = b""  # the first name lies behind this
    upto: bytes = b"\xff" * 256  # the last one may be this; no name comes later

    def holds(self, name: str) -> bool:
        """Whether a name lies in the stretch."""
        return self.after < os.fsencode(name) <= self.upto


ALL_NAMES = NameRange()


@dataclass(frozen=True, slots=True)
class Job:
    """A photo's turn in the queue, claimed."""

    photo_id: int
    version: int  # counts the photo's versions, so that a late answer about an old one is known
    photo: Photo
    attempts: int  # claims of this version so far, this one included


Effort = Literal["fast", "balanced", "thorough"]  # of the engine ppocr; docs/speed.md has what each costs and finds

UNKNOWN = "?"  # in a spelling: a character that is no part of a bib or of the text around it, or that nobody can read

_ZERO = re.compile(r"(?<=\d)[oO](?=\d|\b)|(?<![A-Za-z])[oO](?=\d)")
_ONE = re.compile(r"(?<=\d)[Il|](?=\d|\b)|(?<![A-Za-z])[Il](?=\d\d)")
_RUN = re.compile(rf"[0-9{re.escape(UNKNOWN)}]+")
_NO_DIGIT = re.compile(rf"[^0-9{re.escape(UNKNOWN)}]")


class Spelling(NamedTuple):
    """A text that a recogniser may have meant."""

    text: str
    probability: float  # 0..1, over all ways to write it


@dataclass(frozen=True, slots=True)
class Reading:
    """A text with a digit, as one engine saw it in one photo."""

    text: str
    score: float  # 0..1, of the text
    box: Box  # pixels of the upright photo
    detection_score: float  # 0..1, of the box
    engine: str  # name and fingerprint of models and settings
    square_box: Box | None = None  # pixels of the padded square, where the engine saw the photo as one
    spellings: tuple[Spelling, ...] = ()  # likeliest first; none where the recogniser tells no more than its text


@dataclass(frozen=True, slots=True)
class Correction:
    """A person's word about the bibs of a photo's content; wins over the readings."""

    kind: Literal["set", "add", "remove"]
    bibs: tuple[str, ...]
    made_at: float = field(default=0.0, compare=False)  # seconds since the epoch


class Shot(NamedTuple):
    """When a photo was taken, and by which camera, as the camera says."""

    camera: str  # its serial number, or else its model
    at: float  # seconds by its own clock, with fractions


@dataclass(frozen=True, slots=True)
class ReadPhoto:
    """A photo whose content was read: where it lies, and all that is known about its bibs."""

    path: Path
    width: int  # pixels of the upright photo
    height: int
    readings: tuple[Reading, ...]
    corrections: tuple[Correction, ...]  # oldest first
    shot: Shot | None = None  # None where the file does not tell


@dataclass(frozen=True, slots=True)
class Targets:
    """The bibs that get a folder: those named, or every bib accepted where `bibs` is None."""

    bibs: frozenset[str] | None


LinkMode = Literal["symlink", "hardlink", "copy"]


@dataclass(frozen=True, slots=True)
class Link:
    """One entry in the link tree, as bibwatch made it or wants it."""

    path: Path  # absolute
    photo: Path  # absolute
    mode: LinkMode
    text: str | None = None  # what a symlink holds
    stamp: FileStamp | None = None  # the hardlink or copy that we made, as its file system shows it
    copied: tuple[int, int] | None = None  # the version of the photo that a copy was made from


def bib_fault(bib: str) -> str | None:
    """Why a text cannot be a bib, which is the name of a folder too; None where it can."""
    plain = bib.strip()
    if plain and plain.isprintable() and "/" not in plain and not plain.startswith(".") and len(plain) <= LONGEST_BIB:
        return None
    return f"{bib!r} is no bib: a bib is a short name for a folder, without slashes"


def shown(path: Path | str) -> str:
    """A path as one printable line: names may hold newlines, escape codes or bytes that are no text."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


def count_of(number: int, noun: str) -> str:
    """1 photo, 2 photos."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def with_digits(text: str) -> str:
    """The text with O and I, l, | beside digits as 0 and 1, which leaves its length as it is."""
    return _ONE.sub("1", _ZERO.sub("0", text))


def mentioned(*texts: str) -> set[str]:
    """The digits of each bib that texts may name, by whatever rules: of each row of digits, each word, and the whole.

    Where one character of a text could not be read, it stands for any digit, as UNKNOWN.
    """
    return {digits for text in texts for digits in _mentioned(text)}


def ways_to_mention(bib: str) -> set[str]:
    """The `mentioned` digits of texts that may name this bib: its own, and those with one that could not be read.

    Empty for a bib without digits, which any text may name.
    """
    digits = _NO_DIGIT.sub("", bib.replace(UNKNOWN, ""))
    return {digits, *(digits[:place] + UNKNOWN + digits[place + 1 :] for place in range(len(digits)))} - {""}


def _mentioned(text: str) -> set[str]:
    forms = {form.replace(UNKNOWN, " ") for form in (text, with_digits(text))}
    if text.count(UNKNOWN) == 1:
        place = text.index(UNKNOWN)
        as_if = with_digits(text.replace(UNKNOWN, "5"))
        forms |= {text, as_if[:place] + UNKNOWN + as_if[place + 1 :]}
    rows = {row for form in forms for row in _RUN.findall(form)}
    words = {_NO_DIGIT.sub("", word) for form in forms for word in (form, *form.split())}
    words |= {word.replace(UNKNOWN, "") for word in words}
    return {digits for digits in rows | words if 0 < len(digits) <= LONGEST_FORMAL}
