"""discord.py against the local Discord: connections that break, restarts, a store that is down."""

from __future__ import annotations

import asyncio
import json
import uuid

import pytest

from bot.chat.events import ButtonPressed, MessagePosted
from bot.chat.messages import Button, Card, Reply
from bot.chat.ports import PlatformDown, Refused
from bot.integrations.discord import DiscordPlatform, inbound
from tests.integrations.discord.conftest import PATIENCE, RecordingSink, Sandbox, running


async def said(sandbox: Sandbox, name: str, count: int) -> list[str]:
    """Have a member say numbered texts; their texts."""
    texts = [f"{name} {number} {uuid.uuid4().hex}" for number in range(count)]
    for text in texts:
        await sandbox("say", channel="community", member="ana", text=text)
    return texts


def heard(sink: RecordingSink, texts: list[str]) -> list[str]:
    """Those of the texts that are stored, in the order in which they were."""
    posted = [one.event for one in sink.kept if isinstance(one.event, MessagePosted)]
    return [event.text for event in posted if event.text in texts]


async def test_a_resumed_connection_loses_nothing(
    sandbox: Sandbox, platform: DiscordPlatform, sink: RecordingSink
) -> None:
    before = await said(sandbox, "before", 3)
    await sink.until(lambda: heard(sink, before) == before)
    await sandbox("fault", kind="disconnect", times=1)
    after = await said(sandbox, "while away", 10)
    await sink.until(lambda: len(heard(sink, after)) == len(after))
    assert heard(sink, before + after) == before + after
    assert not any(one.event.backfilled for one in sink.kept if isinstance(one.event, MessagePosted))


async def test_a_new_session_reads_back_what_was_missed(
    sandbox: Sandbox, platform: DiscordPlatform, sink: RecordingSink
) -> None:
    before = await said(sandbox, "before", 2)
    await sink.until(lambda: heard(sink, before) == before)
    await sandbox("fault", kind="invalid_session", times=1)
    missed = await said(sandbox, "missed", 5)
    await sink.until(lambda: len(heard(sink, missed)) == len(missed))
    assert heard(sink, missed) == missed
    events = [e for one in sink.kept if isinstance(e := one.event, MessagePosted) and e.text in missed]
    assert all(event.backfilled for event in events)


async def test_a_restart_reads_back_in_order_over_several_pages(sandbox: Sandbox, sink: RecordingSink) -> None:
    async with running(sandbox.config(), sink):
        first = await said(sandbox, "first", 2)
        await sink.until(lambda: heard(sink, first) == first)
        cursor = f"discord:{sandbox.channel().channel_id}"
        await sink.until(lambda: cursor in sink.positions)
    missed = await said(sandbox, "missed", 130)
    async with running(sandbox.config(), sink):
        await sink.until(lambda: len(heard(sink, missed)) == len(missed))
        assert heard(sink, missed) == missed
        events = [e for one in sink.kept if isinstance(e := one.event, MessagePosted) and e.text in missed]
        assert all(event.backfilled for event in events)
        assert sink.positions[cursor] == int(events[-1].message_id)
        # The gap was shown while it was open.
        await sink.until(lambda: sink.gaps[-1] == (cursor, None))
        assert (cursor, int(events[-1].message_id)) in sink.gaps
        live = await said(sandbox, "live", 2)
        await sink.until(lambda: heard(sink, live) == live)


async def test_the_first_start_reads_no_history_but_notes_where_it_began(sandbox: Sandbox, sink: RecordingSink) -> None:
    old = await said(sandbox, "old", 2)
    async with running(sandbox.config(), sink):
        cursor = f"discord:{sandbox.channel().channel_id}"
        await sink.until(lambda: cursor in sink.positions)
    missed = await said(sandbox, "missed before anything was heard", 2)
    async with running(sandbox.config(), sink):
        await sink.until(lambda: heard(sink, missed) == missed)
    assert heard(sink, old) == []


async def test_what_comes_while_the_store_is_down_is_stored_afterwards(
    sandbox: Sandbox, platform: DiscordPlatform, sink: RecordingSink
) -> None:
    sink.down = True
    texts = await said(sandbox, "patience", 5)
    await sink.until(lambda: sink.refused > 0)
    sink.down = False
    await sink.until(lambda: heard(sink, texts) == texts)


async def test_a_full_queue_stops_the_reading_and_loses_nothing(
    sandbox: Sandbox, platform: DiscordPlatform, sink: RecordingSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbound, "QUEUE", 3)
    sink.down = True
    texts = await said(sandbox, "more than fits", 20)
    await sink.until(lambda: sink.refused > 1)
    sink.down = False
    await sink.until(lambda: heard(sink, texts) == texts)
    assert not any(one.event.backfilled for one in sink.kept if isinstance(one.event, MessagePosted))


