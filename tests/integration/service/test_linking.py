"""The link tree follows the database, photo by photo or as a whole, with the same outcome."""

import random
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from bibwatch.config import load_config
from bibwatch.errors import DatabaseUnreadable
from bibwatch.link.apply import Applied
from bibwatch.link.plan import Plan
from bibwatch.service.learning import known_event
from bibwatch.service.linking import Linking, relink_once
from bibwatch.service.mend import forget
from bibwatch.service.rooms import Rooms
from bibwatch.service.setup import rules
from bibwatch.service.status import gather
from bibwatch.service.tally import Tally
from bibwatch.store.lock import ServiceLock
from bibwatch.store.readings import Readings, Seen
from bibwatch.store.rescue import set_aside
from bibwatch.store.store import Store
from bibwatch.store.tables import FIRST_TABLES, MIGRATIONS
from bibwatch.values import Box, Correction, Job, Photo, Reading, ReadPhoto, Spelling
from tests.mounts import Mounts
from tests.support import photos_of

ENGINE = "engine:1"


class Race:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "incoming").mkdir(exist_ok=True)
        self.open()

    def open(self) -> None:
        self.store = Store.open(self.folder / "bibwatch.db")
        self.configure()

    def configure(self, more: str = "") -> None:
        """Begin to link anew with this config."""
        (self.folder / "config.yaml").write_text(f"watch: [{{path: incoming}}]\ntargets: all\n{more}\n")
        config = load_config(self.folder / "config.yaml")
        self.linking = Linking(self.store, ENGINE, config, rules(config, known_event(self.store)))

    def configure_targets(self, targets: str) -> None:
        (self.folder / "config.yaml").write_text(f"watch: [{{path: incoming}}]\ntargets: {targets}\n")

    def read(self, name: str, *bibs: str) -> None:
        job = self.begin_reading(name)
        readings = tuple(Reading(bib, 0.9, Box(0, 0, 1, 1), 0.9, ENGINE) for bib in bibs)
        content = f"{name} {bibs}".encode()
        self.store.readings.finish([(job, Seen(content, ENGINE, readings, 1, 1, 0.1))], time.time())

    def begin_reading(self, name: str) -> Job:
        photo = Photo(self.folder / "incoming" / name, 1, 1)
        self.store.queue.add([photo], time.time())
        return next(job for job in self.store.queue.claim(time.time(), most=99) if job.photo == photo)

    def forget_photo(self, name: str) -> None:
        self.store.queue.remove([self.folder / "incoming" / name])

    def put_in_the_way(self, link: str) -> Path:
        """A file that somebody else keeps where a link would be."""
        path = self.folder / "bibs" / link
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
        return path

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
    [job] = race.store.queue.claim(time.time(), most=1)
    race.store.readings.finish_known(job, b"a.jpg ('7',)", time.time())
    list(race.linking.sweep())
    assert race.links() == {"7/a.jpg": "../../incoming/a.jpg"}


def test_a_trouble_is_forgotten_once_it_is_gone(race: Race) -> None:
    race.read("a.jpg", "7")
    mine = race.put_in_the_way("7/a.jpg")
    race.linking.apply(["a.jpg"])
    assert list(race.linking.troubles) == [mine]
    mine.unlink()
    race.linking.apply(["a.jpg"])
    assert race.linking.troubles == {}
    assert mine.is_symlink()


def test_what_a_person_says_while_links_are_made_is_followed_too(race: Race, monkeypatch: pytest.MonkeyPatch) -> None:
    race.read("a.jpg", "7")
    whole = Linking.sweep

    def sweep(linking: Linking) -> Iterator[Applied]:
        yield from whole(linking)
        assert race.store.corrections.add(b"a.jpg ('7',)", [Correction("set", ("8",))], time.time())

    monkeypatch.setattr(Linking, "sweep", sweep)
    relink_once(load_config(race.folder / "config.yaml"), dry_run=False)
    assert set(race.links()) == {"8/a.jpg"}


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


