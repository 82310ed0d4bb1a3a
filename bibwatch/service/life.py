"""The service's life: start, loop, stop; and following its config file meanwhile."""

import logging
import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from multiprocessing.connection import wait
from pathlib import Path
from types import FrameType
from typing import Any

from bibwatch import systemd
from bibwatch.config import Config, ConfigFile, load_config
from bibwatch.errors import ConfigError
from bibwatch.read import engine
from bibwatch.read.engine import EngineSetup
from bibwatch.read.pool import Pool, workers_for
from bibwatch.service.linking import Linking, layout, rules
from bibwatch.service.turns import Tally, Turns
from bibwatch.store.lock import ServiceLock
from bibwatch.store.store import Store
from bibwatch.values import Photo, shown
from bibwatch.watch.inbox import Inbox
from bibwatch.watch.names import PhotoNames, WatchedFolder
from bibwatch.watch.source import Source

STEP_S = 0.25  # the longest the loop waits: how soon a saved config or a hung child is noticed
BEAT_S = 1.0
GRACE_S = 5.0  # for photos in the engine when the service is told to stop

log = logging.getLogger(__name__)


class Service:
    """Everything that runs, put together; one thread calls it.

    Raises on start:
        CouldNotStart: another bibwatch tends this database, or it cannot be opened.
        EngineUnavailable: the engine's models or packages are missing.
    """

    def __init__(self, config: Config, config_path: Path | None = None) -> None:
        self.config = config
        self._file = ConfigFile(config_path) if config_path else None
        self._lock = ServiceLock(config.database)
        self._started_at = time.time()
        self._refused: str | None = None  # why the config on disk is not the one in force
        self._stopping = self._reload_asked = False
        self._relink_all_at = 0.0  # monotonic seconds
        self._beat_at = 0.0
        self._wake_out, self._wake_in = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def run(self) -> None:
        """Live until SIGTERM or SIGINT; SIGHUP reloads the config."""
        self._catch_signals()
        self.start()
        systemd.notify("READY=1", "STATUS=watching")
        try:
            while not self._stopping:
                self.step()
        finally:
            systemd.notify("STOPPING=1")
            self.stop()

    def start(self) -> None:
        """Take the lock, open the database, watch, and begin to read."""
        self._lock.take()
        self._engine = engine.fingerprint(engine_setup(self.config))
        self.store = Store.open(self.config.database)
        self.store.queue.recover(time.time())
        self._start_reading(Tally())
        self._start_watching()
        log.info("watching %s", ", ".join(shown(folder.path) for folder in self.config.watch))

    def step(self) -> None:
        """Wait for something to happen, for a quarter of a second at most, and do what it asks for."""
        self._wait()
        now = time.monotonic()
        if self._reload_asked or (self._file is not None and self._file.was_saved(now)):
            self._reload()
        self._inbox.take(self._source.changes(), now)
        self._queue_settled(now)
        self.turns.collect()
        for job in self.turns.moved_on:
            self._source.touched(job.photo.path)
        self.turns.moved_on.clear()
        self.turns.hand_out()
        self._relink(now)
        self._beat(now)

    def stop(self) -> None:
        """Finish what is in the engine, put the rest back, and leave disk and database as they should be."""
        self._source.stop()
        self.turns.finish_begun(GRACE_S)
        self._relink(time.monotonic())
        self.store.pulse.beat(self._health(time.monotonic()), time.time())
        self.store.close()
        self._lock.release()
        signal.set_wakeup_fd(-1)
        os.close(self._wake_in)
        os.close(self._wake_out)
        log.info("stopped")

    @property
    def idle(self) -> bool:
        """Whether every folder was scanned and every photo found has come to its end."""
        if not self._inbox.scanned or self._inbox or self._source.pending() or self.pool.busy:
            return False
        counts = self.store.queue.counts()
        return counts["waiting"] + counts["reading"] == 0

    def _start_reading(self, tally: Tally) -> None:
        setup, reader = engine_setup(self.config), self.config.reader
        self.store.queue.wait_for_engine(self._engine, time.time())
        self.pool = Pool(partial(engine.build, setup), workers_for(reader.workers), reader.timeout_s)
        self.turns = Turns(self.store, self.pool, self._engine, reader.attempts)
        self.turns.tally = tally
        self.pool.start()
        self._start_linking()

    def _start_linking(self) -> None:
        self.linking = Linking(self.store, self._engine, rules(self.config), layout(self.config))
        self._relink_all_at = 0.0

    def _start_watching(self) -> None:
        photos = self.config.photos
        names = PhotoNames(frozenset(photos.extensions), photos.ignore)
        folders = [WatchedFolder(folder.path, folder.recursive, folder.poll_s) for folder in self.config.watch]
        self.store.queue.keep_only(lambda path: any(folder.covers_photo(path, names) for folder in folders))
        self._inbox = Inbox([folder.path for folder in folders], photos.settle_s, self.store.queue)
        self._source = Source(folders, names, photos.rescan_s, self._wake)
        self._source.start()

    def _reload(self) -> None:
        assert self._file is not None
        self._reload_asked = False
        systemd.notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            self._adopt(load_config(self._file.path, running=self.config))
        except ConfigError as error:
            self._refused = str(error)
            log.error("the config is refused, the old one stays in force:\n%s", error)
        else:
            self._refused = None
            log.info("the config is followed")
        systemd.notify("READY=1")

    def _adopt(self, config: Config) -> None:
        """Make the new config true: rooms whose part of it changed begin anew, and the links follow."""
        old, self.config = self.config, config
        if config.reader != old.reader:
            self.turns.finish_begun(0)
            self._engine = engine.fingerprint(engine_setup(config))
            self._start_reading(self.turns.tally)
        if (config.watch, config.photos) != (old.watch, old.photos):
            self._source.stop()
            self._start_watching()
        self._start_linking()

    def _queue_settled(self, now: float) -> None:
        settled = self._inbox.settled(now)
        present = [Photo(s.path, s.stamp.size, s.stamp.mtime_ns) for s in settled if s.stamp is not None]
        if present:
            self.store.queue.add(present, time.time())
        gone = [s.path for s in settled if s.stamp is None]
        for path in self.store.queue.remove(gone) if gone else []:
            self.turns.changed_names.add(path.name)
            log.info("%s: gone", shown(path))

    def _relink(self, now: float) -> None:
        """Links follow at once where photos changed; now and then everything is compared with the disk."""
        if now >= self._relink_all_at:
            applied = self.linking.apply()
            self._relink_all_at = time.monotonic() + self.config.photos.rescan_s
        elif self.turns.changed_names:
            applied = self.linking.apply(self.turns.changed_names)
        else:
            return
        self.turns.changed_names.clear()
        for path in applied.made:
            log.info("linked %s", shown(path))
        for path in applied.removed:
            log.info("unlinked %s", shown(path))
        for path, reason in applied.troubles.items():
            log.warning("%s: %s", shown(path), reason)

    def _beat(self, now: float) -> None:
        if now - self._beat_at < BEAT_S:
            return
        self._beat_at = now
        self.store.pulse.beat(self._health(now), time.time())
        counts = self.store.queue.counts()
        systemd.notify(f"STATUS={counts['done']} photos done, {counts['waiting']} waiting")

    def _health(self, now: float) -> dict[str, Any]:
        return {
            "pid": os.getpid(),
            "started_at": self._started_at,
            "folders": [shown(folder.path) for folder in self.config.watch],
            "settling": len(self._inbox),
            "workers": {"ready": self.pool.ready, "busy": self.pool.busy, "pids": self.pool.pids},
            "photos_per_s": round(self.turns.tally.rate(now), 2),
            "last_error": self.turns.tally.last_error,
            "degraded": list(self._degraded()),
        }

    def _degraded(self) -> Iterator[str]:
        faults = self._source.faults() | self._inbox.unreadable | self._inbox.absent
        for path, reason in (faults | self.linking.troubles).items():
            yield f"{shown(path)}: {reason}"
        if self.pool.fault:
            yield f"no photo can be read: {self.pool.fault}"
        if self._refused:
            yield f"the config file is refused, the one before it stays in force: {self._refused}"

    def _wait(self) -> None:
        timeout = 0.0 if self._source.pending() else STEP_S
        due = self._inbox.next_due()
        if due is not None:
            timeout = min(timeout, max(0.0, due - time.monotonic()))
        wait([self._wake_out, *self.pool.waitables()], timeout)
        with suppress(BlockingIOError):
            while os.read(self._wake_out, 4096):
                pass

    def _wake(self) -> None:
        # A full pipe wakes the loop as well.
        with suppress(BlockingIOError):
            os.write(self._wake_in, b"\0")

    def _catch_signals(self) -> None:
        def on_signal(signum: int, frame: FrameType | None) -> None:
            if signum == signal.SIGHUP:
                self._reload_asked = True
            else:
                self._stopping = True

        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(signum, on_signal)
        signal.set_wakeup_fd(self._wake_in, warn_on_full_buffer=False)


def engine_setup(config: Config) -> EngineSetup:
    """The engine the config asks for; the config's checks leave only what this version has."""
    return EngineSetup("ppocr", "cpu")
