"""An installation with a giveaway that is held against the rules alone.

Handlers, timers, couriers and store are the real ones. The model knows the rules only: who is in, who is out and why.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections import Counter
from collections.abc import Awaitable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import sqlalchemy as sa
from engine.world import until
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
)
from storage.backends import fresh

from bot.chat.ports import StoreUnavailable
from bot.chat.standings import Standing
from bot.domain.fdraw import Reroll
from bot.domain.giveaways import RULES, EntryState, Giveaway, State, Win, WinState
from bot.domain.places import Channel, Member
from bot.handlers.public import FILE
from bot.storage.giveaways import Frozen
from bot.storage.tables import outbox
from bot.storage.work import Work
from bot.verifier import verify

from .giveawayrules import MOST, OUT, PEOPLE, Model
from .giveawaytable import Table
from .house import House, living

T = TypeVar("T")
ON = "discord"
HOST = "ana"
WINNERS = 2
EARLY = 8
"""Steps before which nothing ends."""
MAKE = f"2h {WINNERS}w Mug role {ON}:G1:role:R1 bonus {ON}:G1:role:R2 +4 cap {MOST} alternates 2 claim 1h"
CODE = re.compile(r"\b[0-9a-f]{32}\b")
WHO = st.sampled_from(PEOPLE)
OPEN = {State.OPEN, State.PAUSED}


@dataclass(frozen=True)
class Seen:
    """What the database holds."""

    giveaway: Giveaway
    frozen: Frozen | None
    seed: bytes
    listed: tuple[tuple[str, int], ...]
    order: tuple[str, ...]
    rerolls: tuple[Reroll, ...]
    wins: tuple[Win, ...]
    by_rule: Mapping[str, int]


def gather(work: Work, number: int) -> Seen:
    """All that matters, in one look."""
    giveaway, drawn = work.giveaways.get(number), work.giveaways.drawn(number)
    assert giveaway is not None
    return Seen(
        giveaway,
        work.giveaways.frozen(number),
        work.giveaways.seed(number),
        tuple((row[0], row[1]) for row in work.entries.list_page(number, "", 1000)),
        drawn.order if drawn else (),
        tuple(work.giveaways.rerolls(number)),
        tuple(work.wins.of(number)),
        work.entries.counts(number).by_rule,
    )


def after_rerolls(order: tuple[str, ...], rerolls: tuple[Reroll, ...]) -> list[str | None]:
    """Who has which place: each re-roll takes the next unused name."""
    places: list[str | None] = [*order[:WINNERS]]
    unused = iter(order[WINNERS:])
    for one in rerolls:
        places[places.index(one.out)] = next(unused, None)
    return places


class Base(RuleBasedStateMachine):
    """The installation, its end and its next start."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = TemporaryDirectory()
        self.path = fresh(Path(self.folder.name) / "herald.db")
        self.model = Model()
        self.steps = 0
        self.kept: Seen | None = None
        self.before: Seen | None = None
        self.promised = self.last_look = 0.0
        self.now: Seen

    def run(self, what: Awaitable[T]) -> T:
        async def wait() -> T:
            return await what

        return self.runner.run(wait())

    def begin(self, deaths: list[int | None]) -> None:
        self.deaths = deaths
        self.life = living(self.path)
        self.house = self.run(self.life.__aenter__())
        self.meet(self.house)

        async def make() -> None:
            made = await self.table.start(MAKE, ON, HOST)
            self.number, self.name = made.id, made.name
            self.payloads = {word: self.table.offered(word, ON) for word in ("enter", "leave", "ticket")}
            await self.house.advance(1)

        self.run(make())
        self.see()

    @property
    def is_open(self) -> bool:
        return self.now.giveaway.state in OPEN

    @property
    def is_drawn(self) -> bool:
        return self.now.giveaway.state is State.DRAWN

    def meet(self, house: House) -> None:
        self.house, self.table = house, Table(house)

        async def standings(
            members: Collection[Member], at: Channel, roles: Collection[str]
        ) -> Mapping[Member, Standing]:
            held = self.model.roles
            return {one: Standing(True, frozenset(held.get(one.user_id, set())), 1.0, 1.0) for one in members}

        vars(house.platforms[ON])["standings"] = standings

    def again(self) -> None:
        """The next process."""
        self.run(self.life.__aexit__(None, None, None))
        self.life = living(self.path, before=self.house)
        self.meet(self.run(self.life.__aenter__()))
        self.run(self.house.settle())

    def see(self) -> None:
        self.now = self.run(self.house.read(lambda work: gather(work, self.number)))

    def press(self, word: str, who: str) -> str:
        """What they are told."""
        payload = self.payloads.get(word) or self.table.offered(word, ON)
        roles = tuple(self.model.roles[who])
        self.run(self.table.press(word, ON, who, payload=payload, member_roles=roles))
        return (self.house.notices(who, ON) or [""])[-1]

    def tell(self, text: str, who: str = "ben") -> None:
        self.run(self.house.command("giveaway", text, who=who))

    def pass_time(self, seconds: float) -> None:
        self.run(self.house.advance(seconds))
        self.after_time()

    def after_time(self) -> None:
        """What time alone has changed."""
        before, at = self.now.giveaway, self.house.clock.at
        lead = min(max((before.closes_at - before.opened_at) / 10, 600.0), 3600.0)
        if before.state in OPEN and self.last_look < before.closes_at - lead <= at:
            self.last_look = before.closes_at - lead
            self.model.look()
        self.see()
        if before.state in OPEN and self.now.giveaway.state not in OPEN:
            self.model.look()
            self.model.merge()

    def dies(self, seconds: float, commits: int) -> None:
        """Time passes, and after so many transactions the process dies in the middle of what follows."""
        store, left = self.house.store, [commits]

        def count(result: object) -> None:
            left[0] -= not isinstance(result, bool)
            store.dead = store.dead or left[0] < 0

        store.committed = count

        async def die() -> None:
            async def over() -> bool:
                try:
                    return store.dead or await self.house._idle()
                except StoreUnavailable:
                    return True

            self.house.clock.at += seconds
            await until(over)
            store.dead = True
            for task in self.house.tasks:
                task.cancel()
            await asyncio.gather(*self.house.tasks, return_exceptions=True)
            self.house.errors.clear()

        self.run(die())
        self.again()
        self.after_time()

    def live(self, who: str) -> bool:
        """Whether somebody may still do something that the model can tell."""
        return not (self.model.linked[who] & self.model.merged)

    def teardown(self) -> None:
        try:
            if hasattr(self, "number"):
                self.finish()
        finally:
            self.run(self.life.__aexit__(None, None, None))
            self.runner.close()
            self.folder.cleanup()

    def finish(self) -> None:
        """Whatever happened: once the beacon is there it is drawn, and proved."""
        self.house.beacon.down = ""
        left = max(self.now.giveaway.closes_at - self.house.clock.at, 0.0) + 1
        for seconds, commits in zip((left, 130.0, 400.0, 400.0, 15.0, 5.0), [*self.deaths, *[None] * 4], strict=True):
            if commits is None:
                self.pass_time(seconds)
            else:
                self.dies(seconds, commits)
        if self.now.giveaway.state is State.CANCELLED:
            assert self.kept is None
            return
        assert self.now.giveaway.state is State.DRAWN
        self.holds()
        self.tell(f"reroll {self.number} 1 left us")
        self.pass_time(5)
        self.holds()
        proof = self.table.proof(ON)
        assert proof["final"] == [one for one in after_rerolls(self.now.order, self.now.rerolls) if one]
        assert [one["out"] for one in proof["rerolls"]] == [one.out for one in self.now.rerolls]

    # ---- what must hold after every step

    @invariant()
    def holds(self) -> None:
        if not hasattr(self, "number"):
            return
        self.steps += 1
        self.see()
        if self.now.giveaway.state in {State.FROZEN, State.DRAWN}:
            if self.kept is None:
                self.frozen()
            assert self.kept is not None
            self.as_frozen(self.kept)
        if self.now.giveaway.state is State.DRAWN:
            self.drawn()
        elif self.now.giveaway.state in OPEN:
            self.counted()

    def counted(self) -> None:
        if not self.model.merged:  # of whom one is out only at the end
            assert Counter(self.now.by_rule) == self.model.rules()
            assert sorted(weight for _, weight in self.now.listed) == sorted(
                found.weight for found in self.model.places.values() if found.state is EntryState.IN
            )

    def frozen(self) -> None:
        """The list is final: it holds whom the model has, each once, and all who are missing are accounted for."""
        self.kept, model = self.now, self.model
        listed = [ticket for ticket, _ in self.now.listed]
        assert len(set(listed)) == len(listed)
        assert Counter(model.linked[model.tickets[ticket]] for ticket in listed) == model.groups()
        assert set(model.groups().values()) <= {1}
        assert Counter(self.now.by_rule) == model.rules()
        assert set(self.now.by_rule) <= set(RULES)
        for ticket, weight in self.now.listed:
            assert weight == model.weight(model.tickets[ticket]) or model.places[model.tickets[ticket]].granted
            assert weight <= MOST
        entries = self.run(self.house.read(lambda w: [w.entries.find(self.number, one) for one in model.tickets]))
        for entry in entries:
            if entry is not None and entry.ticket not in listed:
                assert entry.state is EntryState.LEFT or (entry.state in OUT and entry.rule in RULES)

    def as_frozen(self, kept: Seen) -> None:
        now = self.now
        assert now.frozen is not None
        assert kept.frozen is not None
        assert (now.listed, now.seed, now.giveaway.commit) == (kept.listed, kept.seed, kept.giveaway.commit)
        assert (now.frozen.root, now.frozen.entries) == (kept.frozen.root, kept.frozen.entries)
        assert now.giveaway.commit == hashlib.sha256(b"fdraw/1/seed\0" + now.seed).hexdigest()
        if kept.giveaway.published_at:
            assert now.frozen == kept.frozen
            assert now.giveaway.round == kept.giveaway.round
        else:
            self.kept = replace(now, listed=kept.listed, seed=kept.seed)
        if now.giveaway.published_at:
            texts = [text for text in self.house.lines(ON) if f"SHA-256 = {now.frozen.hash}" in text]
            assert len(texts) == 1
            assert now.frozen.text in texts.pop()

    def drawn(self) -> None:
        """Computed again from what is public; nothing of it ever changes."""
        now = self.now
        if self.before is not None:
            assert now.order == self.before.order
            assert now.rerolls[: len(self.before.rerolls)] == self.before.rerolls
        self.before = now
        assert now.frozen is not None
        text = next(text for text in self.house.lines(ON) if f"SHA-256 = {now.frozen.hash}" in text)
        seed = re.search("seed = ([0-9a-f]{64})", text)
        assert seed is not None
        self.posted_list()
        chosen = re.search("beacon=drand:[0-9a-f]+:([0-9]+)", text[text.index("fdraw/1") :])
        assert chosen is not None
        value = hashlib.sha256(hashlib.sha384(chosen[1].encode()).digest()).digest()
        proof = verify.Proof(
            now.giveaway.name, WINNERS, 2, list(now.listed), now.giveaway.commit, seed[1], "drand", "", int(chosen[1]),
            "", "", now.frozen.text, "", [], [], [], [],
        )  # fmt: skip
        assert list(now.order) == verify.draw(proof, value)
        assert len({one.ticket for one in now.wins}) == len(now.wins)
        held = sorted(one.ticket for one in now.wins if one.state is not WinState.OUT)
        if now.giveaway.void:
            assert held == []
        else:
            assert held == sorted(one for one in after_rerolls(now.order, now.rerolls) if one)
        if any(one.name.endswith("proof.json") for one in self.table.documents(ON)):
            assert self.table.verdict(ON) == []

    def posted_list(self) -> None:
        """The list is in the room, or on its way: a process that died while it sent the file leaves it for later."""
        posted = [one.content.decode() for one in self.table.documents(ON) if one.name.endswith("list.txt")]
        if not posted:
            waits = outbox.c.kind == FILE, outbox.c.state.in_(("pending", "uncertain"))
            assert self.run(self.house.store.read(lambda c: c.execute(sa.select(outbox).where(*waits)).first()))
        for one in posted:  # once more with each freeze that had to name a later round
            rows = [line.split() for line in one.splitlines()]
            assert [(ticket, int(weight)) for ticket, weight in rows] == list(self.now.listed)
