"""The service's life: start, loop, stop; following its config file, and outliving a database that fails."""

import logging
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Self

from bibwatch import systemd
from bibwatch.config import Config, SavedFile, load_config
from bibwatch.errors import BibwatchError, ConfigError, CouldNotStart, DatabaseDamaged, DatabaseFault
from bibwatch.read import engine
from bibwatch.service.health import Reason, reasons
from bibwatch.service.memory import give_back_large_blocks
from bibwatch.service.page import Page
from bibwatch.service.rooms import Rooms
from bibwatch.service.setup import engine_setup
from bibwatch.service.voice import Voice
from bibwatch.service.waker import Waker
from bibwatch.store.lock import ServiceLock
from bibwatch.store.rescue import set_aside
from bibwatch.store.schema import database_faults
from bibwatch.store.store import Store
from bibwatch.values import shown

STEP_S = 0.25  # the longest the loop waits: how soon a saved config or a hung child is noticed
GRACE_S = 5.0  # for photos in the engine when the service is told to stop
REFUSED_S = 5.0  # between tries of a config that was refused: the folder it names may be there by now
KEPT_WAITING_S = 60.0  # that a child may wait to hear whether to read a photo; the answer takes milliseconds
MIGRATION_S = 600.0  # that the service manager is asked to wait for, at each step of bringing a database up to date

log = logging.getLogger(__name__)


