"""What a person may tell the database beside a running service, which notices and follows."""

import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from bibwatch.config import Config
from bibwatch.errors import BibwatchError
from bibwatch.store.store import Store
from bibwatch.values import shown
from bibwatch.watch.walk import is_reached, stamp_of


def forget(config: Config, folder: Path) -> int:
    """Let the known photos at and below a folder go that are not to be seen there; returns how many.

    Whichever disk stands there now is right from now on. What was read of the photos stays, in case they come back.

    Raises:
        DatabaseMissing: nothing was ever scanned with this config.
        BibwatchError: nothing is watched there, and no links are made there.
    """
    watched = [folder.path for folder in config.watch]
    folder = _as_watched(folder, [*watched, config.links.root])
    with closing(Store.open_existing(config.database)) as store:
        known = [place / name for place in store.queue.known_folders(folder) for name in store.queue.known_in(place)]
        gone = store.queue.remove([path for path in known if _is_gone(path, watched)])
        store.roots.forget(folder)
        return len(gone)


def retry(config: Config) -> int:
    """Let every failed photo wait again, with all its tries; returns how many.

    Raises:
        DatabaseMissing: nothing was ever scanned with this config.
    """
    with closing(Store.open_existing(config.database)) as store:
        return store.queue.retry(time.time())


def _as_watched(folder: Path, ours: Sequence[Path]) -> Path:
    """The folder by the path that it was watched by: since then a link may have taken its place."""
    written = folder.resolve() if folder.name == ".." else folder.absolute()
    for path in (written.parent.resolve() / written.name, written.resolve()):
        if any(path.is_relative_to(own) or own.is_relative_to(path) for own in ours):
            return path
    raise BibwatchError(f"{shown(folder)}: nothing is watched there, and it is not the link root")


def _is_gone(path: Path, watched: Sequence[Path]) -> bool:
    """Whether the disk says so; one that does not answer says nothing."""
    try:
        folder = path.parent
        reached = any(is_reached(root, folder) for root in watched if folder.is_relative_to(root))
        return not reached or stamp_of(path) is None
    except OSError:
        return False
