"""Which entries of the link tree are ours."""

import json
import os
import sqlite3
from collections.abc import Iterable
from pathlib import Path

from bibwatch.store.schema import parts_of, writing
from bibwatch.values import FileStamp, Link

_REMEMBER = """
INSERT INTO links (path, photo, name, mode, text, stamp, copied) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (path) DO UPDATE SET photo = excluded.photo, name = excluded.name, mode = excluded.mode,
    text = excluded.text, stamp = excluded.stamp, copied = excluded.copied
"""

# Each half is a short walk along an index, so that going through all names costs in line with their number.
_NAMES_AFTER = """
SELECT name FROM (SELECT DISTINCT name FROM photos WHERE name > :after ORDER BY name LIMIT :limit)
UNION
SELECT name FROM (SELECT DISTINCT name FROM links WHERE name > :after ORDER BY name LIMIT :limit)
ORDER BY name LIMIT :limit
"""


class LinkRecords:
    """The record of what bibwatch made on disk: written before the disk is touched, so that a crash orphans nothing."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def owned(self, names: Iterable[str] | None = None) -> dict[Path, Link]:
        """Path -> link, of all entries or of those that lead to photos with these file names."""
        if names is None:
            rows = self._db.execute("SELECT * FROM links").fetchall()
        else:
            sql = "SELECT * FROM links WHERE name IN"
            rows = [row for part, given in parts_of(names) for row in self._db.execute(f"{sql} {part}", given)]
        links = (_link(row) for row in rows)
        return {link.path: link for link in links}

    def get(self, path: Path) -> Link | None:
        """The entry of ours at this path."""
        row = self._db.execute("SELECT * FROM links WHERE path = ?", (os.fsencode(path),)).fetchone()
        return None if row is None else _link(row)

    def names_after(self, name: str | None, limit: int) -> list[str]:
        """The next file names of photos and of linked photos, in the order of their bytes."""
        given = {"after": os.fsencode(name or ""), "limit": limit}
        return [os.fsdecode(row["name"]) for row in self._db.execute(_NAMES_AFTER, given)]

    def remember(self, links: Iterable[Link]) -> None:
        """These entries are ours, or are about to be."""
        with writing(self._db):
            self._db.executemany(_REMEMBER, [_row(link) for link in links])

    def forget(self, paths: Iterable[Path]) -> None:
        """These entries are not ours any more."""
        with writing(self._db):
            self._db.executemany("DELETE FROM links WHERE path = ?", [(os.fsencode(path),) for path in paths])

    def remember_folder(self, path: Path) -> None:
        """This folder is ours: it may go once it is empty."""
        with writing(self._db):
            self._db.execute("INSERT INTO link_folders VALUES (?) ON CONFLICT DO NOTHING", (os.fsencode(path),))

    def forget_folder(self, path: Path) -> None:
        """This folder is not ours any more."""
        with writing(self._db):
            self._db.execute("DELETE FROM link_folders WHERE path = ?", (os.fsencode(path),))

    def owns_folder(self, path: Path) -> bool:
        """Whether we made this folder."""
        sql = "SELECT 1 FROM link_folders WHERE path = ?"
        return self._db.execute(sql, (os.fsencode(path),)).fetchone() is not None

    def count(self) -> int:
        """How many entries are ours."""
        return int(self._db.execute("SELECT count(*) FROM links").fetchone()[0])


def _row(link: Link) -> tuple[object, ...]:
    stamp = None if link.stamp is None else json.dumps(link.stamp)
    text = None if link.text is None else os.fsencode(link.text)
    copied = None if link.copied is None else json.dumps(link.copied)
    place = (os.fsencode(link.path), os.fsencode(link.photo), os.fsencode(link.photo.name))
    return *place, link.mode, text, stamp, copied


def _link(row: sqlite3.Row) -> Link:
    return Link(
        Path(os.fsdecode(row["path"])),
        Path(os.fsdecode(row["photo"])),
        row["mode"],
        None if row["text"] is None else os.fsdecode(row["text"]),
        None if row["stamp"] is None else FileStamp(*json.loads(row["stamp"])),
        None if row["copied"] is None else tuple(json.loads(row["copied"])),
    )
