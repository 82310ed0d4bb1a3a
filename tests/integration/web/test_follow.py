"""The follower tells of every change, whatever happens on the way."""

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from bibwatch.match.decide import Decided
from bibwatch.match.event import Event
from bibwatch.service.desk import DecidedBy
from bibwatch.service.page import PageDesk
from bibwatch.service.setup import rules
from bibwatch.values import Shot
from bibwatch.web import follow as module
from bibwatch.web.catalogue import Catalogue, Wishes
from bibwatch.web.follow import Follower
from tests.page import ENGINE, RaceWithPage, reading

MakeFollowed = Callable[..., "Followed"]


class Followed:
    """A catalogue that follows a race, without the page around it."""

    def __init__(self, folder: Path, more: str = "") -> None:
        self.race = RaceWithPage(folder, more)
        self.desk = PageDesk(self.race.config, DecidedBy(ENGINE, rules(self.race.config, Event())), False)
        self.catalogue = Catalogue(Wishes(None, {}))
        self.follower = Follower(time.time() - time.monotonic())

    def catch_up(self) -> dict[str, tuple[str, ...]]:
        """Name -> bibs, of all photos, once there is no more to see."""
        while True:
            news = self.follower.look(self.desk)
            self.catalogue.put(news.entries)
            self.catalogue.drop(news.gone)
            if not news.more:
                return {entry.path.name: entry.bibs for entry in self.catalogue.newest(999)}


@pytest.fixture
def followed(tmp_path: Path) -> Iterator[MakeFollowed]:
    made: list[Followed] = []

    def make(more: str = "") -> Followed:
        made.append(Followed(tmp_path, more))
        return made[-1]

    yield make
    for one in made:
        one.desk.close()
        one.race.stop()


def test_more_changes_than_one_look_takes_in_are_all_told(
    followed: MakeFollowed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AT_ONCE", 3)
    one = followed()
    for number in range(10):
        one.race.read(f"{number}.jpg", "7")
    assert len(one.catch_up()) == 10
    for number in range(10, 20):
        one.race.read(f"{number}.jpg", "8")
    assert len(one.catch_up()) == 20
    one.race.store.queue.remove([one.race.incoming / f"{number}.jpg" for number in range(15)])
    assert sorted(one.catch_up()) == [f"{number}.jpg" for number in range(15, 20)]


@pytest.mark.parametrize("failing", ["decide", "status"])
def test_what_changed_while_the_database_failed_is_told_once_it_answers(
    followed: MakeFollowed, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    one = followed()
    one.race.read("a.jpg", "7")
    one.catch_up()
    one.race.read("b.jpg", "8")

    def fail(*given: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patched:
        patched.setattr(one.desk, failing, fail)
        with pytest.raises(sqlite3.OperationalError):
            one.catch_up()
    one.race.read("c.jpg", "9")
    assert one.catch_up() == {"a.jpg": ("7",), "b.jpg": ("8",), "c.jpg": ("9",)}


def test_a_turn_that_is_stored_late_is_told(followed: MakeFollowed) -> None:
    one = followed()
    job = one.race.claimed("a.jpg")
    one.catch_up()
    one.race.finish(job, reading("7"), now=time.time() - 20)
    assert one.catch_up() == {"a.jpg": ("7",)}


def test_what_a_burst_speaks_for_falls_with_the_photo_that_did(followed: MakeFollowed) -> None:
    one = followed("targets: all\nmatch: {accept: 0.9, burst_s: 2}")
    one.race.finish(one.race.claimed("sure.jpg"), reading("2419"), shot=Shot("cam", 100.0))
    one.race.finish(one.race.claimed("doubtful.jpg"), reading("2419", 0.6), shot=Shot("cam", 101.0))
    assert one.catch_up() == {"sure.jpg": ("2419",), "doubtful.jpg": ("2419",)}
    one.race.store.queue.remove([one.race.incoming / "sure.jpg"])
    assert one.catch_up() == {"doubtful.jpg": ()}
    one.race.finish(one.race.claimed("again.jpg"), reading("2419"), shot=Shot("cam", 100.5))
    assert one.catch_up() == {"doubtful.jpg": ("2419",), "again.jpg": ("2419",)}


def test_bursts_are_followed_to_the_end_while_photos_wait_to_be_read(followed: MakeFollowed) -> None:
    one = followed("targets: all\nmatch: {accept: 0.9, burst_s: 2}")
    one.race.claimed("waits.jpg")
    for number in range(5):
        one.race.finish(one.race.claimed(f"{number}.jpg"), "7", shot=Shot("cam", 100.0 + number))
    assert len(one.catch_up()) == 5
    one.race.finish(one.race.claimed("6.jpg"), "8", shot=Shot("cam", 103.0))
    assert len(one.catch_up()) == 6


def test_a_service_that_says_nothing_any_more_is_asked_after(
    followed: MakeFollowed, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = followed()
    one.catch_up()
    assert one.follower.look(one.desk).status is None
    monkeypatch.setattr(module, "SILENT_S", 0.0)
    status = one.follower.look(one.desk).status
    assert status is not None
    assert status["state"] == "down"


def test_where_nothing_changes_nobody_is_asked(followed: MakeFollowed, monkeypatch: pytest.MonkeyPatch) -> None:
    one = followed()
    one.race.read("a.jpg", "7")
    one.catch_up()

    def decide(names: Iterable[str]) -> Iterator[Decided]:
        raise AssertionError("asked")

    monkeypatch.setattr(one.desk, "decide", decide)
    assert one.follower.look(one.desk).entries == []
