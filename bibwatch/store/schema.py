"""The database file, and how it is opened.

WAL with synchronous FULL: a commit that returned survives a power cut.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from bibwatch.errors import DatabaseFault, DatabaseMissing, DatabaseUnreadable
from bibwatch.store.damage import BUSY_S, REBUILD, check_whole, is_damage, log_of
from bibwatch.store.tables import MIGRATIONS, mentioned_as_json

if TYPE_CHECKING:
    from sqlite_utils import Database

NAMES_AT_ONCE = 500  # SQLite before 3.32 takes no more than 999 values
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
    connection.create_function("mentioned", 2, mentioned_as_json, deterministic=True)
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


def parts_of(names: Iterable[str]) -> Iterator[tuple[str, dict[str, bytes]]]:
    """File names a few hundred at a time, as a list in SQL and its values: a question for each name costs far more."""
    rest = iter(names)
    while part := list(islice(rest, NAMES_AT_ONCE)):
        given = {f"name{number}": os.fsencode(name) for number, name in enumerate(part)}
        yield f"({', '.join(f':{key}' for key in given)})", given


def plain_cursor(connection: sqlite3.Connection) -> sqlite3.Cursor:
    """A cursor whose rows are plain tuples, which cost less: a large race has a million rows."""
    cursor = connection.cursor()
    cursor.row_factory = None
    return cursor


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
