"""One bibwatch per database: a lock that the kernel lets go of when its holder ends, however it ends."""

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path

from bibwatch.errors import CouldNotStart, DatabaseUnreadable


class ServiceLock:
    """Held by the one process that takes jobs from this database and tends its link tree."""

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(database.name + ".lock")
        self._fd: int | None = None

    def take(self) -> None:
        """Take the lock.

        Raises:
            CouldNotStart: another process holds it, or its folder cannot be written to.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise CouldNotStart(f"{self._path}: the database's lock cannot be made: {error.strerror}") from error
        if not _locked(fd, fcntl.LOCK_EX, patience_s=0.3):
            holder = os.read(fd, 20).decode(errors="replace").strip() or "unknown"
            os.close(fd)
            raise CouldNotStart(
                f"{self._path}: another bibwatch (process {holder}) already tends this database; stop it first"
            )
        with suppress(OSError):  # on a full disk the lock holds as well; only its message knows less
            os.truncate(fd, 0)
            os.write(fd, f"{os.getpid()}\n".encode())
        self._fd = fd

    def release(self) -> None:
        """Let go of the lock; harmless where it is not held."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def held_elsewhere(self) -> bool:
        """Whether some process holds the lock now."""
        try:
            fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise DatabaseUnreadable(f"{self._path}: cannot be read: {error.strerror}") from error
        try:
            return not _locked(fd, fcntl.LOCK_SH)
        finally:
            os.close(fd)


def _locked(fd: int, kind: int, patience_s: float = 0.0) -> bool:
    """Try to lock, for a moment if need be: `status` asks by holding the lock for an instant."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(fd, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.02)
        else:
            return True