def on_card(race: Race, mounts: Mounts) -> Path:
    """Put the link root on a disk of its own, which is mounted in `card` from another place, and link one photo."""
    disk = mounts.disk(race.folder / "disk")
    mounts.show(disk, race.folder / "card")
    race.configure("links: {root: card/bibs}")
    race.read("a.jpg", "7")
    list(race.linking.sweep())
    assert (race.folder / "card/bibs/7/a.jpg").is_symlink()
    return race.folder / "card"


def test_while_the_link_roots_disk_is_away_nothing_is_made_or_removed_and_then_it_goes_on(
    race: Race, mounts: Mounts
) -> None:
    card = on_card(race, mounts)
    mounts.let_go(card)
    race.read("b.jpg", "7")
    race.forget_photo("a.jpg")
    applied = race.linking.apply(["a.jpg", "b.jpg"])
    assert (applied.made, applied.removed) == ((), ())
    list(race.linking.sweep())
    assert list(card.iterdir()) == []
    [(place, reason)] = race.linking.troubles.items()
    assert place == card / "bibs"
    assert f"the disk that was mounted at {card} is not there" in reason
    assert f"bibwatch forget {card / 'bibs'}" in reason
    assert race.linking.may_heal
    race.configure("links: {root: card/bibs}")  # as after a restart
    list(race.linking.sweep())
    assert list(card.iterdir()) == []
    mounts.show(race.folder / "disk", card)
    list(race.linking.sweep())
    assert [path.name for path in (card / "bibs").glob("*/*")] == ["b.jpg"]
    assert race.linking.troubles == {}
    assert not race.linking.may_heal


