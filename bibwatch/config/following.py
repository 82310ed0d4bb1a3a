"""Notices that the config file, or one that it names, was saved."""

from pathlib import Path

from bibwatch.values import FileStamp

QUIET_S = 0.3  # a file that changed this recently may still be being written


class SavedFile:
    """A file that people save anew; times are monotonic seconds."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._followed = self._seen = _stamp(path)
        self._seen_at = float("-inf")

    @property
    def is_gone(self) -> bool:
        """Whether there was no such file when it was last looked for."""
        return self._seen is None

    def was_saved(self, now: float) -> bool:
        """Whether the file is another one than when this was last true, and has come to rest."""
        stamp = _stamp(self.path)
        if stamp != self._seen:
            self._seen, self._seen_at = stamp, now
        if stamp == self._followed or stamp is None or now - self._seen_at < QUIET_S:
            return False
        self._followed = stamp
        return True


def _stamp(path: Path) -> FileStamp | None:
    try:
        return FileStamp.of(path.stat())
    except OSError:
        return None
