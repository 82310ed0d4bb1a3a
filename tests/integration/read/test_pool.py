import os
import signal
import time
from collections.abc import Iterator
from multiprocessing.connection import wait
from pathlib import Path

import pytest
from PIL import Image

from bibwatch.errors import PhotoChanged, PhotoUnreadable
from bibwatch.read import batch
from bibwatch.read.messages import Hashed, Read, Refused
from bibwatch.read.pool import Answer, Lost, Pool
from bibwatch.read.worker import Limits
from bibwatch.values import Job, Photo
from tests import engines
from tests.support import memory_mib

HANG_S = 60.0  # a generous limit; the tests wait for events, not for time


def job(path: Path, number: int = 1) -> Job:
    status = path.stat()
    return Job(number, 1, Photo(path, status.st_size, status.st_mtime_ns), attempts=1)


def picture(path: Path, width: int) -> Path:
    Image.new("RGB", (width, 40)).save(path)
    return path


@pytest.fixture
def pool() -> Iterator[Pool]:
    pool = Pool([engines.scripted], workers=1, limits=Limits(photo_s=1.0))
    pool.start()
    yield pool
    pool.stop()


def submit(pool: Pool, turn: Job, *, alone: bool = False) -> None:
    deadline = time.monotonic() + HANG_S
    while not pool.submit(turn, last_look=True, alone=alone):
        assert time.monotonic() < deadline, pool.fault
        wait(pool.waitables(), 0.1)
        assert list(pool.collect()) == []


def until_ready(pool: Pool, children: int) -> None:
    deadline = time.monotonic() + HANG_S
    while pool.ready < children:
        assert time.monotonic() < deadline, (pool.fault, pool.slowed)
        wait(pool.waitables(), 0.1)
        assert pool.collect() == []


def answers_to(pool: Pool, count: int) -> list[tuple[Job, Answer]]:
    """The last words about `count` photos; each one hashed is let go on."""
    last: list[tuple[Job, Answer]] = []
    deadline = time.monotonic() + HANG_S
    while len(last) < count:
        assert time.monotonic() < deadline
        wait(pool.waitables(), 0.1)
        for turn, answer in pool.collect():
            if isinstance(answer, Hashed):
                pool.go(turn)
            else:
                last.append((turn, answer))
    return last


def test_a_photo_is_read_in_a_child(pool: Pool, tmp_path: Path) -> None:
    turn = job(picture(tmp_path / "a.png", 42))
    submit(pool, turn)
    [(answered, answer)] = answers_to(pool, 1)
    assert answered is turn
    assert isinstance(answer, Read)
    assert (answer.width, answer.height, answer.readings[0].text) == (42, 40, "42")


def test_the_next_photo_is_fetched_while_one_is_in_the_engine(tmp_path: Path) -> None:
    pool = Pool([engines.scripted], workers=1, limits=Limits(photo_s=HANG_S))
    pool.start()
    try:
        slow, next_one = job(picture(tmp_path / "a.png", 999), 1), job(picture(tmp_path / "b.png", 43), 2)
        submit(pool, slow)
        seen: list[Job] = []
        while next_one not in seen:
            wait(pool.waitables(), 0.1)
            for turn, answer in pool.collect():
                assert isinstance(answer, Hashed)
                pool.go(turn)
                seen.append(turn)
            if slow in seen and pool.room:
                pool.submit(next_one, last_look=True, alone=False)
        assert pool.busy == 2
        assert not pool.room
        assert sorted(turn.photo_id for turn in pool.stop()) == [1, 2]
    finally:
        pool.stop()


def test_a_dropped_photo_is_not_read(pool: Pool, tmp_path: Path) -> None:
    turn = job(picture(tmp_path / "a.png", 42))
    submit(pool, turn)
    answers: list[tuple[Job, Answer]] = []
    while not answers:
        wait(pool.waitables(), 0.1)
        answers = pool.collect()
    assert isinstance(answers[0][1], Hashed)
    pool.drop(turn)
    assert pool.busy == 0
    submit(pool, job(picture(tmp_path / "b.png", 43), 2))
    [(_, answer)] = answers_to(pool, 1)
    assert isinstance(answer, Read)
    assert answer.readings[0].text == "43"


