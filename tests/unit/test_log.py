import logging
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bibwatch.log import LINES, LINES_S, Throttle, fields, of_kind


class Lines(logging.Handler):
    """Keeps the lines that come through, by a clock that is set by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0  # monotonic seconds
        self.seen: list[str] = []
        self.addFilter(Throttle(lambda: self.now))

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append(self.format(record))

    def new(self) -> list[str]:
        seen, self.seen = self.seen, []
        return seen


@pytest.fixture
def lines() -> Lines:
    return Lines()


@pytest.fixture
def log(lines: Lines) -> Iterator[logging.Logger]:
    log = logging.getLogger("bibwatch.test_log")
    log.propagate = False
    log.setLevel(logging.DEBUG)
    log.addHandler(lines)
    yield log
    log.removeHandler(lines)
    log.propagate = True
    log.setLevel(logging.NOTSET)


def warn(log: logging.Logger, times: int) -> None:
    for number in range(times):
        log.warning("%s: failed", number)


def test_twenty_of_a_kind_come_through_and_the_last_says_that_more_are_held_back(
    log: logging.Logger, lines: Lines
) -> None:
    warn(log, 50)
    seen = lines.new()
    assert seen[:-1] == [f"{number}: failed" for number in range(19)]
    assert seen[-1] == "19: failed (more like this are held back for a while)"
    assert LINES == 20


def test_the_first_after_the_pause_tells_how_many_were_held_back_and_the_next_does_not(
    log: logging.Logger, lines: Lines
) -> None:
    warn(log, 50)
    lines.now += LINES_S - 0.1
    log.warning("%s: failed", "b.jpg")
    lines.new()
    lines.now += 0.1
    log.warning("%s: failed", "c.jpg")
    log.warning("%s: failed", "d.jpg")
    assert lines.new() == ["c.jpg: failed (31 more like this were held back)", "d.jpg: failed"]


def test_a_slow_trickle_is_never_held_back(log: logging.Logger, lines: Lines) -> None:
    for number in range(100):
        log.warning("%s: failed", number)
        lines.now += LINES_S / (LINES - 2)
    assert lines.new() == [f"{number}: failed" for number in range(100)]


def test_no_more_than_twenty_come_through_in_any_minute_of_a_flood(log: logging.Logger, lines: Lines) -> None:
    times = []
    for _ in range(6000):
        log.warning("%s: failed", "a.jpg")
        times += [lines.now] * len(lines.new())
        lines.now += 0.05
    assert len(times) == 5 * LINES
    assert all(sum(begin <= time < begin + LINES_S for time in times) <= LINES for begin in times)


def test_one_kind_does_not_hold_back_another(log: logging.Logger, lines: Lines) -> None:
    warn(log, 30)
    lines.new()
    log.warning("%s: the disk is full", "a.jpg")
    log.error("%s: lost", "a.jpg")
    assert lines.new() == ["a.jpg: the disk is full", "a.jpg: lost"]


def test_once_the_pause_is_over_any_line_brings_along_how_many_were_held_back(
    log: logging.Logger, lines: Lines
) -> None:
    warn(log, 50)
    lines.new()
    lines.now += LINES_S
    for _ in range(2):
        log.info("linked %s", "a.jpg")
    assert lines.new() == [
        "30 lines were held back, the last one: 49: failed",
        "linked a.jpg",
        "linked a.jpg",
    ]


def test_counts_of_several_kinds_are_told_once_each(log: logging.Logger, lines: Lines) -> None:
    for number in range(50):
        log.warning("%s: failed", number)
        log.warning("%s: next try later", number)
    lines.new()
    lines.now += LINES_S
    log.info("linked %s", "a.jpg")
    assert sorted(lines.new()) == [
        "30 lines were held back, the last one: 49: failed",
        "30 lines were held back, the last one: 49: next try later",
        "linked a.jpg",
    ]


def test_lines_may_come_from_several_threads(log: logging.Logger, lines: Lines) -> None:
    def flood(number: int) -> None:
        for turn in range(15_000):
            lines.now += 0.05  # a kind is held back for a moment, again and again
            log.warning(f"{turn % 50}: %s", number)

    threads = [threading.Thread(target=flood, args=(number,)) for number in range(4)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.setswitchinterval(interval)
    assert lines.seen  # and pytest fails where a thread raised


def test_lines_of_a_kind_of_their_own_are_not_held_back_by_others_from_the_same_place(
    log: logging.Logger, lines: Lines
) -> None:
    for number in range(LINES + 10):
        log.warning("degraded: %s", number, extra=of_kind(str(number)))
    assert lines.new() == [f"degraded: {number}" for number in range(LINES + 10)]
    for _ in range(LINES + 10):
        log.warning("degraded: %s", "flickers", extra=of_kind("flickers"))
    assert len(lines.new()) == LINES


def test_what_was_done_is_always_told(log: logging.Logger, lines: Lines) -> None:
    for number in range(200):
        log.info("linked %s", number)
    assert lines.new() == [f"linked {number}" for number in range(200)]
    warn(log, LINES)
    assert len(lines.new()) == LINES  # infos do not count against warnings


@pytest.mark.parametrize("held_back", [0, 5])
def test_signs_of_percent_survive_a_note(log: logging.Logger, lines: Lines, held_back: int) -> None:
    for _ in range(LINES + held_back):
        log.warning("%s: the disk is 100%% full", "50%s off %d.jpg")
    assert lines.new()[-1].startswith("50%s off %d.jpg: the disk is 100% full (more like this")
    lines.now += LINES_S
    log.warning("%s: the disk is 100%% full", "50%s off %d.jpg")
    note = " (5 more like this were held back)" if held_back else ""
    assert lines.new() == ["50%s off %d.jpg: the disk is 100% full" + note]


def test_a_line_keeps_its_fields_when_it_carries_a_note(log: logging.Logger, lines: Lines) -> None:
    kept: list[logging.LogRecord] = []
    lines.emit = kept.append  # type: ignore[method-assign]
    for _ in range(LINES):
        log.warning("%s: failed", "a.jpg", extra=fields(Path("/race/a.jpg"), ["2419"]))
    assert kept[-1].__dict__["BIBWATCH_BIB"] == ["2419"]
    assert kept[-1].getMessage().endswith("held back for a while)")


def test_the_fields_are_the_photo_as_linux_names_it_and_its_bibs_as_text() -> None:
    photo = Path(os.fsdecode(b"/race/bad\xff.jpg"))
    bibs = (bib for bib in ("2419", "0042"))
    assert fields(photo, bibs) == {"BIBWATCH_PHOTO": b"/race/bad\xff.jpg", "BIBWATCH_BIB": ["2419", "0042"]}
    assert fields(photo)["BIBWATCH_BIB"] == []
