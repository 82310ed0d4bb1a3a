"""What the threads of the watched folders tell the main loop."""

import queue
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bibwatch.values import FileStamp

BACKLOG = 1000  # photos whose listings wait for the main loop before a scan pauses; one folder may hold more
FOLDER = 250  # photos that a folder counts for, besides its own
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
    """The photos that lie in one folder; with a `fault`, some could not be seen, which is no deletion."""

    top: Path  # where the walk began
    folder: Path
    photos: Mapping[str, FileStamp]
    unseen: Mapping[str, str]  # name -> why nothing can be told about that one
    identity: Identity | None = None
    place: Place | None = None  # None where it changed while the folder was listed
    fault: str | None = None


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
    """The way to the main loop, which never waits here."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._queue: queue.SimpleQueue[Change] = queue.SimpleQueue()
        self._room = threading.Condition()
        self._listed = 0  # photos in listings that wait
        self._closed = False

    def put(self, change: Change) -> None:
        """Hand a change over; a listing waits here while the main loop is behind."""
        if isinstance(change, Listing):
            size = _size(change)
            with self._room:
                self._room.wait_for(lambda: self._closed or not self._listed or self._listed + size <= BACKLOG)
                self._listed += size
        self._queue.put(change)
        self._wake()

    def take(self) -> list[Change]:
        """What came since the last call."""
        found: list[Change] = []
        with suppress(queue.Empty):
            while len(found) < AT_ONCE:
                found.append(self._queue.get_nowait())
                if isinstance(found[-1], Listing):
                    with self._room:
                        self._listed -= _size(found[-1])
                        self._room.notify_all()
        return found

    def pending(self) -> bool:
        """Whether changes wait to be taken."""
        return not self._queue.empty()

    def close(self) -> None:
        """Let no scan wait here any longer."""
        with self._room:
            self._closed = True
            self._room.notify_all()


def _size(listing: Listing) -> int:
    return FOLDER + len(listing.photos)
