"""From changes to settled photos: what is new, what has changed, and what is truly gone."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

from bibwatch.values import FileStamp
from bibwatch.watch.settle import Settled, Settling
from bibwatch.watch.walk import Change, Listing, Touched, Walked, stamp_of


class Known(Protocol):
    """The photos that are queued or read already."""

    def known_in(self, folder: Path) -> Mapping[str, tuple[int, int]]: ...
    def known_folders(self, root: Path) -> Iterable[Path]: ...


class Inbox:
    """Lets every change settle. Used from one thread; times are monotonic seconds."""

    def __init__(self, roots: Iterable[Path], settle_s: float, known: Known) -> None:
        self._roots = tuple(roots)
        self._settling = Settling(settle_s)
        self._known = known
        self._missing: dict[Path, None] = {}  # known photos that a scan in progress has not found
        self._unscanned = set(self._roots)
        self._devices: dict[Path, int] = {}  # folder with photos -> device it was last seen on
        self.absent: dict[Path, str] = {}  # watched folder -> why its photos count as out of sight, not as deleted
        self.unreadable: dict[Path, str] = {}  # folder -> why the last scan could not look into it

    def __len__(self) -> int:
        """How many files are waiting for their quiet period to end."""
        return len(self._settling)

    @property
    def scanned(self) -> bool:
        """Whether every watched folder has been scanned once."""
        return not self._unscanned

    def take(self, changes: Iterable[Change], now: float) -> None:
        """Let these changes begin to settle."""
        for change in changes:
            match change:
                case Touched(path):
                    self._settling.disturb(path, _last_known_stamp(path), now)
                case Listing():
                    self._compare(change, now)
                case Walked():
                    self._close_walk(change, now)

    def settled(self, now: float) -> list[Settled]:
        """The photos that came to rest: new or changed ones, and those that are gone."""
        looks = [self._look(path, now) for path in self._settling.due(now)]
        found = [settled for settled in looks if settled is not None and self._counts(settled)]
        self._devices.update((s.path.parent, s.stamp.device) for s in found if s.stamp is not None)
        return found

    def next_due(self) -> float | None:
        """When the next quiet period ends."""
        return self._settling.next_due()

    def _look(self, path: Path, now: float) -> Settled | None:
        try:
            stamp = None if self._is_behind_a_link(path) else stamp_of(path)
        except OSError as error:
            # A dead share or a folder without permission says nothing about the photo; the next scan looks again.
            self._settling.drop(path)
            self.unreadable[path.parent] = error.strerror or str(error)
            return None
        return self._settling.look(path, stamp, now)

    def _is_behind_a_link(self, path: Path) -> bool:
        """Whether a sub-folder on the way became a symlink, which no scan follows."""
        inside = [folder for folder in path.parents if any(folder.is_relative_to(root) for root in self._roots)]
        return any(folder.is_symlink() for folder in inside if folder not in self._roots)

    def _compare(self, listing: Listing, now: float) -> None:
        self.unreadable.pop(listing.folder, None)
        if listing.fault is not None:
            self.unreadable[listing.folder] = listing.fault
        if listing.photos and listing.device is not None:
            self._devices[listing.folder] = listing.device
        known = self._known.known_in(listing.folder)
        for name, stamp in listing.photos.items():
            if known.get(name) != stamp.version:
                self._settling.notice(listing.folder / name, stamp, now)
        if listing.fault is None:
            self._missing.update((listing.folder / name, None) for name in known.keys() - listing.photos.keys())

    def _close_walk(self, walked: Walked, now: float) -> None:
        missing = [path for path in self._missing if path.is_relative_to(walked.top)]
        for path in missing:
            del self._missing[path]
        vanished = [folder for folder in self._known.known_folders(walked.top) if folder not in walked.folders]
        for folder in [f for f in self.unreadable if f.is_relative_to(walked.top) and f not in walked.folders]:
            del self.unreadable[folder]
        missing += [folder / name for folder in vanished for name in self._known.known_in(folder)]
        if walked.whole:
            self._unscanned.discard(walked.top)
            self.absent.pop(walked.top, None)
            if missing and walked.photos == 0:
                self.absent[walked.top] = "it is missing or empty though photos are known in it; their links are kept"
                return
        for path in missing:
            self._settling.notice(path, None, now)

    def _counts(self, settled: Settled) -> bool:
        """A photo is gone only where one could see it if it were there: on its device, below a folder in reach."""
        if settled.stamp is not None:
            return True
        if any(settled.path.is_relative_to(folder) for folder in self.unreadable.keys() | self.absent.keys()):
            return False
        root = next((root for root in self._roots if settled.path.is_relative_to(root)), None)
        if root is None or not _is_folder(root):
            return False
        device = self._devices.get(settled.path.parent)
        return device is None or device == _nearest_device(settled.path.parent)


def _last_known_stamp(path: Path) -> FileStamp | None:
    try:
        return stamp_of(path)
    except OSError:
        return None


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a dead mount
        return False


def _nearest_device(folder: Path) -> int | None:
    """The device of this folder, or of the nearest one above it that is still there."""
    for standing in (folder, *folder.parents):
        try:
            return standing.stat().st_dev
        except FileNotFoundError:
            continue
        except OSError:
            return None
    return None
