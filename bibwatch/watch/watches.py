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
    """The watches on one folder and those below it, with an inotify of their own.

    Used from one thread, which a disk that does not answer may hold up.
    """

    def __init__(self, folder: WatchedFolder, listener: Listener) -> None:
        self._folder = folder
        self._listener = listener
        self._observer: BaseObserver = Observer()
        self._armed: tuple[ObservedWatch, Identity] | None = None
        self._number: int | None = None  # that the kernel lists the armed folder's disk under
        self._overflow = _OverflowListener(listener.events_were_lost)
        self._stopped = False

    def start(self) -> None:
        """Begin to listen."""
        logging.getLogger(OVERFLOW_LOGGER).addHandler(self._overflow)
        self._observer.start()

    def stop(self) -> None:
        """Let go of all watches; from any thread."""
        self._stopped = True
        logging.getLogger(OVERFLOW_LOGGER).removeHandler(self._overflow)
        self._end_observer()

    def arm(self) -> str | None:
        """Watch the folder, or watch it anew where another one stands at its path or watchdog has given up on it.

        Returns why no events come from it, if so.
        """
        self._renew_if_dead()
        if self._armed is not None:
            if self._is_alive(self._armed[0]) and not self.has_gone():
                return None
            self.disarm()
        identity = identity_of(self._folder.path)
        if identity is None:
            return "the folder is missing"
        before = self._held() or set()
        try:
            watch = self._observer.schedule(
                self, str(self._folder.path), recursive=self._folder.recursive, event_filter=list(EVENTS)
            )
        except OSError as error:
            return f"it cannot be watched: {error.strerror}; only scans find its photos"
        self._armed = (watch, identity)
        self._number = self._learn_number(identity, before)
        return None

    def disarm(self) -> None:
        """Watch the folder no more."""
        if self._armed is not None:
            watch, _ = self._armed
            self._armed = self._number = None
            with suppress(KeyError, OSError):
                self._observer.unschedule(watch)

    def is_astray(self) -> bool:
        """Whether no watch is on the folder that stands at the path now."""
        return self._armed is None or self.has_gone()

    def has_gone(self) -> bool:
        """Whether the folder that was watched has gone from the path since, perhaps to give way to another one.

        That one may well have its number, but not its watch. From any thread.
        """
        armed = self._armed
        return armed is not None and (armed[1] != identity_of(self._folder.path) or self._has_lost(armed[1]))

    def count(self) -> int:
        """How many folders are watched, sub-folders included, as the kernel counts them."""
        return len(self._held() or ())

    def unwatched(self, walked: Collection[Identity]) -> list[Identity]:
        """Those of the folders walked that the kernel holds no watch for; none where that cannot be told.

        It cannot where the kernel lists a disk under another number than files have, as overlays and Btrfs do. Of the
        folder's own disk the number was learnt; of others below it one watch that is found vouches for all.
        """
        held = self._held()
        if held is None:
            return []
        missing, vouched = [], set[int]()
        if self._armed is not None and self._number is not None:
            vouched.add(self._armed[1][0])
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
            self._armed = self._number = None
            self._observer.start()

    def _has_lost(self, identity: Identity) -> bool:
        """Whether the kernel has let go of the folder itself, as when its disk was away for a moment."""
        number, held = self._number, self._held()
        return number is not None and held is not None and self._as_listed(identity) not in held

    def _learn_number(self, identity: Identity, before: set[Identity]) -> int | None:
        """The number that the kernel lists a folder's disk under, now that it lists the folder."""
        held, (device, inode) = self._held() or set(), identity
        if (_as_kernel(device), inode) in held:
            return _as_kernel(device)
        new = {listed for listed, other in held - before if other == inode}
        return new.pop() if len(new) == 1 else None

    def _as_listed(self, identity: Identity) -> Identity:
        device, inode = identity
        if self._number is not None and self._armed is not None and self._armed[1][0] == device:
            return self._number, inode
        return _as_kernel(device), inode

    def _held(self) -> set[Identity] | None:
        """(device, inode) of every watch, in the kernel's own numbers; None where that cannot be told.

        Source: proc_pid_fdinfo(5).
        """
        reader = getattr(self._observer, "_inotify_fd", None)
        with suppress(OSError):
            listed = Path(f"/proc/self/fdinfo/{getattr(reader, '_inotify_fd', '')}").read_text()
            lines = [line.split() for line in listed.splitlines() if line.startswith("inotify ")]
            fields = [dict(field.split(":", 1) for field in line[1:]) for line in lines]
            return {(int(field["sdev"], 16), int(field["ino"], 16)) for field in fields}
        return None

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
