"""Photos of one camera, found by when they were taken."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bibwatch.store import readings as module
from bibwatch.store.readings import Seen
from bibwatch.store.store import Store
from bibwatch.values import Photo, Shot

ENGINE = "engine:1"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path / "bibwatch.db")
    for name, shot in {
        "a.jpg": Shot("one", 10.0),
        "b.jpg": Shot("one", 11.5),
        "c.jpg": Shot("one", 13.1),
        "other.jpg": Shot("two", 10.0),
        "none.jpg": None,
    }.items():
        store.queue.add([Photo(Path("/in", name), 1, 1)], time.time())
        [job] = store.queue.claim(time.time(), most=1)
        store.readings.finish([(job, Seen(name.encode(), ENGINE, (), 9, 9, 0.1, shot))], time.time())
    yield store
    store.close()


def test_a_photo_keeps_its_shot(store: Store) -> None:
    shots = {photo.path.name: photo.shot for photo in store.readings.read_photos(ENGINE)}
    assert shots["b.jpg"] == Shot("one", 11.5)
    assert shots["none.jpg"] is None


def test_a_burst_is_one_cameras_photos_within_some_seconds(store: Store) -> None:
    around = store.readings.around(Shot("one", 10.0), 2.0, ENGINE)
    assert [photo.path.name for photo in around] == ["a.jpg", "b.jpg"]


def test_more_photos_than_a_burst_has_are_none(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    narrow = module._CONTENTS_AROUND.replace(f"<= {module.MOST_IN_BURST}", "<= 1")
    monkeypatch.setattr(module, "_CONTENTS_AROUND", narrow)
    assert list(store.readings.around(Shot("one", 10.0), 2.0, ENGINE)) == []
    assert store.readings.names_around(["c.jpg"], 1.0) == {"c.jpg"}


def test_the_names_around_photos_are_those_that_they_may_speak_for(store: Store) -> None:
    assert store.readings.names_around(["b.jpg"], 2.0) == {"a.jpg", "b.jpg", "c.jpg"}
    assert store.readings.names_around(["none.jpg", "unknown.jpg"], 2.0) == set()
