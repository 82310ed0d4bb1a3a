"""Whether folders, database and link tree agree; recomputed from the readings, and changing nothing."""

import os
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

from bibwatch.config import Config
from bibwatch.errors import BibwatchError
from bibwatch.link.inspect import differences, strays
from bibwatch.service.learning import event_now
from bibwatch.service.linking import Linking
from bibwatch.service.setup import Watching, engine_name, rules
from bibwatch.store.lock import ServiceLock
from bibwatch.store.store import Store
from bibwatch.values import Sighting, count_of, shown
from bibwatch.watch.changes import Listing
from bibwatch.watch.names import WatchedFolder
from bibwatch.watch.walk import walk


def verify(config: Config) -> Iterator[str]:
    """Every difference, one line each.

    Raises:
        DatabaseMissing: nothing was ever scanned with this config.
        BibwatchError: the disk does not answer.
    """
    with closing(Store.open_read_only(config.database)) as store:
        yield from (f"{shown(config.database)}: {line}" for line in store.contradictions())
        watching = Watching.of(config)
        for folder in watching.folders:
            yield from _photos(store, folder, watching)
        counts, runs = store.queue.counts(), ServiceLock(config.database).held_elsewhere()
        if reading := counts["reading"]:
            begun = "in hand now" if runs else "in hand when the service ended; its next start reads them"
            yield f"{count_of(reading, 'photo')}: {begun}"
        if waiting := counts["waiting"]:
            yield f"{count_of(waiting, 'photo')}: not read yet" + ("" if runs else "; `bibwatch run` or `scan` does")
        try:
            yield from _links(config, store, watching, runs=runs)
        except OSError as error:
            raise BibwatchError(f"{shown(config.links.root)}: cannot be looked at: {error.strerror}") from error


def _photos(store: Store, watched: WatchedFolder, watching: Watching) -> Iterator[str]:
    """Photos that lie there and are not queued as they are, and known ones that do not lie there."""
    unreadable, missing = set[Path](), dict[Path, set[str]]()
    for listing in walk(watched.path, watching.names, recursive=watched.recursive):
        folder = listing.folder
        missing.setdefault(folder, set())
        if listing.fault is not None:
            unreadable.add(folder)
            yield f"{shown(folder)}: {listing.fault}"
            continue
        yield from (f"{shown(folder / name)}: {reason}" for name, reason in listing.unseen.items())
        known = store.queue.known_in(folder, listing.names)
        yield from _not_queued(listing, known)
        missing[folder] |= known.keys() - listing.photos.keys() - listing.unseen.keys()
    for folder, names in missing.items():
        if names:
            yield f"{shown(folder)}: {count_of(len(names), 'known photo')} out of sight, such as {shown(min(names))}"
    known_folders = (
        known for known in store.queue.known_folders(watched.path) if watched.recursive or known == watched.path
    )
    for gone in (folder for folder in known_folders if folder not in missing and unreadable.isdisjoint(folder.parents)):
        photos = count_of(len(store.queue.known_in(gone)), "known photo")
        yield f"{shown(gone)}: {photos} out of sight: no such folder now"


def _not_queued(listing: Listing, known: Mapping[str, Sighting]) -> Iterator[str]:
    for name, stamp in listing.photos.items():
        if name not in known:
            yield f"{shown(listing.folder / name)}: not in the database"
        elif known[name].version != stamp.version:
            yield f"{shown(listing.folder / name)}: has changed since it was queued"


def _links(config: Config, store: Store, watching: Watching, *, runs: bool) -> Iterator[str]:
    engine = engine_name(config, store)
    linking = Linking(store, engine, config, rules(config, event_now(store, engine, runs=runs)))
    if (reason := linking.held_back()) is not None:
        yield f"{shown(config.links.root)}: {reason}"
        return
    plan = linking.plan()
    owned = store.links.owned()
    wanted = owned.keys() | {link.path for link in plan.make}
    found = (*differences(plan), *strays(config.links.root, wanted, watching.covers))
    yield from (f"{shown(os.path.relpath(path, config.links.root))}: {text}" for path, text in found)
