"""What counts as settled, gone or out of sight, with changes, places and a database of the test's own."""

from collections import deque
from collections.abc import Mapping
from pathlib import Path

import pytest

from bibwatch.values import ALL_NAMES, FileStamp, NameRange, Sighting
from bibwatch.watch.changes import Change, Listing, Looked, Place, Replaced, Touched, Walked
from bibwatch.watch.inbox import Inbox

ROOT = Path("/in")
A, B, CARD = ROOT / "a.jpg", ROOT / "b.jpg", ROOT / "card"
HOME, FIRST, SECOND = b"9 disk /in", b"9 first /", b"9 second /"


class Database:
    """Known photos, in a database that may fail."""

    def __init__(self, *photos: Path, place: Place | None = HOME) -> None:
        self.photos = {photo: Sighting(stamp(photo).version, place) for photo in photos}
        self.fails = False
        self.writes = 0

    def known_in(self, folder: Path, names: NameRange = ALL_NAMES) -> dict[str, Sighting]:
        self._check()
        inside = {path.name: sighting for path, sighting in self.photos.items() if path.parent == folder}
        return {name: sighting for name, sighting in inside.items() if names.holds(name)}

    def known_folders(self, root: Path) -> list[Path]:
        self._check()
        return sorted({path.parent for path in self.photos if path.is_relative_to(root)})

    def sighting(self, path: Path) -> Sighting | None:
        self._check()
        return self.photos.get(path)

    def seen_at(self, places: Mapping[Path, Place | None]) -> None:
        self._check()
        self.writes += 1
        for path, place in places.items():
            self.photos[path] = self.photos[path]._replace(place=place)

    def _check(self) -> None:
        if self.fails:
            raise OSError("the database fails")


