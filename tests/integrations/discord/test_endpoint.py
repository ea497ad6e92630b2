"""Interactions over HTTP: who may knock, what is answered, and what is stored."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from bot.chat.events import ButtonPressed, CommandInvoked, Event, FormSubmitted
from bot.chat.messages import Accepted, Answer, FieldErrors, Notice, OpenForm
from bot.chat.ports import HearsHttp, HttpReply, HttpRequest, StoreUnavailable
from bot.integrations.discord import DiscordConfig, DiscordPlatform, endpoint
from bot.integrations.discord.endpoint import LARGEST, PATH, NotJson, strict
from tests.integrations.discord.conftest import PATIENCE, RecordingSink, Sandbox
from tests.integrations.discord.test_wire_interactions import FORM, SPECS, card, private

KEY = Ed25519PrivateKey.generate()
PUBLIC = KEY.public_key().public_bytes_raw().hex()
SNOWFLAKE = "1573996089109905408"
PRESS: dict[str, Any] = {
    "id": SNOWFLAKE,
    "application_id": "757436324065172602",
    "type": 3,
    "token": "a-token",
    "guild_id": "301140512741608647",
    "channel_id": "587953077137155387",
    "member": {"user": {"id": "5", "username": "ben"}, "roles": ["6"]},
    "message": {"id": "7"},
    "data": {"component_type": 2, "custom_id": "v1|abc|edit|mac"},
}


@dataclass
class Knock:
    """How a request is made; what is wrong with it is changed before."""

    platform: DiscordPlatform
    sink: RecordingSink

    async def __call__(
        self, body: object, headers: Callable[[bytes], Mapping[str, str]] | None = None
    ) -> tuple[int, Any]:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        reply = await self.platform.hooks(self.sink)[PATH](HttpRequest((headers or signed)(raw), raw))
        return reply.status, json.loads(reply.body) if reply.content_type == "application/json" else reply.body


def signed(body: bytes) -> dict[str, str]:
    at = str(int(time.time()))
    return {"x-signature-ed25519": KEY.sign(at.encode() + body).hex(), "x-signature-timestamp": at}


@pytest.fixture
def knock(sink: RecordingSink) -> Iterator[Knock]:
    platform = DiscordPlatform(DiscordConfig("a-token", "http://127.0.0.1:9/api/v10", public_key=PUBLIC))
    yield Knock(platform, sink)


async def test_without_a_key_nothing_is_heard(sink: RecordingSink) -> None:
    platform = DiscordPlatform(DiscordConfig("a-token"))
    assert isinstance(platform, HearsHttp)
    assert platform.hooks(sink) == {}


async def test_a_ping_is_answered_and_not_stored(knock: Knock, sink: RecordingSink) -> None:
    assert await knock({"id": "1", "application_id": "2", "type": 1, "token": "t", "version": 1}) == (200, {"type": 1})
    assert sink.kept == []


def _other_body(body: bytes) -> dict[str, str]:
    return signed(body + b" ")


def _other_time(body: bytes) -> dict[str, str]:
    return {**signed(body), "x-signature-timestamp": "1"}


def _signature(change: Callable[[str], str]) -> Callable[[bytes], dict[str, str]]:
    def headers(body: bytes) -> dict[str, str]:
        good = signed(body)
        return {**good, "x-signature-ed25519": change(good["x-signature-ed25519"])}

    return headers


def _timestamp(value: str) -> Callable[[bytes], dict[str, str]]:
    def headers(body: bytes) -> dict[str, str]:
        signature = KEY.sign(value.encode("utf-8", "surrogatepass") + body).hex()
        return {"x-signature-ed25519": signature, "x-signature-timestamp": value}

    return headers


def _without(name: str) -> Callable[[bytes], dict[str, str]]:
    return lambda body: {key: value for key, value in signed(body).items() if key != name}


WRONG = {
    "none": lambda _: {},
    "no signature": _without("x-signature-ed25519"),
    "no timestamp": _without("x-signature-timestamp"),
    "of another body": _other_body,
    "of another time": _other_time,
    "63 bytes": _signature(lambda good: good[:-2]),
    "65 bytes": _signature(lambda good: good + "00"),
    "odd length": _signature(lambda good: good[:-1]),
    "no hexadecimal": _signature(lambda good: "zz" + good[2:]),
    "other digits": _signature(lambda good: "٣" * 128),
    "one bit": _signature(lambda good: f"{int(good[0], 16) ^ 1:x}" + good[1:]),
    "zeros": _signature(lambda good: "0" * 128),
    "a megabyte": _signature(lambda good: "0" * 1_000_000),
    "empty timestamp": _timestamp(""),
    "a word for a timestamp": _timestamp("now"),
    "surrogates": _timestamp("\udcff"),
}


@pytest.mark.parametrize("headers", WRONG.values(), ids=WRONG.keys())
async def test_what_discord_has_not_signed_is_refused(
    knock: Knock, sink: RecordingSink, headers: Callable[[bytes], Mapping[str, str]]
) -> None:
    status, body = await knock(PRESS, headers)
    assert status == 401
    assert SNOWFLAKE not in str(body)
    assert sink.kept == []


@given(st.text(), st.text(), st.binary(max_size=200))
def test_no_headers_and_no_body_get_through_or_raise(signature: str, timestamp: str, body: bytes) -> None:
    async def asked() -> HttpReply:
        sink = RecordingSink()
        platform = DiscordPlatform(DiscordConfig("a-token", public_key=PUBLIC))
        headers = {"x-signature-ed25519": signature, "x-signature-timestamp": timestamp}
        return await platform.hooks(sink)[PATH](HttpRequest(headers, body))

    assert asyncio.run(asked()).status == 401


def _press(value: bytes) -> bytes:
    """A press that would be taken, but for this value in it."""
    return json.dumps(PRESS).encode().removesuffix(b"}") + b', "more": ' + value + b"}"


DEEP = 100_000
NOT_OURS = {
    "empty": b"",
    "no JSON": b"<html>",
    "no object": b"[]",
    "no type": b"{}",
    "a type that is none": json.dumps({**PRESS, "type": True}).encode(),
    "no id": json.dumps({**PRESS, "id": "1 or 1=1"}).encode(),
    "no token": json.dumps({**PRESS, "token": 5}).encode(),
    "data that is none": json.dumps({**PRESS, "data": []}).encode(),
    "nested lists": b"[" * DEEP,
    "nested objects": b'{"a":' * DEEP,
    "nested and closed": b'{"a":' + b"[" * DEEP + b"]" * DEEP + b"}",
    "nested in a press": _press(b"[" * 5_000 + b"]" * 5_000),
    "a name twice": _press(b'1, "type": 3'),
    "a name twice further in": _press(b'{"a": 1, "a": 1}'),
    "NaN": _press(b"NaN"),
    "infinite": _press(b"1e400"),
    "10^400": _press(b"1" + b"0" * 400),
    "10^5000": _press(b"1" + b"0" * 5000),
    "half a pair": _press(b'"\\ud800"'),
    "larger than any": _press(b'"' + b"x" * LARGEST + b'"'),
    "not UTF-8": _press(b'"\xff"'),
}


@pytest.mark.parametrize("body", NOT_OURS.values(), ids=NOT_OURS.keys())
async def test_a_signed_body_that_is_no_interaction_is_refused(knock: Knock, sink: RecordingSink, body: bytes) -> None:
    status, _ = await knock(body)
    assert status == 400
    assert sink.kept == []


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**64)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(st.characters(exclude_categories=["Cs"])),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    )
)
def test_what_can_be_written_is_read_as_it_is(value: object) -> None:
    assert strict(json.dumps({"a": value}).encode()) == {"a": value}


@given(st.binary())
def test_reading_raises_nothing_else(body: bytes) -> None:
    with suppress(NotJson):
        assert isinstance(strict(body), dict)


# ---- what is answered


async def test_a_press_is_the_event_that_the_gateway_would_have_brought(knock: Knock, sink: RecordingSink) -> None:
    assert await knock(PRESS) == (200, {"type": 6})
    [incoming] = sink.kept
    event = incoming.event
    assert isinstance(event, ButtonPressed)
    assert (incoming.source, incoming.external_id) == ("discord:301140512741608647", f"i:{SNOWFLAKE}")
    assert event.payload == "v1|abc|edit|mac"
    assert event.member_roles == ("6",)
    assert event.reply["token"] == "a-token"
    assert knock.platform.parse(incoming.raw) == event


async def test_a_long_number_in_a_text_is_no_harm(knock: Knock, sink: RecordingSink) -> None:
    assert (await knock(_press(b'"' + b"7" * 5000 + b'"')))[0] == 200
    assert len(sink.kept) == 1


async def test_the_answer_is_what_the_gateway_would_have_been_answered(knock: Knock, sink: RecordingSink) -> None:
    command = {**PRESS, "type": 2, "data": {"type": 1, "name": "help"}}
    del command["message"]
    assert await knock({**command, "id": "11"}) == (200, {"type": 5, "data": {"flags": 64}})
    sink.answer = lambda _: OpenForm(FORM)
    status, body = await knock({**command, "id": "12"})
    assert (status, body["type"], body["data"]["custom_id"]) == (200, 9, FORM.payload)
    sink.answer = lambda _: FieldErrors({"text": "Too long"})
    status, body = await knock({**PRESS, "type": 5, "data": {"custom_id": "x", "components": []}})
    assert (status, body["type"], body["data"]["content"]) == (200, 4, "Too long")
    assert body["data"]["flags"] & 64


async def test_what_is_of_no_use_is_stored_and_taken(knock: Knock, sink: RecordingSink) -> None:
    assert (await knock({**PRESS, "type": 9}))[0] == 202
    assert await knock({**PRESS, "id": "12", "type": 4}) == (200, {"type": 8, "data": {"choices": []}})
    assert [one.event for one in sink.kept] == [None, None]


async def test_a_replayed_request_is_stored_once_and_answered_each_time(knock: Knock, sink: RecordingSink) -> None:
    replies = await asyncio.gather(*(knock(PRESS) for _ in range(100)))
    assert replies == [(200, {"type": 6})] * 100
    assert len(sink.kept) == 1
    assert len(sink.again) == 99


async def test_nothing_is_answered_that_is_not_stored(
    knock: Knock, sink: RecordingSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink.down = True
    with pytest.raises(StoreUnavailable):
        await knock(PRESS)
    sink.down = False

    async def never(_: object) -> list[Answer]:
        await asyncio.Event().wait()
        return [Accepted()]

    monkeypatch.setattr(endpoint, "ANSWER_WITHIN", 0.05)
    monkeypatch.setattr(sink, "accept", never)
    with pytest.raises(StoreUnavailable):
        await knock(PRESS)
    monkeypatch.setattr(endpoint, "INTERACTIONS", 0)
    with pytest.raises(StoreUnavailable):
        await knock(PRESS)


async def test_other_servers_are_not_served(sink: RecordingSink) -> None:
    config = DiscordConfig("a-token", public_key=PUBLIC, guilds=("1",))
    assert (await Knock(DiscordPlatform(config), sink)(PRESS))[0] == 202
    assert sink.kept == []


# ---- the local Discord brings them


@asynccontextmanager
async def listening(platform: DiscordPlatform, sink: RecordingSink) -> AsyncIterator[str]:
    """A web server around the hook; its address."""
    [(path, hook)] = platform.hooks(sink).items()

    async def handle(request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        reply = await hook(HttpRequest(headers, await request.read()))
        return web.Response(status=reply.status, body=reply.body, headers={"Content-Type": reply.content_type})

    app = web.Application()
    app.router.add_post(path, handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}{path}"
    finally:
        await runner.cleanup()


@pytest.fixture
async def brought(sandbox: Sandbox, sink: RecordingSink) -> AsyncIterator[DiscordPlatform]:
    """A platform that never connects to the gateway: the local Discord brings its interactions over HTTP."""
    key = sandbox.info["env"]["HERALD_DISCORD__PUBLIC_KEY"]
    platform = DiscordPlatform(sandbox.config(public_key=key, gateway_url="ws://127.0.0.1:9/"))
    async with listening(platform, sink) as url:
        await sandbox("endpoint", url=url)
        try:
            yield platform
        finally:
            await sandbox("endpoint", url="")
            await platform.close()


async def test_a_press_a_form_and_a_command_come_and_are_answered_over_http(
    sandbox: Sandbox, brought: DiscordPlatform, sink: RecordingSink
) -> None:
    def answer(event: Event | None) -> Answer:
        return OpenForm(FORM) if isinstance(event, ButtonPressed) else Accepted()

    sink.answer = answer
    card_id = await card(sandbox, brought)
    async with asyncio.timeout(PATIENCE):
        opened = await sandbox("click", channel="review", message_id=card_id, member="ben", button="edit")
        text = f"Six, {uuid.uuid4().hex}"
        await sandbox("submit", form_id=opened["form"]["id"], member="ben", values={"text": text, "why": "tone"})
        event = await sink.first(FormSubmitted, lambda e: e.values.get("text") == text)
        assert event.payload == FORM.payload
        await brought.register(SPECS)
        await sandbox("command", channel="review", member="ben", text=f"/approve {text}")
        command = await sink.first(CommandInvoked, lambda e: e.text == text)
        told = f"told {uuid.uuid4().hex}"
        await brought.notify(Notice(told, command.member), command.channel, command.reply)
    assert len(await private(sandbox, "review", "ben", told)) == 1
