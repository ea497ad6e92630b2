"""One process per file, and a database that is always at the schema that the program knows."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from bot.chat.ports import StoreUnavailable
from bot.storage.schema import HEAD, FileLock, migrate, upgrade
from bot.storage.tables import metadata

HOLDER = """
import sys
from pathlib import Path
from bot.storage.schema import FileLock
with FileLock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "herald.lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(StoreUnavailable, match=rf"pid {holder.pid}\b"), FileLock(path):
            pass
        holder.kill()
        holder.wait(30)
    with FileLock(path), pytest.raises(StoreUnavailable, match="another process"), FileLock(path):
        pass
    with FileLock(path):
        pass


def test_a_longer_pid_of_before_does_not_remain(tmp_path: Path) -> None:
    path = tmp_path / "herald.lock"
    path.write_text("12345678901234567890")
    with FileLock(path):
        assert path.read_text().isdecimal()
        assert len(path.read_text()) < 20


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="cannot write to"), FileLock(tmp_path / "missing" / "herald.lock"):
        pass


def schema(path: Path) -> list[tuple[str, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY name").fetchall()


def test_an_empty_file_gets_all_tables_and_a_second_time_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "herald.db"
    migrate(path)
    first = schema(path)
    assert {name for kind, name, _ in first if kind == "table"} >= set(metadata.tables)
    migrate(path)
    assert schema(path) == first


def test_the_migrations_make_what_the_tables_say(tmp_path: Path) -> None:
    path = tmp_path / "herald.db"
    upgrade(path)
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def columns(path: Path) -> dict[str, list[tuple[object, ...]]]:
    with closing(sqlite3.connect(path)) as connection:
        return {name: connection.execute(f"PRAGMA table_info({name})").fetchall() for name in metadata.tables}


def test_the_migrations_and_the_tables_agree_on_every_column_and_default(tmp_path: Path) -> None:
    """A new file is made at once, an old one migrated: both must end as the same."""
    upgrade(tmp_path / "migrated.db")
    migrate(tmp_path / "made.db")
    assert columns(tmp_path / "migrated.db") == columns(tmp_path / "made.db")
    names = [[row[:2] for row in schema(tmp_path / name)] for name in ("migrated.db", "made.db")]
    assert names[0] == names[1]


def test_head_is_the_newest_migration() -> None:
    import bot.storage.migrations

    folder = Path(next(iter(bot.storage.migrations.__path__))) / "versions"
    assert max(file.name[:4] for file in folder.glob("[0-9]*.py")) == HEAD


def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "herald.db"
    migrate(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    before = schema(path)
    with pytest.raises(StoreUnavailable, match="newer Herald"):
        migrate(path)
    assert schema(path) == before


def test_what_is_no_database_is_refused_with_advice_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "herald.db"
    path.write_bytes(b"this is no database, but it is long enough to be taken for one" * 100)
    before = path.read_bytes()
    with pytest.raises(StoreUnavailable, match="Restore a backup, or move the file away"):
        migrate(path)
    assert path.read_bytes() == before


def test_a_migration_that_broke_off_is_finished_at_the_next_start(tmp_path: Path) -> None:
    """F17: a table in the way of the last step stands for a crash there."""
    path = tmp_path / "herald.db"
    last = list(metadata.tables)[-1]
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"CREATE TABLE {last} (x)")
    with pytest.raises(StoreUnavailable):
        migrate(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"DROP TABLE {last}")
    migrate(path)
    assert {name for kind, name, _ in schema(path) if kind == "table"} >= set(metadata.tables)


def test_a_locked_file_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "herald.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreUnavailable, match="locked"):
            migrate(path)
