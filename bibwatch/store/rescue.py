"""A damaged database: kept aside, and a new one begun with what no photo can tell again.

Photos can be read anew. What people said about them, and which links are ours, stands nowhere else, so as much of
that as can still be read is taken over.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from bibwatch.errors import CouldNotStart
from bibwatch.store.schema import open_database, writing

_COMPANIONS = ("", "-wal", "-shm")  # the files of one database

# Table -> how its rows are read from the old file and written to the new one.
_TAKEN_OVER = {
    "links": (
        "SELECT path, photo, name, mode, text, stamp, copied FROM links",
        "INSERT OR IGNORE INTO links (path, photo, name, mode, text, stamp, copied) VALUES (?, ?, ?, ?, ?, ?, ?)",
    ),
    "link_folders": ("SELECT path FROM link_folders", "INSERT OR IGNORE INTO link_folders VALUES (?)"),
    "contents": (
        "SELECT id, sha256 FROM contents WHERE id IN (SELECT content_id FROM corrections)",
        "INSERT OR IGNORE INTO contents (id, sha256) VALUES (?, ?)",
    ),
    "corrections": (
        "SELECT content_id, kind, bibs, made_at FROM corrections",
        """INSERT INTO corrections (content_id, kind, bibs, made_at)
           SELECT ?1, ?2, ?3, ?4 WHERE EXISTS (SELECT 1 FROM contents WHERE id = ?1)""",
    ),
}


def set_aside(path: Path, stamp: str) -> tuple[Path, dict[str, int]]:
    """Rename the damaged database to `NAME.damaged-STAMP` and begin a new one.

    Returns where it lies now, and how many rows of each table could be taken over. Nothing is ever written over.

    Raises:
        CouldNotStart: the files cannot be renamed or the new database cannot be made.
    """
    aside = path.with_name(f"{path.name}.damaged-{stamp}")
    try:
        if aside.exists():
            raise FileExistsError(f"{aside} is there already")
        for suffix in _COMPANIONS:
            with suppress(FileNotFoundError):
                path.with_name(path.name + suffix).rename(aside.with_name(aside.name + suffix))
        with closing(open_database(path)) as fresh:
            return aside, {table: _take_over(aside, fresh, *statements) for table, statements in _TAKEN_OVER.items()}
    except (OSError, sqlite3.Error) as error:
        raise CouldNotStart(f"{path}: the damaged database cannot be kept aside: {error}") from error


def _take_over(aside: Path, fresh: sqlite3.Connection, select: str, insert: str) -> int:
    taken = 0
    with writing(fresh):
        for row in _readable(aside, select):
            with suppress(sqlite3.IntegrityError):  # damage may have made nonsense of it
                taken += fresh.execute(insert, row).rowcount
    return taken


def _readable(aside: Path, select: str) -> Iterator[tuple[object, ...]]:
    """The rows up to the first that cannot be read."""
    with suppress(sqlite3.Error), closing(sqlite3.connect(f"{aside.as_uri()}?mode=ro", uri=True)) as old:
        yield from old.execute(select)
