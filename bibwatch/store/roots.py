"""Where each link root was when links were made in it last."""

import os
import sqlite3
from pathlib import Path

from bibwatch.store.schema import below, writing


class LinkRoots:
    """Link root -> (its place, where its disk was mounted), as `bibwatch.mounts` names both.

    Every writing method is one transaction.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def get(self, root: Path) -> tuple[bytes, Path] | None:
        """Where the link root was, or None where it has never been seen."""
        sql = "SELECT place, point FROM link_roots WHERE path = ?"
        row = self._db.execute(sql, (os.fsencode(root),)).fetchone()
        return None if row is None else (row["place"], Path(os.fsdecode(row["point"])))

    def remember(self, root: Path, place: bytes, point: Path) -> None:
        """The link root is there now."""
        with writing(self._db):
            row = (os.fsencode(root), place, os.fsencode(point))
            self._db.execute("INSERT OR REPLACE INTO link_roots VALUES (?, ?, ?)", row)

    def forget(self, top: Path) -> None:
        """Wherever the link roots at and below this folder are now is right."""
        with writing(self._db):
            self._db.execute("DELETE FROM link_roots WHERE path = ? OR (path >= ? AND path < ?)", below(top))
