"""Where a folder lies, as far as that can be told in a way that outlives an unmount and a restart."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

MOUNTS = Path("/proc/self/mountinfo")  # its form: proc_pid_mountinfo(5)
BY_UUID = Path("/dev/disk/by-uuid")
# File systems that other machines serve. SQLite's locks and shared memory do not work there.
NETWORK = re.compile(
    r"nfs.*|cifs|smb.*|9p|afs|ceph|lustre|glusterfs|davfs|fuse\.(sshfs|rclone|glusterfs|davfs2?|s3fs.*)"
)
# File systems that number their folders anew now and then: those without numbers on the disk, and servers.
UNNUMBERED = re.compile(rf"vfat|msdos|exfat|fuse.*|{NETWORK.pattern}")


class _Mount(NamedTuple):
    """One line of the kernel's list."""

    device: int
    root: Path  # the folder of the file system that is mounted
    point: Path  # where it is mounted
    kind: str
    source: str


def mounted() -> bytes:
    """The kernel's list of what is mounted now; it changes whenever that does."""
    return MOUNTS.read_bytes()


def network_of(path: Path, listed: bytes) -> str | None:
    """The kind of the network file system that an absolute path without links lies on, or None on a local one."""
    kinds = [mount.kind for mount in map(_mount, listed.splitlines()) if path.is_relative_to(mount.point)]
    # What was mounted later stands further down, and covers what was there before.
    return kinds[-1] if kinds and NETWORK.fullmatch(kinds[-1]) else None


def points_around(path: Path, listed: bytes) -> frozenset[bytes]:
    """The mounts above and below a path, each as the kernel's own line."""
    around = (line for line in listed.splitlines() if _is_around(path, _mount(line).point))
    return frozenset(around)


def place_of(folder: Path) -> bytes:
    """Which file system a folder lies on, and where inside of it.

    Whatever else is mounted or stands at the path lies in another place; the same folder, mounted anew, here or in a
    namespace of its own, lies in the same. The kernel's device numbers do not tell that much: two cards in one reader
    get the same one, and so does what is bound from elsewhere on one disk.

    Raises:
        OSError: it is missing, no folder, or does not answer.
    """
    with _open(folder) as (handle, mount):
        try:
            inside = Path(f"/proc/self/fd/{handle}").readlink().relative_to(mount.point)
        except ValueError as error:
            raise OSError(errno.ESTALE, "was unmounted at this moment", str(folder)) from error
        return inner(os.fsencode(f"{_identity(mount, handle)} {mount.root}"), inside)


def number_of(folder: Path) -> int:
    """What tells a folder from another one that takes its place on the same disk: its inode, where that stays; else 0.

    Raises:
        OSError: as `place_of`.
    """
    with _open(folder) as (handle, mount):
        return 0 if UNNUMBERED.fullmatch(mount.kind) else os.fstat(handle).st_ino


def inner(place: bytes, rest: Path) -> bytes:
    """The place of what lies so far below a place, if nothing is mounted on the way."""
    return place if rest == Path() else place.rstrip(b"/") + b"/" + os.fsencode(rest)


def point_of(folder: Path) -> Path:
    """The nearest folder at or above this one that does not lie where its parent says.

    That is where its disk is mounted, also for a service whose manager has bound single folders onto themselves.

    Raises:
        OSError: as `place_of`.
    """
    folder = folder.resolve()
    while folder != folder.parent and place_of(folder) == inner(place_of(folder.parent), Path(folder.name)):
        folder = folder.parent
    return folder


def _is_around(path: Path, point: Path) -> bool:
    return path.is_relative_to(point) or point.is_relative_to(path)


@contextmanager
def _open(folder: Path) -> Iterator[tuple[int, _Mount]]:
    """A folder, and the mount that it was reached by. Source: proc_pid_fdinfo(5)."""
    handle = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        told = Path(f"/proc/self/fdinfo/{handle}").read_bytes()
        number = next(line.split()[1] for line in told.splitlines() if line.startswith(b"mnt_id:"))
        mount = _mount_of_number(number, mounted())
        if mount is None:
            raise OSError(errno.ESTALE, "was unmounted at this moment", str(folder))
        yield handle, mount
    finally:
        os.close(handle)


# A scan asks thousands of times, and the list hardly ever changes. Which disk it is has to be asked each time: one card
# after another may leave the same line here.
@lru_cache(maxsize=64)
def _mount_of_number(number: bytes, listed: bytes) -> _Mount | None:
    return next((_mount(line) for line in listed.splitlines() if line.startswith(number + b" ")), None)


def _identity(mount: _Mount, handle: int) -> str:
    """The file system's UUID where there is one, else what the kernel and whoever mounted it call it."""
    for link in BY_UUID.iterdir() if BY_UUID.is_dir() else ():
        with suppress(OSError):  # another disk goes at this moment
            if link.stat().st_rdev == mount.device:
                return link.name
    # Names such as /dev/sdb1 go by the order in which disks were plugged in.
    source = "" if mount.source.startswith("/dev/") else mount.source
    return f"{source}:{os.fstatvfs(handle).f_fsid:x}"


def _mount(line: bytes) -> _Mount:
    fields = line.split(b" ")
    rest = fields[fields.index(b"-") + 1 :]
    major, minor = map(int, fields[2].split(b":"))
    return _Mount(
        device=os.makedev(major, minor),
        root=Path(_plain(fields[3])),
        point=Path(_plain(fields[4])),
        kind=_plain(rest[0]),
        source=_plain(rest[1]),
    )


def _plain(field: bytes) -> str:
    """Blanks and the like stand as octal codes there."""
    return os.fsdecode(re.sub(rb"\\([0-7]{3})", lambda code: bytes([int(code[1], 8)]), field))
