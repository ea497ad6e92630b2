"""From what the outbox does to the platform's calls."""

from __future__ import annotations

import pytest

from bot.chat.messages import Notice, Reply
from bot.chat.ports import Refused
from bot.domain.places import Member
from bot.engine.acting import perform
from bot.engine.registry import Act, Change, Create, EndPoll, Nothing, Remove, Tell

from .world import ROOM, Call, Recorder

HELLO, NOTICE = Reply("hello"), Notice("only you", Member("telegram", "1", "7"))
HANDLE = {"token": "t"}


class Plain:
    """A platform that can send and edit, and nothing more."""

    name = "plain"


@pytest.mark.parametrize(
    ("act", "call", "answer"),
    [
        (Create(HELLO, ROOM), Call("send", ROOM, HELLO, "key", "m1"), "m1"),
        (Change(HELLO, ROOM, "7"), Call("edit", ROOM, HELLO, "", "7"), "7"),
        (Remove(ROOM, "7"), Call("delete", ROOM, None, "", "7"), "7"),
        (EndPoll(ROOM, "7"), Call("end_poll", ROOM, None, "", "7"), "7"),
        (Tell(NOTICE, ROOM, HANDLE), Call("notify", ROOM, NOTICE, "", ""), ""),
    ],
)
async def test_each_act_is_one_call(act: Act, call: Call, answer: str) -> None:
    platform = Recorder()
    assert await perform(platform, act, "key") == answer
    assert platform.calls == [call]


@pytest.mark.parametrize("act", [Remove(ROOM, "7"), EndPoll(ROOM, "7"), Tell(NOTICE, ROOM, HANDLE), Nothing()])
async def test_what_a_platform_cannot_do_is_refused(act: Act) -> None:
    with pytest.raises(Refused, match="plain cannot do this") as refused:
        await perform(Plain(), act, "key")  # type: ignore[arg-type]  # it has what is looked at
    assert refused.value.code == "unsupported"
