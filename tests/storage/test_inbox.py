"""The inbox: every event once, every source's position only forward."""

from __future__ import annotations

from functools import partial
from itertools import count

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from servers import Postgres
from sqlalchemy import Connection

from bot.chat.events import MessageDeleted
from bot.chat.ports import Incoming, Position
from bot.domain.parts import part_of
from bot.domain.places import Channel
from bot.storage.inbox import Inbox, Stored
from bot.storage.links import run_alone
from bot.storage.tables import metadata
from bot.storage.work import Work

from .backends import emptied
from .conftest import NOW, Bench

GONE = MessageDeleted(Channel("slack", "T1", "C1"), "1.0")


def event(number: int, source: str = "slack:T1", position: Position | None = None, *, useful: bool = True) -> Incoming:
    return Incoming(source, str(number), f"raw {number}", GONE if useful else None, position)


def page_beside(work: Work, seen: list[int]) -> list[Stored]:
    return work.inbox.new(seen, 3)


async def test_new_rows_have_ids_in_order_and_copies_have_none(bench: Bench) -> None:
    first = await bench.write(lambda work: work.inbox.add([event(1), event(2), event(1)], NOW))
    again = await bench.write(lambda work: work.inbox.add([event(2), event(3)], NOW))
    assert first[0] is not None
    assert first[1] is not None
    assert first[0] < first[1]
    assert first[2] is None
    assert again[0] is None
    assert again[1] is not None
    waiting = await bench.read(lambda work: work.inbox.new([], 10))
    assert [row.id for row in waiting] == [first[0], first[1], again[1]]


async def test_a_copy_changes_nothing_of_the_first(bench: Bench) -> None:
    (row,) = await bench.write(lambda work: work.inbox.add([event(1)], NOW))
    await bench.write(lambda work: work.inbox.done(row or 0))
    await bench.write(lambda work: work.inbox.add([Incoming("slack:T1", "1", "forged", GONE)], NOW))
    assert await bench.read(lambda work: work.inbox.raws([row or 0])) == {row: "raw 1"}
    assert await bench.read(lambda work: work.inbox.counts()) == {"done": 1}


async def test_the_same_number_from_another_source_is_another_event(bench: Bench) -> None:
    rows = await bench.write(lambda work: work.inbox.add([event(1), event(1, "slack:T2"), event(1, "discord:G")], NOW))
    assert None not in rows
    assert [row.source for row in await bench.read(lambda work: work.inbox.new([], 9))] == [
        "slack:T1", "slack:T2", "discord:G"]  # fmt: skip


async def test_what_we_have_no_use_for_is_stored_and_never_handled(bench: Bench) -> None:
    (row,) = await bench.write(lambda work: work.inbox.add([event(1, useful=False)], NOW))
    assert row is not None
    assert await bench.read(lambda work: work.inbox.new([], 10)) == []
    assert await bench.read(lambda work: work.inbox.counts()) == {"ignored": 1}


async def test_new_rows_are_read_page_by_page(bench: Bench) -> None:
    rows = await bench.write(lambda work: work.inbox.add([event(n) for n in range(7)], NOW))
    seen: list[int] = []
    while page := await bench.read(partial(page_beside, seen=seen)):
        assert len(page) <= 3
        seen += [row.id for row in page]
    assert seen == rows


@pytest.mark.parametrize("end", ["done", "ignored", "failed"])
async def test_an_ended_row_is_new_no_more(bench: Bench, end: str) -> None:
    (row,) = await bench.write(lambda work: work.inbox.add([event(1)], NOW))
    args = (row,) if end == "done" else (row, "because")
    await bench.write(lambda work: getattr(work.inbox, end)(*args))
    assert await bench.read(lambda work: work.inbox.new([], 10)) == []
    assert await bench.read(lambda work: work.inbox.counts()) == {end: 1}


async def test_only_some_parts_can_be_read(bench: Bench) -> None:
    here, there = (part_of(f"slack:{channel}") for channel in ("C1", "C2"))
    assert here != there
    elsewhere = MessageDeleted(Channel("slack", "T1", "C2"), "1.0")
    batch = [event(1), Incoming("slack:T1", "2", "raw", elsewhere), event(3)]
    a, b, c = await bench.write(lambda work: work.inbox.add(batch, NOW))
    read = [await bench.read(partial(of_parts, parts=parts)) for parts in ([here], [there], [here, there], [], None)]
    assert read == [[(a, here), (c, here)], [(b, there)], [(a, here), (b, there), (c, here)], [],
                    [(a, here), (b, there), (c, here)]]  # fmt: skip


def of_parts(work: Work, parts: list[int] | None) -> list[tuple[int, int]]:
    return [(row.id, row.part) for row in work.inbox.new([], 9, parts)]


@pytest.mark.parametrize("late", ["ignored", "failed"])
async def test_whoever_comes_late_does_not_undo_what_is_done(bench: Bench, late: str) -> None:
    (row,) = await bench.write(lambda work: work.inbox.add([event(1)], NOW))
    await bench.write(lambda work: work.inbox.done(row or 0))
    await bench.write(lambda work: getattr(work.inbox, late)(row, "because"))
    assert await bench.write(lambda work: work.inbox.tried(row or 0, "why")) is None
    assert await bench.read(lambda work: work.inbox.counts()) == {"done": 1}


