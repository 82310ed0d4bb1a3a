"""The database file itself: transactions that fail, files that are damaged, other writers."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bibwatch.errors import CouldNotStart, DatabaseDamaged, DatabaseFault, DatabaseUnreadable
from bibwatch.store import schema
from bibwatch.store.damage import is_damage
from bibwatch.store.schema import database_faults, open_database, writing
from bibwatch.store.store import Store
from bibwatch.values import Photo, Sighting
from tests.integration.store.test_queue import claim, seen
from tests.mounts import Mounts

PAGE = 4096  # bytes


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(open_database(tmp_path / "bibwatch.db")) as connection:
        yield connection


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A closed database with 300 photos that were read."""
    path = tmp_path / "bibwatch.db"
    with closing(Store.open(path)) as store:
        store.queue.add(photos(300), now=1.0)
        for number in range(300):
            store.readings.finish([(claim(store), seen(str(number).encode()))], now=2.0)
    return path


def photos(count: int, folder: str = "/in") -> list[Photo]:
    return [Photo(Path(f"{folder}/{number}.jpg"), 1, 1) for number in range(count)]


def overwrite(path: Path, page: int) -> None:
    """As a failing disk does."""
    with path.open("r+b") as file:
        file.seek(page * PAGE)
        file.write(os.urandom(PAGE))


def test_a_full_database_takes_nothing_half_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    with closing(Store.open(tmp_path / "bibwatch.db")) as store:
        pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
        store._connection.execute(f"PRAGMA max_page_count = {pages + 2}")
        with pytest.raises(sqlite3.OperationalError, match="full"):
            store.queue.add(photos(1000), now=1.0)
        assert not store._connection.in_transaction
        assert store.queue.counts()["waiting"] == 0
        store._connection.execute("PRAGMA max_page_count = 100000")
        store.queue.add(photos(1000), now=1.0)
        assert store.queue.counts()["waiting"] == 1000


def test_a_commit_that_fails_leaves_no_open_transaction(connection: sqlite3.Connection) -> None:
    with pytest.raises(sqlite3.IntegrityError), writing(connection):
        connection.execute("PRAGMA defer_foreign_keys = ON")  # so that the COMMIT itself is what fails
        connection.execute("INSERT INTO jobs VALUES (99, 1, 'waiting', 0, 0, 0, NULL)")
    assert not connection.in_transaction
    with writing(connection):
        connection.execute("INSERT INTO link_folders VALUES ('a')")
    assert connection.execute("SELECT count(*) FROM jobs").fetchone()[0] == 0


def test_a_disk_that_is_full_at_the_commit_costs_what_was_not_committed_and_no_more(
    tmp_path: Path, mounts: Mounts
) -> None:
    disk = mounts.disk(tmp_path / "disk", "size=512k")
    with closing(Store.open(disk / "bibwatch.db")) as store:
        store.queue.add(photos(10), now=1.0)
        ballast = disk / "ballast"
        with pytest.raises(OSError, match="No space"), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(PAGE))
        with pytest.raises(DatabaseFault, match="full|I/O"), database_faults():
            store.queue.add(photos(200, "/late"), now=2.0)
        assert not store._connection.in_transaction
        ballast.unlink()
        store.queue.add(photos(20, "/late"), now=3.0)
        assert store.queue.counts()["waiting"] == 30
        assert store.contradictions() == []


def test_an_error_inside_a_transaction_undoes_it_and_goes_on_upwards(connection: sqlite3.Connection) -> None:
    with pytest.raises(KeyboardInterrupt), writing(connection):
        connection.execute("INSERT INTO link_folders VALUES ('a')")
        raise KeyboardInterrupt
    assert not connection.in_transaction
    assert connection.execute("SELECT count(*) FROM link_folders").fetchone()[0] == 0


def test_a_first_start_that_was_killed_half_way_is_made_good_by_the_next(tmp_path: Path) -> None:
    path = tmp_path / "bibwatch.db"
    killed = """
import os, sqlite3, sys
one = sqlite3.connect(sys.argv[1], isolation_level=None)
one.execute("CREATE TABLE before (x)")
one.execute("PRAGMA cache_size = 1")
one.execute("BEGIN")
for number in range(200):
    one.execute(f"CREATE TABLE half_{number} (x)")
os._exit(0)
"""
    subprocess.run([sys.executable, "-c", killed, str(path)], check=True)
    assert path.with_name("bibwatch.db-journal").stat().st_size > 0
    with closing(Store.open(path)) as store:
        tables = {row[0] for row in store._connection.execute("SELECT name FROM sqlite_master")}
        assert "half_0" not in tables
        assert "photos" in tables


def test_an_older_database_keeps_its_photos_and_where_the_link_roots_disk_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, odd = tmp_path / "bibwatch.db", b"/media/my \xff card/bibs"
    older = dict(list(schema.MIGRATIONS.items())[:3])
    with monkeypatch.context() as before:
        before.setattr(schema, "MIGRATIONS", older)
        with closing(open_database(path)) as connection:
            connection.execute("INSERT INTO photos (dir, name, size, mtime_ns) VALUES (?, ?, 1, 2)", (b"/in", b"a.jpg"))
            disks = [(odd, "/media/my card 1A2B-3C4D"), (b"/in", "/ 8f3d folder 17"), (b"/empty", "")]
            connection.executemany("INSERT INTO folder_disks VALUES (?, ?)", disks)
    with closing(Store.open(path)) as store:
        assert store.queue.known_in(Path("/in")) == {"a.jpg": Sighting((1, 2), None)}
        assert store.roots.get(Path(os.fsdecode(odd))) == (b"", Path("/media/my card"))
        assert store.roots.get(Path("/empty")) is None