def test_a_photo_that_ends_its_child_is_lost_and_the_child_replaced(pool: Pool, tmp_path: Path) -> None:
    submit(pool, job(picture(tmp_path / "a.png", 666)))
    [(_, answer)] = answers_to(pool, 1)
    assert answer == Lost("its reading process was ended by SIGABRT")
    submit(pool, job(picture(tmp_path / "b.png", 43), 2))
    assert isinstance(answers_to(pool, 1)[0][1], Read)


def test_a_photo_that_hangs_is_lost_after_its_time(pool: Pool, tmp_path: Path) -> None:
    submit(pool, job(picture(tmp_path / "a.png", 999)))
    assert answers_to(pool, 1)[0][1] == Lost("no answer within 1 s")


def test_an_engine_that_raises_refuses_the_photo_and_lives(pool: Pool, tmp_path: Path) -> None:
    before = pool.pids
    submit(pool, job(picture(tmp_path / "a.png", 500)))
    [(_, answer)] = answers_to(pool, 1)
    assert isinstance(answer, Refused)
    assert str(answer.error) == "the engine failed: ValueError: no such tensor"
    assert pool.pids == before


def test_an_engine_that_breaks_ends_its_child_and_says_why(pool: Pool, tmp_path: Path) -> None:
    before = pool.pids
    submit(pool, job(picture(tmp_path / "a.png", 777)))
    [(_, answer)] = answers_to(pool, 1)
    assert answer == Lost("the GPU failed: CUDA error: unspecified launch failure")
    submit(pool, job(picture(tmp_path / "b.png", 43), 2))
    assert isinstance(answers_to(pool, 1)[0][1], Read)
    assert pool.pids != before


def scores_in_batches(tmp_path: Path, widths: list[int]) -> dict[str, float]:
    """Text or error -> the share of a batch that was full, for photos read by an engine that takes four at a time."""
    pool = Pool([engines.batched], workers=1, limits=Limits(photo_s=HANG_S))
    paths = [picture(tmp_path / f"{number}.png", width) for number, width in enumerate(widths)]
    outcomes = [outcome for _, outcome in batch.read_all(paths, pool)]
    readings = [outcome.readings[0] if isinstance(outcome, Read) else None for outcome in outcomes]
    return {
        reading.text if reading else str(outcome): reading.score if reading else 0.0
        for reading, outcome in zip(readings, outcomes, strict=True)
    }


def test_an_engine_that_takes_several_photos_gets_them_together(tmp_path: Path) -> None:
    scores = scores_in_batches(tmp_path, list(range(41, 61)))
    assert list(scores) == [str(width) for width in range(41, 61)]
    assert max(scores.values()) == 1.0  # once the first ones are in the engine, the next four wait together


@pytest.mark.long
def test_a_photo_has_its_own_time_also_in_a_batch(tmp_path: Path) -> None:
    pool = Pool([engines.unhurried], workers=1, limits=Limits(photo_s=2.0))
    paths = [picture(tmp_path / f"{width}.png", width) for width in range(41, 50)]
    outcomes = [outcome for _, outcome in batch.read_all(paths, pool)]
    assert all(isinstance(outcome, Read) for outcome in outcomes), outcomes


def test_a_photo_that_fails_in_a_batch_costs_only_itself(tmp_path: Path) -> None:
    outcomes = scores_in_batches(tmp_path, [41, 42, 43, 44, 45, 500, 46, 47, 48])
    [failed] = [text for text in outcomes if "no such tensor" in text]
    assert len(outcomes) == 9
    assert list(outcomes).index(failed) == 5


