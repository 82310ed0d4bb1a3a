"""A damaged database: kept aside, and a new one begun with what no photo can tell again.

Photos can be read anew. What people said about them, which links are ours, and where photos and link roots were stand
nowhere else, so as much of that as can still be read is taken over. Photos that have links are queued at once: until
they are read again, or seen to be gone, their links stay.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from bibwatch.errors import CouldNotStart
from bibwatch.store.schema import open_database, writing
from bibwatch.values import bib_fault

# Table -> how its rows are read from the old file, from either end, and written to the new one.
_TAKEN_OVER = {
    "links": (
        "SELECT rowid, path, photo, name, mode, text, stamp, copied FROM links ORDER BY rowid",
        "INSERT OR IGNORE INTO links (path, photo, name, mode, text, stamp, copied) VALUES (?, ?, ?, ?, ?, ?, ?)",
    ),
    "link_folders": (
        "SELECT rowid, path FROM link_folders ORDER BY rowid",
        "INSERT OR IGNORE INTO link_folders VALUES (?)",
    ),
    "link_roots": (
        "SELECT rowid, path, place, point FROM link_roots ORDER BY rowid",
        "INSERT OR IGNORE INTO link_roots VALUES (?, ?, ?)",
    ),
    "contents": (
        "SELECT rowid, id, sha256 FROM contents ORDER BY rowid",
        "INSERT OR IGNORE INTO contents (id, sha256) VALUES (?, ?)",
    ),
    "corrections": (
        "SELECT rowid, content_id, kind, bibs, made_at FROM corrections ORDER BY rowid",
        """INSERT INTO corrections (content_id, kind, bibs, made_at)
           SELECT ?1, ?2, ?3, ?4 WHERE EXISTS (SELECT 1 FROM contents WHERE id = ?1)
           AND ?2 IN ('set', 'add', 'remove') AND typeof(?4) = 'real' AND json_valid(?3) AND json_type(?3) = 'array'
           AND NOT EXISTS (SELECT 1 FROM json_each(?3) WHERE type != 'text' OR bib_fault(value) NOT NULL)""",
    ),
}
_PLACES = (
    "SELECT rowid, place, dir, name FROM photos WHERE place NOT NULL ORDER BY rowid",
    "UPDATE photos SET place = ? WHERE dir = ? AND name = ?",
)
# A size that no file has: whatever lies there now is another version, and is read.
_LINKED_PHOTO = "INSERT OR IGNORE INTO photos (dir, name, size, mtime_ns) VALUES (?, ?, -1, 0)"
_THEIR_JOBS = """
INSERT INTO jobs (photo_id, version, state, attempts, ready_at, changed_at)
SELECT id, 1, 'waiting', 0, 0, CAST(strftime('%s', 'now') AS REAL) FROM photos
"""


def set_aside(path: Path, stamp: str) -> tuple[Path, dict[str, int]]:
    """Keep the damaged database as `NAME.damaged-STAMP`, and put a new one in its place once that is whole.

    Returns where it lies now, and how many rows of each kind could be taken over. Nothing is ever written over.

    Raises:
        CouldNotStart: the new database cannot be made, or the old one not be kept.
    """
    aside = path.with_name(f"{path.name}.damaged-{stamp}")
    fresh = path.with_name(f"{path.name}.rebuilt-{stamp}")
    try:
        for name in (*_with_companions(aside), *_with_companions(fresh)):
            if name.exists():
                raise FileExistsError(f"{name} is there already")
        with closing(open_database(fresh)) as new:
            new.create_function("bib_fault", 1, bib_fault, deterministic=True)
            taken = {table: _take_over(path, new, *statements) for table, statements in _TAKEN_OVER.items()}
            _queue_linked_photos(new)
            taken["places"] = _take_over(path, new, *_PLACES)
            new.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        _exchange(path, aside, fresh)
    except (OSError, sqlite3.Error) as error:
        raise CouldNotStart(f"{path}: the damaged database cannot be kept aside: {error}") from error
    return aside, taken


def _exchange(path: Path, aside: Path, fresh: Path) -> None:
    """At every moment a database stands at `path`: a start after a crash in here finds it damaged once more."""
    os.link(path, aside)
    for old, kept in list(zip(_with_companions(path), _with_companions(aside), strict=True))[1:]:
        with suppress(FileNotFoundError):
            old.rename(kept)
    fresh.replace(path)


def _with_companions(database: Path) -> list[Path]:
    """The files that make up a database, the main one first."""
    return [database.with_name(database.name + suffix) for suffix in ("", "-wal", "-shm")]


def _take_over(damaged: Path, new: sqlite3.Connection, select: str, insert: str) -> int:
    taken = 0
    with writing(new):
        for row in _readable(damaged, select):
            with suppress(sqlite3.Error):  # damage may have made nonsense of it
                taken += new.execute(insert, row).rowcount
    return taken


def _readable(damaged: Path, select: str) -> Iterator[tuple[object, ...]]:
    """The rows before the first page that cannot be read, and those behind the last one."""
    met: set[int] = set()
    for order in ("", " DESC"):
        with suppress(sqlite3.Error), closing(sqlite3.connect(f"{damaged.as_uri()}?mode=ro", uri=True)) as old:
            for rowid, *row in old.execute(select + order):
                if rowid in met:
                    break
                met.add(rowid)
                yield tuple(row)


def _queue_linked_photos(new: sqlite3.Connection) -> None:
    with writing(new):
        photos = [os.path.split(row["photo"]) for row in new.execute("SELECT DISTINCT photo FROM links")]
        new.executemany(_LINKED_PHOTO, photos)
        new.execute(_THEIR_JOBS)
