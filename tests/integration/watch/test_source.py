"""Real folders, real inotify: what comes to rest, and what counts as gone."""

import errno
import os
import shutil
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from bibwatch.values import ALL_NAMES, FileStamp, NameRange, Sighting
from bibwatch.watch import walk
from bibwatch.watch.changes import Change
from bibwatch.watch.inbox import Inbox
from bibwatch.watch.names import PhotoNames, WatchedFolder
from bibwatch.watch.scanner import OVERFLOWED
from bibwatch.watch.source import Source
from bibwatch.watch.watches import Watches

HANG_S = 30.0
SETTLE_S = 0.2
NAMES = PhotoNames(frozenset({".jpg"}))


class Watcher:
    """Source and inbox over one folder; what has settled is known from then on."""

    def __init__(
        self,
        root: Path,
        rescan_s: float = 3600.0,
        poll_s: float | None = None,
        others: Sequence[WatchedFolder] = (),
    ) -> None:
        self.root = root
        self.photos: dict[Path, Sighting] = {}
        self.settled: list[tuple[Path, FileStamp | None]] = []
        folders = [WatchedFolder(root, True, poll_s), *others]
        self.inbox = Inbox([folder.path for folder in folders], SETTLE_S, self)
        self.changes: deque[Change] = deque()
        self.source = Source(folders, NAMES, rescan_s, lambda: None)
        self.source.start()

    def known_in(self, folder: Path, names: NameRange = ALL_NAMES) -> dict[str, Sighting]:
        inside = {path.name: sighting for path, sighting in self.photos.items() if path.parent == folder}
        return {name: sighting for name, sighting in inside.items() if names.holds(name)}

    def sighting(self, path: Path) -> Sighting | None:
        return self.photos.get(path)

    def seen_at(self, places: Mapping[Path, bytes | None]) -> None:
        for path, place in places.items():
            if path in self.photos:
                self.photos[path] = self.photos[path]._replace(place=place)

    def known_folders(self, root: Path) -> list[Path]:
        return list({path.parent for path in self.photos if path.is_relative_to(root)})

    def step(self) -> None:
        self.changes.extend(self.source.changes(self.inbox.room))
        self.inbox.take(self.changes, time.monotonic())
        self.source.look(self.inbox.to_look_at(time.monotonic()))
        for path, rested in self.inbox.rested.items():
            self.settled.append((path, rested.stamp))
            if rested.stamp is None:
                self.photos.pop(path, None)
            else:
                self.photos[path] = Sighting(rested.stamp.version, rested.place)
        self.inbox.rested.clear()
        time.sleep(0.01)

    def until(self, is_true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + HANG_S
        while not is_true():
            assert time.monotonic() < deadline
            self.step()

    def let_pass(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.step()

    def quiet(self) -> None:
        """Until nothing more is under way."""
        self.let_pass(3 * SETTLE_S)
        self.until(lambda: self.inbox.scanned and not self.inbox and not self.source.pending(self.inbox.room))

    def names(self) -> list[str]:
        return sorted(str(path.relative_to(self.root)) for path in self.photos)


def watches(watcher: Watcher) -> Watches:
    """What watches its folder."""
    return watcher.source._watches[watcher.root]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "incoming").mkdir()
    return tmp_path / "incoming"


@pytest.fixture
def watcher(root: Path) -> Iterator[Watcher]:
    watcher = Watcher(root)
    watcher.quiet()
    yield watcher
    watcher.source.stop()


def test_photos_that_were_there_before_are_found(root: Path) -> None:
    (root / "cam1" / "day1").mkdir(parents=True)
    (root / "a.jpg").write_text("a")
    (root / "cam1" / "day1" / "b.jpg").write_text("b")
    watcher = Watcher(root)
    watcher.quiet()
    watcher.source.stop()
    assert watcher.names() == ["a.jpg", "cam1/day1/b.jpg"]


def test_a_photo_written_slowly_settles_once_and_whole(watcher: Watcher) -> None:
    with (watcher.root / "a.jpg").open("wb") as file:
        for _ in range(6):
            file.write(bytes(1000))
            file.flush()
            deadline = time.monotonic() + SETTLE_S / 2
            while time.monotonic() < deadline:
                watcher.step()
    watcher.quiet()
    assert [(path.name, stamp and stamp.size) for path, stamp in watcher.settled] == [("a.jpg", 6000)]


def test_a_renamed_temporary_file_is_found_under_its_final_name(watcher: Watcher) -> None:
    (watcher.root / ".IMG.jpg.x7").write_text("a")
    watcher.quiet()
    assert watcher.names() == []
    (watcher.root / ".IMG.jpg.x7").rename(watcher.root / "IMG.jpg")
    watcher.quiet()
    assert watcher.names() == ["IMG.jpg"]


def test_a_photo_moved_in_and_a_tree_moved_in_are_found(watcher: Watcher, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("a")
    (tmp_path / "card" / "DCIM").mkdir(parents=True)
    (tmp_path / "card" / "DCIM" / "b.jpg").write_text("b")
    (tmp_path / "a.jpg").rename(watcher.root / "a.jpg")
    (tmp_path / "card").rename(watcher.root / "card")
    watcher.quiet()
    assert watcher.names() == ["a.jpg", "card/DCIM/b.jpg"]
    (watcher.root / "card" / "DCIM" / "c.jpg").write_text("c")
    watcher.quiet()
    assert "card/DCIM/c.jpg" in watcher.names()


def test_a_tree_of_a_thousand_photos_copied_in_is_found_whole(watcher: Watcher, tmp_path: Path) -> None:
    for number in range(1000):
        photo = tmp_path / "card" / f"cam{number % 7}" / f"day{number % 3}" / f"{number}.jpg"
        photo.parent.mkdir(parents=True, exist_ok=True)
        photo.write_text(str(number))
    shutil.copytree(tmp_path / "card", watcher.root / "card")
    watcher.until(lambda: len(watcher.photos) == 1000)


def test_a_deleted_and_a_moved_photo_are_gone_from_their_old_place(watcher: Watcher) -> None:
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        (watcher.root / name).write_text(name)
    watcher.quiet()
    (watcher.root / "a.jpg").unlink()
    (watcher.root / "b.jpg").rename(watcher.root / "d.jpg")
    watcher.quiet()
    assert watcher.names() == ["c.jpg", "d.jpg"]


def test_a_folder_moved_away_takes_its_photos_with_it(watcher: Watcher, tmp_path: Path) -> None:
    (watcher.root / "cam1").mkdir()
    (watcher.root / "cam1" / "a.jpg").write_text("a")
    (watcher.root / "b.jpg").write_text("b")
    watcher.quiet()
    (watcher.root / "cam1").rename(tmp_path / "cam1")
    watcher.quiet()
    assert watcher.names() == ["b.jpg"]


def test_the_only_photo_deleted_under_our_eyes_is_gone(watcher: Watcher) -> None:
    (watcher.root / "a.jpg").write_text("a")
    watcher.quiet()
    (watcher.root / "a.jpg").unlink()
    watcher.quiet()
    assert watcher.names() == []


def test_a_missing_or_empty_folder_is_not_a_deletion(root: Path, tmp_path: Path) -> None:
    (root / "cam1").mkdir()
    (root / "cam1" / "a.jpg").write_text("a")
    watcher = Watcher(root, rescan_s=0.3)
    watcher.quiet()
    root.rename(tmp_path / "unplugged")
    watcher.until(lambda: root in watcher.inbox.absent)
    root.mkdir()  # an empty mount point
    watcher.quiet()
    assert watcher.names() == ["cam1/a.jpg"]
    root.rmdir()
    (tmp_path / "unplugged").rename(root)
    watcher.until(lambda: not watcher.inbox.absent)
    (root / "cam1" / "b.jpg").write_text("b")
    watcher.until(lambda: len(watcher.photos) == 2)
    watcher.source.stop()
    assert watcher.names() == ["cam1/a.jpg", "cam1/b.jpg"]


def test_a_folder_that_comes_back_is_watched_again(root: Path, tmp_path: Path) -> None:
    watcher = Watcher(root, rescan_s=0.3)
    watcher.quiet()
    shutil.rmtree(root)
    watcher.until(lambda: root in watcher.source.faults())
    root.mkdir()
    watcher.until(lambda: root not in watcher.source.faults())
    (root / "a.jpg").write_text("a")
    watcher.until(lambda: watcher.names() == ["a.jpg"])
    watcher.source.stop()


def test_a_polled_folder_needs_no_events(root: Path) -> None:
    watcher = Watcher(root, poll_s=0.2)
    watcher.quiet()
    (root / "new").mkdir()
    (root / "new" / "a.jpg").write_text("a")
    watcher.until(lambda: watcher.names() == ["new/a.jpg"])
    (root / "b.jpg").write_text("b")
    (root / "new" / "a.jpg").unlink()
    watcher.until(lambda: watcher.names() == ["b.jpg"])
    watcher.source.stop()


@pytest.mark.parametrize("folder", ["@eaDir", ".Trash-0", "cam1/.stversions"])
def test_folders_of_other_programs_are_left_alone_whichever_way_files_come(
    watcher: Watcher, tmp_path: Path, folder: str
) -> None:
    (watcher.root / folder).mkdir(parents=True)
    (watcher.root / folder / "made.jpg").write_text("a")
    (tmp_path / "moved.jpg").write_text("b")
    (tmp_path / "moved.jpg").rename(watcher.root / folder / "moved.jpg")
    watcher.quiet()
    assert watcher.settled == []


def test_a_file_that_cannot_be_looked_at_is_not_gone(watcher: Watcher, monkeypatch: pytest.MonkeyPatch) -> None:
    (watcher.root / "a.jpg").write_text("a")
    watcher.quiet()

    def stale(path: Path) -> None:
        raise OSError(errno.ESTALE, "Stale file handle")

    with monkeypatch.context() as dead_share:
        dead_share.setattr("bibwatch.watch.walk.stamp_of", stale)
        watcher.source.touched(watcher.root / "a.jpg")
        watcher.source.rescan()
        deadline = time.monotonic() + 4 * SETTLE_S
        while time.monotonic() < deadline:
            watcher.step()
        assert "such as a.jpg): Stale file handle" in watcher.inbox.faults()[watcher.root]
    watcher.source.rescan()
    watcher.quiet()
    assert watcher.names() == ["a.jpg"]


def let_the_card_die_at(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on nothing can be told about files of this name."""
    real = walk.stamp_of

    def stamp_of(path: Path) -> FileStamp | None:
        if path.name == name:
            raise OSError(errno.EIO, "Input/output error")
        return real(path)

    monkeypatch.setattr("bibwatch.watch.walk.stamp_of", stamp_of)


def test_one_photo_that_cannot_be_looked_at_hides_no_other(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        (root / name).write_text(name)
    let_the_card_die_at("b.jpg", monkeypatch)
    watcher = Watcher(root)
    watcher.quiet()
    watcher.source.stop()
    assert watcher.names() == ["a.jpg", "c.jpg"]
    assert "b.jpg" in watcher.inbox.faults()[root]


def test_a_photo_that_cannot_be_looked_at_keeps_no_other_from_being_gone(
    watcher: Watcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.jpg", "b.jpg", "cam1/c.jpg", "cam1/d.jpg"):
        (watcher.root / name).parent.mkdir(exist_ok=True)
        (watcher.root / name).write_text(name)
    watcher.quiet()
    let_the_card_die_at("b.jpg", monkeypatch)
    (watcher.root / "a.jpg").unlink()
    (watcher.root / "cam1" / "c.jpg").unlink()
    watcher.source.rescan()
    watcher.until(lambda: watcher.names() == ["b.jpg", "cam1/d.jpg"])
    watcher.quiet()
    assert watcher.inbox.faults() == {watcher.root: "photos cannot be looked at (1, such as b.jpg): Input/output error"}


def test_a_look_at_a_photo_of_a_folder_that_is_watched_no_more_is_not_answered(
    watcher: Watcher, tmp_path: Path
) -> None:
    watcher.source.look([tmp_path / "elsewhere" / "a.jpg"])
    watcher.quiet()
    assert watcher.settled == []


class DeadShare:
    """A folder whose disk does not answer, until it is let go."""

    def __init__(self, folder: Path) -> None:
        self.asked = threading.Event()
        self._folder = folder
        self._answers = threading.Event()

    def scandir(self, folder: Path) -> object:
        if folder == self._folder:
            self.asked.set()
            assert self._answers.wait(HANG_S)
        return self._scandir(folder)

    _scandir = staticmethod(os.scandir)

    def answer(self) -> None:
        self._answers.set()


def test_a_share_that_does_not_answer_is_named_and_keeps_no_other_folder_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    share, incoming = tmp_path / "share", tmp_path / "incoming"
    for folder in (share, incoming):
        folder.mkdir()
    dead = DeadShare(share)
    monkeypatch.setattr("bibwatch.watch.walk.os.scandir", dead.scandir)
    monkeypatch.setattr("bibwatch.watch.source.SILENT_S", 0.3)
    (incoming / "a.jpg").write_text("a")
    watcher = Watcher(incoming, rescan_s=0.2, others=[WatchedFolder(share, True, 0.1)])
    try:
        watcher.until(lambda: watcher.names() == ["a.jpg"] and dead.asked.is_set())
        (incoming / "b.jpg").write_text("b")
        (incoming / "a.jpg").unlink()
        watcher.until(lambda: watcher.names() == ["b.jpg"])
        watcher.until(lambda: "has not answered for" in watcher.source.faults().get(share, ""))
        assert set(watcher.source.faults()) == {share}
        assert not watcher.inbox.scanned
        dead.answer()
        watcher.until(lambda: watcher.inbox.scanned and not watcher.source.faults())
        (share / "c.jpg").write_text("c")
        watcher.until(lambda: share / "c.jpg" in watcher.photos)
    finally:
        dead.answer()
        watcher.source.stop()


def test_a_sub_folder_that_became_a_link_elsewhere_is_out_of_sight(watcher: Watcher, tmp_path: Path) -> None:
    (watcher.root / "day1").mkdir()
    (watcher.root / "day1" / "a.jpg").write_text("a")
    (watcher.root / "b.jpg").write_text("b")
    watcher.quiet()
    (watcher.root / "day1").rename(tmp_path / "day1")
    (watcher.root / "day1").symlink_to(tmp_path / "day1")
    watcher.source.rescan()
    watcher.quiet()
    settled = len(watcher.settled)
    watcher.source.rescan()
    watcher.quiet()
    assert watcher.names() == ["b.jpg"]
    assert len(watcher.settled) == settled


def test_an_unmounted_card_is_not_a_deletion_even_for_a_photo_in_work(tmp_path: Path) -> None:
    card = tmp_path / "media" / "card"
    card.mkdir(parents=True)
    if subprocess.run(["mount", "-t", "tmpfs", "none", str(card)], check=False, capture_output=True).returncode:
        pytest.skip("this user may not mount")
    try:
        (card / "a.jpg").write_text("a")
        (tmp_path / "media" / "b.jpg").write_text("b")
        watcher = Watcher(tmp_path / "media", rescan_s=0.3)
        watcher.quiet()
    finally:
        subprocess.run(["umount", "-l", str(card)], check=True)
    watcher.source.look([card / "a.jpg"])  # as for a reader that finds its photo gone
    deadline = time.monotonic() + 4 * SETTLE_S
    while time.monotonic() < deadline:
        watcher.step()
    watcher.source.stop()
    assert watcher.names() == ["b.jpg", "card/a.jpg"]


def test_watching_goes_on_after_watchdog_lost_count_of_a_moved_folder(root: Path, tmp_path: Path) -> None:
    watcher = Watcher(root, rescan_s=0.3)
    watcher.quiet()
    (root / "cam1").mkdir()
    watcher.quiet()
    (root / "cam1").rename(tmp_path / "cam1")
    (root / "cam1").mkdir()
    watcher.quiet()
    shutil.rmtree(root / "cam1")
    watcher.quiet()
    (root / "a.jpg").write_text("a")
    watcher.until(lambda: watcher.names() == ["a.jpg"])
    watcher.source.stop()


def test_what_is_no_regular_file_is_left_alone(watcher: Watcher, tmp_path: Path) -> None:
    os.mkfifo(watcher.root / "fifo.jpg")
    (watcher.root / "folder.jpg").mkdir()
    (watcher.root / "folder.jpg" / "a.jpg").write_text("a")
    (tmp_path / "b.jpg").write_text("b")
    (watcher.root / "link.jpg").symlink_to(tmp_path / "b.jpg")
    watcher.quiet()
    assert watcher.names() == ["folder.jpg/a.jpg"]


def test_names_with_newlines_and_bytes_that_are_no_text_are_found(watcher: Watcher) -> None:
    odd = [os.fsdecode(b"bad\xff.jpg"), "new\nline.jpg"]
    for name in odd:
        (watcher.root / name).write_text(name[:3])
    watcher.quiet()
    assert watcher.names() == sorted(odd)


def test_a_photo_overwritten_in_place_settles_again(watcher: Watcher) -> None:
    (watcher.root / "a.jpg").write_text("one")
    watcher.quiet()
    (watcher.root / "a.jpg").write_text("two")
    watcher.quiet()
    assert [path.name for path, _ in watcher.settled] == ["a.jpg", "a.jpg"]


def test_more_events_than_the_kernel_keeps_are_made_up_for_by_a_scan(watcher: Watcher) -> None:
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    if limit > 100_000:
        pytest.skip(f"the kernel keeps {limit} events here")
    with watches(watcher)._observer._inotify_fd._lock:  # no event is handled meanwhile
        for _ in range(limit // 2):  # each makes three
            (watcher.root / "x.jpg").touch()
            (watcher.root / "x.jpg").unlink()
        (watcher.root / "a.jpg").write_text("a")
    watcher.until(lambda: watcher.source.faults().get(watcher.root) == OVERFLOWED)
    watcher.until(lambda: watcher.names() == ["a.jpg"])
    watcher.until(lambda: watcher.source.faults() == {})


def test_lost_events_lead_to_a_scan_at_once(watcher: Watcher) -> None:
    import logging

    watches(watcher).stop()  # deaf from here on
    logging.getLogger("watchdog.observers.inotify_c").addHandler(watches(watcher)._overflow)
    (watcher.root / "a.jpg").write_text("a")
    watcher.quiet()
    assert watcher.names() == []
    logging.getLogger("watchdog.observers.inotify_c").warning("Inotify queue overflowed; filesystem events were lost")
    watcher.until(lambda: watcher.names() == ["a.jpg"])
