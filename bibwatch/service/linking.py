"""From what is stored to the link tree: read, decide, plan, apply."""

import logging
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from itertools import chain
from pathlib import Path

from bibwatch.config import Config
from bibwatch.link.apply import IN_THE_WAY, Applied, LinkTree
from bibwatch.link.plan import Plan, plan
from bibwatch.log import link_field
from bibwatch.match.bursts import Inferred, inferred_bibs
from bibwatch.match.decide import Rules, wanted_links
from bibwatch.mounts import place_of, point_of
from bibwatch.service.learning import event_now, learn_anew
from bibwatch.service.setup import Watching, engine_name, layout, rules
from bibwatch.store.lock import ServiceLock
from bibwatch.store.store import Store
from bibwatch.values import ReadPhoto, shown, ways_to_mention

AT_ONCE = 500  # file names; a tenth of a second's work
SLOW_AT_ONCE = 8  # where each photo is copied, which may take a second on a slow card, or looks for its burst
NOTHING = Applied((), (), 0, {})

log = logging.getLogger(__name__)


class Linking:
    """Keeps the link tree as the stored readings and the config want it."""

    def __init__(self, store: Store, engine: str, config: Config, rules: Rules) -> None:
        self._store = store
        self._engine = engine
        self._rules = rules
        self._layout = layout(config)
        self._watching = Watching.of(config)
        slow = self._layout.mode == "copy" or rules.burst_s is not None
        self.at_once = SLOW_AT_ONCE if slow else AT_ONCE  # file names that one step may take
        self._was = store.roots.get(self._layout.root)  # the link root's place, and where its disk was mounted
        self.troubles: dict[Path, str] = {}  # entry -> why it is not as wanted
        self._troubles_of_sweep: dict[Path, str] = {}  # those met since the last sweep began

    def plan(self, names: Iterable[str] | None = None) -> Plan:
        """What would change, for all photos or for those with these file names.

        Photos of one name are planned together, because they may want the same entry.
        """
        if names is not None:
            own = set(names)
            names = tuple(own | self.burst_names(own))
        photos = self._store.readings.read_photos(self._engine, names)
        watched = (photo for photo in photos if self._watching.covers(photo.path))
        wanted = wanted_links(watched, self._rules, self.inferred)
        todo = plan(wanted, self._store.links.owned(names), self._layout)
        return replace(todo, remove=tuple(link for link in todo.remove if not self._is_unread(link.photo)))

    def names_about(self, bibs: Iterable[str]) -> set[str] | None:
        """The file names of photos that may show one of these bibs, however they are decided; None where any may."""
        ways = [ways_to_mention(bib) for bib in bibs]
        if self._rules.max_distance > 0 or not all(ways):
            return None
        return self._store.mentions.names(set().union(*ways))

    def burst_names(self, names: Iterable[str]) -> set[str]:
        """The file names of photos that the photos with these names may speak for."""
        burst_s = self._rules.burst_s
        return set() if burst_s is None else self._store.readings.names_around(names, burst_s)

    def inferred(self, photo: ReadPhoto) -> dict[str, Inferred]:
        """The doubtful bibs of a photo that the burst it is part of supports."""
        burst_s = self._rules.burst_s
        if burst_s is None or photo.shot is None:
            return {}
        burst = self._store.readings.around(photo.shot, burst_s, self._engine)
        return inferred_bibs(photo, (other for other in burst if self._watching.covers(other.path)), self._rules)

    def _is_unread(self, photo: Path) -> bool:
        """Whether nothing says yet what a linked photo shows, as while a damaged database is made again."""
        return self._watching.covers(photo) and self._store.queue.awaits_first_reading(photo)

    def apply(self, names: Iterable[str]) -> Applied:
        """Bring the disk in line for the photos with these file names."""
        if (reason := self.held_back()) is not None:
            self.troubles = {self._layout.root: reason}
            return replace(NOTHING, troubles=self.troubles)
        todo = self.plan(names)
        applied = LinkTree(self._store.links).apply(todo)
        self._note_place()
        for link in (*todo.make, *todo.keep, *todo.remove, *(new for _, new in todo.replace)):
            self.troubles.pop(link.path, None)
            self._troubles_of_sweep.pop(link.path, None)
        self.troubles |= applied.troubles
        self._troubles_of_sweep |= applied.troubles
        return applied

    def sweep(self) -> Iterator[Applied]:
        """Bring the disk in line for all photos, a few at a time, so that others can be served between."""
        self._troubles_of_sweep = {}
        self._was = self._store.roots.get(self._layout.root)  # which somebody may have told to forget
        names = self._store.links.names_after(None, self.at_once)
        while names:
            yield self.apply(names)
            names = self._store.links.names_after(names[-1], self.at_once)
        self.troubles = self.troubles if self.held_back() else self._troubles_of_sweep

    @property
    def may_heal(self) -> bool:
        """Whether something is amiss that the disk may mend: it was full, read-only, away."""
        return any(reason != IN_THE_WAY for reason in self.troubles.values())

    def held_back(self) -> str | None:
        """Why nothing may be made in the link root now."""
        return root_away(self._layout.root, self._was)

    def _note_place(self) -> None:
        """Once there is a link root, remember where it is."""
        root = self._layout.root
        if self.held_back() is not None:  # its disk went this moment
            return
        with suppress(OSError):  # the next time will do
            if root.is_dir() and (self._was is None or self._was[0] != place_of(root)):
                self._was = (place_of(root), point_of(root))
                self._store.roots.remember(root, *self._was)


