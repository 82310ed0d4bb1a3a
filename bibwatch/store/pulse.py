"""What the running service last said about itself, for `status` in another process."""

import json
import sqlite3
from typing import Any

from bibwatch.store.schema import writing


class Pulse:
    """One row: the time of the last beat and the service's health as plain JSON values."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def beat(self, health: dict[str, Any], now: float) -> None:
        """Say how the service is, at this time (seconds since the epoch)."""
        sql = """INSERT INTO pulse (id, beat_at, health) VALUES (1, ?, ?)
                 ON CONFLICT (id) DO UPDATE SET beat_at = excluded.beat_at, health = excluded.health"""
        with writing(self._db):
            self._db.execute(sql, (now, json.dumps(health)))

    def last(self) -> tuple[float, dict[str, Any]] | None:
        """The last beat's time and health, or None where no service ever ran."""
        row = self._db.execute("SELECT beat_at, health FROM pulse").fetchone()
        return None if row is None else (row["beat_at"], json.loads(row["health"]))
