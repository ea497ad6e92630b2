"""HTTP mode: request URLs for events, interactions and slash commands."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from typing import Any
from urllib.parse import parse_qs, parse_qsl

import pytest
from aiohttp import web

from bot.sandbox.frame import ControlError, Fault
from bot.sandbox.slack import http_mode

from ..hooked import Hook, Posted, hooked

WHO = {"channel": "community", "member": "ana"}


def challenge(posted: Posted) -> web.Response:
    return web.Response(text=posted.json["challenge"])


async def set_up(slack: Any, hook: Hook, kind: str | None = None) -> None:
    """Point the app to the hook, and forget the verification."""
    if kind in (None, "events"):
        hook.plan.insert(0, challenge)
    await slack.server.endpoint(hook.url, kind)
    if kind in (None, "events"):
        await hook.next()
        hook.posted.clear()


def signed(slack: Any, posted: Posted) -> bool:
    """Whether the request bears the signature that Slack's documentation describes."""
    secret = slack.server.environment()["HERALD_SLACK__SIGNING_SECRET"]
    base = f"v0:{posted.headers['X-Slack-Request-Timestamp']}:".encode() + posted.raw
    wanted = "v0=" + hmac.new(secret.encode(), base, hashlib.sha256).hexdigest()
    return hmac.compare_digest(wanted, posted.headers["X-Slack-Signature"])


def answers(slack: Any) -> list[Any]:
    return [row for row in slack.frame.journal.rows if row["platform"] == "hook"]


@pytest.mark.parametrize(
    "answer",
    [
        challenge,
        lambda posted: web.json_response({"challenge": posted.json["challenge"]}),
        lambda posted: web.Response(text=f"challenge={posted.json['challenge']}"),
    ],
)
async def test_an_address_proves_itself_by_the_challenge(slack: Any, answer: Any) -> None:
    async with hooked() as hook:
        hook.plan = [answer]
        assert await slack.server.endpoint(hook.url, None) == {"set": ["events", "interactivity", "commands"]}
        asked = hook.posted[0]
        assert asked.json.keys() == {"token", "challenge", "type"}
        assert signed(slack, asked)


@pytest.mark.parametrize("answer", [web.Response(status=500), web.Response(text="wrong"), web.Response()])
async def test_an_address_that_proves_nothing_is_not_taken(slack: Any, answer: web.Response) -> None:
    async with hooked() as hook:
        hook.plan = [answer]
        with pytest.raises(ControlError, match="challenge"):
            await slack.server.endpoint(hook.url, "events")
        await slack.server.say({**WHO, "text": "unheard"})
        assert len(hook.posted) == 1
        with pytest.raises(ControlError, match="not for faxes"):
            await slack.server.endpoint(hook.url, "faxes")
        with pytest.raises(ControlError, match="this computer"):
            await slack.server.endpoint("https://example.org/x", "commands")


async def test_an_event_is_posted_signed_and_once(slack: Any) -> None:
    async with hooked() as hook:
        await set_up(slack, hook)
        socket = await slack.connect()
        ts = await slack.server.say({**WHO, "text": "hello"})
        posted = await hook.next()
        assert signed(slack, posted)
        assert posted.headers["Content-Type"] == "application/json"
        assert "X-Slack-Retry-Num" not in posted.headers
        assert (posted.json["type"], posted.json["event"]["ts"]) == ("event_callback", ts)
        await slack.until(lambda: len(answers(slack)) == 2)
        pushed = slack.events("events_api")[0]
        assert (pushed["payload"], pushed["retry_attempt"]) == (posted.json, 0)
        row = answers(slack)[-1]
        assert (row["status"], row["body"]["envelope_id"]) == (200, pushed["envelope_id"])
        assert row["body"]["event_id"] == posted.json["event_id"]
        await slack.server.endpoint("", None)
        await slack.server.say({**WHO, "text": "over the socket again"})
        assert (await socket.event())["payload"]["event"]["text"] == "over the socket again"
        assert len(hook.posted) == 1


