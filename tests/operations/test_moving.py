"""Backup, restore and status where the database is on a PostgreSQL server; and the way from a file to a server."""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from servers import Postgres
from sqlalchemy import Connection

from bot.domain.fdraw import Reroll
from bot.domain.giveaways import Entry, EntryState, Giveaway, Offer, Win, WinState
from bot.domain.giveaways import State as GiveawayState
from bot.domain.places import Channel, Member
from bot.domain.polls import Option, Poll, Question, Series, State
from bot.locales import LANGUAGES
from bot.operations.backup import backup, restore
from bot.operations.databases import FILE, Database
from bot.operations.faults import OperationFault
from bot.operations.figures import read
from bot.operations.safety import RESTORED, Made
from bot.operations.status import ALIVE, look
from bot.storage.leases import Leases
from bot.storage.links import run_alone
from bot.storage.outbox import Order
from bot.storage.schema import migrate, migrate_server
from bot.storage.tables import drafts, facts, inbox, metadata, outbox, polls
from bot.storage.work import Work

NOW = 1_700_000_000.0
ROWS = 1203
"""More than are copied at a time."""


@pytest.fixture
def server(postgres_url: str, tmp_path: Path) -> Database:
    migrate_server(postgres_url)
    return Database(tmp_path / "data" / FILE, postgres_url)


@pytest.fixture
def empty(postgres: Postgres, tmp_path: Path) -> Iterator[Database]:
    name = postgres.create()
    yield Database(tmp_path / "data" / FILE, postgres.url(name))
    postgres.drop(name)


@pytest.fixture
def file(tmp_path: Path) -> Database:
    path = tmp_path / "data" / FILE
    path.parent.mkdir()
    migrate(path)
    return Database(path)


def write(database: Database, unit: object) -> None:
    assert callable(unit)
    if database.url:
        run_alone(database.url, unit)
        return
    engine = sa.create_engine(f"sqlite:///{database.path}")
    with engine.begin() as connection:
        unit(connection)
    engine.dispose()


def fill(connection: Connection) -> None:
    """Something of everything that a backup has to keep apart: texts, numbers, truths, nothing."""
    work = Work(connection, NOW)
    values = {"source": "slack:T", "raw": "{}", "state": "done", "received_at": NOW}
    rows = [values | {"external_id": str(number), "state": "new" if number == 7 else "done"} for number in range(ROWS)]
    connection.execute(sa.insert(inbox), rows)
    work.facts.set("plain", "茶 🍵 \u202e ' ; \r\n")
    work.facts.set("secret:key", "00ff")
    for number, state in enumerate(("pending", "sending", "sent"), 1):
        order = Order(state, "reply", state, Channel("slack", "T", "C"), draft_id=number, text="yes", version=1)
        work.outbox.add(order)
        connection.execute(sa.update(outbox).where(outbox.c.key == state).values(state=state))
    draft = {"comment_id": 1, "version": 2**31 - 1, "state": "approved", "created_at": NOW, "updated_at": NOW + 0.25}
    connection.execute(sa.insert(drafts).values(draft))
    Leases(connection).take("worker:1", "a", "", None)
    fill_polls(work)
    fill_giveaways(work)


def fill_polls(work: Work) -> None:
    """A poll that is open for ever, voted in by three, and two members who are one person."""
    room, ana = Channel("slack", "T", "C"), Member("slack", "T", "ana")
    question = Question("去哪儿？", (Option(1, "杭州"), Option(2, "成都")), anonymous=True)
    poll = Poll(0, "a.one", question, State.OPEN, ana, "Ana", "zh", (room,), NOW, series=Series("FREQ=DAILY", "UTC"))
    number = work.polls.add(poll)
    work.poll_posts.posted(work.poll_posts.add(number, room, True), "m:1")
    for voter, member, at in (("t1", None, None), ("t2", None, None), ("t3", str(ana), NOW)):
        work.ballots.put(number, voter, (2, 1), "slack:C", member, at)
    work.polls.log(number, NOW, "", "open")
    work.polls.refuse(number, "role", "t4")
    work.polls.signal(number, "young_account", "t1", "")
    work.links.tie(ana, Member("telegram", "1", "7"))
    work.links.offer("hash", ana, "Ana", NOW + 600)
    work.links.missed(ana, NOW)
    work.people.choose_zone(ana, "Asia/Shanghai")


