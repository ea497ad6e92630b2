"""Accounts are linked by a code with the consent of both sides, and whoever is linked votes as one person."""

from __future__ import annotations

import json
import re
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
from bot.chat.messages import Button, Notice
from bot.domain.places import Channel, Member
from bot.domain.polls import Kind, Option, Poll, Question, State
from bot.handlers.context import Context
from bot.handlers.links import part, tie
from bot.handlers.polls.voting import voter_of
from bot.locales import LANGUAGES
from bot.storage.keys import Keys
from bot.storage.tables import link_codes, metadata
from bot.storage.work import Work

from .house import House, living, member, settings_for

LIN, LIN_THERE, EVE = member("slack", "lin"), member("telegram", "77"), member("discord", "eve")


async def offered(house: House, platform: str = "slack", who: str = "lin", **changes: object) -> str:
    """Ask for a code; the one that is shown."""
    await house.command("link", "", platform, who, **changes)
    found = re.search(r"\d{6}", house.notices(who, platform)[-1])
    assert found
    return found[0]


async def linked(house: House) -> str:
    """lin on Slack and 77 on Telegram."""
    code = await offered(house)
    await house.command("link", code, "telegram", "77")
    await house.command("link", f"{code} yes", "telegram", "77")
    return code


async def persons(house: House, *members: Member) -> list[str]:
    return await house.read(lambda work: [work.links.person_of(one) for one in members])


async def is_linked(house: House, *members: Member) -> bool:
    return len(set(await persons(house, *members))) == 1


async def test_a_code_of_one_side_typed_on_the_other_links_after_a_yes(house: House) -> None:
    code = await offered(house)
    assert house.notices("lin") == [house.told("link.code", code=code, minutes=10)]
    await house.command("link", code, "telegram", "77", member_name="Lin W.")
    whose = house.told("link.whose", name="Lin", platform="Slack", code=code)
    assert house.notices("77", "telegram") == [whose]
    assert not await is_linked(house, LIN, LIN_THERE)
    await house.command("link", f"{code} yes", "telegram", "77", member_name="Lin W.")
    assert await is_linked(house, LIN, LIN_THERE)
    assert house.notices("77", "telegram")[-1] == house.told("link.done", name="Lin", platform="Slack")
    assert house.notices("lin")[-1] == house.told("link.done_there", name="Lin W.", platform="Telegram")
    assert len(house.notices("lin")) == 2


@pytest.mark.parametrize("typed", ["{0}{1} 是", "{0} {1} YES", "{0}-{1}　确认", "１２３４５６"])
async def test_a_code_is_read_as_people_write_it(house: House, typed: str) -> None:
    code = await offered(house)
    wide = code.translate({ord("0") + n: ord("０") + n for n in range(10)})
    text = typed.format(code[:3], code[3:]) if "{" in typed else f"{wide} yes"
    await house.command("link", code, "discord", "eve")
    await house.command("关联", text, "discord", "eve")
    assert await is_linked(house, LIN, EVE)


async def test_yes_before_anything_was_shown_asks_first(house: House) -> None:
    code = await offered(house)
    await house.command("link", f"{code} yes", "telegram", "77")
    assert not await is_linked(house, LIN, LIN_THERE)
    assert house.notices("77", "telegram") == [house.told("link.whose", name="Lin", platform="Slack", code=code)]
    await house.command("link", f"{code} yes", "telegram", "77")
    assert await is_linked(house, LIN, LIN_THERE)


def buttons(house: House, platform: str) -> tuple[Button, ...]:
    told = [call.message for call in house.platforms[platform].done if isinstance(call.message, Notice)]
    return told[-1].buttons


async def test_where_something_private_can_have_buttons_one_press_is_a_yes(house: House) -> None:
    code = await offered(house, "telegram", "77")
    assert buttons(house, "telegram") == ()
    await house.command("link", code, "discord", "eve")
    (button,) = buttons(house, "discord")
    await house.press("link", "discord", "ben", payload=button.payload)
    assert not await is_linked(house, LIN_THERE, member("discord", "ben"))
    await house.press("link", "discord", "eve", payload=button.payload)
    assert await is_linked(house, LIN_THERE, EVE)
    await house.press("link", "discord", "eve", payload=button.payload)
    assert house.notices("eve", "discord")[-1] == house.told("link.wrong")


async def test_only_the_first_who_types_a_code_can_go_on(house: House) -> None:
    """On Telegram a room reads what is typed: nobody else may take somebody over by it."""
    code = await offered(house)
    await house.command("link", code, "telegram", "77")
    for text in (code, f"{code} yes"):
        await house.command("link", text, "discord", "eve")
        assert house.notices("eve", "discord")[-1] == house.told("link.wrong")
    await house.command("link", f"{code} yes", "telegram", "77")
    assert await is_linked(house, LIN, LIN_THERE)
    assert not await is_linked(house, LIN, EVE)


