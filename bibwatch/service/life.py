"""The service's life: start, loop, stop; and following its config file meanwhile."""

import logging
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from bibwatch import systemd
from bibwatch.config import Config, ConfigFile, load_config
from bibwatch.errors import BibwatchError, CouldNotStart
from bibwatch.link.apply import Applied
from bibwatch.read import engine
from bibwatch.service.linking import Linking
from bibwatch.service.setup import Watching, engine_setup, pool_for, reading_part
from bibwatch.service.turns import Tally, Turns
from bibwatch.service.waker import Waker
from bibwatch.store.lock import ServiceLock
from bibwatch.store.store import Store
from bibwatch.values import Photo, shown
from bibwatch.watch.inbox import Inbox
from bibwatch.watch.source import Source

STEP_S = 0.25  # the longest the loop waits: how soon a saved config or a hung child is noticed
BEAT_S = 1.0
GRACE_S = 5.0  # for photos in the engine when the service is told to stop

log = logging.getLogger(__name__)


class Service:
    """Everything that runs, put together; one thread calls it.

    A context manager; entering raises:
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
        self._reasons: set[str] = set()  # why it is degraded, as far as told
        self._waker = Waker()

    def run(self) -> None:
        """Live until SIGTERM or SIGINT; SIGHUP reloads the config."""
        self._waker.on_signals(self._on_signal)
        with self:
            systemd.notify("READY=1", "STATUS=watching")
            while not self._stopping:
                self.step()
            systemd.notify("STOPPING=1")

    def __enter__(self) -> Self:
        """Take the lock, open the database, watch, and begin to read; what was begun ends also where this fails."""
        with ExitStack() as ends:
            ends.callback(self._waker.close)
            self._lock.take()
            ends.callback(self._lock.release)
            self._engine = engine.fingerprint(engine_setup(self.config))
            self.store = Store.open(self.config.database)
            ends.callback(self.store.close)
            self.store.queue.recover(time.time())
            self._start_reading(Tally())
            self._start_linking()
            # The rooms change with the config, so each is looked up when its end has come.
            ends.callback(lambda: self._relink_changed())
            ends.callback(lambda: self.turns.finish_begun(GRACE_S))
            self._start_watching()
            ends.callback(lambda: self._source.stop())
            self._ends = ends.pop_all()
        log.info("watching %s", ", ".join(shown(folder.path) for folder in self.config.watch))
        return self

    def __exit__(self, *error: object) -> None:
        """Finish what is in the engine, put the rest back, and let go of everything."""
        self._ends.close()
        log.info("stopped")

    def step(self) -> None:
        """Wait for something to happen, for a quarter of a second at most, and do what it asks for."""
        self._wait()
        if self._reload_asked or (self._file is not None and self._file.was_saved(time.monotonic())):
            self._reload()
        now = time.monotonic()
        self._inbox.take(self._source.changes(), now)
        self._queue_settled(now)
        self.turns.collect()
        for job in self.turns.moved_on:
            self._source.touched(job.photo.path)
        self.turns.moved_on.clear()
        self.turns.hand_out()
        self._relink(now)
        self._beat(now)

    @property
    def idle(self) -> bool:
        """Whether every folder was scanned and every photo found has come to its end."""
        if not self._inbox.scanned or self._inbox or self._source.pending() or self.pool.busy:
            return False
        counts = self.store.queue.counts()
        if self._inbox.absent and not counts["reading"]:
            return not self.store.queue.has_ready(time.time())  # the photos of an absent folder wait for its return
        return counts["waiting"] + counts["reading"] == 0

    def _start_reading(self, tally: Tally) -> None:
        self.store.queue.wait_for_engine(self._engine, time.time())
        self.pool = pool_for(self.config, self._engine)
        self.turns = Turns(self.store, self.pool, self._engine, self.config.reader.attempts)
        self.turns.tally = tally
        self.pool.start()

    def _start_linking(self) -> None:
        self.linking = Linking(self.store, self._engine, self.config)
        self._relink_all_at = 0.0

    def _start_watching(self) -> None:
        photos, watching = self.config.photos, Watching.of(self.config)
        self.store.queue.keep_only(watching.covers)
        self._inbox = Inbox([folder.path for folder in watching.folders], photos.settle_s, self.store.queue)
        try:
            self._source = Source(watching.folders, watching.names, photos.rescan_s, self._waker.wake)
        except OSError as error:
            raise CouldNotStart(f"inotify is not to be had: {error.strerror}; raise fs.inotify with sysctl") from error
        self._source.start()

    def _reload(self) -> None:
        assert self._file is not None
        self._reload_asked = False
        systemd.notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            config = load_config(self._file.path, running=self.config)
            fingerprint = engine.fingerprint(engine_setup(config))
        except BibwatchError as error:
            self._refused = str(error)
        else:
            self._refused = None
            self._adopt(config, fingerprint)
            log.info("the config is followed")
        systemd.notify("READY=1")

    def _adopt(self, config: Config, fingerprint: str) -> None:
        """Make the new config true: rooms whose part of it changed begin anew, and the links follow."""
        reads_alike = fingerprint == self._engine and reading_part(config) == reading_part(self.config)
        old, self.config, self._engine = self.config, config, fingerprint
        if not reads_alike:
            self.turns.finish_begun(0)
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
        if now < self._relink_all_at:
            self._relink_changed()
        else:
            _tell(self.linking.apply())
            self._relink_all_at = time.monotonic() + self.config.photos.rescan_s
            self.turns.changed_names.clear()

    def _relink_changed(self) -> None:
        if self.turns.changed_names:
            _tell(self.linking.apply(self.turns.changed_names))
            self.turns.changed_names.clear()

    def _beat(self, now: float) -> None:
        if now - self._beat_at < BEAT_S:
            return
        self._beat_at = now
        health = self._health(now)
        self.store.pulse.beat(health, time.time())
        self._tell_changes(set(health["degraded"]))
        counts = self.store.queue.counts()
        systemd.notify(f"STATUS={counts['done']} photos done, {counts['waiting']} waiting")

    def _tell_changes(self, reasons: set[str]) -> None:
        """Log what went wrong and what is well again, each once."""
        for reason in sorted(reasons - self._reasons):
            log.warning("degraded: %s", reason)
        for reason in sorted(self._reasons - reasons):
            log.info("well again: %s", reason)
        self._reasons = reasons

    def _health(self, now: float) -> dict[str, Any]:
        return {
            "pid": os.getpid(),
            "started_at": self._started_at,
            "engine": self._engine,
            "folders": [shown(folder.path) for folder in self.config.watch],
            "settling": len(self._inbox),
            "workers": {
                "ready": self.pool.ready,
                "busy": self.pool.busy,
                "pids": self.pool.pids,
                "devices": self.pool.devices,
            },
            "photos_per_s": round(self.turns.tally.rate(now), 2),
            "last_error": self.turns.tally.last_error,
            "degraded": list(self.degraded()),
        }

    def degraded(self) -> Iterator[str]:
        """Every reason why not all is well, in plain words."""
        faults = self._source.faults() | self._inbox.unreadable | self._inbox.absent
        for path, reason in (faults | self.linking.troubles).items():
            yield f"{shown(path)}: {reason}"
        if self.pool.fault:
            yield f"{self.pool.ready} reading processes are ready, others do not start: {self.pool.fault}"
        if self._refused:
            yield f"the config file is refused, the one before it stays in force: {self._refused}"

    def _wait(self) -> None:
        timeout_s = 0.0 if self._source.pending() else STEP_S
        due = self._inbox.next_due()
        if due is not None:
            timeout_s = min(timeout_s, max(0.0, due - time.monotonic()))
        self._waker.wait(self.pool.waitables(), timeout_s)

    def _on_signal(self, signum: int) -> None:
        self._reload_asked |= signum == signal.SIGHUP
        self._stopping |= signum != signal.SIGHUP


def _tell(applied: Applied) -> None:
    for path in applied.made:
        log.info("linked %s", shown(path))
    for path in applied.removed:
        log.info("unlinked %s", shown(path))