def test_an_engine_that_decodes_gets_whole_jpegs_as_they_are_and_pictures_of_all_else(tmp_path: Path) -> None:
    pool = Pool([engines.decoding], workers=1, limits=Limits(photo_s=HANG_S))
    paths = [picture(tmp_path / "a.jpg", 41), picture(tmp_path / "b.png", 42)]
    outcomes = [outcome for _, outcome in batch.read_all(paths, pool)]
    assert [outcome.readings[0].score for outcome in outcomes if isinstance(outcome, Read)] == [1.0, 0.0]


def test_a_damaged_jpeg_that_only_the_engine_finds_out_is_refused_for_good_and_costs_no_other(tmp_path: Path) -> None:
    pool = Pool([engines.decoding], workers=1, limits=Limits(photo_s=HANG_S))
    paths = [picture(tmp_path / f"{width}.jpg", width) for width in range(41, 47)]
    whole = paths[2].read_bytes()
    start = whole.index(b"\xff\xda")
    paths[2].write_bytes(whole[:start] + b"\xff\xff" * 8 + b"\xff\xd9")
    outcomes = [outcome for _, outcome in batch.read_all(paths, pool)]
    assert [isinstance(outcome, Read) for outcome in outcomes] == [True, True, False, True, True, True]
    assert isinstance(outcomes[2], PhotoUnreadable)


def test_children_are_spread_over_the_devices_also_after_one_died(tmp_path: Path) -> None:
    pool = Pool([engines.scripted, engines.elsewhere], workers=2, limits=Limits(photo_s=HANG_S))
    pool.start()
    try:
        until_ready(pool, 2)
        assert pool.devices == ["here", "there"]
        submit(pool, job(picture(tmp_path / "a.png", 666)))
        assert isinstance(answers_to(pool, 1)[0][1], Lost)
        until_ready(pool, 2)
        assert pool.devices == ["here", "there"]
    finally:
        pool.stop()


def test_it_is_told_where_the_time_of_a_photo_went(pool: Pool, tmp_path: Path) -> None:
    submit(pool, job(picture(tmp_path / "a.png", 42)))
    [(_, answer)] = answers_to(pool, 1)
    assert isinstance(answer, Read)
    assert answer.stages.keys() == {"read", "decode"}  # the scripted engine tells nothing of itself
    assert answer.seconds == sum(answer.stages.values()) > 0


