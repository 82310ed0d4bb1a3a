"""The only code that watches: inotify through watchdog for speed, a reconciling scan for truth.

Watches are armed before the scan that follows, so that nothing falls between the two. Events are hints: a lost one
costs a delay until the next scan, never a photo.
"""

import logging
import os
import queue
import threading
import time
import warnings
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver, ObservedWatch

from bibwatch.watch.names import PhotoNames, WatchedFolder
from bibwatch.watch.walk import Change, Listing, Touched, Walked, walk

# Writes are left out: a photo makes hundreds of them, and its stamp shows that it grows. Reads of our own too.
EVENTS: list[type[FileSystemEvent]] = [
    FileCreatedEvent,
    FileClosedEvent,
    FileMovedEvent,
    FileDeletedEvent,
    DirCreatedEvent,
    DirMovedEvent,
    DirDeletedEvent,
]
OVERFLOW_LOGGER = "watchdog.observers.inotify_c"
STOP_S = 1.0
BACKLOG = 256  # listings that wait for the main loop before the scan pauses


# watchdog warns about a folder that it met twice while it was being made, and then does what is right.
warnings.filterwarnings("ignore", message="Callback with id", category=RuntimeWarning)


class Source:
    """The changes in the watched folders, for one consumer that never waits here."""

    def __init__(self, folders: Iterable[WatchedFolder], names: PhotoNames, rescan_s: float, wake: Callable[[], None]):
        self._folders = tuple(folders)
        self._names = names
        self._rescan_s = rescan_s
        self._wake = wake
        self._changes: queue.Queue[Change] = queue.Queue()
        self._room = threading.Semaphore(BACKLOG)
        self._due = {folder.path: 0.0 for folder in self._folders}  # monotonic seconds of the next whole scan
        self._parts: queue.SimpleQueue[Path] = queue.SimpleQueue()
        self._stir = threading.Event()
        self._stopping = False
        self._watches = _Watches(self)
        self._scanner = threading.Thread(target=self._scan_when_due, name="scan", daemon=True)

    def start(self) -> None:
        """Arm the watches, then begin the first scan."""
        self._watches.start()
        self._arm_all()
        self._scanner.start()

    def changes(self) -> list[Change]:
        """What came since the last call; never waits."""
        found: list[Change] = []
        with suppress(queue.Empty):
            while len(found) < BACKLOG:
                found.append(self._changes.get_nowait())
                if isinstance(found[-1], Listing):
                    self._room.release()
        return found

    def pending(self) -> bool:
        """Whether changes wait to be taken."""
        return not self._changes.empty()

    def rescan(self) -> None:
        """Scan every folder as soon as may be."""
        self._due = dict.fromkeys(self._due, 0.0)
        self._stir.set()

    def faults(self) -> dict[Path, str]:
        """Folder -> why no events come from it."""
        return dict(self._watches.faults)

    def stop(self) -> None:
        """Stop watching and scanning; a scan that hangs on a dead share is left behind."""
        self._stopping = True
        self._stir.set()
        self._room.release(BACKLOG)
        self._scanner.join(STOP_S)
        self._watches.stop()

    def touched(self, path: Path) -> None:
        """Say that something happened to this file."""
        if any(folder.covers_photo(path, self._names) for folder in self._folders):
            self._put(Touched(path))

    def look_into(self, folder: Path) -> None:
        """Scan this folder, which has come, gone or moved."""
        self._parts.put(folder)
        self._stir.set()

    def _scan_when_due(self) -> None:
        while not self._stopping:
            self._stir.clear()
            while not self._parts.empty():
                self._scan_part(self._parts.get())
            now = time.monotonic()
            for folder in self._folders:
                if self._due[folder.path] <= now and not self._stopping:
                    self._due[folder.path] = time.monotonic() + (folder.poll_s or self._rescan_s)
                    # Scans go on whatever becomes of the watches: they are what no photo is lost to.
                    try:
                        self._arm_all()
                    except Exception as error:
                        self._watches.faults[folder.path] = f"it cannot be watched: {error}; only scans find its photos"
                    self._scan(folder.path, recursive=folder.recursive, whole=True)
            self._stir.wait(max(0.0, min(self._due.values()) - time.monotonic()))

    def _arm_all(self) -> None:
        self._watches.renew_if_dead()
        for folder in (folder for folder in self._folders if folder.poll_s is None):
            self._watches.arm(folder)

    def _scan_part(self, part: Path) -> None:
        if part in self._due:
            # Only a whole scan may judge a watched folder, because it knows an absent one from an emptied one.
            self._due[part] = 0.0
        elif any(folder.covers_folder(part, self._names) for folder in self._folders):
            self._scan(part, recursive=True, whole=False)

    def _scan(self, top: Path, *, recursive: bool, whole: bool) -> None:
        folders, photos = set(), 0
        for listing in walk(top, self._names, recursive=recursive):
            folders.add(listing.folder)
            photos += len(listing.photos)
            self._room.acquire()
            if self._stopping:
                return
            self._put(listing)
        self._put(Walked(top, frozenset(folders), photos, whole))

    def _put(self, change: Change) -> None:
        self._changes.put(change)
        self._wake()


