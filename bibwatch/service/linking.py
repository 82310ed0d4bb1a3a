"""From what is stored to the link tree: read, decide, plan, apply."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bibwatch.config import Config
from bibwatch.link.apply import Applied, LinkTree
from bibwatch.link.plan import Layout, Plan, plan
from bibwatch.match.decide import Rules, wanted_bibs, wanted_links
from bibwatch.store.lock import ServiceLock
from bibwatch.store.store import Store
from bibwatch.values import Targets


class Linking:
    """Keeps the link tree as the stored readings and the config want it."""

    def __init__(self, store: Store, engine: str, rules: Rules, layout: Layout) -> None:
        self._store = store
        self._engine = engine
        self._rules = rules
        self._layout = layout
        self.troubles: dict[Path, str] = {}  # entry -> why it is not as wanted

    def plan(self, names: Iterable[str] | None = None) -> Plan:
        """What would change, for all photos or for those with these file names.

        Photos of one name are planned together, because they may want the same entry.
        """
        names = None if names is None else tuple(names)
        wanted = wanted_links(self._store.readings.read_photos(self._engine, names), self._rules)
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


@dataclass(frozen=True, slots=True)
class Relinked:
    """What `link` did, or would do."""

    made: tuple[Path, ...]  # new, or replaced
    removed: tuple[Path, ...]
    kept: int
    troubles: dict[Path, str]

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "made": [str(path) for path in self.made],
            "removed": [str(path) for path in self.removed],
            "kept": self.kept,
            "troubles": {str(path): reason for path, reason in self.troubles.items()},
        }


def relink_once(config: Config, *, dry_run: bool) -> Relinked:
    """Bring the link tree in line with the database, or say what that would do.

    Raises:
        CouldNotStart: a running service tends the tree.
        DatabaseMissing: nothing was ever scanned with this config.
    """
    if dry_run:
        return _would_relink(config)
    Store.open_read_only(config.database).close()  # a database that is not there is not made here
    lock = ServiceLock(config.database)
    lock.take()
    store = Store.open(config.database)
    try:
        linking = _linking(store, config)
        kept = len(linking.plan().keep)
        applied = linking.apply()
        return Relinked(applied.made, applied.removed, kept, applied.troubles)
    finally:
        store.close()
        lock.release()


def photos_of(config: Config, bib: str, max_distance: float) -> list[Path]:
    """The photos that show this bib, by path.

    Raises:
        DatabaseMissing: nothing was ever scanned with this config.
    """
    store = Store.open_read_only(config.database)
    wish = Rules(Targets(frozenset({bib})), max_distance, config.reader.min_score, config.links.folder)
    try:
        photos = store.readings.read_photos(store.readings.last_engine() or "")
        return sorted(photo.path for photo in photos if wanted_bibs(photo, wish))
    finally:
        store.close()


def rules(config: Config) -> Rules:
    """The config's matching, in the match room's words."""
    targets = Targets(None if config.targets is None else frozenset(config.targets))
    return Rules(targets, config.max_distance, config.reader.min_score, config.links.folder)


def layout(config: Config) -> Layout:
    """The config's links, in the link room's words."""
    return Layout(config.links.root, config.links.mode, config.links.relative)


def _would_relink(config: Config) -> Relinked:
    store = Store.open_read_only(config.database)
    try:
        todo = _linking(store, config).plan()
    finally:
        store.close()
    made = (*(link.path for link in todo.make), *(new.path for _, new in todo.replace))
    return Relinked(made, tuple(link.path for link in todo.remove), len(todo.keep), {})


def _linking(store: Store, config: Config) -> Linking:
    return Linking(store, store.readings.last_engine() or "", rules(config), layout(config))
