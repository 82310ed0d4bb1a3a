"""What the folders' threads tell: in order, and never more at once than fits."""

import threading
from pathlib import Path

from bibwatch.values import FileStamp
from bibwatch.watch.changes import Change, Changes, Listing, Touched

HANG_S = 30.0
ROOT = Path("/in")


def listing(photos: int) -> Listing:
    return Listing(ROOT, ROOT, {f"{number}.jpg": FileStamp(1, 1, 1, 1, 1) for number in range(photos)}, {})


def put_all(changes: Changes, *what: Change) -> threading.Thread:
    thread = threading.Thread(target=lambda: [changes.put(one) for one in what])
    thread.start()
    return thread


def test_a_scan_pauses_while_the_listings_of_many_photos_wait() -> None:
    woken = threading.Semaphore(0)
    changes = Changes(woken.release)
    thread = put_all(changes, listing(5000), listing(10), listing(10))
    assert woken.acquire(timeout=HANG_S)
    assert not woken.acquire(timeout=0.1)
    assert [len(one.photos) for one in changes.take() if isinstance(one, Listing)] == [5000]
    assert woken.acquire(timeout=HANG_S)
    assert woken.acquire(timeout=HANG_S)
    thread.join(HANG_S)
    assert len(changes.take()) == 2
    assert not changes.pending()


def test_what_is_no_listing_never_waits_and_nothing_does_once_it_is_closed() -> None:
    changes = Changes(lambda: None)
    touched = Touched(ROOT / "a.jpg", None)
    put_all(changes, listing(5000), touched).join(HANG_S)
    thread = put_all(changes, listing(5000), listing(5000))
    changes.put(touched)
    changes.close()
    thread.join(HANG_S)
    assert not thread.is_alive()
    assert len(changes.take()) == 5
