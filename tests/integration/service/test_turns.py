"""From the queue through real children to the readings: what each error costs."""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from functools import partial
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from bibwatch.errors import DatabaseFault
from bibwatch.read.messages import Read
from bibwatch.read.pool import Answer, Pool
from bibwatch.read.worker import Limits
from bibwatch.service import turns as turns_module
from bibwatch.service.turns import JITTER, Turns
from bibwatch.store.readings import Seen
from bibwatch.store.schema import database_faults
from bibwatch.store.store import Store
from bibwatch.values import Job, Photo
from tests import engines

HANG_S = 60.0
DELAYS_S = turns_module.RETRY_DELAYS_S  # before a test shortens them


class Desk:
    """A store, a pool of scripted engines, and the turns between them."""

    def __init__(self, folder: Path, workers: int = 2) -> None:
        self.folder, self.count = folder, folder / "readings"
        self.count.mkdir(exist_ok=True)
        self.store = Store.open(folder / "bibwatch.db")
        self.pool = Pool([partial(engines.CountingFile, self.count)], workers, limits=Limits(photo_s=3.0))
        self.turns = Turns(self.store, self.pool, engines.NAME, attempts=3, clock=time.time)
        self.pool.start()

    def add(self, name: str, width: int, shade: int = 0) -> Path:
        path = self.folder / name
        Image.new("RGB", (width, 40), (shade, shade, shade)).save(path)
        status = path.stat()
        self.store.queue.add([Photo(path, status.st_size, status.st_mtime_ns)], time.time())
        return path

    def load_all(self) -> None:
        """Until every child is ready to read."""
        self.work(until=lambda: self.pool.ready == self.pool.workers)

    def work(self, until: Callable[[], bool] | None = None) -> None:
        """Until this is so, or nothing waits and nothing is read."""
        is_over = until or (lambda: not self.waiting())
        deadline = time.monotonic() + HANG_S
        while not is_over():
            assert time.monotonic() < deadline, self.store.queue.counts()
            wait(self.pool.waitables(), 0.05)
            self.turns.collect()
            self.turns.hand_out()

    def waiting(self) -> int:
        counts = self.store.queue.counts()
        return counts["waiting"] + counts["reading"]

    def inferences(self) -> int:
        return len(list(self.count.iterdir()))

    def texts(self) -> dict[str, list[str]]:
        photos = self.store.readings.read_photos(engines.NAME)
        return {photo.path.name: [reading.text for reading in photo.readings] for photo in photos}


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr(turns_module, "RETRY_DELAYS_S", (0.05,))
    desk = Desk(tmp_path)
    yield desk
    desk.pool.stop()
    desk.store.close()


def test_every_photo_is_read_once(desk: Desk) -> None:
    for width in range(50, 70):
        desk.add(f"{width}.png", width)
    desk.work()
    assert desk.texts() == {f"{width}.png": [str(width)] for width in range(50, 70)}
    assert desk.inferences() == 20


def test_copies_are_read_once_also_when_they_come_together(desk: Desk) -> None:
    for number in range(30):
        desk.add(f"{number}.png", 50)
    desk.work()
    assert desk.inferences() == 1
    assert desk.texts() == {f"{number}.png": ["50"] for number in range(30)}
    assert (desk.turns.tally.read, desk.turns.tally.reused) == (1, 29)


def test_a_photo_that_kills_its_child_fails_after_three_tries_and_costs_no_other(desk: Desk) -> None:
    for width in range(50, 60):
        desk.add(f"{width}.png", width)
    killer = desk.add("killer.png", 666)
    for width in range(60, 70):
        desk.add(f"{width}.png", width)
    desk.work()
    assert desk.store.queue.counts() == {"waiting": 0, "reading": 0, "done": 20, "failed": 1}
    [(path, reason)] = desk.store.queue.failed(5)
    assert path == killer
    assert reason == "its reading process was ended by SIGABRT; given up after 3 tries"


@pytest.mark.long
def test_a_photo_that_hangs_its_child_fails_and_costs_no_other(desk: Desk) -> None:
    desk.add("hangs.png", 999)
    desk.add("50.png", 50)
    desk.work()
    assert desk.store.queue.counts()["done"] == 1
    assert desk.store.queue.failed(5)[0][1] == "no answer within 3 s; given up after 3 tries"


