"""The only code that watches: inotify for speed, a reconciling scan for truth.

Watches are armed before the scan that follows, so that nothing falls between the two. Events are hints: a lost one
costs a delay until the next scan, never a photo.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from bibwatch.mounts import mounted, points_around
from bibwatch.watch.names import PhotoNames, WatchedFolder
from bibwatch.watch.walk import Change, Identity, Listing, Touched, Walked, walk
from bibwatch.watch.watches import STOP_S, Watches

BACKLOG = 4  # listings that wait for the main loop before the scan pauses: each may hold thousands of photos
AT_ONCE = 256  # changes handed over in one call
BLIND_S = 5.0  # between scans of a folder that sends no events, and between looks at whether it is the same one
SCAN_SHARE = 4  # a blind folder rests this many times as long as its scan took, or a large one is scanned always


class Source:
    """The changes in the watched folders, for one consumer that never waits here."""

    def __init__(self, folders: Iterable[WatchedFolder], names: PhotoNames, rescan_s: float, wake: Callable[[], None]):
        self._folders = tuple(folders)
        self._names = names
        self._rescan_s = rescan_s
        self._wake = wake
        self._changes: queue.Queue[Change] = queue.Queue()
        self._room = threading.Semaphore(BACKLOG)
        self._due = {folder.path: 0.0 for folder in self._folders}  # monotonic seconds of the next whole scan
        self._parts: queue.SimpleQueue[Path] = queue.SimpleQueue()
        self._stir = threading.Event()
        self._stopping = False
        self._watches = Watches(self)
        self._mounts: dict[Path, frozenset[bytes]] = {}  # watched folder -> the mounts above and below it
        self._overflows = 0
        self._overflowed: dict[Path, str] = {}  # watched folder -> what a scan has yet to make up for
        self._unwatched: dict[Path, list[Identity]] = {}  # as the last audit found
        self._partly_blind: dict[Path, str] = {}
        self._scanner = threading.Thread(target=self._scan_when_due, name="scan", daemon=True)

    def start(self) -> None:
        """Arm the watches, then begin the first scan."""
        self._watches.start()
        self._arm_all()
        self._scanner.start()

    def changes(self) -> list[Change]:
        """What came since the last call; never waits."""
        found: list[Change] = []
        with suppress(queue.Empty):
            while len(found) < AT_ONCE:
                found.append(self._changes.get_nowait())
                if isinstance(found[-1], Listing):
                    self._room.release()
        return found

    def pending(self) -> bool:
        """Whether changes wait to be taken."""
        return not self._changes.empty()

    def rescan(self) -> None:
        """Scan every folder as soon as may be."""
        self._due = dict.fromkeys(self._due, 0.0)
        self._stir.set()

    @property
    def alive(self) -> bool:
        """Whether scans go on."""
        return self._scanner.is_alive()

    def faults(self) -> dict[Path, str]:
        """Folder -> why events from it are missing."""
        return self._partly_blind | self._overflowed | self._watches.faults

    def watched_folders(self) -> int:
        """How many folders send events, sub-folders included."""
        return self._watches.count()

    def stop(self) -> None:
        """Stop watching and scanning; a scan that hangs on a dead share is left behind."""
        self._stopping = True
        self._stir.set()
        self._room.release(BACKLOG)
        if self._scanner.is_alive():
            self._scanner.join(STOP_S)
        self._watches.stop()

    def touched(self, path: Path) -> None:
        """Say that something happened to this file."""
        if any(folder.covers_photo(path, self._names) for folder in self._folders):
            self._put(Touched(path))

    def look_into(self, folder: Path) -> None:
        """Scan this folder, which has come, gone or moved."""
        self._parts.put(folder)
        self._stir.set()

    def events_were_lost(self) -> None:
        """The kernel's queue was full: scan everything at once, and say so until that is done."""
        self._overflows += 1
        text = "more happened at once than the kernel could tell; a scan looks for what was missed"
        self._overflowed = {folder.path: text for folder in self._folders if folder.poll_s is None}
        self.rescan()

    def _scan_when_due(self) -> None:
        while not self._stopping:
            self._stir.clear()
            while not self._parts.empty():
                self._scan_part(self._parts.get())
            self._notice_exchanged_folders()
            now = time.monotonic()
            for folder in self._folders:
                if self._due[folder.path] <= now and not self._stopping:
                    self._scan_whole(folder)
            next_s = min(self._due.values()) - time.monotonic()
            self._stir.wait(max(0.0, min(next_s, BLIND_S)))

    def _notice_exchanged_folders(self) -> None:
        """Where another folder stands at the path, or a disk came or went around it, events come from the wrong one."""
        listed = mounted()
        for folder in self._folders:
            points = points_around(folder.path, listed)
            if points != self._mounts.get(folder.path, points) or self._watches.is_astray(folder.path):
                self._due[folder.path] = 0.0
            self._mounts[folder.path] = points

    def _scan_whole(self, folder: WatchedFolder) -> None:
        began, overflows = time.monotonic(), self._overflows
        self._due[folder.path] = began + (folder.poll_s or self._rescan_s)
        # Scans go on whatever becomes of the watches: they are what no photo is lost to.
        try:
            self._arm_all()
        except Exception as error:
            self._watches.faults[folder.path] = f"it cannot be watched: {error}; only scans find its photos"
        walked = self._scan(folder.path, recursive=folder.recursive, whole=True)
        if folder.poll_s is None:
            self._audit(folder, walked)
            if folder.path in self._watches.faults or folder.path in self._unwatched:
                rest_s = max(BLIND_S, SCAN_SHARE * (time.monotonic() - began))
                self._due[folder.path] = min(self._due[folder.path], time.monotonic() + rest_s)
        if overflows == self._overflows:
            self._overflowed.pop(folder.path, None)

    def _audit(self, folder: WatchedFolder, walked: Mapping[Identity, Path]) -> None:
        """Compare the folders walked with the watches held.

        A folder made a moment ago gets its watch any time now. One that lacks it in two audits does not get it by
        itself, so all are armed anew, and if that does not help, the kernel has no more of them to give.
        """
        before = self._unwatched.pop(folder.path, [])
        unwatched = self._watches.unwatched(folder.path, walked)
        if not unwatched:
            self._partly_blind.pop(folder.path, None)
            return
        if set(unwatched) & set(before):
            self._watches.disarm(folder.path)
            self._watches.arm(folder)
            if still := self._watches.unwatched(folder.path, walked):
                self._partly_blind[folder.path] = (
                    f"{len(still)} of its {len(walked)} folders are not watched, such as {walked[still[0]]}; only "
                    "scans find their photos; raise fs.inotify.max_user_watches with sysctl"
                )
        self._unwatched[folder.path] = unwatched

    def _arm_all(self) -> None:
        self._watches.renew_if_dead()
        for folder in (folder for folder in self._folders if folder.poll_s is None):
            self._watches.arm(folder)

    def _scan_part(self, part: Path) -> None:
        if part in self._due:
            # Only a whole scan may judge a watched folder, because it knows an absent one from an emptied one.
            self._due[part] = 0.0
        elif any(folder.covers_folder(part, self._names) for folder in self._folders):
            self._scan(part, recursive=True, whole=False)

    def _scan(self, top: Path, *, recursive: bool, whole: bool) -> dict[Identity, Path]:
        """Walk; returns the folders seen."""
        walked: dict[Identity, Path] = {}
        folders, photos = set(), 0
        for listing in walk(top, self._names, recursive=recursive):
            folders.add(listing.folder)
            photos += len(listing.photos)
            if listing.identity is not None:
                walked[listing.identity] = listing.folder
            self._room.acquire()
            if self._stopping:
                return walked
            self._put(listing)
        self._put(Walked(top, frozenset(folders), photos, whole))
        return walked

    def _put(self, change: Change) -> None:
        self._changes.put(change)
        self._wake()