def test_a_disk_that_goes_while_links_are_made_is_still_waited_for(
    race: Race, mounts: Mounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = on_card(race, mounts)
    race.read("b.jpg", "7")
    plan = race.linking.plan

    def pull_out_and_plan(names: Iterable[str] | None = None) -> Plan:
        mounts.let_go(card)
        return plan(names)

    with monkeypatch.context() as moment:
        moment.setattr(race.linking, "plan", pull_out_and_plan)
        race.linking.apply(["b.jpg"])
    assert "is not there" in (race.linking.held_back() or "")
    race.configure("links: {root: card/bibs}")
    assert "is not there" in (race.linking.held_back() or "")


def test_a_link_root_bound_from_elsewhere_on_the_same_disk_is_waited_for_too(race: Race, mounts: Mounts) -> None:
    card, archive = race.folder / "card", race.folder / "archive"
    (archive / "bibs").mkdir(parents=True)
    mounts.show(archive, card)
    race.configure("links: {root: card/bibs}")
    race.read("a.jpg", "7")
    race.linking.apply(["a.jpg"])
    mounts.let_go(card)
    race.read("b.jpg", "7")
    for restarted in (False, True):
        if restarted:
            race.configure("links: {root: card/bibs}")
        race.linking.apply(["b.jpg"])
        assert f"the disk that was mounted at {card} is not there" in (race.linking.held_back() or "")
        assert list(card.iterdir()) == []
    mounts.show(archive, card)
    assert race.linking.held_back() is None
    race.linking.apply(["b.jpg"])
    assert sorted(path.name for path in (card / "bibs" / "7").iterdir()) == ["a.jpg", "b.jpg"]


def test_a_link_root_that_the_service_manager_binds_onto_itself_is_the_same(race: Race, mounts: Mounts) -> None:
    race.read("a.jpg", "7")
    race.linking.apply(["a.jpg"])
    for bound in (True, False):
        if bound:
            mounts.show(race.folder / "bibs", race.folder / "bibs")
        else:
            mounts.let_go(race.folder / "bibs")
        race.configure()
        assert race.linking.held_back() is None
        race.read(f"{bound}.jpg", "7")
        assert len(race.linking.apply([f"{bound}.jpg"]).made) == 1


def test_a_link_root_that_is_forgotten_is_made_anew_without_its_disk(race: Race, mounts: Mounts) -> None:
    card = on_card(race, mounts)
    mounts.let_go(card)
    list(race.linking.sweep())
    assert forget(load_config(race.folder / "config.yaml"), card / "bibs") == 0
    race.configure("links: {root: card/bibs}")
    list(race.linking.sweep())
    assert (card / "bibs/7/a.jpg").is_symlink()
    assert race.linking.troubles == {}


def test_a_link_root_that_was_never_made_waits_for_no_disk(race: Race, mounts: Mounts) -> None:
    mounts.disk(race.folder / "card")
    race.configure("links: {root: card/bibs}")
    list(race.linking.sweep())
    mounts.let_go(race.folder / "card")
    race.read("a.jpg", "7")
    list(race.linking.sweep())
    assert (race.folder / "card/bibs/7/a.jpg").is_symlink()


def test_what_the_disk_refuses_may_heal_and_what_a_person_put_there_waits_for_the_person(
    race: Race, mounts: Mounts
) -> None:
    card = mounts.disk(race.folder / "card")
    race.configure("links: {root: card/bibs}")
    race.read("a.jpg", "7")
    race.read("b.jpg", "8")
    (card / "bibs" / "8").mkdir(parents=True)
    (card / "bibs" / "8" / "b.jpg").write_text("mine")
    mounts.remount(card, "ro")
    race.linking.apply(["a.jpg"])
    assert list(race.linking.troubles.values()) == ["Read-only file system"]
    assert race.linking.may_heal
    mounts.remount(card, "rw")
    list(race.linking.sweep())
    assert list(race.linking.troubles) == [card / "bibs" / "8" / "b.jpg"]
    assert not race.linking.may_heal
    assert (card / "bibs" / "7" / "a.jpg").is_symlink()
    assert (card / "bibs" / "8" / "b.jpg").read_text() == "mine"


@pytest.fixture
def lost(race: Race) -> Race:
    """Photos a and b were linked; then the database was lost but for what is ours in the link tree."""
    for name in ("a.jpg", "b.jpg"):
        (race.folder / "incoming" / name).write_text(name)
        race.read(name, "7")
    list(race.linking.sweep())
    race.store.close()
    set_aside(race.folder / "bibwatch.db", "now")
    race.open()
    return race


def test_after_a_rebuild_links_stay_until_their_photos_are_read(lost: Race) -> None:
    both = {"7/a.jpg", "7/b.jpg"}
    list(lost.linking.sweep())
    assert lost.links().keys() == both
    lost.begin_reading("a.jpg")
    list(lost.linking.sweep())
    lost.linking.apply(["a.jpg", "b.jpg"])
    assert lost.links().keys() == both
    lost.read("a.jpg", "8")
    lost.linking.apply(["a.jpg"])
    assert lost.links().keys() == {"8/a.jpg", "7/b.jpg"}
    lost.read("b.jpg", "7")
    list(lost.linking.sweep())
    assert lost.links().keys() == {"8/a.jpg", "7/b.jpg"}


def test_after_a_rebuild_links_of_photos_that_turn_out_to_be_gone_go(lost: Race) -> None:
    lost.forget_photo("a.jpg")
    list(lost.linking.sweep())
    assert lost.links().keys() == {"7/b.jpg"}


def test_after_a_rebuild_links_of_photos_that_cannot_be_read_go(lost: Race) -> None:
    lost.store.queue.fail(lost.begin_reading("a.jpg"), "it is damaged", time.time())
    list(lost.linking.sweep())
    assert lost.links().keys() == {"7/b.jpg"}


def test_after_a_rebuild_links_of_photos_that_are_watched_no_more_go(lost: Race) -> None:
    lost.configure("photos: {ignore: ['a*']}")
    list(lost.linking.sweep())
    assert lost.links().keys() == {"7/b.jpg"}


def test_a_sweep_in_small_parts_gives_the_tree_that_one_part_gives(race: Race) -> None:
    race.linking.at_once = 2
    for number in range(7):
        race.read(f"{number}.jpg", "7")
    assert [len(applied.made) for applied in race.linking.sweep()] == [2, 2, 2, 1]
    race.read("5.jpg", "8")
    race.forget_photo("0.jpg")  # nothing but its link knows its name now
    list(race.linking.sweep())
    assert race.links().keys() == {f"7/{number}.jpg" for number in (1, 2, 3, 4, 6)} | {"8/5.jpg"}


def test_a_trouble_outlives_a_sweep_that_meets_it_again_and_no_other(race: Race) -> None:
    race.linking.at_once = 1
    for name in ("a.jpg", "b.jpg"):
        race.read(name, "7")
        race.put_in_the_way(f"7/{name}")
    list(race.linking.sweep())
    assert {path.name for path in race.linking.troubles} == {"a.jpg", "b.jpg"}
    (race.folder / "bibs/7/a.jpg").unlink()
    list(race.linking.sweep())
    assert {path.name for path in race.linking.troubles} == {"b.jpg"}


def shown_by(race: Race, bib: str) -> list[str]:
    return photos_of(load_config(race.folder / "config.yaml"), bib)


def test_the_photos_of_a_bib_are_found_without_a_look_at_all(race: Race, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(40):
        race.read(f"{number}.jpg", str(1000 + number))
    race.read("two.jpg", "1007", "1008")
    race.read("said.jpg", "55")
    race.store.corrections.add(content_of(race, "said.jpg"), [Correction("add", ("1007",))], time.time())
    looked_at: list[str] = []
    seen = Readings.read_photos

    def counted(self: Readings, engine: str, names: Iterable[str] | None = None) -> Iterator[ReadPhoto]:
        for photo in seen(self, engine, names):
            looked_at.append(photo.path.name)
            yield photo

    monkeypatch.setattr(Readings, "read_photos", counted)
    assert shown_by(race, "1007") == ["7.jpg", "said.jpg", "two.jpg"]
    assert sorted(looked_at) == ["7.jpg", "said.jpg", "two.jpg"]
    assert shown_by(race, "4711") == []


def content_of(race: Race, name: str) -> bytes:
    content = race.store.readings.content_of(race.folder / "incoming" / name)
    assert content is not None
    return content


def test_any_photo_may_be_about_a_bib_without_digits_or_near_a_target(race: Race) -> None:
    race.read("a.jpg", "2419")
    assert race.linking.names_about(["2419"]) == {"a.jpg"}
    assert race.linking.names_about(["2419", "ELITE"]) is None
    race.configure("max_distance: 1")
    assert race.linking.names_about(["2419"]) is None


def test_a_database_without_mentions_gets_them_of_all_that_it_holds(race: Race) -> None:
    spellings = (Spelling("24?9", 0.7), Spelling("2419", 0.2))
    job = race.begin_reading("a.jpg")
    reading = Reading("24?9", 0.9, Box(0, 0, 1, 1), 0.9, ENGINE, spellings=spellings)
    race.store.readings.finish([(job, Seen(b"a", ENGINE, (reading,), 1, 1, 0.1))], time.time())
    race.read("b.jpg", "M 90005")
    race.store.close()
    with closing(sqlite3.connect(race.folder / "bibwatch.db")) as older:
        kept = older.execute("SELECT * FROM mentions ORDER BY 1, 2").fetchall()
        older.execute("DROP TABLE mentions")
        older.execute("DELETE FROM _sqlite_migrations WHERE name = '0009_mentions'")
        older.execute(f"PRAGMA user_version = {len(MIGRATIONS) - 1}")
        older.commit()
    race.open()
    with closing(sqlite3.connect(race.folder / "bibwatch.db")) as now:
        assert now.execute("SELECT * FROM mentions ORDER BY 1, 2").fetchall() == kept
    assert len(kept) >= 3
    assert race.linking.names_about(["2439"]) == {"a.jpg"}
    assert race.linking.names_about(["90005"]) == {"b.jpg"}


def test_a_change_of_targets_is_followed_before_all_links_are_compared(
    race: Race, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, bib in (("a.jpg", "2419"), ("b.jpg", "3071"), ("c.jpg", "55")):
        race.read(name, bib)
    race.configure_targets("[2419]")
    rooms = Rooms(load_config(race.folder / "config.yaml"), ENGINE, race.store, lambda: None)
    rooms.turns = SimpleNamespace(changed_names=set(), tally=Tally())  # type: ignore[assignment]
    rooms.start_linking()
    monkeypatch.setattr(Linking, "sweep", lambda self: iter(()))  # nothing else may make the links
    race.configure_targets("[3071]")
    rooms.adopt(load_config(race.folder / "config.yaml"), ENGINE)
    assert rooms.turns.changed_names == {"a.jpg", "b.jpg"}
    rooms.relink_changed()
    assert race.links().keys() == {"3071/b.jpg"}
