"""The tables, and how they came about: each step once, on every database."""

import json

from bibwatch.values import mentioned

# A content is the bytes of a picture; photos are the places where it lies. Paths are bytes, as Linux has them.
FIRST_TABLES = (
    "CREATE TABLE contents (id INTEGER PRIMARY KEY, sha256 BLOB NOT NULL UNIQUE)",
    # AUTOINCREMENT: a late answer about a photo that is gone must not meet another photo under its id.
    """CREATE TABLE photos (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        dir BLOB NOT NULL,
        name BLOB NOT NULL,
        size INTEGER NOT NULL,  -- bytes
        mtime_ns INTEGER NOT NULL,
        content_id INTEGER REFERENCES contents (id),  -- of the last version that was read
        UNIQUE (dir, name)
    )""",
    "CREATE INDEX photos_by_name ON photos (name)",
    "CREATE INDEX photos_by_content ON photos (content_id)",
    # `version` counts the photo's versions, so that a late answer about an old one is known.
    """CREATE TABLE jobs (
        photo_id INTEGER PRIMARY KEY REFERENCES photos (id) ON DELETE CASCADE,
        version INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('waiting', 'reading', 'done', 'failed')),
        attempts INTEGER NOT NULL,
        ready_at REAL NOT NULL,  -- seconds since the epoch
        changed_at REAL NOT NULL,
        error TEXT
    )""",
    "CREATE INDEX jobs_by_turn ON jobs (state, ready_at, photo_id)",
    "CREATE INDEX jobs_by_change ON jobs (state, changed_at)",
    "CREATE TABLE engines (id INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL UNIQUE)",
    # One row for each content and engine that read it: it is there even where no text was found.
    """CREATE TABLE reads (
        id INTEGER PRIMARY KEY,
        content_id INTEGER NOT NULL REFERENCES contents (id),
        engine_id INTEGER NOT NULL REFERENCES engines (id),
        width INTEGER NOT NULL,  -- pixels of the upright photo
        height INTEGER NOT NULL,
        seconds REAL NOT NULL,
        read_at REAL NOT NULL,
        UNIQUE (content_id, engine_id)
    )""",
    """CREATE TABLE readings (
        id INTEGER PRIMARY KEY,
        read_id INTEGER NOT NULL REFERENCES reads (id),
        text TEXT NOT NULL,
        score REAL NOT NULL,
        x0 INTEGER NOT NULL,
        y0 INTEGER NOT NULL,
        x1 INTEGER NOT NULL,
        y1 INTEGER NOT NULL,
        detection_score REAL NOT NULL
    )""",
    "CREATE INDEX readings_by_read ON readings (read_id)",
    """CREATE TABLE corrections (
        id INTEGER PRIMARY KEY,
        content_id INTEGER NOT NULL REFERENCES contents (id),
        kind TEXT NOT NULL CHECK (kind IN ('set', 'add', 'remove')),
        bibs TEXT NOT NULL,  -- a JSON list
        made_at REAL NOT NULL
    )""",
    "CREATE INDEX corrections_by_content ON corrections (content_id)",
    # What bibwatch made on disk; a row is written before the disk is touched.
    """CREATE TABLE links (
        path BLOB PRIMARY KEY,
        photo BLOB NOT NULL,
        name BLOB NOT NULL,  -- of the photo's file
        mode TEXT NOT NULL CHECK (mode IN ('symlink', 'hardlink', 'copy')),
        text BLOB,  -- what a symlink holds
        stamp TEXT,  -- of a hardlink or copy, as a JSON list
        copied TEXT  -- the version of the photo that a copy was made from, as a JSON list
    )""",
    "CREATE INDEX links_by_name ON links (name)",
    "CREATE TABLE link_folders (path BLOB PRIMARY KEY)",
    # What the running service last said about itself, as JSON.
    "CREATE TABLE pulse (id INTEGER PRIMARY KEY CHECK (id = 1), beat_at REAL NOT NULL, health TEXT NOT NULL)",
)

# A reading by the engine dossard keeps its box in the padded square, as a JSON list: the notebook's CSV holds that one.
SQUARE_BOXES = ("ALTER TABLE readings ADD COLUMN square_box TEXT",)

# Which disk a folder was on when it was last whole: a photo missing on another disk is out of sight, not deleted.
FOLDER_DISKS = ("CREATE TABLE folder_disks (dir BLOB PRIMARY KEY, disk TEXT NOT NULL)",)

# Where each photo was seen last: one that is missing in another place is out of sight, not deleted. And where the link
# root was, with the folder that its disk was mounted at: links are not made in the bare folder below it.
PLACES = (
    "ALTER TABLE photos ADD COLUMN place BLOB",
    "CREATE TABLE link_roots (path BLOB PRIMARY KEY, place BLOB NOT NULL, point BLOB NOT NULL)",
    # A disk was told as its mount point, a blank, and its name. In a place that nothing has, the mount point decides.
    """INSERT INTO link_roots
       SELECT dir, x'', CAST(rtrim(rtrim(disk, replace(disk, ' ', ''))) AS BLOB) FROM folder_disks WHERE disk != ''""",
    "DROP TABLE folder_disks",
)

# What else a text may be, as the recogniser tells it: a JSON list of texts and probabilities, likeliest first.
SPELLINGS = ("ALTER TABLE readings ADD COLUMN spellings TEXT",)

# What the event's bibs look like, as its readings showed when that was last looked at, as JSON.
EVENTS = ("CREATE TABLE events (id INTEGER PRIMARY KEY CHECK (id = 1), learned TEXT NOT NULL)",)

# File names of photos that a person has just said something about: their links follow before all others.
CORRECTED = ("CREATE TABLE corrected_names (name BLOB PRIMARY KEY)",)

# When and by which camera a content was taken, where its file says so.
SHOTS = (
    "ALTER TABLE reads ADD COLUMN camera TEXT",
    "ALTER TABLE reads ADD COLUMN taken_at REAL",
    "CREATE INDEX reads_by_shot ON reads (camera, taken_at) WHERE camera NOT NULL",
)

# The digits of all texts read in a content, so that the photos of one bib are found without looking at all of them.
MENTIONS = (
    """CREATE TABLE mentions (
        digits TEXT NOT NULL,
        content_id INTEGER NOT NULL REFERENCES contents (id),
        PRIMARY KEY (digits, content_id)
    ) WITHOUT ROWID""",
    """INSERT OR IGNORE INTO mentions
       SELECT found.value, reads.content_id FROM readings JOIN reads ON reads.id = readings.read_id,
       json_each(mentioned(readings.text, readings.spellings)) AS found""",
)

MIGRATIONS = {
    "0001_first_tables": FIRST_TABLES,
    "0002_square_boxes": SQUARE_BOXES,
    "0003_folder_disks": FOLDER_DISKS,
    "0004_places": PLACES,
    "0005_spellings": SPELLINGS,
    "0006_events": EVENTS,
    "0007_corrected_names": CORRECTED,
    "0008_shots": SHOTS,
    "0009_mentions": MENTIONS,
}


def mentioned_as_json(text: str, spellings: str | None) -> str:
    """`mentioned` in SQL: the digits of a stored reading, as a JSON list."""
    texts = {text, *(spelled for spelled, _ in json.loads(spellings or "[]"))}
    return json.dumps(sorted(mentioned(*texts)))
