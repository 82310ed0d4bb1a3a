"""The database file: its tables, how they came about, and how it is opened.

WAL with synchronous FULL: a commit that returned survives a power cut.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bibwatch.errors import DatabaseFault, DatabaseMissing, DatabaseUnreadable
from bibwatch.store.damage import BUSY_S, REBUILD, check_whole, is_damage, log_of

if TYPE_CHECKING:
    from sqlite_utils import Database

# A content is the bytes of a picture; photos are the places where it lies. Paths are bytes, as Linux has them.
FIRST_TABLES = (
    "CREATE TABLE contents (id INTEGER PRIMARY KEY, sha256 BLOB NOT NULL UNIQUE)",
    # AUTOINCREMENT: a late answer about a photo that is gone must not meet another photo under its id.
    """CREATE TABLE photos (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        dir BLOB NOT NULL,
        name BLOB NOT NULL,
        size INTEGER NOT NULL,  -- bytes
        mtime_ns INTEGER NOT NULL,
        content_id INTEGER REFERENCES contents (id),  -- of the last version that was read
        UNIQUE (dir, name)
    )""",
    "CREATE INDEX photos_by_name ON photos (name)",
    "CREATE INDEX photos_by_content ON photos (content_id)",
    # `version` counts the photo's versions, so that a late answer about an old one is known.
    """CREATE TABLE jobs (
        photo_id INTEGER PRIMARY KEY REFERENCES photos (id) ON DELETE CASCADE,
        version INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('waiting', 'reading', 'done', 'failed')),
        attempts INTEGER NOT NULL,
        ready_at REAL NOT NULL,  -- seconds since the epoch
        changed_at REAL NOT NULL,
        error TEXT
    )""",
    "CREATE INDEX jobs_by_turn ON jobs (state, ready_at, photo_id)",
    "CREATE INDEX jobs_by_change ON jobs (state, changed_at)",
    "CREATE TABLE engines (id INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL UNIQUE)",
    # One row for each content and engine that read it: it is there even where no text was found.
    """CREATE TABLE reads (
        id INTEGER PRIMARY KEY,
        content_id INTEGER NOT NULL REFERENCES contents (id),
        engine_id INTEGER NOT NULL REFERENCES engines (id),
        width INTEGER NOT NULL,  -- pixels of the upright photo
        height INTEGER NOT NULL,
        seconds REAL NOT NULL,
        read_at REAL NOT NULL,
        UNIQUE (content_id, engine_id)
    )""",
    """CREATE TABLE readings (
        id INTEGER PRIMARY KEY,
        read_id INTEGER NOT NULL REFERENCES reads (id),
        text TEXT NOT NULL,
        score REAL NOT NULL,
        x0 INTEGER NOT NULL,
        y0 INTEGER NOT NULL,
        x1 INTEGER NOT NULL,
        y1 INTEGER NOT NULL,
        detection_score REAL NOT NULL
    )""",
    "CREATE INDEX readings_by_read ON readings (read_id)",
    """CREATE TABLE corrections (
        id INTEGER PRIMARY KEY,
        content_id INTEGER NOT NULL REFERENCES contents (id),
        kind TEXT NOT NULL CHECK (kind IN ('set', 'add', 'remove')),
        bibs TEXT NOT NULL,  -- a JSON list
        made_at REAL NOT NULL
    )""",
    "CREATE INDEX corrections_by_content ON corrections (content_id)",
    # What bibwatch made on disk; a row is written before the disk is touched.
    """CREATE TABLE links (
        path BLOB PRIMARY KEY,
        photo BLOB NOT NULL,
        name BLOB NOT NULL,  -- of the photo's file
        mode TEXT NOT NULL CHECK (mode IN ('symlink', 'hardlink', 'copy')),
        text BLOB,  -- what a symlink holds
        stamp TEXT,  -- of a hardlink or copy, as a JSON list
        copied TEXT  -- the version of the photo that a copy was made from, as a JSON list
    )""",
    "CREATE INDEX links_by_name ON links (name)",
    "CREATE TABLE link_folders (path BLOB PRIMARY KEY)",
    # What the running service last said about itself, as JSON.
    "CREATE TABLE pulse (id INTEGER PRIMARY KEY CHECK (id = 1), beat_at REAL NOT NULL, health TEXT NOT NULL)",
)

# A reading by the engine dossard keeps its box in the padded square, as a JSON list: the notebook's CSV holds that one.
SQUARE_BOXES = ("ALTER TABLE readings ADD COLUMN square_box TEXT",)

# Which disk a folder was on when it was last whole: a photo missing on another disk is out of sight, not deleted.
FOLDER_DISKS = ("CREATE TABLE folder_disks (dir BLOB PRIMARY KEY, disk TEXT NOT NULL)",)

# Where each photo was seen last: one that is missing in another place is out of sight, not deleted. And where the link
# root was, with the folder that its disk was mounted at: links are not made in the bare folder below it.
PLACES = (
    "ALTER TABLE photos ADD COLUMN place BLOB",
    "CREATE TABLE link_roots (path BLOB PRIMARY KEY, place BLOB NOT NULL, point BLOB NOT NULL)",
    # A disk was told as its mount point, a blank, and its name. In a place that nothing has, the mount point decides.
    """INSERT INTO link_roots
       SELECT dir, x'', CAST(rtrim(rtrim(disk, replace(disk, ' ', ''))) AS BLOB) FROM folder_disks WHERE disk != ''""",
    "DROP TABLE folder_disks",
)

# What else a text may be, as the recogniser tells it: a JSON list of texts and probabilities, likeliest first.
SPELLINGS = ("ALTER TABLE readings ADD COLUMN spellings TEXT",)

# What the event's bibs look like, as its readings showed when that was last looked at, as JSON.
EVENTS = ("CREATE TABLE events (id INTEGER PRIMARY KEY CHECK (id = 1), learned TEXT NOT NULL)",)

# File names of photos that a person has just said something about: their links follow before all others.
CORRECTED = ("CREATE TABLE corrected_names (name BLOB PRIMARY KEY)",)

MIGRATIONS = {
    "0001_first_tables": FIRST_TABLES,
    "0002_square_boxes": SQUARE_BOXES,
    "0003_folder_disks": FOLDER_DISKS,
    "0004_places": PLACES,
    "0005_spellings": SPELLINGS,
    "0006_events": EVENTS,
    "0007_corrected_names": CORRECTED,
}

IMPORTED = "csv"  # the engine of imported readings; they stand for those of whichever engine is asked for


def open_database(
    path: Path, on_migration: Callable[[str], None] = lambda name: None, *, thorough: bool = False
) -> sqlite3.Connection:
    """Open the database for writing, make it where it is missing, and bring its tables up to date.

    `on_migration` hears of each step of that before it begins, since on a large database it may take a while. It is
    looked at for damage, index entries too if `thorough`.

    Raises:
        DatabaseDamaged: it contradicts itself, or is no database.
        sqlite3.Error, OSError: it cannot be opened.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        check_whole(path, "integrity_check" if thorough else "quick_check")
    connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
    try:
        _bring_up_to_date(connection, on_migration)
    except BaseException:
        connection.close()
        raise
    connection.row_factory = sqlite3.Row
    return connection


