"""One entry for each person of a giveaway; the list that is drawn from; the counts that cards show; erasure."""

from __future__ import annotations

import random
import secrets
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.giveaways import Entry, EntryState, State
from bot.domain.places import Member
from bot.storage import entries as module
from bot.storage.entries import Counts
from bot.storage.tables import giveaway_entries, metadata
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
            work.entries.put(one)

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
    await bench.write(lambda work: work.entries.decide(1, str(ANA), EntryState.REFUSED, "role", 0))
    await bench.write(lambda work: work.entries.decide(1, "nobody", EntryState.IN, "", 1))
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


# ---- counts


async def test_counts_say_who_stands_where(bench: Bench) -> None:
    def one(number: int, state: EntryState, **changes: object) -> Entry:
        return entry(Member("slack", "T1", f"u{number}"), state=state, **changes)

    await put(
        bench,
        one(1, EntryState.IN, weight=5),
        one(2, EntryState.IN, weight=10**6, place="discord:9", granted=True),
        one(3, EntryState.IN, weight=1, place="discord:9"),
        one(4, EntryState.REFUSED, rule="role"),
        one(5, EntryState.EXCLUDED, rule="role"),
        one(6, EntryState.EXCLUDED, rule="gone", granted=True),
        one(7, EntryState.LEFT),
        one(8, EntryState.CHECKING),
        one(9, EntryState.IN, giveaway_id=2),
    )
    places = {"slack:C1": 1, "discord:9": 2}
    wanted = Counts(3, 10**6 + 6, {"role": 2, "gone": 1}, 1, places, 1)
    assert await bench.read(lambda work: work.entries.counts(1)) == wanted
    assert await bench.read(lambda work: work.entries.counts(3)) == Counts(0, 0, {}, 0, {}, 0)


@dataclass
class Books:
    """What should stand in the database, kept by hand."""

    rows: dict[str, Entry] = field(default_factory=dict)

    def counts(self) -> Counts:
        inside = [one for one in self.rows.values() if one.state is EntryState.IN]
        out = [one.rule for one in self.rows.values() if one.state in {EntryState.REFUSED, EntryState.EXCLUDED}]
        return Counts(
            len(inside),
            sum(one.weight for one in inside),
            Counter(out),
            sum(one.granted for one in inside),
            Counter(one.place for one in inside),
            sum(one.state is EntryState.CHECKING for one in self.rows.values()),
        )

    def list(self) -> list[tuple[str, int]]:
        return sorted((one.ticket, one.weight) for one in self.rows.values() if one.state is EntryState.IN)


_PERSONS = st.sampled_from(["a", "b", "c", "d", "e"])
_STATES = st.sampled_from(EntryState)
_RULES = st.sampled_from(["", "role", "gone"])
_STEP = st.one_of(
    st.tuples(st.just("put"), _PERSONS, _STATES, _RULES, st.integers(1, 9), st.booleans(), st.sampled_from("xy")),
    st.tuples(st.just("decide"), _PERSONS, _STATES, _RULES, st.integers(1, 9)),
    st.tuples(st.just("move"), _PERSONS, _PERSONS),
    st.tuples(st.just("erase"), _PERSONS),
    st.tuples(st.just("freeze")),
)


def _step(books: Books, work: Work, frozen: list[bool], step: tuple[object, ...]) -> None:
    """One change in the database and in the books; an erased person is looked for by the ticket."""
    match step:
        case ["put", str(person), EntryState() as state, str(rule), int(weight), bool(granted), str(place)]:
            ticket = books.rows[person].ticket if person in books.rows else secrets.token_hex(16)
            one = Entry(1, person, ANA, "n", place, ticket, b"s", weight, state, rule, granted, at=NOW)
            books.rows[person] = one
            work.entries.put(one)
        case ["decide", str(person), EntryState() as state, str(rule), int(weight)]:
            if person in books.rows:
                books.rows[person] = replace(books.rows[person], state=state, rule=rule, weight=weight)
            work.entries.decide(1, person, state, rule, weight)
        case ["move", str(old), str(new)]:
            if old in books.rows and (new not in books.rows):
                books.rows[new] = replace(books.rows.pop(old), person=new)
            work.entries.move(1, old, new)
        case ["erase", str(person)]:
            gone = books.rows.pop(person, None)
            if gone and frozen:
                books.rows[f"erased:{gone.ticket}"] = replace(gone, place="")
            work.entries.erase(1, person)
        case ["freeze"]:
            if not frozen:
                frozen.append(True)
                work.giveaways.freeze(1, "text", "root", 1, 1)


@settings(max_examples=80, deadline=None)
@given(st.lists(_STEP, max_size=30))
def test_counts_and_list_are_those_of_a_recount(steps: list[tuple[object, ...]]) -> None:
    engine = sa.create_engine("sqlite://")
    metadata.create_all(engine)
    books, frozen = Books(), list[bool]()
    with engine.begin() as connection:
        work = Work(connection, NOW)
        for step in steps:
            _step(books, work, frozen, step)
            assert work.entries.counts(1) == books.counts()
        assert work.entries.list_page(1, "", 99) == books.list()
        assert len(connection.execute(sa.select(giveaway_entries)).all()) == len(books.rows)
    engine.dispose()


async def test_the_same_recount_on_every_database(bench: Bench) -> None:
    """A few hundred changes from a fixed seed; the property above searches further, in SQLite alone."""
    dice, books, frozen = random.Random(5), Books(), list[bool]()
    states, rules, persons = list(EntryState), ["", "role", "gone"], [*"abcdefghij"]

    def step() -> tuple[object, ...]:
        weight, state, rule = dice.randint(1, 9), dice.choice(states), dice.choice(rules)
        match dice.choice(["put", "put", "decide", "move", "erase"]):
            case "put":
                return "put", dice.choice(persons), state, rule, weight, dice.random() < 0.5, dice.choice("xy")
            case "decide":
                return "decide", dice.choice(persons), state, rule, weight
            case "move":
                return "move", dice.choice(persons), dice.choice(persons)
        return "erase", dice.choice(persons)

    steps = [step() for _ in range(200)]
    steps.insert(150, ("freeze",))

    def unit(work: Work) -> Counts:
        books.rows.clear()
        frozen.clear()
        for one in steps:
            _step(books, work, frozen, one)
        return work.entries.counts(1)

    assert await bench.write(unit) == books.counts()
    assert await listed(bench) == books.list()


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


def test_nothing_of_many_entries_is_read_but_the_indexes() -> None:
    """The list and the counts come from indexes alone: a card is made every three seconds, with 100,000 entries."""
    engine = sa.create_engine("sqlite://")
    metadata.create_all(engine)
    plans: Mapping[str, Callable[[Work], object]] = {
        "giveaway_entries_list": lambda work: work.entries.list_page(1, "", 10),
        "giveaway_entries_counts": lambda work: work.entries.counts(1),
    }
    with engine.begin() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        for name, ask in plans.items():
            said: list[str] = []
            driver.set_trace_callback(said.append)
            ask(Work(connection, NOW))
            driver.set_trace_callback(None)
            (plan,) = [row[3] for row in driver.execute("EXPLAIN QUERY PLAN " + said[-1])]
            assert plan.startswith(f"SEARCH giveaway_entries USING COVERING INDEX {name} (")
    engine.dispose()