async def test_a_press_is_answered_only_when_it_is_stored(
    sandbox: Sandbox, platform: DiscordPlatform, sink: RecordingSink
) -> None:
    card = Card("A question", buttons=(Button("Claim", "v1|x|claim|m"),))
    card_id = await platform.send(card, sandbox.channel("review"), uuid.uuid4().hex[:25])
    answers = len(await sandbox.requests("POST", "/callback$"))
    sink.down = True
    pressing = asyncio.create_task(sandbox("click", channel="review", message_id=card_id, member="ben", button="claim"))
    await sink.until(lambda: sink.refused > 0)
    await asyncio.wait([pressing], timeout=PATIENCE)
    pressing.exception()
    assert len(await sandbox.requests("POST", "/callback$")) == answers
    assert not any(isinstance(one.event, ButtonPressed) for one in sink.kept)
    sink.down = False
    await sandbox("click", channel="review", message_id=card_id, member="ben", button="claim")
    await sink.first(ButtonPressed, lambda e: e.message_id == card_id)


async def test_a_payload_that_the_sdk_cannot_read_does_not_end_us(
    sandbox: Sandbox, platform: DiscordPlatform, sink: RecordingSink
) -> None:
    before = await said(sandbox, "before", 1)
    await sink.until(lambda: heard(sink, before) == before)
    await sandbox("raw", event={"t": "MESSAGE_CREATE", "d": {"id": "not a snowflake"}})
    after = await said(sandbox, "after", 3)
    await sink.until(lambda: len(heard(sink, after)) == len(after))
    text = f"still sending {uuid.uuid4().hex}"
    await platform.send(Reply(text), sandbox.channel(), uuid.uuid4().hex[:25])
    await sink.first(MessagePosted, lambda e: e.text == text)


async def test_the_same_frame_twice_is_kept_once(
    sandbox: Sandbox, platform: DiscordPlatform, sink: RecordingSink
) -> None:
    [text] = await said(sandbox, "twice", 1)
    event = await sink.first(MessagePosted, lambda e: e.text == text)
    [kept] = [one for one in sink.kept if one.event == event]
    frame = {"t": "MESSAGE_CREATE", "d": json.loads(kept.raw)["d"]}
    await sandbox("raw", event=frame)
    [last] = await said(sandbox, "last", 1)
    await sink.first(MessagePosted, lambda e: e.text == last)
    assert len([one for one in sink.kept if one.external_id == kept.external_id]) == 1


async def test_a_wrong_token_needs_a_person(sandbox: Sandbox, sink: RecordingSink) -> None:
    stranger = DiscordPlatform(sandbox.config(token="not-a-token"))
    with pytest.raises(PlatformDown, match="HERALD_DISCORD__TOKEN"):
        async with asyncio.timeout(PATIENCE):
            await stranger.run(sink, lambda: None)


async def test_a_token_that_is_revoked_ends_the_platform_at_once(sandbox: Sandbox, sink: RecordingSink) -> None:
    platform, ready = DiscordPlatform(sandbox.config()), asyncio.Event()
    run = asyncio.create_task(platform.run(sink, ready.set))
    async with asyncio.timeout(PATIENCE):
        await ready.wait()
        platform._api.rest._headers = {"Authorization": "Bot not-a-token-any-more"}
        with pytest.raises(Refused, match="does not accept the bot's token"):
            await platform.send(Reply("hello"), sandbox.channel(), uuid.uuid4().hex[:25])
        with pytest.raises(PlatformDown, match="HERALD_DISCORD__TOKEN") as down:
            await run
    assert "\n" not in str(down.value)


async def test_events_of_other_servers_are_not_taken(sandbox: Sandbox, sink: RecordingSink) -> None:
    ours = "123456789012345678"
    async with running(sandbox.config(guilds=(ours,)), sink):
        texts = await said(sandbox, "not for us", 1)
        author = {"id": "223456789012345678", "username": "cleo"}
        marker = {"id": "323456789012345678", "type": 0, "guild_id": ours, "channel_id": ours, "author": author}
        await sandbox("raw", event={"t": "MESSAGE_REACTION_ADD", "d": {**marker, "user_id": author["id"]}})
        await sink.until(lambda: any(one.source == f"discord:{ours}" for one in sink.kept))
    assert heard(sink, texts) == []


async def test_a_thread_is_heard_under_its_channel_and_read_back(sandbox: Sandbox, sink: RecordingSink) -> None:
    home = sandbox.channel().channel_id
    root = await sandbox("say", channel="community", member="ana", text=f"root {uuid.uuid4().hex}")
    thread = await sandbox.thread(home, root["message_id"])
    texts = [f"in the thread {number} {uuid.uuid4().hex}" for number in range(3)]
    async with running(sandbox.config(), sink):
        await sandbox("say", channel=thread, member="ana", text=texts[0])
        event = await sink.first(MessagePosted, lambda e: e.text == texts[0])
        assert (event.channel.channel_id, event.channel.parent_id) == (thread, home)
        await sink.until(lambda: f"discord:{home}" in sink.positions)
    for text in texts[1:]:
        await sandbox("say", channel=thread, member="ana", text=text)
    async with running(sandbox.config(), sink):
        await sink.until(lambda: heard(sink, texts) == texts)
    last = await sink.first(MessagePosted, lambda e: e.text == texts[-1])
    assert last.backfilled
    assert last.channel == event.channel
    assert sink.positions[f"discord:{thread}"] == int(last.message_id)
