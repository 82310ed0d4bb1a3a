"""Readings that no engine of ours made: they come from a CSV."""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from bibwatch.store.queue import Queue
from bibwatch.store.readings import Readings, Seen
from bibwatch.store.schema import IMPORTED, writing
from bibwatch.values import Photo, Reading

_FORMER = """
SELECT reads.id FROM reads
JOIN contents ON contents.id = reads.content_id
JOIN engines ON engines.id = reads.engine_id
WHERE contents.sha256 = ? AND engines.fingerprint = ?
"""


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

    def keep(self, labelled: Iterable[Labelled], now: float) -> None:
        """Store these readings in the place of earlier imports, and their photos as done, in one transaction."""
        with writing(self._db):
            for one in labelled:
                self._forget(one.content)
                seen = Seen(one.content, IMPORTED, one.readings, one.width, one.height, seconds=0.0)
                content_id = self._readings.insert(seen, now)
                for photo in one.photos:
                    self._queue.add_done(photo, content_id, now)

    def _forget(self, content: bytes) -> None:
        former = self._db.execute(_FORMER, (content, IMPORTED)).fetchone()
        if former is not None:
            self._db.execute("DELETE FROM readings WHERE read_id = ?", (former["id"],))
            self._db.execute("DELETE FROM reads WHERE id = ?", (former["id"],))
