"""Whether a database file is damaged, or out of use for another reason."""

import sqlite3
from contextlib import closing
from pathlib import Path

from bibwatch.errors import DatabaseDamaged

REBUILD = "`bibwatch run --rebuild` keeps it aside and reads the photos anew"
BUSY_S = 5.0  # how long a writer waits for another one
LOCKED_S = 1.0  # how long one waits who only asks whether he could write


def check_whole(path: Path, check: str) -> None:
    """Look at a database file with one of SQLite's own checks, and change nothing in it that is damaged.

    Raises:
        DatabaseDamaged: it contradicts itself, or is no database.
        sqlite3.Error: it cannot be opened.
    """
    try:
        verdict = "it is empty, but its log is not" if _has_lost_all(path) else _verdict(path, check)
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        verdict = str(error)
    if verdict != "ok":
        raise DatabaseDamaged(f"{path}: the database is damaged: {' '.join(verdict.split())}; {REBUILD}")


def _verdict(path: Path, check: str) -> str:
    """What SQLite says of the file.

    Whoever may write moves what a crash has left in the log into the file when he closes it, damaged or not. So one who
    may only read asks first; what a crash has left half done without a log can be undone by a writer only.
    """
    for mode in ("ro", "rw"):
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=BUSY_S)) as database:
            try:
                [[verdict], *_] = database.execute(f"PRAGMA {check}(1)").fetchall()
            except sqlite3.OperationalError as error:
                if mode == "rw" or error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_READONLY:
                    raise
            else:
                break
    return str(verdict)


def _has_lost_all(path: Path) -> bool:
    """Whether nothing is left but a log, which SQLite throws away at the first look at the empty file."""
    log = log_of(path)
    return path.stat().st_size == 0 and log.exists() and log.stat().st_size > 0


def log_of(database: Path) -> Path:
    """The file beside a database that commits go to first."""
    return database.with_name(f"{database.name}-wal")


def is_locked(path: Path) -> bool:
    """Whether a program keeps everybody else from writing to a database, for longer than we ever do."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=LOCKED_S)) as database:
            database.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
    return False


def is_damage(error: sqlite3.Error) -> bool:
    """Whether SQLite says that the file's content is at fault, and not its surroundings."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
