"""Look-ups that take their time: asked again while there is no answer, and given back as far as they came."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from bot.chat.ports import NotSent, Refused, Unclear
from bot.chat.standings import LONGEST_WAIT, PAUSES, Standing, one_by_one, patiently, told
from bot.domain.places import Member

HERE = Standing(present=True)
EVERYBODY = [Member("discord", "1", str(number)) for number in range(1, 10)]


class Asked:
    """Raises these errors one after the other, then answers; and writes down how long is waited."""

    def __init__(self, errors: Sequence[Exception]) -> None:
        self.errors, self.waits = list(errors), list[float]()

    async def ask(self) -> str:
        if self.errors:
            raise self.errors.pop(0)
        return "yes"

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)


async def test_what_finds_no_answer_is_asked_again_after_as_long_as_we_are_told() -> None:
    asked = Asked([Unclear("x"), NotSent("x", 30.0), NotSent("x", 0.1), NotSent("x")])
    assert await patiently(asked.ask, asked.sleep) == "yes"
    assert asked.waits == [PAUSES[0], 30.0, PAUSES[2], PAUSES[3]]


async def test_patience_ends() -> None:
    asked = Asked([Unclear("x")] * (len(PAUSES) + 1))
    with pytest.raises(Unclear):
        await patiently(asked.ask, asked.sleep)
    assert asked.waits == list(PAUSES)


@pytest.mark.parametrize("error", [Refused("no", "50001"), NotSent("x", LONGEST_WAIT + 1)])
async def test_what_no_other_try_mends_is_told_at_once(error: Exception) -> None:
    asked = Asked([error])
    with pytest.raises(type(error)):
        await patiently(asked.ask, asked.sleep)
    assert asked.waits == []


@pytest.mark.parametrize("at_once", [1, 4])
async def test_who_cannot_be_read_is_missing_and_a_failure_ends_it(at_once: int) -> None:
    async def read(member: Member) -> Standing | None:
        await asyncio.sleep(0)
        if member.user_id == "7":
            raise Refused("closed", "50001")
        return None if member.user_id == "2" else HERE

    found, ended = await one_by_one(EVERYBODY, read, at_once)
    assert {member.user_id for member in found} >= {"1", "3"}
    assert {member.user_id for member in found} <= {"1", "3", "4", "5", "6", "8", "9"}
    assert isinstance(ended, Refused)
    assert told(found, ended) == found
    with pytest.raises(Refused):
        told({}, ended)


async def test_so_many_are_read_at_once_and_each_only_once() -> None:
    running, most, seen = 0, 0, list[str]()

    async def read(member: Member) -> Standing:
        nonlocal running, most
        running += 1
        most = max(most, running)
        seen.append(member.user_id)
        await asyncio.sleep(0)
        running -= 1
        return HERE

    found, ended = await one_by_one(EVERYBODY, read, 3)
    assert (len(found), ended, most) == (9, None, 3)
    assert sorted(seen) == [member.user_id for member in EVERYBODY]


async def test_nothing_of_it_is_left_when_it_is_cancelled() -> None:
    before, begun = asyncio.all_tasks(), asyncio.Event()

    async def read(_: Member) -> Standing:
        begun.set()
        await asyncio.Event().wait()
        return HERE

    reading = asyncio.create_task(one_by_one(EVERYBODY, read, 3))
    await begun.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert asyncio.all_tasks() == before
