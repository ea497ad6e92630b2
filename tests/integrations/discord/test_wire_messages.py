"""discord.py against the local Discord: messages in and out."""

from __future__ import annotations

import uuid

import pytest

from bot.chat.events import ButtonPressed, MessageDeleted, MessageEdited, MessagePosted
from bot.chat.messages import Button, Card, Line, Reply
from bot.chat.ports import NotSent, Refused, Unclear
from bot.integrations.discord import DiscordPlatform
from tests.integrations.discord.conftest import RecordingSink, Sandbox, running

HOSTILE = "**bold** @everyone <@1> [a](https://evil.example) `code` \\*\n# heading\n- list\n> quote 茶 🍵"


def unique(text: str) -> str:
    return f"{text} {uuid.uuid4().hex[:12]}"


def key() -> str:
    return uuid.uuid4().hex[:25]


async def test_a_member_s_message_becomes_an_event_with_position(
    sandbox: Sandbox, platform: DiscordPlatform, sink: RecordingSink
) -> None:
    text = unique(HOSTILE)
    posted = await sandbox("say", channel="community", member="ana", text=text)
    event = await sink.first(MessagePosted, lambda e: e.text == text)
    assert event.message_id == posted["message_id"]
    assert event.channel.channel_id == sandbox.channel().channel_id
    assert not event.author_is_bot
    assert not event.backfilled
    [incoming] = [one for one in sink.kept if one.event == event]
    assert incoming.source == f"discord:{event.channel.tenant}"
    assert incoming.external_id == f"m:{event.message_id}"
    assert platform.parse(incoming.raw) == event


async def test_a_reply_arrives_byte_for_byte_under_the_question_and_comes_back_with_its_nonce(
    sandbox: Sandbox, platform: DiscordPlatform, sink: RecordingSink
) -> None:
    asked = await sandbox("say", channel="community", member="ana", text=unique("when?"))
    text, nonce = unique(HOSTILE), key()
    message_id = await platform.send(Reply(text, asked["message_id"]), sandbox.channel(), nonce)
    echo = await sink.first(MessagePosted, lambda e: e.message_id == message_id)
    assert echo.text == text
    assert echo.nonce == nonce
    assert echo.author_is_bot
    [seen] = [one for one in await sandbox.seen("community") if one["id"] == message_id]
    assert seen["text"] == text
    assert seen["reply_to"] == asked["message_id"]


async def test_the_same_key_makes_one_message(sandbox: Sandbox, platform: DiscordPlatform) -> None:
    text, nonce = unique("once"), key()
    first = await platform.send(Reply(text), sandbox.channel(), nonce)
    second = await platform.send(Reply(text), sandbox.channel(), nonce)
    assert first == second
    assert [one["text"] for one in await sandbox.seen("community")].count(text) == 1


async def test_a_reply_to_a_deleted_question_is_still_delivered(sandbox: Sandbox, platform: DiscordPlatform) -> None:
    asked = await sandbox("say", channel="community", member="ana", text=unique("gone soon"))
    await sandbox("delete", channel="community", member="ana", message_id=asked["message_id"])
    text = unique("still here")
    await platform.send(Reply(text, asked["message_id"]), sandbox.channel(), key())
    assert text in [one["text"] for one in await sandbox.seen("community")]


async def test_a_card_is_shown_pressed_edited_and_deleted(
    sandbox: Sandbox, platform: DiscordPlatform, sink: RecordingSink
) -> None:
    buttons = (Button("Approve", "v1|abc|approve|mac", "primary"), Button("Reject", "v1|abc|reject|mac", "danger"))
    header = unique("A question")
    card = Card(header, "How much?", ("draft 1",), "Five.", ("waiting",), buttons)
    review = sandbox.channel("review")
    card_id = await platform.send(card, review, key())
    [seen] = [one for one in await sandbox.seen("review") if one["id"] == card_id]
    assert [button["label"] for button in seen["buttons"]] == ["Approve", "Reject"]
    await sandbox("click", channel="review", message_id=card_id, member="ben", button="approve")
    press = await sink.first(ButtonPressed, lambda e: e.message_id == card_id)
    assert press.payload == "v1|abc|approve|mac"
    await platform.edit(Card(header, "How much?", (), "Five.", ("approved",), tone="good"), review, card_id)
    [seen] = [one for one in await sandbox.seen("review") if one["id"] == card_id]
    assert seen["buttons"] == []
    assert "approved" in seen["text"]
    await platform.edit(Line("all done"), review, card_id)
    [seen] = [one for one in await sandbox.seen("review") if one["id"] == card_id]
    assert "approved" not in seen["text"]
    assert "all done" in seen["text"]
    await platform.delete(review, card_id)
    assert card_id not in [one["id"] for one in await sandbox.seen("review")]
    await platform.delete(review, card_id)
    with pytest.raises(Refused) as refused:
        await platform.edit(Line("too late"), review, card_id)
    assert refused.value.code == "gone"


