"""From changes to settled photos: what is new, what has changed, and what is truly gone."""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

from bibwatch.mounts import disk_of
from bibwatch.values import FileStamp, shown
from bibwatch.watch.settle import Settled, Settling
from bibwatch.watch.walk import Change, Listing, Touched, Walked, identity_of, stamp_of

AT_ONCE = 1000  # files that one call may settle: their stats and transactions take most of a second on a share
EMPTIED = ""  # the disk of a watched folder that was found missing or empty: it is nowhere until its photos are back


class Known(Protocol):
    """The photos that are queued or read already."""

    def known_in(self, folder: Path) -> Mapping[str, tuple[int, int]]: ...
    def known_folders(self, root: Path) -> Iterable[Path]: ...


class Disks(Protocol):
    """Which disk each folder was on when all its known photos were last seen in it."""

    def all(self) -> dict[Path, str]: ...
    def remember(self, folder: Path, disk: str) -> None: ...


class Inbox:
    """Lets every change settle. Used from one thread; times are monotonic seconds.

    A known photo that is not to be seen counts as deleted only where one could see it if it were there: in its
    watched folder, on its disk. Else it is out of sight, and its links stay until it is back or somebody forgets it.
    """

    def __init__(self, roots: Iterable[Path], settle_s: float, known: Known, disks: Disks) -> None:
        self._roots = tuple(roots)
        self._settling = Settling(settle_s)
        self._known = known
        self._disks = disks
        self._disk_of = disks.all()
        self._place_of: dict[Path, Path | None] = {}  # what `_moved` said of a folder, in the call that goes on
        self._missing: dict[Path, None] = {}  # known photos that a scan in progress has not found
        self._unscanned = set(self._roots)
        self.absent: dict[Path, str] = {}  # folder -> why its missing photos count as out of sight, not as deleted
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
        self._place_of.clear()
        looks = [self._look(path, now) for path in self._settling.due(now)[:AT_ONCE]]
        found = [settled for settled in looks if settled is not None and self._counts(settled)]
        for parent in {settled.path.parent for settled in found if settled.stamp is not None}:
            self._note(parent)
        return found

    def next_due(self) -> float | None:
        """When the next quiet period ends."""
        return self._settling.next_due()

    def reload_disks(self) -> None:
        """Somebody may have told the database to forget a folder."""
        self._disk_of = self._disks.all()

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
        known = self._known.known_in(listing.folder)
        for name, stamp in listing.photos.items():
            if known.get(name) != stamp.version:
                self._settling.notice(listing.folder / name, stamp, now)
        if listing.fault is None:
            missing = known.keys() - listing.photos.keys()
            self._missing.update((listing.folder / name, None) for name in missing)
            if listing.photos and not missing and listing.disk and listing.folder not in self._roots:
                self._remember(listing.folder, listing.disk)

    def _close_walk(self, walked: Walked, now: float) -> None:
        missing = [path for path in self._missing if path.is_relative_to(walked.top)]
        for path in missing:
            del self._missing[path]
        for folder in [f for f in self.unreadable if f.is_relative_to(walked.top) and f not in walked.folders]:
            del self.unreadable[folder]
        known = [folder for folder in self._known.known_folders(walked.top) if self._belongs(folder, walked)]
        vanished = [folder for folder in known if folder not in walked.folders]
        missing += [folder / name for folder in vanished for name in self._known.known_in(folder)]
        # What an event told of was seen to go.
        missing = [path for path in missing if not self._settling.is_leaving(path)]
        if walked.whole:
            self._unscanned.discard(walked.top)
            self._judge_root(walked, lacks_photos=bool(missing))
        self._judge_places(walked, missing)
        for path in missing:
            if not self._is_out_of_sight(path):
                self._settling.notice(path, None, now)

    def _belongs(self, folder: Path, walked: Walked) -> bool:
        """Whether a walk of a whole watched folder covers this one: another watched one may lie inside it."""
        return not walked.whole or self._root_of(folder) == walked.top

    def _judge_root(self, walked: Walked, *, lacks_photos: bool) -> None:
        """A watched folder that is empty, or another one than before, holds its photos' links for ever."""
        root = walked.top
        if not lacks_photos:
            if walked.photos:
                self._remember(root, _root_disk(root))
        elif walked.photos == 0 and self._was_seen_whole(walked):
            self._remember(root, EMPTIED)

    def _was_seen_whole(self, walked: Walked) -> bool:
        """Whether the watched folder itself was looked into, and is the one it was."""
        root, here = walked.top, _root_disk(walked.top)
        return root in walked.folders and root not in self.unreadable and self._disk_of.get(root, here) == here

    def _judge_places(self, walked: Walked, missing: Iterable[Path]) -> None:
        """Name the folders whose missing photos are out of sight."""
        for folder in [folder for folder in self.absent if folder.is_relative_to(walked.top)]:
            del self.absent[folder]
        lacking = Counter(path.parent for path in missing)
        places: Counter[Path] = Counter()
        for folder, count in lacking.items():
            if (place := self._moved(folder)) is not None:
                places[place] += count
        for place, count in places.items():
            if walked.whole or place not in self.absent:
                self.absent[place] = self._reason(place, count)

    def _reason(self, place: Path, count: int) -> str:
        if not _is_folder(place):
            state = "it is missing"
        elif self._disk_of.get(place) == EMPTIED:
            state = "it was found empty"
        else:
            state = "another disk or folder stands at its path now"
        return (
            f"{state}, so the links of {count} photos known in it are kept; bring them back, or let them go with "
            f"`bibwatch forget {shown(place)}`"
        )

    def _is_out_of_sight(self, path: Path) -> bool:
        return any(path.is_relative_to(folder) for folder in self.unreadable.keys() | self.absent.keys())

    def _counts(self, settled: Settled) -> bool:
        """Whether this may be believed: all that is there, and of what is gone, what one could see."""
        if settled.stamp is not None:
            return True
        folder = settled.path.parent
        if folder not in self._place_of:
            self._place_of[folder] = self._moved(folder)
        return not self._is_out_of_sight(settled.path) and self._place_of[folder] is None

    def _moved(self, folder: Path) -> Path | None:
        """The folder, or the watched one around it, that is not where it was; None where both are."""
        root = self._root_of(folder)
        if root is None:
            return folder
        if not _is_folder(root):
            return root
        if root in self._disk_of and self._disk_of[root] != _root_disk(root):
            return root
        if folder == root or folder not in self._disk_of or self._is_behind_a_link(folder / "photo"):
            return None
        return None if self._disk_of[folder] == _disk(folder) else folder

    def _note(self, folder: Path) -> None:
        """A photo was seen in this folder: remember where it is, unless that stands written already."""
        root = self._root_of(folder)
        if root is not None and root not in self._disk_of:
            self._remember(root, _root_disk(root))
        if folder not in self._disk_of:
            self._remember(folder, _disk(folder))

    def _remember(self, folder: Path, disk: str) -> None:
        if self._disk_of.get(folder) != disk:
            self._disks.remember(folder, disk)
            self._disk_of[folder] = disk

    def _root_of(self, folder: Path) -> Path | None:
        around = (root for root in self._roots if folder.is_relative_to(root))
        return max(around, key=lambda root: len(root.parts), default=None)


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


def _disk(folder: Path) -> str:
    try:
        return disk_of(folder)
    except OSError as error:  # no disk has such a name
        return f"out of reach: {error.strerror}"


def _root_disk(root: Path) -> str:
    """A watched folder's disk, and which folder it is there: one that was deleted and made again is another one."""
    _, inode = identity_of(root) or (0, 0)
    return f"{_disk(root)} folder {inode}"