def fill_giveaways(work: Work) -> None:
    """A giveaway that was drawn, with bytes that are no text, a prize that was claimed and one that nobody has."""
    room, ana = Channel("slack", "T", "C"), Member("slack", "T", "ana")
    made = Giveaway(0, "w.one", Offer("茶"), GiveawayState.DRAWN, ana, "Ana", "zh", (room,), NOW, "c0ffee")
    number = work.giveaways.add(made, b"\x00\xff" * 16)
    entry = Entry(number, str(ana), ana, "Ana", "slack:C", "aa", b"\x80" * 16, 3, EntryState.IN, at=NOW)
    work.entries.change(None, entry)
    work.giveaway_posts.posted(work.giveaway_posts.add(number, room, "card"), "m:2", NOW)
    work.giveaways.freeze(number, "text", "root", 1, 2**53 - 1)
    work.giveaways.beacon(number, "signature", "value", True, ["one.example"])
    work.giveaways.order(number, ["aa"])
    work.giveaways.reroll(number, Reroll("bb", "gone", "Ana", int(NOW)))
    work.giveaways.witness(number, "freeze", "slack", "https://example.org", NOW, {"freeze_hash": "ff"})
    work.giveaways.signal(number, "burst", str(ana), "9/s")
    work.giveaways.save_template("tea", Offer("茶"), ana)
    won = work.wins.add(Win(0, number, "aa", str(ana), ana, "Ana", WinState.CLAIMED, NOW, NOW + 60))
    work.wins.give_code(work.wins.add_code(number, "sealed"), won)
    work.wins.add_code(number, "free")
    work.wins.keep_address(won, "sealed", NOW + 60)


def rows(database: Database) -> dict[str, list[tuple[object, ...]]]:
    def unit(connection: Connection) -> dict[str, list[tuple[object, ...]]]:
        return {
            table.name: [tuple(row) for row in connection.execute(sa.select(table).order_by(*table.primary_key))]
            for table in metadata.sorted_tables
        }

    return database.look(unit)


def test_a_backup_has_every_row_of_the_server_but_no_secret(server: Database, tmp_path: Path) -> None:
    write(server, fill)
    copy = tmp_path / "copy.db"
    backup(server, copy)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    expected = rows(server)
    assert len(expected["inbox"]) == ROWS
    expected["facts"] = [row for row in expected["facts"] if not str(row[0]).startswith("secret:")]
    expected["leases"] = []
    assert rows(Database(copy)) == expected
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("origin", ["server", "file"])
def test_a_restore_settles_what_was_on_its_way_and_numbers_go_on(
    request: pytest.FixtureRequest, origin: str, empty: Database, tmp_path: Path
) -> None:
    """From a file it is the way to a server, with the same rules."""
    source: Database = request.getfixturevalue(origin)
    write(source, fill)
    backup(source, tmp_path / "copy.db")
    made, kept = restore(empty, tmp_path / "copy.db")
    assert kept is None
    assert made == Made(uncertain=2, waiting=0, orders=0, polls=1, giveaways=1)
    found = rows(empty)
    assert len(found["inbox"]) == ROWS
    names = [column.name for column in outbox.c]
    states = {row[names.index("key")]: row[names.index("state")] for row in found["outbox"]}
    assert states == {"pending": "uncertain", "sending": "uncertain", "sent": "sent"}
    assert {row[names.index("error")] for row in found["outbox"]} == {RESTORED, ""}
    names = [column.name for column in polls.c]
    assert [row[names.index("state")] for row in found["polls"]] == ["open"]
    assert [row[:3] for row in found["ballots"]] == [(1, voter, "[2,1]") for voter in ("t1", "t2", "t3")]
    assert len(found["links"]) == 2
    assert found["giveaway_seeds"] == [(1, b"\x00\xff" * 16)]
    assert [row[2] for row in found["prize_codes"]] == ["sealed"]
    assert ("plain", "茶 🍵 \u202e ' ; \r\n") in found["facts"]

    def one_more(connection: Connection) -> None:
        values = {"source": "x", "external_id": "x", "raw": "", "state": "new", "received_at": NOW}
        new = connection.execute(sa.insert(inbox).values(values).returning(inbox.c.id)).scalar_one()
        assert new == max(int(str(row[0])) for row in found["inbox"]) + 1

    write(empty, one_more)


