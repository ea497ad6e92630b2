"""Ballots follow their voters when accounts are linked or parted: nobody ever counts twice in an open poll."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.app import make_desk, make_registry
from bot.domain.places import Channel, Member
from bot.domain.polls import Kind, Option, Poll, Question, State
from bot.handlers.context import Context
from bot.handlers.links import part, tie
from bot.handlers.polls.voting import voter_of
from bot.storage.keys import Keys
from bot.storage.tables import metadata
from bot.storage.work import Work

from .house import settings_for

MEMBERS = [Member("slack", "T1", f"u{number}") for number in range(5)]
KINDS = {
    "named": Question("?", (Option(1, "a"), Option(2, "b"), Option(3, "c"))),
    "fixed": Question("?", (Option(1, "a"), Option(2, "b"), Option(3, "c")), fixed=True),
    "quiz": Question("?", (Option(1, "a"), Option(2, "b"), Option(3, "c")), Kind.QUIZ, correct=1),
    "anonymous": Question("?", (Option(1, "a"), Option(2, "b"), Option(3, "c")), anonymous=True),
}


NAMED = [kind for kind, question in KINDS.items() if not question.anonymous]


@dataclass
class Room:
    """Polls of every kind, open and not, and people who vote in them."""

    ctx: Context
    polls: dict[str, Poll] = field(default_factory=dict)

    def add(self, kind: str, state: State = State.OPEN) -> Poll:
        question = KINDS[kind]
        name = f"{'a' if question.anonymous else 'p'}.{kind}{state.value[:3]}"[:16]
        room = Channel("slack", "T1", "C1")
        poll = Poll(0, name, question, state, MEMBERS[0], "Ana", "en", (room,), 1.0)
        poll = replace(poll, id=self.ctx.work.polls.add(poll))
        if question.anonymous:
            self.ctx.desk.keys.make(name)
        self.polls[f"{kind} {state.value}"] = poll
        return poll

    def vote(self, poll: Poll, who: Member, choice: int, at: float) -> None:
        voter = voter_of(self.ctx, poll, who)
        assert voter is not None
        member, when = (None, None) if poll.question.anonymous else (str(who), at)
        self.ctx.work.ballots.put(poll.id, voter, (choice,), f"slack:C{choice}", member, when)

    def ballots(self, poll: Poll) -> dict[str, int]:
        return {voter: choice[0] for voter, choice in self.ctx.work.ballots.listed(poll.id)}

    def choice(self, poll: Poll, who: Member) -> int | None:
        voter = voter_of(self.ctx, poll, who)
        return None if voter is None else self.ballots(poll).get(voter)


@contextmanager
def room() -> Iterator[Room]:
    engine = sa.create_engine("sqlite://")
    metadata.create_all(engine)
    with TemporaryDirectory() as folder, engine.begin() as connection:
        desk = replace(make_desk(settings_for(), {}, b"k" * 32), keys=Keys(Path(folder)))
        yield Room(Context(Work(connection, 1000.0), desk, make_registry()))
    engine.dispose()


@pytest.mark.parametrize(("kind", "kept"), [("named", 3), ("fixed", 1), ("quiz", 1)])
def test_of_two_ballots_one_stays(kind: str, kept: int) -> None:
    """The later one, or the earlier one where votes are final."""
    with room() as here:
        poll, other = here.add(kind), here.add(kind, State.CLOSED)
        first, second, third = MEMBERS[:3]
        for one in (poll, other):
            here.vote(one, first, 1, 10.0)
            here.vote(one, second, 2, 20.0)
            here.vote(one, third, 3, 30.0)
        closed = here.ballots(other)
        tie(here.ctx, third, first)
        assert len(here.ballots(poll)) == 2
        tie(here.ctx, second, third)
        assert {here.choice(poll, one) for one in MEMBERS[:3]} == {kept}
        assert len(here.ballots(poll)) == 1
        assert here.ballots(other) == closed


def test_a_ballot_keeps_its_place_and_time() -> None:
    with room() as here:
        poll = here.add("named")
        here.vote(poll, MEMBERS[1], 2, 20.0)
        tie(here.ctx, MEMBERS[0], MEMBERS[1])
        person = here.ctx.work.links.person_of(MEMBERS[0])
        cast = here.ctx.work.ballots.cast(poll.id, person)
        assert cast is not None
        assert (cast.place, cast.member, cast.at) == ("slack:C2", str(MEMBERS[1]), 20.0)


@pytest.mark.parametrize("kind", NAMED)
def test_who_leaves_leaves_the_ballot_to_the_first_of_the_others(kind: str) -> None:
    with room() as here:
        poll = here.add(kind)
        tie(here.ctx, MEMBERS[2], MEMBERS[0])
        tie(here.ctx, MEMBERS[2], MEMBERS[1])
        here.vote(poll, MEMBERS[2], 3, 5.0)
        part(here.ctx, MEMBERS[2])
        assert [here.choice(poll, one) for one in MEMBERS[:3]] == [3, 3, None]
        part(here.ctx, MEMBERS[0])
        assert [here.choice(poll, one) for one in MEMBERS[:3]] == [None, 3, None]
        assert len(here.ballots(poll)) == 1


def test_who_was_refused_under_two_names_counts_once() -> None:
    with room() as here:
        poll = here.add("named")
        for who in MEMBERS[:3]:
            here.ctx.work.polls.refuse(poll.id, "role", str(who))
        tie(here.ctx, MEMBERS[0], MEMBERS[1])
        assert here.ctx.work.polls.refusals(poll.id) == {"role": 2}


def test_who_parts_stays_one_of_them_in_an_anonymous_poll() -> None:
    with room() as here:
        tie(here.ctx, MEMBERS[0], MEMBERS[1])
        poll = here.add("anonymous")
        here.vote(poll, MEMBERS[0], 1, 1.0)
        before = here.ballots(poll)
        part(here.ctx, MEMBERS[0])
        assert here.ballots(poll) == before
        assert [here.choice(poll, one) for one in MEMBERS[:3]] == [1, 1, None]
        here.vote(poll, MEMBERS[0], 2, 2.0)
        assert [here.choice(poll, one) for one in MEMBERS[:3]] == [2, 2, None]


def test_an_anonymous_poll_goes_on_as_it_opened() -> None:
    """A ballot that moved with a link would be known for theirs by whoever compares two backups."""
    with room() as here:
        tie(here.ctx, MEMBERS[0], MEMBERS[1])
        poll = here.add("anonymous")
        here.vote(poll, MEMBERS[0], 1, 1.0)
        here.vote(poll, MEMBERS[2], 2, 2.0)
        before = here.ballots(poll)
        tie(here.ctx, MEMBERS[1], MEMBERS[2])
        part(here.ctx, MEMBERS[0])
        assert here.ballots(poll) == before
        assert [here.choice(poll, one) for one in MEMBERS[:4]] == [1, 1, 2, None]
        here.vote(poll, MEMBERS[1], 3, 3.0)
        assert [here.choice(poll, one) for one in MEMBERS[:4]] == [3, 3, 2, None]
        later = here.add("anonymous", State.SCHEDULED)
        here.vote(later, MEMBERS[1], 3, 4.0)
        assert [here.choice(later, one) for one in MEMBERS[:4]] == [None, 3, 3, None]


_MEMBERS = st.integers(0, 4)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["vote", "vote", "vote", "tie", "tie", "part"]),
        _MEMBERS,
        _MEMBERS,
        st.integers(1, 3),
    ),
    max_size=30,
)


@dataclass
class Model:
    """What ought to be so, told without names: groups of members, and for each poll the ballot of each group."""

    groups: list[set[int]] = field(default_factory=lambda: [{number} for number in range(5)])
    opened: list[set[int]] = field(default_factory=list)
    """The groups when the polls opened: an anonymous one keeps to them."""
    votes: dict[str, dict[int, tuple[int, float]]] = field(default_factory=dict)
    """By poll, then by any one member of the group that holds it."""

    def group(self, one: int, poll: str = "") -> set[int]:
        groups = self.opened if poll == "anonymous" else self.groups
        return next(group for group in groups if one in group)

    def held(self, poll: str, group: set[int]) -> tuple[int, float] | None:
        return next((vote for one, vote in self.votes[poll].items() if one in group), None)

    def put(self, poll: str, group: set[int], vote: tuple[int, float] | None) -> None:
        self.votes[poll] = {one: kept for one, kept in self.votes[poll].items() if one not in group}
        if vote:
            self.votes[poll][min(group)] = vote

    def tie(self, a: int, b: int) -> None:
        mine, theirs = self.group(a), self.group(b)
        if mine is theirs:
            return
        for poll in NAMED:
            both = [vote for vote in (self.held(poll, mine), self.held(poll, theirs)) if vote]
            choose = max if poll == "named" else min
            self.put(poll, mine | theirs, choose(both, key=lambda vote: vote[1]) if both else None)
        self.groups.remove(theirs)
        mine |= theirs

    def part(self, one: int) -> None:
        group = self.group(one)
        if len(group) == 1:
            return
        kept = {poll: self.held(poll, group) for poll in NAMED}
        group.discard(one)
        self.groups.append({one})
        for poll, vote in kept.items():
            self.put(poll, {one}, None)
            self.put(poll, group, vote)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(_MEMBERS, _MEMBERS), max_size=3), STEPS)
def test_nobody_ever_counts_twice(before: list[tuple[int, int]], steps: list[tuple[str, int, int, int]]) -> None:
    with room() as here:
        model = Model(votes={kind: {} for kind in KINDS})
        for a, b in before:
            if a != b:
                tie(here.ctx, MEMBERS[a], MEMBERS[b])
                model.tie(a, b)
        kinds = {kind: here.add(kind) for kind in KINDS}
        model.opened = [set(group) for group in model.groups]
        for number, (what, a, b, choice) in enumerate(steps):
            at = 10.0 + number
            if what == "vote":
                for kind, poll in kinds.items():
                    here.vote(poll, MEMBERS[a], choice, at)
                    model.put(kind, model.group(a, kind), (choice, at))
            elif what == "tie" and a != b:
                tie(here.ctx, MEMBERS[a], MEMBERS[b])
                model.tie(a, b)
            elif what == "part":
                part(here.ctx, MEMBERS[a])
                model.part(a)
            for kind, poll in kinds.items():
                found = here.ballots(poll)
                assert found.keys() <= {voter_of(here.ctx, poll, one) for one in MEMBERS}
                wanted = [model.held(kind, model.group(one, kind)) for one in range(5)]
                assert [here.choice(poll, one) for one in MEMBERS] == [vote and vote[0] for vote in wanted]
                assert len(found) == len(model.votes[kind])
