"""Updates as requests: set up, watched over, let in by the secret, stored before they are answered."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bot.chat.events import ButtonPressed, MessagePosted
from bot.chat.ports import HearsHttp, HttpReply, HttpRequest, PlatformDown, StoreUnavailable
from bot.integrations.telegram import TelegramConfig, TelegramPlatform
from bot.integrations.telegram.clocks import Clocks

from .conftest import RecordingSink
from .server import TOKEN, Server, Time, message, refused, serving

URL = "https://herald.example.org/telegram/webhook"
SECRET = "s3cret-AZ_"


def request(update: Any, secret: str | None = SECRET) -> HttpRequest:
    body = update if isinstance(update, bytes) else json.dumps(update).encode()
    headers = {"content-type": "application/json"}
    return HttpRequest(headers if secret is None else headers | {"x-telegram-bot-api-secret-token": secret}, body)


class House:
    """A platform with a webhook before a small Bot API server."""

    def __init__(self, server: Server, time: Time, **changes: Any) -> None:
        self.server, self.time, self.sink = server, time, RecordingSink()
        fields = {"webhook_url": URL, "webhook_secret": SECRET, "poll_timeout": 0} | changes
        clocks = Clocks(time.wall, time.wall, time.sleep)
        self.platform = TelegramPlatform(TelegramConfig(TOKEN, server.url, **fields), time.wall, clocks)
        self.hooks = self.platform.hooks(self.sink)

    async def post(self, update: Any, secret: str | None = SECRET) -> HttpReply:
        return await self.hooks["/telegram/webhook"](request(update, secret))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[None]]:
        ready = asyncio.Event()
        task = asyncio.create_task(self.platform.run(self.sink, ready.set))
        waiting = asyncio.create_task(ready.wait())
        try:
            async with asyncio.timeout(10):
                await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                task.result()
            yield task
        finally:
            for one in (task, waiting):
                one.cancel()
            await asyncio.gather(task, waiting, return_exceptions=True)


@asynccontextmanager
async def house(**changes: Any) -> AsyncIterator[House]:
    async with serving() as server:
        made = House(server, Time(), **changes)
        assert isinstance(made.platform, HearsHttp)
        try:
            yield made
        finally:
            await made.platform.close()


# ---- answering


async def test_an_update_is_stored_and_acknowledged() -> None:
    async with house() as here:
        assert await here.post(message(41, "茶?")) == HttpReply(200)
    (stored,) = here.sink.incoming
    assert (stored.source, stored.external_id) == ("telegram:123456", "41")
    assert isinstance(stored.event, MessagePosted)
    assert here.platform.parse(stored.raw) == stored.event


async def test_a_press_carries_the_time_it_came() -> None:
    query = {"id": "q", "from": {"id": 7, "first_name": "A"}, "data": "v1|x", "chat_instance": "1"}
    async with house() as here:
        await here.post({"update_id": 1, "callback_query": query | {"message": message(1)["message"]}})
    (stored,) = here.sink.incoming
    assert isinstance(stored.event, ButtonPressed)
    assert float(stored.event.reply["received_at"]) == here.time.now


@pytest.mark.parametrize(
    "secret", [None, "", SECRET[:-1], SECRET + "x", SECRET.lower(), "é" * 40, "\udcff", "x" * 10**6]
)
async def test_without_the_secret_nothing_is_let_in(secret: str | None, caplog: pytest.LogCaptureFixture) -> None:
    async with house() as here:
        for _ in range(50):
            assert await here.post(message(1, "PRIVATE"), secret) == HttpReply(403)
    assert here.sink.incoming == []
    assert len(caplog.records) == 1
    assert "PRIVATE" not in caplog.text


async def test_without_a_secret_in_the_settings_there_is_one_all_the_same() -> None:
    async with house(webhook_secret="") as here, here.running():
        (call,) = here.server.called("setWebhook")
        assert await here.post(message(1), "") == HttpReply(403)
        assert await here.post(message(1), call["secret_token"]) == HttpReply(200)
        other = House(here.server, here.time, webhook_secret="")
        assert await other.post(message(2), call["secret_token"]) == HttpReply(200)
        await other.platform.close()
    assert TOKEN.split(":")[1] not in call["secret_token"]
    assert 32 <= len(call["secret_token"]) <= 256


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000 + b"]" * 100_000,
        b'{"update_id": 1, "update_id": 2}',
        b'{"update_id": NaN}',
        b'{"update_id": 1' + b"0" * 400 + b"}",
        b'{"update_id": 1, "message": {"text": "\\ud800"}}',
        b'{"update_id": 1, "x": "\xff"}',
        b"[]",
        b"7",
        b"",
        b"update_id=1",
    ],
    ids=lambda body: repr(body[:24]),
)
async def test_what_telegram_does_not_send_is_refused(body: bytes) -> None:
    async with house() as here:
        assert (await here.post(body)).status == 400
    assert here.sink.incoming == []


async def test_what_is_unknown_is_stored_as_ignored() -> None:
    async with house() as here:
        for update in ({"update_id": 5, "hitherto_unknown": {}}, {"update_id": "x"}, {"message": 1}):
            assert (await here.post(update)).status == 200
    assert [incoming.event for incoming in here.sink.incoming] == [None] * 3


async def test_what_cannot_be_stored_stays_with_telegram() -> None:
    async with house() as here:
        here.sink.broken = True
        with pytest.raises(StoreUnavailable):
            await here.post(message(1))
        here.sink.broken = False
        assert (await here.post(message(1))).status == 200


async def test_deliveries_that_overtake_each_other_move_no_polling_position() -> None:
    async with house() as here:
        for number in (12, 11):
            await here.post(message(number))
    assert "telegram:123456" not in here.sink.positions


async def test_a_process_that_only_answers_knows_what_was_kept() -> None:
    async with house() as here:
        kept = {"asked": here.time.now, "heard": here.time.now, "era": 2}
        here.sink.facts["telegram:123456:pulse"] = json.dumps(kept)
        await here.post(message(41))
    assert [incoming.external_id for incoming in here.sink.incoming] == ["2:41"]


async def test_without_an_address_there_is_no_hook() -> None:
    async with house(webhook_url="") as here:
        assert here.hooks == {}


# ---- keeping it


async def test_it_is_set_with_its_secret_and_without_dropping_anything() -> None:
    async with house() as here, here.running():
        (call,) = here.server.called("setWebhook")
    assert (call["url"], call["secret_token"], call["drop_pending_updates"]) == (URL, SECRET, False)
    assert {"message", "callback_query", "message_reaction"} <= set(call["allowed_updates"])
    assert 1 <= call["max_connections"] <= 100
    assert here.server.called("getUpdates") == []


async def test_polling_again_removes_our_own_webhook_and_keeps_what_waits() -> None:
    async with house() as here:
        async with here.running():
            assert here.server.webhook == URL
        here.server.waiting = [message(3, "meanwhile")]
        here.sink.positions["telegram:123456"] = 900  # from an earlier time of polling
        polling = House(here.server, here.time, webhook_url="")
        polling.sink = here.sink
        async with polling.running():
            await here.sink.event(MessagePosted, text="meanwhile")
        await polling.platform.close()
        (removed,) = here.server.called("deleteWebhook")
        assert removed == {"drop_pending_updates": False}
        async with polling.running():
            await here.server.until(lambda: len(here.server.called("getUpdates")) > 3)
        await polling.platform.close()
        assert len(here.server.called("deleteWebhook")) == 1


@pytest.mark.parametrize("ours", ["", URL])
async def test_somebody_elses_webhook_is_left_alone(ours: str) -> None:
    async with house(webhook_url="") as here:
        here.sink.facts["telegram:123456:webhook"] = ours
        here.server.webhook = "https://other.example/hook"
        text = "Conflict: can't use getUpdates method while webhook is active"
        here.server.answers["getUpdates"] = lambda _sent: refused(409, text)
        with pytest.raises(PlatformDown, match="deleteWebhook"):
            await asyncio.wait_for(here.platform.run(here.sink, lambda: None), 10)
    assert here.server.called("deleteWebhook") == []


async def test_one_that_is_changed_by_somebody_is_set_again(caplog: pytest.LogCaptureFixture) -> None:
    async with house() as here, here.running():
        here.server.webhook = "https://thief.example/SECRET-PATH"
        await here.server.until(lambda: len(here.server.called("setWebhook")) >= 2)
    assert "thief.example" in caplog.text
    assert "SECRET-PATH" not in caplog.text


async def test_a_refused_address_ends_it_with_advice() -> None:
    async with house() as here:
        here.server.answers["setWebhook"] = lambda _sent: refused(400, "Bad Request: bad webhook: HTTPS required")
        with pytest.raises(PlatformDown, match=r"telegram\.webhook_url"):
            await asyncio.wait_for(here.platform.run(here.sink, lambda: None), 10)


async def test_failing_deliveries_are_shown_until_nothing_waits(caplog: pytest.LogCaptureFixture) -> None:
    cursor = "telegram:123456:webhook"
    async with house() as here:
        now = int(here.time.now)
        here.server.info = {"pending_update_count": 7, "last_error_date": now, "last_error_message": "timeout"}
        async with here.running():
            await here.server.until(lambda: [gap for gap in here.sink.gaps if gap[1] is not None])
            here.server.info = {"pending_update_count": 0, "last_error_date": now}
            await here.server.until(lambda: (cursor, None) in here.sink.gaps)
    assert [record.levelno for record in caplog.records if "a delivery failed (timeout); 7" in record.getMessage()] == [
        logging.WARNING
    ]


async def test_twelve_hours_of_waiting_updates_are_an_alarm(caplog: pytest.LogCaptureFixture) -> None:
    async with house() as here:
        here.server.info = {"pending_update_count": 7}
        async with here.running():
            start = here.time.now
            await here.server.until(lambda: here.time.now - start > 13 * 3600)
    (alarm,) = [record for record in caplog.records if "12 hours" in record.getMessage()]
    assert alarm.levelno == logging.ERROR


async def test_the_check_tells_of_failing_deliveries() -> None:
    async with house() as here:
        here.server.webhook = URL
        assert await here.platform.check([]) == []
        here.server.info = {"pending_update_count": 7, "last_error_date": 1, "last_error_message": "no route"}
        (fault,) = await here.platform.check([])
    assert (fault.key, fault.args) == ("telegram.deliveries", {"host": "herald.example.org", "reason": "no route"})
