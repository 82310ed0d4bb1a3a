"""When a file counts as complete. Pure: stamps and times come in, decisions go out."""

from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from bibwatch.values import FileStamp


@dataclass(frozen=True, slots=True)
class Settled:
    """A file that kept still; its stamp is None where it is gone."""

    path: Path
    stamp: FileStamp | None


@dataclass(frozen=True, slots=True)
class _Quiet:
    since: float  # seconds, monotonic
    stamp: FileStamp | None


class Settling:
    """The files that are waiting for their quiet period to end.

    A file is complete after `settle_s` seconds without an event and with the same stamp at both ends. Size alone
    fails (some tools reserve it first), so does the age of the mtime (rsync and cp -p set old ones).
    """

    def __init__(self, settle_s: float) -> None:
        self._settle_s = settle_s
        self._waiting: dict[Path, _Quiet] = {}  # oldest quiet period first

    def __len__(self) -> int:
        return len(self._waiting)

    def disturb(self, path: Path, stamp: FileStamp | None, now: float) -> None:
        """Something happened to this file: its quiet period starts anew."""
        self._waiting.pop(path, None)
        self._waiting[path] = _Quiet(now, stamp)

    def notice(self, path: Path, stamp: FileStamp | None, now: float) -> None:
        """A scan saw this file: its quiet period starts unless it is already running for the same stamp."""
        quiet = self._waiting.get(path)
        if quiet is None or quiet.stamp != stamp:
            self.disturb(path, stamp, now)

    def is_leaving(self, path: Path) -> bool:
        """Whether this file was seen to go, and its quiet period runs."""
        quiet = self._waiting.get(path)
        return quiet is not None and quiet.stamp is None

    def drop(self, path: Path) -> None:
        """Wait for this file no longer."""
        self._waiting.pop(path, None)

    def due(self, now: float) -> list[Path]:
        """The files whose quiet period is over, and which want one more look."""
        late = now - self._settle_s
        return [path for path, _ in takewhile(lambda item: item[1].since <= late, self._waiting.items())]

    def look(self, path: Path, stamp: FileStamp | None, now: float) -> Settled | None:
        """The look at the end of a quiet period: settled where the stamp held, a new quiet period where not."""
        quiet = self._waiting.pop(path)
        if quiet.stamp == stamp:
            return Settled(path, stamp)
        self._waiting[path] = _Quiet(now, stamp)
        return None

    def next_due(self) -> float | None:
        """When the next quiet period ends, in monotonic seconds."""
        first = next(iter(self._waiting.values()), None)
        return None if first is None else first.since + self._settle_s
