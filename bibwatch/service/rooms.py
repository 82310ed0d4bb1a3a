"""The rooms put together: each begins, is exchanged where the config changes, and ends."""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path

from bibwatch.config import Config
from bibwatch.errors import CouldNotStart
from bibwatch.link.apply import Applied
from bibwatch.log import fields
from bibwatch.match.decide import Rules
from bibwatch.service.learning import Learning
from bibwatch.service.linking import Linking, tell
from bibwatch.service.setup import Watching, pool_for, reading_part, rules
from bibwatch.service.tally import Tally
from bibwatch.service.turns import Turns
from bibwatch.store.store import Store
from bibwatch.values import Photo, shown
from bibwatch.watch.changes import Change
from bibwatch.watch.inbox import Inbox
from bibwatch.watch.source import Source

RETRY_LINKS_S = 5.0  # between tries to make links that the disk refused
SWEEP_SHARE = 4  # a comparison of all links with the disk rests this many times as long as it took
FIRST = 2000  # photos that a change of targets is about: more of them would keep new photos waiting for their links
AT_ONCE = float("-inf")

log = logging.getLogger(__name__)


class Rooms:
    """What the service is made of. Every method may be called again after a DatabaseFault, and goes on where it was."""

    def __init__(self, config: Config, engine: str, store: Store, wake: Callable[[], None]) -> None:
        self.config = config
        self.engine = engine  # fingerprint
        self.store = store
        self._wake = wake
        self.epoch = time.time() - time.monotonic()  # of the clock that `now` tells
        self._sweep: Iterator[Applied] | None = None  # the comparison of everything with the disk, while it goes on
        self._sweep_at = AT_ONCE  # monotonic seconds of the next one
        self._sweep_s = 0.0  # that this one has taken so far
        self._gone = 0  # photos, since the start

    def now(self) -> float:
        """Seconds since the epoch, by a clock that goes on evenly when somebody sets the machine's."""
        return self.epoch + time.monotonic()

    def start_reading(self) -> None:
        """Queue what is to be read, and start the children."""
        self._begin_reading(self.config, self.engine, Tally())

    def start_watching(self) -> None:
        """Watch, and begin to scan.

        Raises:
            CouldNotStart: the kernel gives no inotify.
        """
        self._begin_watching(self.config)

    def start_linking(self) -> None:
        """Make the whole link tree follow from now on."""
        self.learning = Learning(self.store, self.engine)
        self._begin_linking(rules(self.config, self.learning.event))

    def finish_reading(self, grace_s: float) -> None:
        """Let what is in the engine finish, put back the rest, end the children, and link what was read."""
        self.turns.finish_begun(grace_s)
        self.turns.changed_names.update(self.store.corrections.take_names())
        while self.turns.changed_names:
            self.relink_changed()

    def stop_watching(self) -> None:
        """Let go of the watched folders."""
        self.source.stop()

    def adopt(self, config: Config, engine: str) -> None:
        """Make a new config true: rooms whose part of it changed begin anew, and the links follow.

        Raises:
            ConfigError: its start list is not one; the old config stays in force.
            CouldNotStart: the kernel gives no inotify; the old config stays in force.
        """
        wanted = rules(config, self.learning.event)
        if (config.watch, config.photos) != (self.config.watch, self.config.photos):
            old = self.source
            self._begin_watching(config)
            old.stop()
        if engine != self.engine or reading_part(config) != reading_part(self.config):
            self.turns.finish_begun(0)
            self._begin_reading(config, engine, self.turns.tally)
        if engine != self.engine:
            self.learning = Learning(self.store, engine)
        self.learning.look_again()
        changed = frozenset(self.config.targets or ()) ^ frozenset(config.targets or ())
        self.config, self.engine = config, engine
        self._begin_linking(wanted)
        # Who asks for a bib, or no longer, need not wait until all others have been compared.
        first = (self.linking.names_about(changed) if changed else None) or set()
        self.turns.changed_names |= first if len(first) <= FIRST else set()

    def follow_others(self) -> None:
        """Somebody wrote to the database: the photos that people spoke of follow, or else all is looked at again."""
        names = self.store.corrections.take_names()
        self.turns.changed_names.update(names)  # what else was written in this moment, the next scan sees to
        if not names:
            self.begin_anew()

    def begin_anew(self) -> None:
        """Look at everything again: the database was out of use, or changed in ways nobody knows."""
        self.turns.changed_names.update(self.store.corrections.take_names())
        self.learning.look_again()
        self.source.rescan()
        self._begin_linking(self.rules, self.linking.troubles)

    def take_changes(self, now: float) -> None:
        """Queue what came to rest in the watched folders, and forget what went."""
        self._store_rested()  # what the database refused before: until it takes that, nothing more is taken here
        if not self._changes:
            self._changes.extend(self.source.changes(self.inbox.room))
        self.inbox.take(self._changes, now)
        self.source.look(self.inbox.to_look_at(now))
        self._store_rested()

    def _store_rested(self) -> None:
        rested = self.inbox.rested
        present = [Photo(path, it.stamp.size, it.stamp.mtime_ns) for path, it in rested.items() if it.stamp is not None]
        if present:
            places = {path.parent: it.place for path, it in rested.items() if it.place is not None}
            self.store.queue.add(present, self.now(), places)
            for photo in present:  # not again where the next fails
                del rested[photo.path]
        # What was inferred from a photo that goes falls with it.
        self.turns.changed_names |= self.linking.burst_names(path.name for path in rested)
        for path in self.store.queue.remove(rested) if rested else []:
            self.turns.changed_names.add(path.name)
            log.info("%s: gone", shown(path), extra=fields(path))
            self._gone += 1
        rested.clear()

    @property
    def changes_wait(self) -> bool:
        """Whether changes in the watched folders wait to be taken."""
        return self.source.pending(self.inbox.room)

    def read(self) -> None:
        """Take what the children say, and give them the next photos."""
        self.turns.collect()
        self.source.look([job.photo.path for job in self.turns.moved_on])
        self.turns.moved_on.clear()
        self.turns.hand_out()

    def relink(self, now: float) -> None:
        """Links follow at once where photos changed; now and then all are compared with the disk, bit by bit.

        Where the readings show that the event's bibs look otherwise than was known, all are decided anew.
        """
        self.relink_changed()
        self.learn()
        if self._sweep is None and now >= self._sweep_at:
            self._sweep, self._sweep_s = self.linking.sweep(), 0.0
        if self._sweep is None:
            return
        began = time.monotonic()
        applied = next(self._sweep, None)
        self._sweep_s += time.monotonic() - began
        if applied is not None:
            tell(applied)
            return
        self._sweep = None
        rest_s = self.config.photos.rescan_s
        if self.linking.may_heal:
            rest_s = min(rest_s, RETRY_LINKS_S)
        self._sweep_at = now + max(rest_s, SWEEP_SHARE * self._sweep_s)

    def learn(self, *, at_last: bool = False) -> bool:
        """Decide all photos anew if what was read shows another event; whether it does."""
        tally = self.turns.tally
        changed = self.learning.follow(tally.read + tally.reused + self._gone, at_last=at_last)
        if changed:
            bibs = replace(self.rules.bibs, event=self.learning.event)
            self._begin_linking(replace(self.rules, bibs=bibs), self.linking.troubles)
        return changed

    @property
    def linking_on(self) -> bool:
        """Whether links are still to follow, or to be compared with the disk."""
        return bool(self.turns.changed_names) or self._sweep is not None or self._sweep_at == AT_ONCE

    def relink_changed(self) -> None:
        """Make the links of photos whose state changed follow, of so many as one step may take."""
        names = set(islice(self.turns.changed_names, self.linking.at_once))
        if names:
            with self.turns.tally.stages.during("link"):
                applied = self.linking.apply(names)
            tell(applied)
            self.turns.changed_names -= names
            if applied.troubles and self.linking.may_heal:
                self._sweep_at = min(self._sweep_at, time.monotonic() + RETRY_LINKS_S)

    @property
    def idle(self) -> bool:
        """Whether every folder was scanned and every photo found has come to its end."""
        if not self.inbox.scanned or self.inbox or self.changes_wait or self.pool.busy or self.linking_on:
            return False
        counts = self.store.queue.counts()
        if self.inbox.faults() and not counts["reading"]:
            return not self.store.queue.has_work(self.now())  # photos that are out of reach wait for their return
        return counts["waiting"] + counts["reading"] == 0

    def _begin_reading(self, config: Config, engine: str, tally: Tally) -> None:
        self.store.queue.recover(self.now())
        self.store.queue.wait_for_engine(engine, self.now())
        self.pool = pool_for(config, engine)
        self.turns = Turns(self.store, self.pool, engine, config.reader.attempts, self.now)
        self.turns.tally = tally
        self.turns.names_around = self._names_around
        self.pool.start()

    def _begin_linking(self, wanted: Rules, troubles: Mapping[Path, str] | None = None) -> None:
        """`troubles` are those of the same link root, which stand until the comparison has looked."""
        self.rules = wanted
        self.linking = Linking(self.store, self.engine, self.config, wanted)
        self.linking.troubles |= troubles or {}
        self._sweep, self._sweep_at = None, AT_ONCE

    def _names_around(self, name: str) -> set[str]:
        return self.linking.burst_names([name])

    def _begin_watching(self, config: Config) -> None:
        photos, watching = config.photos, Watching.of(config)
        roots = [folder.path for folder in watching.folders]
        inbox = Inbox(roots, photos.settle_s, self.store.queue)
        try:
            source = Source(watching.folders, watching.names, photos.rescan_s, self._wake)
        except OSError as error:
            raise CouldNotStart(f"inotify is not to be had: {error.strerror}; raise fs.inotify with sysctl") from error
        try:
            self.store.queue.keep_only(watching.covers)
        except BaseException:
            source.stop()
            raise
        self.inbox, self.source = inbox, source
        self._changes = deque[Change]()  # not taken yet
        source.start()
