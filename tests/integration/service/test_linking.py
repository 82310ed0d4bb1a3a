"""The link tree follows the database, photo by photo or as a whole, with the same outcome."""

import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bibwatch.config import load_config
from bibwatch.errors import DatabaseUnreadable
from bibwatch.service.linking import Linking
from bibwatch.service.status import gather
from bibwatch.store.lock import ServiceLock
from bibwatch.store.readings import Seen
from bibwatch.store.schema import FIRST_TABLES
from bibwatch.store.store import Store
from bibwatch.values import Box, Photo, Reading

ENGINE = "engine:1"


class Race:
    def __init__(self, folder: Path, targets: str = "all") -> None:
        self.folder = folder
        (folder / "incoming").mkdir(exist_ok=True)
        (folder / "config.yaml").write_text(f"watch: [{{path: incoming}}]\ntargets: {targets}\n")
        self.store = Store.open(folder / "bibwatch.db")
        self.linking = Linking(self.store, ENGINE, load_config(folder / "config.yaml"))

    def read(self, name: str, *bibs: str) -> None:
        self.store.queue.add([Photo(self.folder / "incoming" / name, 1, 1)], time.time())
        job = self.store.queue.claim(time.time())
        assert job is not None
        readings = tuple(Reading(bib, 0.9, Box(0, 0, 1, 1), 0.9, ENGINE) for bib in bibs)
        content = f"{name} {bibs}".encode()
        self.store.readings.finish(job, Seen(content, ENGINE, readings, 1, 1, 0.1), time.time())

    def links(self) -> dict[str, str]:
        root = self.folder / "bibs"
        return {str(path.relative_to(root)): str(path.readlink()) for path in root.glob("*/*")}


@pytest.fixture
def race(tmp_path: Path) -> Iterator[Race]:
    race = Race(tmp_path)
    yield race
    race.store.close()


@pytest.mark.parametrize("seed", range(5))
def test_photo_by_photo_gives_the_tree_that_a_whole_pass_gives(race: Race, seed: int) -> None:
    chance = random.Random(seed)
    names = [f"cam{camera}/IMG_{number}.JPG" for camera in range(3) for number in range(4)]
    for _ in range(60):
        name = chance.choice(names)
        if chance.random() < 0.3:
            race.store.queue.remove([race.folder / "incoming" / name])
        else:
            race.read(name, *chance.sample(["7", "8", "0042"], chance.randint(0, 2)))
        race.linking.apply([Path(name).name])
        whole = race.linking.plan()
        assert (whole.make, whole.replace, whole.remove) == ((), (), ())
    assert set(race.links()) == {str(link.path.relative_to(race.folder / "bibs")) for link in race.linking.plan().keep}


def test_photos_outside_the_watched_folders_are_not_linked(race: Race) -> None:
    race.read("a.jpg", "7")
    race.store.queue.add([Photo(race.folder / "elsewhere" / "b.jpg", 1, 1)], time.time())
    job = race.store.queue.claim(time.time())
    assert job is not None
    race.store.readings.finish_known(job, b"a.jpg ('7',)", time.time())
    list(race.linking.sweep())
    assert race.links() == {"7/a.jpg": "../../incoming/a.jpg"}


def test_a_trouble_is_forgotten_once_it_is_gone(race: Race) -> None:
    race.read("a.jpg", "7")
    mine = race.folder / "bibs" / "7" / "a.jpg"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    race.linking.apply(["a.jpg"])
    assert list(race.linking.troubles) == [mine]
    mine.unlink()
    race.linking.apply(["a.jpg"])
    assert race.linking.troubles == {}
    assert mine.is_symlink()


def test_status_tells_down_from_degraded_from_well(race: Race) -> None:
    database = race.folder / "bibwatch.db"
    race.read("a.jpg", "7")
    assert gather(database).state == "down"
    lock = ServiceLock(database)
    lock.take()
    health = {"pid": 1, "degraded": []}
    race.store.pulse.beat(health, time.time())
    assert gather(database).state == "ok"
    race.store.pulse.beat(health | {"degraded": ["a folder is missing"]}, time.time())
    assert (gather(database).state, gather(database).degraded) == ("degraded", ["a folder is missing"])
    race.store.pulse.beat(health, time.time() - 60)
    assert "has said nothing for 60 s" in gather(database).degraded[0]
    found = gather(database)
    assert (found.queue["done"], found.inferences, found.last_photos) == (1, 1, [str(race.folder / "incoming/a.jpg")])
    lock.release()


def test_a_database_of_an_older_form_is_told_and_brought_up_to_date_by_a_writer(tmp_path: Path) -> None:
    path = tmp_path / "bibwatch.db"
    with closing(sqlite3.connect(path)) as old:
        for statement in FIRST_TABLES:
            old.execute(statement)
        old.execute("CREATE TABLE _sqlite_migrations (migration_set TEXT, name TEXT, applied_at TEXT)")
        old.execute("INSERT INTO _sqlite_migrations VALUES ('bibwatch', '0001_first_tables', '2026-11-22')")
        old.commit()
    assert gather(path).state == "down"
    assert "an older bibwatch made the database" in gather(path).degraded[0]
    with pytest.raises(DatabaseUnreadable, match="scan` brings it up to date"):
        Store.open_read_only(path)
    Store.open(path).close()
    assert gather(path).queue == {"waiting": 0, "reading": 0, "done": 0, "failed": 0}
    with closing(sqlite3.connect(path)) as newer:
        newer.execute("PRAGMA user_version = 99")
    Store.open(path).close()
    with closing(sqlite3.connect(path)) as newer:
        assert newer.execute("PRAGMA user_version").fetchone() == (99,)


def test_status_without_a_database_is_down_and_says_how_to_begin(tmp_path: Path) -> None:
    found = gather(tmp_path / "none.db")
    assert found.state == "down"
    assert "no database yet" in found.degraded[0]
