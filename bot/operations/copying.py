"""Whole, consistent copies of SQLite files, made beside whoever else uses them, and the look whether one is whole."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

BUSY_SECONDS = 30.0
"""How long a copy waits for a writer that holds the file."""


def read_only(path: Path) -> str:
    """The URI under which SQLite opens a file without ever changing or creating it."""
    return f"file:{quote(str(path.absolute()))}?mode=ro"


def copy(source: Path, target: Path) -> None:
    """Copy a database into a new file that only its owner can read; what is committed now is in it, and nothing else.

    Under one read lock: a bot that writes ahead (WAL) goes on meanwhile. Raises sqlite3.Error, OSError; blocks.
    """
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with (
        closing(sqlite3.connect(read_only(source), uri=True, timeout=BUSY_SECONDS)) as old,
        closing(sqlite3.connect(target, timeout=BUSY_SECONDS)) as new,
    ):
        old.backup(new)
        new.execute("PRAGMA journal_mode=DELETE")  # one file, whole by itself
    sync(target)


def sync(path: Path) -> None:
    """Have the disk hold a file and its name."""
    for one in (path, path.parent):
        handle = os.open(one, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def damage(path: Path) -> str:
    """What SQLite finds wrong with a file, in its own words; empty for a whole one. Raises sqlite3.Error."""
    with closing(sqlite3.connect(read_only(path), uri=True, timeout=BUSY_SECONDS)) as database:
        found = [str(row[0]) for row in database.execute("PRAGMA integrity_check(3)")]
    return "" if found == ["ok"] else "; ".join(found)


def is_herald(path: Path) -> bool:
    """Whether a SQLite file was made by Herald, by any version. Raises sqlite3.Error."""
    query = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name IN ('alembic_version', 'inbox', 'outbox')"
    with closing(sqlite3.connect(read_only(path), uri=True, timeout=BUSY_SECONDS)) as database:
        return bool(database.execute(query).fetchone()[0] == 3)
