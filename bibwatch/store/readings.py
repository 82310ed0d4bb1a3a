"""What the engines saw, by content."""

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from bibwatch.store.corrections import Corrections
from bibwatch.store.mentions import Mentions
from bibwatch.store.schema import IMPORTED, parts_of, plain_cursor, writing
from bibwatch.values import MOST_IN_BURST, Box, Correction, Job, Reading, ReadPhoto, Shot, Spelling

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
SHOWN_READ = f"""(
    SELECT reads.id FROM reads JOIN engines ON engines.id = reads.engine_id
    WHERE reads.content_id = photos.content_id
    ORDER BY engines.fingerprint = '{IMPORTED}' DESC, engines.fingerprint = :engine DESC, reads.id DESC LIMIT 1
)"""
_READ_PHOTOS = f"""
SELECT photos.id, photos.dir, photos.name, photos.content_id, reads.camera, reads.taken_at, engines.fingerprint,
       reads.width, reads.height,
       readings.text, readings.score, readings.x0, readings.y0, readings.x1, readings.y1, readings.detection_score,
       readings.square_box, readings.spellings
FROM photos
JOIN reads ON reads.id = {SHOWN_READ}
JOIN engines ON engines.id = reads.engine_id
LEFT JOIN readings ON readings.read_id = reads.id
"""
_SHOTS = "SELECT DISTINCT camera, taken_at FROM reads JOIN photos USING (content_id) WHERE name = ? AND camera NOT NULL"
# More photos than any burst has are no burst: the frames of a film, or many cameras of one model.
_IN_TIME = "FROM reads WHERE camera = :camera AND taken_at BETWEEN :first AND :last"
_CONTENTS_AROUND = f"SELECT content_id {_IN_TIME} AND (SELECT count(DISTINCT content_id) {_IN_TIME}) <= {MOST_IN_BURST}"
_from_json = json.JSONDecoder().raw_decode  # spares json.loads' look for blanks around it, a million times


@dataclass(frozen=True, slots=True)
class Seen:
    """All that one engine saw in one content."""

    content: bytes  # SHA-256 of the file's bytes
    engine: str  # IMPORTED where it comes from a CSV
    readings: tuple[Reading, ...]
    width: int  # pixels of the upright photo
    height: int
    seconds: float  # the reading took
    shot: Shot | None = None


