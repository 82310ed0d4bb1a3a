"""Small pictures of photos, made once and kept in a folder of our own, as long as there is room."""

import asyncio
import hashlib
import os
import re
import shutil
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from bibwatch.values import Photo
from bibwatch.web.maker import Maker, Shrink

SMALL, LARGE = 480, 2048  # pixels of the longer side
MOST_BYTES = 512 * 2**20  # that are kept
LEFT_FREE = 2**30  # bytes of the disk, which the database needs more
_KEPT = re.compile(r"[0-9a-f]{40}-\d+(\.\d+\.new)?")  # the names of our own files, and of none else


class Pictures:
    """A cache beside the database. What cannot be kept is made again."""

    def __init__(self, folder: Path, shrink: Shrink, most_bytes: int = MOST_BYTES) -> None:
        self._folder = folder
        self._most = most_bytes
        self._maker = Maker(shrink)
        self._bytes: int | None = None  # kept, as far as is known

    async def get(self, photo: Photo, side: int) -> bytes:
        """A JPEG file of the upright photo whose longer side has `side` pixels at most.

        Raises:
            TooBusy: too many are asked for at once.
            PhotoError: there is none to be had of it.
        """
        path = self._folder / _name_of(photo, side)
        kept = await asyncio.to_thread(_kept, path)
        if kept is not None:
            return kept
        made = await self._maker.make(photo, side)
        await asyncio.to_thread(self._keep, path, made)
        return made

    def close(self) -> None:
        """Let go of the process that makes them."""
        self._maker.close()

    def _keep(self, path: Path, made: bytes) -> None:
        fresh = path.with_name(f"{path.name}.{uuid4().int}.new")
        with suppress(OSError):  # a full disk: the next one who looks waits for it to be made again
            self._folder.mkdir(mode=0o700, exist_ok=True)
            if shutil.disk_usage(self._folder).free < LEFT_FREE:
                return
            fresh.write_bytes(made)
            fresh.replace(path)
            self._make_room(len(made))

    def _make_room(self, more: int) -> None:
        self._bytes = None if self._bytes is None else self._bytes + more
        if self._bytes is not None and self._bytes <= self._most:
            return
        with os.scandir(self._folder) as entries:
            stats = [
                (entry.stat(follow_symlinks=False), entry.path) for entry in entries if _KEPT.fullmatch(entry.name)
            ]
        kept = sorted((stat.st_mtime_ns, stat.st_size, path) for stat, path in stats)
        self._bytes = sum(size for _, size, _ in kept)
        for _, size, path in kept:  # the one longest not looked at first
            if self._bytes <= self._most * 0.8:
                break
            Path(path).unlink(missing_ok=True)
            self._bytes -= size


def _name_of(photo: Photo, side: int) -> str:
    version = f"{photo.size} {photo.mtime_ns} ".encode() + os.fsencode(photo.path)
    return f"{hashlib.sha1(version, usedforsecurity=False).hexdigest()}-{side}"


def _kept(path: Path) -> bytes | None:
    try:
        kept = path.read_bytes()
        os.utime(path)  # looked at now
    except OSError:
        return None
    return kept
