"""A group that became a supergroup goes on being the one that the settings know."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bot.chat.events import ButtonPressed, ChannelMoved, CommandInvoked, MessageEdited, MessagePosted
from bot.chat.messages import Card, Line, Notice, Reply
from bot.chat.ports import Incoming, Refused
from bot.domain.places import Channel, Member
from bot.integrations.telegram import TelegramConfig, TelegramPlatform
from bot.integrations.telegram.clocks import Clocks
from bot.integrations.telegram.moves import is_basic

from .conftest import RecordingSink
from .server import TOKEN, Server, Time, message, refused, serving

OLD, NEW = "-55", "-1001000000055"
HERE = Channel("telegram", "123456", OLD)
FACT = "telegram:123456:moves"


def told(number: int, chat: str, text: str | None = "hi", **more: Any) -> dict[str, Any]:
    where = {"id": int(chat), "type": "supergroup" if chat == NEW else "group", "title": "Tea"}
    update = message(number, text or "", chat=where, **more)
    if text is None:
        del update["message"]["text"]
    return update


def moving(sent: dict[str, Any]) -> Any:
    """How Telegram answers about the old group."""
    if str(sent.get("chat_id")) == OLD:
        answer = {"ok": False, "error_code": 400, "description": "Bad Request: group chat was upgraded"}
        return refused_with(answer | {"parameters": {"migrate_to_chat_id": int(NEW)}})
    return {"message_id": 17}


def refused_with(answer: dict[str, Any]) -> Any:
    response = refused(400, "")
    response.text = json.dumps(answer)
    return response


def build(server: Server, **changes: Any) -> TelegramPlatform:
    fields = {"poll_timeout": 0, "watched": (OLD,)} | changes
    time = Time()
    return TelegramPlatform(TelegramConfig(TOKEN, server.url, **fields), time.wall, Clocks(time.wall, time.wall))


@asynccontextmanager
async def polling(server: Server, sink: RecordingSink, **changes: Any) -> AsyncIterator[TelegramPlatform]:
    platform = build(server, **changes)
    task = asyncio.create_task(platform.run(sink, lambda: None))
    try:
        yield platform
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await platform.close()


async def taken(sink: RecordingSink, number: int) -> Incoming:
    found: Incoming = await sink.until(lambda s: next((i for i in s.incoming if i.external_id == str(number)), None))
    return found


MOVED = told(2, OLD, None, migrate_to_chat_id=int(NEW))
CAME = told(3, NEW, None, migrate_from_chat_id=int(OLD))


@pytest.mark.parametrize("service", [MOVED, CAME])
async def test_what_comes_from_the_supergroup_is_read_where_it_was(service: dict[str, Any]) -> None:
    sink, asked = RecordingSink(), {"message_id": 1, "date": 1, "chat": {"id": int(NEW)}}
    command = {"entities": [{"type": "bot_command", "offset": 0, "length": 5}]}
    press = {"id": "q", "from": {"id": 7, "first_name": "A"}, "data": "v1|x", "chat_instance": "1"}
    edited = told(7, NEW, "changed")
    async with serving() as server:
        server.waiting = [
            service,
            told(4, NEW, "茶?", reply_to_message=asked),
            told(5, NEW, "/help", **command),
            {"update_id": 6, "callback_query": press | {"message": told(6, NEW)["message"]}},
            {"update_id": 7, "edited_message": edited["message"] | {"edit_date": 2}},
        ]
        async with polling(server, sink):
            stored = [await taken(sink, number) for number in (4, 5, 6, 7)]
            note = await taken(sink, service["update_id"])
        elsewhere = build(server)  # another process, which has learnt nothing
        events = [elsewhere.parse(incoming.raw) for incoming in stored]
        assert elsewhere.parse(note.raw) is None
        await elsewhere.close()
    assert note.event is None
    assert events == [incoming.event for incoming in stored]
    assert all(event is not None and event.channel == HERE for event in events)  # type: ignore[union-attr]
    posted, typed, pressed, changed = events
    assert isinstance(posted, MessagePosted)
    assert (posted.message_id, posted.reply_to) == (f"4@{NEW}", f"1@{NEW}")
    assert isinstance(typed, CommandInvoked)
    assert (typed.message_id, typed.reply["message_id"]) == (f"5@{NEW}", f"5@{NEW}")
    assert isinstance(pressed, ButtonPressed)
    assert isinstance(changed, MessageEdited)
    assert (pressed.message_id, changed.message_id) == (f"6@{NEW}", f"7@{NEW}")


async def test_it_is_remembered_and_found_out_after_an_absence() -> None:
    sink = RecordingSink()
    async with serving() as server:
        server.waiting = [MOVED]
        async with polling(server, sink):
            await sink.until(lambda s: FACT in s.facts)
        assert json.loads(sink.facts[FACT]) == {OLD: NEW}
        for kept in (dict(sink.facts), {}):
            later = RecordingSink()
            later.facts = kept
            server.answers["getChat"] = moving
            server.waiting = [told(9, NEW, "later")]
            async with polling(server, later):
                event = await later.event(MessagePosted, text="later")
            assert event.channel == HERE


async def test_a_process_that_only_sends_learns_by_being_refused_once() -> None:
    async with serving() as server:
        server.answers["sendMessage"] = moving
        platform = build(server)
        first = await platform.send(Card("New"), HERE, "d1")
        second = await platform.send(Reply("On Friday", f"4@{NEW}"), HERE, "d2")
        third = await platform.send(Line("decided", "4"), HERE, "d3")
        await platform.close()
        calls = server.called("sendMessage")
    assert (first, second, third) == (f"17@{NEW}",) * 3
    assert [str(call["chat_id"]) for call in calls] == [OLD, NEW, NEW, NEW]
    # What was said in the old group has a number that means another message in the new one.
    assert [call.get("reply_parameters", {}).get("message_id") for call in calls] == [None, None, 4, None]


async def test_a_reply_names_the_supergroup_itself() -> None:
    async with serving() as server:
        server.answers["sendMessage"] = moving
        platform = build(server)
        assert await platform.send(Reply("On Friday", f"4@{NEW}"), HERE, "d") == f"17@{NEW}"
        await platform.close()
        assert [str(call["chat_id"]) for call in server.called("sendMessage")] == [NEW]


async def test_its_messages_change_and_go_and_the_old_ones_are_left_alone() -> None:
    async with serving() as server:
        server.answers |= {"sendMessage": moving, "editMessageText": moving, "deleteMessage": moving}
        platform = build(server)
        with pytest.raises(Refused) as stranded:
            await platform.edit(Card("x"), HERE, "4")
        assert stranded.value.code == "gone"  # so that a card is shown anew
        with pytest.raises(Refused) as again:
            await platform.edit(Card("x"), HERE, "4")
        with pytest.raises(Refused) as kept:
            await platform.delete(HERE, "4")
        assert (again.value.code, kept.value.code) == ("gone", "migrated")
        await platform.edit(Card("x"), HERE, f"17@{NEW}")
        await platform.delete(HERE, f"17@{NEW}")
        await platform.close()
        places = [(str(call["chat_id"]), call["message_id"]) for call in server.called("editMessageText")]
    assert places == [(OLD, 4), (NEW, 17)]


async def test_hints_and_roles_go_there_too() -> None:
    async with serving() as server:
        server.answers["sendMessage"] = lambda sent: refused(403, "Forbidden") if sent["chat_id"] == 7 else moving(sent)
        server.answers["getChatMember"] = lambda sent: {"status": "creator"} if str(sent["chat_id"]) == NEW else {}
        platform = build(server)
        await platform.send(Card("x"), HERE, "d")
        person = Member("telegram", "123456", "7")
        assert await platform.holds(person, f"administrator@{OLD}")
        for handle in ({"message_id": f"5@{NEW}"}, {"message_id": "5", "name": "Ana"}):
            await platform.notify(Notice("SECRET", person, "look"), HERE, handle)
        await platform.close()
        hints = [call for call in server.called("sendMessage") if "look" in str(call.get("text"))]
    assert [str(call["chat_id"]) for call in hints] == [NEW, NEW]
    assert [call.get("reply_parameters", {}).get("message_id") for call in hints] == [5, None]


@pytest.mark.parametrize("changes", [{"watched": (OLD,), "channels": (OLD, NEW)}, {"watched": ()}])
async def test_a_group_that_the_settings_know_by_its_new_id_or_not_at_all_is_only_told_of(
    changes: dict[str, Any],
) -> None:
    sink = RecordingSink()
    async with serving() as server:
        server.answers["sendMessage"] = moving
        server.waiting = [MOVED, told(4, NEW, "new")]
        async with polling(server, sink, **changes) as platform:
            moved = await sink.event(ChannelMoved)
            posted = await sink.event(MessagePosted, text="new")
            with pytest.raises(Refused) as error:
                await platform.send(Line("x"), HERE, "d")
    assert moved == ChannelMoved(HERE, Channel("telegram", "123456", NEW))
    assert (posted.channel.channel_id, posted.message_id) == (NEW, "4")
    assert error.value.code == "migrated"


@pytest.mark.parametrize("kept", ["", "[]", "null", "{", '{"-55": 7}'])
async def test_moves_that_cannot_be_read_stop_nothing(kept: str) -> None:
    sink = RecordingSink()
    sink.facts[FACT] = kept
    async with serving() as server:
        server.waiting = [told(4, OLD, "still here")]
        async with polling(server, sink):
            event = await sink.event(MessagePosted, text="still here")
    assert event.message_id == "4"


@pytest.mark.parametrize(
    ("chat", "basic"),
    [
        (OLD, True),
        ("-999999999999", True),
        (NEW, False),
        ("-1001", True),
        ("7", False),
        ("", False),
        ("-", False),
        ("-x", False),
    ],
)
def test_which_groups_can_move(chat: str, basic: bool) -> None:
    assert is_basic(chat) is basic
