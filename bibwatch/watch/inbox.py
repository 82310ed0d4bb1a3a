"""From changes to settled photos: what is new, what has changed, and what is truly gone. Looks at no disk itself."""

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bibwatch.values import ALL_NAMES, FileStamp, NameRange, Sighting, shown
from bibwatch.watch.absence import Missing, absence, is_gone, out_of_sight, without
from bibwatch.watch.changes import Change, Listing, Looked, Place, Replaced, Touched, Walked
from bibwatch.watch.settle import Settled, Settling

AT_ONCE = 500  # files to look at in one call, and so photos to store in one transaction
SETTLING = 4000  # files in their quiet period beyond which scans pause; what events tell of is never held up


class Known(Protocol):
    """The photos that are queued or read already."""

    def known_in(self, folder: Path, names: NameRange = ALL_NAMES) -> dict[str, Sighting]: ...
    def known_folders(self, root: Path) -> Iterable[Path]: ...
    def sighting(self, path: Path) -> Sighting | None: ...
    def seen_at(self, places: Mapping[Path, Place | None]) -> None: ...


@dataclass(frozen=True, slots=True)
class Rested:
    """A photo that came to rest; its stamp is None where it is gone."""

    stamp: FileStamp | None
    place: Place | None


@dataclass(slots=True)
class _Walk:
    """What a walk that goes on has seen."""

    photos: int = 0  # known or not
    missing: dict[tuple[Path, NameRange], set[str]] = field(default_factory=dict)  # known photos not in their folder
    moved: dict[Path, Place | None] = field(default_factory=dict)  # known photo -> its place, which is a new one


