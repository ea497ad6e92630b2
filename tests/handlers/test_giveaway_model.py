"""A giveaway under whatever people, platforms, the beacon and the machine do: held against a model of who may be drawn.

Handlers, timers, couriers and store are the real ones. The model knows the rules only: who is in, who is out for which
reason, and what was frozen. The draw is computed again from what stands in the room, by the verifier.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from engine.platforms import Call, Deed, Recorder, do_it
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from bot.chat.messages import Card, Document, Line
from bot.domain.fdraw import ticket_of
from bot.domain.giveaways import Entry, EntryState, State
from bot.handlers.context import Context
from bot.handlers.links import part, tie
from bot.storage.work import Work

from .giveawaymodel import CODE, EARLY, ON, OPEN, WHO, WINNERS, Base
from .giveawayrules import OUT, PEOPLE, STAFF, Place
from .house import House, member


class Members(Base):
    """What members do."""

    @rule(who=WHO)
    def enter(self, who: str) -> None:
        if not self.live(who):
            return
        open_now = self.now.giveaway.state is State.OPEN and self.house.clock.at < self.now.giveaway.closes_at
        told = self.press("enter", who)
        if open_now:
            self.model.enter(who)
            found = self.model.place(who)
            assert found is not None
            code = CODE.search(told)
            assert (code is not None) == (found.state is EntryState.IN), told
            if code:
                maker = next(one for one in self.model.linked[who] if self.model.places.get(one) is found)
                ticket = ticket_of(self.name, f"{ON}:{maker}", bytes.fromhex(code[0]))
                self.model.tickets[ticket] = maker

    @rule(who=WHO)
    def leave(self, who: str) -> None:
        if self.live(who):
            found = self.model.place(who)
            self.press("leave", who)
            if self.now.giveaway.state is State.OPEN and found and found.state is EntryState.IN:
                found.state, found.rule = EntryState.LEFT, ""

    @precondition(lambda self: self.is_open)
    @rule(who=WHO, roles=st.sampled_from([(), ("R1",), ("R1", "R2"), ("R2",)]))
    def has_roles(self, who: str, roles: tuple[str, ...]) -> None:
        self.model.roles[who] = set(roles)

    @precondition(lambda self: self.is_open)
    @rule(who=WHO, granted=st.sampled_from([True, True, False]))
    def appeals(self, who: str, granted: bool) -> None:
        out = [one for one, place in self.model.places.items() if place.state in OUT and self.live(one)]
        who = out[PEOPLE.index(who) % len(out)] if out else who
        found = self.model.place(who)
        if not self.live(who) or found is None:
            return
        name = str(member(ON, who))
        self.run(self.house.command("giveaway", f"appeal {self.number} I was away", ON, who))
        if self.now.giveaway.state in OPEN and found.state in OUT:
            found.appealed = True
        word = "grant" if granted else "uphold"
        persons = self.run(self.house.read(lambda work: work.entries.appealing(self.number, 99)))
        for entry in persons:
            if entry.member is not None and str(entry.member) in {
                name,
                *(str(member(ON, o)) for o in self.model.linked[who]),
            }:
                self.tell(f"appeals {self.number} {word} {entry.ticket[:16]}")
        if self.now.giveaway.state in OPEN and found.state in OUT and found.appealed:
            found.appealed = False
            if granted:
                found.state, found.rule, found.granted = EntryState.IN, "", True
                self.told_by_host(who, found)

    def told_by_host(self, who: str, found: Place) -> None:
        maker = next(one for one in self.model.linked[who] if self.model.places.get(one) is found)
        entry = self.entry_of(maker)
        assert entry is not None
        self.model.tickets[entry.ticket] = maker

    def entry_of(self, who: str) -> Entry | None:
        found = self.run(self.house.read(lambda work: work.entries.of_member(member(ON, who))))
        return next((one for one in found if one.giveaway_id == self.number), None)

    @precondition(lambda self: self.is_open)
    @rule(who=WHO, other=WHO)
    def link(self, who: str, other: str) -> None:
        group = self.model.linked[who] | self.model.linked[other]
        if len({who, other, STAFF}) < 3 or self.model.linked[who] == self.model.linked[other]:
            return
        self.in_unit(lambda ctx: tie(ctx, member(ON, who), member(ON, other)))
        if self.now.giveaway.state in OPEN and len([one for one in group if one in self.model.places]) > 1:
            self.model.merged |= group
        if self.now.giveaway.state in OPEN:
            self.model.linked.update(dict.fromkeys(group, group))

    @precondition(lambda self: self.is_open)
    @rule(who=WHO)
    def unlink(self, who: str) -> None:
        group = self.model.linked[who]
        if not self.live(who) or self.now.giveaway.state not in OPEN:
            return
        self.in_unit(lambda ctx: part(ctx, member(ON, who)))
        for one in group:
            self.model.linked[one] = frozenset({who}) if one == who else group - {who}

    def in_unit(self, what: Callable[[Context], None]) -> None:
        house = self.house
        self.run(house.store.write(lambda c: what(Context(Work(c, house.clock.at), house.desk, None))))  # type: ignore[arg-type]
        self.run(house.settle())

    @rule(who=WHO)
    def forget(self, who: str) -> None:
        if self.live(who):
            self.run(self.house.command("giveaway", "forget me", ON, who))
            if self.kept is None:
                for one in self.model.linked[who]:
                    self.model.places.pop(one, None)

    @precondition(lambda self: self.is_drawn)
    @rule(who=WHO)
    def claim(self, who: str) -> None:
        if any("Winners of" in said(call) for call in self.house.platforms[ON].done):  # it may be in doubt still
            self.press("claim", who)

    @rule(who=WHO)
    def look_at_ticket(self, who: str) -> None:
        told = self.press("ticket", who)
        found = self.model.place(who)
        if self.live(who) and self.now.giveaway.state in OPEN:
            assert bool(CODE.search(told)) == (found is not None and found.state is EntryState.IN)


class Giveaways(Members):
    """What hosts, time, the beacon and the machine do."""

    @initialize(
        first=st.lists(WHO, min_size=3, unique=True),
        some=st.sets(WHO),
        deaths=st.lists(st.none() | st.integers(0, 25), min_size=2, max_size=2),
    )
    def people_come(self, first: list[str], some: set[str], deaths: list[int | None]) -> None:
        self.begin(deaths)
        for who in some:
            self.model.roles[who].add("R2")
        for who in first:
            self.enter(who)

    @rule(word=st.sampled_from(["pause", "resume", "extend", "end", "cancel"]), chance=st.integers(0, 3))
    def host(self, word: str, chance: int) -> None:
        rest = {"extend": "1h", "cancel": "no more mugs"}.get(word, "")
        if word in {"end", "cancel"} and (chance or self.steps <= EARLY):
            return
        self.tell(f"{word} {self.number} {rest}")
        self.after_time()

    @rule(seconds=st.sampled_from([3.0, 140.0, 1300.0, 3700.0]))
    def time_passes(self, seconds: float) -> None:
        self.pass_time(seconds)

    @precondition(lambda self: self.steps > EARLY or not self.is_open)
    @rule(seconds=st.sampled_from([140.0, 400.0, 7300.0]))
    def much_time_passes(self, seconds: float) -> None:
        self.pass_time(seconds)

    @rule(down=st.booleans())
    def beacon(self, down: bool) -> None:
        self.house.beacon.down = "no mirror answers" if down else ""

    @precondition(lambda self: self.is_drawn)
    @rule(place=st.integers(1, WINNERS))
    def reroll(self, place: int) -> None:
        self.tell(f"reroll {self.number} {place} left us")

    @precondition(lambda self: self.steps % 3 == 0)
    @rule()
    def stopped(self) -> None:
        self.again()
        self.after_time()

    @precondition(lambda self: self.steps > EARLY)
    @rule(commits=st.integers(0, 25), seconds=st.sampled_from([3.0, 140.0, 7300.0]))
    def killed(self, commits: int, seconds: float) -> None:
        self.dies(seconds, commits)


def test_whatever_happens_the_draw_is_the_one_that_was_promised() -> None:
    run_state_machine_as_test(
        Giveaways,
        settings=settings(
            max_examples=8,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=False,
        ),
    )


def said(call: Call) -> str:
    """What of a message tells it from others."""
    message = call.message
    match message:
        case Line():
            return message.text
        case Card():
            return message.header
        case Document():
            return message.name
    return ""


def dying(house: House, text: str, *, done: bool) -> Deed:
    """The process dies with the request for this message: before it is made, or when the platform has done it."""

    async def deed(platform: Recorder, call: Call) -> str:
        if text not in said(call) or call.what != "send":
            platform.fates.appendleft(deed)
            return await do_it(platform, call)
        if done:
            await do_it(platform, call)
        house.store.dead = True
        await asyncio.Event().wait()
        return ""

    return deed


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize(("text", "phase"), [("root=", 0), ("Winners of", 1), ("proof.json", 2)])
def test_a_death_with_a_message_under_way_says_nothing_twice(text: str, phase: int, done: bool) -> None:
    story = Giveaways()
    try:
        story.people_come(["lin", "mei", "bo", "kai"], {"mei"}, [None, None])
        times = [7201.0, 130.0, 10.0]
        for seconds in times[:phase]:
            story.pass_time(seconds)
        story.house.platforms[ON].fates.append(dying(story.house, text, done=done))
        story.dies(times[phase], 10**6)
        assert not story.house.platforms[ON].fates
        for seconds in (20.0, 15.0, 15.0, 15.0, *times[phase + 1 :], 10.0):
            story.pass_time(seconds)
        assert story.now.giveaway.delayed == ""
        assert len(story.now.listed) == 4
        sent = [said(call) for call in story.house.platforms[ON].done if call.what == "send"]
        assert [len([one for one in sent if part in one]) for part in ("root=", "Winners of")] == [1, 1]
    finally:
        story.teardown()
