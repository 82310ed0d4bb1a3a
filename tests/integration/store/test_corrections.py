import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bibwatch.store.readings import Seen
from bibwatch.store.store import Store
from bibwatch.values import Box, Correction, Photo, Reading, Spelling

HERE = Path("/in/a.jpg")
SPELLED = Reading("67D", 0.9, Box(1, 2, 3, 4), 0.8, "engine:1", spellings=(Spelling("67D", 0.8), Spelling("670", 0.1)))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path / "bibwatch.db")
    yield store
    store.close()


def read(store: Store, path: Path, *readings: Reading, content: bytes = b"1") -> None:
    store.queue.add([Photo(path, 1, 1)], time.time())
    [job] = store.queue.claim(time.time(), most=1)
    store.readings.finish([(job, Seen(content, "engine:1", readings, 9, 9, 0.1))], time.time())


def said(store: Store, path: Path = HERE) -> tuple[Correction, ...]:
    [photo] = (photo for photo in store.readings.read_photos("engine:1") if photo.path == path)
    return photo.corrections


def test_what_was_said_in_one_breath_is_undone_in_one(store: Store) -> None:
    read(store, HERE)
    assert store.corrections.add(b"1", [Correction("add", ("7",))], 1.0)
    assert store.corrections.add(b"1", [Correction("remove", ("8",)), Correction("add", ("9",))], 2.0)
    assert [word.kind for word in said(store)] == ["add", "remove", "add"]
    assert store.corrections.undo(b"1")
    assert said(store) == (Correction("add", ("7",)),)
    assert said(store)[0].made_at == 1.0
    assert store.corrections.undo(b"1")
    assert not store.corrections.undo(b"1")


def test_nothing_can_be_said_of_a_photo_that_was_not_read(store: Store) -> None:
    store.queue.add([Photo(HERE, 1, 1)], time.time())
    assert not store.corrections.add(b"1", [Correction("add", ("7",))], 1.0)
    assert store.corrections.take_names() == []


def test_the_names_of_all_copies_are_told_once(store: Store) -> None:
    read(store, HERE)
    read(store, Path("/in/copy.jpg"))
    read(store, Path("/in/other.jpg"), content=b"2")
    store.corrections.add(b"1", [Correction("add", ("7",))], 1.0)
    assert sorted(store.corrections.take_names()) == ["a.jpg", "copy.jpg"]
    assert store.corrections.take_names() == []
    store.corrections.undo(b"1")
    assert sorted(store.corrections.take_names()) == ["a.jpg", "copy.jpg"]
    assert said(store, Path("/in/copy.jpg")) == ()


def test_spellings_are_kept_with_their_reading(store: Store) -> None:
    plain = Reading("17", 0.7, Box(5, 6, 7, 8), 0.9, "engine:1")
    read(store, HERE, SPELLED, plain)
    [photo] = store.readings.read_photos("engine:1")
    assert photo.readings == (SPELLED, plain)


def test_the_content_of_a_photo_is_that_which_was_read_last(store: Store) -> None:
    read(store, HERE)
    store.queue.add([Photo(HERE, 2, 2)], time.time())
    assert store.readings.content_of(HERE) == b"1"
    [job] = store.queue.claim(time.time(), most=1)
    assert store.queue.fail(job, "no picture", time.time())
    assert store.readings.content_of(HERE) is None
    assert store.readings.content_of(Path("/in/unknown.jpg")) is None


def test_an_event_is_learned_from_what_its_photos_show(store: Store) -> None:
    read(store, HERE, SPELLED)
    read(store, Path("/in/copy.jpg"), SPELLED)
    read(store, Path("/in/gone.jpg"), replace(SPELLED, text="99A"), content=b"2")
    store.queue.remove([Path("/in/gone.jpg")])
    assert [row[1:] for row in store.events.seen("engine:1")] == [("67D", 0.9, 0.8)]
    assert list(store.events.seen("engine:2")) == list(store.events.seen("engine:1"))  # until that has read them
    assert store.events.contents() == 1


def test_the_event_learned_last_is_kept(store: Store) -> None:
    assert store.events.last() is None
    store.events.keep({"bibs": 1})
    store.events.keep({"bibs": 2})
    assert store.events.last() == {"bibs": 2}
