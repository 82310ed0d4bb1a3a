"""Which disk a folder lies on, as far as that can be told in a way that outlives an unmount and a restart."""

from __future__ import annotations

import os
import re
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")  # its form: proc_pid_mountinfo(5)
BY_UUID = Path("/dev/disk/by-uuid")
# File systems that other machines serve. SQLite's locks and shared memory do not work there.
NETWORK = re.compile(
    r"nfs.*|cifs|smb.*|9p|afs|ceph|lustre|glusterfs|davfs|fuse\.(sshfs|rclone|glusterfs|davfs2?|s3fs.*)"
)


def mounted() -> bytes:
    """The kernel's list of what is mounted now; it changes whenever that does."""
    return MOUNTS.read_bytes()


def network_of(path: Path, listed: bytes) -> str | None:
    """The kind of the network file system that an absolute path without links lies on, or None on a local one."""
    kinds = [kind for point, kind in map(_point_and_kind, listed.splitlines()) if path.is_relative_to(point)]
    # What was mounted later stands further down, and covers what was there before.
    return kinds[-1] if kinds and NETWORK.fullmatch(kinds[-1]) else None


def points_around(path: Path, listed: bytes) -> frozenset[bytes]:
    """The mounts above and below a path, each as the kernel's own line."""
    around = (line for line in listed.splitlines() if _is_around(path, _point_and_kind(line)[0]))
    return frozenset(around)


def disk_of(path: Path) -> str:
    """Where the disk under this path, or under the nearest folder above it that is there, is mounted, and which it is.

    The kernel's device numbers are not enough, since two cards in one reader get the same one.

    Raises:
        OSError: the disk does not answer.
    """
    standing = next(folder for folder in (path, *path.parents) if folder.exists())
    device = standing.stat().st_dev
    point = standing
    while point.parent.stat().st_dev == device and point.parent != point:
        point = point.parent
    return f"{point} {_identity(standing, device)}"


def mount_point(disk: str) -> str:
    """Where a disk, as `disk_of` names it, was mounted."""
    return disk.rpartition(" ")[0]


def _is_around(path: Path, point: Path) -> bool:
    return path.is_relative_to(point) or point.is_relative_to(path)


def _identity(standing: Path, device: int) -> str:
    """The file system's UUID where there is one, else what the kernel calls it."""
    for link in BY_UUID.iterdir() if BY_UUID.is_dir() else ():
        if link.exists() and link.stat().st_rdev == device:
            return link.name
    return f"{os.statvfs(standing).f_fsid:x}"


def _point_and_kind(line: bytes) -> tuple[Path, str]:
    """Blanks and the like stand as octal codes in paths there."""
    fields = line.split(b" ")
    point = re.sub(rb"\\([0-7]{3})", lambda code: bytes([int(code[1], 8)]), fields[4])
    return Path(os.fsdecode(point)), fields[fields.index(b"-") + 1].decode()
