"""The durable queue: photos as the folders hold them, and each one's turn."""

import os
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from operator import itemgetter
from pathlib import Path
from types import MappingProxyType

from bibwatch.store.schema import IMPORTED, below, writing
from bibwatch.values import ALL_NAMES, Job, NameRange, Photo, Sighting

NOT_SEEN: Mapping[Path, bytes] = MappingProxyType({})

_ADD_PHOTO = """
INSERT INTO photos (dir, name, size, mtime_ns, place) VALUES (:dir, :name, :size, :mtime_ns, :place)
ON CONFLICT (dir, name) DO UPDATE
SET size = excluded.size, mtime_ns = excluded.mtime_ns, place = coalesce(excluded.place, place)
RETURNING id
"""
_ADD_JOB = """
INSERT INTO jobs (photo_id, version, state, attempts, ready_at, changed_at)
VALUES (:photo_id, 1, 'waiting', 0, :now, :now)
ON CONFLICT (photo_id) DO UPDATE SET version = version + 1, state = 'waiting', attempts = 0,
    ready_at = excluded.ready_at, changed_at = excluded.changed_at, error = NULL
"""
# The attempt counts when it is claimed, so that one that ends the machine counts too.
_CLAIM = """
UPDATE jobs SET state = 'reading', attempts = attempts + 1, changed_at = :now
WHERE photo_id IN (
    SELECT photo_id FROM jobs WHERE state = 'waiting' AND ready_at <= :now ORDER BY ready_at, photo_id LIMIT :most
)
RETURNING photo_id, version, attempts, ready_at
"""
_FAIL = """
UPDATE jobs SET state = 'failed', error = :error, changed_at = :now
WHERE photo_id = :photo_id AND version = :version AND state = 'reading'
"""
_WAIT_AGAIN = """
UPDATE jobs SET state = 'waiting', ready_at = :ready_at, attempts = attempts - :refund, error = :error
WHERE photo_id = :photo_id AND version = :version AND state = 'reading'
"""
_UNREAD_BY = f"""
UPDATE jobs SET state = 'waiting', attempts = 0, ready_at = :now, changed_at = :now
WHERE state = 'done' AND photo_id IN (
    SELECT photos.id FROM photos WHERE NOT EXISTS (
        SELECT 1 FROM reads JOIN engines ON engines.id = reads.engine_id
        WHERE reads.content_id = photos.content_id AND engines.fingerprint IN (:engine, '{IMPORTED}')
    )
)
"""


