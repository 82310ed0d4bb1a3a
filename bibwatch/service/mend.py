"""What a person may tell the database beside a running service, which notices and follows."""

import time
from contextlib import closing
from pathlib import Path

from bibwatch.config import Config
from bibwatch.errors import BibwatchError
from bibwatch.store.store import Store
from bibwatch.values import shown


def forget(config: Config, folder: Path) -> int:
    """Let the known photos at and below a folder go that are not to be seen there; returns how many.

    Whichever disk stands there now is right from now on. What was read of the photos stays, in case they come back.

    Raises:
        DatabaseMissing: nothing was ever scanned with this config.
        BibwatchError: nothing is watched there, and no links are made there.
    """
    folder = folder.resolve()
    ours = [watched.path for watched in config.watch] + [config.links.root]
    if not any(folder.is_relative_to(own) or own.is_relative_to(folder) for own in ours):
        raise BibwatchError(f"{shown(folder)}: nothing is watched there, and it is not the link root")
    with closing(_opened(config)) as store:
        known = [place / name for place in store.queue.known_folders(folder) for name in store.queue.known_in(place)]
        gone = store.queue.remove([path for path in known if _is_gone(path)])
        store.folders.forget(folder)
        return len(gone)


def retry(config: Config) -> int:
    """Let every failed photo wait again, with all its tries; returns how many.

    Raises:
        DatabaseMissing: nothing was ever scanned with this config.
    """
    with closing(_opened(config)) as store:
        return store.queue.retry(time.time())


def _is_gone(path: Path) -> bool:
    """Whether the disk says so; one that does not answer says nothing."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def _opened(config: Config) -> Store:
    Store.open_read_only(config.database).close()  # a database that is not there is not made here
    return Store.open(config.database)
