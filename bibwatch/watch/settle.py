"""When a file counts as complete, or as gone. Pure: stamps and times come in, decisions go out."""

from dataclasses import dataclass
from itertools import islice, takewhile
from pathlib import Path

from bibwatch.values import FileStamp


@dataclass(frozen=True, slots=True)
class Settled:
    """A file that kept still; its stamp is None where it is gone."""

    path: Path
    stamp: FileStamp | None
    told: bool  # by an event, not by a scan


@dataclass(frozen=True, slots=True)
class _Quiet:
    since: float  # seconds, monotonic
    stamp: FileStamp | None
    told: bool


class Settling:
    """The files that are waiting for their quiet period to end, or for the look after it.

    A file is complete after `settle_s` seconds without an event and with the same stamp at both ends. Size alone
    fails (some tools reserve it first), so does the age of the mtime (rsync and cp -p set old ones).
    """

    def __init__(self, settle_s: float) -> None:
        self._settle_s = settle_s
        self._waiting: dict[Path, _Quiet] = {}  # oldest quiet period first
        self._looked_at: dict[Path, _Quiet] = {}  # the quiet period is over, the look is not

    def __len__(self) -> int:
        return len(self._waiting) + len(self._looked_at)

    @property
    def quiet(self) -> int:
        """How many files are in their quiet period."""
        return len(self._waiting)

    def disturb(self, path: Path, stamp: FileStamp | None, now: float) -> None:
        """Something happened to this file: its quiet period starts anew."""
        self._begin(path, _Quiet(now, stamp, told=True))

    def notice(self, path: Path, stamp: FileStamp | None, now: float) -> None:
        """A scan saw this file: its quiet period starts unless it is already running for the same stamp."""
        quiet = self._quiet_of(path)
        if quiet is None or quiet.stamp != stamp:
            self._begin(path, _Quiet(now, stamp, told=_still_told(quiet, stamp)))

    def is_leaving(self, path: Path) -> bool:
        """Whether an event told that this file is gone, and that is not settled yet."""
        quiet = self._quiet_of(path)
        return quiet is not None and quiet.stamp is None and quiet.told

    def drop(self, path: Path) -> None:
        """Wait for this file no longer."""
        self._waiting.pop(path, None)
        self._looked_at.pop(path, None)

    def drop_leaving(self, root: Path) -> None:
        """Wait no longer for the files at and below this folder that an event called gone."""
        for path in [path for path in (*self._waiting, *self._looked_at) if path.is_relative_to(root)]:
            if self.is_leaving(path):
                self.drop(path)

    def ask(self, now: float, at_most: int) -> list[Path]:
        """The files whose quiet period is over, and which want one more look, each once."""
        late = now - self._settle_s
        due = takewhile(lambda item: item[1].since <= late, self._waiting.items())
        paths = [path for path, _ in islice(due, at_most)]
        for path in paths:
            self._looked_at[path] = self._waiting.pop(path)
        return paths

    def answer(self, path: Path, stamp: FileStamp | None, now: float) -> Settled | None:
        """The look that was asked for: settled where the stamp held, a new quiet period where not."""
        quiet = self._looked_at.pop(path, None)
        if quiet is None:  # something happened to it meanwhile
            return None
        if quiet.stamp == stamp:
            return Settled(path, stamp, quiet.told)
        self._waiting[path] = _Quiet(now, stamp, told=_still_told(quiet, stamp))
        return None

    def next_due(self) -> float | None:
        """When the next quiet period ends, in monotonic seconds."""
        first = next(iter(self._waiting.values()), None)
        return None if first is None else first.since + self._settle_s

    def _begin(self, path: Path, quiet: _Quiet) -> None:
        self.drop(path)
        self._waiting[path] = quiet

    def _quiet_of(self, path: Path) -> _Quiet | None:
        return self._waiting.get(path) or self._looked_at.get(path)


def _still_told(quiet: _Quiet | None, stamp: FileStamp | None) -> bool:
    """Whether an event told of a file that is there, though its stamp has changed since; of one that went, none has."""
    return quiet is not None and quiet.told and stamp is not None
