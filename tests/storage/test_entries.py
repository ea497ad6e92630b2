"""One entry for each person of a giveaway; the list that is drawn from; erasure."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace

import pytest
import sqlalchemy as sa

from bot.domain.giveaways import Entry, EntryState, State
from bot.domain.places import Member
from bot.storage import entries as module
from bot.storage.tables import metadata
from bot.storage.tallies import Counts, keep
from bot.storage.work import Work

from .conftest import NOW, Bench
from .test_giveaways import SEED, giveaway

ANA, BEN, CAT = Member("slack", "T1", "ana"), Member("discord", "G1", "ben"), Member("telegram", "1", "7")
BOTH = "person:1f"


def entry(member: Member = ANA, **changes: object) -> Entry:
    address = str(member)
    ticket = secrets.token_hex(16)
    made = Entry(1, address, member, "Ana", "slack:C1", ticket, bytes(range(16)), 3, EntryState.IN, at=NOW)
    return replace(made, **changes)  # type: ignore[arg-type]  # fields of an Entry


async def put(bench: Bench, *some: Entry) -> None:
    def unit(work: Work) -> None:
        for one in some:
            work.entries.change(work.entries.get(one.giveaway_id, one.person), one)

    await bench.write(unit)


async def listed(bench: Bench, giveaway_id: int = 1) -> list[tuple[str, int]]:
    return await bench.read(lambda work: work.entries.list_page(giveaway_id, "", 99))


async def test_an_entry_comes_back_as_it_was_kept(bench: Bench) -> None:
    full = entry(
        BEN, person=BOTH, rule="cooldown", granted=True, appealed=True, state=EntryState.EXCLUDED, weight=10**6
    )
    nobody = replace(entry(CAT, person="erased:1", salt=b""), member=None)
    await put(bench, entry(), full, nobody)
    assert await bench.read(lambda work: work.entries.get(1, BOTH)) == full
    assert await bench.read(lambda work: work.entries.get(1, "erased:1")) == nobody
    assert await bench.read(lambda work: work.entries.find(1, full.ticket)) == full
    for absent in (lambda work: work.entries.get(2, BOTH), lambda work: work.entries.get(1, str(BEN))):
        assert await bench.read(absent) is None
    assert await bench.read(lambda work: work.entries.find(2, full.ticket)) is None


async def test_the_salt_is_in_no_repr() -> None:
    assert "salt" not in repr(entry())


async def test_the_last_that_was_kept_of_a_person_counts(bench: Bench) -> None:
    first = entry()
    again = entry(ANA, name="Anna", place="slack:C2", weight=1, state=EntryState.LEFT, salt=b"x" * 16, at=NOW + 5)
    other = entry(ANA, giveaway_id=2)
    await put(bench, first, other, again)
    assert await bench.read(lambda work: work.entries.get(1, str(ANA))) == again
    assert await bench.read(lambda work: work.entries.get(2, str(ANA))) == other
    assert await bench.read(lambda work: work.entries.find(1, first.ticket)) is None


async def test_what_a_check_found_is_kept(bench: Bench) -> None:
    one, two = entry(state=EntryState.CHECKING), entry(BEN)
    await put(bench, one, two)
    await bench.write(lambda work: work.entries.decide(one, EntryState.REFUSED, "role", 0))
    await bench.write(lambda work: work.entries.decide(entry(CAT), EntryState.IN, "", 1))
    found = await bench.read(lambda work: work.entries.get(1, str(ANA)))
    assert found == replace(one, state=EntryState.REFUSED, rule="role", weight=0)
    assert await bench.read(lambda work: work.entries.get(1, str(BEN))) == two


async def test_the_list_is_by_ticket_and_of_those_who_are_in(bench: Bench) -> None:
    some = [entry(Member("slack", "T1", f"u{n}"), weight=n + 1) for n in range(20)]
    others = [
        entry(Member("slack", "T1", f"x{state}"), state=state) for state in EntryState if state is not EntryState.IN
    ]
    await put(bench, *some, *others, entry(ANA, giveaway_id=2))
    wanted = sorted((one.ticket, one.weight) for one in some)
    assert await listed(bench) == wanted

    def paged(work: Work) -> list[tuple[str, int]]:
        pages: list[tuple[str, int]] = []
        while found := work.entries.list_page(1, pages[-1][0] if pages else "", 7):
            assert len(found) <= 7
            pages += found
        return pages

    assert await bench.read(paged) == wanted


async def test_pages_are_by_person_in_one_order_everywhere(bench: Bench) -> None:
    """Servers sort by their locale, unless they are told otherwise."""
    names = ["a", "B", "_", "ä", "Z", "茶", "person:1", "a-b", "ab", "slack:T1:U", "slack:T10:A"]
    await put(bench, *[entry(ANA, person=name, ticket=secrets.token_hex(16)) for name in names])
    await put(bench, entry(ANA, person="c", state=EntryState.LEFT), entry(ANA, person="c", giveaway_id=2))

    def paged(work: Work) -> list[str]:
        found: list[str] = []
        while some := work.entries.page(1, EntryState.IN, found[-1] if found else "", 3):
            assert len(some) <= 3
            found += [one.person for one in some]
        return found

    assert await bench.read(paged) == sorted(names)


# ---- other names


async def test_who_links_accounts_keeps_their_ticket(bench: Bench) -> None:
    one, two = entry(), entry(BEN)
    await put(bench, one, two, entry(ANA, giveaway_id=2))
    assert await bench.write(lambda work: work.entries.move(1, str(ANA), BOTH))
    assert await bench.read(lambda work: work.entries.get(1, BOTH)) == replace(one, person=BOTH)
    assert await bench.read(lambda work: work.entries.get(1, str(ANA))) is None
    assert await bench.read(lambda work: work.entries.get(2, str(ANA))) is not None
    assert await bench.write(lambda work: work.entries.move(1, "nobody", "somebody"))
    assert await bench.write(lambda work: work.entries.move(1, BOTH, BOTH))


async def test_of_two_entries_of_one_person_none_is_lost(bench: Bench) -> None:
    one, two = entry(), entry(BEN, person=BOTH)
    await put(bench, one, two)
    assert not await bench.write(lambda work: work.entries.move(1, str(ANA), BOTH))
    assert await bench.read(lambda work: work.entries.get(1, str(ANA))) == one
    assert await bench.read(lambda work: work.entries.get(1, BOTH)) == two
    assert await bench.write(lambda work: work.entries.move(1, "nobody", BOTH))


# ---- what is kept of somebody


async def made(bench: Bench, count: int = 3) -> list[int]:
    def unit(work: Work) -> list[int]:
        return [work.giveaways.add(giveaway(f"w.{n}", state=State.OPEN), SEED) for n in range(count)]

    return await bench.write(unit)


async def test_all_entries_of_a_person_and_of_a_member_are_found(bench: Bench) -> None:
    a, b, c = await made(bench)
    alone, linked = entry(ANA, giveaway_id=c), entry(ANA, giveaway_id=a, person=BOTH)
    other = entry(BEN, giveaway_id=b, person=BOTH)
    await put(bench, alone, linked, other, entry(CAT, giveaway_id=a))

    async def of(ask: Callable[[Work], list[Entry]]) -> list[Entry]:
        return await bench.read(ask)

    assert await of(lambda work: work.entries.of_person(BOTH)) == [linked, other]
    assert await of(lambda work: work.entries.of_person(str(ANA))) == [alone]
    assert await of(lambda work: work.entries.of_member(ANA)) == [linked, alone]
    assert await of(lambda work: work.entries.of_member(BEN)) == [other]
    assert await of(lambda work: work.entries.of_member(Member("slack", "T1", "nobody"))) == []


async def test_before_the_freeze_an_erased_person_leaves_nothing(bench: Bench) -> None:
    one = entry()
    await put(bench, one, entry(BEN), entry(ANA, giveaway_id=2))
    await bench.write(lambda work: work.giveaways.freeze(2, "text", "root", 1, 1))
    await bench.write(lambda work: work.entries.erase(1, str(ANA)))
    assert await bench.read(lambda work: work.entries.get(1, str(ANA))) is None
    assert await bench.read(lambda work: work.entries.find(1, one.ticket)) is None
    assert len(await listed(bench)) == 1


async def test_after_the_freeze_the_ticket_stays_and_nobody_is_behind_it(bench: Bench) -> None:
    one, two, out = entry(appealed=True), entry(BEN), entry(CAT, state=EntryState.EXCLUDED, rule="role", granted=True)
    await put(bench, one, two, out)
    before = await listed(bench)
    await bench.write(lambda work: work.giveaways.freeze(1, "text", "root", 2, 6))
    for member in (ANA, CAT):
        await bench.write(lambda work, member=member: work.entries.erase(1, str(member)))
    assert await listed(bench) == before
    found = await bench.read(lambda work: work.entries.find(1, one.ticket))
    assert found is not None
    assert found.person.startswith("erased:")
    assert found == Entry(1, found.person, None, "", "", one.ticket, b"", 3, EntryState.IN)
    assert await bench.read(lambda work: work.entries.get(1, str(BEN))) == two
    counts = await bench.read(lambda work: work.entries.counts(1))
    assert counts == Counts(2, 6, {"role": 1}, 0, {"": 1, "slack:C1": 1}, 0)
    await bench.write(lambda work: work.entries.erase(1, found.person))
    assert await bench.read(lambda work: work.entries.get(1, found.person)) == found


async def test_two_that_are_erased_have_two_names(bench: Bench) -> None:
    some = [entry(Member("slack", "T1", f"u{n}")) for n in range(5)]
    await put(bench, *some)
    await bench.write(lambda work: work.giveaways.freeze(1, "text", "root", 2, 6))

    def erase(work: Work) -> None:
        for one in some:
            work.entries.erase(1, one.person)

    await bench.write(erase)
    found = await bench.read(lambda work: [work.entries.find(1, one.ticket) for one in some])
    assert len({one.person for one in found if one}) == 5


async def test_a_list_is_erased_in_pages(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ERASE_PAGE", 3)
    members = [ANA, BEN, CAT, *(Member("slack", "T1", f"u{n}") for n in range(4))]
    await put(bench, *map(entry, members), entry(ANA, person=BOTH), entry(ANA, giveaway_id=2))
    await bench.write(lambda work: work.giveaways.freeze(1, "text", "root", 8, 24))
    before = await listed(bench)
    some = [await bench.write(lambda work: work.entries.erase_all(1)) for _ in range(4)]
    assert some == [3, 3, 2, 0]
    assert await listed(bench) == before
    rows = await bench.read(lambda work: work.entries.page(1, EntryState.IN, "", 99))
    assert {(one.member, one.name, one.place, one.salt, one.at) for one in rows} == {(None, "", "", b"", 0.0)}
    assert await bench.read(lambda work: work.entries.get(2, str(ANA))) is not None


def test_nothing_of_many_entries_is_read_twice() -> None:
    """The list comes from its index alone, and counts, which cards show every three seconds, are counted once."""
    engine = sa.create_engine("sqlite://")
    metadata.create_all(engine)
    said: list[str] = []
    with engine.begin() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        driver.set_trace_callback(said.append)
        work = Work(connection, NOW)
        work.entries.list_page(1, "", 10)
        listed = said[-1]
        keep(connection)
        work.entries.counts(1)
        work.entries.change(None, entry())
        before = len(said)
        assert work.entries.counts(1).entries == 1
        assert len(said) == before
        driver.set_trace_callback(None)
        (plan,) = [row[3] for row in driver.execute("EXPLAIN QUERY PLAN " + listed)]
        assert plan.startswith("SEARCH giveaway_entries USING COVERING INDEX giveaway_entries_list (")
    engine.dispose()
