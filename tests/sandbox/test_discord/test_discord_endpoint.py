"""The interactions endpoint: signed requests, and the initial response in the HTTP answer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from bot.sandbox.discord import endpoint
from bot.sandbox.frame import ControlError, Fault

from ..hooked import Hook, Posted, hooked
from .conftest import Local

WHO = {"channel": "community", "member": "ana"}
BUTTON = {"type": 1, "components": [{"type": 2, "style": 1, "label": "Go", "custom_id": "go"}]}
MODAL = {
    "custom_id": "form",
    "title": "Form",
    "components": [
        {"type": 1, "components": [{"type": 4, "custom_id": "name", "label": "Name", "style": 1, "required": True}]}
    ],
}


def is_signed(local: Local, posted: Posted) -> bool:
    """Whether the request bears a signature by the key that the owner is told."""
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(local.server.environment()["HERALD_DISCORD__PUBLIC_KEY"]))
    signature = bytes.fromhex(posted.headers["X-Signature-Ed25519"])
    try:
        key.verify(signature, posted.headers["X-Signature-Timestamp"].encode() + posted.raw)
    except InvalidSignature:
        return False
    return True


def proper(local: Local, *answers: Any) -> Any:
    """Answers as an application does: 401 to what is not signed, PONG to PING, then `answers` one by one."""
    left = list(answers)

    def answer(posted: Posted) -> web.Response:
        if not is_signed(local, posted):
            return web.Response(status=401)
        if posted.json["type"] == 1:
            return web.json_response({"type": 1})
        made = left.pop(0)
        return made if isinstance(made, web.Response) else web.json_response(made)

    return answer


async def set_up(local: Local, hook: Hook, *answers: Any) -> None:
    hook.otherwise = proper(local, *answers)
    await local.server.endpoint(hook.url, None)
    assert [(await hook.next()).json["type"] for _ in range(2)] == [1, 1]
    hook.posted.clear()


async def press(local: Local, **more: Any) -> Any:
    card = (await local.post({"content": "card", "components": [BUTTON]})).body["id"]
    return await local.server.click({**WHO, "message_id": card, "button": "Go", **more})


async def test_an_address_answers_ping_and_refuses_a_wrong_signature(local: Local) -> None:
    async with hooked() as hook:
        hook.otherwise = proper(local)
        told = await local.server.endpoint(hook.url, "interactions")
        assert told == {"public_key": local.server.environment()["HERALD_DISCORD__PUBLIC_KEY"]}
        assert [is_signed(local, posted) for posted in hook.posted] == [True, False]
        shown = (await local.rest("GET", "/applications/@me")).body
        assert (shown["interactions_endpoint_url"], shown["verify_key"]) == (hook.url, told["public_key"])
        await local.server.endpoint("", None)
        assert (await local.rest("GET", "/applications/@me")).body["interactions_endpoint_url"] is None


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ([web.Response(status=500)], "PING"),
        ([web.json_response({"type": 4})], "PING"),
        ([web.json_response({"type": 1}), web.json_response({"type": 1})], "wrong signature"),
    ],
)
async def test_an_address_that_does_not_verify_is_not_taken(local: Local, answers: list[Any], why: str) -> None:
    async with hooked() as hook:
        hook.plan = answers
        with pytest.raises(ControlError, match=why):
            await local.server.endpoint(hook.url, None)
    with pytest.raises(ControlError, match="this computer"):
        await local.server.endpoint("https://example.org", None)
    with pytest.raises(ControlError, match="interactions only"):
        await local.server.endpoint(hook.url, "events")
    assert not local.server._endpoint.is_set


async def test_interactions_come_there_and_all_else_over_the_gateway(local: Local) -> None:
    async with local.session() as socket, hooked() as hook:
        await set_up(local, hook, {"type": 4, "data": {"content": "pressed", "flags": 64}})
        assert await press(local) == {"toast": "pressed"}
        posted = await hook.next()
        assert (posted.json["type"], posted.json["data"]["custom_id"]) == (3, "go")
        assert posted.json["member"]["user"]["username"] == "ana"
        await local.say("still here")
        kinds = []
        while (frame := await socket.frame())["d"].get("content") != "still here":
            kinds.append(frame["t"])
        assert "INTERACTION_CREATE" not in kinds
        rows = local.frame.journal.rows
        assert [r["type"] for r in rows if r["direction"] == "event"].count("INTERACTION_CREATE") == 1
        answered = [r for r in rows if r.get("path", "").endswith("/callback")]
        assert [(r["status"], r["body"]["data"]["content"]) for r in answered] == [(204, "pressed")]
        hooks = [r for r in rows if r["platform"] == "hook"][-1]
        assert (hooks["path"], hooks["status"], hooks["body"]) == (
            "/discord/interactions",
            200,
            {"id": posted.json["id"]},
        )


async def test_a_form_opens_and_is_sent_back(local: Local) -> None:
    async with hooked() as hook:
        await set_up(local, hook, {"type": 9, "data": MODAL}, {"type": 4, "data": {"content": "thanks", "flags": 64}})
        form = (await press(local))["form"]
        done = await local.server.submit({"member": "ana", "form_id": form["id"], "values": {"Name": "Ana"}})
        assert done == {"toast": "thanks"}
        assert hook.posted[-1].json["data"]["components"][0]["components"][0]["value"] == "Ana"


async def test_a_deferred_answer_is_filled_in_by_rest(local: Local) -> None:
    async with hooked() as hook:
        await set_up(local, hook, {"type": 5, "data": {"flags": 64}})
        assert await press(local) == {}
        it = hook.posted[-1].json
        path = f"/webhooks/{it['application_id']}/{it['token']}/messages/@original"
        assert (await local.rest("PATCH", path, {"content": "at last"})).status == 200
        assert [s.text for s in local.server.seen("community", "ana", None)][-1] == "at last"


async def test_202_says_that_the_answer_comes_by_rest(local: Local) -> None:
    async with hooked() as hook:
        await set_up(local, hook, web.Response(status=202))
        pressing = asyncio.create_task(press(local))
        while (it := (await hook.next()).json)["type"] == 1:
            pass
        assert (await local.answer(it, 4, {"content": "by rest", "flags": 64})).status == 200
        assert await asyncio.wait_for(pressing, 5) == {"toast": "by rest"}


@pytest.mark.parametrize(
    "answer",
    [
        web.Response(status=500),
        web.Response(text="no JSON"),
        web.json_response(["no object"]),
        web.json_response({"type": 99}),
        web.json_response({"type": 4, "data": {"content": "x" * 2001}}),
    ],
)
async def test_what_is_no_answer_fails_the_interaction(local: Local, answer: web.Response) -> None:
    async with hooked() as hook:
        await set_up(local, hook, answer)
        assert await press(local) == {"toast": "This interaction failed"}
        assert len(local.server.seen("community", "ana", None)) == 1


async def test_a_slow_or_lost_answer_fails_too_and_is_not_asked_for_again(
    local: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with hooked() as hook:
        await set_up(local, hook, {"type": 4, "data": {"content": "lost"}})
        await local.server.fault(Fault("swallow_reply", match="delivery/interactions"))
        assert await press(local) == {"toast": "This interaction failed"}
        monkeypatch.setattr(local.server._endpoint._hooks, "_seconds", 0.1)
        never = asyncio.Event()

        async def silent(_posted: Posted) -> web.Response:
            await never.wait()
            return web.Response()

        hook.plan = [silent]
        assert await press(local) == {"toast": "This interaction failed"}
        assert len(hook.posted) == 2
    assert endpoint.SECONDS == 3.0


async def test_a_raw_interaction_is_posted_as_it_stands(local: Local) -> None:
    async with hooked() as hook:
        await set_up(local, hook, {"type": 1})
        forged = {"id": "1", "type": 3, "token": "t", "data": {}}
        await local.server.raw({"t": "INTERACTION_CREATE", "d": forged})
        posted = await hook.next()
        assert posted.json == forged
        assert is_signed(local, posted)
        assert local.frame.journal.rows[-1]["platform"] in ("hook", "discord")
