"""What `verify` says of photos, database and links that do not agree; it changes nothing."""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bibwatch.config import Config, load_config
from bibwatch.errors import DatabaseMissing
from bibwatch.match.event import Event
from bibwatch.service.linking import Linking
from bibwatch.service.setup import engine_name, rules
from bibwatch.service.verify import verify
from bibwatch.store.lock import ServiceLock
from bibwatch.store.readings import Seen
from bibwatch.store.store import Store
from bibwatch.values import Box, Job, Photo, Reading
from tests.mounts import Mounts


class Race:
    """Two photos that were read and linked: a shows bib 7, b in cam1 shows bib 8."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.incoming, self.bibs = folder / "incoming", folder / "bibs"
        self.database = folder / "bibwatch.db"
        self.configure()
        self.add("a.jpg", "7")
        self.add("cam1/b.jpg", "8")
        self.link()

    def configure(self, targets: str = "all", more: str = "") -> None:
        text = f"watch: [{{path: incoming}}]\ntargets: {targets}\n{more}\n"
        (self.folder / "config.yaml").write_text(text)

    @property
    def config(self) -> Config:
        return load_config(self.folder / "config.yaml", need_folders=False, need_engine=False)

    def add(self, name: str, *bibs: str) -> None:
        """A photo that lies there and was read."""
        with closing(Store.open(self.database)) as store:
            engine, job = engine_name(self.config, store), self.begin_reading(store, name)
            readings = tuple(Reading(bib, 0.9, Box(0, 0, 1, 1), 0.9, engine) for bib in bibs)
            store.readings.finish([(job, Seen(name.encode(), engine, readings, 1, 1, 0.1))], time.time())

    def begin_reading(self, store: Store, name: str) -> Job:
        path = self.incoming / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
        store.queue.add([Photo(path, path.stat().st_size, path.stat().st_mtime_ns)], time.time())
        [job] = store.queue.claim(time.time(), most=1)
        return job

    def link(self) -> None:
        with closing(Store.open(self.database)) as store:
            wanted = rules(self.config, Event())
            list(Linking(store, engine_name(self.config, store), self.config, wanted).sweep())

    def state(self) -> tuple[object, ...]:
        """All that lies in the folder, and all that the database holds."""
        files = sorted(path for path in self.folder.rglob("*") if not path.name.startswith(self.database.name))
        tree = [(path, path.lstat(), path.readlink() if path.is_symlink() else None) for path in files]
        looks = [(path, s.st_mode, s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns, to) for path, s, to in tree]
        with closing(sqlite3.connect(f"{self.database.as_uri()}?mode=ro", uri=True)) as reader:
            return *looks, *reader.iterdump()

    def differences(self) -> list[str]:
        """What `verify` says, which changes nothing on the way."""
        before = self.state()
        found = list(verify(self.config))
        assert self.state() == before
        return found


@pytest.fixture
def race(tmp_path: Path) -> Iterator[Race]:
    race = Race(tmp_path)
    assert race.differences() == []
    yield race


@pytest.mark.parametrize("mode", ["symlink", "hardlink", "copy"])
def test_where_all_agree_there_is_nothing_to_say(race: Race, mode: str) -> None:
    race.configure("all", f"links: {{mode: {mode}}}")
    race.link()
    assert race.differences() == []


def test_a_link_that_somebody_deleted_is_missing(race: Race) -> None:
    (race.bibs / "7" / "a.jpg").unlink()
    assert race.differences() == [f"7/a.jpg: is missing; it should lead to {race.incoming / 'a.jpg'}"]


def test_a_link_that_was_not_made_yet_is_missing(race: Race) -> None:
    race.add("c.jpg", "7", "8")
    photo = race.incoming / "c.jpg"
    lines = [f"{bib}/c.jpg: is missing; it should lead to {photo}" for bib in (7, 8)]
    assert sorted(race.differences()) == lines


def test_a_whole_link_tree_that_is_gone_is_missing(race: Race) -> None:
    race.bibs.rename(race.folder / "bibs.old")
    assert len(race.differences()) == 2


def test_a_file_in_the_place_of_a_link_is_in_the_way_whether_it_was_made_before_or_not(race: Race) -> None:
    (race.bibs / "7" / "a.jpg").unlink()
    (race.bibs / "7" / "a.jpg").write_text("mine")
    race.add("c.jpg", "7")
    (race.bibs / "7" / "c.jpg").write_text("mine")
    said = "is not what bibwatch made; a link to"
    assert sorted(race.differences()) == [
        f"7/a.jpg: {said} {race.incoming / 'a.jpg'} should stand there",
        f"7/c.jpg: {said} {race.incoming / 'c.jpg'} should stand there",
    ]


def test_the_very_link_that_is_wanted_is_fine_whoever_made_it(race: Race) -> None:
    race.add("c.jpg", "7")
    (race.bibs / "7" / "c.jpg").symlink_to("../../incoming/c.jpg")
    assert race.differences() == []


def test_a_link_that_somebody_turned_elsewhere_is_not_ours(race: Race) -> None:
    link = race.bibs / "7" / "a.jpg"
    link.unlink()
    link.symlink_to(race.incoming / "cam1" / "b.jpg")
    assert race.differences() == [
        f"7/a.jpg: is not what bibwatch made; a link to {race.incoming / 'a.jpg'} should stand there"
    ]


def test_a_link_into_the_watched_folders_that_nobody_wants_is_a_stray_one(race: Race) -> None:
    (race.bibs / "9").mkdir()
    (race.bibs / "9" / "a.jpg").symlink_to("../../incoming/a.jpg")
    (race.bibs / "9" / "notes.txt").write_text("mine, and none of its business")
    (race.bibs / "9" / "elsewhere.jpg").symlink_to("/nowhere/else.jpg")
    assert race.differences() == [
        f"9/a.jpg: leads to {race.incoming / 'a.jpg'}, but bibwatch does not want it and did not make it"
    ]


def test_a_link_that_is_half_made_was_left_by_a_crash(race: Race) -> None:
    (race.bibs / "7" / ".bibwatch~0123456789abcdef").symlink_to("../../incoming/a.jpg")
    [line] = race.differences()
    assert line.startswith("7/.bibwatch~0123456789abcdef: was left unfinished by a crash")


def test_links_that_are_wanted_no_more_are_named(race: Race) -> None:
    race.configure("['8']")
    assert race.differences() == ["7/a.jpg: is no longer wanted"]
    (race.bibs / "7" / "a.jpg").unlink()
    assert race.differences() == ["7/a.jpg: stands in the records as ours, but is not there"]


def test_links_that_the_config_wants_in_another_way_are_named(race: Race) -> None:
    race.configure("['7']", "links: {mode: copy}")
    photo = race.incoming / "a.jpg"
    assert sorted(race.differences()) == [
        f"7/a.jpg: leads to {photo}; it should lead to {photo}, as a copy",
        "8/b.jpg: is no longer wanted",
    ]


def test_a_copy_of_an_older_version_is_named(race: Race) -> None:
    race.configure("['7']", "links: {mode: copy}")
    race.link()
    race.add("a.jpg", "7")
    os.utime(race.incoming / "a.jpg", ns=(1, 1))
    assert f"7/a.jpg: is an older version of {race.incoming / 'a.jpg'}" in race.differences()


def test_photos_that_the_database_does_not_know_or_knows_otherwise_are_named(race: Race) -> None:
    (race.incoming / "new\nline.jpg").write_text("new")
    (race.incoming / ".hidden.jpg").write_text("no photo")
    (race.incoming / "notes.txt").write_text("no photo")
    (race.incoming / "cam1" / "b.jpg").write_text("longer than before")
    assert sorted(race.differences()) == [
        f"{race.incoming / 'cam1' / 'b.jpg'}: has changed since it was queued",
        rf"{race.incoming}/new\nline.jpg: not in the database",
    ]


def test_known_photos_that_are_out_of_sight_are_counted_by_folder(race: Race) -> None:
    (race.incoming / "a.jpg").unlink()
    (race.incoming / "cam1").rename(race.folder / "cam1")
    assert sorted(race.differences()) == [
        f"{race.incoming / 'cam1'}: 1 known photo out of sight: no such folder now",
        f"{race.incoming}: 1 known photo out of sight, such as a.jpg",
    ]


def test_a_watched_folder_that_is_away_is_named_and_its_links_are_well(race: Race) -> None:
    race.incoming.rename(race.folder / "away")
    assert sorted(race.differences()) == [
        f"{race.incoming / 'cam1'}: 1 known photo out of sight: no such folder now",
        f"{race.incoming}: 1 known photo out of sight: no such folder now",
    ]


def test_photos_in_the_middle_of_their_reading_count_once_the_service_is_gone(race: Race) -> None:
    with closing(Store.open(race.database)) as store:
        race.begin_reading(store, "c.jpg")
    lock = ServiceLock(race.database)
    lock.take()
    assert race.differences() == ["1 photo: in hand now"]
    lock.release()
    assert race.differences() == ["1 photo: in hand when the service ended; its next start reads them"]


def test_photos_that_nobody_has_read_yet_are_counted(race: Race) -> None:
    (race.incoming / "c.jpg").write_text("c")
    stamp = (race.incoming / "c.jpg").stat()
    with closing(Store.open(race.database)) as store:
        store.queue.add([Photo(race.incoming / "c.jpg", stamp.st_size, stamp.st_mtime_ns)], now=1.0)
    assert race.differences() == ["1 photo: not read yet; `bibwatch run` or `scan` does"]


def test_a_link_root_whose_disk_is_away_is_one_difference(race: Race, mounts: Mounts) -> None:
    race.configure("all", "links: {root: card/bibs}")
    card = mounts.disk(race.folder / "card")
    race.link()
    assert race.differences() == []
    mounts.let_go(card)
    [line] = race.differences()
    assert line.startswith(f"{card / 'bibs'}: the disk that was mounted at {card} is not there")


def test_what_contradicts_itself_in_the_database_is_named(race: Race) -> None:
    with closing(sqlite3.connect(race.database)) as other:
        other.execute("INSERT INTO jobs VALUES (9999, 1, 'done', 0, 0, 0, NULL)")
        other.commit()
    [line] = race.differences()
    assert line.startswith(f"{race.database}: jobs: row")
    assert line.endswith("refers to no row of photos")


def test_an_index_that_does_not_agree_with_its_table_is_named(race: Race) -> None:
    with closing(sqlite3.connect(race.database)) as other:
        other.execute("PRAGMA writable_schema = ON")
        wrong = "CREATE INDEX links_by_name ON links (mode)"
        other.execute("UPDATE sqlite_master SET sql = ? WHERE name = 'links_by_name'", (wrong,))
        other.commit()
    found = race.differences()
    assert f"{race.database}: row 1 missing from index links_by_name" in found


def test_without_a_database_there_is_nothing_to_compare(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("watch: [{path: incoming}]\ntargets: all\n")
    with pytest.raises(DatabaseMissing, match="no database yet"):
        list(verify(load_config(tmp_path / "config.yaml", need_folders=False)))
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]
