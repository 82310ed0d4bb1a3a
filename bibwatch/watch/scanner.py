"""Scans one watched folder: when it is due, when parts of it come or go, and often while events are missing."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from bibwatch.mounts import mounted, points_around
from bibwatch.values import shown
from bibwatch.watch.changes import Change, Identity, Listing, Place, Replaced, Walked
from bibwatch.watch.names import PhotoNames, WatchedFolder
from bibwatch.watch.patience import Patience
from bibwatch.watch.walk import place_below, walk
from bibwatch.watch.watches import Watches

BLIND_S = 5.0  # between scans of a folder that sends no events, and between looks at whether it is the same one
TOLD_S = 2.0  # that the event of a folder that went may come later than a look shows it
SCAN_SHARE = 4  # a blind folder rests this many times as long as its scan took, or a large one is scanned always
SHOWN_S = 2.0  # that an overflow is to be seen at least, however soon a scan has made up for it
OVERFLOWED = "more happened at once than the kernel could tell; a scan looks for what was missed"


class Scanner:
    """A thread of its own, so that a disk that does not answer keeps nobody else waiting."""

    def __init__(
        self,
        folder: WatchedFolder,
        names: PhotoNames,
        rescan_s: float,
        watches: Watches | None,
        tell: Callable[[Change], None],
    ) -> None:
        self.folder = folder
        self._names = names
        self._rescan_s = folder.poll_s or rescan_s
        self._watches = watches  # None where the folder is polled
        self._tell = tell
        self._due = 0.0  # monotonic seconds of the next whole scan
        self._asked_at = float("-inf")  # monotonic seconds of the last look at whether the folder is the same
        self._parts: queue.SimpleQueue[Path] = queue.SimpleQueue()
        self._stir = threading.Event()
        self._stopping = False
        self._told_gone = threading.Event()  # the folder itself went
        self._patience = Patience()
        self._mounts: frozenset[bytes] | None = None  # above and below the folder
        self._overflows = self._made_up_for = 0
        self._overflowed_at = float("-inf")  # monotonic seconds
        self.armed = threading.Event()  # set once it was tried for the first time
        self._unarmed: str | None = None  # why no events come
        self._unwatched: set[Identity] = set()  # folders that the last audit found without a watch
        self._partly_blind: str | None = None
        self.thread = threading.Thread(target=self._scan_when_due, name=f"scan {folder.path}", daemon=True)

    @property
    def fault(self) -> str | None:
        """Why events from the folder are missing, or were a moment ago."""
        overflowed = self._overflows != self._made_up_for or time.monotonic() - self._overflowed_at < SHOWN_S
        return self._unarmed or (OVERFLOWED if overflowed else None) or self._partly_blind

    @property
    def waited_s(self) -> float:
        """Seconds that the disk has been asked without an answer."""
        return self._patience.waited_s

    def rescan(self) -> None:
        """Scan the whole folder as soon as may be."""
        self._due = 0.0
        self._stir.set()

    def replaced(self) -> None:
        """An event told that the folder itself went: scan at once, and say so after what was told of its parts."""
        self._told_gone.set()
        self.rescan()

    def look_into(self, part: Path) -> None:
        """Scan this folder, which has come, gone or moved."""
        self._parts.put(part)
        self._stir.set()

    def events_were_lost(self) -> None:
        """Scan at once, and say so until that is done."""
        if self._watches is not None:
            self._overflows += 1
            self._overflowed_at = time.monotonic()
            self.rescan()

    def stop(self) -> None:
        """Scan no more; one that hangs on a dead share is left behind."""
        self._stopping = True
        self._stir.set()

    def _scan_when_due(self) -> None:
        while not self._stopping:
            self._stir.clear()
            while not (self._parts.empty() or self._told_gone.is_set() or self._stopping):
                self._scan(self._parts.get())
            if time.monotonic() >= self._asked_at + BLIND_S:
                self._asked_at = time.monotonic()
                if self._is_exchanged():
                    self._due = 0.0
            if self._due <= time.monotonic() and not self._stopping:
                self._scan_whole()
            self._stir.wait(max(0.0, min(self._due, self._asked_at + BLIND_S) - time.monotonic()))

    def _is_exchanged(self) -> bool:
        """Whether another folder stands at the path, or a disk came or went around it, so that events come from the
        wrong one."""
        with self._patience.waiting():
            before, self._mounts = self._mounts, points_around(self.folder.path, mounted())
            remounted = before is not None and before != self._mounts
            if self._watches is None:
                return remounted
            if remounted:
                self._watches.disarm()
            return remounted or (self._unarmed is None and self._watches.is_astray())

    def _scan_whole(self) -> None:
        began, overflows = time.monotonic(), self._overflows
        self._due = began + self._rescan_s
        if self._has_gone():
            while not self._parts.empty():  # what was told of before went with it
                self._parts.get()
            self._tell(Replaced(self.folder.path))
        self._arm()
        self.armed.set()
        walked = self._scan(self.folder.path)
        if self._watches is not None:
            self._audit(self._watches, walked)
            if self._unarmed or self._unwatched:
                rest_s = max(BLIND_S, SCAN_SHARE * (time.monotonic() - began))
                self._due = min(self._due, time.monotonic() + rest_s)
        self._made_up_for = overflows

    def _has_gone(self) -> bool:
        """Whether the folder itself went since the last scan.

        The event of that comes after those of its parts, which are no deletions then; so it is waited for before the
        folder is watched anew.
        """
        with self._patience.waiting():
            has_gone = self._watches is not None and self._watches.has_gone()
        told = self._told_gone.wait(TOLD_S if has_gone else 0.0)
        self._told_gone.clear()
        return has_gone or told

    def _arm(self) -> None:
        """See to it that the folder is watched."""
        if self._watches is None:
            return
        with self._patience.waiting():
            # Scans go on whatever becomes of the watches: they are what no photo is lost to.
            try:
                self._unarmed = self._watches.arm()
            except Exception as error:
                self._unarmed = f"it cannot be watched: {error}; only scans find its photos"

    def _audit(self, watches: Watches, walked: dict[Identity, Path]) -> None:
        """Compare the folders walked with the watches held.

        A folder made a moment ago gets its watch any time now. One that lacks it in two audits does not get it by
        itself, so all are armed anew, and if that does not help, the kernel has no more of them to give.
        """
        before, self._unwatched = self._unwatched, set(watches.unwatched(walked))
        if not self._unwatched:
            self._partly_blind = None
        elif self._unwatched & before:
            watches.disarm()
            self._arm()
            still = watches.unwatched(walked)
            lost = still or list(self._unwatched)
            remedy = "only scans find their photos; raise fs.inotify.max_user_watches with sysctl"
            self._partly_blind = (
                f"folders in it are not watched ({len(lost)} of {len(walked)}, such as {shown(walked[lost[0]])}); "
                + (remedy if still else "they are watched anew, and a scan looks for what was missed")
            )

    def _scan(self, top: Path) -> dict[Identity, Path]:
        """Walk from here; returns the folders seen."""
        walked: dict[Identity, Path] = {}
        places: dict[Path, Place | None] = {}
        root = self.folder.path
        listings = walk(root, self._names, recursive=self.folder.recursive, top=top)
        while (listing := self._next(listings)) is not None:
            places[listing.folder] = listing.place
            if listing.identity is not None:
                walked[listing.identity] = listing.folder
            self._tell(listing)
            if self._stopping:
                return walked
        if top == root and places.get(root) != self._place_now():
            places = dict.fromkeys(places)
        self._tell(Walked(top, places, whole=top == root))
        return walked

    def _place_now(self) -> Place | None:
        with self._patience.waiting(), suppress(OSError):
            return place_below(self.folder.path, self.folder.path)
        return None

    def _next(self, listings: Iterator[Listing]) -> Listing | None:
        with self._patience.waiting():
            return next(listings, None)
