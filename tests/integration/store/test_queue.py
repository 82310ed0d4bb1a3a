import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from bibwatch.errors import CouldNotStart, DatabaseMissing
from bibwatch.store.lock import ServiceLock
from bibwatch.store.readings import Seen
from bibwatch.store.store import Store
from bibwatch.values import Box, Correction, Job, NameRange, Photo, Reading, Sighting

A, B = Photo(Path("/in/a.jpg"), 100, 5), Photo(Path("/in/cam2/b.jpg"), 200, 6)
ODD = Photo(Path("/in/bad\udcff\nname.jpg"), 1, 1)
READING = Reading("2419", 0.9, Box(1, 2, 3, 4), 0.8, "engine:1")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path / "bibwatch.db")
    yield store
    store.close()


def claim(store: Store, now: float = 10.0) -> Job:
    [job] = store.queue.claim(now, most=1)
    return job


def seen(content: bytes = b"A", engine: str = "engine:1", *readings: Reading) -> Seen:
    return Seen(content, engine, readings or (READING,), 640, 480, 0.5)


def test_jobs_are_claimed_in_the_order_they_came_and_once(store: Store) -> None:
    store.queue.add([A], now=1.0)
    store.queue.add([B, ODD], now=2.0)
    assert [claim(store).photo for _ in range(3)] == [A, B, ODD]
    assert not store.queue.claim(10.0, most=1)


def test_several_are_claimed_at_once_first_come_first(store: Store) -> None:
    store.queue.add([A, B, ODD], now=1.0)
    store.queue.wait_again(claim(store), ready_at=5.0)
    assert [(job.photo, job.attempts) for job in store.queue.claim(10.0, most=2)] == [(B, 1), (ODD, 1)]
    assert [(job.photo, job.attempts) for job in store.queue.claim(10.0, most=2)] == [(A, 2)]
    for job, ready_at in zip((A, B, ODD), (7.0, 6.0, 5.0), strict=True):
        store.queue.add([job], now=ready_at)
    assert [job.photo for job in store.queue.claim(10.0, most=9)] == [ODD, B, A]


def test_a_claim_counts_the_attempt(store: Store) -> None:
    store.queue.add([A], now=1.0)
    for attempt in (1, 2, 3):
        job = claim(store)
        assert job.attempts == attempt
        store.queue.wait_again(job, ready_at=2.0)
    store.queue.wait_again(claim(store), ready_at=2.0, refund=True)
    assert claim(store).attempts == 4


def test_a_job_put_off_waits_for_its_time(store: Store) -> None:
    store.queue.add([A], now=1.0)
    store.queue.wait_again(claim(store), ready_at=50.0)
    assert not store.queue.claim(49.0, most=1)
    assert claim(store, now=50.0).photo == A


def test_a_new_version_has_a_fresh_turn_and_late_answers_about_the_old_one_end_nothing(store: Store) -> None:
    store.queue.add([A], now=1.0)
    old = claim(store)
    newer = Photo(A.path, 150, 9)
    store.queue.add([newer], now=2.0)
    store.readings.finish([(old, seen())], now=3.0)
    store.queue.fail(old, "late", now=3.0)
    assert store.queue.counts() == {"waiting": 1, "reading": 0, "done": 0, "failed": 0}
    assert claim(store).photo == newer
    assert store.readings.has_read(b"A", "engine:1")


def test_a_late_answer_about_a_photo_that_is_gone_never_meets_another_photo(store: Store) -> None:
    store.queue.add([A], now=1.0)
    late = claim(store)
    store.queue.remove([A.path])
    store.queue.add([B], now=2.0)
    claim(store)
    store.readings.finish([(late, seen())], now=3.0)
    assert store.queue.counts()["reading"] == 1
    assert list(store.readings.read_photos("engine:1")) == []


def test_a_failed_photo_tells_why_and_no_longer_shows_what_its_old_version_held(store: Store) -> None:
    store.queue.add([A], now=1.0)
    store.readings.finish([(claim(store), seen())], now=2.0)
    store.queue.add([A], now=3.0)
    store.queue.fail(claim(store), "it is damaged", now=4.0)
    assert store.queue.failed(5) == [(A.path, "it is damaged")]
    assert list(store.readings.read_photos("engine:1")) == []


def test_what_an_earlier_life_was_reading_waits_again_with_its_attempt_counted(store: Store) -> None:
    store.queue.add([A, B], now=1.0)
    claim(store)
    assert store.queue.recover(now=5.0) == 1
    assert sorted((claim(store).attempts, claim(store).attempts)) == [1, 2]


