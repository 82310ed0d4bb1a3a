"""The photos by their ids, for those who look at them while others read them."""

import os
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from bibwatch.store.schema import parts_of, plain_cursor
from bibwatch.values import Photo

_SHOTS = "SELECT photo_id, dir, name, changed_at FROM jobs JOIN photos ON photos.id = jobs.photo_id"
_ENDED = f"""
{_SHOTS} WHERE state = :state AND changed_at BETWEEN :at AND :until AND (changed_at > :at OR photo_id > :photo_id)
ORDER BY changed_at, photo_id LIMIT :limit
"""


class Place(NamedTuple):
    """Where a photo lies, and when its turn changed last."""

    photo_id: int
    path: Path
    changed_at: float  # seconds since the epoch, by the service's clock

    @property
    def when(self) -> tuple[float, int]:
        """What turns that ended are told in the order of."""
        return self.changed_at, self.photo_id


class Album:
    """Questions only; each is as the database stands at that moment."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def after(self, photo_id: int, limit: int) -> list[Place]:
        """The next photos by id, whatever their turns came to."""
        return self._places(f"{_SHOTS} WHERE photo_id > ? ORDER BY photo_id LIMIT ?", (photo_id, limit))

    def ended(self, when: tuple[float, int], until: float, limit: int) -> list[Place]:
        """The next photos whose turns ended behind `when`, and not later than `until`, in the order of their ends.

        A database that was tended with its clock ahead may hold ends that are still to come.
        """
        given = {"at": when[0], "photo_id": when[1], "until": until, "limit": limit}
        found = [place for state in ("done", "failed") for place in self._places(_ENDED, given | {"state": state})]
        return sorted(found, key=lambda place: place.when)[:limit]

    def named(self, names: Iterable[str]) -> list[Place]:
        """The photos with these file names."""
        asked = ((f"{_SHOTS} WHERE name IN {part}", given) for part, given in parts_of(names))
        return [place for sql, given in asked for place in self._places(sql, given)]

    def read_ids(self) -> set[int]:
        """Every photo whose content is known."""
        sql = "SELECT id FROM photos WHERE content_id NOT NULL"
        return {photo_id for (photo_id,) in plain_cursor(self._db).execute(sql)}

    def count(self) -> tuple[int, int]:
        """How many photos there are, and of how many the content is known."""
        photos, read = self._db.execute("SELECT count(*), count(content_id) FROM photos").fetchone()
        return photos, read

    def photo(self, photo_id: int) -> Photo | None:
        """The version of a photo that was queued last; None where there is no such photo."""
        row = self._db.execute("SELECT dir, name, size, mtime_ns FROM photos WHERE id = ?", (photo_id,)).fetchone()
        return None if row is None else Photo(_path(row["dir"], row["name"]), row["size"], row["mtime_ns"])

    def _places(self, sql: str, given: Sequence[object] | Mapping[str, object]) -> list[Place]:
        rows = plain_cursor(self._db).execute(sql, given)
        return [Place(photo_id, _path(folder, name), changed_at) for photo_id, folder, name, changed_at in rows]


def _path(folder: bytes, name: bytes) -> Path:
    return Path(os.fsdecode(folder)) / os.fsdecode(name)
