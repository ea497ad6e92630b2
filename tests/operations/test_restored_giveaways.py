"""A restored backup draws nothing anew that may have been drawn, gives no code twice, and puts the rest to people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection
from storage.backends import fresh

from bot.domain.giveaways import Giveaway, Offer, State, Win, WinState
from bot.domain.places import Channel, Member
from bot.handlers.giveaways.life import CLOSES, LOOKS, OPENS
from bot.handlers.giveaways.posting import LIVE
from bot.handlers.giveaways.publishing import DRAWS, FREEZES
from bot.handlers.giveaways.winning import CLAIMS, ERASES
from bot.operations.safety import make_safe
from bot.storage.tables import outbox, timers
from bot.storage.work import Work

NOW = 1_790_000_000.0
HOUR = 3600.0
ROOM, HOST = Channel("slack", "T1", "C1"), Member("slack", "T1", "U1")
CLOCKS = (OPENS, LOOKS, CLOSES, FREEZES, DRAWS)


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Work]:
    engine = sa.create_engine(f"sqlite:///{fresh(tmp_path / 'herald.db')}")
    with engine.begin() as connection:
        yield Work(connection, NOW - HOUR)
    engine.dispose()


def connection_of(work: Work) -> Connection:
    return work._connection


def add(work: Work, state: State, **changes: object) -> Giveaway:
    """A giveaway with every clock set, of one room whose card was posted."""
    made = Giveaway(0, f"w.{state.value}", Offer("Tea"), state, HOST, "Ana", "zh", (ROOM,), NOW - 9 * HOUR, "c0ffee")
    times = {
        "opens_at": NOW - 5 * HOUR,
        "opened_at": NOW - 5 * HOUR,
        "closes_at": NOW + HOUR,
        "chain": "52",
        "round": 9,
    }
    giveaway = replace(made, **(times | changes))  # type: ignore[arg-type]  # fields of a Giveaway
    number = work.giveaways.add(giveaway, b"s" * 32)
    post = work.giveaway_posts.add(number, ROOM, "card")
    work.giveaway_posts.posted(post, "C1:1", NOW - 5 * HOUR)
    LIVE.posted(work, str(post), "C1:1")
    for kind in CLOCKS:
        work.timers.set(kind, giveaway.name, NOW - 1)
    return of(work, number)


def of(work: Work, number: int) -> Giveaway:
    found = work.giveaways.get(number)
    assert found is not None
    return found


def due(work: Work, name: str) -> set[str]:
    return set(connection_of(work).execute(sa.select(timers.c.kind).where(timers.c.key == name)).scalars())


def lines(work: Work, giveaway: Giveaway) -> list[str]:
    return [line.what for line in work.giveaways.history(giveaway.id)]


def settle(work: Work) -> int:
    return make_safe(connection_of(work), NOW).giveaways


def said(work: Work) -> list[str]:
    """What is on its way to a room or to a person."""
    return list(connection_of(work).execute(sa.select(outbox.c.kind).where(outbox.c.state == "pending")).scalars())


@pytest.mark.parametrize("state", [State.OPEN, State.PAUSED])
def test_what_was_open_waits_for_a_person(work: Work, state: State) -> None:
    """Who entered since is not on its list."""
    before = add(work, state)
    assert settle(work) == 1
    assert of(work, before.id) == replace(before, state=State.PAUSED, revision=1)
    assert due(work, before.name) == set()
    assert lines(work, before) == ["restored"]


@pytest.mark.parametrize("state", [State.OPEN, State.PAUSED, State.CLOSED, State.SCHEDULED])
def test_what_may_have_been_drawn_is_called_off_in_silence(work: Work, state: State) -> None:
    before = add(work, state, closes_at=NOW - 1)
    assert settle(work) == 1
    assert of(work, before.id) == replace(before, state=State.CANCELLED, closed_at=NOW)
    assert due(work, before.name) == {ERASES}
    assert said(work) == []


def test_the_time_of_a_closing_stays(work: Work) -> None:
    before = add(work, State.CLOSED, closes_at=NOW - 9, closed_at=NOW - 5)
    assert settle(work) == 1
    assert of(work, before.id).closed_at == NOW - 5


def test_what_opens_later_opens(work: Work) -> None:
    before = add(work, State.SCHEDULED, opens_at=NOW + 5)
    assert settle(work) == 0
    assert of(work, before.id) == before
    assert due(work, before.name) == set(CLOCKS)


def test_a_preview_is_thrown_away(work: Work) -> None:
    before = add(work, State.PREVIEW)
    assert settle(work) == 0
    assert of(work, before.id).discarded


def test_a_published_list_is_drawn_with_what_it_has(work: Work) -> None:
    before = add(work, State.FROZEN, closes_at=NOW - HOUR, frozen_at=NOW - HOUR, published_at=NOW - HOUR)
    work.giveaways.freeze(before.id, "text", "root", 1, 1)
    frozen = work.giveaways.frozen(before.id)
    work.wins.add_code(before.id, "sealed")
    assert settle(work) == 1
    assert of(work, before.id) == before
    assert due(work, before.name) >= {DRAWS}
    assert work.giveaways.frozen(before.id) == frozen
    assert work.giveaways.seed(before.id) == b"s" * 32
    assert work.wins.codes(before.id) == (0, 0)


def test_a_list_that_was_not_public_is_not_published_under_another_round(work: Work) -> None:
    before = add(work, State.FROZEN, closes_at=NOW - HOUR, closed_at=NOW - HOUR, frozen_at=NOW - HOUR)
    assert settle(work) == 1
    assert of(work, before.id) == replace(before, state=State.CANCELLED, void="数据库已从备份恢复。")
    assert due(work, before.name) == {ERASES}


def test_no_place_is_taken_away_and_no_code_given_that_somebody_may_have(work: Work) -> None:
    drawn = add(work, State.DRAWN, closes_at=NOW - HOUR)
    work.timers.set(CLAIMS, drawn.name, NOW - 1)
    wins = [
        Win(0, drawn.id, ticket, str(HOST), HOST, "Ana", state, NOW - HOUR, NOW - 1)
        for ticket, state in (("aa", WinState.OFFERED), ("bb", WinState.CLAIMED), ("cc", WinState.OUT))
    ]
    numbers = [work.wins.add(win) for win in wins]
    given = work.wins.add_code(drawn.id, "sealed")
    work.wins.give_code(given, numbers[1])
    work.wins.add_code(drawn.id, "free")
    assert settle(work) == 1
    kept = [replace(win, id=number) for win, number in zip(wins, numbers, strict=True)]
    assert work.wins.of(drawn.id) == [replace(kept[0], until=0.0), *kept[1:]]
    assert CLAIMS not in due(work, drawn.name)
    assert work.wins.free_code(drawn.id) is None
    assert work.wins.code_of(numbers[1]) is not None
    assert of(work, drawn.id) == drawn
    assert lines(work, drawn) == ["restored"]


def test_one_that_is_over_needs_no_look(work: Work) -> None:
    drawn, cancelled = add(work, State.DRAWN, closes_at=NOW - HOUR), add(work, State.CANCELLED)
    work.wins.add(Win(0, drawn.id, "aa", str(HOST), HOST, "Ana", WinState.HANDED, NOW - HOUR, NOW - 1))
    assert settle(work) == 0
    assert lines(work, drawn) == lines(work, cancelled) == []


def test_all_of_many_are_settled(work: Work) -> None:
    """More than are looked at together; what is put into another state is not settled a second time."""
    for number in range(205):
        add(work, State.OPEN, name=f"w.{number}", closes_at=NOW + (HOUR if number % 2 else -HOUR))
    assert settle(work) == 205
    assert len(work.giveaways.page((State.PAUSED,), 999)) == 102
    assert len(work.giveaways.page((State.CANCELLED,), 999)) == 103
