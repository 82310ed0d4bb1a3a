"""Which disk each folder was on when all its known photos were last seen in it."""

import os
import sqlite3
from pathlib import Path

from bibwatch.store.schema import below, writing


class FolderDisks:
    """Folder -> disk, as `bibwatch.mounts` names disks. Every writing method is one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def all(self) -> dict[Path, str]:
        """Every folder with the disk it was on."""
        rows = self._db.execute("SELECT dir, disk FROM folder_disks")
        return {Path(os.fsdecode(row["dir"])): row["disk"] for row in rows}

    def remember(self, folder: Path, disk: str) -> None:
        """The folder is on this disk now."""
        sql = "INSERT INTO folder_disks VALUES (?, ?) ON CONFLICT (dir) DO UPDATE SET disk = excluded.disk"
        with writing(self._db):
            self._db.execute(sql, (os.fsencode(folder), disk))

    def forget(self, top: Path) -> None:
        """Wherever this folder and those below it are now is right."""
        with writing(self._db):
            self._db.execute("DELETE FROM folder_disks WHERE dir = ? OR (dir >= ? AND dir < ?)", below(top))
