"""What a backup is, and which files are not restored."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bot.locales import LANGUAGES
from bot.operations import backup as copies
from bot.operations.databases import FILE, Database
from bot.operations.faults import OperationFault
from bot.operations.safety import Made, is_order
from bot.storage.schema import FileLock, migrate


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    migrate(folder / "herald.db")
    return folder


def backup(data: Path, file: Path) -> None:
    copies.backup(Database(data / FILE), file)


def restore(data: Path, file: Path) -> tuple[Made, Path | None]:
    return copies.restore(Database(data / FILE), file)


def run(database: Path, *statements: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        return [row for statement in statements for row in connection.execute(statement)]


def refused(data: Path, file: Path) -> str:
    before = sorted(data.rglob("*"))
    with pytest.raises(OperationFault) as caught:
        restore(data, file)
    assert {path for path in data.rglob("*") if path.name != "herald.lock"} <= set(before)
    assert all(caught.value.words(language) for language in LANGUAGES)
    return caught.value.key


def test_a_backup_has_what_was_committed_and_only_its_owner_reads_it(data: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(data / "herald.db", isolation_level=None)) as bot:
        bot.execute("PRAGMA journal_mode=WAL")
        bot.execute("INSERT INTO facts VALUES ('committed', 'yes')")
        bot.execute("BEGIN IMMEDIATE")
        bot.execute("INSERT INTO facts VALUES ('committed later', 'no')")
        backup(data, tmp_path / "copy.db")
        bot.execute("COMMIT")
    assert run(tmp_path / "copy.db", "SELECT name FROM facts") == [("committed",)]
    assert stat.S_IMODE((tmp_path / "copy.db").stat().st_mode) == 0o600
    assert {path.name for path in tmp_path.iterdir()} == {"copy.db", "data"}


def test_a_backup_replaces_no_file(data: Path, tmp_path: Path) -> None:
    (tmp_path / "copy.db").write_text("precious")
    with pytest.raises(OperationFault) as caught:
        backup(data, tmp_path / "copy.db")
    assert caught.value.key == "database.exists"
    assert (tmp_path / "copy.db").read_text() == "precious"


@pytest.mark.parametrize(("folder", "key"), [("nowhere", "database.not_written"), ("", "database.none")])
def test_a_backup_that_cannot_be_made(data: Path, tmp_path: Path, folder: str, key: str) -> None:
    if not folder:
        (data / "herald.db").unlink()
    with pytest.raises(OperationFault) as caught:
        backup(data, tmp_path / folder / "copy.db")
    assert caught.value.key == key
    assert {path.name for path in tmp_path.iterdir()} == {"data"}


def test_the_replaced_database_is_kept(data: Path, tmp_path: Path) -> None:
    backup(data, tmp_path / "copy.db")
    run(data / "herald.db", "PRAGMA journal_mode=WAL", "INSERT INTO facts VALUES ('since', 'x')")
    made, kept = restore(data, tmp_path / "copy.db")
    assert made == Made(0, 0, 0)
    assert kept is not None
    assert run(kept, "SELECT name FROM facts") == [("since",)]
    assert run(data / "herald.db", "SELECT name FROM facts") == []
    run(data / "herald.db", "INSERT INTO facts VALUES ('second', 'x')")
    _, second = restore(data, tmp_path / "copy.db")
    assert second is not None
    assert second != kept
    assert run(second, "SELECT name FROM facts") == [("second",)]


def test_a_backup_is_restored_where_nothing_was_or_only_rubble(data: Path, tmp_path: Path) -> None:
    backup(data, tmp_path / "copy.db")
    _, kept = restore(tmp_path / "new" / "data", tmp_path / "copy.db")
    assert kept is None
    (data / "herald.db").write_bytes(b"not a database at all" * 100)
    _, kept = restore(data, tmp_path / "copy.db")
    assert kept is not None
    assert kept.read_bytes().startswith(b"not a database")
    assert run(data / "herald.db", "PRAGMA integrity_check") == [("ok",)]


def test_a_file_that_is_no_whole_backup_is_refused(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "copy.db"
    assert refused(data, file) == "database.no_backup"
    file.write_bytes(b"rubble" * 1000)
    assert refused(data, file) == "database.damaged"
    file.unlink()
    run(file, "CREATE TABLE somebody_elses (x)")
    assert refused(data, file) == "database.foreign"
    file.unlink()
    backup(data, file)
    whole = file.read_bytes()
    file.write_bytes(whole[:8192] + b"\xff" * 4096 + whole[12288:])
    assert refused(data, file) == "database.damaged"


def test_a_newer_backup_is_refused(data: Path, tmp_path: Path) -> None:
    backup(data, tmp_path / "copy.db")
    run(tmp_path / "copy.db", "UPDATE alembic_version SET version_num = '9999'")
    assert refused(data, tmp_path / "copy.db") == "database.newer"


def test_nothing_is_restored_under_a_running_bot(data: Path, tmp_path: Path) -> None:
    backup(data, tmp_path / "copy.db")
    with FileLock(data / "herald.lock"):
        assert refused(data, tmp_path / "copy.db") == "database.running"


ROW = (
    "INSERT INTO outbox (key, kind, lane, priority, platform, tenant, channel_id, draft_id, version, state, due_at,"
    " created_at) VALUES ('{0}', '{1}', 'l', 1, 'slack', 'T', 'C', {2}, 1, '{3}', 0, 0)"
)


@pytest.fixture
def busy(data: Path) -> Iterator[Path]:
    """A database in which every kind of row is in every state; draft n belongs to reply n."""
    database = data / "herald.db"
    states = ("pending", "claimed", "sending", "uncertain", "sent", "failed", "dead", "dropped", "cancelled")
    for number, state in enumerate(states, 1):
        fate = {"failed": "failed", "dead": "failed", "sent": "sent", "dropped": "dropped"}.get(state, "approved")
        run(
            database,
            ROW.format(f"r{number}", "reply", number, state),
            ROW.format(f"n{number}", "notice", "NULL", state),
            "INSERT INTO drafts (id, comment_id, version, state, created_at, updated_at)"
            f" VALUES ({number}, {number}, 1, '{fate}', 0, 0)",
            f"INSERT INTO cards (draft_id, platform, tenant, channel_id, message_id)"
            f" VALUES ({number}, 'slack', 'T', 'R', 'm{number}')",
            f"INSERT INTO views VALUES ('v{number}', {number}, {number}, 1, 'h', 't', 0)",
        )
    yield database


def test_what_was_not_final_is_settled(busy: Path, tmp_path: Path) -> None:
    backup(busy.parent, tmp_path / "copy.db")
    made, _ = restore(busy.parent, tmp_path / "copy.db")
    assert made == Made(4, 2, 0)
    replies = dict(run(busy, "SELECT key, state FROM outbox WHERE kind = 'reply'"))
    final = {"r5": "sent", "r6": "failed", "r7": "dead", "r8": "dropped", "r9": "cancelled"}
    assert replies == dict.fromkeys(("r1", "r2", "r3", "r4"), "uncertain") | final
    notices = dict(run(busy, "SELECT key, state FROM outbox WHERE kind = 'notice'"))
    assert [notices[f"n{number}"] for number in range(1, 5)] == ["cancelled"] * 4
    uncertain = run(busy, "SELECT id FROM drafts WHERE state = 'uncertain' AND error = 'restored from a backup'")
    assert uncertain == [(1,), (2,), (3,), (4,)]
    shown = run(busy, "SELECT draft_id FROM outbox WHERE kind = 'card' AND state = 'pending' ORDER BY draft_id")
    assert shown == [(1,), (2,), (3,), (4,), (6,), (7,)]  # once each
    assert run(busy, "SELECT draft_id FROM views ORDER BY 1") == [(5,), (8,), (9,)]  # old buttons decide nothing more


COMMENT = '{"update_id": 1, "message": {"text": "When / how will tea be back? See https://example.org/tea"}}'


@pytest.mark.parametrize(
    ("raw", "order"),
    [
        (COMMENT, False),
        ('{"type": "event_callback", "event": {"type": "message", "text": "tea?"}}', False),
        ('{"t": "MESSAGE_CREATE", "d": {"content": "tea?"}}', False),
        ('{"update_id": 1, "message": {"text": " /approve 12"}}', True),
        ('{"update_id": 1, "callback_query": {"data": "v1|x"}}', True),
        ('{"type": "block_actions", "trigger_id": "1.2"}', True),
        ('{"command": "/approve", "text": "12", "trigger_id": "1.2"}', True),
        ('{"t": "INTERACTION_CREATE", "d": {"data": {"name": "approve"}}}', True),
        ('{"herald_sealed": "a.poll", "data": "xyz"}', True),
        ("{broken", True),
    ],
)
def test_clicks_and_commands_of_then_are_not_carried_out(data: Path, tmp_path: Path, raw: str, order: bool) -> None:
    assert is_order(raw) is order
    with closing(sqlite3.connect(data / "herald.db", isolation_level=None)) as connection:
        insert = "INSERT INTO inbox (source, external_id, raw, state, received_at) VALUES ('x', '1', ?, 'new', 0)"
        connection.execute(insert, (raw,))
    backup(data, tmp_path / "copy.db")
    assert restore(data, tmp_path / "copy.db")[0].orders == int(order)
    assert run(data / "herald.db", "SELECT state FROM inbox") == [("ignored" if order else "new",)]