class Service:
    """Everything that runs; one thread calls it.

    A context manager; entering raises:
        ConfigError: the start list is not one.
        CouldNotStart: another bibwatch tends this database, or it cannot be opened.
        EngineUnavailable: the engine's models or packages are missing.
    """

    def __init__(self, config: Config, config_path: Path | None = None, *, rebuild: bool = False) -> None:
        self._config = config
        self._rebuild = rebuild  # a damaged database is kept aside, and a new one begun
        self._file = SavedFile(config_path) if config_path else None
        self._list = SavedFile(config.start_list) if config.start_list else None
        self._lock = ServiceLock(config.database)
        self._refused: str | None = None  # why the config on disk is not the one in force
        self.database_fault: str | None = None  # why the last step could not do its work
        self._stopping = self._reload_asked = False
        self._refused_at = float("-inf")  # monotonic seconds
        self._voice, self._watchdog, self._waker = Voice(), systemd.Watchdog(), Waker()
        self._page = Page()

    def run(self) -> None:
        """Live until SIGTERM or SIGINT; SIGHUP reloads the config."""
        self._waker.on_signals(self._on_signal)
        give_back_large_blocks()
        with self, closing(self._page):
            self._page.show(self.rooms)
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
            fingerprint = engine.fingerprint(engine_setup(self._config))
            store = self._open_store()
            ends.callback(store.close)
            self.rooms = Rooms(self._config, fingerprint, store, self._waker.wake)
            try:
                with database_faults():
                    self.rooms.start_linking()
                    self.rooms.start_reading()
                    ends.callback(self._finish_reading)
                    self.rooms.start_watching()
                    ends.callback(self.rooms.stop_watching)
            except DatabaseFault as error:
                raise CouldNotStart(f"{self._config.database}: {error}") from error
            self._ends = ends.pop_all()
        log.info("watching %s", ", ".join(shown(folder.path) for folder in self._config.watch))
        return self

    def __exit__(self, *error: object) -> None:
        """Finish what is in the engine, put the rest back, and let go of everything."""
        self._ends.close()
        log.info("stopped")

    def _open_store(self) -> Store:
        path = self._config.database
        try:
            return Store.open(path, _tell_migration, thorough=self._rebuild)
        except DatabaseDamaged:
            if not self._rebuild:
                raise
        aside, taken = set_aside(path, time.strftime("%Y%m%d-%H%M%S"))
        log.warning("the damaged database lies at %s now; every photo is looked at anew", shown(aside))
        log.warning("taken over from it: %s", ", ".join(f"{count} {table}" for table, count in taken.items()))
        return Store.open(path, _tell_migration)

    def step(self) -> None:
        """Wait for something to happen, for a quarter of a second at most, and do what it asks for.

        Where the database fails, nothing is lost: what was not stored is kept or found again, and each step tries anew.
        """
        self._wait()
        now = time.monotonic()
        try:
            with database_faults():
                self._act(now)
                if self.database_fault is not None:
                    self.rooms.begin_anew()
        except DatabaseFault as error:
            self.database_fault = str(error)
            time.sleep(STEP_S)
        else:
            self.database_fault = None
        ended = time.monotonic()  # a locked database may have taken seconds
        self._page.tend(ended)
        self._voice.beat(self.rooms, self.degraded, ended, self._page.health)
        if self._goes_on():
            self._watchdog.alive(ended)

    def _goes_on(self) -> bool:
        """Whether the scans, the looks and the dispatcher do, besides this loop.

        A database that fails, or is locked, still answers, and a restart would mend nothing; it would only lose what
        children have said and nobody could store.
        """
        return self.rooms.source.alive and (
            self.database_fault is not None or self.rooms.pool.kept_waiting_s < KEPT_WAITING_S
        )

    def _act(self, now: float) -> None:
        if self._is_reload_due(now):
            self._reload(now)
        if self.rooms.store.changed_elsewhere():
            self.rooms.follow_others()
        self.rooms.take_changes(now)
        self.rooms.read()
        self.rooms.relink(now)

    def _is_reload_due(self, now: float) -> bool:
        for file in (self._file, self._list):
            if file is not None and file.was_saved(now):
                self._reload_asked = True
        return self._reload_asked or (self._refused is not None and now - self._refused_at >= REFUSED_S)

    def _reload(self, now: float) -> None:
        if self._file is None:
            return
        if self._reload_asked:  # and not merely one more look at a config that was refused
            systemd.notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            config = load_config(self._file.path, running=self.rooms.config)
            fingerprint = engine.fingerprint(engine_setup(config))
        except BibwatchError as error:
            self._refused, self._refused_at = str(error), now
        else:
            self._adopt(config, fingerprint, now)
        if self._reload_asked:
            systemd.notify("READY=1")
        self._reload_asked = False

    def _adopt(self, config: Config, fingerprint: str, now: float) -> None:
        if config.start_list != (self._list and self._list.path):
            self._list = SavedFile(config.start_list) if config.start_list else None
        try:
            self.rooms.adopt(config, fingerprint)
        except (ConfigError, CouldNotStart) as error:
            self._refused, self._refused_at = str(error), now
        else:
            self._refused = None
            self._page.show(self.rooms)
            log.info("the config is followed")

    def degraded(self) -> Iterator[Reason]:
        """Every reason why not all is well."""
        if fault := self.database_fault or self._voice.unheard:
            yield Reason("database", f"{shown(self.rooms.config.database)}: {fault}")
        yield from reasons(self.rooms)
        if self._refused:
            text = f"the config is refused, the one before it stays in force: {self._refused}"
            yield Reason(self._refused, "; ".join(text.splitlines()))
        if self._list is not None and self._list.is_gone:
            yield Reason("start list", f"{shown(self._list.path)}: gone; the start list read before stays in force")
        yield from (*self._voice.reasons(), *self._page.reasons())

    def _finish_reading(self) -> None:
        try:
            with database_faults():
                self.rooms.finish_reading(GRACE_S)
        except DatabaseFault as error:
            log.warning("stopped without storing what was in hand; the next start reads it again: %s", error)

    def _wait(self) -> None:
        timeout_s = 0.0 if self.rooms.changes_wait or self.rooms.linking_on else STEP_S
        due = self.rooms.inbox.next_due()
        if due is not None:
            timeout_s = min(timeout_s, max(0.0, due - time.monotonic()))
        self._waker.wait(self.rooms.pool.waitables(), timeout_s)

    def _on_signal(self, signum: int) -> None:
        self._reload_asked |= signum == signal.SIGHUP
        self._stopping |= signum != signal.SIGHUP


def _tell_migration(name: str) -> None:
    log.info("bringing the database up to date: %s", name)
    systemd.notify(f"EXTEND_TIMEOUT_USEC={MIGRATION_S * 1e6:.0f}", "STATUS=bringing the database up to date")