def test_a_photo_that_can_never_be_read_fails_at_once(desk: Desk) -> None:
    path = desk.add("a.png", 50)
    path.write_text("no picture")
    os.utime(path, ns=(1, 1))
    desk.store.queue.add([Photo(path, 10, 1)], time.time())
    desk.work()
    assert desk.store.queue.failed(5) == [(path, "the file is neither a JPEG nor a PNG picture")]
    assert desk.turns.tally.failed == 1


def test_a_copy_of_a_content_whose_reading_fails_is_tried_itself(desk: Desk) -> None:
    desk.add("a.png", 500)
    desk.add("b.png", 500)
    desk.work()
    assert desk.store.queue.counts()["failed"] == 2


def test_a_cut_jpeg_gets_time_and_then_fails_with_its_reason(desk: Desk) -> None:
    path = desk.add("a.jpg", 50)
    path.write_bytes(path.read_bytes()[:-200])
    desk.store.queue.add([Photo(path, path.stat().st_size, path.stat().st_mtime_ns)], time.time())
    desk.work()
    assert "ends early (cut off" in desk.store.queue.failed(5)[0][1]
    assert desk.inferences() == 0


def test_what_was_read_meanwhile_is_stored_together(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    collect, finish = desk.pool.collect, desk.store.readings.finish
    read: list[tuple[Job, Answer]] = []
    stored: list[int] = []

    def both_at_once() -> list[tuple[Job, Answer]]:
        told = collect()
        read.extend(one for one in told if isinstance(one[1], Read))
        return [one for one in told if one not in read] + (read if len(read) == 2 else [])

    def counted(ended: Sequence[tuple[Job, Seen]], now: float) -> None:
        stored.append(len(ended))
        finish(ended, now)

    monkeypatch.setattr(desk.pool, "collect", both_at_once)
    monkeypatch.setattr(desk.store.readings, "finish", counted)
    desk.add("a.png", 50)
    desk.add("b.png", 51)
    desk.work()
    assert stored == [2]
    assert desk.texts() == {"a.png": ["50"], "b.png": ["51"]}


def test_children_that_are_free_get_their_photos_in_one_claim(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.load_all()
    for shade in range(3):
        desk.add(f"{shade}.png", 50, shade)
    claim = desk.store.queue.claim
    claimed: list[int] = []

    def counted(now: float, most: int) -> list[Job]:
        jobs = claim(now, most)
        claimed.append(len(jobs))
        return jobs

    monkeypatch.setattr(desk.store.queue, "claim", counted)
    desk.turns.hand_out()
    assert claimed == [2]
    assert desk.store.queue.counts()["waiting"] == 1


def test_a_photo_that_waits_for_a_child_of_its_own_holds_up_none_that_was_claimed_with_it(desk: Desk) -> None:
    desk.load_all()
    for shade in (1, 2):
        desk.add(f"{shade}.png", 999, shade)
    desk.work(until=lambda: desk.inferences() >= 2)
    tried = desk.add("tried.png", 50)
    [job] = desk.store.queue.claim(time.time(), most=1)
    desk.store.queue.wait_again(job, time.time())
    desk.add("fresh.png", 51)
    desk.work(until=lambda: desk.pool.busy >= 3)
    assert desk.store.queue.counts()["reading"] == 4
    desk.turns.finish_begun(grace_s=0.1)
    left = {job.photo.path: job.attempts for job in desk.store.queue.claim(time.time(), most=9)}
    assert left == {**dict.fromkeys((desk.folder / name for name in ("1.png", "2.png", "fresh.png")), 1), tried: 2}


def test_a_photo_that_changed_meanwhile_is_put_back_without_cost(desk: Desk) -> None:
    path = desk.add("a.png", 50)
    os.utime(path, ns=(1, 1))
    desk.work(until=lambda: bool(desk.turns.moved_on))
    [job] = desk.store.queue.claim(time.time() + 3600, most=1)
    assert job.attempts == 1


def test_a_share_that_does_not_answer_costs_no_attempt_but_not_for_ever(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns_module, "OUTAGE_DELAYS_S", (0.05,))
    monkeypatch.setattr(turns_module, "OUTAGE_TRIES", 5)
    path = desk.add("a.png", 50)
    target = path.rename(path.with_name("target.png"))
    path.symlink_to(target)  # an open that fails with an error of the file system
    desk.work()
    [(failed, reason)] = desk.store.queue.failed(5)
    assert failed == path
    assert reason.endswith("given up after 5 tries")
    assert desk.turns.tally.failed == 1


def test_stopping_puts_back_what_was_begun_without_cost(desk: Desk) -> None:
    for shade in (1, 2, 3):
        desk.add(f"{shade}.png", 999, shade)
    desk.add("copy.png", 999, 1)
    desk.work(until=lambda: desk.pool.busy >= 3 and not desk.store.queue.counts()["waiting"])
    desk.turns.finish_begun(grace_s=0.1)
    assert desk.waiting() == 4
    assert [job.attempts for job in desk.store.queue.claim(time.time(), most=9)] == [1, 1, 1, 1]


class FailingDisk:
    """Lets the first calls of a method fail as SQLite does on a full disk, and the later ones pass."""

    def __init__(self, call: Callable[..., Any], failures: int) -> None:
        self._call = call
        self.left = failures

    def __call__(self, *given: Any, **named: Any) -> Any:
        if self.left > 0:
            self.left -= 1
            raise sqlite3.OperationalError("database or disk is full")
        return self._call(*given, **named)


def met_fault(desk: Desk) -> bool:
    """One step, and whether the database refused it."""
    wait(desk.pool.waitables(), 0.05)
    try:
        with database_faults():
            desk.turns.collect()
            desk.turns.hand_out()
    except DatabaseFault:
        return True
    return False


def work_through_faults(desk: Desk) -> int:
    """As the service does: whatever the database refuses is tried again, step by step. Returns the faults met."""
    faults = 0
    deadline = time.monotonic() + HANG_S
    while True:
        assert time.monotonic() < deadline
        if met := met_fault(desk):
            faults += met
        elif not desk.waiting():
            return faults


@pytest.mark.parametrize("failures", [1, 2, 7, 40])
def test_a_database_that_fails_while_answers_and_copies_come_costs_no_photo_and_no_reading(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, failures: int
) -> None:
    for width in range(50, 58):
        for copy in range(3):
            desk.add(f"{width}-{copy}.png", width)
    refusing = FailingDisk(desk.store.readings.finish, failures)
    monkeypatch.setattr(desk.store.readings, "finish", refusing)
    assert work_through_faults(desk) == failures
    assert desk.store.queue.counts() == {"waiting": 0, "reading": 0, "done": 24, "failed": 0}
    assert desk.texts() == {f"{width}-{copy}.png": [str(width)] for width in range(50, 58) for copy in range(3)}
    assert desk.inferences() == desk.store.readings.count_reads() == 8
    assert (desk.turns.tally.read, desk.turns.tally.reused, desk.turns.tally.failed) == (8, 16, 0)
    assert desk.turns.changed_names == set(desk.texts())


@pytest.mark.parametrize(
    ("room", "method"),
    [
        ("queue", "claim"),
        ("queue", "fail"),
        ("queue", "wait_again"),
        ("readings", "finish_known"),
        ("readings", "has_read"),
    ],
)
def test_wherever_the_database_fails_every_photo_comes_to_its_end_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, room: str, method: str
) -> None:
    for width in range(50, 54):
        for copy in range(3):
            desk.add(f"{width}-{copy}.png", width)
    desk.add("killer.png", 666)
    desk.add("broken.png", 500)
    (desk.add("text.png", 60)).write_text("no picture")
    part = getattr(desk.store, room)
    refusing = FailingDisk(getattr(part, method), 12)
    monkeypatch.setattr(part, method, refusing)
    text = desk.folder / "text.png"
    desk.store.queue.add([Photo(text, text.stat().st_size, text.stat().st_mtime_ns)], time.time())
    assert work_through_faults(desk) == 12
    assert desk.store.queue.counts() == {"waiting": 0, "reading": 0, "done": 12, "failed": 3}
    assert desk.store.readings.count_reads() == 4
    assert (desk.turns.tally.read, desk.turns.tally.reused, desk.turns.tally.failed) == (4, 8, 3)
    reasons = {path.name: reason for path, reason in desk.store.queue.failed(5)}
    assert reasons["killer.png"].endswith("given up after 3 tries")
    assert reasons["broken.png"].endswith("given up after 3 tries")


def test_a_database_locked_by_another_program_costs_nothing_but_time(desk: Desk) -> None:
    desk.store._connection.execute("PRAGMA busy_timeout = 20")
    for width in range(50, 80):
        desk.add(f"{width}.png", width)
    deadline = time.monotonic() + HANG_S
    desk.work(until=lambda: desk.pool.busy >= 2)
    with closing(sqlite3.connect(desk.folder / "bibwatch.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        done, faults = desk.store.queue.counts()["done"], 0
        while desk.inferences() <= done or faults < 5:  # what is in the children is read meanwhile
            assert time.monotonic() < deadline
            faults += met_fault(desk)
        assert desk.store.queue.counts()["done"] == done
        other.execute("ROLLBACK")
    work_through_faults(desk)
    assert desk.store.queue.counts()["done"] == 30
    assert desk.inferences() == 30


def test_stopping_while_the_database_fails_loses_no_photo(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for width in range(50, 58):
        desk.add(f"{width}.png", width)
        desk.add(f"copy of {width}.png", width)
    with monkeypatch.context() as disk:
        disk.setattr(desk.store.readings, "finish", FailingDisk(desk.store.readings.finish, 10**6))
        disk.setattr(desk.store.queue, "wait_again", FailingDisk(desk.store.queue.wait_again, 10**6))
        deadline = time.monotonic() + HANG_S
        while not desk.inferences():
            assert time.monotonic() < deadline
            wait(desk.pool.waitables(), 0.05)
            with suppress(DatabaseFault), database_faults():
                desk.turns.collect()
                desk.turns.hand_out()
        with pytest.raises(DatabaseFault), database_faults():
            desk.turns.finish_begun(grace_s=0.1)
    assert desk.pool.pids == []
    read_before = desk.inferences()
    next_life = Desk(desk.folder)
    next_life.store.queue.recover(time.time())
    next_life.work()
    assert next_life.store.queue.counts()["done"] == 16
    assert next_life.inferences() <= read_before + 8
    next_life.pool.stop()
    next_life.store.close()


def test_turns_that_could_not_end_because_the_database_failed_go_on(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for width in (52, 51, 50):
        desk.add(f"{width}.png", width)
        desk.add(f"copy of {width}.png", width)
    desk.work(until=lambda: desk.inferences() >= 1)
    with monkeypatch.context() as disk:
        disk.setattr(desk.store.queue, "wait_again", FailingDisk(desk.store.queue.wait_again, 1))
        with pytest.raises(DatabaseFault), database_faults():
            desk.turns.finish_begun(grace_s=0)
    desk.work()
    assert desk.texts() == {f"{copy}{width}.png": [str(width)] for copy in ("", "copy of ") for width in (50, 51, 52)}
    assert desk.store.readings.count_reads() == 3


@pytest.mark.parametrize("tries", range(1, 6))
def test_a_delay_is_spread_around_what_its_try_is_worth(tries: int) -> None:
    meant = turns_module.RETRY_DELAYS_S[min(tries, 3) - 1]
    drawn = [turns_module._delay(turns_module.RETRY_DELAYS_S, tries) for _ in range(500)]
    assert meant * (1 - JITTER) <= min(drawn) < meant * (1 - JITTER / 2)
    assert meant * (1 + JITTER / 2) < max(drawn) <= meant * (1 + JITTER)


def test_photos_that_failed_together_are_tried_again_apart(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns_module, "RETRY_DELAYS_S", (1000.0,))
    for shade in range(20):
        desk.add(f"{shade}.png", 500, shade)
    desk.work(until=lambda: desk.inferences() >= 20 and not desk.store.queue.counts()["reading"])
    now = time.time()
    assert not desk.store.queue.claim(now + 1000 * (1 - JITTER) - HANG_S, most=20)
    assert 0 < len(desk.store.queue.claim(now + 1000, most=20)) < 20


def test_what_became_of_a_photo_is_logged_with_its_fields(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="bibwatch.service.turns")
    read = desk.add("a.png", width=60)
    bad = desk.folder / "b.png"
    bad.write_text("no picture")
    desk.store.queue.add([Photo(bad, bad.stat().st_size, bad.stat().st_mtime_ns)], time.time())
    desk.work()
    told = {record.__dict__["BIBWATCH_PHOTO"]: record.__dict__["BIBWATCH_BIB"] for record in caplog.records}
    assert told == {os.fsencode(read): desk.texts()["a.png"], os.fsencode(bad): []}
    assert desk.texts()["a.png"]


def test_delays_grow_with_every_try() -> None:
    for delays in (DELAYS_S, turns_module.OUTAGE_DELAYS_S):
        assert all(earlier < later for earlier, later in zip(delays, delays[1:], strict=False))


def test_a_child_that_waits_for_our_word_is_noticed_until_it_gets_it(desk: Desk) -> None:
    desk.add("a.png", width=60)
    desk.turns.hand_out()
    while not desk.pool.kept_waiting_s:
        wait(desk.pool.waitables(), HANG_S)
        answers = desk.pool.collect()
        if not answers:
            desk.turns.hand_out()
    [(job, _)] = answers
    desk.pool.drop(job)
    assert desk.pool.kept_waiting_s == 0.0
