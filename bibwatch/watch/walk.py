"""What lies in a watched folder now, and where. Links below a watched folder are not followed."""

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from bibwatch.mounts import inner, number_of, place_of
from bibwatch.values import ALL_NAMES, FileStamp, NameRange
from bibwatch.watch.changes import Identity, Listing, Place
from bibwatch.watch.names import PhotoNames

AT_ONCE = 500  # photos in one listing: of the others in a folder, however large it is, only the names are held


def walk(root: Path, names: PhotoNames, *, recursive: bool, top: Path | None = None) -> Iterator[Listing]:
    """List a watched folder, or the part of it from `top`, and the folders below if asked; a large one bit by bit.

    Each comes before its sub-folders. A folder that is gone, or a link, when its turn comes is left out.
    """
    top = top or root
    pending = [top]
    while pending:
        folder = pending.pop()
        try:
            if not is_reached(root, folder):
                continue
            identity, place = identity_of(folder), place_below(root, folder)
            photos, folders = _names_in(folder, names, recursive=recursive)
        except FileNotFoundError:
            continue
        except OSError as error:
            yield Listing(top, folder, {}, {}, fault=error.strerror or str(error))
            continue
        pending += [folder / name for name in folders]
        for within, some in _bits(photos):
            stamps, unseen = _stamps_of(folder, some)
            if identity != identity_of(folder):
                place = None
            yield Listing(top, folder, stamps, unseen, identity, place, names=within)


def _names_in(folder: Path, names: PhotoNames, *, recursive: bool) -> tuple[list[str], list[str]]:
    """Photos, by the bytes of their names, and the sub-folders to look into if asked."""
    photos, folders = [], []
    with os.scandir(folder) as entries:
        for entry in entries:
            if names.is_photo(entry.name):
                photos.append(entry.name)
            if recursive and names.is_watched(entry.name) and entry.is_dir(follow_symlinks=False):
                folders.append(entry.name)
    return sorted(photos, key=os.fsencode), folders


def _bits(names: Sequence[str]) -> Iterator[tuple[NameRange, Sequence[str]]]:
    """Sorted names a few at a time, each time with the stretch that holds them; the stretches leave nothing out."""
    starts = range(0, max(1, len(names)), AT_ONCE)
    for start in starts:
        after = os.fsencode(names[start - 1]) if start else ALL_NAMES.after
        some = names[start : start + AT_ONCE]
        yield NameRange(after, os.fsencode(some[-1]) if start != starts[-1] else ALL_NAMES.upto), some


def _stamps_of(folder: Path, names: Iterable[str]) -> tuple[dict[str, FileStamp], dict[str, str]]:
    """The photos among these names, and what is wrong with those that cannot be looked at."""
    photos, unseen = {}, {}
    for name in names:
        try:
            stamp = stamp_of(folder / name)
        except OSError as error:
            unseen[name] = error.strerror or str(error)
        else:
            if stamp is not None:
                photos[name] = stamp
    return photos, unseen


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


def is_reached(root: Path, folder: Path) -> bool:
    """Whether a folder at or below a watched one is there, and not behind a link, so that a scan looks into it.

    Raises:
        OSError: a disk does not answer.
    """
    return _standing(root, folder) == folder


def place_below(root: Path, folder: Path) -> Place | None:
    """The place of a folder at or below a watched one, or where it would lie; None where the watched one is missing.

    In another folder at the watched one's path everything lies in another place.

    Raises:
        OSError: a disk does not answer.
    """
    standing = _standing(root, folder)
    if standing is None:
        return None
    return b"%d " % number_of(root) + inner(place_of(standing), folder.relative_to(standing))


def _standing(root: Path, folder: Path) -> Path | None:
    """The folder itself, or the nearest one above it that is there and not behind a link; None above `root`."""
    if not _is_folder(root, follow=True):
        return None
    standing = root
    for part in folder.relative_to(root).parts:
        if not _is_folder(standing / part, follow=False):
            break
        standing /= part
    return standing


def _is_folder(path: Path, *, follow: bool) -> bool:
    try:
        return stat.S_ISDIR(path.stat(follow_symlinks=follow).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