def _bring_up_to_date(connection: sqlite3.Connection, on_migration: Callable[[str], None]) -> None:
    # sqlite-utils takes a fifth of a second to import, which `status` and `find` need not pay.
    from sqlite_utils import Database, Migrations

    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    migrations = Migrations("bibwatch")
    for name, statements in MIGRATIONS.items():
        migrations(name=name)(_migration(statements, partial(on_migration, name)))
    migrations.apply(Database(connection))
    [form] = connection.execute("PRAGMA user_version").fetchone()
    if form < len(MIGRATIONS):
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


def _migration(statements: Iterable[str], announce: Callable[[], None]) -> Callable[[Database], None]:
    def run(db: Database) -> None:
        announce()
        for statement in statements:
            db.execute(statement)

    return run


def open_read_only(path: Path) -> sqlite3.Connection:
    """Open an existing database for questions only.

    Raises:
        DatabaseMissing: there is no such file, or no table in it yet.
        DatabaseUnreadable: permissions, damage or an older form keep it from being read.
    """
    missing = DatabaseMissing(f"{path}: no database yet; `bibwatch run` or `bibwatch scan` makes it")
    try:
        if not path.exists():
            raise missing
        connection = sqlite3.connect(f"{_uri(path)}", uri=True, timeout=BUSY_S, isolation_level=None)
        [form] = connection.execute("PRAGMA user_version").fetchone()
    except (OSError, sqlite3.Error) as error:
        raise DatabaseUnreadable(f"{path}: the database cannot be read: {error}") from error
    if form < len(MIGRATIONS):
        made = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'pulse'").fetchone()
        connection.close()
        if made is None:  # somebody is about to make the tables
            raise missing
        text = (
            "an older bibwatch made the database; `bibwatch run`, restarted if it runs, or `scan` brings it up to date"
        )
        raise DatabaseUnreadable(f"{path}: {text}")
    connection.row_factory = sqlite3.Row
    return connection


def _uri(path: Path) -> str:
    """A database that nobody has open, in a folder that may not be written to, is read as it lies."""
    at_rest = not log_of(path).exists() and not os.access(path.parent, os.W_OK)
    return f"{path.absolute().as_uri()}?mode=ro" + ("&immutable=1" if at_rest else "")


def below(folder: Path) -> tuple[bytes, bytes, bytes]:
    """The values for `dir = ? OR (dir >= ? AND dir < ?)`, which is a folder and all that lies below it."""
    top = os.fsencode(folder)
    return top, top.rstrip(b"/") + b"/", top.rstrip(b"/") + b"0"  # b"0" follows b"/" in byte order


@contextmanager
def writing(connection: sqlite3.Connection) -> Iterator[None]:
    """One transaction that takes the write lock first, so that it waits for other writers instead of failing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk may have ended it already
            connection.execute("ROLLBACK")
        raise


@contextmanager
def database_faults() -> Iterator[None]:
    """Turn what SQLite raises inside into DatabaseFault, so that other rooms need not know SQLite."""
    try:
        yield
    except sqlite3.Error as error:
        way_out = f"; stop the service, then {REBUILD}" if is_damage(error) else ""
        raise DatabaseFault(f"the database cannot be used: {error}{way_out}") from error