class Bench:
    """An inbox that settles at once, whose looks find what the test says."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.inbox = Inbox([ROOT], 0.0, database)
        self.changes: deque[Change] = deque()
        self.places: dict[Path, Place | None] = {ROOT: HOME}
        self.there: set[Path] = set()

    def take(self, *changes: Change) -> None:
        self.changes.extend(changes)
        self.inbox.take(self.changes, 0.0)

    def scan(self, *, top: Path = ROOT, **faults: str) -> None:
        """A walk meets the folders that have a place, and the photos there."""
        folders = {folder: place for folder, place in self.places.items() if folder.is_relative_to(top)}
        for folder, place in folders.items():
            photos = {path.name: stamp(path) for path in self.there if path.parent == folder}
            self.take(Listing(top, folder, photos, {}, None, place, faults.get(folder.name)))
        self.take(Walked(top, folders, whole=top == ROOT))

    def look(self) -> dict[Path, bool]:
        """Photo -> whether it is there, for those that came to rest at a look."""
        for path in self.inbox.to_look_at(1.0):
            place = self.places.get(path.parent)
            self.take(Looked(path, stamp(path) if path in self.there else None, place))
        rested = {path: rested.stamp is not None for path, rested in self.inbox.rested.items()}
        self.inbox.rested.clear()
        return rested


def stamp(path: Path) -> FileStamp:
    return FileStamp(1, 1, len(path.name), 1, 1)


def test_what_fails_in_the_database_is_taken_again_and_nothing_before_or_after_it_is_lost() -> None:
    bench = Bench(Database(A, B))
    bench.there = {B}
    bench.database.fails = True
    bench.changes.append(Touched(A, None))
    for _ in range(3):
        with pytest.raises(OSError, match="fails"):
            bench.take(Listing(ROOT, ROOT, {"b.jpg": stamp(B)}, {}, None, HOME))
    assert len(bench.changes) == 3
    bench.database.fails = False
    bench.take(Walked(ROOT, {ROOT: HOME}, whole=True))
    assert bench.inbox.scanned
    assert bench.look() == {A: False}


def test_the_last_photos_that_an_event_told_of_are_gone_though_a_scan_finds_the_folder_empty() -> None:
    bench = Bench(Database(A, B))
    bench.scan()
    assert "found empty" in bench.inbox.absent[ROOT]
    assert bench.database.photos[A].place is None
    bench.take(Touched(A, None))
    assert bench.look() == {A: False}
    bench.scan()
    assert bench.look() == {}
    bench.there = {B}
    bench.scan()
    assert bench.database.photos[B].place == HOME


def test_what_was_deleted_with_the_folder_itself_is_out_of_sight() -> None:
    bench = Bench(Database(A))
    bench.take(Touched(A, None), Replaced(ROOT))
    assert bench.look() == {}
    bench.scan()
    assert ROOT in bench.inbox.absent


def test_what_a_scan_learns_of_many_folders_is_written_at_once() -> None:
    photos = [ROOT / f"cam{number}" / "a.jpg" for number in range(50)]
    bench = Bench(Database(*photos, place=b"elsewhere"))
    bench.places |= {photo.parent: b"%b/%b" % (HOME, photo.parent.name.encode()) for photo in photos}
    bench.there = set(photos)
    bench.scan()
    assert {sighting.place for sighting in bench.database.photos.values()} == set(bench.places.values()) - {HOME}
    assert bench.database.writes == 1
    bench.there.clear()
    bench.scan()
    assert {sighting.place for sighting in bench.database.photos.values()} == {None}
    assert bench.database.writes == 2


def test_a_folder_listed_bit_by_bit_misses_a_photo_only_in_its_own_stretch() -> None:
    photos = [ROOT / f"{name}.jpg" for name in "abcd"]
    bench = Bench(Database(*photos))
    bits = (
        Listing(ROOT, ROOT, {"a.jpg": stamp(A)}, {}, None, HOME, names=NameRange(upto=b"b.jpg")),
        Listing(ROOT, ROOT, {}, {"c.jpg": "Input/output error"}, None, HOME, names=NameRange(b"b.jpg", b"c.jpg")),
        Listing(ROOT, ROOT, {}, {}, None, HOME, names=NameRange(b"c.jpg")),
    )
    bench.take(*bits, Walked(ROOT, {ROOT: HOME}, whole=True))
    assert bench.inbox.faults() == {ROOT: "photos cannot be looked at (1, such as c.jpg): Input/output error"}
    assert bench.look() == {photos[1]: False, photos[3]: False}
    bench.there = set(photos)
    bench.scan()
    assert bench.inbox.faults() == {}


def test_scans_pause_while_many_photos_settle_but_not_for_a_disk_that_does_not_answer() -> None:
    bench = Bench(Database())
    room = bench.inbox.room
    bench.take(Listing(ROOT, ROOT, {f"{number}.jpg": stamp(A) for number in range(room)}, {}, None, HOME))
    assert bench.inbox.room == 0
    while bench.inbox.to_look_at(1.0):
        pass  # nothing comes back
    assert len(bench.inbox) == bench.inbox.room == room


def test_a_photo_that_went_between_its_folders_listing_and_the_end_of_the_scan_is_missed_by_nobody() -> None:
    bench = Bench(Database(A))
    bench.take(Listing(ROOT, ROOT, {}, {}, None, HOME))
    bench.database.photos.clear()
    bench.take(Walked(ROOT, {ROOT: HOME}, whole=True))
    assert bench.inbox.absent == {}


def test_a_folder_inside_another_one_is_judged_by_itself() -> None:
    inner = ROOT / "inner"
    database = Database(A, inner / "b.jpg")
    inbox = Inbox([ROOT, inner], 0.0, database)
    inbox.take(
        deque([Listing(inner, inner, {}, {}, None, None, "Permission denied"), Walked(inner, {inner: None}, True)]), 0
    )
    for fault in (None, "Permission denied"):
        inbox.take(
            deque([Listing(ROOT, ROOT, {"a.jpg": stamp(A)}, {}, None, HOME, fault), Walked(ROOT, {ROOT: HOME}, True)]),
            0,
        )
        assert inbox.faults()[inner] == "Permission denied"
    there = inner / "c.jpg"
    place = HOME + b"/inner"
    database.photos[inner / "b.jpg"] = Sighting(stamp(there).version, place)
    listing = Listing(inner, inner, {"c.jpg": stamp(there)}, {}, None, place)
    inbox.take(deque([listing, Walked(inner, {inner: place}, True)]), 0.0)
    assert inner / "b.jpg" in inbox.to_look_at(1.0)


def test_a_sub_folder_that_left_takes_its_photos_with_it_though_it_held_all_of_them() -> None:
    photo = CARD / "c.jpg"
    bench = Bench(Database(photo, place=HOME + b"/card"))
    bench.scan(top=CARD)
    bench.scan()
    assert bench.inbox.absent == {}
    bench.places[CARD] = HOME + b"/card"  # where the look says it would lie
    assert bench.look() == {photo: False}


def test_photos_moved_away_with_their_folder_are_gone_though_a_scan_was_faster_but_only_just_then() -> None:
    photo = CARD / "c.jpg"
    for scans, is_gone in ((1, True), (2, False)):
        bench = Bench(Database(photo, place=HOME + b"/card"))
        for _ in range(scans):
            bench.scan()
        assert "found empty" in bench.inbox.absent[ROOT]
        bench.scan(top=CARD)
        bench.places[CARD] = HOME + b"/card"  # where the look says it would lie
        assert bench.look() == ({photo: False} if is_gone else {})


def test_a_mount_folder_that_goes_takes_no_photos_with_it_of_which_nobody_knows_where_they_are() -> None:
    photo, other = CARD / "c.jpg", CARD / "d.jpg"
    bench = Bench(Database(photo, place=None))
    bench.database.photos[other] = Sighting(stamp(other).version, HOME + b"/card")
    bench.there = {A}
    bench.scan(top=CARD)
    bench.places[CARD] = HOME + b"/card"
    assert bench.look() == {other: False}
    bench.scan()
    assert "nothing tells what became of" in bench.inbox.absent[CARD]


def test_a_sub_folder_that_comes_back_empty_says_nothing_about_photos_that_were_out_of_sight() -> None:
    photo = CARD / "c.jpg"
    bench = Bench(Database(photo, place=None))
    bench.places[CARD] = HOME + b"/card"
    bench.scan(top=CARD)
    assert bench.look() == {}
    bench.there = {A}
    bench.scan()
    assert "bibwatch forget /in/card" in bench.inbox.absent[CARD]


def test_a_look_at_another_disk_says_nothing_about_a_photo_nor_does_one_while_the_folder_is_missing() -> None:
    photo = CARD / "c.jpg"
    for place in (SECOND, None):
        bench = Bench(Database(photo, place=FIRST))
        bench.places[CARD] = place
        bench.take(Touched(photo, None))
        assert bench.look() == {}
        assert len(bench.inbox) == 0


def test_a_folder_that_nobody_can_look_into_hides_only_what_lies_below_it() -> None:
    photo, other = CARD / "day1" / "c.jpg", B
    bench = Bench(Database(A, other, photo))
    bench.there = {other}
    bench.places[CARD] = None
    bench.scan(card="Permission denied")
    assert bench.look() == {A: False}
    assert bench.inbox.faults() == {CARD: "Permission denied"}


def test_a_photo_that_is_known_as_it_lies_there_is_queued_again_only_where_an_event_told_of_it() -> None:
    bench = Bench(Database(A, B))
    bench.there = {A, B}
    bench.take(Listing(ROOT, ROOT, {}, {}, None, HOME), Walked(ROOT, {ROOT: HOME}, whole=False))  # both came later
    bench.take(Touched(B, None), Listing(ROOT, ROOT, {"b.jpg": stamp(B)}, {}, None, HOME))
    while len(bench.inbox):
        rested = bench.look()
    assert rested == {B: True}


def test_a_look_that_nobody_asked_for_finds_a_new_version_and_says_nothing_of_what_is_missing() -> None:
    bench = Bench(Database(A, B))
    bench.there = {A}
    bench.database.photos[A] = Sighting((99, 99), HOME)
    bench.take(Looked(A, stamp(A), HOME), Looked(B, None, HOME))
    assert bench.look() == {A: True}
    assert len(bench.inbox) == 0
