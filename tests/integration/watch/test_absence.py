"""A photo that is out of sight is not deleted: folders and disks that go, come back, and are exchanged."""

import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from watchdog.observers.inotify_c import InotifyEvent

from bibwatch.watch.changes import Listing
from bibwatch.watch.inbox import Inbox
from bibwatch.watch.names import PhotoNames
from bibwatch.watch.walk import walk
from tests.integration.watch.test_source import HANG_S, SETTLE_S, Watcher, watches
from tests.mounts import Mounts


class Watchers:
    """The watchers of a test; all are stopped at its end."""

    def __init__(self) -> None:
        self._begun: list[Watcher] = []

    def watch(self, root: Path) -> Watcher:
        """Watch a folder; all that lies there has settled."""
        watcher = Watcher(root)
        watcher.quiet()
        self._begun.append(watcher)
        return watcher

    def watch_again(self, before: Watcher) -> Watcher:
        """As after a restart: the next watcher knows what the database holds, and nothing else."""
        before.source.stop()
        watcher = Watcher(before.root)
        watcher.photos = before.photos
        watcher.inbox = Inbox([watcher.root], SETTLE_S, watcher)
        watcher.quiet()
        self._begun.append(watcher)
        return watcher

    def stop(self) -> None:
        for watcher in self._begun:
            watcher.source.stop()


@pytest.fixture
def watchers() -> Iterator[Watchers]:
    watchers = Watchers()
    yield watchers
    watchers.stop()


@pytest.fixture(autouse=True)
def _many_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between scans, which come once an hour here, the service looks every five seconds at which folder it watches."""
    monkeypatch.setattr("bibwatch.watch.scanner.BLIND_S", 0.05)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A watched folder with two photos."""
    return write(tmp_path / "incoming", "a.jpg", "cam1/b.jpg")


