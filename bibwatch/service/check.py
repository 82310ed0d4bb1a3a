"""What `check` looks at before a race: each thing with what to mend, if anything."""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from importlib.util import find_spec
from multiprocessing.connection import wait
from pathlib import Path

from bibwatch.config import Config, load_config
from bibwatch.errors import BibwatchError, ConfigError, EngineUnavailable
from bibwatch.match.startlist import summary
from bibwatch.read import engine
from bibwatch.read.pool import Pool
from bibwatch.service.linking import root_away
from bibwatch.service.setup import engine_setup, pool_for, read_start_list
from bibwatch.store.damage import check_whole
from bibwatch.store.schema import database_faults
from bibwatch.store.store import Store
from bibwatch.values import shown

Check = tuple[str, str | None]  # what was looked at, and what is wrong with it

ROOM = 500 * 10**6  # bytes that a race's database, or copies of its photos, may come to need
DOUBTFUL_ROWS = 10  # of a start list that are told one by one
INOTIFY_WATCHES = Path("/proc/sys/fs/inotify/max_user_watches")


def checks(config_path: Path) -> Iterator[Check]:
    """Every check, in the order in which a start would come to it."""
    try:
        config = load_config(config_path)
    except ConfigError as error:
        for problem in error.problems:
            yield "config", problem
        return
    yield f"config {shown(config_path)}", None
    for folder in config.watch:
        yield f"watched folder {shown(folder.path)}", _watch_fault(config, folder.path)
    root, database, room = config.links.root, config.database, ROOM if config.links.mode == "copy" else 0
    yield f"link root {shown(root)}", _write_fault(root, room) or _held_back(config)
    yield f"database {shown(database)}", _write_fault(database.parent, ROOM) or _database_fault(config)
    if config.start_list is not None:
        yield from _start_list_checks(config.start_list)
    yield from _engine_checks(config)
    yield _systemd_check()


def _watch_fault(config: Config, folder: Path) -> str | None:
    """Whether the kernel has a watch for every sub-folder."""
    if any(watched.path == folder and (watched.poll_s or not watched.recursive) for watched in config.watch):
        return None
    limit = int(INOTIFY_WATCHES.read_text()) if INOTIFY_WATCHES.exists() else sys.maxsize
    folders = sum(1 for _ in os.walk(folder))
    if folders < limit:
        return None
    return (
        f"{folders} sub-folders, but the kernel allows {limit} watches; raise fs.inotify.max_user_watches with sysctl"
    )


def _write_fault(folder: Path, room: int) -> str | None:
    """Whether this folder, or the nearest one above it that exists, can be written to, and has so many bytes free."""
    standing = next(path for path in (folder, *folder.parents) if path.exists())
    if not standing.is_dir():
        return f"{shown(standing)} is not a folder"
    if not os.access(standing, os.W_OK | os.X_OK):
        return f"this user may not write to {shown(standing)}; mend its permissions"
    if (free := shutil.disk_usage(standing).free) < room:
        return f"only {free // 10**6} MB are free on its disk; make room"
    return None


def _database_fault(config: Config) -> str | None:
    """Whether the database, if there is one, is damaged."""
    try:
        with database_faults():
            if config.database.exists():
                check_whole(config.database, "quick_check")
    except BibwatchError as error:
        return str(error)
    return None


def _start_list_checks(path: Path) -> Iterator[Check]:
    """Whether it is one; then each row of it that is left out."""
    try:
        entrants = read_start_list(path)
    except ConfigError as error:
        yield "start list", str(error).removeprefix("start_list: ")
        return
    yield f"start list {shown(path)}: {summary(entrants)}", None
    for problem in entrants.problems[:DOUBTFUL_ROWS]:
        yield "start list", f"{shown(path)}: {problem}"
    if (others := entrants.doubtful - DOUBTFUL_ROWS) > 0:
        yield "start list", f"{shown(path)}: and {others} more"


def _held_back(config: Config) -> str | None:
    """Whether the disk that the link root was on is away, as far as a database tells."""
    with suppress(BibwatchError), database_faults(), closing(Store.open_read_only(config.database)) as store:
        return root_away(config.links.root, store.roots.get(config.links.root))
    return None


def _engine_checks(config: Config) -> Iterator[Check]:
    """Whether all its files are there, at once; then whether it loads, on its device, in a process of its own."""
    setup, missing = engine_setup(config), None
    name = f"engine {setup.name}"
    try:
        missing = engine.missing_files(setup)
        if missing is not None:
            fetched = (
                "; the first start fetches them where the network allows" if config.reader.dossard.download else ""
            )
            yield name, missing + fetched
        dossard = config.reader.dossard.model_copy(update={"download": False})
        offline = config.reader.model_copy(update={"dossard": dossard})
        for device in offline.devices:
            reader = offline.model_copy(update={"device": device, "workers": None})
            pool = pool_for(config.model_copy(update={"reader": reader}), engine.fingerprint(setup), photos=1)
            where, lack = _tried(pool)
            yield f"{name} on {where}", lack
    except BibwatchError as error:
        if str(error) != missing:
            yield name, str(error)


def _tried(pool: Pool) -> tuple[str, str | None]:
    """Load the engine once; where it runs, and why not where it would run faster.

    Raises:
        EngineUnavailable: it does not load.
    """
    try:
        pool.start()
        while not pool.ready:
            if pool.fault:
                raise EngineUnavailable(pool.fault)
            wait(pool.waitables(), 0.25)
            pool.collect()
        return ", ".join(pool.devices), pool.lack
    finally:
        pool.stop()


def _systemd_check() -> Check:
    """Never anything to mend: without systemd-python only the journal's own fields are missing."""
    if not Path("/run/systemd/system").exists():
        return "systemd (not running here)", None
    missing = find_spec("systemd") is None
    return "systemd" + (" (without systemd-python: pip install 'bibwatch[systemd]')" if missing else ""), None
