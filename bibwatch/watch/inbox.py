"""From changes to settled photos: what is new, what has changed, and what is truly gone."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

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
                    self._settling.disturb(path, stamp_of(path), now)
                case Listing():
                    self._compare(change, now)
                case Walked():
                    self._close_walk(change, now)

    def settled(self, now: float) -> list[Settled]:
        """The photos that came to rest: new or changed ones, and those that are gone."""
        looks = (self._settling.look(path, stamp_of(path), now) for path in self._settling.due(now))
        return [settled for settled in looks if settled is not None and self._counts(settled)]

    def next_due(self) -> float | None:
        """When the next quiet period ends."""
        return self._settling.next_due()

    def _compare(self, listing: Listing, now: float) -> None:
        self.unreadable.pop(listing.folder, None)
        if listing.fault is not None:
            self.unreadable[listing.folder] = listing.fault
            return
        known = self._known.known_in(listing.folder)
        for name, stamp in listing.photos.items():
            if known.get(name) != stamp.version:
                self._settling.notice(listing.folder / name, stamp, now)
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
        """A photo is gone only where its watched folder is there and its own folder can be looked into."""
        if settled.stamp is not None:
            return True
        roots = [root for root in self._roots if settled.path.is_relative_to(root)]
        blocked = any(settled.path.is_relative_to(folder) for folder in self.unreadable)
        return not blocked and any(root.is_dir() and root not in self.absent for root in roots)
