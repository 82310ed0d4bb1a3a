"""From what is stored to the link tree: read, decide, plan, apply."""

from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from bibwatch.config import Config
from bibwatch.link.apply import Applied, LinkTree
from bibwatch.link.plan import Plan, plan
from bibwatch.match.decide import wanted_bibs, wanted_links
from bibwatch.service.setup import Watching, engine_name, layout, rules
from bibwatch.store.lock import ServiceLock
from bibwatch.store.store import Store
from bibwatch.values import Targets


class Linking:
    """Keeps the link tree as the stored readings and the config want it."""

    def __init__(self, store: Store, engine: str, config: Config) -> None:
        self._store = store
        self._engine = engine
        self._rules = rules(config)
        self._layout = layout(config)
        self._watching = Watching.of(config)
        self.troubles: dict[Path, str] = {}  # entry -> why it is not as wanted

    def plan(self, names: Iterable[str] | None = None) -> Plan:
        """What would change, for all photos or for those with these file names.

        Photos of one name are planned together, because they may want the same entry.
        """
        names = None if names is None else tuple(names)
        photos = self._store.readings.read_photos(self._engine, names)
        wanted = wanted_links((photo for photo in photos if self._watching.covers(photo.path)), self._rules)
        return plan(wanted, self._store.links.owned(names), self._layout)

    def apply(self, names: Iterable[str] | None = None) -> Applied:
        """Bring the disk in line, for all photos or for those with these file names."""
        todo = self.plan(names)
        applied = LinkTree(self._store.links).apply(todo)
        if names is None:
            self.troubles = dict(applied.troubles)
        else:
            links = (*todo.make, *todo.keep, *todo.remove, *(new for _, new in todo.replace))
            for link in links:
                self.troubles.pop(link.path, None)
            self.troubles |= applied.troubles
        return applied


def relink_once(config: Config, *, dry_run: bool) -> Applied:
    """Bring the link tree in line with the database, or say what that would do.

    Raises:
        CouldNotStart: a running service tends the tree.
        DatabaseMissing: nothing was ever scanned with this config.
    """
    with closing(Store.open_read_only(config.database)) as store:  # a database that is not there is not made here
        fingerprint = engine_name(config, store)
        if dry_run:
            todo = Linking(store, fingerprint, config).plan()
            made = (*(link.path for link in todo.make), *(new.path for _, new in todo.replace))
            return Applied(made, tuple(link.path for link in todo.remove), len(todo.keep), {})
    lock = ServiceLock(config.database)
    lock.take()
    try:
        with closing(Store.open(config.database)) as store:
            return Linking(store, fingerprint, config).apply()
    finally:
        lock.release()


def photos_of(config: Config, bib: str, max_distance: float) -> list[Path]:
    """The photos that show this bib, by path.

    Raises:
        DatabaseMissing: nothing was ever scanned with this config.
    """
    wish = replace(rules(config), targets=Targets(frozenset({bib})), max_distance=max_distance)
    with closing(Store.open_read_only(config.database)) as store:
        photos = store.readings.read_photos(engine_name(config, store))
        return sorted(photo.path for photo in photos if wanted_bibs(photo, wish))
