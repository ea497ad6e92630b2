"""Polling against the local Bot API server: what is confirmed when, and what stops it."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest

from bot.chat.events import MessagePosted
from bot.chat.ports import (
    PlatformDown,
)
from bot.integrations.telegram import TelegramPlatform
from bot.integrations.telegram.client import Client

from .conftest import Make, RecordingSink, Stage, polling


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