class Queue:
    """Photos and their jobs. Every method is one transaction.

    Times are seconds since the epoch by a clock that does not jump while the service lives, since a job's turn comes
    by it; `recover` mends what an earlier life's clock said.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def add(self, photos: Iterable[Photo], now: float, places: Mapping[Path, bytes] = NOT_SEEN) -> None:
        """Queue these versions; a photo already known gets a new version and a fresh turn.

        `places` says of folders in which place they were when the photos were seen there.
        """
        with writing(self._db):
            for photo in photos:
                self._db.execute(_ADD_JOB, {"photo_id": self._id_of(photo, places), "now": now})

    def add_done(self, photo: Photo, content_id: int, now: float) -> None:
        """Know this version as one whose content is read; the caller has begun a transaction."""
        row = {"photo_id": self._id_of(photo), "content_id": content_id, "now": now}
        self._db.execute("UPDATE photos SET content_id = :content_id WHERE id = :photo_id", row)
        self._db.execute(_ADD_JOB, row)
        self._db.execute("UPDATE jobs SET state = 'done' WHERE photo_id = :photo_id", row)

    def remove(self, paths: Iterable[Path]) -> list[Path]:
        """Forget photos that are gone; what was read of their content stays. Returns those that were known."""
        sql = "DELETE FROM photos WHERE dir = :dir AND name = :name"
        with writing(self._db):
            return [path for path in paths if self._db.execute(sql, _key(path)).rowcount]

    def keep_only(self, is_watched: Callable[[Path], bool]) -> None:
        """Forget the photos that the config does not cover any more; what was read of their content stays."""
        rows = self._db.execute("SELECT id, dir, name FROM photos").fetchall()
        lost = [row["id"] for row in rows if not is_watched(_path(row["dir"]) / os.fsdecode(row["name"]))]
        with writing(self._db):
            self._db.executemany("DELETE FROM photos WHERE id = ?", [(photo_id,) for photo_id in lost])

    def known_in(self, folder: Path, names: NameRange = ALL_NAMES) -> dict[str, Sighting]:
        """The photos known in one folder, by name."""
        sql = "SELECT name, size, mtime_ns, place FROM photos WHERE dir = ? AND name > ? AND name <= ?"
        rows = self._db.execute(sql, (os.fsencode(folder), *names))
        rows.row_factory = None
        places: dict[bytes | None, bytes | None] = {}  # one object for each: there are thousands of photos in a place
        return {
            os.fsdecode(name): Sighting((size, mtime_ns), places.setdefault(place, place))
            for name, size, mtime_ns, place in rows
        }

    def sighting(self, path: Path) -> Sighting | None:
        """What is known of a photo, or None where it is not known."""
        sql = "SELECT size, mtime_ns, place FROM photos WHERE dir = :dir AND name = :name"
        row = self._db.execute(sql, _key(path)).fetchone()
        return None if row is None else Sighting((row["size"], row["mtime_ns"]), row["place"])

    def seen_at(self, places: Mapping[Path, bytes | None]) -> None:
        """Each of these known photos is in this place now, or nobody knows where."""
        sql = "UPDATE photos SET place = :place WHERE dir = :dir AND name = :name"
        with writing(self._db):
            self._db.executemany(sql, ({**_key(path), "place": place} for path, place in places.items()))

    def known_folders(self, root: Path) -> list[Path]:
        """The folders at and below `root` that hold known photos."""
        sql = "SELECT DISTINCT dir FROM photos WHERE dir = ? OR (dir >= ? AND dir < ?)"
        return [_path(row["dir"]) for row in self._db.execute(sql, below(root))]

    def awaits_first_reading(self, path: Path) -> bool:
        """Whether the photo waits for its turn and was never read before."""
        sql = """SELECT 1 FROM photos JOIN jobs ON jobs.photo_id = photos.id
                 WHERE dir = :dir AND name = :name AND content_id IS NULL AND state IN ('waiting', 'reading')"""
        return self._db.execute(sql, _key(path)).fetchone() is not None

    def state_of(self, path: Path) -> tuple[str, str | None] | None:
        """The state of a photo's job, and its last error; None where the photo is not known."""
        sql = "SELECT state, error FROM jobs JOIN photos ON photos.id = jobs.photo_id WHERE dir = :dir AND name = :name"
        row = self._db.execute(sql, _key(path)).fetchone()
        return None if row is None else (row["state"], row["error"])

    def paths(self) -> list[Path]:
        """Every photo known, whatever came of its turn."""
        rows = self._db.execute("SELECT dir, name FROM photos ORDER BY id")
        return [_path(row["dir"]) / os.fsdecode(row["name"]) for row in rows]

    def claim(self, now: float, most: int) -> list[Job]:
        """Take the next waiting jobs whose time has come, so many at most, and count the attempt of each."""
        with writing(self._db):
            claimed = self._db.execute(_CLAIM, {"now": now, "most": most}).fetchall()
            claimed.sort(key=itemgetter("ready_at", "photo_id"))  # SQLite returns them in any order
            return [self._job(row) for row in claimed]

    def has_work(self, now: float) -> bool:
        """Whether a waiting job's time has come, or one waits for its next try."""
        sql = "SELECT 1 FROM jobs WHERE state = 'waiting' AND (ready_at <= ? OR error IS NOT NULL) LIMIT 1"
        return self._db.execute(sql, (now,)).fetchone() is not None

    def fail(self, job: Job, error: str, now: float) -> bool:
        """This version cannot be read; what an older version at its path said no longer counts.

        False where the job is no longer this version's, or has ended.
        """
        row = {"photo_id": job.photo_id, "version": job.version, "error": error, "now": now}
        with writing(self._db):
            failed = self._db.execute(_FAIL, row).rowcount == 1
            if failed:
                self._db.execute("UPDATE photos SET content_id = NULL WHERE id = ?", (job.photo_id,))
        return failed

    def wait_again(self, job: Job, ready_at: float, *, error: str | None = None, refund: bool = False) -> None:
        """Put a claimed job back; `refund` where the attempt says nothing about the photo."""
        row = {"photo_id": job.photo_id, "version": job.version, "ready_at": ready_at, "error": error, "refund": refund}
        with writing(self._db):
            self._db.execute(_WAIT_AGAIN, row)

    def recover(self, now: float) -> int:
        """While no child has a photo: those left in the middle wait again, and no time lies ahead, whatever the clock
        said before. Returns how many were left."""
        with writing(self._db):
            sql = "UPDATE jobs SET state = 'waiting', ready_at = ? WHERE state = 'reading'"
            left = self._db.execute(sql, (now,)).rowcount
            for column in ("ready_at", "changed_at"):
                self._db.execute(f"UPDATE jobs SET {column} = :now WHERE {column} > :now", {"now": now})
        return left

    def retry(self, now: float) -> int:
        """Let every failed photo wait again, with all its tries. Returns how many."""
        sql = """UPDATE jobs SET state = 'waiting', attempts = 0, ready_at = 0, changed_at = ?, error = NULL
                 WHERE state = 'failed'"""
        with writing(self._db):
            return self._db.execute(sql, (now,)).rowcount

    def wait_for_engine(self, engine: str, now: float) -> int:
        """Queue again every done photo whose content this engine has not read, nor an import. Returns how many."""
        with writing(self._db):
            return self._db.execute(_UNREAD_BY, {"engine": engine, "now": now}).rowcount

    def counts(self) -> dict[str, int]:
        """State -> number of jobs."""
        counts = dict.fromkeys(("waiting", "reading", "done", "failed"), 0)
        rows = self._db.execute("SELECT state, count(*) AS n FROM jobs GROUP BY state")
        return counts | {row["state"]: row["n"] for row in rows}

    def waiting_since(self) -> float | None:
        """When the photo was queued that has waited longest."""
        oldest = self._db.execute("SELECT min(changed_at) FROM jobs WHERE state = 'waiting'").fetchone()[0]
        return None if oldest is None else float(oldest)

    def failed(self, limit: int) -> list[tuple[Path, str]]:
        """The photos that failed last, newest first, each with its reason."""
        sql = """SELECT dir, name, error FROM jobs JOIN photos ON photos.id = jobs.photo_id
                 WHERE state = 'failed' ORDER BY changed_at DESC, photo_id DESC LIMIT ?"""
        return [(_path(row["dir"]) / os.fsdecode(row["name"]), row["error"]) for row in self._db.execute(sql, (limit,))]

    def newest(self, limit: int) -> list[Path]:
        """The photos that were done last, newest first."""
        sql = """SELECT dir, name FROM jobs JOIN photos ON photos.id = jobs.photo_id
                 WHERE state = 'done' ORDER BY changed_at DESC, photo_id DESC LIMIT ?"""
        return [_path(row["dir"]) / os.fsdecode(row["name"]) for row in self._db.execute(sql, (limit,))]

    def _job(self, row: sqlite3.Row) -> Job:
        photo = self._db.execute("SELECT * FROM photos WHERE id = ?", (row["photo_id"],)).fetchone()
        path = _path(photo["dir"]) / os.fsdecode(photo["name"])
        return Job(row["photo_id"], row["version"], Photo(path, photo["size"], photo["mtime_ns"]), row["attempts"])

    def _id_of(self, photo: Photo, places: Mapping[Path, bytes] = NOT_SEEN) -> int:
        row = {"size": photo.size, "mtime_ns": photo.mtime_ns, "place": places.get(photo.path.parent)}
        row |= _key(photo.path)
        return int(self._db.execute(_ADD_PHOTO, row).fetchone()["id"])


def _key(path: Path) -> dict[str, bytes]:
    return {"dir": os.fsencode(path.parent), "name": os.fsencode(path.name)}


def _path(raw: bytes) -> Path:
    return Path(os.fsdecode(raw))