def relink_once(config: Config, *, dry_run: bool) -> Applied:
    """Bring the link tree in line with the database, or say what that would do.

    Raises:
        CouldNotStart: a running service tends the tree.
        DatabaseMissing: nothing was ever scanned with this config.
    """
    with closing(Store.open_read_only(config.database)) as store:  # a database that is not there is not made here
        fingerprint = engine_name(config, store)
        if dry_run:
            runs = ServiceLock(config.database).held_elsewhere()
            linking = Linking(store, fingerprint, config, rules(config, event_now(store, fingerprint, runs=runs)))
            if (reason := linking.held_back()) is not None:
                return replace(NOTHING, troubles={config.links.root: reason})
            todo = linking.plan()
            made = (*(link.path for link in todo.make), *(new.path for _, new in todo.replace))
            return Applied(made, tuple(link.path for link in todo.remove), len(todo.keep), {})
    lock = ServiceLock(config.database)
    lock.take()
    try:
        with closing(Store.open(config.database)) as store:
            linking = Linking(store, fingerprint, config, rules(config, learn_anew(store, fingerprint)))
            store.corrections.take_names()  # which the sweep comes to; of what is said meanwhile it may be past already
            said_meanwhile = (linking.apply(names) for names in iter(store.corrections.take_names, []))
            return _joined(chain(linking.sweep(), said_meanwhile))
    finally:
        lock.release()


def _joined(parts: Iterable[Applied]) -> Applied:
    joined = NOTHING
    for part in parts:
        joined = Applied(
            joined.made + part.made,
            joined.removed + part.removed,
            joined.kept + part.kept,
            joined.troubles | part.troubles,
        )
    return joined


def root_away(root: Path, was: tuple[bytes, Path] | None) -> str | None:
    """Why nothing may be made in the link root now, which was in a place, on a disk mounted at a point: the disk is not
    mounted, and what would be made in the bare folder would be hidden, and owned twice, once it is back."""
    if was is None:
        return None
    place, point = was
    try:
        if root.is_dir() and place_of(root) == place:
            return None
        now = point_of(next(folder for folder in (root, *root.parents) if folder.is_dir()))
    except OSError as error:
        return f"its disk does not answer: {error.strerror}"
    if point == now or not point.is_relative_to(now):
        return None
    return (
        f"the disk that was mounted at {shown(point)} is not there, so links are neither made nor removed; mount it, "
        f"or go on without it: `bibwatch forget {shown(root)}`"
    )


def tell(applied: Applied) -> None:
    """Log what changed."""
    for done, paths in (("linked", applied.made), ("unlinked", applied.removed)):
        for path in paths:
            log.info("%s %s", done, shown(path), extra=link_field(path))
