"""The tables of labels, which are their history.

Rows of labels and classes are never changed but for the version up to which they held (``until``, NULL for those that
hold now), so the tables are the history. ``state`` is the version in which a row's content came up first: what an undo
brings back has that of before, which tells a label that somebody has changed from one that is as it was.
"""

from __future__ import annotations

FORMAT = 2
NAMES = ("changes", "classes", "labels")

TABLES = """
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