def test_errors_of_the_file_come_back_as_what_they_are(pool: Pool, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("no picture")
    changed = job(picture(tmp_path / "b.png", 43), 2)
    os.utime(changed.photo.path, ns=(1, 1))
    for turn, kind in ((job(tmp_path / "a.jpg"), PhotoUnreadable), (changed, PhotoChanged)):
        submit(pool, turn)
        [(_, answer)] = answers_to(pool, 1)
        assert isinstance(answer, Refused)
        assert isinstance(answer.error, kind)


def test_a_child_that_waits_for_an_answer_is_not_charged_for_it(pool: Pool, tmp_path: Path) -> None:
    turn = job(picture(tmp_path / "a.png", 42))
    submit(pool, turn)
    time.sleep(2.5)  # the parent is busy for longer than the photo's time
    [(_, answer)] = answers_to(pool, 1)
    assert isinstance(answer, Read)


def test_a_list_of_photos_loses_only_the_one_that_kills_its_child(tmp_path: Path) -> None:
    widths = [51, 666, 52, 53]
    paths = [picture(tmp_path / f"{width}.png", width) for width in widths]
    (tmp_path / "link.png").symlink_to(paths[0])
    pool = Pool([engines.scripted], workers=1, limits=Limits(photo_s=HANG_S))
    outcomes = list(batch.read_all([*paths, tmp_path / "link.png", tmp_path / "none.png"], pool))
    assert [path for path, _ in outcomes] == [*paths, tmp_path / "link.png", tmp_path / "none.png"]
    texts = [outcome.readings[0].text if isinstance(outcome, Read) else str(outcome) for _, outcome in outcomes]
    assert texts == ["51", "its reading process was ended by SIGABRT", "52", "53", "51", "no such file"]


def test_a_photo_alone_gets_no_company(tmp_path: Path) -> None:
    pool = Pool([engines.scripted], workers=1, limits=Limits(photo_s=HANG_S))
    pool.start()
    try:
        submit(pool, job(picture(tmp_path / "a.png", 999)), alone=True)
        deadline = time.monotonic() + 1
        while time.monotonic() < deadline:
            wait(pool.waitables(), 0.1)
            for turn, _ in pool.collect():
                pool.go(turn)
            assert not pool.room
    finally:
        pool.stop()


def test_an_engine_that_does_not_load_is_a_fault_of_the_pool(tmp_path: Path) -> None:
    pool = Pool([engines.missing], workers=2, limits=Limits(photo_s=1.0))
    pool.start()
    deadline = time.monotonic() + HANG_S
    while pool.fault is None and time.monotonic() < deadline:
        wait(pool.waitables(), 0.1)
        pool.collect()
    assert pool.fault == "the model file is missing"
    assert not pool.submit(job(picture(tmp_path / "a.png", 43)), last_look=True, alone=False)
    pool.stop()


def end_a_child(pool: Pool) -> int:
    """Kill the oldest, as the kernel would where memory runs out; returns when the pool has noticed."""
    pid = pool.pids[0]
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + HANG_S
    while pid in pool.pids:
        assert time.monotonic() < deadline
        wait(pool.waitables(), 0.1)
        assert pool.collect() == []
    return pid


def test_a_child_that_takes_too_much_memory_is_ended_and_the_next_photo_is_read(pool: Pool, tmp_path: Path) -> None:
    until_ready(pool, 1)
    usual = int(memory_mib(pool.pids[0]) * 2**20)
    bounded = Pool([engines.scripted], workers=1, limits=Limits(photo_s=HANG_S, memory=usual + 300 * 2**20))
    bounded.start()
    try:
        until_ready(bounded, 1)
        before = bounded.pids
        submit(bounded, job(picture(tmp_path / "a.png", 888)))
        [(_, answer)] = answers_to(bounded, 1)
        assert isinstance(answer, Lost)
        assert answer.reason.startswith("it took 0.")
        assert "GiB of memory, more than the 0." in answer.reason
        assert not Path(f"/proc/{before[0]}").exists()
        submit(bounded, job(picture(tmp_path / "b.png", 43), 2))
        assert isinstance(answers_to(bounded, 1)[0][1], Read)
        assert bounded.pids != before
        assert bounded.replaced == 1
    finally:
        bounded.stop()


def test_after_five_deaths_within_a_minute_the_next_is_not_made_up_for_until_the_minute_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bibwatch.read.pool.RESTARTS_S", 10 * HANG_S)  # a minute that is long enough here
    pool = Pool([engines.scripted], workers=2, limits=Limits(photo_s=HANG_S))
    pool.start()
    try:
        for deaths in range(5):
            until_ready(pool, 2)
            assert (pool.replaced, pool.slowed) == (deaths, None)
            end_a_child(pool)
        until_ready(pool, 2)
        assert (pool.replaced, pool.slowed) == (5, None)
        end_a_child(pool)
        assert pool.slowed == (
            "5 reading processes died within a minute, so new ones wait; the last one: was ended by SIGKILL"
        )
        [left] = pool.pids
        for number in range(1, 4):
            submit(pool, job(picture(tmp_path / f"{number}.png", 40 + number), number))
            assert isinstance(answers_to(pool, 1)[0][1], Read)
        assert (pool.pids, pool.replaced, pool.fault) == ([left], 5, None)
        monkeypatch.setattr("bibwatch.read.pool.RESTARTS_S", 0.0)
        until_ready(pool, 2)
        assert left in pool.pids
        assert (pool.replaced, pool.slowed) == (6, None)
    finally:
        pool.stop()


def test_where_memory_runs_out_the_kernel_shall_end_a_child_and_not_its_parent(pool: Pool) -> None:
    until_ready(pool, 1)
    assert Path(f"/proc/{pool.pids[0]}/oom_score_adj").read_text() == "500\n"
    assert int(Path("/proc/self/oom_score_adj").read_text()) < 500
