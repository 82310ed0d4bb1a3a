from pathlib import Path

from bibwatch.values import FileStamp
from bibwatch.watch.settle import Settled, Settling

PHOTO, OTHER = Path("/in/a.jpg"), Path("/in/b.jpg")
SMALL = FileStamp(1, 2, 100, 5, 5)
LARGE = FileStamp(1, 2, 200, 6, 6)


def ask(settling: Settling, now: float) -> list[Path]:
    return settling.ask(now, 10)


def test_a_photo_settles_after_its_quiet_period_and_one_look() -> None:
    settling = Settling(1.0)
    settling.disturb(PHOTO, SMALL, now=10.0)
    assert ask(settling, 10.9) == []
    assert ask(settling, 11.0) == [PHOTO]
    assert ask(settling, 11.1) == []
    assert len(settling) == 1
    assert settling.answer(PHOTO, SMALL, 11.1) == Settled(PHOTO, SMALL, told=True)
    assert len(settling) == 0


def test_no_more_is_looked_at_than_asked_for() -> None:
    settling = Settling(1.0)
    settling.disturb(PHOTO, SMALL, now=10.0)
    settling.disturb(OTHER, SMALL, now=10.0)
    assert settling.ask(11.0, 1) == [PHOTO]
    assert settling.ask(11.0, 1) == [OTHER]


def test_an_event_restarts_the_quiet_period() -> None:
    settling = Settling(1.0)
    settling.disturb(PHOTO, SMALL, now=10.0)
    settling.disturb(PHOTO, SMALL, now=10.8)
    assert ask(settling, 11.0) == []
    assert settling.next_due() == 11.8


def test_an_event_during_the_look_makes_its_answer_worthless() -> None:
    settling = Settling(1.0)
    settling.disturb(PHOTO, SMALL, now=10.0)
    assert ask(settling, 11.0) == [PHOTO]
    settling.disturb(PHOTO, SMALL, now=11.1)
    assert settling.answer(PHOTO, SMALL, 11.2) is None
    assert ask(settling, 12.1) == [PHOTO]


def test_a_changed_photo_restarts_the_quiet_period() -> None:
    settling = Settling(1.0)
    settling.disturb(PHOTO, SMALL, now=10.0)
    assert ask(settling, 11.0) == [PHOTO]
    assert settling.answer(PHOTO, LARGE, 11.0) is None
    assert ask(settling, 11.5) == []
    assert ask(settling, 12.0) == [PHOTO]
    assert settling.answer(PHOTO, LARGE, 12.0) == Settled(PHOTO, LARGE, told=True)


def test_a_change_that_keeps_size_and_mtime_shows_in_the_stamp() -> None:
    settling = Settling(1.0)
    settling.disturb(PHOTO, SMALL, now=10.0)
    assert ask(settling, 11.0) == [PHOTO]
    assert settling.answer(PHOTO, SMALL._replace(ctime_ns=9), 11.0) is None


def test_a_scan_does_not_restart_a_period_that_is_running_nor_a_look() -> None:
    settling = Settling(1.0)
    settling.notice(PHOTO, SMALL, now=10.0)
    settling.notice(PHOTO, SMALL, now=10.9)
    assert ask(settling, 11.0) == [PHOTO]
    settling.notice(PHOTO, SMALL, now=11.0)
    assert settling.next_due() is None
    settling.notice(PHOTO, LARGE, now=11.0)
    assert settling.next_due() == 12.0


def test_what_an_event_told_stays_told_when_a_scan_says_the_same() -> None:
    settling = Settling(1.0)
    settling.disturb(PHOTO, None, now=10.0)
    settling.notice(OTHER, None, now=10.0)
    settling.notice(PHOTO, None, now=10.5)
    assert settling.is_leaving(PHOTO)
    assert not settling.is_leaving(OTHER)
    assert ask(settling, 11.0) == [PHOTO, OTHER]
    assert settling.is_leaving(PHOTO)
    assert settling.answer(PHOTO, None, 11.0) == Settled(PHOTO, None, told=True)
    assert settling.answer(OTHER, None, 11.0) == Settled(OTHER, None, told=False)


def test_photos_that_left_with_their_folder_are_waited_for_no_longer() -> None:
    settling = Settling(1.0)
    elsewhere, stays = Path("/in2/c.jpg"), Path("/in/d.jpg")
    for path in (PHOTO, OTHER, elsewhere):
        settling.disturb(path, None, now=10.0)
        ask(settling, 11.0 if path == PHOTO else 10.0)
    settling.disturb(stays, SMALL, now=10.0)
    settling.drop_leaving(Path("/in"))
    assert ask(settling, 11.0) == [elsewhere, stays]
    assert len(settling) == 2


def test_the_photo_disturbed_first_is_due_first() -> None:
    settling = Settling(1.0)
    settling.disturb(PHOTO, SMALL, now=10.0)
    settling.disturb(OTHER, SMALL, now=10.1)
    settling.disturb(PHOTO, SMALL, now=10.2)
    assert ask(settling, 11.15) == [OTHER]
    assert ask(settling, 11.3) == [PHOTO]


def test_a_photo_that_an_event_told_of_before_it_went_is_not_told_to_be_gone() -> None:
    settling = Settling(1.0)
    settling.disturb(PHOTO, SMALL, now=10.0)
    assert ask(settling, 11.0) == [PHOTO]
    assert settling.answer(PHOTO, None, 11.0) is None
    assert ask(settling, 12.0) == [PHOTO]
    assert settling.answer(PHOTO, None, 12.0) == Settled(PHOTO, None, told=False)
