"""Crowds that vote, the player's own count, and the numbers on messages against it."""

from __future__ import annotations

import asyncio
import re

from bot.rehearsal.ballots import Ballots, drawn
from bot.rehearsal.errors import StepFailed
from bot.rehearsal.expecting import Named
from bot.rehearsal.journal import Message
from bot.rehearsal.looking import LOOK_SECONDS, Memory
from bot.rehearsal.scenario import Click, Scenario, Tally, Vote, VoteMany
from bot.rehearsal.shown import Posted, Wire, numbers
from bot.rehearsal.stage import Stage
from bot.rehearsal.values import Json

_VOTE = re.compile(r"(?:.*\|)?vote:(\d+)(?:\|.*)?$")


class Teller:
    """Counts what is voted in a play, and compares."""

    def __init__(self, scenario: Scenario, stage: Stage, memory: Memory) -> None:
        self._scenario = scenario
        self._stage = stage
        self._memory = memory
        self._ballots = Ballots(scenario.polls, scenario.same_person)
        self.wire = Wire(stage.control)
        """What went over the wire, as far as somebody has looked."""

    def clicked(self, step: Click) -> None:
        """Count a click that was made, if it is a vote."""
        match = _VOTE.match(step.button)
        if match and step.counted and not step.forged and self._ballots.counting:
            self._ballots.press(step.poll, step.by, int(match[1]))

    def voted(self, step: Vote) -> None:
        """Count a native vote that was given."""
        if step.counted and self._ballots.counting:
            texts = self._ballots.rules(step.poll).options
            numbers = [1 + (one if isinstance(one, int) else texts.index(one)) for one in step.options]
            self._ballots.choose(step.poll, step.by, numbers)

    async def vote_many(self, step: VoteMany) -> str:
        """Have a crowd vote; says how it went. Raises StepFailed where somebody could not."""
        target, crowd = self._memory.names[step.on], self._scenario.members[step.by]
        if crowd.platform != target.platform:
            raise StepFailed(f"{step.by} are on {crowd.platform} and cannot vote on {target.platform}")
        people = [f"{step.by}{number}" for number in range(1, (crowd.count or 0) + 1)]
        votes = drawn(step, people, len(self._ballots.rules(step.poll).options))
        answers = await self._cast(step, target, votes)
        for answer in answers:
            if "error" in answer:
                raise StepFailed(f"somebody could not vote: {answer['error']}")
        for member, chosen in votes if step.counted else ():
            if step.native:
                self._ballots.choose(step.poll, member, chosen)
            else:
                for number in chosen:
                    self._ballots.press(step.poll, member, number)
        seconds = sorted(float(answer["seconds"]) for answer in answers)
        return f"{len(answers)} votes, the median answered in {seconds[len(seconds) // 2] * 1000:.0f} ms"

    async def _cast(self, step: VoteMany, target: Named, votes: list[tuple[str, list[int]]]) -> list[dict[str, Json]]:
        if step.native:
            call, key = "vote_many", "votes"
            acts = [{"member": who, "options": [number - 1 for number in chosen]} for who, chosen in votes]
        else:
            call, key = "click_many", "clicks"
            acts = [{"member": who, "button": f"vote:{number}"} for who, chosen in votes for number in chosen]
        place = {"platform": target.platform, "tenant": target.tenant, "channel": target.channel}
        fields = {**place, "message_id": target.message_id, key: acts, "at_once": step.at_once}
        return list((await self._stage.control.post(call, fields))["answers"])

    async def tally(self, step: Tally) -> None:
        """Wait until the numbers on all messages are right. Raises StepFailed with what they are instead."""
        rules = self._ballots.rules(step.poll)
        wanted: list[int | None] = [None] * len(rules.options)
        if step.equals == "votes":
            wanted = list(self._ballots.counts(step.poll))
        elif step.equals != "nothing":
            wanted = list(step.equals)
        loop = asyncio.get_running_loop()
        end = loop.time() + step.within
        while True:
            await self.wire.look()
            found = {name: self.posted(name) for name in step.on}
            wrong = {n: p for n, p in found.items() if p is None or numbers(p.text, rules.options) != wanted}
            if not wrong:
                break
            if loop.time() >= end:
                raise StepFailed(
                    f"the numbers should be {_told(wanted)}:",
                    tuple(_seen(n, p, rules.options) for n, p in wrong.items()),
                )
            await asyncio.sleep(LOOK_SECONDS)
        many = [
            f"{n}: {p.edits} edits" for n, p in found.items() if p and step.edits is not None and p.edits > step.edits
        ]
        if many:
            raise StepFailed(f"at most {step.edits} edits were allowed:", tuple(many))

    def posted(self, name: str) -> Posted | None:
        """A named message of the bot as the journal has it."""
        return self.wire.messages.get(self.message(name))

    def message(self, name: str) -> Message:
        """Which message of which channel a name stands for. Raises KeyError where nothing is called so."""
        target = self._memory.names[name]
        channels = self._stage.settings["channels"]
        channel = channels.get(f"{target.platform}/{target.channel}", target.channel)
        return Message(target.platform, str(channel), str(target.message_id))


def _told(wanted: list[int | None]) -> str:
    return ", ".join("none" if number is None else str(number) for number in wanted)


def _seen(name: str, posted: Posted | None, options: tuple[str, ...]) -> str:
    if posted is None:
        return f"{name}: no such message of the bot is in the journal"
    return f"{name} has {_told(numbers(posted.text, options))} after {posted.edits} edits:\n{posted.text}"
