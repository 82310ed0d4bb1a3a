"""The database as its parts: queue, album, readings, mentions, corrections, imports, links, roots, event, pulse."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

from bibwatch.errors import CouldNotStart
from bibwatch.store.album import Album
from bibwatch.store.corrections import Corrections
from bibwatch.store.damage import is_damage
from bibwatch.store.events import Events
from bibwatch.store.imports import Imports
from bibwatch.store.links import LinkRecords
from bibwatch.store.mentions import Mentions
from bibwatch.store.pulse import Pulse
from bibwatch.store.queue import Queue
from bibwatch.store.readings import Readings
from bibwatch.store.roots import LinkRoots
from bibwatch.store.schema import open_database, open_read_only


class Store:
    """One connection to the database, for one thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.queue = Queue(connection)
        self.album = Album(connection)
        self.readings = Readings(connection)
        self.mentions = Mentions(connection)
        self.corrections = Corrections(connection)
        self.imports = Imports(connection)
        self.links = LinkRecords(connection)
        self.events = Events(connection)
        self.roots = LinkRoots(connection)
        self.pulse = Pulse(connection)
        self._version = self._data_version()

    @classmethod
    def open(
        cls, path: Path, on_migration: Callable[[str], None] = lambda name: None, *, thorough: bool = False
    ) -> "Store":
        """Open for writing; makes the file and its tables where needed, and says so before each step of it.

        `thorough` looks for damage in every index entry too.

        Raises:
            DatabaseDamaged: the file contradicts itself, or is no SQLite database.
            CouldNotStart: the file cannot be opened.
        """
        try:
            return cls(open_database(path, on_migration, thorough=thorough))
        except (OSError, sqlite3.Error) as error:
            raise CouldNotStart(f"{path}: the database cannot be opened: {error}") from error

    @classmethod
    def open_existing(cls, path: Path) -> "Store":
        """Open for writing a database that is there.

        Raises:
            DatabaseMissing: nothing was ever scanned with this config.
            DatabaseUnreadable: permissions, damage or an older form keep it from being read.
            DatabaseDamaged, CouldNotStart: it cannot be written to.
        """
        cls.open_read_only(path).close()  # a database that is not there is not made here
        return cls.open(path)

    @classmethod
    def open_read_only(cls, path: Path) -> "Store":
        """Open for questions; never writes.

        Raises:
            DatabaseMissing: nothing was ever scanned with this config.
            DatabaseUnreadable: permissions, damage or an older form keep it from being read.
        """
        return cls(open_read_only(path))

    def changed_elsewhere(self) -> bool:
        """Whether another process has written to the database since this was last asked."""
        version, self._version = self._version, self._data_version()
        return version != self._version

    def contradictions(self) -> list[str]:
        """What SQLite's own full check finds wrong with the file."""
        lines: list[str] = []
        try:
            lines += [" ".join(row[0].split()) for row in self._connection.execute("PRAGMA integrity_check")]
            strays = self._connection.execute("PRAGMA foreign_key_check")
            lines += [f"{row[0]}: row {row[1]} refers to no row of {row[2]}" for row in strays]
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            lines.append(str(error))
        return [line for line in lines if line != "ok"]

    def _data_version(self) -> int:
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    def close(self) -> None:
        """Close the connection; what was committed is on disk."""
        self._connection.close()
