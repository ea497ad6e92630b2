"""Looking at channels as the members of a scenario see them, until what is expected is there."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from bot.rehearsal.errors import ControlRefused, StepFailed
from bot.rehearsal.expecting import Named, SeenMessage, Since, View, form_id, full_text, meets, told
from bot.rehearsal.scenario import Expect, ExpectNone, Looks, Scenario, Step
from bot.rehearsal.stage import Stage

LOOK_SECONDS = 0.1
"""How long between two looks at a channel."""

_PRIVATE = "dm"
"""What the sandbox calls a member's own conversation with the bot."""


@dataclass
class Memory:
    """What a play keeps from step to step: the names given with `as`, and how all looked before the last acts."""

    names: dict[str, Named] = field(default_factory=dict)
    taken: dict[str, str] = field(default_factory=dict)
    """Words taken from messages and proofs, by the names given with `take` and `as`."""
    people: dict[str, str] = field(default_factory=dict)
    """Members' names by those that a proof gave to the winners."""
    since: Since = field(default_factory=Since)

    def filled(self, text: str) -> str:
        """The text with the words that were taken in their places."""
        for name, word in self.taken.items():
            text = text.replace("{" + name + "}", word)
        return text

    def completed(self, step: Step) -> Step:
        """The step with winners' names and taken words in their places: who, where, and what is expected."""
        given: dict[str, object] = {}
        for key in ("by", "seen_by", "author"):
            name = getattr(step, key, None)
            if name in self.people:
                given[key] = self.people[name]
        if isinstance(place := getattr(step, "place", None), str):
            given["place"] = self.filled(place)
        if isinstance(step, Expect):
            given |= {key: tuple(map(self.filled, getattr(step, key))) for key in ("contains", "not_contains")}
        return step.model_copy(update=given) if given else step


class Looker:
    """Looks for the members."""

    def __init__(self, scenario: Scenario, stage: Stage, memory: Memory) -> None:
        self._scenario = scenario
        self._stage = stage
        self._memory = memory

    def tenant(self, member: str | None) -> str | None:
        """The tenant that the scenario puts a member into."""
        known = self._scenario.member(member)
        return known.tenant if known else None

    async def remember(self, following: Sequence[Step]) -> None:
        """Note how everything looks that the first expectations among the following steps will look at."""
        acts = 0
        while acts < len(following) and not isinstance(following[acts], Looks):
            acts += 1
        wanted: dict[View, None] = {}
        for step in following[acts:]:
            if not isinstance(step, Looks):
                break
            filled = self._memory.completed(step)
            if isinstance(filled, Expect):
                wanted |= dict.fromkeys(self._views(filled))
        since = Since()
        seen = await asyncio.gather(*(self.seen(view) for view in wanted))
        for view, messages in zip(wanted, seen, strict=True):
            since.remember(view, messages)
        self._memory.since = since

    async def expect(self, expect: Expect) -> None:
        """Wait until the expectation is met. Raises StepFailed with what was seen instead."""
        loop = asyncio.get_running_loop()
        end = loop.time() + expect.within
        whole = isinstance(expect, ExpectNone) or expect.count is not None
        while True:
            if expect.gone is not None and await self._is_gone(expect):
                return
            fresh = await self._fresh(expect) if expect.gone is None else []
            found = [m for m in fresh if meets(expect, m, self._memory.names, self._stage.people)]
            over = loop.time() >= end
            if isinstance(expect, ExpectNone) and found:
                raise StepFailed("this should not be there:", tuple(told(m) for m in found))
            if over:
                _check_at_end(expect, found, fresh)
            if over or (found and not whole):
                break
            await asyncio.sleep(min(LOOK_SECONDS, max(0.0, end - loop.time())))
        if found and expect.name:
            self._bind(expect, found[-1])
        for name, pattern in expect.take.items() if found else ():
            payloads = [str(button.get("id")) for button in found[-1].get("buttons") or ()]
            self._memory.taken[name] = _word(pattern, "\n".join([full_text(found[-1]), *payloads]))

    def _views(self, expect: Expect) -> list[View]:
        """The channel as it is seen by whom it concerns: where something private is expected, also the member's own
        chat with the bot, or without a member the channel as each of them sees it."""
        platform, _, channel = expect.place.partition("/")
        tenant = self.tenant(expect.seen_by)
        views = [View(platform, channel, expect.seen_by, tenant)]
        if expect.private and expect.seen_by is None:
            members = self._scenario.members.items()
            views += [
                View(platform, channel, name, m.tenant)
                for name, m in members
                if m.platform == platform and m.count is None
            ]
        if expect.private and expect.seen_by is not None and channel != _PRIVATE:
            views.append(View(platform, _PRIVATE, expect.seen_by, tenant))
        return views

    async def seen(self, view: View) -> list[SeenMessage]:
        """What is in a view now; nothing where a private conversation was never begun. Raises RehearsalError."""
        try:
            return list(await self._stage.control.seen(view.platform, view.channel, view.member, view.tenant))
        except ControlRefused:
            if view.channel == _PRIVATE:
                return []
            raise

    async def _is_gone(self, expect: Expect) -> bool:
        target = self._memory.names[str(expect.gone)].message_id
        return all(str(m["id"]) != target for m in await self.seen(self._views(expect)[0]))

    async def _fresh(self, expect: Expect) -> list[SeenMessage]:
        views = self._views(expect)
        seen = await asyncio.gather(*(self.seen(view) for view in views))
        parts = [m for view, there in zip(views, seen, strict=True) for m in self._memory.since.fresh(view, there)]
        fresh = list({(str(m["id"]), m.get("private_to")): m for m in parts}.values())
        if expect.author is None:
            platform = expect.place.partition("/")[0]
            fresh = [m for m in fresh if (platform, str(m["id"])) not in self._memory.since.own]
        # What a platform keeps on the screen (a toast, a prompt) is in both places: it counts once.
        shown = {m.get("text") for m in fresh if m.get("private_to") is not None}
        forms = {form_id(m) for m in fresh}
        instants = self._memory.since.shown_to(views[0], expect.place)
        return fresh + [m for m in instants if (m["text"] or None) not in shown and (form_id(m) or "") not in forms]

    def _bind(self, expect: Expect, message: SeenMessage) -> None:
        platform, _, channel = expect.place.partition("/")
        identity = None if message["id"] is None else str(message["id"])
        thread = message.get("reply_to")
        self._memory.names[str(expect.name)] = Named(
            platform,
            channel,
            identity,
            self.tenant(expect.seen_by),
            thread=None if thread is None else str(thread),
            form=message.get("form"),
        )


def _word(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    if match is None:
        raise StepFailed(f"nothing fits {pattern!r} in:", (text,))
    return match[1] if match.re.groups else match[0]


def _check_at_end(expect: Expect, found: list[SeenMessage], fresh: list[SeenMessage]) -> None:
    if isinstance(expect, ExpectNone) or len(found) == expect.count or (found and expect.count is None):
        return
    if expect.gone is not None:
        raise StepFailed(f"{expect.gone} is still there after {expect.within:g} s")
    wanted = "it" if expect.count is None else f"{expect.count} of these"
    problem = f"expected {wanted} within {expect.within:g} s, found {len(found)}; new or changed there:"
    raise StepFailed(problem, tuple(told(m) for m in fresh) or ("(nothing)",))