class Inbox:
    """Lets every change settle. Used from one thread; times are monotonic seconds.

    A known photo that is not to be seen counts as deleted only where one could see it if it were there: in the place
    where it was seen last. Else it is out of sight, and its links stay until it is back or somebody forgets it. Where
    a scan finds a watched folder empty, and no event told of deletions, its photos may be anywhere: where they were
    seen last counts no more.
    """

    def __init__(self, roots: Iterable[Path], settle_s: float, known: Known) -> None:
        self._roots = tuple(roots)
        self._settling = Settling(settle_s)
        self._known = known
        self._walks: dict[Path, _Walk] = {}  # by where each began
        self._unscanned = set(self._roots)
        self._emptied: set[Path] = set()  # watched folders that the last scan was the first to find empty
        self._unreadable: dict[Path, str] = {}  # folder -> why the last look could not look into it
        self._unseen: dict[Path, dict[str, str]] = {}  # folder -> photo -> why nothing can be told about that one
        self.rested: dict[Path, Rested] = {}  # photos that came to rest; whoever has stored that takes them out
        self.absent: dict[Path, str] = {}  # folder -> why its missing photos count as out of sight, not as deleted

    def __len__(self) -> int:
        """How many files are waiting for their quiet period to end."""
        return len(self._settling)

    @property
    def room(self) -> int:
        """How many photos scans may bring in now, so that the largest card takes no more memory than any other.

        Files whose disk does not answer do not count, lest it hold up the others.
        """
        return SETTLING - self._settling.quiet

    @property
    def scanned(self) -> bool:
        """Whether every watched folder has been scanned once."""
        return not self._unscanned

    def faults(self) -> dict[Path, str]:
        """Folder -> why photos in it are out of sight."""
        faults = {folder: _summary(reasons) for folder, reasons in self._unseen.items()}
        return faults | self._unreadable | self.absent

    def take(self, changes: deque[Change], now: float) -> None:
        """Let these changes begin to settle. Each is taken out once that is done, also where the next one fails."""
        while changes:
            self._take(changes[0], now)
            changes.popleft()

    def to_look_at(self, now: float) -> list[Path]:
        """The files whose quiet period is over: each wants one more look, which comes back as a change."""
        return self._settling.ask(now, AT_ONCE)

    def next_due(self) -> float | None:
        """When the next quiet period ends."""
        return self._settling.next_due()

    def _take(self, change: Change, now: float) -> None:
        match change:
            case Touched(path, stamp):
                self._settling.disturb(path, stamp, now)
            case Looked():
                self._answer(change, now)
            case Listing():
                self._compare(change, now)
            case Walked():
                self._close_walk(change, now)
            case Replaced(root):
                self._settling.drop_leaving(root)

    def _answer(self, looked: Looked, now: float) -> None:
        path = looked.path
        if looked.fault is not None:
            # A dead share or a folder without permission says nothing about the photo; the next scan looks again.
            self._settling.drop(path)
            self._unseen.setdefault(path.parent, {})[path.name] = looked.fault
            return
        sighting = self._known.sighting(path)
        settled = self._settling.answer(path, looked.stamp, now)
        if settled is None:
            if looked.stamp is not None and (sighting is None or sighting.version != looked.stamp.version):
                self._settling.notice(path, looked.stamp, now)
        elif self._is_news(settled, sighting, looked.place):
            self.rested[path] = Rested(settled.stamp, looked.place)

    def _is_news(self, settled: Settled, sighting: Sighting | None, place: Place | None) -> bool:
        """Whether a file that came to rest is not known to be as it is.

        What an event told of may be new also where size and mtime are not: some tools write and then set the old mtime.
        """
        if settled.stamp is None:
            return sighting is not None and is_gone(sighting, place, told=settled.told)
        return settled.told or sighting is None or sighting.version != settled.stamp.version

    def _compare(self, listing: Listing, now: float) -> None:
        folder = listing.folder
        known = self._known.known_in(folder, listing.names)
        self._note_faults(listing)
        walk = self._walks.setdefault(listing.top, _Walk())
        walk.photos += len(listing.photos) + len(listing.unseen)
        for name, stamp in listing.photos.items():
            sighting = known.pop(name, None)
            if sighting is None or sighting.version != stamp.version:
                self._settling.notice(folder / name, stamp, now)
            if sighting is not None and listing.place not in (None, sighting.place):
                walk.moved[folder / name] = listing.place
        if listing.fault is None and (missing := known.keys() - listing.unseen.keys()):
            walk.missing[folder, listing.names] = missing

    def _note_faults(self, listing: Listing) -> None:
        self._unreadable.pop(listing.folder, None)
        if listing.fault is not None:
            self._unreadable[listing.folder] = listing.fault
        before = self._unseen.pop(listing.folder, {})
        elsewhere = {name: reason for name, reason in before.items() if not listing.names.holds(name)}
        if unseen := elsewhere | dict(listing.unseen):
            self._unseen[listing.folder] = unseen

    def _close_walk(self, walked: Walked, now: float) -> None:
        self._drop_faults(walked)
        walk = self._walks.get(walked.top, _Walk())
        missing = self._missing(walked, walk)
        away = out_of_sight(walked, missing) if walked.whole else {}
        here = without(missing, away)
        is_emptied = walked.whole and walk.photos == 0 and bool(here) and walked.top in walked.folders
        if is_emptied:
            walk.moved |= {folder / name: None for folder, names in here.items() for name in names}
            away, here = missing, {}
        if walk.moved:
            self._known.seen_at(walk.moved)
        self._settle_missing(walked, here, now)
        if walked.whole:
            (self._emptied.add if is_emptied else self._emptied.discard)(walked.top)
            self._tell_absence(walked, walk.photos, away)
            self._unscanned.discard(walked.top)
        self._walks.pop(walked.top, None)

    def _drop_faults(self, walked: Walked) -> None:
        """Forget what was wrong with folders that are not there any more."""
        root = self._root_of(walked.top)
        for faults in (self._unreadable, self._unseen):
            left = [f for f in faults if f.is_relative_to(walked.top) and f not in walked.folders]
            for folder in [folder for folder in left if self._root_of(folder) == root]:
                del faults[folder]

    def _missing(self, walked: Walked, walk: _Walk) -> Missing:
        """The photos that are known by now and that the walk did not see.

        Without those in folders that nobody could look into, and those that an event told of.
        """
        missing = defaultdict[Path, dict[str, Place | None]](dict)
        for (folder, within), names in walk.missing.items():
            known = self._known.known_in(folder, within)
            missing[folder] |= {name: known[name].place for name in known.keys() & names}
        root = self._root_of(walked.top)
        for folder in self._known.known_folders(walked.top):
            if folder not in walked.folders and self._root_of(folder) == root:
                missing[folder] = {name: sighting.place for name, sighting in self._known.known_in(folder).items()}
        return {
            folder: kept
            for folder, names in missing.items()
            if self._is_readable(folder)
            and (kept := {n: place for n, place in names.items() if not self._settling.is_leaving(folder / n)})
        }

    def _is_readable(self, folder: Path) -> bool:
        root = self._root_of(folder)
        around = (above for above in (folder, *folder.parents) if root is None or above.is_relative_to(root))
        return self._unreadable.keys().isdisjoint(around)

    def _settle_missing(self, walked: Walked, missing: Missing, now: float) -> None:
        """Let these settle as gone.

        A part is walked because an event told of it: what was in a folder that left was seen to go. Whether photos
        were in it that may be anywhere is known only where a scan has just found them missing from there.
        """
        left = not walked.whole and walked.top not in walked.folders
        all_left = left and self._root_of(walked.top) in self._emptied
        for folder, names in missing.items():
            for name, at in names.items():
                is_told = all_left or (left and at is not None)
                (self._settling.disturb if is_told else self._settling.notice)(folder / name, None, now)

    def _tell_absence(self, walked: Walked, photos: int, away: Missing) -> None:
        for folder in [folder for folder in self.absent if self._root_of(folder) == walked.top]:
            del self.absent[folder]
        if away:
            folder, reason = absence(walked, photos, away)
            self.absent[folder] = reason

    def _root_of(self, folder: Path) -> Path | None:
        around = (root for root in self._roots if folder.is_relative_to(root))
        return max(around, key=lambda root: len(root.parts), default=None)


def _summary(reasons: Mapping[str, str]) -> str:
    name = min(reasons)
    return f"photos cannot be looked at ({len(reasons)}, such as {shown(name)}): {reasons[name]}"
