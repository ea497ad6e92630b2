"""Polls that the platforms themselves show, in one tally with the others."""

from __future__ import annotations

import asyncio

import pytest
from engine.platforms import Call, Recorder, do_it
from engine.world import until

from bot.chat.messages import NativePoll
from bot.chat.ports import Refused
from bot.domain.places import Channel

from .house import channel
from .polltable import Polls


async def test_native_polls_where_they_fit_and_one_tally(polls: Polls) -> None:
    number = await polls.ask('native "Tea?" "Green" "Black"', room="review")
    native = polls.posted(NativePoll, "telegram")[0][1]
    assert isinstance(native, NativePoll) and native.options == ("Green", "Black")
    assert polls.posted(NativePoll, "slack") == []
    await polls.native("lin", 0)
    await polls.native("lin", 1)
    await polls.native("mei", 0, platform="discord", change="add")
    await polls.vote(1, "kai")
    await polls.live()
    assert polls.counts(polls.card()) == [2, 1]
    await polls.native("lin")
    await polls.live()
    assert polls.counts(polls.card()) == [2, 0]
    await polls.close(number)
    ended = [call for name in ("telegram", "discord") for call in polls.house.platforms[name].done]
    assert len([call for call in ended if call.what == "end_poll"]) == 2


async def test_native_votes_that_were_missed_are_read_again_at_the_end(polls: Polls) -> None:
    await polls.ask('native "Tea?" "Green" "Black" ends 1h', "discord")
    message = polls.posted(NativePoll, "discord")[0][0]
    polls.house.platforms["discord"].native[message] = {"lin": (0,), "mei": (1,)}  # type: ignore[attr-defined]
    await polls.native("mei", 1, platform="discord", change="add")
    await polls.house.advance(3600)
    assert polls.counts(polls.result("discord")) == [1, 1]


async def test_anonymous_polls_are_never_native(polls: Polls) -> None:
    await polls.ask('native anonymous "Tea?" "Green" "Black"', "telegram")
    assert polls.posted(NativePoll, "telegram") == []
    assert polls.card("telegram").buttons


async def test_a_vote_that_comes_before_the_poll_is_known_counts(polls: Polls) -> None:
    await polls.preview('native "Tea?" "Green" "Black"', "telegram")
    posting = HeldPoll()
    polls.house.platforms["telegram"].fates.append(posting)
    await polls.confirm("telegram", settled=False)
    async with asyncio.timeout(30):
        await posting.arrived.wait()
    await polls.native("lin", 1, poll=posting.message_id, settled=False)

    async def waits() -> bool:
        return await polls.house.read(lambda work: not work.inbox.counts().get("new"))

    await until(waits)
    posting.go.set()
    await polls.house.settle()
    assert await polls.house.read(lambda work: work.ballots.voters(1)) == 0
    await polls.house.advance(3)
    assert await polls.house.read(lambda work: work.ballots.voters(1)) == 1


async def test_where_a_native_poll_is_refused_there_are_buttons(polls: Polls) -> None:
    await polls.preview('native "Tea?" "Green" "Black"', "telegram")
    polls.house.platforms["telegram"].fates.append(no_polls)
    await polls.confirm("telegram")
    assert polls.posted(NativePoll, "telegram") == []
    assert [button.label for button in polls.card("telegram").buttons][:2] == ["Green", "Black"]


class HeldPoll:
    """The next native poll waits until the test lets it go on; everything else happens."""

    def __init__(self) -> None:
        self.arrived, self.go = asyncio.Event(), asyncio.Event()
        self.message_id = ""

    async def __call__(self, platform: Recorder, call: Call) -> str:
        if not isinstance(call.message, NativePoll):
            platform.fates.appendleft(self)
            return await do_it(platform, call)
        self.message_id = call.message_id
        self.arrived.set()
        await self.go.wait()
        return await do_it(platform, call)


async def no_polls(platform: Recorder, call: Call) -> str:
    """The next native poll is refused; everything else happens."""
    if isinstance(call.message, NativePoll):
        raise Refused("not in a broadcast channel")
    platform.fates.appendleft(no_polls)
    return await do_it(platform, call)


async def test_a_native_poll_that_ends_by_itself_is_not_asked_to_end(polls: Polls) -> None:
    number = await polls.ask('native "Tea?" "Green" "Black" ends 1h', room="review")
    await polls.house.command("poll", f"extend {number} 2h")
    assert polls.house.notices("ana")[-1] == polls.house.told("poll.refused.native_end")
    await polls.house.advance(3600)
    ended = {name for name, one in polls.house.platforms.items() if any(call.what == "end_poll" for call in one.done)}
    assert ended == {"discord"}


async def test_votes_that_were_missed_are_read_again_also_where_a_host_closes_it(polls: Polls) -> None:
    number = await polls.ask('native "Tea?" "Green" "Black" ends 1h', "discord")
    message = polls.posted(NativePoll, "discord")[0][0]
    polls.house.platforms["discord"].native[message] = {"lin": (0,), "mei": (1,)}  # type: ignore[attr-defined]
    await polls.close(number, "discord")
    assert polls.counts(polls.result("discord")) == [1, 1]
    assert (await polls.poll(number)).closed_at < (await polls.poll(number)).closes_at
    await polls.close(number, "discord")
    assert polls.house.notices("ana", "discord")[-1] == polls.house.told("poll.refused.closed")


async def test_the_votes_of_several_rooms_are_read_again_at_the_same_time(
    polls: Polls, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(polls.house.desk.named, dict)
    polls.house.desk.named["discord/tea"] = channel("discord", "tea")
    await polls.ask('native "Tea?" "Green" "Black" ends 1h in discord/tea discord/community', "discord")
    both = asyncio.Barrier(2)

    async def votes(at: Channel, message_id: str, options: int) -> dict[str, tuple[int, ...]]:
        await both.wait()
        return {at.channel_id: (0,)}

    monkeypatch.setattr(polls.house.platforms["discord"], "votes", votes)
    await polls.house.advance(3600)
    assert polls.counts(polls.result("discord")) == [2, 0]
