"""What the engines saw, by content, and what people said about it."""

import json
import os
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from bibwatch.store.schema import IMPORTED, writing
from bibwatch.values import Box, Correction, Job, Reading, ReadPhoto

_DONE = """
UPDATE jobs SET state = 'done', error = NULL, changed_at = :now
WHERE photo_id = :photo_id AND version = :version AND state = 'reading'
"""
_READ_ID = f"""
SELECT reads.id FROM reads
JOIN contents ON contents.id = reads.content_id
JOIN engines ON engines.id = reads.engine_id
WHERE contents.sha256 = ? AND engines.fingerprint IN (?, '{IMPORTED}')
"""
# A photo shows what was imported for it, else what its current engine saw, or, until that engine comes to it, what the
# last one saw.
_READ_PHOTOS = f"""
SELECT photos.id, photos.dir, photos.name, photos.content_id, engines.fingerprint, reads.width, reads.height,
       readings.text, readings.score, readings.x0, readings.y0, readings.x1, readings.y1, readings.detection_score,
       readings.square_box
FROM photos
JOIN reads ON reads.id = (
    SELECT reads.id FROM reads JOIN engines ON engines.id = reads.engine_id
    WHERE reads.content_id = photos.content_id
    ORDER BY engines.fingerprint = '{IMPORTED}' DESC, engines.fingerprint = :engine DESC, reads.id DESC LIMIT 1
)
JOIN engines ON engines.id = reads.engine_id
LEFT JOIN readings ON readings.read_id = reads.id
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """All that one engine saw in one content."""

    content: bytes  # SHA-256 of the file's bytes
    engine: str  # IMPORTED where it comes from a CSV
    readings: tuple[Reading, ...]
    width: int  # pixels of the upright photo
    height: int
    seconds: float  # the reading took


class Readings:
    """Readings and corrections. Every writing method is one transaction; times are seconds since the epoch."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def has_read(self, content: bytes, engine: str) -> bool:
        """Whether this engine has read this content, or readings of it were imported."""
        return self._db.execute(_READ_ID, (content, engine)).fetchone() is not None

    def finish(self, job: Job, seen: Seen, now: float) -> None:
        """Store what was seen and end the job, in one transaction.

        Where the photo has moved on to a new version meanwhile, the readings of the old content are kept and the job
        of the new version goes on waiting.
        """
        with writing(self._db):
            if not self.has_read(seen.content, seen.engine):
                self.insert(seen, now)
            self._end(job, seen.content, now)

    def finish_known(self, job: Job, content: bytes, now: float) -> None:
        """End the job of a photo whose content was read before: a copy, a rename, a move."""
        with writing(self._db):
            self._end(job, content, now)

    def correct(self, path: Path, correction: Correction, now: float) -> bool:
        """Store a person's word about the content of the photo at `path`; False where that is not read yet."""
        sql = """INSERT INTO corrections (content_id, kind, bibs, made_at)
                 SELECT content_id, ?, ?, ? FROM photos WHERE dir = ? AND name = ? AND content_id IS NOT NULL"""
        place = (os.fsencode(path.parent), os.fsencode(path.name))
        with writing(self._db):
            row = (correction.kind, json.dumps(correction.bibs), now, *place)
            return self._db.execute(sql, row).rowcount == 1

    def read_photos(self, engine: str, names: Iterable[str] | None = None) -> Iterator[ReadPhoto]:
        """Every photo that was read, or only those with these file names, with readings and corrections."""
        corrections = self._corrections()
        given = {"engine": engine}
        if names is None:
            yield from _photos(self._db.execute(f"{_READ_PHOTOS} ORDER BY photos.id", given), corrections)
            return
        for name in names:
            sql = f"{_READ_PHOTOS} WHERE photos.name = :name ORDER BY photos.id"
            yield from _photos(self._db.execute(sql, given | {"name": os.fsencode(name)}), corrections)

    def count_reads(self) -> int:
        """How often a content was read by an engine: the inferences whose outcome is stored."""
        sql = "SELECT count(*) FROM reads JOIN engines ON engines.id = reads.engine_id WHERE engines.fingerprint != ?"
        return int(self._db.execute(sql, (IMPORTED,)).fetchone()[0])

    def insert(self, seen: Seen, now: float) -> int:
        """Store what was seen; the caller has begun a transaction. Returns the content's id."""
        content_id = self._id_of("contents", "sha256", seen.content)
        engine_id = self._id_of("engines", "fingerprint", seen.engine)
        read_id = self._db.execute(
            """INSERT INTO reads (content_id, engine_id, width, height, seconds, read_at)
               VALUES (?, ?, ?, ?, ?, ?) RETURNING id""",
            (content_id, engine_id, seen.width, seen.height, seen.seconds, now),
        ).fetchone()["id"]
        self._db.executemany(
            """INSERT INTO readings (read_id, text, score, x0, y0, x1, y1, detection_score, square_box)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)""",
            [
                (read_id, r.text, r.score, *r.box, r.detection_score, r.square_box and json.dumps(r.square_box))
                for r in seen.readings
            ],
        )
        return content_id

    def _end(self, job: Job, content: bytes, now: float) -> None:
        if self._db.execute(_DONE, {"photo_id": job.photo_id, "version": job.version, "now": now}).rowcount:
            sql = "UPDATE photos SET content_id = (SELECT id FROM contents WHERE sha256 = ?) WHERE id = ?"
            self._db.execute(sql, (content, job.photo_id))

    def _id_of(self, table: str, column: str, value: bytes | str) -> int:
        self._db.execute(f"INSERT INTO {table} ({column}) VALUES (?) ON CONFLICT DO NOTHING", (value,))
        return int(self._db.execute(f"SELECT id FROM {table} WHERE {column} = ?", (value,)).fetchone()["id"])

    def _corrections(self) -> dict[int, list[Correction]]:
        by_content: dict[int, list[Correction]] = defaultdict(list)
        for row in self._db.execute("SELECT content_id, kind, bibs FROM corrections ORDER BY id"):
            by_content[row["content_id"]].append(Correction(row["kind"], tuple(json.loads(row["bibs"]))))
        return by_content


def _photos(rows: Iterable[sqlite3.Row], corrections: dict[int, list[Correction]]) -> Iterator[ReadPhoto]:
    for _, group in groupby(rows, key=lambda row: row["id"]):
        same = list(group)
        first = same[0]
        readings = tuple(_reading(row) for row in same if row["text"] is not None)
        path = Path(os.fsdecode(first["dir"]), os.fsdecode(first["name"]))
        said = tuple(corrections.get(first["content_id"], ()))
        yield ReadPhoto(path, first["width"], first["height"], readings, said)


def _reading(row: sqlite3.Row) -> Reading:
    box = Box(row["x0"], row["y0"], row["x1"], row["y1"])
    square_box = None if row["square_box"] is None else Box(*json.loads(row["square_box"]))
    return Reading(row["text"], row["score"], box, row["detection_score"], row["fingerprint"], square_box)
