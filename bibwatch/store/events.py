"""What was learned of the event that the photos show."""

import json
import sqlite3
from collections.abc import Iterator
from typing import Any

from bibwatch.store.readings import SHOWN_READ
from bibwatch.store.schema import plain_cursor, writing

# A photo teaches what it shows: copies of one content once, and one that is gone nothing.
_SHOWN = f"""(SELECT DISTINCT {SHOWN_READ} AS id FROM photos WHERE content_id NOT NULL)"""
_SEEN = f"""
SELECT read_id, text, score, detection_score FROM readings JOIN {_SHOWN} AS shown ON shown.id = readings.read_id
ORDER BY read_id
"""


class Events:
    """One row: the event as plain JSON values, and the readings that it is learned from."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def last(self) -> dict[str, Any] | None:
        """The event that was kept last."""
        row = self._db.execute("SELECT learned FROM events").fetchone()
        return None if row is None else json.loads(row["learned"])

    def keep(self, learned: dict[str, Any]) -> None:
        """This is the event from now on."""
        sql = "INSERT INTO events VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET learned = excluded.learned"
        with writing(self._db):
            self._db.execute(sql, (json.dumps(learned),))

    def seen(self, engine: str) -> Iterator[tuple[int, str, float, float]]:
        """Every reading that photos show, content by content: a number for that, text, score and detection score."""
        yield from plain_cursor(self._db).execute(_SEEN, {"engine": engine})

    def contents(self) -> int:
        """How many contents the photos have that were read."""
        return int(self._db.execute("SELECT count(DISTINCT content_id) FROM photos").fetchone()[0])