def test_what_an_earlier_clock_put_far_ahead_waits_no_longer(store: Store) -> None:
    store.queue.add([A], now=1.0)
    store.queue.add([B], now=2.0)
    store.queue.wait_again(claim(store), ready_at=1e6)
    store.queue.add([ODD], now=1e7)  # the machine's clock was wrong
    assert store.queue.recover(now=5.0) == 0
    assert [claim(store, now=5.0).photo for _ in range(3)] == [B, A, ODD]


def test_failed_photos_may_be_tried_again_with_all_their_tries_and_others_are_left_alone(store: Store) -> None:
    store.queue.add([A, B, ODD], now=1.0)
    for ended in (2.0, 3.0):
        store.queue.wait_again(claim(store), ready_at=ended)
    store.readings.finish([(claim(store), seen())], now=4.0)
    for _ in range(2):
        store.queue.fail(claim(store), "it is damaged", now=5.0)
    assert store.queue.retry(now=6.0) == 2
    assert store.queue.counts() == {"waiting": 2, "reading": 0, "done": 1, "failed": 0}
    assert store.queue.failed(5) == []
    assert [claim(store, now=0.0).attempts for _ in range(2)] == [1, 1]
    assert store.queue.retry(now=7.0) == 0


def test_the_photo_that_has_waited_longest_tells_since_when(store: Store) -> None:
    assert store.queue.waiting_since() is None
    store.queue.add([A], now=1.0)
    store.queue.add([B], now=2.0)
    assert store.queue.waiting_since() == 1.0
    store.readings.finish([(claim(store), seen())], now=3.0)
    assert store.queue.waiting_since() == 2.0
    claim(store)
    assert store.queue.waiting_since() is None


def test_a_photo_awaits_its_first_reading_until_it_has_been_read_or_has_failed(store: Store) -> None:
    assert not store.queue.awaits_first_reading(A.path)
    store.queue.add([A], now=1.0)
    assert store.queue.awaits_first_reading(A.path)
    job = claim(store)
    assert store.queue.awaits_first_reading(A.path)
    store.readings.finish([(job, seen())], now=2.0)
    assert not store.queue.awaits_first_reading(A.path)
    store.queue.add([A], now=3.0)  # a new version, of which the old one says something
    assert not store.queue.awaits_first_reading(A.path)
    store.queue.fail(claim(store), "it is damaged", now=4.0)
    assert not store.queue.awaits_first_reading(A.path)


def test_known_photos_are_told_by_folder(store: Store) -> None:
    store.queue.add([A, B, ODD, Photo(Path("/in2/x.jpg"), 1, 1)], now=1.0)
    assert store.queue.known_in(Path("/in")) == {
        "a.jpg": Sighting((100, 5), None),
        ODD.path.name: Sighting((1, 1), None),
    }
    assert sorted(store.queue.known_folders(Path("/in"))) == [Path("/in"), Path("/in/cam2")]


def test_known_photos_of_a_stretch_of_names_are_told_in_the_order_of_bytes(store: Store) -> None:
    odd, face = os.fsdecode(b"b\xff.jpg"), "b\N{GRINNING FACE}.jpg"
    names = ["a.jpg", face, odd, "c.jpg"]
    store.queue.add([Photo(Path("/in") / name, 1, 1) for name in names], now=1.0)

    def known(after: str, upto: str) -> list[str]:
        return sorted(store.queue.known_in(Path("/in"), NameRange(os.fsencode(after), os.fsencode(upto))))

    assert known("a.jpg", face) == [face]
    assert known(face, "c.jpg") == sorted(["c.jpg", odd])
    assert sorted(store.queue.known_in(Path("/in"))) == sorted(names)


def test_a_removed_photo_is_forgotten_but_its_readings_are_not(store: Store) -> None:
    store.queue.add([A], now=1.0)
    store.readings.finish([(claim(store), seen())], now=2.0)
    assert store.queue.remove([A.path, B.path]) == [A.path]
    assert sum(store.queue.counts().values()) == 0
    assert store.readings.has_read(b"A", "engine:1")


def test_photos_that_the_config_no_longer_covers_are_forgotten(store: Store) -> None:
    store.queue.add([A, B], now=1.0)
    store.queue.keep_only(lambda path: path.parent == Path("/in"))
    assert store.queue.known_folders(Path("/in")) == [Path("/in")]


