"""A restored backup posts nothing of polls a second time, goes on with open ones, and puts the rest to people."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection
from storage.backends import fresh

from bot.chat.messages import Line
from bot.domain.places import Channel, Member
from bot.domain.polls import Option, Poll, Question, Series, State
from bot.handlers.polls.life import CLOSES, COUNTS, EXPORTS, OPENS, REMINDS
from bot.handlers.polls.posting import LIVE
from bot.locales import Catalogue
from bot.operations.safety import make_safe
from bot.storage.tables import link_codes, outbox, timers
from bot.storage.work import Work

NOW = 1_790_000_000.0  # 2026-09-21 14:13:20 UTC, a Monday
HOUR = 3600.0
ROOM, HOST = Channel("slack", "T1", "C1"), Member("slack", "T1", "U1")
QUESTION = Question("Where?", (Option(1, "Hangzhou"), Option(2, "Chengdu")))


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Work]:
    engine = sa.create_engine(f"sqlite:///{fresh(tmp_path / 'herald.db')}")
    with engine.begin() as connection:
        yield Work(connection, NOW - HOUR)
    engine.dispose()


def add(work: Work, name: str, state: State, **changes: object) -> int:
    poll = Poll(0, f"p.{name}", QUESTION, state, HOST, "Ana", "zh", (ROOM,), NOW - 9 * HOUR)
    return work.polls.add(replace(poll, **changes))  # type: ignore[arg-type]  # fields of a Poll


def connection_of(work: Work) -> Connection:
    return work._connection


def due(work: Work) -> set[tuple[str, str, float]]:
    query = sa.select(timers.c.kind, timers.c.key, timers.c.due_at)
    return {tuple(row) for row in connection_of(work).execute(query)}


def orders(work: Work) -> list[tuple[str, str]]:
    query = sa.select(outbox.c.kind, outbox.c.text).where(outbox.c.state == "pending")
    return [tuple(row) for row in connection_of(work).execute(query)]


def poll_of(work: Work, number: int) -> Poll:
    found = work.polls.get(number)
    assert found is not None
    return found


def test_an_open_poll_goes_on_and_says_that_votes_may_be_missing(work: Work) -> None:
    number = add(work, "open", State.OPEN, closes_at=NOW + HOUR, revision=4, edits=("x",))
    endless = add(work, "endless", State.OPEN)
    work.timers.set(CLOSES, "p.open", NOW + HOUR)
    work.timers.set(REMINDS, "p.open", NOW - 60)
    work.timers.set(REMINDS, "p.endless", NOW + 60)
    work.ballots.put(number, "a", (1,), "slack:C1", "a", NOW)
    post = work.poll_posts.add(number, ROOM, False)
    work.poll_posts.posted(post, "m1")
    LIVE.follow(work, str(post), ROOM, "m1", Line("old"))
    assert make_safe(connection_of(work), NOW).polls == 2
    poll = poll_of(work, number)
    assert (poll.state, poll.revision) == (State.OPEN, 5)
    assert poll.edits == ("x", Catalogue().say("zh", "database.poll_note"))
    assert poll_of(work, endless).state is State.OPEN
    assert work.ballots.listed(number) == [("a", (1,))]
    assert due(work) == {(CLOSES, "p.open", NOW + HOUR), (REMINDS, "p.endless", NOW + 60)}
    assert [text for _, text in orders(work)] == [str(post)]
    assert [entry.what for entry in work.polls.history(number)] == ["restored"]


def test_a_poll_whose_end_has_passed_is_counted_and_no_room_is_told(work: Work) -> None:
    number = add(work, "over", State.OPEN, closes_at=NOW)
    work.timers.set(CLOSES, "p.over", NOW)
    work.timers.set(REMINDS, "p.over", NOW + 60)
    work.ballots.put(number, "a", (2,), "slack:C1", "a", NOW)
    work.polls.refuse(number, "role", "b")
    post = work.poll_posts.add(number, ROOM, False)
    work.poll_posts.posted(post, "m1")
    LIVE.follow(work, str(post), ROOM, "m1", Line("the result, perhaps"))
    assert make_safe(connection_of(work), NOW).polls == 1
    poll = poll_of(work, number)
    assert (poll.state, poll.closed_at, poll.edits) == (State.CLOSED, NOW, ())
    receipt = json.loads(work.polls.receipt(number) or "")
    assert receipt["voters"] == 1
    assert due(work) == set()
    assert orders(work) == []


def test_a_poll_that_was_closed_and_not_counted_is_counted_and_not_told(work: Work) -> None:
    number = add(work, "closed", State.CLOSED, closed_at=NOW - 1)
    done = add(work, "done", State.CLOSED, closed_at=NOW - 2)
    work.polls.close_with(done, "kept")
    work.timers.set(COUNTS, "p.closed", NOW - 1)
    work.timers.set(EXPORTS, "p.closed|slack|C1", NOW - 1)
    assert make_safe(connection_of(work), NOW).polls == 0
    assert work.polls.receipt(number) is not None
    assert work.polls.receipt(done) == "kept"
    assert due(work) == set()


def test_a_poll_that_was_to_open_since_is_called_off(work: Work) -> None:
    past = [add(work, f"past{at}", State.SCHEDULED, opens_at=at) for at in (0.0, NOW - 1, NOW)]
    later = add(work, "later", State.SCHEDULED, opens_at=NOW + 1)
    preview = add(work, "preview", State.PREVIEW)
    for at in (0.0, NOW - 1, NOW):
        work.timers.set(OPENS, f"p.past{at}", at or NOW - 5)
    work.timers.set(OPENS, "p.later", NOW + 1)
    assert make_safe(connection_of(work), NOW).polls == 3
    assert {poll_of(work, one).state for one in (*past, preview)} == {State.CANCELLED}
    assert poll_of(work, later).state is State.SCHEDULED
    assert due(work) == {(OPENS, "p.later", NOW + 1)}
    assert orders(work) == []


def test_a_series_goes_on_with_the_next_one(work: Work) -> None:
    """Asked every Monday at 20:00 in Shanghai: the one of two hours ago is perhaps over."""
    at = NOW - 8000.0
    number = add(
        work,
        "weekly",
        State.SCHEDULED,
        opens_at=at,
        closes_at=at + HOUR,
        lasts=HOUR,
        revision=2,
        series=Series("DTSTART:20260907T200000\nRRULE:FREQ=WEEKLY;BYDAY=MO", "Asia/Shanghai"),
    )
    work.timers.set(OPENS, "p.weekly", at)
    assert make_safe(connection_of(work), NOW).polls == 0
    poll = poll_of(work, number)
    assert (poll.state, poll.opens_at, poll.closes_at, poll.revision) == (
        State.SCHEDULED, at + 7 * 86400, at + 7 * 86400 + HOUR, 3
    )  # fmt: skip
    assert due(work) == {(OPENS, "p.weekly", at + 7 * 86400)}


def test_codes_of_before_link_nobody(work: Work) -> None:
    work.links.offer("h", HOST, "Ana", NOW + 600)
    work.links.missed(HOST, NOW)
    work.links.tie(HOST, Member("telegram", "1", "7"))
    make_safe(connection_of(work), NOW)
    assert connection_of(work).execute(sa.select(link_codes)).all() == []
    assert work.links.misses(HOST, 0.0) == 0
    assert work.links.person_of(HOST).startswith("person:")


def test_many_polls_are_all_settled(work: Work) -> None:
    numbers = [add(work, f"n{number}", State.OPEN, closes_at=NOW - 1) for number in range(230)]
    assert make_safe(connection_of(work), NOW).polls == 230
    assert {poll_of(work, number).state for number in numbers} == {State.CLOSED}
