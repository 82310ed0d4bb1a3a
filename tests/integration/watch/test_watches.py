"""Events that do not come: lost ones, folders without a watch, a kernel that has no more watches to give."""

import errno
import os
import threading
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest
from watchdog.observers.inotify_c import inotify_rm_watch

from bibwatch.watch.changes import Identity, Listing
from bibwatch.watch.names import PhotoNames
from bibwatch.watch.walk import identity_of, walk
from bibwatch.watch.watches import Watches
from tests.integration.watch.test_source import HANG_S, Watcher, watches


@pytest.fixture
def watcher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watcher]:
    """Over a folder with two sub-folders, which is scanned only when there is a reason for it."""
    monkeypatch.setattr("bibwatch.watch.scanner.BLIND_S", 0.05)
    (tmp_path / "incoming" / "cam1").mkdir(parents=True)
    (tmp_path / "incoming" / "cam2").mkdir()
    watcher = Watcher(tmp_path / "incoming")
    watcher.quiet()
    yield watcher
    watcher.source.stop()


class Gate:
    """Lets each scan look at the folders, and holds it before it ends."""

    def __init__(self) -> None:
        self.scans = 0
        self._passes = threading.Semaphore(0)

    def walk(self, root: Path, names: PhotoNames, *, recursive: bool, top: Path) -> Iterator[Listing]:
        self.scans += 1
        yield from walk(root, names, recursive=recursive, top=top)
        assert self._passes.acquire(timeout=HANG_S)

    def let_pass(self) -> None:
        self._passes.release()


