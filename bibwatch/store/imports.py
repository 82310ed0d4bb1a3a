"""Readings that no engine of ours made: they come from a CSV."""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from bibwatch.store.queue import Queue
from bibwatch.store.readings import Readings, Seen
from bibwatch.store.schema import IMPORTED, writing
from bibwatch.values import Photo, Reading

_ALL = "SELECT reads.id FROM reads JOIN engines ON engines.id = reads.engine_id WHERE engines.fingerprint = ?"
_OF_CONTENT = f"{_ALL} AND reads.content_id = (SELECT id FROM contents WHERE sha256 = ?)"


@dataclass(frozen=True, slots=True)
class Labelled:
    """A content that a CSV has rows for, and every place where it lies."""

    content: bytes  # SHA-256 of the file's bytes
    readings: tuple[Reading, ...]
    width: int  # pixels of the upright photo
    height: int
    photos: tuple[Photo, ...]


class Imports:
    """Writes imported readings. Times are seconds since the epoch."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self._queue = Queue(connection)
        self._readings = Readings(connection)

    def keep(self, labelled: Iterable[Labelled], now: float, *, replace: bool) -> None:
        """Store these readings in the place of earlier ones, and their photos as done, in one transaction.

        `replace` forgets all that was imported before, so that engines read the photos that are not named again.
        """
        with writing(self._db):
            if replace:
                self._forget(self._db.execute(_ALL, (IMPORTED,)))
            for one in labelled:
                self._forget(self._db.execute(_OF_CONTENT, (IMPORTED, one.content)))
                seen = Seen(one.content, IMPORTED, one.readings, one.width, one.height, seconds=0.0)
                content_id = self._readings.insert(seen, now)
                for photo in one.photos:
                    self._queue.add_done(photo, content_id, now)

    def _forget(self, reads: Iterable[sqlite3.Row]) -> None:
        for read in list(reads):
            self._db.execute("DELETE FROM readings WHERE read_id = ?", (read["id"],))
            self._db.execute("DELETE FROM reads WHERE id = ?", (read["id"],))
