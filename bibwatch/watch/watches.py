"""The inotify watches, through watchdog: what their events mean, and whether they are all there."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import Protocol

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

from bibwatch.watch.names import WatchedFolder
from bibwatch.watch.walk import Identity, identity_of

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


# watchdog warns about a folder that it met twice while it was being made, and then does what is right.
warnings.filterwarnings("ignore", message="Callback with id", category=RuntimeWarning)


class Listener(Protocol):
    """Who hears of events."""

    def touched(self, path: Path) -> None: ...
    def look_into(self, folder: Path) -> None: ...
    def events_were_lost(self) -> None: ...


class Watches(FileSystemEventHandler):
    """One recursive group of watches a folder."""

    def __init__(self, listener: Listener) -> None:
        self.faults: dict[Path, str] = {}  # watched folder -> why no events come from it
        self._listener = listener
        self._observer: BaseObserver = Observer()
        self._armed: dict[Path, tuple[ObservedWatch, Identity]] = {}
        # Armed folders that the kernel lists under the numbers that we see, as overlays do not.
        self._comparable: set[Path] = set()
        self._overflow = _OverflowListener(listener.events_were_lost)
        self._stopped = False

    def start(self) -> None:
        """Begin to listen."""
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
            self._comparable.clear()
            self._observer.start()

    def arm(self, folder: WatchedFolder) -> None:
        """Watch the folder, or watch it anew where another one stands at its path or watchdog has given up on it."""
        identity = identity_of(folder.path)
        armed = self._armed.get(folder.path)
        if armed is not None:
            if armed[1] == identity and self._is_alive(armed[0]) and not self._has_lost(folder.path):
                return
            self.disarm(folder.path)
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
            if _as_kernel(identity) in self._held():
                self._comparable.add(folder.path)
            self.faults.pop(folder.path, None)

    def disarm(self, folder: Path) -> None:
        """Watch the folder no more."""
        watch, _ = self._armed.pop(folder)
        self._comparable.discard(folder)
        with suppress(KeyError, OSError):
            self._observer.unschedule(watch)

    def is_astray(self, folder: Path) -> bool:
        """Whether the watches are on another folder than the one that stands at this path now."""
        return folder in self._armed and self._armed[folder][1] != identity_of(folder)

    def count(self) -> int:
        """How many folders are watched, sub-folders included, as the kernel counts them."""
        return len(self._held())

    def unwatched(self, folder: Path, walked: Collection[Identity]) -> list[Identity]:
        """Those of the folders walked that the kernel holds no watch for; none where that cannot be told."""
        if folder not in self._comparable:
            return []
        held = self._held()
        return [identity for identity in walked if _as_kernel(identity) not in held]

    def on_any_event(self, event: FileSystemEvent) -> None:
        """A hint for each path the event names."""
        for raw in filter(None, (event.src_path, event.dest_path)):
            path = Path(os.fsdecode(raw))  # type: ignore[arg-type]  # bytes or text in fact
            if event.is_directory:
                self._listener.look_into(path)
            else:
                self._listener.touched(path)

    def _has_lost(self, folder: Path) -> bool:
        """Whether the kernel has let go of the folder itself, as when its disk was away for a moment."""
        return folder in self._comparable and _as_kernel(self._armed[folder][1]) not in self._held()

    def _held(self) -> set[tuple[int, int]]:
        """(device, inode) of every watch, in the kernel's own numbers. Source: proc_pid_fdinfo(5)."""
        reader = getattr(self._observer, "_inotify_fd", None)
        with suppress(OSError):
            listed = Path(f"/proc/self/fdinfo/{getattr(reader, '_inotify_fd', '')}").read_text()
            lines = [line.split() for line in listed.splitlines() if line.startswith("inotify ")]
            fields = [dict(field.split(":", 1) for field in line[1:]) for line in lines]
            return {(int(field["sdev"], 16), int(field["ino"], 16)) for field in fields}
        return set()

    def _end_observer(self) -> None:
        # watchdog loses count of folders that were moved away, and then fails to let go of them.
        with suppress(KeyError, OSError):
            self._observer.stop()
        if self._observer.is_alive():
            self._observer.join(STOP_S)

    def _is_alive(self, watch: ObservedWatch) -> bool:
        return any(emitter.watch == watch and emitter.is_alive() for emitter in self._observer.emitters)


class _OverflowListener(logging.Handler):
    """Hears of lost events the only way watchdog tells: its log. A scan finds what they would have named."""

    def __init__(self, lost: Callable[[], None]) -> None:
        super().__init__(logging.WARNING)
        self._lost = lost

    def emit(self, record: logging.LogRecord) -> None:
        if "overflow" in record.getMessage():
            self._lost()


def _as_kernel(identity: Identity) -> tuple[int, int]:
    """Inside the kernel a device number has its minor part in the lower 20 bits."""
    device, inode = identity
    return os.major(device) << 20 | os.minor(device), inode