@pytest.mark.parametrize(
    "error",
    [sqlite3.OperationalError("database is locked"), sqlite3.DatabaseError("malformed"), sqlite3.IntegrityError("no")],
)
def test_what_sqlite_raises_becomes_a_fault_that_says_the_same(error: sqlite3.Error) -> None:
    with pytest.raises(DatabaseFault, match=str(error)) as caught, database_faults():
        raise error
    assert caught.value.__cause__ is error


def test_what_sqlite_does_not_raise_is_left_alone() -> None:
    with pytest.raises(OSError, match="disk"), database_faults():
        raise OSError("the disk")


@pytest.mark.parametrize("page", [0, 1, 20, -1])
def test_a_damaged_database_is_refused_and_not_touched(database: Path, page: int) -> None:
    pages = database.stat().st_size // PAGE
    overwrite(database, page % pages)
    before = database.read_bytes()
    with pytest.raises(DatabaseDamaged, match=r"bibwatch\.db: the database is damaged.*(\n.*)*run --rebuild"):
        Store.open(database)
    assert database.read_bytes() == before


def test_what_a_crash_left_in_the_log_is_not_moved_into_a_damaged_database(database: Path, tmp_path: Path) -> None:
    crashed = tmp_path / "crashed" / "bibwatch.db"
    crashed.parent.mkdir()
    with closing(Store.open(database)) as store:
        store.queue.add(photos(50, "/late"), now=3.0)
        for suffix in ("", "-wal", "-shm"):
            shutil.copy(database.with_name(f"bibwatch.db{suffix}"), crashed.with_name(f"bibwatch.db{suffix}"))
    overwrite(crashed, 20)
    log = crashed.with_name("bibwatch.db-wal")
    before = crashed.read_bytes(), log.read_bytes()
    assert before[1]
    with pytest.raises(DatabaseDamaged):
        Store.open(crashed)
    assert (crashed.read_bytes(), log.read_bytes()) == before


def test_an_empty_database_beside_a_log_is_damaged_and_the_log_is_kept(database: Path) -> None:
    log = database.with_name("bibwatch.db-wal")
    store = Store.open(database)
    store.queue.add(photos(1, "/late"), now=3.0)
    before = log.read_bytes()
    store.close()
    database.write_bytes(b"")
    log.write_bytes(before)
    with pytest.raises(DatabaseDamaged, match="empty, but its log is not"):
        Store.open(database)
    assert log.read_bytes() == before


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: whole[: len(whole) // 2],
        lambda whole: whole[:-100],
        lambda whole: bytes(len(whole)),
        lambda whole: b"my notes on the race\n" * 10,
    ],
    ids=["cut in half", "cut short", "zeros", "a text"],
)
def test_what_is_no_whole_database_is_refused_and_not_touched(database: Path, damage: Callable[[bytes], bytes]) -> None:
    database.write_bytes(damage(database.read_bytes()))
    before = database.read_bytes()
    with pytest.raises(DatabaseDamaged):
        Store.open(database)
    assert database.read_bytes() == before


def test_damage_is_told_from_what_surrounds_a_file(database: Path) -> None:
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with closing(sqlite3.connect(database, timeout=0.0)) as late, pytest.raises(sqlite3.Error) as locked:
            late.execute("BEGIN IMMEDIATE")
    assert not is_damage(locked.value)
    overwrite(database, 0)
    with closing(sqlite3.connect(database)) as damaged, pytest.raises(sqlite3.Error) as broken:
        damaged.execute("SELECT * FROM jobs")
    assert is_damage(broken.value)


def test_a_database_that_cannot_be_opened_for_another_reason_is_not_called_damaged(tmp_path: Path) -> None:
    (tmp_path / "bibwatch.db").mkdir()
    with pytest.raises(CouldNotStart, match="cannot be opened") as caught:
        Store.open(tmp_path / "bibwatch.db")
    assert not isinstance(caught.value, DatabaseDamaged)


def test_questions_to_what_is_no_database_are_refused(database: Path) -> None:
    database.write_bytes(b"my notes on the race\n" * 1000)
    with pytest.raises(DatabaseUnreadable, match="cannot be read"):
        Store.open_read_only(database)


def test_contradictions_name_what_is_wrong(database: Path) -> None:
    with closing(Store.open(database)) as store:
        assert store.contradictions() == []
    with closing(sqlite3.connect(database)) as other:
        other.execute("INSERT INTO jobs VALUES (9999, 1, 'done', 0, 0, 0, NULL)")
        other.commit()
    with closing(Store.open_read_only(database)) as store:
        [line] = store.contradictions()
        assert "jobs" in line
        assert "photos" in line


def test_what_another_process_writes_is_noticed_once_and_ones_own_is_not(database: Path) -> None:
    with closing(Store.open(database)) as store, closing(Store.open(database)) as other:
        store.changed_elsewhere()
        store.queue.add(photos(1, "/own"), now=5.0)
        assert not store.changed_elsewhere()
        other.queue.add(photos(1, "/other"), now=5.0)
        assert store.changed_elsewhere()
        assert not store.changed_elsewhere()
        with closing(Store.open_read_only(database)) as reader:
            reader.queue.counts()
        assert not store.changed_elsewhere()
