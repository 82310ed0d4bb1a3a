"""Which contents may show a bib, so that a question about one need not look at all of them."""

import json
import os
import sqlite3
from collections.abc import Iterable

from bibwatch.values import Reading, mentioned

_ADD = "INSERT INTO mentions (digits, content_id) VALUES (?, ?) ON CONFLICT DO NOTHING"
_NAMES = """
SELECT DISTINCT name FROM photos WHERE content_id IN (
    SELECT content_id FROM mentions WHERE digits IN (SELECT value FROM json_each(?))
    UNION SELECT content_id FROM corrections
)
"""


class Mentions:
    """The digits of every text read in a content, whichever engine read it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def add(self, content_id: int, readings: Iterable[Reading]) -> None:
        """Know what was read in a content; the caller has begun a transaction."""
        texts = {text for reading in readings for text in (reading.text, *(text for text, _ in reading.spellings))}
        self._db.executemany(_ADD, [(digits, content_id) for digits in sorted(mentioned(*texts))])

    def names(self, digits: Iterable[str]) -> set[str]:
        """The file names of photos in which such digits were read, or about which anybody has said anything."""
        return {os.fsdecode(row["name"]) for row in self._db.execute(_NAMES, (json.dumps(list(digits)),))}