class _Watches(FileSystemEventHandler):
    """The inotify watches, one recursive group a folder, and what their events mean."""

    def __init__(self, source: Source) -> None:
        self.faults: dict[Path, str] = {}
        self._source = source
        self._observer: BaseObserver = Observer()
        self._armed: dict[Path, tuple[ObservedWatch, tuple[int, int]]] = {}
        self._overflow = _OverflowListener(source)
        self._stopped = False

    def start(self) -> None:
        logging.getLogger(OVERFLOW_LOGGER).addHandler(self._overflow)
        self._observer.start()

    def stop(self) -> None:
        """Let go of all watches."""
        self._stopped = True
        logging.getLogger(OVERFLOW_LOGGER).removeHandler(self._overflow)
        self._end_observer()

    def renew_if_dead(self) -> None:
        """Begin anew where watchdog's reading thread has ended, which it does on bookkeeping errors of its own."""
        reader = getattr(self._observer, "_inotify_fd", None)
        if reader is not None and not reader.is_alive() and not self._stopped:
            self._end_observer()
            self._observer = Observer()
            self._armed.clear()
            self._observer.start()

    def arm(self, folder: WatchedFolder) -> None:
        """Watch the folder, or watch it anew where another one stands at its path or watchdog has given up on it."""
        identity = _identity(folder.path)
        armed = self._armed.get(folder.path)
        if armed is not None:
            if armed[1] == identity and self._is_alive(armed[0]):
                return
            del self._armed[folder.path]
            with suppress(KeyError, OSError):
                self._observer.unschedule(armed[0])
        if identity is None:
            self.faults[folder.path] = "the folder is missing"
            return
        try:
            watch = self._observer.schedule(
                self, str(folder.path), recursive=folder.recursive, event_filter=list(EVENTS)
            )
        except OSError as error:
            self.faults[folder.path] = f"it cannot be watched: {error.strerror}; only scans find its photos"
        else:
            self._armed[folder.path] = (watch, identity)
            self.faults.pop(folder.path, None)

    def on_any_event(self, event: FileSystemEvent) -> None:
        """A hint for each path the event names."""
        for raw in filter(None, (event.src_path, event.dest_path)):
            path = Path(os.fsdecode(raw))  # type: ignore[arg-type]  # bytes or text in fact
            if event.is_directory:
                self._source.look_into(path)
            else:
                self._source.touched(path)

    def _end_observer(self) -> None:
        # watchdog loses count of folders that were moved away, and then fails to let go of them.
        with suppress(KeyError, OSError):
            self._observer.stop()
        self._observer.join(STOP_S)

    def _is_alive(self, watch: ObservedWatch) -> bool:
        return any(emitter.watch == watch and emitter.is_alive() for emitter in self._observer.emitters)


class _OverflowListener(logging.Handler):
    """Hears of lost events the only way watchdog tells: its log. A scan finds what they would have named."""

    def __init__(self, source: Source) -> None:
        super().__init__(logging.WARNING)
        self._source = source

    def emit(self, record: logging.LogRecord) -> None:
        if "overflow" in record.getMessage():
            self._source.rescan()


def _identity(folder: Path) -> tuple[int, int] | None:
    with suppress(OSError):
        status = folder.stat()
        return status.st_dev, status.st_ino
    return None
