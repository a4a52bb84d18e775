"""The tables of an index, and those of its labels, which are their history.

Rows of labels and classes are never changed but for the version up to which they held (``until``, NULL for those that
hold now), so the tables are the history. ``state`` is the version in which a row's content came up first: what an undo
brings back has that of before, which tells a label that somebody has changed from one that is as it was.
"""

from __future__ import annotations

FORMAT = 2
"""Version of the tables; an index of another one has to be made anew."""
FORMAT_WITH_BOXES = 3
"""That of an index whose windows are cut around subjects, which earlier versions of kinema know nothing of."""

TABLES = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE maps (name TEXT PRIMARY KEY, content BLOB NOT NULL);
CREATE TABLE videos (
    id INTEGER PRIMARY KEY AUTOINCREMENT, path TEXT NOT NULL UNIQUE, size INTEGER NOT NULL, mtime INTEGER NOT NULL,
    sha256 TEXT NOT NULL, error TEXT NOT NULL
);
CREATE INDEX videos_by_content ON videos(sha256);
CREATE TABLE windows (
    id INTEGER PRIMARY KEY AUTOINCREMENT, video INTEGER NOT NULL REFERENCES videos(id) ON DELETE CASCADE,
    start REAL NOT NULL, "end" REAL NOT NULL, strength REAL NOT NULL
);
CREATE INDEX windows_by_video ON windows(video, start);
CREATE TABLE vectors (
    id INTEGER PRIMARY KEY REFERENCES windows(id) ON DELETE CASCADE,
    motion BLOB NOT NULL, appearance BLOB NOT NULL, thumbnail BLOB NOT NULL
)"""

BOXES = """
CREATE TABLE boxes (
    id INTEGER PRIMARY KEY REFERENCES windows(id) ON DELETE CASCADE,
    "left" REAL NOT NULL, top REAL NOT NULL, "right" REAL NOT NULL, bottom REAL NOT NULL, subject TEXT NOT NULL,
    run INTEGER NOT NULL
)"""
"""Where windows lie. A run is the windows of one subject of a video: its number tells it from those of all videos."""

STAGED = """
CREATE TABLE staged (
    video INTEGER NOT NULL, start REAL, "end" REAL, strength REAL, motion BLOB, appearance BLOB, thumbnail BLOB
);
CREATE INDEX staged_by_video ON staged(video)"""
STAGED_BOXES = """
CREATE TABLE staged_boxes (
    id INTEGER PRIMARY KEY, "left" REAL, top REAL, "right" REAL, bottom REAL, subject TEXT
)"""
"""Windows of unfinished videos, by the ``rowid`` of :data:`STAGED`; those of a process that was killed are nobody's."""

LABEL_FORMAT = 2
LABELS = ("changes", "classes", "labels")
"""Names of the tables of labels."""
LABEL_TABLES = """
CREATE TABLE changes (
    version INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, "by" TEXT, kind TEXT NOT NULL, of INTEGER
);
CREATE INDEX changes_by_root ON changes(of, version);
CREATE TABLE classes (
    id INTEGER NOT NULL, since INTEGER NOT NULL, until INTEGER, state INTEGER NOT NULL, name TEXT NOT NULL,
    colour TEXT NOT NULL
);
CREATE UNIQUE INDEX classes_now ON classes(name) WHERE until IS NULL;
CREATE TABLE labels (
    row INTEGER PRIMARY KEY, id INTEGER NOT NULL, since INTEGER NOT NULL, until INTEGER, state INTEGER NOT NULL,
    content TEXT NOT NULL, start REAL NOT NULL, "end" REAL NOT NULL, class INTEGER NOT NULL, subject TEXT,
    confidence REAL, "by" TEXT, at REAL NOT NULL
);
CREATE UNIQUE INDEX labels_now ON labels(id) WHERE until IS NULL;
CREATE INDEX labels_by_place ON labels(content, start, "end") WHERE until IS NULL;
CREATE INDEX labels_by_class ON labels(class, start, "end") WHERE until IS NULL;
CREATE INDEX labels_since ON labels(since, id);
CREATE INDEX labels_until ON labels(until, id) WHERE until IS NOT NULL
"""