def write(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def until_seen(watcher: Watcher, *names: str) -> None:
    watcher.until(lambda: watcher.names() == sorted(names))


def test_a_folder_deleted_and_made_again_keeps_its_photos(root: Path, watchers: Watchers) -> None:
    watcher = watchers.watch(root)
    shutil.rmtree(root)
    watcher.until(lambda: "links of 2 photos" in watcher.inbox.absent.get(root, ""))
    assert "it is missing" in watcher.inbox.absent[root]
    root.mkdir()
    watcher.until(lambda: "it is missing" not in watcher.inbox.absent[root])
    watcher.quiet()
    assert f"bibwatch forget {root}" in watcher.inbox.absent[root]
    assert watcher.names() == ["a.jpg", "cam1/b.jpg"]


@pytest.mark.long
def test_a_folder_renamed_away_and_back_is_well_and_watched_again(
    root: Path, tmp_path: Path, watchers: Watchers
) -> None:
    watcher = watchers.watch(root)
    root.rename(tmp_path / "away")
    watcher.until(lambda: root in watcher.inbox.absent and root in watcher.source.faults())
    (tmp_path / "away").rename(root)
    watcher.until(lambda: not watcher.inbox.absent and not watcher.source.faults())
    assert watcher.names() == ["a.jpg", "cam1/b.jpg"]
    write(root, "c.jpg", "cam1/d.jpg")
    until_seen(watcher, "a.jpg", "c.jpg", "cam1/b.jpg", "cam1/d.jpg")
    (root / "a.jpg").unlink()
    until_seen(watcher, "c.jpg", "cam1/b.jpg", "cam1/d.jpg")


def test_a_folder_that_gives_way_to_another_one_keeps_its_photos(
    root: Path, tmp_path: Path, watchers: Watchers
) -> None:
    watcher = watchers.watch(root)
    root.rename(tmp_path / "away")
    write(root, "other.jpg")
    watcher.until(lambda: root in watcher.inbox.absent)
    until_seen(watcher, "a.jpg", "cam1/b.jpg", "other.jpg")
    assert "another disk or folder" in watcher.inbox.absent[root]


def test_a_folder_emptied_while_nobody_watched_keeps_its_photos_until_they_are_back(
    root: Path, tmp_path: Path, watchers: Watchers
) -> None:
    watcher = watchers.watch(root)
    watcher.source.stop()
    for photo in ("a.jpg", "cam1"):
        (root / photo).rename(tmp_path / photo)
    watcher = watchers.watch_again(watcher)
    assert "it was found empty" in watcher.inbox.absent[root]
    write(root, "new.jpg")
    until_seen(watcher, "a.jpg", "cam1/b.jpg", "new.jpg")
    watcher.source.rescan()
    watcher.until(lambda: "nothing tells what became of" in watcher.inbox.absent[root])
    watcher = watchers.watch_again(watcher)
    assert watcher.names() == ["a.jpg", "cam1/b.jpg", "new.jpg"]
    assert root in watcher.inbox.absent
    for photo in ("a.jpg", "cam1"):
        (tmp_path / photo).rename(root / photo)
    watcher.source.rescan()
    watcher.until(lambda: not watcher.inbox.absent)
    (root / "a.jpg").unlink()
    until_seen(watcher, "cam1/b.jpg", "new.jpg")


def test_a_folder_that_is_told_to_be_forgotten_begins_anew(root: Path, watchers: Watchers) -> None:
    watcher = watchers.watch(root)
    watcher.source.stop()
    (root / "a.jpg").unlink()
    shutil.rmtree(root / "cam1")
    watcher = watchers.watch_again(watcher)
    assert root in watcher.inbox.absent
    watcher.photos.clear()  # what `bibwatch forget` does to the database
    watcher.source.rescan()
    watcher.until(lambda: not watcher.inbox.absent)
    write(root, "c.jpg")
    until_seen(watcher, "c.jpg")
    (root / "c.jpg").unlink()
    until_seen(watcher)


def test_what_is_deleted_under_our_eyes_is_gone_down_to_the_last_photo(root: Path, watchers: Watchers) -> None:
    watcher = watchers.watch(root)
    (root / "cam1" / "b.jpg").unlink()
    (root / "a.jpg").unlink()
    until_seen(watcher)
    watcher.source.rescan()
    watcher.quiet()
    assert watcher.inbox.absent == {}
    write(root, "c.jpg")
    until_seen(watcher, "c.jpg")
    (root / "c.jpg").unlink()
    until_seen(watcher)


def test_a_scan_while_the_last_deletion_settles_takes_it_for_no_absence(root: Path, watchers: Watchers) -> None:
    watcher = watchers.watch(root)
    (root / "cam1" / "b.jpg").unlink()
    (root / "a.jpg").unlink()
    watcher.until(lambda: len(watcher.inbox) == 2)
    watcher.source.rescan()
    until_seen(watcher)
    watcher.quiet()
    assert watcher.inbox.absent == {}


def test_a_sub_folder_deleted_under_our_eyes_or_behind_our_back_is_gone(root: Path, watchers: Watchers) -> None:
    write(root, "cam2/c.jpg", "cam2/day1/d.jpg")
    watcher = watchers.watch(root)
    shutil.rmtree(root / "cam1")
    until_seen(watcher, "a.jpg", "cam2/c.jpg", "cam2/day1/d.jpg")
    watcher.source.stop()
    shutil.rmtree(root / "cam2")
    watcher = watchers.watch_again(watcher)
    assert watcher.names() == ["a.jpg"]
    assert watcher.inbox.absent == {}


def test_an_unmounted_or_exchanged_disk_keeps_its_photos_also_over_a_restart(
    root: Path, mounts: Mounts, watchers: Watchers
) -> None:
    card = mounts.disk(root / "card")
    write(card, "c.jpg", "DCIM/d.jpg")
    watcher = watchers.watch(root)
    known = watcher.names()
    assert len(known) == 4
    mounts.let_go(card)
    watcher.until(lambda: card in watcher.inbox.absent)
    watcher.quiet()
    assert watcher.names() == known
    assert f"bibwatch forget {card}" in watcher.inbox.absent[card]
    mounts.disk(card)  # another one
    watcher.quiet()
    assert watcher.names() == known
    write(card, "other.jpg")
    until_seen(watcher, *known, "card/other.jpg")
    watcher = watchers.watch_again(watcher)
    assert watcher.names() == sorted([*known, "card/other.jpg"])
    assert "another disk" in watcher.inbox.absent[card]
    assert root not in watcher.inbox.absent
    (root / "a.jpg").unlink()  # what lies beside it is judged as ever
    watcher.until(lambda: "a.jpg" not in watcher.names())


def test_a_disk_unmounted_while_nobody_watched_keeps_its_photos_until_it_is_back(
    root: Path, tmp_path: Path, mounts: Mounts, watchers: Watchers
) -> None:
    disk, card = mounts.disk(tmp_path / "disk"), root / "card"
    write(disk, "c.jpg")
    mounts.show(disk, card)
    watcher = watchers.watch(root)
    watcher.source.stop()
    mounts.let_go(card)
    watcher = watchers.watch_again(watcher)
    assert watcher.names() == ["a.jpg", "cam1/b.jpg", "card/c.jpg"]
    assert card in watcher.inbox.absent
    mounts.show(disk, card)
    watcher.until(lambda: not watcher.inbox.absent)
    (card / "c.jpg").unlink()
    until_seen(watcher, "a.jpg", "cam1/b.jpg")


def test_a_watched_folder_that_is_a_disk_keeps_its_photos_when_it_goes(
    tmp_path: Path, mounts: Mounts, watchers: Watchers
) -> None:
    card = mounts.disk(tmp_path / "media" / "card")
    write(card, "a.jpg")
    watcher = watchers.watch(card)
    mounts.let_go(card)
    watcher.until(lambda: card in watcher.inbox.absent)
    write(mounts.disk(card), "b.jpg")  # another one
    until_seen(watcher, "a.jpg", "b.jpg")
    assert card in watcher.inbox.absent


def test_a_disk_that_comes_is_noticed_long_before_the_next_scan(
    root: Path, tmp_path: Path, mounts: Mounts, watchers: Watchers
) -> None:
    disk = mounts.disk(tmp_path / "disk")
    write(disk, "c.jpg")
    (root / "card").mkdir()
    watcher = watchers.watch(root)
    mounts.show(disk, root / "card")
    until_seen(watcher, "a.jpg", "cam1/b.jpg", "card/c.jpg")
    write(disk, "d.jpg")  # its events come too, by whichever path
    until_seen(watcher, "a.jpg", "cam1/b.jpg", "card/c.jpg", "card/d.jpg")


def test_cards_that_take_turns_at_one_path_keep_their_photos_apart(
    root: Path, tmp_path: Path, mounts: Mounts, watchers: Watchers
) -> None:
    first, second = mounts.disk(tmp_path / "first"), mounts.disk(tmp_path / "second")
    write(first, "c.jpg", "DCIM/d.jpg")
    write(second, "DCIM/e.jpg", "f.jpg")
    card = root / "card"
    mounts.show(first, card)
    watcher = watchers.watch(root)
    here = ["a.jpg", "cam1/b.jpg"]
    ones, twos = ["card/DCIM/d.jpg", "card/c.jpg"], ["card/DCIM/e.jpg", "card/f.jpg"]
    for turn in range(3):
        mounts.let_go(card)
        mounts.show(second if turn % 2 == 0 else first, card)
        until_seen(watcher, *here, *ones, *twos)
        inbox = watcher.inbox
        watcher.until(lambda inbox=inbox: "links of 2 photos" in inbox.absent.get(card, ""))
        watcher = watchers.watch_again(watcher)
        watcher.quiet()
        until_seen(watcher, *here, *ones, *twos)
    (card / "f.jpg").unlink()  # the second one is there now
    until_seen(watcher, *here, *ones, "card/DCIM/e.jpg")
    mounts.let_go(card)
    mounts.show(first, card)
    watcher.until(lambda: "links of 1 photos" in watcher.inbox.absent.get(card / "DCIM", ""))
    (card / "c.jpg").unlink()
    until_seen(watcher, *here, "card/DCIM/d.jpg", "card/DCIM/e.jpg")


def test_a_folder_bound_from_elsewhere_on_the_same_disk_keeps_its_photos_when_it_goes(
    root: Path, tmp_path: Path, mounts: Mounts, watchers: Watchers
) -> None:
    archive, card = write(tmp_path / "archive", "c.jpg"), root / "card"
    mounts.show(archive, card)
    watcher = watchers.watch(root)
    known = watcher.names()
    mounts.let_go(card)
    watcher.until(lambda: card in watcher.inbox.absent)
    watcher = watchers.watch_again(watcher)
    assert watcher.names() == known
    mounts.show(archive, card)
    watcher.until(lambda: not watcher.inbox.absent)
    (card / "c.jpg").unlink()
    until_seen(watcher, "a.jpg", "cam1/b.jpg")


def test_a_folder_deleted_and_made_again_at_once_keeps_its_photos(root: Path, watchers: Watchers) -> None:
    watcher = watchers.watch(root)
    before = root.stat().st_ino
    shutil.rmtree(root)
    root.mkdir()
    watcher.until(lambda: root in watcher.inbox.absent)
    watcher.quiet()
    assert watcher.names() == ["a.jpg", "cam1/b.jpg"], f"inode {before}, then {root.stat().st_ino}"


@pytest.mark.parametrize("late_s", [SETTLE_S / 2, 4 * SETTLE_S])
def test_a_folder_whose_own_deletion_is_told_late_keeps_its_photos(
    root: Path, watchers: Watchers, monkeypatch: pytest.MonkeyPatch, late_s: float
) -> None:
    watcher = watchers.watch(root)
    reader = watches(watcher)._observer._inotify_fd
    plain, go_on = reader.handle_event, threading.Event()

    def late(event: InotifyEvent) -> None:
        if event.is_delete_self and not (root / "cam1").exists() and event.wd == own:
            assert go_on.wait(HANG_S)
        plain(event)

    [own] = [wd for wd, watch in reader._watch_for_wd.items() if watch._initial_creation_path == os.fsencode(root)]
    monkeypatch.setattr(reader, "handle_event", late)
    shutil.rmtree(root)
    root.mkdir()
    watcher.source.rescan()
    watcher.let_pass(late_s)
    go_on.set()
    watcher.until(lambda: root in watcher.inbox.absent)
    watcher.quiet()
    assert watcher.names() == ["a.jpg", "cam1/b.jpg"]


def test_a_folder_of_many_photos_deleted_and_made_again_at_once_keeps_them(
    root: Path, watchers: Watchers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bibwatch.watch.inbox.SETTLING", 5)
    monkeypatch.setattr("bibwatch.watch.walk.number_of", lambda folder: 0)  # as where folders have no lasting numbers
    write(root, *(f"cam{number}/{photo}.jpg" for number in range(8) for photo in range(4)))
    watcher = watchers.watch(root)
    before = watcher.names()
    assert len(before) == 34
    for _ in range(3):
        shutil.rmtree(root)
        root.mkdir()
        watcher.until(lambda: root in watcher.inbox.absent)
        watcher.quiet()
        assert watcher.names() == before
        write(root, *before)
        watcher.source.rescan()
        watcher.until(lambda: not watcher.inbox.absent)
        watcher.quiet()


def test_photos_moved_away_together_are_gone_also_where_a_scan_is_faster_than_the_events(
    root: Path, tmp_path: Path, watchers: Watchers
) -> None:
    watcher = watchers.watch(root)
    (tmp_path / "archive").mkdir()
    reader = watches(watcher)._observer._inotify_fd
    with reader._lock:  # no event is handled meanwhile
        for entry in ("a.jpg", "cam1"):
            (root / entry).rename(tmp_path / "archive" / entry)
        watcher.source.rescan()
        watcher.until(lambda: root in watcher.inbox.absent)
    until_seen(watcher)
    watcher.source.rescan()
    watcher.until(lambda: not watcher.inbox.absent)


def test_a_sub_folder_archived_behind_a_link_takes_its_photos_with_it(tmp_path: Path, watchers: Watchers) -> None:
    root = write(tmp_path / "incoming", "day1/a.jpg", "day1/cam1/b.jpg")
    watcher = watchers.watch(root)
    (root / "day1").rename(tmp_path / "day1")
    (root / "day1").symlink_to(tmp_path / "day1")
    until_seen(watcher)
    watcher.source.rescan()
    watcher.quiet()
    assert watcher.inbox.absent == {}


def test_a_folder_that_goes_while_it_is_scanned_is_not_found_empty(
    tmp_path: Path, watchers: Watchers, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write(tmp_path / "incoming", "cam1/a.jpg", "cam2/b.jpg")
    watcher = watchers.watch(root)
    places = {path: sighting.place for path, sighting in watcher.photos.items()}

    def walk_and_pull_out(folder: Path, names: PhotoNames, *, recursive: bool, top: Path) -> Iterator[Listing]:
        listings = walk(folder, names, recursive=recursive, top=top)
        yield next(listings)
        root.rename(tmp_path / "away")
        yield from listings

    with monkeypatch.context() as moment:
        moment.setattr("bibwatch.watch.scanner.walk", walk_and_pull_out)
        watcher.source.rescan()
        watcher.until((tmp_path / "away").exists)
    watcher.until(lambda: "it is missing" in watcher.inbox.absent.get(root, ""))
    assert {path: sighting.place for path, sighting in watcher.photos.items()} == places
