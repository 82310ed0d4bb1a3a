"""What the disk shows of a link: whether it stands as we made it. Only looks."""

import os
from dataclasses import replace
from pathlib import Path

from bibwatch.values import FileStamp, Link


def is_ours(link: Link) -> bool:
    """Whether the disk holds at this path exactly what we made there, in a real folder.

    Devices are left out, since their numbers change with a restart, and so are the inodes of copies, which file
    systems of cards and network shares make up anew.
    """
    stamp = None if link.path.parent.is_symlink() else stamp_at(link.path)
    if stamp is None:
        return False
    if link.mode == "symlink":
        return link.path.is_symlink() and os.readlink(link.path) == link.text  # noqa: PTH115  # a Path may rewrite it
    if link.stamp is None:
        return False
    return stamp.inode == link.stamp.inode if link.mode == "hardlink" else stamp.version == link.stamp.version


def is_fresh(link: Link) -> bool:
    """Whether a hardlink or copy still is the photo as it lies there now; a photo out of sight is left alone."""
    photo = stamp_at(link.photo)
    if photo is None or link.stamp is None:
        return True
    return photo.inode == link.stamp.inode if link.mode == "hardlink" else photo.version == link.copied


def as_wanted(link: Link) -> Link | None:
    """The link as it would be known, where the disk already holds exactly what it asks for."""
    photo = stamp_at(link.photo)
    finished = replace(link, stamp=photo, copied=photo.version if photo else None)
    return finished if is_ours(finished) else None


def stamp_at(path: Path) -> FileStamp | None:
    """The stamp of what stands at a path, or None where nothing does; other errors are the caller's trouble."""
    try:
        return FileStamp.of(path.lstat())
    except (FileNotFoundError, NotADirectoryError):
        return None
