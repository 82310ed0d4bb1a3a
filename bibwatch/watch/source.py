"""What changes in the watched folders: inotify for speed, a reconciling scan for truth.

Watches are armed before the scan that follows, so that nothing falls between the two. Events are hints: a lost one
costs a delay until the next scan, never a photo.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

from bibwatch.watch.changes import Change, Changes, Replaced
from bibwatch.watch.looker import Looker
from bibwatch.watch.names import PhotoNames, WatchedFolder
from bibwatch.watch.scanner import Scanner
from bibwatch.watch.watches import Watches

SILENT_S = 30.0  # a disk that takes longer to answer is named
ARM_S = 5.0  # that a start waits for the watches
STOP_S = 1.0


class Source:
    """The changes in the watched folders, for one consumer that never waits here."""

    def __init__(self, folders: Iterable[WatchedFolder], names: PhotoNames, rescan_s: float, wake: Callable[[], None]):
        self._names = names
        self._changes = Changes(wake)
        self._watches: dict[Path, Watches] = {}
        self._scanners: dict[Path, Scanner] = {}
        self._lookers: dict[Path, Looker] = {}
        for folder in folders:
            watches = Watches(folder, self) if folder.poll_s is None else None
            if watches is not None:
                self._watches[folder.path] = watches
            self._scanners[folder.path] = Scanner(folder, names, rescan_s, watches, self._scanned)
            self._lookers[folder.path] = Looker(folder.path, watches, self._changes.tell)

    def start(self) -> None:
        """Begin to watch and to scan; returns when all folders are watched that answer."""
        for watches in self._watches.values():
            watches.start()
        for worker in self._workers:
            worker.thread.start()
        patient_until = time.monotonic() + ARM_S
        for scanner in self._scanners.values():
            scanner.armed.wait(max(0.0, patient_until - time.monotonic()))

    def changes(self, room: int) -> list[Change]:
        """What came since the last call, of scans only up to about so many photos; never waits."""
        return self._changes.take(room)

    def pending(self, room: int) -> bool:
        """Whether changes wait to be taken."""
        return self._changes.pending(room)

    def look(self, paths: Iterable[Path]) -> None:
        """Ask what becomes of these files; a change answers for each that lies in a watched folder."""
        asked: dict[Path, list[Path]] = defaultdict(list)
        for path in paths:
            if (root := self._root_of(path)) is not None:
                asked[root].append(path)
        for root, asked_there in asked.items():
            self._lookers[root].look(asked_there)

    def rescan(self) -> None:
        """Scan every folder as soon as may be."""
        for scanner in self._scanners.values():
            scanner.rescan()

    @property
    def alive(self) -> bool:
        """Whether scans and looks go on."""
        return all(worker.thread.is_alive() for worker in self._workers)

    def faults(self) -> dict[Path, str]:
        """Folder -> why events from it are missing, or why nothing is heard of it."""
        faults = {root: scanner.fault for root, scanner in self._scanners.items()}
        for root, scanner in self._scanners.items():
            waited_s = max(scanner.waited_s, self._lookers[root].waited_s)
            if waited_s >= SILENT_S:
                faults[root] = f"its disk has not answered for {waited_s:.0f} s"
        return {root: fault for root, fault in faults.items() if fault is not None}

    def watched_folders(self) -> int:
        """How many folders send events, sub-folders included."""
        return sum(watches.count() for watches in self._watches.values())

    def stop(self) -> None:
        """Stop watching and scanning; a thread that hangs on a dead share is left behind."""
        for worker in self._workers:
            worker.stop()
        self._changes.close()
        patient_until = time.monotonic() + STOP_S
        for worker in self._workers:
            if worker.thread.is_alive():
                worker.thread.join(max(0.0, patient_until - time.monotonic()))
        for watches in self._watches.values():
            watches.stop()

    def touched(self, path: Path) -> None:
        """An event told of this file."""
        for root, scanner in self._scanners.items():
            if scanner.folder.covers_photo(path, self._names):
                self._lookers[root].touched(path)

    def look_into(self, folder: Path) -> None:
        """An event told that this folder has come, gone or moved."""
        if folder in self._scanners:
            self._lookers[folder].replaced()
            self._scanners[folder].replaced()
            return
        for scanner in self._scanners.values():
            if scanner.folder.covers_folder(folder, self._names):
                scanner.look_into(folder)

    def events_were_lost(self) -> None:
        """The kernel's queue was full."""
        for scanner in self._scanners.values():
            scanner.events_were_lost()

    def _scanned(self, change: Change) -> None:
        """What a scan has shown. Where that is another folder, looks at the one before say nothing."""
        if isinstance(change, Replaced):
            self._lookers[change.root].replaced()
        self._changes.tell_scanned(change)

    @property
    def _workers(self) -> list[Scanner | Looker]:
        return [*self._scanners.values(), *self._lookers.values()]

    def _root_of(self, path: Path) -> Path | None:
        """The innermost watched folder around a photo."""
        around = (root for root in self._scanners if path.is_relative_to(root))
        return max(around, key=lambda root: len(root.parts), default=None)
