"""When a service learns anew what the bibs of its event look like."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bibwatch.service import learning as module
from bibwatch.service.learning import Learning, known_event, learn_anew
from bibwatch.store.readings import Seen
from bibwatch.store.store import Store
from bibwatch.values import Box, Photo, Reading

ENGINE = "engine:1"


class Race:
    def __init__(self, store: Store) -> None:
        self.store, self.read = store, 0

    def photos(self, *texts: str) -> int:
        """Read one photo a text; how many were read altogether."""
        for text in texts:
            self.read += 1
            photo = Photo(Path(f"/in/{self.read}.jpg"), 1, 1)
            self.store.queue.add([photo], time.time())
            [job] = self.store.queue.claim(time.time(), most=1)
            reading = Reading(text, 0.99, Box(0, 0, 9, 9), 0.9, ENGINE)
            seen = Seen(str(self.read).encode(), ENGINE, (reading,), 9, 9, 0.1)
            self.store.readings.finish([(job, seen)], time.time())
        return self.read


@pytest.fixture
def race(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Race]:
    monkeypatch.setattr(module, "REST_SHARE", 1e9)  # so that only growth counts, not time
    store = Store.open(tmp_path / "bibwatch.db")
    yield Race(store)
    store.close()


def test_what_is_learned_changes_what_readings_mean_and_is_kept(race: Race) -> None:
    learning = Learning(race.store, ENGINE)
    assert not learning.follow(0)
    assert learning.follow(race.photos(*(str(n) for n in range(20000, 20040))))
    assert learning.event.lengths[5] > 0.8
    assert known_event(race.store) == learning.event
    assert Learning(race.store, ENGINE).event == learning.event  # after a restart


def test_it_is_looked_at_again_only_when_a_tenth_more_is_read(race: Race) -> None:
    learning = Learning(race.store, ENGINE)
    learning.follow(race.photos(*(str(n) for n in range(200, 300))))
    learning.follow(race.photos(*["17"] * 9))
    assert learning.event.bibs == 100
    learning.follow(race.photos("17"))
    assert learning.event.bibs == 110


def test_where_nothing_new_shows_nothing_changes(race: Race) -> None:
    learning = Learning(race.store, ENGINE)
    learning.follow(race.photos(*(str(n) for n in range(200, 600))))
    assert not learning.follow(race.photos(*(str(n) for n in range(600, 640))))
    assert learning.event.bibs == 440


def test_where_photos_are_few_each_is_looked_at_once_the_last_look_is_long_ago(
    race: Race, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REST_SHARE", 0)
    learning = Learning(race.store, ENGINE)
    learning.follow(race.photos(*(str(n) for n in range(200, 300))))
    learning.follow(race.photos("301"))
    assert learning.event.bibs == 101


def test_where_no_photo_is_known_for_a_while_what_was_learned_stays(race: Race) -> None:
    race.photos(*(str(n) for n in range(20000, 20040)))
    known = learn_anew(race.store, ENGINE)
    race.store.queue.remove([Path(f"/in/{n}.jpg") for n in range(1, 41)])
    assert learn_anew(race.store, ENGINE) == known


def test_what_others_wrote_is_looked_at_when_it_is_told(race: Race) -> None:
    learning = Learning(race.store, ENGINE)
    learning.follow(0)
    race.photos(*(str(n) for n in range(20000, 20040)))  # by another process: no turn ended here
    assert not learning.follow(0)
    learning.look_again()
    assert learning.follow(0)


def test_another_engine_begins_with_what_the_last_one_taught(race: Race) -> None:
    race.photos(*(f"{n}{letter}" for n in range(20, 40) for letter in "AB"))
    known = learn_anew(race.store, ENGINE)
    other = Learning(race.store, "engine:2")
    assert not other.follow(0)
    assert other.event == known


def test_the_command_line_learns_as_the_service_does(race: Race) -> None:
    race.photos("2419", "2420", "2421")
    assert learn_anew(race.store, ENGINE).bibs == 3
    assert known_event(race.store).bibs == 3
