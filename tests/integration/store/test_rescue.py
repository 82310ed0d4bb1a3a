"""A damaged database is kept, and what no photo can tell again is taken over from it."""

import errno
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from bibwatch.errors import CouldNotStart, DatabaseDamaged
from bibwatch.store.rescue import set_aside
from bibwatch.store.store import Store
from bibwatch.values import Correction, FileStamp, Link, Photo
from tests.integration.store.test_queue import claim, seen

PAGE = 4096  # bytes
STAMP = "20261122-093000"
LINKS = {
    path: Link(path, Path("/in/0.jpg"), mode, text, stamp, copied)
    for path, mode, text, stamp, copied in (
        (Path("/bibs/7/0.jpg"), "symlink", "../../in/0.jpg", None, None),
        (Path("/bibs/7/bad\udcff\n.jpg"), "hardlink", None, FileStamp(1, 2, 3, 4, 5), None),
        (Path("/bibs/8/0.jpg"), "copy", None, FileStamp(1, 2, 3, 4, 5), (3, 4)),
    )
}
PLACE = b"1A2B-3C4D /in"
TAKEN = {"links": 3, "link_folders": 1, "link_roots": 1, "contents": 300, "corrections": 2, "places": 1}
SAID = (Correction("set", ("7", "0042")), Correction("remove", ("7",)))


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A database with 300 photos read, links of each mode to photo 0, and corrections to photo 5."""
    path = tmp_path / "bibwatch.db"
    with closing(Store.open(path)) as store:
        store.queue.add([Photo(Path(f"/in/{number}.jpg"), 1, 1) for number in range(300)], now=1.0)
        for number in range(300):
            store.readings.finish([(claim(store), seen(str(number).encode()))], now=2.0)
        for number, correction in enumerate(SAID):
            store.corrections.add(b"5", [correction], now=3.0 + number)
        store.links.remember_folder(Path("/bibs/7"))
        store.links.remember(LINKS.values())
        store.queue.seen_at({Path("/in/0.jpg"): PLACE, Path("/in/1.jpg"): PLACE})
        store.roots.remember(Path("/bibs"), PLACE, Path("/"))
    return path


def test_words_that_damage_made_nonsense_of_are_left_out(database: Path) -> None:
    nonsense = ('["7"', '"7"', "[7]", '["../7"]', '["a/b"]', '["a\\u0007"]', '[""]', "null")
    with closing(sqlite3.connect(database)) as connection:
        sql = "INSERT INTO corrections (content_id, kind, bibs, made_at) VALUES (1, 'set', ?, 1.0)"
        connection.executemany(sql, [(bibs,) for bibs in nonsense])
        connection.execute("UPDATE corrections SET made_at = 'x' WHERE kind = 'remove'")
        connection.commit()
    _, taken = set_aside(database, STAMP)
    assert taken["corrections"] == 1


def root_page(database: Path, table: str) -> int:
    with closing(sqlite3.connect(database)) as connection:
        return int(connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()[0]) - 1


def damage(database: Path, table: str) -> None:
    """Overwrite the page that all of this table hangs on."""
    page = root_page(database, table)
    with database.open("r+b") as file:
        file.seek(page * PAGE)
        file.write(os.urandom(PAGE))
    with pytest.raises(DatabaseDamaged):
        Store.open(database)


def corrections_of(store: Store, content: bytes) -> tuple[Correction, ...]:
    """What was said about this content, once a photo shows it again."""
    again = Photo(Path("/in/again.jpg"), 1, 1)
    store.queue.add([again], now=9.0)
    while (job := claim(store)).photo != again:
        pass
    store.readings.finish([(job, seen(content))], now=9.0)
    [photo] = store.readings.read_photos("engine:1")
    return photo.corrections


def test_links_and_corrections_are_taken_over_where_the_readings_are_lost(database: Path) -> None:
    damage(database, "readings")
    damaged = database.read_bytes()
    aside, taken = set_aside(database, STAMP)
    assert aside == database.with_name(f"bibwatch.db.damaged-{STAMP}")
    assert aside.read_bytes() == damaged
    assert taken == TAKEN
    with closing(Store.open(database)) as store:
        assert store.links.owned() == LINKS
        assert store.links.owns_folder(Path("/bibs/7"))
        assert store.roots.get(Path("/bibs")) == (PLACE, Path("/"))
        sighting = store.queue.sighting(Path("/in/0.jpg"))
        assert sighting is not None
        assert sighting.place == PLACE
        assert not store.readings.has_read(b"5", "engine:1")
        assert corrections_of(store, b"5") == SAID
        assert store.contradictions() == []


def test_a_table_that_cannot_be_read_costs_no_other(database: Path) -> None:
    damage(database, "links")
    _, taken = set_aside(database, STAMP)
    assert taken == TAKEN | {"links": 0, "places": 0}


def test_photos_that_have_links_are_queued_at_once_and_whatever_lies_there_is_another_version(database: Path) -> None:
    damage(database, "photos")
    set_aside(database, STAMP)
    with closing(Store.open(database)) as store:
        assert store.queue.counts()["waiting"] == 1
        assert store.queue.awaits_first_reading(Path("/in/0.jpg"))
        [sighting] = store.queue.known_in(Path("/in")).values()
        assert sighting.version[0] < 0
        assert sighting.place is None  # and out of sight until it is seen
        assert store.queue.waiting_since() == pytest.approx(time.time(), abs=100)


def test_rows_before_and_behind_a_page_that_cannot_be_read_are_taken_over(database: Path) -> None:
    with closing(Store.open(database)) as store:
        many = [Link(Path(f"/bibs/7/{number:04}.jpg"), Path("/in/0.jpg"), "symlink", "x") for number in range(2000)]
        store.links.remember(many)
    with closing(sqlite3.connect(database)) as connection:
        text = connection.execute("SELECT path FROM links WHERE rowid = 1500").fetchone()[0]
    whole = database.read_bytes()
    page = next(
        page
        for page in range(len(whole) // PAGE)
        if text in whole[page * PAGE : (page + 1) * PAGE] and whole[page * PAGE] == 13  # a leaf of a table
    )
    with database.open("r+b") as file:
        file.seek(page * PAGE)
        file.write(bytes(PAGE))
    _, taken = set_aside(database, STAMP)
    assert 1900 < taken["links"] < 2003
    assert taken["corrections"] == 2
    with closing(Store.open(database)) as store:
        owned = store.links.owned()
    assert owned.keys() >= LINKS.keys() | {Path("/bibs/7/0000.jpg"), Path("/bibs/7/1999.jpg")}
    assert len(owned) == taken["links"]


def test_rows_that_damage_made_nonsense_of_are_left_out(database: Path) -> None:
    with closing(sqlite3.connect(database)) as other:
        other.execute("PRAGMA ignore_check_constraints = ON")
        other.execute("UPDATE links SET mode = 'wormhole' WHERE path = ?", (os.fsencode("/bibs/8/0.jpg"),))
        other.execute("UPDATE corrections SET content_id = 99999 WHERE kind = 'remove'")
        other.commit()
    _, taken = set_aside(database, STAMP)
    assert (taken["links"], taken["corrections"]) == (2, 1)


def test_a_file_that_is_no_database_at_all_is_kept_as_it_is(tmp_path: Path) -> None:
    database = tmp_path / "bibwatch.db"
    notes = b"my notes on the race\n" * 500
    database.write_bytes(notes)
    aside, taken = set_aside(database, STAMP)
    assert aside.read_bytes() == notes
    assert set(taken.values()) == {0}
    Store.open(database).close()


def test_what_was_committed_but_not_yet_in_the_file_itself_comes_along(database: Path, tmp_path: Path) -> None:
    crashed = tmp_path / "crashed" / "bibwatch.db"
    crashed.parent.mkdir()
    with closing(Store.open(database)) as store:
        late = Link(Path("/bibs/9/late.jpg"), Path("/in/1.jpg"), "symlink", "../../in/1.jpg")
        store.links.remember([late])
        for name in ("bibwatch.db", "bibwatch.db-wal", "bibwatch.db-shm"):
            (crashed.parent / name).write_bytes((tmp_path / name).read_bytes())
    aside, taken = set_aside(crashed, STAMP)
    assert taken["links"] == 4
    assert aside.with_name(f"{aside.name}-wal").exists()
    with closing(Store.open(crashed)) as store:
        assert store.links.owned() == LINKS | {late.path: late}
        assert store.contradictions() == []


def test_nothing_that_was_kept_aside_before_is_written_over(database: Path) -> None:
    before = database.read_bytes()
    earlier = database.with_name(f"bibwatch.db.damaged-{STAMP}")
    earlier.write_text("an earlier one")
    with pytest.raises(CouldNotStart, match="is there already"):
        set_aside(database, STAMP)
    assert earlier.read_text() == "an earlier one"
    assert database.read_bytes() == before


@pytest.mark.parametrize("broken", ["bibwatch.store.rescue.open_database", "os.link", "pathlib.Path.replace"])
def test_a_rebuild_that_breaks_off_leaves_the_damaged_database_in_its_place(
    database: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    def refuse(*given: object, **named: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    damage(database, "readings")
    before = database.read_bytes()
    with monkeypatch.context() as disk:
        disk.setattr(broken, refuse)
        with pytest.raises(CouldNotStart, match="cannot be kept aside: .*No space left"):
            set_aside(database, STAMP)
    assert database.read_bytes() == before
    with pytest.raises(DatabaseDamaged):
        Store.open(database)
    _, taken = set_aside(database, "a-second-later")
    assert (taken["links"], taken["corrections"]) == (3, 2)