def test_a_copy_of_a_known_content_needs_no_reading(store: Store) -> None:
    store.queue.add([A, B], now=1.0)
    store.readings.finish([(claim(store), seen())], now=2.0)
    store.readings.finish_known(claim(store), b"A", now=3.0)
    assert [photo.path for photo in store.readings.read_photos("engine:1")] == [A.path, B.path]
    assert store.readings.count_reads() == 1


def test_a_photo_without_text_is_read_all_the_same(store: Store) -> None:
    store.queue.add([A], now=1.0)
    store.readings.finish([(claim(store), Seen(b"A", "engine:1", (), 640, 480, 0.5))], now=2.0)
    [photo] = store.readings.read_photos("engine:1")
    assert photo.readings == ()


def test_readings_come_back_as_they_were_seen(store: Store) -> None:
    store.queue.add([ODD], now=1.0)
    store.readings.finish([(claim(store), seen())], now=2.0)
    [photo] = store.readings.read_photos("engine:1", [ODD.path.name])
    assert (photo.path, photo.readings) == (ODD.path, (READING,))
    assert list(store.readings.read_photos("engine:1", ["other.jpg"])) == []


def test_another_engine_reads_all_again_and_the_first_ones_readings_serve_until_then(store: Store) -> None:
    store.queue.add([A, B], now=1.0)
    store.readings.finish([(claim(store), seen(b"A"))], now=2.0)
    store.readings.finish([(claim(store), seen(b"B"))], now=2.0)
    assert store.queue.wait_for_engine("engine:1", now=3.0) == 0
    assert store.queue.wait_for_engine("engine:2", now=3.0) == 2
    other = Reading("7", 0.9, READING.box, 0.8, "engine:2")
    store.readings.finish([(claim(store), seen(b"A", "engine:2", other))], now=4.0)
    texts = [[reading.text for reading in photo.readings] for photo in store.readings.read_photos("engine:2")]
    assert texts == [["7"], ["2419"]]
    texts = [[reading.text for reading in photo.readings] for photo in store.readings.read_photos("engine:1")]
    assert texts == [["2419"], ["2419"]]


def test_corrections_stay_with_the_content_when_the_file_moves(store: Store) -> None:
    store.queue.add([A], now=1.0)
    assert not store.corrections.add(b"A", [Correction("add", ("7",))], now=1.5)
    store.readings.finish([(claim(store), seen())], now=2.0)
    assert store.corrections.add(b"A", [Correction("set", ("7", "0042"))], now=3.0)
    store.queue.remove([A.path])
    store.queue.add([B], now=4.0)
    store.readings.finish_known(claim(store), b"A", now=5.0)
    [photo] = store.readings.read_photos("engine:1")
    assert photo.corrections == (Correction("set", ("7", "0042")),)


def test_readings_and_the_ends_of_their_jobs_are_one_transaction(store: Store) -> None:
    store.queue.add([A, B], now=1.0)
    other, job = store.queue.claim(1.0, most=2)
    broken = Reading("7", None, READING.box, 0.8, "engine:1")  # type: ignore[arg-type]
    with pytest.raises(sqlite3.IntegrityError):
        store.readings.finish([(other, seen(b"B")), (job, seen(b"A", "engine:1", READING, broken))], now=2.0)
    assert store.queue.counts()["reading"] == 2
    assert store.readings.count_reads() == 0


def test_the_database_survives_being_opened_again(tmp_path: Path, store: Store) -> None:
    store.queue.add([A], now=1.0)
    again = Store.open(tmp_path / "bibwatch.db")
    assert again.queue.counts()["waiting"] == 1
    again.close()
    reader = Store.open_read_only(tmp_path / "bibwatch.db")
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.queue.add([B], now=1.0)
    reader.close()


def test_what_is_no_database_is_refused_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_text("this is no database, just a text that is long enough" * 50)
    with pytest.raises(CouldNotStart, match=r"x\.db.*not a database"):
        Store.open(tmp_path / "x.db")
    with pytest.raises(DatabaseMissing, match=r"y\.db"):
        Store.open_read_only(tmp_path / "y.db")


def test_only_one_service_has_the_lock(tmp_path: Path) -> None:
    first, second = ServiceLock(tmp_path / "x.db"), ServiceLock(tmp_path / "x.db")
    assert not second.held_elsewhere()
    first.take()
    assert second.held_elsewhere()
    with pytest.raises(CouldNotStart, match="another bibwatch"):
        second.take()
    first.release()
    second.take()
    second.release()
