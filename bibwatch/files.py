"""Files that people name for us to write: whole or not at all, and never over something of theirs."""

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from bibwatch.errors import BibwatchError


def must_be_new(path: Path, *, force: bool) -> None:
    """Refuse to write over what is there, unless asked to; even then it must be a file.

    Raises:
        BibwatchError: something is there, or its folder is not.
    """
    try:
        strange = path.exists() and not path.is_file()
    except OSError as error:
        raise BibwatchError(f"{path}: cannot be written: {error.strerror}") from error
    if strange:
        raise BibwatchError(f"{path}: is no regular file; name another one")
    if not path.parent.is_dir():
        raise BibwatchError(f"{path.parent}: no such folder")
    if os.path.lexists(path) and not force:
        raise BibwatchError(f"{path}: exists already; name a new file, or write over it with --force")


def beside(path: Path, ending: str) -> Path:
    """The file of the same name with another ending, which may be more than a suffix."""
    return path.with_name(path.stem + ending)


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write to, which takes its place at `path`, or where a link there leads, once it is complete.

    Raises:
        BibwatchError: it cannot be written.
    """
    try:
        place = path.resolve()
    except RuntimeError as error:  # links that lead in a circle
        raise BibwatchError(f"{path}: cannot be written: {error}") from error
    try:
        with tempfile.TemporaryDirectory(prefix=f".{place.name}-", dir=place.parent) as folder:
            fresh = Path(folder, place.name)
            with fresh.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            if place.exists():
                fresh.chmod(stat.S_IMODE(place.stat().st_mode))
            fresh.replace(place)
    except OSError as error:
        raise BibwatchError(f"{path}: cannot be written: {error.strerror}") from error