def test_a_database_that_is_used_is_left_alone(server: Database, tmp_path: Path) -> None:
    backup(server, tmp_path / "copy.db")
    write(server, lambda connection: connection.execute(sa.insert(facts).values(name="a", value="b")))
    before = rows(server)
    with pytest.raises(OperationFault) as caught:
        restore(server, tmp_path / "copy.db")
    assert caught.value.key == "database.not_empty"
    assert all(caught.value.words(language) for language in LANGUAGES)
    assert rows(server) == before
    write(server, lambda connection: connection.execute(sa.delete(facts)))
    write(server, lambda connection: Leases(connection).take("worker:1", "a", "", None))
    with pytest.raises(OperationFault):  # a bot runs on it
        restore(server, tmp_path / "copy.db")


def test_a_bot_that_starts_in_the_middle_waits(empty: Database, file: Database, tmp_path: Path) -> None:
    """What it writes comes behind the restored rows, or the restore is refused: never both."""
    write(file, fill)
    backup(file, tmp_path / "copy.db")
    migrate_server(empty.url)
    begun = threading.Event()

    def bot() -> None:
        begun.set()
        values = {"source": "new", "external_id": "1", "raw": "", "state": "new", "received_at": NOW}
        write(empty, lambda connection: connection.execute(sa.insert(inbox).values(values)))

    beside = threading.Thread(target=bot)
    beside.start()
    begun.wait(30)
    try:
        restore(empty, tmp_path / "copy.db")
        expected = ROWS + 1
    except OperationFault as fault:
        assert fault.key == "database.not_empty"
        expected = 1
    beside.join(30)
    assert len(rows(empty)["inbox"]) == expected


def test_a_server_that_is_not_there(postgres: Postgres, server: Database, file: Database, tmp_path: Path) -> None:
    backup(file, tmp_path / "copy.db")
    postgres.stop()
    with pytest.raises(OperationFault) as caught:
        backup(server, tmp_path / "other.db")
    assert caught.value.key == "database.unreadable"
    with pytest.raises(OperationFault) as caught:
        restore(server, tmp_path / "copy.db")
    assert caught.value.key == "database.not_restored"
    with pytest.raises(OperationFault) as caught:
        look(server, tmp_path, 1)
    assert caught.value.key == "database.unreadable"
    assert server.url.partition("@")[0].rpartition(":")[2] not in caught.value.words("en")
    assert {path.name for path in tmp_path.iterdir()} == {"copy.db", "data"}


def test_a_server_without_our_tables(empty: Database, tmp_path: Path) -> None:
    with pytest.raises(OperationFault) as caught:
        backup(empty, tmp_path / "copy.db")
    assert caught.value.key == "database.none"
    with pytest.raises(OperationFault) as caught:
        look(empty, tmp_path, 1)
    assert caught.value.key == "database.unreadable"
    assert list(tmp_path.iterdir()) == []


def test_the_figures_are_the_same_from_a_file_and_from_a_server(server: Database, file: Database) -> None:
    write(server, fill)
    write(file, fill)
    assert read(server, NOW + 60) == read(file, NOW + 60)
    assert read(server, NOW + 60).events == {("slack", "done"): ROWS - 1, ("slack", "new"): 1}


def test_whether_a_bot_lives_somewhere_shows_in_its_leases(server: Database, tmp_path: Path) -> None:
    write(server, lambda connection: Leases(connection).take("worker:1", "a", "", None))
    assert look(server, tmp_path, 1.0).wants_person() == {"not_running": 1}
    end = threading.Event()

    def live() -> None:
        while not end.wait(0.2):
            write(server, lambda connection: Leases(connection).beat("a"))

    beside = threading.Thread(target=live)
    beside.start()
    try:
        assert look(server, tmp_path, 30.0).wants_person() == {}
    finally:
        end.set()
        beside.join(30)
    (tmp_path / ALIVE).touch()
    os.utime(tmp_path / ALIVE, (time.time(), time.time()))
    assert look(server, tmp_path, 1.0).wants_person() == {}
