"""The counts of entries that cards show: the same as a recount, read from the database or kept beside the writer."""

from __future__ import annotations

import random
import secrets
from collections import Counter
from dataclasses import dataclass, field, replace

import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.giveaways import Entry, EntryState
from bot.domain.places import Member
from bot.storage.tables import giveaway_entries, metadata
from bot.storage.tallies import Counts, keep
from bot.storage.work import Work

from .conftest import NOW, Bench
from .test_entries import ANA, entry, listed, put


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
    st.tuples(
        st.sampled_from(["change", "undo"]),
        _PERSONS,
        _STATES,
        _RULES,
        st.integers(1, 9),
        st.booleans(),
        st.sampled_from("xy"),
    ),
    st.tuples(st.just("decide"), _PERSONS, _STATES, _RULES, st.integers(1, 9)),
    st.tuples(st.just("move"), _PERSONS, _PERSONS),
    st.tuples(st.just("erase"), _PERSONS),
    st.tuples(st.just("freeze")),
)


def _fail_after(work: Work, entry: Entry) -> None:
    """A change that is taken back."""
    work.entries.change(work.entries.get(1, entry.person), entry)
    work.entries.counts(1)  # and so it is kept as it will not be
    raise ValueError


def _made(person: str, ticket: str, *rest: object) -> Entry:
    match rest:
        case [EntryState() as state, str(rule), int(weight), bool(granted), str(place)]:
            return Entry(1, person, ANA, "n", place, ticket, b"s", weight, state, rule, granted, at=NOW)
    raise AssertionError(rest)


def _kept(books: Books, work: Work, how: str, one: Entry) -> None:
    if how == "undo":
        assert work.isolated(lambda: _fail_after(work, one)) is not None
        return
    work.entries.change(work.entries.get(1, one.person), one)
    books.rows[one.person] = one


def _step(books: Books, work: Work, frozen: list[bool], step: tuple[object, ...]) -> None:
    """One change in the database and in the books; an erased person is looked for by the ticket."""
    match step:
        case ["change" | "undo" as how, str(person), *rest]:
            ticket = books.rows[person].ticket if person in books.rows else secrets.token_hex(16)
            _kept(books, work, str(how), _made(person, ticket, *rest))
        case ["decide", str(person), EntryState() as state, str(rule), int(weight)]:
            if person in books.rows:
                work.entries.decide(books.rows[person], state, rule, weight)
                books.rows[person] = replace(books.rows[person], state=state, rule=rule, weight=weight)
        case ["move", str(old), str(new)]:
            if old in books.rows and (new not in books.rows):
                books.rows[new] = replace(books.rows.pop(old), person=new)
            work.entries.move(1, old, new)
        case ["erase", str(person)]:
            gone = books.rows.pop(person, None)
            if gone and frozen:
                books.rows[f"erased:{gone.ticket}"] = replace(gone, place="")
            work.entries.erase(1, person)
        case ["freeze"] if not frozen:
            frozen.append(True)
            work.giveaways.freeze(1, "text", "root", 1, 1)


@settings(max_examples=80, deadline=None)
@given(st.lists(_STEP, max_size=30), st.booleans())
def test_counts_and_list_are_those_of_a_recount(steps: list[tuple[object, ...]], kept: bool) -> None:
    engine = sa.create_engine("sqlite://")
    metadata.create_all(engine)
    books, frozen = Books(), list[bool]()
    with engine.begin() as connection:
        if kept:
            keep(connection)
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
        match dice.choice(["change", "change", "undo", "decide", "move", "erase"]):
            case "change" | "undo" as how:
                return how, dice.choice(persons), state, rule, weight, dice.random() < 0.5, dice.choice("xy")
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