async def test_tries_are_counted_and_the_row_stays(bench: Bench) -> None:
    (row,) = await bench.write(lambda work: work.inbox.add([event(1)], NOW))
    counted = [await bench.write(lambda work: work.inbox.tried(row or 0, "why")) for _ in range(3)]
    assert counted == [1, 2, 3]
    assert len(await bench.read(lambda work: work.inbox.new([], 10))) == 1


async def test_positions_only_grow(bench: Bench) -> None:
    numbers = count(1)

    async def put(*values: int) -> int | None:
        batch = [event(next(numbers), position=Position("c", value)) for value in values]
        await bench.write(lambda work: work.inbox.add(batch, NOW))
        return await bench.read(lambda work: work.inbox.position("c"))

    assert await bench.read(lambda work: work.inbox.position("c")) is None
    assert await put(5) == 5
    assert await put(3) == 5
    assert await put(4, 9, 7) == 9
    assert await put(2**62) == 2**62


async def test_a_copy_moves_the_position_too(bench: Bench) -> None:
    """After a restart a platform may give us again what is stored: its cursor must not stay behind."""
    await bench.write(lambda work: work.inbox.add([event(1, position=Position("c", 1))], NOW))
    await bench.write(lambda work: work.inbox.add([event(1, position=Position("c", 2))], NOW + 5))
    assert await bench.read(lambda work: work.inbox.position("c")) == 2


async def test_cursors_are_apart_and_say_when_they_were_heard_of(bench: Bench) -> None:
    await bench.write(lambda work: work.inbox.add([event(1, position=Position("b", 7))], NOW))
    await bench.write(lambda work: work.inbox.add([event(2, position=Position("a", 1))], NOW + 60))
    await bench.write(lambda work: work.inbox.add([event(3, position=Position("b", 2))], NOW + 90))
    assert await bench.read(lambda work: work.inbox.seen()) == [("a", NOW + 60), ("b", NOW + 90)]
    assert await bench.read(lambda work: work.inbox.position("b")) == 7


async def test_texts_of_all_scripts_come_back_as_they_were(bench: Bench) -> None:
    raw = "茶 🍵 \u202e ' \" -- ; \\ \r\n" + "x" * 100_000
    (row,) = await bench.write(lambda work: work.inbox.add([Incoming("s", "1", raw, GONE)], NOW))
    assert await bench.read(lambda work: work.inbox.raws([row or 0])) == {row: raw}


async def test_the_one_character_that_a_text_in_postgresql_cannot_hold_costs_no_event(bench: Bench) -> None:
    (row,) = await bench.write(lambda work: work.inbox.add([Incoming("s", "1", "a\x00b", GONE)], NOW))
    raws = await bench.read(lambda work: work.inbox.raws([row or 0]))
    assert raws[row or 0] in {"a\x00b", "a\ufffdb"}


BATCHES = st.lists(st.lists(st.integers(0, 12), max_size=6), max_size=6)


def stored_once(connection: Connection, batches: list[list[int]]) -> None:
    inbox, known = Inbox(connection), set[int]()
    for batch in batches:
        rows = inbox.add([event(n, position=Position("c", n)) for n in batch], NOW)
        for number, row in zip(batch, rows, strict=True):
            assert (row is None) == (number in known)
            known.add(number)
    assert len(inbox.new([], 100)) == len(known)
    assert inbox.position("c") == (max(known) if known else None)


@given(BATCHES)
def test_each_event_is_stored_once_however_it_comes(batches: list[list[int]]) -> None:
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        metadata.create_all(connection)
        stored_once(connection, batches)
    engine.dispose()


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=BATCHES)
def test_the_same_on_a_server(postgres: Postgres, batches: list[list[int]]) -> None:
    run_alone(emptied(postgres), partial(stored_once, batches=batches))


def test_what_is_run_alone_happens_whole_or_not_at_all(postgres: Postgres) -> None:
    url = emptied(postgres)

    def broken(connection: Connection) -> None:
        Inbox(connection).add([event(1)], NOW)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_alone(url, broken)
    assert run_alone(url, lambda connection: Inbox(connection).counts()) == {}
    run_alone(url, lambda connection: Inbox(connection).add([event(1)], NOW))
    assert run_alone(url, lambda connection: Inbox(connection).counts()) == {"new": 1}


async def test_a_gap_is_shown_until_it_is_whole_again(bench: Bench) -> None:
    await bench.write(lambda work: work.inbox.gap("c", 9))  # of a cursor that nobody has
    await bench.write(lambda work: work.inbox.add([event(1, position=Position("c", 5))], NOW))
    assert await bench.read(lambda work: work.inbox.gaps()) == []
    await bench.write(lambda work: work.inbox.gap("c", 9))
    assert await bench.read(lambda work: work.inbox.gaps()) == ["c"]
    assert await bench.read(lambda work: work.inbox.position("c")) == 5
    await bench.write(lambda work: work.inbox.gap("c", None))
    assert await bench.read(lambda work: work.inbox.gaps()) == []
