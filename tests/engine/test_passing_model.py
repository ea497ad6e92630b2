"""Passing answers whatever happens: each member is told in order, once, one thing at a time, and all is counted."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from storage.backends import fresh

from bot.chat.messages import Notice
from bot.chat.ports import NotSent, Refused, SendError
from bot.engine import passing
from bot.engine.passing import LATEST

from .platforms import Call, Deed, Recorder
from .test_passing import speaking, word

ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("say"), st.sampled_from("abc"), st.integers(1, 9)),
        st.tuples(st.just("answer"), st.integers(0, 5), st.sampled_from(["done", "again", "wait", "lost"])),
        st.tuples(st.just("time"), st.sampled_from([0.1, 0.3, 2.0, LATEST]), st.none()),
    ),
    max_size=40,
)


class Judge:
    """A platform whose requests wait until they are answered, and what it has seen."""

    def __init__(self) -> None:
        self.open: list[tuple[Notice, asyncio.Future[SendError | None]]] = []
        self.told: list[str] = []
        self.faults: list[str] = []

    async def deed(self, platform: Recorder, call: Call) -> str:
        assert isinstance(call.message, Notice)
        notice, future = call.message, asyncio.get_running_loop().create_future()
        if any(one.member == notice.member for one, _ in self.open):
            self.faults.append("two at once to one member")
        if len(self.open) >= passing.AT_ONCE:
            self.faults.append("too many at once")
        self.open.append((notice, future))
        try:
            error = await future
        finally:
            self.open = [one for one in self.open if one[1] is not future]
        if error is not None:
            raise error
        self.told.append(notice.text)
        return ""

    def answer(self, at: int, how: str) -> None:
        waiting = [future for _, future in self.open if not future.done()]
        if at < len(waiting):
            errors = {"again": NotSent("later"), "wait": NotSent("slow", 1.0), "lost": Refused("no", "404")}
            waiting[at].set_result(errors.get(how))


async def whatever(path: Path, actions: list[Any]) -> None:
    async with speaking(path) as (engine, voice):
        judge, said = Judge(), []
        deed: Deed = judge.deed
        engine.platform.fates.extend([deed] * 2000)
        for what, first, second in actions:
            if what == "say":
                for _ in range(second):
                    said.append(f"{first}{len(said):04}")
                    voice.say(word(said[-1], first))
            elif what == "answer":
                judge.answer(first, second)
            else:
                engine.clock.at += first
            for _ in range(8):
                await asyncio.sleep(0)
        while not voice.idle:
            judge.answer(0, "done")
            engine.clock.at += 0.5
            await asyncio.sleep(0.002)
        assert judge.faults == []
        for who in "abc":
            mine = [text for text in judge.told if text[0] == who]
            assert mine == sorted(mine), "out of order"
            assert len(mine) == len(set(mine)), "twice"
        assert sum(voice.counts.values()) == len(said), "some are not accounted for"
        assert voice.counts["said"] == len(judge.told)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(actions=ACTIONS)
def test_whatever_happens_each_is_told_in_order_once_and_counted(
    tmp_path_factory: pytest.TempPathFactory, actions: list[Any]
) -> None:
    path = fresh(tmp_path_factory.mktemp("passing") / "herald.db")
    asyncio.run(whatever(path, actions))
