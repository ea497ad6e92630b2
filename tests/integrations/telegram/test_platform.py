"""The platform against the local Bot API server, over HTTP, with the real SDK."""

from __future__ import annotations

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
    ReadsRoles,
    Refused,
    Registers,
    Unclear,
)
from bot.domain.places import Channel, Member
from bot.integrations.telegram import TelegramPlatform

from .conftest import Make, RecordingSink, Stage

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


async def test_what_only_passes_is_the_answer_to_the_press_or_nothing(
    stage: Stage, platform: TelegramPlatform, sink: RecordingSink
) -> None:
    """Whoever answered late would tell the whole room who voted."""
    card = await platform.send(CARD, stage.channel("review"), "c5")
    stage.click("voter", card, "v1|a")
    press = await sink.event(ButtonPressed, message_id=card)
    notice = Notice("counted " * 40, press.member, hint="look", passing=True)
    stale = dict(press.reply) | {"received_at": str(float(press.reply["received_at"]) - 60)}
    requests, before = len(await stage.calls("sendMessage")), len(await stage.messages("review"))
    await platform.notify(notice, press.channel, stale)
    assert await answers_to(stage, press) == []
    await platform.notify(notice, press.channel, press.reply)
    (answer,) = await answers_to(stage, press)
    assert answer["body"]["text"].startswith("counted counted")
    assert (len(await stage.calls("sendMessage")), len(await stage.messages("review"))) == (requests, before)


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


async def test_a_topic_is_addressed_by_its_number(stage: Stage, platform: TelegramPlatform) -> None:
    general = stage.channel("general")
    topic = Channel("telegram", stage.tenant, general.channel_id, thread_id="4242")
    with pytest.raises(Refused):
        await platform.send(Line("into a topic that is not there"), topic, "t1")
    call = (await stage.calls("sendMessage"))[-1]
    assert (call["body"]["chat_id"], call["body"]["message_thread_id"]) == (int(general.channel_id), 4242)


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
