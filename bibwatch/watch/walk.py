"""One walk through a watched folder: what lies there now."""

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bibwatch.mounts import disk_of
from bibwatch.values import FileStamp
from bibwatch.watch.names import PhotoNames

Identity = tuple[int, int]  # device and inode


@dataclass(frozen=True, slots=True)
class Listing:
    """The photos that lie in one folder; with a `fault`, some could not be seen, which is no deletion."""

    folder: Path
    photos: Mapping[str, FileStamp]
    identity: Identity | None = None
    disk: str | None = None  # as `bibwatch.mounts` names it
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
        try:
            identity, disk = identity_of(folder), disk_of(folder)
            with os.scandir(folder) as entries:
                listed = list(entries)
            inside = [entry.name for entry in listed if entry.is_dir(follow_symlinks=False)] if recursive else []
        except FileNotFoundError:
            continue
        except OSError as error:
            yield Listing(folder, {}, fault=error.strerror or str(error))
            continue
        pending += [folder / name for name in inside if names.is_watched(name)]
        photos, fault = _photos_in(folder, [entry.name for entry in listed if names.is_photo(entry.name)])
        yield Listing(folder, photos, identity, disk, fault)


def _photos_in(folder: Path, names: Iterable[str]) -> tuple[dict[str, FileStamp], str | None]:
    """The photos among these names, and what is wrong with one that cannot be looked at."""
    photos: dict[str, FileStamp] = {}
    fault = None
    for name in names:
        try:
            stamp = stamp_of(folder / name)
        except OSError as error:
            fault = f"{name}: {error.strerror or error}"
        else:
            if stamp is not None:
                photos[name] = stamp
    return photos, fault


def identity_of(folder: Path) -> Identity | None:
    """What tells this folder from another one at its path, or None where there is none in reach."""
    with suppress(OSError):
        status = folder.stat()
        return status.st_dev, status.st_ino
    return None


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