@pytest.fixture
def gate(watcher: Watcher, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    gate = Gate()
    monkeypatch.setattr("bibwatch.watch.scanner.walk", gate.walk)
    yield gate
    for _ in range(100):
        gate.let_pass()


def unwatched(watcher: Watcher) -> set[Identity]:
    """The folders that the last audit found without a watch."""
    return watcher.source._scanners[watcher.root]._unwatched


def take_watch_away(watcher: Watcher, folder: Path) -> None:
    """Let the kernel drop its watch on this folder, as it does behind watchdog's back."""
    reader = watches(watcher)._observer._inotify_fd
    held = reader._watch_for_wd.items()
    [number] = [number for number, watch in held if watch._initial_creation_path == os.fsencode(folder)]
    assert inotify_rm_watch(reader._inotify_fd, number) == 0


def test_lost_events_are_told_until_a_whole_scan_has_found_what_they_would_have(
    watcher: Watcher, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Watches, "on_any_event", lambda self, event: None)
    (watcher.root / "cam1" / "a.jpg").write_text("a")
    watcher.quiet()
    assert watcher.names() == []
    watcher.source.events_were_lost()
    assert "kernel" in watcher.source.faults()[watcher.root]
    watcher.until(lambda: gate.scans == 1 and watcher.names() == ["cam1/a.jpg"])
    assert watcher.root in watcher.source.faults()
    gate.let_pass()
    watcher.until(lambda: watcher.source.faults() == {})


def test_events_lost_during_a_scan_ask_for_one_more(watcher: Watcher, gate: Gate) -> None:
    watcher.source.events_were_lost()
    watcher.until(lambda: gate.scans == 1)
    watcher.source.events_were_lost()
    gate.let_pass()
    watcher.until(lambda: gate.scans == 2)
    assert watcher.root in watcher.source.faults()
    gate.let_pass()
    watcher.until(lambda: watcher.source.faults() == {})


def test_a_sub_folder_without_a_watch_gets_one_again(watcher: Watcher) -> None:
    take_watch_away(watcher, watcher.root / "cam1")
    watcher.until(lambda: watcher.source.watched_folders() == 2)
    (watcher.root / "cam1" / "a.jpg").write_text("a")
    watcher.quiet()
    assert watcher.names() == []
    watcher.source.rescan()
    watcher.until(lambda: "they are watched anew" in watcher.source.faults().get(watcher.root, ""))
    watcher.until(lambda: watcher.source.watched_folders() == 3 and not unwatched(watcher))
    watcher.quiet()
    assert watcher.names() == ["cam1/a.jpg"]
    watcher.until(lambda: watcher.source.faults() == {})
    (watcher.root / "cam1" / "b.jpg").write_text("b")
    (watcher.root / "cam1" / "a.jpg").unlink()
    watcher.until(lambda: watcher.names() == ["cam1/b.jpg"])


def test_the_watched_folder_itself_gets_a_watch_again_long_before_the_next_scan(watcher: Watcher) -> None:
    take_watch_away(watcher, watcher.root)
    watcher.until(lambda: watcher.source.watched_folders() == 3)
    watcher.quiet()
    (watcher.root / "a.jpg").write_text("a")
    watcher.until(lambda: watcher.names() == ["a.jpg"])


def test_a_disk_that_the_kernel_lists_under_another_number_is_audited_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Watches._held
    # As with Btrfs, whose files have numbers that the kernel does not list.
    monkeypatch.setattr(Watches, "_held", lambda self: {(device + 7, inode) for device, inode in held(self)})
    monkeypatch.setattr("bibwatch.watch.scanner.BLIND_S", 0.05)
    (tmp_path / "incoming" / "cam1").mkdir(parents=True)
    watcher = Watcher(tmp_path / "incoming")
    watcher.quiet()
    take_watch_away(watcher, watcher.root / "cam1")
    watcher.until(lambda: watcher.source.watched_folders() == 1)
    watcher.source.rescan()
    watcher.until(lambda: watcher.source.watched_folders() == 2 and not unwatched(watcher))
    watcher.source.stop()


def test_folders_made_while_watchdog_is_slow_are_watched_in_the_end(watcher: Watcher) -> None:
    reader = watches(watcher)._observer._inotify_fd
    with reader._lock:  # no event is handled meanwhile
        (watcher.root / "cam3" / "day1" / "card2").mkdir(parents=True)
        watcher.source.rescan()
        watcher.until(lambda: unwatched(watcher))
    watcher.until(lambda: watcher.source.watched_folders() == 6 and not unwatched(watcher))
    (watcher.root / "cam3" / "day1" / "card2" / "a.jpg").write_text("a")
    watcher.until(lambda: watcher.names() == ["cam3/day1/card2/a.jpg"])
    assert watcher.source.faults() == {}


def test_a_kernel_without_watches_to_give_is_told_with_its_remedy_while_scans_find_the_photos(
    watcher: Watcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    cam2 = identity_of(watcher.root / "cam2")

    def all_but_cam2(self: Watches, walked: Collection[Identity]) -> list[Identity]:
        return [identity for identity in walked if identity == cam2]

    with monkeypatch.context() as kernel:
        kernel.setattr(Watches, "unwatched", all_but_cam2)
        kernel.setattr(Watches, "on_any_event", lambda self, event: None)
        watcher.source.rescan()
        watcher.until(lambda: watcher.root in watcher.source.faults())
        fault = watcher.source.faults()[watcher.root]
        assert "(1 of 3, such as " in fault
        assert str(watcher.root / "cam2") in fault
        assert "fs.inotify.max_user_watches with sysctl" in fault
        (watcher.root / "cam2" / "a.jpg").write_text("a")
        watcher.until(lambda: watcher.names() == ["cam2/a.jpg"])
    watcher.until(lambda: watcher.source.faults() == {})


@pytest.mark.long
def test_a_folder_that_the_kernel_refuses_to_watch_is_scanned_often_until_it_can_be(
    watcher: Watcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*given: object, **named: object) -> None:
        raise OSError(errno.ENOSPC, "inotify watch limit reached")

    with monkeypatch.context() as kernel:
        kernel.setattr(watches(watcher)._observer, "schedule", refuse)
        watcher.root.rename(watcher.root.with_name("away"))
        (watcher.root / "cam9").mkdir(parents=True)  # another folder, which wants watches of its own
        watcher.until(lambda: "inotify watch limit reached" in watcher.source.faults().get(watcher.root, ""))
        (watcher.root / "cam9" / "a.jpg").write_text("a")
        watcher.until(lambda: watcher.names() == ["cam9/a.jpg"])
    watcher.until(lambda: watcher.source.faults() == {} and watcher.source.watched_folders() == 2)
