"""What the folders' threads tell: in order, and never more at once than fits."""

import threading
from pathlib import Path

from bibwatch.values import FileStamp
from bibwatch.watch.changes import AT_ONCE, BACKLOG, Change, Changes, Listing, Replaced, Touched, Walked

HANG_S = 30.0
ROOT = Path("/in")


def listing(photos: int) -> Listing:
    return Listing(ROOT, ROOT, {f"{number}.jpg": FileStamp(1, 1, 1, 1, 1) for number in range(photos)}, {})


def scanning(changes: Changes, *what: Change) -> threading.Thread:
    thread = threading.Thread(target=lambda: [changes.tell_scanned(one) for one in what])
    thread.start()
    return thread


def test_a_scan_pauses_while_the_main_loop_is_behind() -> None:
    woken = threading.Semaphore(0)
    changes = Changes(woken.release)
    listings = [listing(1) for _ in range(BACKLOG + 2)]
    thread = scanning(changes, *listings)
    for _ in range(BACKLOG):
        assert woken.acquire(timeout=HANG_S)
    assert not woken.acquire(timeout=0.1)
    assert changes.take(room=100) == listings[:BACKLOG]
    thread.join(HANG_S)
    assert changes.take(room=100) == listings[BACKLOG:]
    assert not changes.pending(room=100)


def test_a_scan_brings_in_about_as_many_photos_as_there_is_room_for() -> None:
    changes = Changes(lambda: None)
    listings = [listing(5), listing(5), listing(5)]
    scanning(changes, *listings).join(HANG_S)
    assert not changes.pending(room=0)
    assert changes.take(room=0) == []
    assert changes.take(room=6) == listings[:2]
    assert changes.pending(room=1)


def test_what_brings_no_photos_needs_no_room() -> None:
    changes = Changes(lambda: None)
    ends = [listing(0), *[Walked(ROOT / str(number), {}, whole=False) for number in range(2 * BACKLOG)]]
    scanning(changes, *ends, listing(1)).join(HANG_S)
    assert changes.take(room=0) == ends
    assert not changes.pending(room=0)


def test_nothing_waits_before_the_news_that_the_watched_folder_went() -> None:
    changes = Changes(lambda: None)
    found = [listing(5), listing(5), Replaced(ROOT)]
    scanning(changes, *found, listing(5)).join(HANG_S)
    assert changes.pending(room=0)
    assert changes.take(room=0) == found


def test_what_was_told_never_waits_and_comes_before_what_scans_find() -> None:
    changes = Changes(lambda: None)
    told = [Touched(ROOT / f"{number}.jpg", None) for number in range(AT_ONCE + 1)]
    found = listing(1)
    scanning(changes, found).join(HANG_S)
    for change in told:
        changes.tell(change)
    assert changes.pending(room=0)
    assert changes.take(room=1) == told[:AT_ONCE]
    assert changes.take(room=1) == [told[-1], found]


def test_no_scan_waits_once_it_is_closed() -> None:
    changes = Changes(lambda: None)
    thread = scanning(changes, *[listing(1) for _ in range(BACKLOG + 2)])
    changes.close()
    thread.join(HANG_S)
    assert not thread.is_alive()
