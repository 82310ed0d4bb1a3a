"""One walk through a watched folder: what lies there now."""

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bibwatch.values import FileStamp
from bibwatch.watch.names import PhotoNames


@dataclass(frozen=True, slots=True)
class Listing:
    """The photos that lie in one folder; `fault` says why it could not be looked into, which is no deletion."""

    folder: Path
    photos: Mapping[str, FileStamp]
    device: int | None = None
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Walked:
    """A walk through `top` has ended; every folder it saw was listed before this."""

    top: Path
    folders: frozenset[Path]
    photos: int
    whole: bool  # it covered a watched folder, not just a part of one


@dataclass(frozen=True, slots=True)
class Touched:
    """Something happened to this file."""

    path: Path


Change = Touched | Listing | Walked


def walk(top: Path, names: PhotoNames, *, recursive: bool) -> Iterator[Listing]:
    """List `top` and, if asked, the folders below it, each before its sub-folders; links are not followed.

    A folder that is gone when its turn comes is left out.
    """
    pending = [top]
    while pending:
        folder = pending.pop()
        photos: dict[str, FileStamp] = {}
        try:
            device = folder.stat().st_dev
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        if recursive and names.is_watched(entry.name):
                            pending.append(folder / entry.name)
                    elif names.is_photo(entry.name):
                        stamp = stamp_of(folder / entry.name)
                        if stamp is not None:
                            photos[entry.name] = stamp
        except FileNotFoundError:
            continue
        except OSError as error:
            yield Listing(folder, {}, fault=error.strerror or str(error))
        else:
            yield Listing(folder, photos, device)


def stamp_of(path: Path) -> FileStamp | None:
    """The stamp of a regular file, or None where there is none (any more).

    Raises:
        OSError: it cannot be told, which says nothing about the file.
    """
    try:
        status = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return FileStamp.of(status) if stat.S_ISREG(status.st_mode) else None
