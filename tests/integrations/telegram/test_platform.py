"""The platform against the local Bot API server, over HTTP, with the real SDK."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest

from bot.chat.events import ButtonPressed, CommandInvoked, MessageEdited, MessagePosted
from bot.chat.messages import Button, Card, Line, Notice, Prompt, Reply
from bot.chat.ports import (
    ChecksSetup,
    CommandSpec,
    Deletes,
    Notifies,
    NotSent,
    PlatformDown,
    ReadsRoles,
    Refused,
    Registers,
    Unclear,
)
from bot.domain.places import Channel, Member
from bot.integrations.telegram import TelegramPlatform
from bot.integrations.telegram.client import Client

from .conftest import Make, RecordingSink, Stage, polling

CARD = Card(
    "🟡 waiting",
    "什么时候？",
    ("sources: FAQ#12",),
    "On <b>Friday</b> *9:00* 🍵",
    ("✅ 0/1",),
    (Button("✅ Approve", "v1|a"),),
)


async def test_it_keeps_the_small_protocols(platform: TelegramPlatform) -> None:
    for protocol in (Deletes, Notifies, ReadsRoles, Registers, ChecksSetup):
        assert isinstance(platform, protocol)
    assert platform.name == "telegram"
    assert platform.capabilities.units == "utf16"


async def test_a_message_comes_in_and_its_reply_goes_out(
    stage: Stage, platform: TelegramPlatform, sink: RecordingSink
) -> None:
    asked = await stage.say("asker", "茶什么时候补货？ 🍵 <b>")
    event = await sink.event(MessagePosted, message_id=asked)
    assert event.channel == stage.channel()
    assert event.text == "茶什么时候补货？ 🍵 <b>"
    assert not event.author_is_bot
    text = "On Friday: *9:00* <i>@everyone</i> [x](https://example.org) 🍵"
    sent = await platform.send(Reply(text, asked), event.channel, "d1")
    shown = (await stage.messages())[sent]
    assert (shown["text"], shown["reply_to"]) == (text, asked)


async def test_what_is_handed_over_can_be_read_again(
    stage: Stage, platform: TelegramPlatform, sink: RecordingSink
) -> None:
    asked = await stage.say("asker", "again?")
    event = await sink.event(MessagePosted, message_id=asked)
    (incoming,) = [incoming for incoming in sink.incoming if incoming.event == event]
    assert incoming.source == f"telegram:{stage.tenant}"
    assert incoming.position is not None
    assert (incoming.position.cursor, incoming.position.value) == (incoming.source, int(incoming.external_id) + 1)
    assert platform.parse(incoming.raw) == event


async def test_a_command_is_heard_with_and_without_our_name(stage: Stage, sink: RecordingSink) -> None:
    await stage.control("command", channel="review", member="lead", text='/poll "Tea?" "yes" "no"')
    event = await sink.event(CommandInvoked, name="poll")
    assert (event.text, event.private) == ('"Tea?" "yes" "no"', False)
    await stage.control("command", channel="review", member="lead", text="/help@herald_sandbox_bot me")
    assert (await sink.event(CommandInvoked, name="help")).text == "me"
    await stage.control("command", channel="review", member="lead", text="/halt@some_other_bot")
    last = await stage.say("lead", "after it")
    await sink.event(MessagePosted, message_id=last)
    assert not [i for i in sink.incoming if isinstance(i.event, CommandInvoked) and i.event.name == "halt"]


async def test_a_press_on_a_card_is_answered_in_private(
    stage: Stage, platform: TelegramPlatform, sink: RecordingSink
) -> None:
    card = await platform.send(CARD, stage.channel("review"), "c1")
    shown = (await stage.messages("review"))[card]
    assert f"\n{CARD.draft}\n" in shown["text"]
    assert [button["label"] for button in shown["buttons"]] == ["✅ Approve"]
    stage.click("lead", card, "✅ Approve")
    press = await sink.event(ButtonPressed, message_id=card)
    assert (press.payload, press.channel) == ("v1|a", stage.channel("review"))
    before = len(await stage.messages("review"))
    await platform.notify(Notice("Already decided by Ana", press.member), press.channel, press.reply)
    (answer,) = [
        c for c in await stage.calls("answerCallbackQuery") if c["body"].get("text") == "Already decided by Ana"
    ]
    assert answer["status"] == 200
    assert answer["body"]["show_alert"] is True
    assert len(await stage.messages("review")) == before


async def test_a_toast_ends_the_spinner_and_is_dropped_without_one(
    stage: Stage, platform: TelegramPlatform, sink: RecordingSink
) -> None:
    card = await platform.send(CARD, stage.channel("review"), "c2")
    stage.click("lead", card, "v1|a")
    press = await sink.event(ButtonPressed, message_id=card)
    await platform.notify(Notice("", press.member, toast=True), press.channel, press.reply)
    (answer,) = await answers_to(stage, press)
    assert "text" not in answer["body"]
    requests = len(await stage.calls("sendMessage"))
    await platform.notify(Notice("saved", press.member, "look", toast=True), press.channel, {"message_id": "1"})
    assert len(await stage.calls("sendMessage")) == requests


async def logged(caplog: pytest.LogCaptureFixture, text: str) -> None:
    """Wait until a line with this text was written."""
    written = asyncio.Event()

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if text in record.getMessage():
                written.set()

    listener, logger = Listener(), logging.getLogger("herald.telegram")
    logger.addHandler(listener)
    try:
        if text not in caplog.text:
            await asyncio.wait_for(written.wait(), 10)
    finally:
        logger.removeHandler(listener)


async def answers_to(stage: Stage, press: ButtonPressed) -> list[dict[str, Any]]:
    query = press.reply["callback_query_id"]
    return [call for call in await stage.calls("answerCallbackQuery") if call["body"]["callback_query_id"] == query]


async def test_without_a_private_way_only_the_hint_is_public(
    stage: Stage, platform: TelegramPlatform, sink: RecordingSink
) -> None:
    await stage.control("command", channel="community", member="stranger", text="/mydata")
    command = await sink.event(CommandInvoked, name="mydata")
    notice = Notice("SECRET LIST", command.member, hint="I cannot write to you: open a chat with me first")
    await platform.notify(notice, command.channel, command.reply)
    texts = [(m["text"], m["reply_to"]) for m in (await stage.messages()).values()]
    assert (notice.hint, command.message_id) in texts
    assert not [text for text, _ in texts if "SECRET" in text]


async def test_a_late_press_is_told_by_private_message_or_hint(
    stage: Stage, platform: TelegramPlatform, sink: RecordingSink
) -> None:
    card = await platform.send(CARD, stage.channel("review"), "c3")
    stage.click("latecomer", card, "v1|a")
    press = await sink.event(ButtonPressed, message_id=card)
    stale = dict(press.reply) | {"received_at": str(float(press.reply["received_at"]) - 60)}
    await platform.notify(Notice("SECRET", press.member, hint="too late"), press.channel, stale)
    assert await answers_to(stage, press) == []
    last = list((await stage.messages("review")).values())[-1]
    assert "too late" in last["text"]
    assert press.member_name in last["text"]
    assert "SECRET" not in last["text"]


async def test_a_long_notice_goes_to_the_private_chat(
    stage: Stage, platform: TelegramPlatform, sink: RecordingSink
) -> None:
    card = await platform.send(CARD, stage.channel("review"), "c4")
    stage.click("reader", card, "v1|a")
    press = await sink.event(ButtonPressed, message_id=card)
    text = "详" * 300
    await platform.notify(Notice(text, press.member, hint="see our chat"), press.channel, press.reply)
    tried = [c for c in await stage.calls("sendMessage") if c["body"]["text"] == text]
    assert [c["body"]["chat_id"] for c in tried] == [int(press.member.user_id)]
    (answer,) = await answers_to(stage, press)
    assert answer["body"]["text"] == "see our chat"


async def test_a_prompt_is_answered_by_replying_to_it(
    stage: Stage, platform: TelegramPlatform, sink: RecordingSink
) -> None:
    asked = await stage.say("editor", "let me")
    editor = (await sink.event(MessagePosted, message_id=asked)).author
    prompt = await platform.send(
        Prompt("Reply with the new text", editor, "editor", asked, "new text"), stage.channel(), "p1"
    )
    (call,) = [c for c in await stage.calls("sendMessage") if "input_field_placeholder" in str(c["body"])]
    assert call["status"] == 200
    answered = await stage.say("editor", "Better words", reply_to=prompt)
    event = await sink.event(MessagePosted, message_id=answered)
    assert (event.reply_to, event.author) == (prompt, editor)


async def test_messages_change_and_go(stage: Stage, platform: TelegramPlatform) -> None:
    place = stage.channel("review")
    card = await platform.send(CARD, place, "c5")
    receipt = Card("✅ approved", "什么时候？", (), CARD.draft, ("by Ana",))
    await platform.edit(receipt, place, card)
    shown = (await stage.messages("review"))[card]
    assert shown["text"].startswith("✅ approved")
    assert shown["buttons"] == []
    await platform.edit(receipt, place, card)  # Telegram refuses an unchanged text: that is a success
    await platform.delete(place, card)
    assert card not in await stage.messages("review")
    await platform.delete(place, card)
    with pytest.raises(Refused) as caught:
        await platform.edit(receipt, place, card)
    assert caught.value.code == "gone"


async def test_a_members_edit_is_told(stage: Stage, sink: RecordingSink) -> None:
    said = await stage.say("asker", "wehn?")
    await stage.control("edit", channel="community", message_id=said, member="asker", text="when?")
    event = await sink.event(MessageEdited, message_id=said)
    assert (event.text, event.channel) == ("when?", stage.channel())


async def test_a_reply_to_a_deleted_message_still_arrives(stage: Stage, platform: TelegramPlatform) -> None:
    said = await stage.say("asker", "never mind")
    await stage.control("delete", channel="community", message_id=said, member="asker")
    sent = await platform.send(Reply("On Friday", said), stage.channel(), "d9")
    assert (await stage.messages())[sent]["text"] == "On Friday"


async def test_impossible_messages_are_refused_unsent(stage: Stage, platform: TelegramPlatform) -> None:
    requests = len(await stage.calls("sendMessage"))
    for message in (Reply("x" * 4097), Reply(" "), Card("h", buttons=(Button("B", "x" * 65),))):
        with pytest.raises(Refused):
            await platform.send(message, stage.channel(), "d")
    with pytest.raises(Refused):
        await platform.send(Reply("x"), Channel("telegram", stage.tenant, "C0123"), "d")
    assert len(await stage.calls("sendMessage")) == requests
    with pytest.raises(Refused) as caught:
        await platform.send(Reply("x"), Channel("telegram", stage.tenant, "-100777"), "d")
    assert caught.value.code == "no-chat"


@pytest.mark.parametrize(
    ("kind", "failure"), [("429", NotSent), ("500", Unclear), ("swallow_reply", Unclear), ("reset", Unclear)]
)
async def test_faults_are_told_apart(stage: Stage, make: Make, kind: str, failure: type[Exception]) -> None:
    platform = make(request_timeout=1.0)
    await stage.control("fault", kind=kind, times=1, match="sendMessage")
    text = f"once {kind}"
    with pytest.raises(failure) as caught:
        await platform.send(Line(text), stage.channel(), "d")
    if isinstance(caught.value, NotSent):
        assert caught.value.retry_after is not None
    shown = [m for m in (await stage.messages()).values() if m["text"] == text]
    if failure is NotSent:
        assert shown == []
    assert len([c for c in await stage.calls("sendMessage") if c["body"].get("text") == text]) <= 1


async def test_a_restart_goes_on_where_the_store_ended(stage: Stage, make: Make) -> None:
    first, second = RecordingSink(), RecordingSink()
    platform = make()
    async with polling(platform, first):
        one = await stage.say("asker", "one")
        await first.event(MessagePosted, message_id=one)
    second.positions = dict(first.positions)
    two = await stage.say("asker", "two")
    async with polling(platform, second):
        await second.event(MessagePosted, message_id=two)
    assert {i.external_id for i in first.incoming}.isdisjoint(i.external_id for i in second.incoming)


async def test_what_cannot_be_stored_is_not_confirmed(
    stage: Stage, platform: TelegramPlatform, caplog: pytest.LogCaptureFixture
) -> None:
    sink = RecordingSink()
    async with polling(platform, sink):
        before = await stage.say("asker", "before")
        await sink.event(MessagePosted, message_id=before)
        sink.broken = True
        said = await stage.say("asker", "PRIVATE")
        await sink.until(lambda s: len(s.refused) >= 2)
        sink.broken = False
        await sink.event(MessagePosted, message_id=said)
    refused = {incoming.external_id for batch in sink.refused for incoming in batch}
    confirmed = [c["body"].get("offset", 0) for c in await stage.calls("getUpdates")]
    assert int(min(refused, key=int)) in confirmed  # it was asked for again
    assert "PRIVATE" not in caplog.text
    assert len([r for r in caplog.records if "cannot be stored" in r.getMessage()]) == 1


async def test_nothing_is_confirmed_when_polling_ends(stage: Stage, platform: TelegramPlatform) -> None:
    sink = RecordingSink()
    async with polling(platform, sink):
        sink.broken = True
        said = await stage.say("asker", "kept by Telegram")
        await sink.until(lambda s: s.refused)
    later = RecordingSink()
    async with polling(platform, later):
        await later.event(MessagePosted, message_id=said)


MALFORMED = ({"message": "no message"}, {"message": {"message_id": {}, "chat": []}}, {"unknown": 1})


async def test_malformed_updates_are_kept_as_ignored_and_confirmed(
    stage: Stage, platform: TelegramPlatform, sink: RecordingSink
) -> None:
    said = await stage.say("asker", "before the garbage")
    await sink.event(MessagePosted, message_id=said)
    number = int(sink.incoming[-1].external_id)
    for event in MALFORMED:
        number += 1
        await stage.control("raw", event=event | {"update_id": number})
        kept = await sink.until(lambda s, n=number: [i for i in s.incoming if i.external_id == str(n)])
        assert [incoming.event for incoming in kept] == [None]
        assert kept[0].position.value == number + 1
        assert event.items() <= json.loads(kept[0].raw).items()
        assert platform.parse(kept[0].raw) is None
    after = await stage.say("asker", "after the garbage")
    await sink.event(MessagePosted, message_id=after)


async def test_updates_without_a_number_are_kept_too(stage: Stage, sink: RecordingSink) -> None:
    await stage.control("raw", event={"message": {"text": "no number"}})
    after = await stage.say("asker", "after the number")
    await sink.event(MessagePosted, message_id=after)
    (kept,) = [i for i in sink.incoming if "no number" in i.raw]
    assert (kept.event, kept.position) == (None, None)


async def test_a_webhook_is_named_as_the_reason(stage: Stage, platform: TelegramPlatform) -> None:
    client = Client(stage.token, stage.url, 5.0)
    try:
        await client.call("setWebhook", url="http://127.0.0.1:1/secret-path")
        with pytest.raises(PlatformDown, match="deleteWebhook"):
            await asyncio.wait_for(platform.run(RecordingSink(), lambda: None), 10)
        (fault,) = await platform.check([])
        assert (fault.key, fault.args) == ("telegram.webhook", {"host": "127.0.0.1"})
    finally:
        await client.call("deleteWebhook")
        await client.close()


async def test_a_second_poller_is_reported_once(
    stage: Stage, make: Make, platform: TelegramPlatform, caplog: pytest.LogCaptureFixture
) -> None:
    first, second, other = RecordingSink(), RecordingSink(), make()
    async with polling(platform, first), polling(other, second):
        await logged(caplog, "another process")
        said = await stage.say("asker", "who hears me?")
        heard = [asyncio.create_task(s.event(MessagePosted, message_id=said)) for s in (first, second)]
        await asyncio.wait(heard, return_when=asyncio.FIRST_COMPLETED)
        for task in heard:
            task.cancel()
        await asyncio.gather(*heard, return_exceptions=True)
    assert caplog.text.count("another process") == 1


async def test_polling_survives_faults(stage: Stage, sink: RecordingSink) -> None:
    for kind in ("500", "reset", "429"):
        await stage.control("fault", kind=kind, times=1, match="getUpdates")
        said = await stage.say("asker", f"through {kind}")
        await sink.event(MessagePosted, message_id=said)
    ids = [incoming.external_id for incoming in sink.incoming]
    assert len(ids) == len(set(ids))


async def test_a_refused_token_ends_polling_with_advice(stage: Stage, make: Make) -> None:
    platform = make(token="7000000001:wrong")
    with pytest.raises(PlatformDown, match="BotFather"):
        async with polling(platform, RecordingSink()):
            pass
    assert [fault.key for fault in await platform.check([])] == ["telegram.token"]


async def test_an_unreachable_server_is_tried_again(stage: Stage, make: Make, caplog: pytest.LogCaptureFixture) -> None:
    platform = make(api_url="http://127.0.0.1:1")
    with caplog.at_level(logging.INFO, "herald.telegram"):
        task = asyncio.create_task(platform.run(RecordingSink(), lambda: None))
        await logged(caplog, "polling failed")
        assert not task.done()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert "Connection refused" in caplog.text
    assert stage.token not in caplog.text
    assert [fault.key for fault in await platform.check([])] == ["telegram.unreachable"]


async def test_administrators_are_read_freshly(stage: Stage, platform: TelegramPlatform, sink: RecordingSink) -> None:
    said = await stage.say("plain", "who am I")
    plain = (await sink.event(MessagePosted, message_id=said)).author
    role = f"administrator@{stage.channel('review').channel_id}"
    assert await platform.holds(plain, role) is False
    await stage.control("member", member="plain", roles=["administrator"])
    assert await platform.holds(plain, role) is True
    assert await platform.holds(plain, "lead") is False
    assert await platform.holds(Member("slack", "T1", plain.user_id), role) is False
    assert await platform.holds(Member("telegram", stage.tenant, "999"), role) is False
    with pytest.raises(Refused):
        await platform.holds(plain, "administrator@-100777")


async def test_commands_are_announced_to_those_who_may_use_them(stage: Stage, platform: TelegramPlatform) -> None:
    texts = {"en": "Start a poll", "zh": "发起投票"}
    commands = [
        CommandSpec("poll", texts, '"Q" "A" "B"', staff=False),
        CommandSpec("approve", {"en": "Approve a draft"}, "<id>", staff=True),
        CommandSpec("投票", texts, "", staff=False),
    ]
    await platform.register(commands)
    menus = {
        (call["body"]["scope"]["type"], call["body"].get("language_code")): call["body"]["commands"]
        for call in await stage.calls("setMyCommands")
    }
    assert menus["default", None] == [{"command": "poll", "description": "Start a poll"}]
    assert menus["default", "zh"] == [{"command": "poll", "description": "发起投票"}]
    assert [c["command"] for c in menus["all_chat_administrators", "zh"]] == ["poll", "approve"]


async def test_the_set_up_is_checked(stage: Stage, make: Make) -> None:
    platform = make(watched=(stage.channel().channel_id,))
    assert await platform.check([stage.channel("review"), stage.channel()]) == []
    unknown = [Channel("telegram", stage.tenant, "-100777"), Channel("telegram", stage.tenant, "x")]
    faults = await platform.check(unknown)
    assert [(fault.key, fault.args["channel"]) for fault in faults] == [
        ("telegram.chat", "-100777"),
        ("telegram.chat", "x"),
    ]