async def test_a_failed_event_comes_three_times_more(slack: Any) -> None:
    async with hooked() as hook:
        await set_up(slack, hook)
        hook.otherwise = lambda _posted: web.Response(status=503)
        await slack.server.say({**WHO, "text": "hello"})
        copies = [await hook.next(), await hook.next()]
        for delay in http_mode.RETRY_DELAYS[1:]:
            await slack.until(lambda: slack.server.core.http.waiting)
            slack.frame.clock.advance(delay)
            copies.append(await hook.next())
        retries = [(c.headers.get("x-slack-retry-num"), c.headers.get("x-slack-retry-reason")) for c in copies]
        assert retries == [(None, None), ("1", "http_error"), ("2", "http_error"), ("3", "http_error")]
        assert len({c.raw for c in copies}) == 1
        await slack.until(lambda: len(answers(slack)) == 5)
        assert slack.server.core.http.waiting == 0


async def test_a_slow_answer_is_a_failure_and_a_lost_one_too(slack: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async with hooked() as hook:
        await set_up(slack, hook)
        never = asyncio.Event()

        async def silent(_posted: Posted) -> web.Response:
            await never.wait()
            return web.Response()

        monkeypatch.setattr(slack.server.core.http._hooks, "_seconds", 0.2)
        hook.plan = [silent]
        await slack.server.say({**WHO, "text": "one"})
        await hook.next()
        assert (await hook.next()).headers["x-slack-retry-reason"] == "http_timeout"
        await slack.server.fault(Fault("swallow_reply", match="delivery/events"))
        await slack.server.say({**WHO, "text": "two"})
        first, again = await hook.next(), await hook.next()
        assert first.raw == again.raw
        assert again.headers["x-slack-retry-num"] == "1"


async def test_an_app_can_refuse_the_retries(slack: Any) -> None:
    async with hooked() as hook:
        await set_up(slack, hook)
        hook.plan = [web.Response(status=500, headers={"X-Slack-No-Retry": "1"})]
        await slack.server.say({**WHO, "text": "one"})
        await hook.next()
        await slack.until(lambda: len(answers(slack)) == 2)
        for text in ("two", "three"):
            await slack.server.say({**WHO, "text": text})
            await hook.next()
        assert [posted.json["event"]["text"] for posted in hook.posted] == ["one", "two", "three"]


async def test_nobody_there_is_a_failed_connection(slack: Any) -> None:
    async with hooked() as hook:
        await set_up(slack, hook)
    await slack.server.say({**WHO, "text": "one"})
    await slack.until(lambda: len(answers(slack)) == 3)
    assert [row["status"] for row in answers(slack)[1:]] == [None, None]
    assert slack.events("events_api")[1]["retry_reason"] == "connection_failed"


async def test_too_many_failures_turn_the_events_off(slack: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_mode, "FAILURES_FROM", 6)
    async with hooked() as hook:
        await set_up(slack, hook)
        hook.otherwise = lambda _posted: web.Response(status=500)
        for number in range(3):
            await slack.server.say({**WHO, "text": str(number)})
        await slack.until(lambda: slack.server.core.http.disabled)
        count = len(hook.posted)
        await slack.server.say({**WHO, "text": "lost"})
        await slack.call("auth.test")
        assert len(hook.posted) == count
        await set_up(slack, hook)
        await slack.server.say({**WHO, "text": "heard again"})
        await slack.until(lambda: any(b"heard again" in posted.raw for posted in hook.posted))


def test_only_a_busy_hour_with_hardly_any_success_is_bad_health() -> None:
    health = http_mode.Health()
    assert all(health.count(second, ok=False) for second in range(999))
    assert not health.count(999, ok=False)
    mixed = http_mode.Health()
    assert all(mixed.count(number, ok=number % 20 == 0) for number in range(3000))
    late = http_mode.Health()
    assert all(late.count(number * 10.0, ok=False) for number in range(3000))


async def test_a_command_is_a_form_and_its_answer_is_shown(slack: Any) -> None:
    async with hooked() as hook:
        await set_up(slack, hook, "commands")
        public = {"text": "as JSON", "response_type": "in_channel"}
        hook.plan = [web.json_response(public), web.Response(text="as text")]
        await slack.server.command({**WHO, "text": "/status now & <then>"})
        posted = await hook.next()
        assert signed(slack, posted)
        assert posted.headers["Content-Type"] == "application/x-www-form-urlencoded"
        fields = dict(parse_qsl(posted.raw.decode(), strict_parsing=True, keep_blank_values=True))
        assert (fields["command"], fields["text"]) == ("/status", "now &amp; &lt;then&gt;")
        assert fields.keys() >= {"token", "team_id", "user_id", "channel_id", "response_url", "trigger_id"}
        assert (await slack.server.command({**WHO, "text": "/status"}))["toast"] == "as text"
        assert [m.text for m in slack.server.seen("community", "bo", None)] == ["as JSON"]
        hook.plan = [web.Response(status=500)]
        assert "dispatch_failed" in (await slack.server.command({**WHO, "text": "/status"}))["toast"]
        answer = await slack.session.post(fields["response_url"], json={"text": "later"})
        assert answer.status == 200


BUTTON = {"type": "button", "action_id": "go", "text": {"type": "plain_text", "text": "Go"}}
FORM = {
    "type": "modal",
    "title": {"type": "plain_text", "text": "Form"},
    "submit": {"type": "plain_text", "text": "Send"},
    "blocks": [
        {
            "type": "input",
            "block_id": "n",
            "label": {"type": "plain_text", "text": "Name"},
            "element": {"type": "plain_text_input", "action_id": "v"},
        }
    ],
}


async def test_a_button_and_a_form_over_http(slack: Any) -> None:
    async with hooked() as hook:
        await set_up(slack, hook, "interactivity")
        ts = (await slack.post(blocks=[{"type": "actions", "elements": [BUTTON]}]))["ts"]

        async def opens(posted: Posted) -> web.Response:
            payload = json.loads(parse_qs(posted.raw.decode())["payload"][0])
            opened = await slack.call("views.open", trigger_id=payload["trigger_id"], view=FORM)
            assert opened["ok"], opened
            return web.Response()

        hook.plan = [opens]
        form = (await slack.server.click({**WHO, "message_id": ts, "button": "Go"}))["form"]
        posted = await hook.next()
        assert signed(slack, posted)
        assert list(parse_qs(posted.raw.decode())) == ["payload"]
        errors = {"response_action": "errors", "errors": {"n": "too short"}}
        hook.plan = [web.json_response(errors), web.Response()]
        fill = {"member": "ana", "form_id": form["id"], "values": {"Name": "A"}}
        assert await slack.server.submit(fill) == {"errors": {"n": "too short"}}
        assert await slack.server.submit(fill) == {}
        kinds = [row["body"]["type"] for row in slack.frame.journal.rows if row["direction"] == "event"]
        assert kinds.count("interactive") == 3
        assert [row["path"] for row in answers(slack)] == ["/slack/interactivity"] * 3


async def test_raw_goes_to_the_address(slack: Any) -> None:
    async with hooked() as hook:
        await set_up(slack, hook)
        envelope = {"envelope_id": "e", "type": "events_api", "payload": {"type": "event_callback", "event_id": "Ev1"}}
        for raw, arrives in ((envelope, envelope["payload"]), ({"bare": 1}, {"bare": 1})):
            await slack.server.raw(raw)
            posted = await hook.next()
            assert posted.json == arrives
            assert signed(slack, posted)
        await slack.server.raw("not json {")
        assert (await hook.next()).raw == b"not json {"
        assert all(row["injected"] for row in slack.frame.journal.rows if row["direction"] == "event")
