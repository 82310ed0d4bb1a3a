from pathlib import Path

from bibwatch.values import FileStamp
from bibwatch.watch.settle import Settled, Settling

PHOTO = Path("/in/a.jpg")
SMALL = FileStamp(1, 2, 100, 5, 5)
LARGE = FileStamp(1, 2, 200, 6, 6)


def test_a_photo_settles_after_its_quiet_period() -> None:
    settling = Settling(1.0)
    settling.disturb(PHOTO, SMALL, now=10.0)
    assert settling.due(10.9) == []
    assert settling.due(11.0) == [PHOTO]
    assert settling.look(PHOTO, SMALL, 11.0) == Settled(PHOTO, SMALL)
    assert len(settling) == 0


def test_an_event_restarts_the_quiet_period() -> None:
    settling = Settling(1.0)
    settling.disturb(PHOTO, SMALL, now=10.0)
    settling.disturb(PHOTO, SMALL, now=10.8)
    assert settling.due(11.0) == []
    assert settling.next_due() == 11.8


def test_a_changed_photo_restarts_the_quiet_period() -> None:
    settling = Settling(1.0)
    settling.disturb(PHOTO, SMALL, now=10.0)
    assert settling.look(PHOTO, LARGE, 11.0) is None
    assert settling.due(11.5) == []
    assert settling.look(PHOTO, LARGE, 12.0) == Settled(PHOTO, LARGE)


def test_a_change_that_keeps_size_and_mtime_shows_in_the_stamp() -> None:
    settling = Settling(1.0)
    settling.disturb(PHOTO, SMALL, now=10.0)
    assert settling.look(PHOTO, SMALL._replace(ctime_ns=9), 11.0) is None


def test_a_scan_does_not_restart_a_period_that_is_running() -> None:
    settling = Settling(1.0)
    settling.notice(PHOTO, SMALL, now=10.0)
    settling.notice(PHOTO, SMALL, now=10.9)
    assert settling.due(11.0) == [PHOTO]
    settling.notice(PHOTO, LARGE, now=11.0)
    assert settling.due(11.5) == []


def test_a_photo_that_vanished_settles_as_gone() -> None:
    settling = Settling(1.0)
    settling.disturb(PHOTO, None, now=10.0)
    assert settling.look(PHOTO, None, 11.0) == Settled(PHOTO, None)


def test_the_photo_disturbed_first_is_due_first() -> None:
    settling = Settling(1.0)
    other = PHOTO.with_name("b.jpg")
    settling.disturb(PHOTO, SMALL, now=10.0)
    settling.disturb(other, SMALL, now=10.1)
    settling.disturb(PHOTO, SMALL, now=10.2)
    assert settling.due(11.15) == [other]
    assert settling.due(11.3) == [other, PHOTO]
