"""The database as its parts: queue, readings, imports, link records, pulse."""

import sqlite3
from pathlib import Path

from bibwatch.errors import CouldNotStart
from bibwatch.store.imports import Imports
from bibwatch.store.links import LinkRecords
from bibwatch.store.pulse import Pulse
from bibwatch.store.queue import Queue
from bibwatch.store.readings import Readings
from bibwatch.store.schema import open_database, open_read_only


class Store:
    """One connection to the database, for one thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.queue = Queue(connection)
        self.readings = Readings(connection)
        self.imports = Imports(connection)
        self.links = LinkRecords(connection)
        self.pulse = Pulse(connection)

    @classmethod
    def open(cls, path: Path) -> "Store":
        """Open for writing; makes the file and its tables where needed.

        Raises:
            CouldNotStart: the file cannot be opened, or is no SQLite database.
        """
        try:
            return cls(open_database(path))
        except (OSError, sqlite3.Error) as error:
            raise CouldNotStart(f"{path}: the database cannot be opened: {error}") from error

    @classmethod
    def open_read_only(cls, path: Path) -> "Store":
        """Open for questions; never writes.

        Raises:
            DatabaseMissing: nothing was ever scanned with this config.
            DatabaseUnreadable: permissions, damage or an older form keep it from being read.
        """
        return cls(open_read_only(path))

    def close(self) -> None:
        """Close the connection; what was committed is on disk."""
        self._connection.close()