async def test_a_code_is_good_for_ten_minutes(house: House) -> None:
    code = await offered(house)
    await house.command("link", code, "telegram", "77")
    await house.advance(600)
    await house.command("link", f"{code} yes", "telegram", "77")
    assert house.notices("77", "telegram")[-1] == house.told("link.wrong")
    code = await offered(house)
    await house.advance(599)
    await house.command("link", code, "telegram", "77")
    assert house.notices("77", "telegram")[-1] == house.told("link.whose", name="Lin", platform="Slack", code=code)


async def test_a_code_is_good_once_and_a_newer_one_replaces_it(house: House) -> None:
    first = await offered(house)
    code = await linked(house)
    for used in (first, code):
        await house.command("link", used, "discord", "eve")
        assert house.notices("eve", "discord")[-1] == house.told("link.wrong")


async def test_codes_are_kept_as_hashes(house: House) -> None:
    code = await offered(house)
    rows = await house.store.read(lambda c: [tuple(row) for row in c.execute(sa.select(link_codes))])
    assert code not in json.dumps(rows[0][:2])
    assert len(rows) == 1


async def test_guessing_ends_after_five_wrong_codes(house: House) -> None:
    code = await offered(house)
    wrong = [f"{(int(code) + n) % 10**6:06}" for n in range(1, 7)]
    for text in wrong[:5]:
        await house.command("link", text, "discord", "eve")
        assert house.notices("eve", "discord")[-1] == house.told("link.wrong")
        await house.advance(1)
    for text in (wrong[5], code, f"{code} yes"):
        await house.command("link", text, "discord", "eve")
        assert house.notices("eve", "discord")[-1] == house.told("link.blocked", minutes=10)
    await house.command("link", code, "discord", "ben")
    assert house.notices("ben", "discord") == [house.told("link.whose", name="Lin", platform="Slack", code=code)]
    await house.advance(594)
    await house.command("link", wrong[5], "discord", "eve")
    assert house.notices("eve", "discord")[-1] == house.told("link.blocked", minutes=10)
    await house.advance(1)
    await house.command("link", wrong[5], "discord", "eve")
    assert house.notices("eve", "discord")[-1] == house.told("link.wrong")


@pytest.mark.parametrize("text", ["x", "12345", "1234567", "yes", "12345x", "١٢٣٤٥٦", "1" * 5000])
async def test_what_is_no_code_is_no_try(house: House, text: str) -> None:
    for _ in range(7):
        await house.command("link", text, "discord", "eve")
    assert set(house.notices("eve", "discord")) == {house.told("command.usage", usage="/link 123456")}


async def test_an_account_is_not_linked_with_itself_nor_twice(house: House) -> None:
    code = await offered(house)
    for text in (code, f"{code} yes"):
        await house.command("link", text, "slack", "lin")
        assert house.notices("lin")[-1] == house.told("link.own")
    await linked(house)
    code = await offered(house)
    await house.command("link", code, "telegram", "77")
    assert house.notices("77", "telegram")[-1] == house.told("link.already")


async def test_two_accounts_of_one_platform_and_a_third_one(house: House) -> None:
    await linked(house)
    other = member("slack", "alt")
    code = await offered(house, "slack", "alt")
    await house.command("link", code, "telegram", "77")
    await house.command("link", f"{code} yes", "telegram", "77")
    assert await is_linked(house, LIN, LIN_THERE, other)
    await house.command("link", "", "slack", "alt")
    assert house.told("link.linked", accounts="Slack lin, Telegram 77") in house.notices("alt")[-1]


async def test_parting_is_for_whoever_asks_at_any_time(house: House) -> None:
    await house.command("unlink", "", "slack", "lin")
    assert house.notices("lin") == [house.told("link.none")]
    await linked(house)
    await house.command("取消关联", "", "slack", "lin")
    assert not await is_linked(house, LIN, LIN_THERE)
    assert house.notices("lin")[-1] == house.told("link.parted", accounts="Telegram 77")
    await linked(house)
    assert await is_linked(house, LIN, LIN_THERE)


async def test_names_cannot_pretend(house: House) -> None:
    code = await offered(house, member_name="Ana\u202e" + "x" * 99)
    await house.command("link", code, "telegram", "77")
    text = house.notices("77", "telegram")[-1]
    assert "\u202e" not in text
    assert "x" * 50 not in text


@pytest.mark.parametrize("language", LANGUAGES)
async def test_every_text_is_said_without_a_fault(path: Path, language: str) -> None:
    others = [one for one in LANGUAGES if one != language]
    async with living(path, languages=[language, *others]) as house:
        code = await offered(house)
        await house.command("link", code)
        for text in (code, f"{code} yes"):
            await house.command("link", text, "discord", "eve")
        code = await offered(house)
        for _ in range(7):
            await house.command("link", code, "discord", "eve")
            await house.command("link", "000000" if code != "000000" else "111111", "discord", "eve")
        for _ in range(2):
            await house.command("unlink", "", "discord", "eve")
        said = {key for spoken, key in house.texts.said if spoken == language}
        assert {key for key in house.texts.keys(language) if key.startswith("link.")} <= said


# --- ballots follow -------------------------------------------------------------------------------------------------

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
