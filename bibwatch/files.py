"""Files that people name for us to write: whole or not at all, and never over something of theirs."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from bibwatch.errors import BibwatchError


def must_be_new(path: Path, *, force: bool) -> None:
    """Refuse to write over what is there, unless asked to.

    Raises:
        BibwatchError: something is there, or its folder is not.
    """
    if path.is_dir():
        raise BibwatchError(f"{path}: is a folder; name a file")
    if not path.parent.is_dir():
        raise BibwatchError(f"{path.parent}: no such folder")
    if os.path.lexists(path) and not force:
        raise BibwatchError(f"{path}: exists already; name a new file, or write over it with --force")


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write to, which takes its place at `path` once it is complete and on the disk.

    Raises:
        BibwatchError: it cannot be written.
    """
    try:
        with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as folder:
            fresh = Path(folder, path.name)
            with fresh.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(path)
    except OSError as error:
        raise BibwatchError(f"{path}: cannot be written: {error.strerror}") from error
