"""What every vote and every entry asks the database is found by its key, however much else is there."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from bot.domain.giveaways import Entry, EntryState
from bot.domain.giveaways import State as GiveawayState
from bot.domain.places import Channel, Member
from bot.domain.polls import State
from bot.storage.outbox import Order
from bot.storage.tables import metadata
from bot.storage.work import Work

from .conftest import NOW

ROOM, ANA = Channel("slack", "T1", "C1"), Member("slack", "T1", "U1")
ENTRY = Entry(1, str(ANA), ANA, "Ana", "slack:C1", "ff", b"s", 1, EntryState.IN)
ASKED: dict[str, Callable[[Work], object]] = {
    "named": lambda work: work.polls.named("p.one"),
    "get": lambda work: work.polls.get(1),
    "posts": lambda work: work.poll_posts.of(1),
    "native": lambda work: work.poll_posts.native("slack", "x"),
    "page": lambda work: work.polls.page([State.OPEN, State.CLOSED], 10, 5),
    "person": lambda work: work.links.person_of(ANA),
    "ballot": lambda work: work.ballots.get(1, "a"),
    "cast": lambda work: work.ballots.cast(1, "a"),
    "put": lambda work: work.ballots.put(1, "a", (1,), "slack:C1", None, None),
    "remove": lambda work: work.ballots.remove(1, "a"),
    "groups": lambda work: work.ballots.groups(1),
    "voters": lambda work: work.ballots.voters(1),
    "any": lambda work: work.ballots.any(1),
    "refusals": lambda work: work.polls.refusals(1),
    "signals": lambda work: work.polls.signals(1),
    "history": lambda work: work.polls.history(1),
    "fact": lambda work: work.facts.get("poll:a.x:as:y"),
    "language": lambda work: work.people.language(ANA),
    "live": lambda work: work.live.get("poll:1"),
    "resting": lambda work: work.live.resting(["poll:1", "poll:2", "poll:3"]),
    "waiting": lambda work: work.live.waiting("poll:1"),
    "order": lambda work: work.outbox.add(Order("k", "notice", "k", ROOM)),
    "giveaway": lambda work: work.giveaways.named("w.one"),
    "giveaways": lambda work: work.giveaways.page([GiveawayState.OPEN, GiveawayState.DRAWN], 10, 5),
    "giveaway posts": lambda work: work.giveaway_posts.of(1),
    "entry": lambda work: work.entries.get(1, str(ANA)),
    "enter": lambda work: work.entries.change(None, ENTRY),
    "ticket": lambda work: work.entries.find(1, "ff"),
    "counts": lambda work: work.entries.counts(1),
    "decide": lambda work: work.entries.decide(ENTRY, EntryState.LEFT, "", 1),
    "move": lambda work: work.entries.move(1, str(ANA), "person:1"),
    "listed": lambda work: work.entries.list_page(1, "aa", 10),
    "checked": lambda work: work.entries.page(1, EntryState.IN, "a", 10),
    "erased": lambda work: work.entries.erase_all(1),
    "written": lambda work: work.comments.written([str(ANA)], NOW),
    "comments": lambda work: work.comments.commenters(ROOM, NOW, NOW + 9.0, (NOW, 5), 10),
    "won": lambda work: work.wins.last_won([str(ANA)], NOW),
    "wins": lambda work: work.wins.of(1),
    "code": lambda work: work.wins.free_code(1),
    "witnesses": lambda work: work.giveaways.witnesses(1),
    "rerolls": lambda work: work.giveaways.rerolls(1),
}


@pytest.mark.parametrize("name", list(ASKED))
def test_it_is_a_search_and_no_scan(name: str) -> None:
    engine = sa.create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.begin() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        said: list[str] = []
        driver.set_trace_callback(said.append)
        ASKED[name](Work(connection, NOW))
        driver.set_trace_callback(None)
        statements = [one for one in said if not one.startswith(("BEGIN", "SAVEPOINT", "RELEASE"))]
        assert statements
        for statement in statements:
            plan = [row[3] for row in driver.execute("EXPLAIN QUERY PLAN " + statement)]
            assert not [step for step in plan if step.startswith("SCAN") and "CONSTANT" not in step], (statement, plan)
    engine.dispose()