async def test_members_edits_and_deletions_are_events(
    sandbox: Sandbox, platform: DiscordPlatform, sink: RecordingSink
) -> None:
    posted = await sandbox("say", channel="community", member="ana", text=unique("frist"))
    message_id, text = posted["message_id"], unique("first")
    await sandbox("edit", channel="community", member="ana", message_id=message_id, text=text)
    edited = await sink.first(MessageEdited, lambda e: e.message_id == message_id)
    assert edited.text == text
    await sandbox("delete", channel="community", member="ana", message_id=message_id)
    gone = await sink.first(MessageDeleted, lambda e: e.message_id == message_id)
    assert gone.channel == edited.channel


async def test_a_text_that_discord_refuses_is_refused(sandbox: Sandbox, platform: DiscordPlatform) -> None:
    with pytest.raises(Refused) as refused:
        await platform.send(Reply("x" * 2001), sandbox.channel(), key())
    assert refused.value.code == "50035"


async def test_an_unknown_channel_is_refused(sandbox: Sandbox, platform: DiscordPlatform) -> None:
    elsewhere = type(sandbox.channel())("discord", "1", "123456789012345678")
    with pytest.raises(Refused) as refused:
        await platform.send(Reply("hello"), elsewhere, key())
    assert refused.value.code in {"10003", "50001"}


async def test_a_short_rate_limit_is_told_and_then_kept_to(sandbox: Sandbox, platform: DiscordPlatform) -> None:
    await sandbox("fault", kind="429", times=1, seconds=0.2, match="/messages")
    text = unique("patient")
    with pytest.raises(NotSent) as not_sent:
        await platform.send(Reply(text), sandbox.channel(), key())
    assert not_sent.value.retry_after is not None
    assert not_sent.value.scope == "destination"
    # The next one is not sent into the same refusal: it waits for what is left.
    await platform.send(Reply(text), sandbox.channel(), key())
    assert [one["text"] for one in await sandbox.seen("community")].count(text) == 1


async def test_a_long_rate_limit_is_told_and_nothing_is_sent_later(sandbox: Sandbox, platform: DiscordPlatform) -> None:
    await sandbox("fault", kind="429", times=1, seconds=60, match="/messages")
    text = unique("not now")
    with pytest.raises(NotSent) as not_sent:
        await platform.send(Reply(text), sandbox.channel(), key())
    assert not_sent.value.retry_after is not None
    assert not_sent.value.retry_after > 30
    await platform.send(Reply(unique("the next one goes")), sandbox.channel("review"), key())
    assert text not in [one["text"] for one in await sandbox.seen("community")]


@pytest.mark.parametrize("kind", ["500", "reset"])
async def test_a_fault_that_passes_makes_one_message(sandbox: Sandbox, platform: DiscordPlatform, kind: str) -> None:
    await sandbox("fault", kind=kind, times=1, match="/messages")
    text = unique(kind)
    message_id = await platform.send(Reply(text), sandbox.channel(), key())
    assert [one["id"] for one in await sandbox.seen("community") if one["text"] == text] == [message_id]


async def test_a_lost_answer_is_found_again_by_the_nonce(sandbox: Sandbox, sink: RecordingSink) -> None:
    async with running(sandbox.config(request_timeout=2.0), sink) as platform:
        await sandbox("fault", kind="swallow_reply", times=1, match="/messages")
        text = unique("swallowed")
        message_id = await platform.send(Reply(text), sandbox.channel(), key())
        assert [one["id"] for one in await sandbox.seen("community") if one["text"] == text] == [message_id]


async def test_answers_lost_again_and_again_are_unclear(sandbox: Sandbox, sink: RecordingSink) -> None:
    async with running(sandbox.config(request_timeout=2.0), sink) as platform:
        await sandbox("fault", kind="swallow_reply", times=2, match="/messages")
        text = unique("never answered")
        with pytest.raises(Unclear):
            await platform.send(Reply(text), sandbox.channel(), key())
        assert [one["text"] for one in await sandbox.seen("community")].count(text) == 1


async def test_no_server_is_surely_not_sent(sandbox: Sandbox) -> None:
    nowhere = DiscordPlatform(sandbox.config(api_url="http://127.0.0.1:9/api/v10"))
    try:
        with pytest.raises(NotSent):
            await nowhere.send(Reply("hello"), sandbox.channel(), key())
    finally:
        await nowhere.close()
