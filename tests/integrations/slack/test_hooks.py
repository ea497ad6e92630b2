"""Slack's HTTP mode: who is let in, what is stored, and how it is answered. Requests are signed here by hand."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.chat.events import ButtonPressed, CommandInvoked, Event, FormSubmitted, MessagePosted
from bot.chat.messages import Accepted, Answer, FieldErrors, OpenForm
from bot.chat.ports import HearsHttp, HttpReply, HttpRequest, PlatformDown, StoreUnavailable
from bot.integrations.slack import SlackConfig, SlackPlatform
from bot.integrations.slack.hooks import Hooks, read_payload
from bot.integrations.slack.parse import Opened
from tests.integrations.slack.conftest import RecordingSink, Stage
from tests.integrations.slack.payloads import click, command, event, submission
from tests.integrations.slack.server import Server, serving
from tests.integrations.slack.test_inbound import FORM

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
NOW = 1_700_000_000.0
JSON, A_FORM = "application/json", "application/x-www-form-urlencoded"


def sign(body: bytes, at: float, secret: str = SECRET) -> str:
    return "v0=" + hmac.new(secret.encode(), b"v0:%d:%s" % (int(at), body), hashlib.sha256).hexdigest()


def request(body: bytes, kind: str = JSON, at: float = NOW, **headers: str) -> HttpRequest:
    signed = {"x-slack-request-timestamp": str(int(at)), "x-slack-signature": sign(body, at), "content-type": kind}
    return HttpRequest(signed | {name.replace("_", "-"): value for name, value in headers.items()}, body)


def told(payload: Mapping[str, Any]) -> HttpRequest:
    return request(json.dumps(payload).encode())


def interaction(payload: Mapping[str, Any]) -> HttpRequest:
    return request(urlencode({"payload": json.dumps(payload)}).encode(), A_FORM)


def typed(**fields: str) -> HttpRequest:
    return request(urlencode(command(**fields)).encode(), A_FORM)


class House:
    """A platform in HTTP mode before a small Slack, and what its hook answers."""

    def __init__(self, server: Server, sink: RecordingSink, **changes: Any) -> None:
        self.server, self.sink = server, sink
        fields = {"mode": "http", "signing_secret": SECRET, "app_id": "A1", "watched": ("C1",)} | changes
        self.platform = SlackPlatform(SlackConfig("xoxb-1", "", server.url, **fields), now=lambda: NOW)
        self.hooks = self.platform.hooks(sink)

    async def post(self, request: HttpRequest, path: str = "/slack/events") -> HttpReply:
        return await self.hooks[path](request)


@asynccontextmanager
async def house(**changes: Any) -> AsyncIterator[House]:
    async with serving() as server:
        user = {"ok": True, "user": {"profile": {"display_name": "Ana"}}}
        server.answers["users.info"] = lambda _fields: user
        server.answers["views.open"] = lambda _fields: {"ok": True}
        server.answers["chat.postEphemeral"] = lambda _fields: {"ok": True}
        server.answers["conversations.history"] = lambda _fields: {"ok": True, "messages": []}
        made = House(server, RecordingSink(), **changes)
        assert isinstance(made.platform, HearsHttp)
        try:
            yield made
        finally:
            await made.platform.close()


async def test_an_event_is_stored_and_acknowledged() -> None:
    async with house() as here:
        assert await here.post(told(event(text="a &lt; b"))) == HttpReply(200)
    (stored,) = here.sink.stored
    assert (stored.source, stored.external_id) == ("slack:T1", "Ev1")
    assert isinstance(stored.event, MessagePosted)
    assert (stored.event.text, stored.event.author_name) == ("a < b", "Ana")


async def test_every_address_takes_everything() -> None:
    async with house() as here:
        for number, path in enumerate(("/slack/events", "/slack/interactive", "/slack/commands")):
            for one in (told(event(ts=f"1.{number}") | {"event_id": path}), typed(trigger_id=path)):
                assert (await here.post(one, path)).status == 200
            assert (await here.post(interaction(click(trigger_id=path)), path)).status == 200
    assert len(here.sink.stored) == 9


async def test_the_address_is_verified() -> None:
    async with house() as here:
        reply = await here.post(told({"type": "url_verification", "token": "x", "challenge": "3eZbrw1a"}))
        checked = await here.post(request(b"ssl_check=1&token=x", A_FORM))
    assert (reply.status, reply.body, checked.status) == (200, b"3eZbrw1a", 200)
    assert here.sink.stored == []


# ---- who is let in

BODY = json.dumps(event()).encode()


@pytest.mark.parametrize(
    "headers",
    [
        {"x_slack_signature": "v0=" + "0" * 64},
        {"x_slack_signature": sign(BODY, NOW, "another secret")},
        {"x_slack_signature": sign(BODY + b" ", NOW)},
        {"x_slack_signature": sign(BODY, NOW).upper()},
        {"x_slack_signature": sign(BODY, NOW)[:-1]},
        {"x_slack_signature": sign(BODY, NOW) + "é"},
        {"x_slack_signature": "v0=" + "é" * 64},
        {"x_slack_signature": "v0=" + "0" * 1_000_000},
        {"x_slack_signature": ""},
        {"x_slack_request_timestamp": ""},
        {"x_slack_request_timestamp": "now"},
        {"x_slack_request_timestamp": "١٧٠٠٠٠٠٠٠٠"},
        {"x_slack_request_timestamp": "1e9"},
        {"x_slack_request_timestamp": f" {NOW:.0f}"},
        {"x_slack_request_timestamp": "9" * 1_000_000},
    ],
    ids=lambda headers: repr(headers)[:48],
)
async def test_a_bad_signature_is_refused_whatever_it_is(headers: dict[str, str]) -> None:
    async with house() as here:
        assert await here.post(request(BODY, **headers)) == HttpReply(401)
    assert here.sink.stored == []


@pytest.mark.parametrize("missing", ["x-slack-signature", "x-slack-request-timestamp"])
async def test_a_missing_header_is_refused(missing: str) -> None:
    whole = request(BODY)
    headers = {name: value for name, value in whole.headers.items() if name != missing}
    async with house() as here:
        assert await here.post(HttpRequest(headers, BODY)) == HttpReply(401)


@pytest.mark.parametrize(("off", "status"), [(-360, 401), (-301, 401), (-299, 200), (299, 200), (301, 401), (360, 401)])
async def test_old_and_future_requests_are_refused(off: float, status: int) -> None:
    async with house() as here:
        assert (await here.post(request(BODY, at=NOW + off))).status == status
    assert len(here.sink.stored) == (status == 200)


@given(st.binary(max_size=200), st.text(max_size=80), st.text(max_size=80))
def test_nothing_makes_the_check_raise_or_let_in(body: bytes, signature: str, stamp: str) -> None:
    async def hear() -> Any:
        raise AssertionError("nobody was let in")

    hooks = Hooks(SECRET, hear, lambda: NOW, time.monotonic)
    for headers in (
        {"x-slack-signature": signature, "x-slack-request-timestamp": stamp},
        {"x-slack-signature": signature, "x-slack-request-timestamp": str(int(NOW))},
        {"x-slack-signature": sign(b"other", NOW), "x-slack-request-timestamp": stamp},
    ):
        assert not hooks.is_signed(HttpRequest(headers, body + b"!"))


async def test_refusals_are_one_line_with_a_count_and_without_the_body(caplog: pytest.LogCaptureFixture) -> None:
    clock = [0.0]

    async def hear() -> Any:
        raise AssertionError("nobody was let in")

    hooks = Hooks(SECRET, hear, lambda: NOW, lambda: clock[0])
    bad = HttpRequest({"x-slack-signature": "v0=SIGNED"}, b'{"text": "PRIVATE"}')
    with caplog.at_level(logging.DEBUG):
        for _ in range(100):
            assert (await hooks.answer(bad)).status == 401
        clock[0] = 61.0
        assert (await hooks.answer(bad)).status == 401
    lines = [record.getMessage() for record in caplog.records]
    assert [line.split()[0] for line in lines] == ["1", "100"]
    assert not any(secret in caplog.text for secret in ("PRIVATE", "SIGNED", SECRET))


@pytest.mark.parametrize(
    "payload",
    [
        event() | {"team_id": "T2"},
        event() | {"api_app_id": "A2"},
        event() | {"api_app_id": "A2", "authorizations": [{"team_id": "T1"}]},
        click(team={"id": "T2"}),
        click(api_app_id="A2"),
    ],
)
async def test_what_belongs_to_others_is_refused(payload: dict[str, Any]) -> None:
    async with house() as here:
        assert (await here.post(told(payload))).status == 403
    assert here.sink.stored == []


async def test_any_app_is_taken_while_none_is_set_and_a_shared_channel_is_no_intrusion() -> None:
    async with house(app_id="") as here:
        assert (await here.post(told(event() | {"api_app_id": "A7"}))).status == 200
        shared = event() | {"team_id": "T2", "event_id": "Ev2", "authorizations": [{"team_id": "T1"}]}
        assert (await here.post(told(shared))).status == 200
    assert [incoming.event is None for incoming in here.sink.stored] == [False, True]


# ---- bodies


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000 + b"]" * 100_000,
        b'{"type": "event_callback", "type": "x"}',
        b'{"a": NaN}',
        b'{"a": 1' + b"0" * 400 + b"}",
        b'{"a": "\\ud800"}',
        b"[]",
        b'"text"',
        b"",
        b"<html>",
    ],
    ids=lambda body: repr(body[:24]),
)
async def test_a_signed_body_that_slack_does_not_send_is_refused(body: bytes) -> None:
    form = urlencode({"payload": body}).encode()
    async with house() as here:
        for one in (request(body), request(body, A_FORM), request(form, A_FORM), request(body, "text/plain")):
            assert (await here.post(one)).status == 400
    assert here.sink.stored == []


async def test_other_bytes_than_utf8_cannot_even_be_verified() -> None:
    async with house() as here:
        assert (await here.post(request(b'{"a": "\xff"}'))).status == 401


@pytest.mark.parametrize(
    "body",
    [
        b"payload=" + b"%7B" * 100_000,
        b"command=%2Fpoll&command=%2Fdraw",
        b"a=1",
        b"&".join([b"command=x"] + [b"a%d=1" % n for n in range(99)]),
    ],
)
def test_odd_forms_are_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_payload(HttpRequest({"content-type": A_FORM}, body))


async def test_what_is_unknown_is_stored_as_ignored() -> None:
    unknown = {"type": "event_callback", "team_id": "T1", "api_app_id": "A1", "event_id": "Ev9", "event": {"type": "x"}}
    async with house() as here:
        assert (await here.post(told(unknown))).status == 200
        assert (await here.post(told({"type": "hitherto_unknown", "team_id": "T1"}))).status == 200
    assert [incoming.event for incoming in here.sink.stored] == [None, None]


# ---- what is stored, and once


async def test_the_same_request_a_hundred_times_at_once_is_stored_once() -> None:
    async with house() as here:
        here.sink.answer = lambda event: OpenForm(FORM) if isinstance(event, ButtonPressed) else Accepted()
        for one in (told(event()), interaction(click())):
            replies = await asyncio.gather(*[here.post(one) for _ in range(100)])
            assert {reply.status for reply in replies} == {200}
        await here.platform.close()
        assert len(here.server.called("views.open")) == 1
    assert len(here.sink.stored) == 2


async def test_what_cannot_be_stored_is_not_acknowledged(caplog: pytest.LogCaptureFixture) -> None:
    async with house() as here:
        here.sink.refusals = 1
        with pytest.raises(StoreUnavailable):
            await here.post(told(event(text="PRIVATE")))
        assert (await here.post(told(event(text="PRIVATE")))).status == 200
    assert len(here.sink.stored) == 1
    assert "PRIVATE" not in caplog.text


async def test_nothing_is_acknowledged_while_slack_cannot_say_who_we_are() -> None:
    async with house() as here:
        here.server.answers["auth.test"] = lambda _fields: {"ok": False, "error": "internal_error"}
        with pytest.raises(StoreUnavailable):
            await here.post(told(event()))
        del here.server.answers["auth.test"]
        assert (await here.post(told(event()))).status == 200


# ---- answers


async def test_a_form_is_opened_by_the_trigger_after_the_commit() -> None:
    async with house() as here:

        def answer(event: Event | None) -> Answer:
            assert here.server.called("views.open") == []
            return OpenForm(FORM) if isinstance(event, ButtonPressed | CommandInvoked) else Accepted()

        here.sink.answer = answer
        reply = await here.post(interaction(click()))
        await here.platform.close()
        (opened,) = here.server.called("views.open")
    assert reply == HttpReply(200)
    assert opened["trigger_id"] == "1.2.y"


async def test_errors_of_a_command_are_told_privately() -> None:
    async with house() as here:
        here.sink.answer = lambda _event: FieldErrors({"text": "Too short"})
        assert await here.post(typed()) == HttpReply(200)
        await here.platform.close()
        (sent,) = here.server.called("chat.postEphemeral")
    assert (sent["user"], sent["text"]) == ("U1", "Too short")


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        (FieldErrors({"text": "Too short"}), {"response_action": "errors", "errors": {"text": "Too short"}}),
        (Accepted(), None),
    ],
)
async def test_a_form_is_answered_in_the_reply(answer: Answer, shown: dict[str, Any] | None) -> None:
    values = {"text": {"value": {"type": "plain_text_input", "value": "x"}}}
    async with house() as here:
        here.sink.answer = lambda _event: answer
        reply = await here.post(interaction(submission(Opened("p", "C1").write(), values)))
    assert isinstance(here.sink.stored[0].event, FormSubmitted)
    assert reply.status == 200
    assert (json.loads(reply.body) if reply.body else None) == shown
    assert reply.content_type.startswith("application/json") == (shown is not None)


# ---- running


async def test_run_connects_nothing_and_reads_back_what_was_missed() -> None:
    async with house() as here:
        here.sink.positions["slack:T1:C1"] = 1_000_000
        missed = {"type": "message", "user": "U1", "text": "missed", "ts": "2.000000"}
        here.server.answers["conversations.history"] = lambda _fields: {"ok": True, "messages": [missed]}
        ready = asyncio.Event()
        running = asyncio.create_task(here.platform.run(here.sink, ready.set))
        async with asyncio.timeout(10):
            await ready.wait()
            found = await here.sink.event(MessagePosted, backfilled=True)
            await here.sink.until(lambda: ("slack:T1:C1", None) in here.sink.gaps)
            assert (await here.post(told(event(ts="3.000000")))).status == 200
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert here.server.called("apps.connections.open") == []
    assert found.text == "missed"
    assert here.sink.positions["slack:T1:C1"] == 3_000_000
    assert here.sink.gaps[0][1] is not None


async def test_without_a_secret_there_is_no_hook_and_a_clear_line() -> None:
    async with house(signing_secret="") as here:
        assert here.hooks == {}
        with pytest.raises(PlatformDown, match="HERALD_SLACK__SIGNING_SECRET"):
            await here.platform.run(here.sink, lambda: None)
        assert [fault.key for fault in await here.platform.check([])] == ["slack.signing_secret"]


async def test_in_socket_mode_there_are_no_hooks(stage: Stage) -> None:
    assert SlackPlatform(stage.config).hooks(RecordingSink()) == {}
