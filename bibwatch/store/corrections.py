"""What people said about photos, by content, and whose links are to follow it."""

import json
import os
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping

from bibwatch.store.schema import plain_cursor, writing
from bibwatch.values import Correction

_CONTENT = "(SELECT id FROM contents WHERE sha256 = :content)"
# Copies of one photo are one content: all of them follow.
_NAMES = f"""
INSERT OR IGNORE INTO corrected_names SELECT DISTINCT name FROM photos WHERE content_id = {_CONTENT}
"""
_ADD = """
INSERT INTO corrections (content_id, kind, bibs, made_at)
SELECT id, :kind, :bibs, :now FROM contents WHERE sha256 = :content
"""
# What was said in one breath has one time.
_UNDO = f"""
DELETE FROM corrections WHERE content_id = {_CONTENT} AND made_at = (
    SELECT made_at FROM corrections WHERE content_id = {_CONTENT} ORDER BY id DESC LIMIT 1
)
"""
_SAID = "SELECT content_id, kind, bibs, made_at FROM corrections"


class Corrections:
    """Every writing method is one transaction; times are seconds since the epoch."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def add(self, content: bytes, words: Iterable[Correction], now: float) -> bool:
        """Store what a person says about a content, by its SHA-256; False where that was never read."""
        said = [{"kind": word.kind, "bibs": json.dumps(word.bibs), "now": now} for word in words]
        return self._change(_ADD, content, said)

    def undo(self, content: bytes) -> bool:
        """Forget what was said last about a content; False where that is nothing."""
        return self._change(_UNDO, content, [{}])

    def of_photos(self, where: str, given: Mapping[str, object]) -> dict[int, list[Correction]]:
        """Content's id -> what was said about it, oldest first, of the photos that an SQL condition tells."""
        found: dict[int, list[Correction]] = defaultdict(list)
        sql = f"{_SAID} WHERE content_id IN (SELECT content_id FROM photos {where}) ORDER BY id"
        for row in self._db.execute(sql, given):
            found[row["content_id"]].append(_correction(row))
        return found

    def marks(self) -> dict[int, tuple[int, int, float]]:
        """Content's id -> what changes with every word about it, and with every one that is taken back."""
        sql = "SELECT content_id, count(*), max(id), max(made_at) FROM corrections GROUP BY content_id"
        return {content_id: tuple(mark) for content_id, *mark in plain_cursor(self._db).execute(sql)}

    def names_of(self, content_ids: Iterable[int]) -> set[str]:
        """The file names of the photos with these contents."""
        sql = "SELECT name FROM photos WHERE content_id IN (SELECT value FROM json_each(?))"
        return {os.fsdecode(row["name"]) for row in self._db.execute(sql, (json.dumps(sorted(content_ids)),))}

    def names_wait(self) -> bool:
        """Whether there are names that `take_names` would tell."""
        return self._db.execute("SELECT 1 FROM corrected_names").fetchone() is not None

    def take_names(self) -> list[str]:
        """The file names of photos about which something was said since this was last asked."""
        names = [os.fsdecode(row["name"]) for row in self._db.execute("SELECT name FROM corrected_names")]
        if names:
            with writing(self._db):
                self._db.executemany(
                    "DELETE FROM corrected_names WHERE name = ?", [(os.fsencode(name),) for name in names]
                )
        return names

    def _change(self, sql: str, content: bytes, rows: Iterable[dict[str, object]]) -> bool:
        given = {"content": content}
        with writing(self._db):
            changed = sum(self._db.execute(sql, given | row).rowcount for row in rows)
            if changed:
                self._db.execute(_NAMES, given)
            return changed > 0


def _correction(row: sqlite3.Row) -> Correction:
    return Correction(row["kind"], tuple(json.loads(row["bibs"])), row["made_at"])
