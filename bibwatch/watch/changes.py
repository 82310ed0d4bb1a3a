"""What the threads of the watched folders tell the main loop."""

import queue
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bibwatch.values import ALL_NAMES, FileStamp, NameRange

BACKLOG = 4  # listings that wait for the main loop before a scan pauses
AT_ONCE = 2000  # changes handed over in one call: more than the looks that one call asks for

Identity = tuple[int, int]  # a folder's device and inode
Place = bytes  # as `bibwatch.mounts` names places


@dataclass(frozen=True, slots=True)
class Touched:
    """An event told of this file; its stamp is None where it is gone."""

    path: Path
    stamp: FileStamp | None


@dataclass(frozen=True, slots=True)
class Looked:
    """The answer to a look at one file: its stamp, None where it is gone, or why that cannot be told.

    `place` is where its folder lies, or would lie if it were there; None while the watched folder is missing.
    """

    path: Path
    stamp: FileStamp | None
    place: Place | None
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """The photos that lie in one folder, or in a stretch of its names; the stretches come in their order.

    With a `fault`, some could not be seen, which is no deletion.
    """

    top: Path  # where the walk began
    folder: Path
    photos: Mapping[str, FileStamp]
    unseen: Mapping[str, str]  # name -> why nothing can be told about that one
    identity: Identity | None = None
    place: Place | None = None  # None where it changed while the folder was listed
    fault: str | None = None
    names: NameRange = ALL_NAMES


@dataclass(frozen=True, slots=True)
class Walked:
    """A walk through `top` has ended; every folder it saw was listed before this.

    No place is known of any where the watched folder itself did not keep its own.
    """

    top: Path
    folders: Mapping[Path, Place | None]
    whole: bool  # it covered a watched folder, not just a part of one


@dataclass(frozen=True, slots=True)
class Replaced:
    """A watched folder itself was deleted, or gave way to another one; nobody deleted its photos one by one."""

    root: Path


Change = Touched | Looked | Listing | Walked | Replaced


class Changes:
    """The way to the main loop, which never waits here.

    Scans have a lane of their own, in which photos wait while the main loop is behind, or has no room for them. Events
    and answers to looks never wait, and nothing does behind which the news waits that a watched folder itself went.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._told: queue.SimpleQueue[Change] = queue.SimpleQueue()
        self._scanned: deque[Change] = deque()
        self._room = threading.Condition()  # in the lane of the scans
        self._closed = False

    def tell(self, change: Change) -> None:
        """Hand over what an event or a look has shown."""
        self._told.put(change)
        self._wake()

    def tell_scanned(self, change: Change) -> None:
        """Hand over what a scan has shown; photos wait here until the main loop has caught up."""
        with self._room:
            if isinstance(change, Listing):
                self._room.wait_for(lambda: self._closed or self._listings() < BACKLOG)
            self._scanned.append(change)
        self._wake()

    def take(self, room: int) -> list[Change]:
        """What came since the last call; of scans only up to about so many photos, and never before what was told."""
        found: list[Change] = []
        with suppress(queue.Empty):
            while len(found) < AT_ONCE:
                found.append(self._told.get_nowait())
        if len(found) < AT_ONCE:
            with self._room:
                while self._is_free(room):
                    found.append(self._scanned.popleft())
                    room -= _size(found[-1])
                self._room.notify_all()
        return found

    def pending(self, room: int) -> bool:
        """Whether a call of `take` would find any."""
        with self._room:
            return not self._told.empty() or self._is_free(room)

    def close(self) -> None:
        """Let no scan wait here any longer."""
        with self._room:
            self._closed = True
            self._room.notify_all()

    def _listings(self) -> int:
        return sum(isinstance(change, Listing) for change in self._scanned)

    def _is_free(self, room: int) -> bool:
        """Whether the next that a scan has shown need not wait any longer."""
        if not self._scanned:
            return False
        return room > 0 or not _size(self._scanned[0]) or any(isinstance(one, Replaced) for one in self._scanned)


def _size(change: Change) -> int:
    return len(change.photos) if isinstance(change, Listing) else 0
