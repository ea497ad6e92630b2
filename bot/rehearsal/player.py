"""Plays a scenario step by step: acts, looks, and tells each step."""

from __future__ import annotations

import asyncio

from bot.rehearsal.acting import Actor
from bot.rehearsal.drawing import Draws
from bot.rehearsal.errors import RehearsalError, StepFailed
from bot.rehearsal.giveaway_steps import ClickMany, Entrants
from bot.rehearsal.looking import Looker, Memory
from bot.rehearsal.scenario import Advance, Expect, KillAt, Looks, Scenario, Service, Step, Tally, Together, unrolled
from bot.rehearsal.stage import Stage
from bot.rehearsal.tallying import Teller
from bot.rehearsal.telling import tell
from bot.rehearsal.transcript import Transcript


class Player:
    """Plays one scenario on a stage whose bot runs."""

    def __init__(self, scenario: Scenario, stage: Stage, transcript: Transcript) -> None:
        self._scenario = scenario
        self._stage = stage
        self._transcript = transcript
        self._memory = Memory(taken=dict(stage.roles))
        self._looker = Looker(scenario, stage, self._memory)
        self._teller = Teller(scenario, stage, self._memory)
        self._draws = Draws(scenario, stage, self._memory, self._looker, self._teller)
        self._actor = Actor(scenario, stage, self._memory, self._looker, self._teller)

    async def play(self) -> None:
        """All steps in order. Raises StepFailed at the first that does not go as written."""
        steps = unrolled(self._scenario.steps)
        looking = True
        for index, step in enumerate(steps):
            expects = isinstance(step, Looks)
            if looking and not expects:
                await self._looker.remember(steps[index : index + _until_acts(steps, index)])
            looking = expects
            await self._timed(step)

    async def _timed(self, step: Step) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            await self._play_one(step)
        except (RehearsalError, KeyError) as error:
            problem = f"nothing is called {error} yet" if isinstance(error, KeyError) else str(error)
            seen = error.seen if isinstance(error, StepFailed) else ()
            if not _told_inside(step, error):
                self._transcript.step(tell(step), loop.time() - began, ok=False)
                self._transcript.detail([problem, *seen])
            raise StepFailed(problem, seen) from error
        self._transcript.step(tell(step), loop.time() - began)

    async def _play_one(self, step: Step) -> None:
        step = self._memory.completed(step)
        if isinstance(step, Looks):
            await self._look(step)
        elif isinstance(step, ClickMany):
            await self._draws.click_many(step)
        elif isinstance(step, Together):
            await self._together(step)
        elif isinstance(step, KillAt):
            await self._stage.kill_at(step.at, lambda: self._in_order(step.steps), step.within)
        elif isinstance(step, Advance):
            await self._stage.advance(step.seconds, step.at())
        elif isinstance(step, Service):
            await self._stage.serve(step)
        else:
            await self._actor.act(step)

    async def _look(self, step: Looks) -> None:
        if isinstance(step, Expect):
            await self._looker.expect(step)
        elif isinstance(step, Tally):
            await self._teller.tally(step)
        elif isinstance(step, Entrants):
            await self._draws.entrants(step)
        else:
            await self._draws.verify(step)

    async def _in_order(self, steps: tuple[Step, ...]) -> None:
        for step in steps:
            await self._timed(step)

    async def _together(self, step: Together) -> None:
        results = await asyncio.gather(*(self._timed(act) for act in step.steps), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result


def _told_inside(step: Step, error: Exception) -> bool:
    """Whether it was a step within this one that failed, which has told it already."""
    return isinstance(step, Together | KillAt) and isinstance(error, StepFailed) and error.__cause__ is not None


def _until_acts(steps: list[Step], index: int) -> int:
    """How many steps from `index` on belong together: acts, then what is expected of them."""
    end = index
    while end < len(steps) and not isinstance(steps[end], Looks):
        end += 1
    while end < len(steps) and isinstance(steps[end], Looks):
        end += 1
    return end - index
