"""Looking a message up whose sending had no clear outcome: found by its delivery id, or surely absent, or not told."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from bot.chat.messages import Card, Line, Outgoing, Reply
from bot.chat.ports import Finds, NotSent, Refused, SendError, Sought, Unclear
from bot.domain.places import Channel
from bot.integrations.slack import SlackConfig, SlackPlatform
from tests.integrations.slack.conftest import Stage
from tests.integrations.slack.server import Server, serving

HERE = Channel("slack", "T1", "C1")
STARTED = 1_700_000_000.0


@asynccontextmanager
async def sender(stage: Stage, **changes: Any) -> AsyncIterator[SlackPlatform]:
    """A platform in a process where `run` never runs."""
    config = SlackConfig(**{name: getattr(stage.config, name) for name in SlackConfig.__slots__} | changes)
    platform = SlackPlatform(config)
    assert isinstance(platform, Finds)
    yield platform
    await platform.close()


def sought(message: Outgoing, to: Channel, key: str) -> Sought:
    return Sought(message, to, key, time.time())


async def test_what_arrived_without_an_answer_is_found(stage: Stage) -> None:
    asked = await stage.say("when?")
    places = [(Reply("In a thread", asked), stage.community), (Card("A card", draft="x"), stage.review)]
    async with sender(stage, request_timeout=1.0) as platform:
        for number, (message, to) in enumerate(places):
            key = f"find-{number}"
            await stage.control("fault", kind="swallow_reply", times=1, match="chat.postMessage")
            what = sought(message, to, key)
            with pytest.raises(Unclear):
                await platform.send(message, to, key)
            channel = "review" if to == stage.review else "community"
            shown = [m for m in await stage.sees("ben", channel) if m["id"] > asked and m["author"] != "ana"]
            text = message.text if isinstance(message, Reply) else message.header
            (made,) = [m["id"] for m in shown if text in m["text"]][-1:]
            assert await platform.find(what) == made


async def test_what_was_never_taken_is_absent(stage: Stage) -> None:
    asked = await stage.say("when?")
    async with sender(stage) as platform:
        await platform.send(Reply("Another", asked), stage.community, "other-key")
        alone = await stage.say("nobody answered this")
        for message in (Reply("Another", asked), Reply("Another", alone), Line("Another")):
            assert await platform.find(sought(message, stage.community, "never-sent")) is None


async def test_a_channel_that_is_not_there_can_never_tell(stage: Stage) -> None:
    nowhere = Channel("slack", stage.community.tenant, "C0NOWHERE")
    async with sender(stage) as platform:
        with pytest.raises(Refused):
            await platform.find(sought(Line("x"), nowhere, "k"))


async def test_we_sign_in_once_and_again_after_closing(stage: Stage) -> None:
    after = await stage.mark()
    async with sender(stage) as platform:
        for _ in range(3):
            await platform.find(sought(Line("x"), stage.review, "k"))
        assert len(await stage.requests("auth.test", after)) == 1
        await platform.close()
        await platform.find(sought(Line("x"), stage.review, "k"))
        assert len(await stage.requests("auth.test", after)) == 2


# ---- odd answers


def ours(key: str, **more: Any) -> dict[str, Any]:
    metadata = {"event_type": "herald_delivery", "event_payload": {"id": key}}
    return {"type": "message", "ts": "1700000000.000100", "bot_id": "B1", "text": "hello", "metadata": metadata} | more


def page(*messages: Any, after: str = "", **more: Any) -> dict[str, Any]:
    return {"ok": True, "messages": list(messages), "response_metadata": {"next_cursor": after}} | more


@asynccontextmanager
async def asking(*pages: Any) -> AsyncIterator[tuple[SlackPlatform, Server]]:
    """A platform whose history comes in these pages, one a call."""
    async with serving() as server:
        rest = iter(pages)
        server.answers["conversations.history"] = lambda _fields: next(rest)
        platform = SlackPlatform(SlackConfig("xoxb-1", "xapp-1", server.url))
        try:
            yield platform, server
        finally:
            await platform.close()


LOST = Sought(Line("hello"), HERE, "d1", STARTED)


async def test_all_pages_are_read_from_before_the_request_on() -> None:
    others = page(ours("d0"), ours("d2"), after="more", has_more=True)
    async with asking(others, page(ours("d1"))) as (platform, server):
        assert await platform.find(LOST) == "1700000000.000100"
    first, second = server.called("conversations.history")
    assert (first["channel"], first["include_all_metadata"], second["cursor"]) == ("C1", "1", "more")
    assert float(first["oldest"]) <= STARTED - 10
    assert first["oldest"] == second["oldest"]


@pytest.mark.parametrize(
    "foreign",
    [
        ours("d1", bot_id="B2"),
        ours("d1", bot_id="", user="U1"),
        ours("d1", metadata={"event_type": "other", "event_payload": {"id": "d1"}}),
        ours("d10"),
        ours("d1", metadata={"event_type": "herald_delivery", "event_payload": "d1"}),
        "not a message",
    ],
)
async def test_only_our_own_message_with_this_id_is_it(foreign: Any) -> None:
    async with asking(page(foreign)) as (platform, _):
        assert await platform.find(LOST) is None


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"ok": True}, Unclear),
        (page(has_more=True), Unclear),
        (page(ours("", metadata=None)), Unclear),
        ({"ok": False, "error": "channel_not_found"}, Refused),
        ({"ok": False, "error": "not_in_channel"}, Refused),
        ({"ok": False, "error": "missing_scope"}, Unclear),
        ({"ok": False, "error": "token_revoked"}, Unclear),
        ({"ok": False, "error": "internal_error"}, Unclear),
        (web.Response(status=502, text="<html>", content_type="text/html"), Unclear),
        (web.Response(status=200, text="<html>", content_type="text/html"), Unclear),
        (web.Response(status=200, text="{", content_type="application/json"), Unclear),
    ],
    ids=str,
)
async def test_nothing_is_called_absent_that_was_not_read(answer: Any, expected: type[SendError]) -> None:
    async with asking(answer) as (platform, _):
        with pytest.raises(expected):
            await platform.find(LOST)


async def test_who_we_are_may_be_told_later() -> None:
    async with asking(page(ours("d1"))) as (platform, server):
        server.answers["auth.test"] = lambda _fields: {"ok": False, "error": "invalid_auth"}
        with pytest.raises(Unclear):
            await platform.find(LOST)
        del server.answers["auth.test"]
        assert await platform.find(LOST) == "1700000000.000100"


async def test_a_history_without_end_is_given_up() -> None:
    async with asking(*[page(ours("x"), after="more")] * 100) as (platform, server):
        with pytest.raises(Unclear):
            await platform.find(LOST)
    assert len(server.called("conversations.history")) < 50


# ---- limits


def limited(seconds: str | None, body: str = "<html>slow down</html>", kind: str = "text/html") -> web.Response:
    headers = {} if seconds is None else {"Retry-After": seconds}
    return web.Response(status=429, text=body, content_type=kind, headers=headers)


@pytest.mark.parametrize("kind", ["text/html", "application/json", "text/plain"])
@pytest.mark.parametrize(("header", "seconds"), [("65", 65.0), ("82721", 82721.0), (None, 30.0), ("soon", 30.0)])
async def test_a_limit_is_told_in_full_whatever_its_body(header: str | None, seconds: float, kind: str) -> None:
    async with asking() as (platform, server):
        server.answers["chat.postMessage"] = lambda _fields: limited(header, kind=kind)
        with pytest.raises(NotSent) as told:
            await platform.send(Line("x"), HERE, "k")
    assert (told.value.retry_after, told.value.scope) == (seconds, "destination")
    assert len(server.called("chat.postMessage")) == 1


async def test_a_limited_method_is_left_alone_and_the_others_go_on() -> None:
    async with asking(limited("65")) as (platform, server):
        for _ in range(3):
            with pytest.raises(NotSent) as told:
                await platform.find(LOST)
            assert told.value.retry_after is not None
            assert 60 < told.value.retry_after <= 65
        assert len(server.called("conversations.history")) == 1
        server.answers["chat.postMessage"] = lambda _fields: {"ok": True, "ts": "1.000001"}
        assert await platform.send(Line("x"), HERE, "k") == "1.000001"


async def test_a_limited_channel_does_not_hold_up_another() -> None:
    async with asking() as (platform, server):

        def answer(fields: dict[str, str]) -> Any:
            return limited("65") if fields["channel"] == "C1" else {"ok": True, "ts": "1.000001"}

        server.answers["chat.postMessage"] = answer
        with pytest.raises(NotSent):
            await platform.send(Line("x"), HERE, "k")
        assert await platform.send(Line("x"), Channel("slack", "T1", "C2"), "k") == "1.000001"