class Readings:
    """Readings. Every writing method is one transaction; times are seconds since the epoch."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self._mentions = Mentions(connection)

    def has_read(self, content: bytes, engine: str) -> bool:
        """Whether this engine has read this content, or readings of it were imported."""
        return self._db.execute(_READ_ID, (content, engine)).fetchone() is not None

    def content_of(self, path: Path) -> bytes | None:
        """The SHA-256 that a photo had when it was read last; None where it never was, or could not be."""
        sql = "SELECT sha256 FROM photos JOIN contents ON contents.id = content_id WHERE dir = ? AND name = ?"
        row = self._db.execute(sql, (os.fsencode(path.parent), os.fsencode(path.name))).fetchone()
        return None if row is None else bytes(row["sha256"])

    def finish(self, ended: Sequence[tuple[Job, Seen]], now: float) -> None:
        """Store what was seen and end the jobs, in one transaction.

        Where a photo has moved on to a new version meanwhile, the readings of the old content are kept and the job of
        the new version goes on waiting.
        """
        with writing(self._db):
            for job, seen in ended:
                if not self.has_read(seen.content, seen.engine):
                    self.insert(seen, now)
                self._end(job, seen.content, now)

    def finish_known(self, job: Job, content: bytes, now: float) -> None:
        """End the job of a photo whose content was read before: a copy, a rename, a move."""
        with writing(self._db):
            self._end(job, content, now)

    def read_photos(self, engine: str, names: Iterable[str] | None = None) -> Iterator[ReadPhoto]:
        """Every photo that was read, or only those with these file names, with readings and corrections."""
        if names is None:
            yield from self._shown(engine, "", {})
            return
        for part, given in parts_of(names):
            yield from self._shown(engine, f"WHERE photos.name IN {part}", given)

    def around(self, shot: Shot, within_s: float, engine: str) -> Iterator[ReadPhoto]:
        """The photos that one camera took this soon before a shot, with it, or after it."""
        where = f"WHERE photos.content_id IN ({_CONTENTS_AROUND})"
        yield from self._shown(engine, where, _around(shot, within_s))

    def names_around(self, names: Iterable[str], within_s: float) -> set[str]:
        """The file names of photos that a camera took this soon before or after one of those with these names."""
        shots = {Shot(*row) for name in names for row in self._db.execute(_SHOTS, (os.fsencode(name),))}
        sql = f"SELECT DISTINCT name FROM photos WHERE content_id IN ({_CONTENTS_AROUND})"
        found = (self._db.execute(sql, _around(shot, within_s)) for shot in shots)
        return {os.fsdecode(row["name"]) for rows in found for row in rows}

    def count_reads(self) -> int:
        """How often a content was read by an engine: the inferences whose outcome is stored."""
        sql = "SELECT count(*) FROM reads JOIN engines ON engines.id = reads.engine_id WHERE engines.fingerprint != ?"
        return int(self._db.execute(sql, (IMPORTED,)).fetchone()[0])

    def insert(self, seen: Seen, now: float) -> int:
        """Store what was seen; the caller has begun a transaction. Returns the content's id."""
        content_id = self._id_of("contents", "sha256", seen.content)
        engine_id = self._id_of("engines", "fingerprint", seen.engine)
        read_id = self._db.execute(
            """INSERT INTO reads (content_id, engine_id, width, height, seconds, read_at, camera, taken_at)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING id""",
            (content_id, engine_id, seen.width, seen.height, seen.seconds, now, *(seen.shot or (None, None))),
        ).fetchone()["id"]
        self._db.executemany(
            """INSERT INTO readings (read_id, text, score, x0, y0, x1, y1, detection_score, square_box, spellings)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
            [(read_id, *_row(reading)) for reading in seen.readings],
        )
        self._mentions.add(content_id, seen.readings)
        return content_id

    def _shown(self, engine: str, where: str, given: Mapping[str, object]) -> Iterator[ReadPhoto]:
        said = Corrections(self._db).of_photos(where, given)
        sql = f"{_READ_PHOTOS} {where} ORDER BY photos.id"
        yield from _photos(plain_cursor(self._db).execute(sql, {"engine": engine, **given}), said)

    def _end(self, job: Job, content: bytes, now: float) -> None:
        if self._db.execute(_DONE, {"photo_id": job.photo_id, "version": job.version, "now": now}).rowcount:
            sql = "UPDATE photos SET content_id = (SELECT id FROM contents WHERE sha256 = ?) WHERE id = ?"
            self._db.execute(sql, (content, job.photo_id))

    def _id_of(self, table: str, column: str, value: bytes | str) -> int:
        self._db.execute(f"INSERT INTO {table} ({column}) VALUES (?) ON CONFLICT DO NOTHING", (value,))
        return int(self._db.execute(f"SELECT id FROM {table} WHERE {column} = ?", (value,)).fetchone()["id"])


def _photos(rows: Iterable[tuple[Any, ...]], said: Mapping[int, Sequence[Correction]]) -> Iterator[ReadPhoto]:
    folders: dict[bytes, Path] = {}  # many photos are in each
    for _, group in groupby(rows, key=itemgetter(0)):
        same = list(group)
        _, folder, name, content_id, camera, at, _, width, height, text, *_ = same[0]
        readings = () if text is None else tuple(_reading(*row[6:]) for row in same)
        if (parent := folders.get(folder)) is None:
            parent = folders[folder] = Path(os.fsdecode(folder))
        shot = None if camera is None else Shot(camera, at)
        yield ReadPhoto(parent / os.fsdecode(name), width, height, readings, tuple(said.get(content_id, ())), shot)


def _around(shot: Shot, within_s: float) -> dict[str, str | float]:
    return {"camera": shot.camera, "first": shot.at - within_s, "last": shot.at + within_s}


def _row(reading: Reading) -> tuple[object, ...]:
    square_box = reading.square_box and json.dumps(reading.square_box)
    spelled = [(text, float(f"{probability:.4g}")) for text, probability in reading.spellings]
    spellings = json.dumps(spelled, separators=(",", ":")) if spelled else None
    return reading.text, reading.score, *reading.box, reading.detection_score, square_box, spellings


def _reading(engine: str, _width: int, _height: int, text: str, score: float, *rest: Any) -> Reading:
    x0, y0, x1, y1, detection_score, square_box, spelled = rest
    return Reading(
        text,
        score,
        Box(x0, y0, x1, y1),
        detection_score,
        engine,
        square_box and Box(*json.loads(square_box)),
        tuple(map(Spelling._make, _from_json(spelled)[0])) if spelled else (),
    )
