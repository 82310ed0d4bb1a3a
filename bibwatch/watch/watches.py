"""The inotify watches, through watchdog: what their events mean, and whether they are all there."""

from __future__ import annotations

import logging
import os
import threading
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

from bibwatch.watch.changes import Identity
from bibwatch.watch.names import WatchedFolder
from bibwatch.watch.walk import identity_of

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
    """One recursive group of watches a folder. Threads may arm, disarm and audit at once."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._lock = threading.RLock()
        self._observer: BaseObserver = Observer()
        self._armed: dict[Path, tuple[ObservedWatch, Identity]] = {}
        self._listed_as: dict[int, int] = {}  # device of an armed folder -> the number that the kernel lists it under
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

    def arm(self, folder: WatchedFolder) -> str | None:
        """Watch the folder, or watch it anew where another one stands at its path or watchdog has given up on it.

        Returns why no events come from it, if so.
        """
        identity = identity_of(folder.path)
        with self._lock:
            self._renew_if_dead()
            armed = self._armed.get(folder.path)
            if armed is not None:
                if armed[1] == identity and self._is_alive(armed[0]) and not self._has_lost(identity):
                    return None
                self.disarm(folder.path)
            if identity is None:
                return "the folder is missing"
            before = self._held()
            try:
                watch = self._observer.schedule(
                    self, str(folder.path), recursive=folder.recursive, event_filter=list(EVENTS)
                )
            except OSError as error:
                return f"it cannot be watched: {error.strerror}; only scans find its photos"
            self._armed[folder.path] = (watch, identity)
            self._learn_number(identity, before)
            return None

    def disarm(self, folder: Path) -> None:
        """Watch the folder no more."""
        with self._lock, suppress(KeyError, OSError):
            watch, _ = self._armed.pop(folder)
            self._observer.unschedule(watch)

    def is_astray(self, folder: Path) -> bool:
        """Whether no watch is on the folder that stands at this path now."""
        armed = self._armed.get(folder)
        return armed is None or armed[1] != identity_of(folder)

    def count(self) -> int:
        """How many folders are watched, sub-folders included, as the kernel counts them."""
        return len(self._held())

    def unwatched(self, folder: Path, walked: Collection[Identity]) -> list[Identity]:
        """Those of the folders walked that the kernel holds no watch for; none where that cannot be told.

        It cannot where the kernel lists a disk under another number than files have, as overlays and Btrfs do. Of an
        armed folder's own disk the number was learnt; of others below it one watch that is found vouches for all.
        """
        held = self._held()
        own = self._armed[folder][1][0] if folder in self._armed else None
        missing, vouched = [], {own} & self._listed_as.keys()
        for identity in walked:
            if self._as_listed(identity) in held:
                vouched.add(identity[0])
            else:
                missing.append(identity)
        return [identity for identity in missing if identity[0] in vouched]

    def on_any_event(self, event: FileSystemEvent) -> None:
        """A hint for each path the event names."""
        for raw in filter(None, (event.src_path, event.dest_path)):
            path = Path(os.fsdecode(raw))  # type: ignore[arg-type]  # bytes or text in fact
            if event.is_directory:
                self._listener.look_into(path)
            else:
                self._listener.touched(path)

    def _renew_if_dead(self) -> None:
        """Begin anew where watchdog's reading thread has ended, which it does on bookkeeping errors of its own."""
        reader = getattr(self._observer, "_inotify_fd", None)
        if reader is not None and not reader.is_alive() and not self._stopped:
            self._end_observer()
            self._observer = Observer()
            self._armed.clear()
            self._observer.start()

    def _has_lost(self, identity: Identity) -> bool:
        """Whether the kernel has let go of the folder itself, as when its disk was away for a moment."""
        return identity[0] in self._listed_as and self._as_listed(identity) not in self._held()

    def _learn_number(self, identity: Identity, before: set[Identity]) -> None:
        """See which number the kernel lists a folder's disk under, now that it lists the folder."""
        held, (device, inode) = self._held(), identity
        numbers = {listed for listed, other in held - before if other == inode}
        if _as_kernel(device) in {listed for listed, other in held if other == inode}:
            self._listed_as[device] = _as_kernel(device)
        elif len(numbers) == 1:
            self._listed_as[device] = numbers.pop()

    def _as_listed(self, identity: Identity) -> Identity:
        device, inode = identity
        return self._listed_as.get(device, _as_kernel(device)), inode

    def _held(self) -> set[Identity]:
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


def _as_kernel(device: int) -> int:
    """Inside the kernel a device number has its minor part in the lower 20 bits."""
    return os.major(device) << 20 | os.minor(device)
