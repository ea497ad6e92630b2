"""A fresh sandbox in which each request of a journal has what it speaks about: the messages, forms and presses."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import aiohttp

from bot.sandbox.server import RunningSandbox, start

from .mutants import Place, Request, changed
from .rules import discord_route
from .sending import Sender, with_path

DEADLINE = 10.0
_ALL_INTENTS = (1 << 17) - 1
_BUTTON = {"type": 2, "style": 1, "label": "Press", "custom_id": "v1|1|press|mac"}
_COMPONENT, _DEFER = 3, 5


class Stage:
    """The sandbox with everybody in it, an app that listens on Slack's socket and Discord's gateway, and a sender."""

    def __init__(self, sandbox: RunningSandbox, session: aiohttp.ClientSession) -> None:
        self.sandbox, self._session = sandbox, session
        env = sandbox.environment
        tokens = {name: env[f"HERALD_{name.upper()}__TOKEN"] for name in ("discord", "telegram")}
        tokens |= {"slack": env["HERALD_SLACK__BOT_TOKEN"], "openai": env["HERALD_OPENAI__API_KEY"]}
        self._app_token = env["HERALD_SLACK__APP_TOKEN"]
        self.sender = Sender(sandbox.base, session, tokens)
        self.tasks: list[asyncio.Task[Any]] = []
        self._names = {str(i): name.split("/")[1] for name, i in sandbox.control.channels().items()}
        self._slack_events: asyncio.Queue[Any] = asyncio.Queue()
        self._discord_events: asyncio.Queue[Any] = asyncio.Queue()

    async def control(self, name: str, **fields: Any) -> Any:
        """A control call that must succeed."""
        async with self._session.post(f"{self.sandbox.base}/control/{name}", json=fields) as response:
            answer = await response.json()
        assert response.status == 200, answer
        return answer

    async def enter(self, members: Iterable[tuple[str, str]]) -> None:
        """Have the members (platform, name) come in, in this order, and the app connect."""
        for platform, member in members:
            await self.control("member", platform=platform, member=member)
        opened = Request("slack", "POST", "/api/apps.connections.open", body={})
        sender = Sender(self.sandbox.base, self._session, {"slack": self._app_token})
        socket = await self._session.ws_connect((await sender.send(opened))[1]["url"])
        self._background(self._hear_slack(socket))
        gateway = await self._session.ws_connect(self.sandbox.environment["HERALD_DISCORD__GATEWAY_URL"] + "?v=10")
        hello = {"token": self.sender.tokens["discord"], "intents": _ALL_INTENTS, "properties": {}}
        await gateway.send_json({"op": 2, "d": hello})
        self._background(self._hear_discord(gateway))
        await self._next(self._discord_events, "READY")

    def _background(self, work: Any) -> None:
        self.tasks.append(asyncio.create_task(work))

    async def _hear_slack(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            envelope = json.loads(message.data)
            if "envelope_id" in envelope:
                await socket.send_json({"envelope_id": envelope["envelope_id"]})
                self._slack_events.put_nowait((envelope["type"], envelope["payload"]))

    async def _hear_discord(self, gateway: aiohttp.ClientWebSocketResponse) -> None:
        async for message in gateway:
            frame = json.loads(message.data)
            self._discord_events.put_nowait((frame.get("t"), frame.get("d")))

    @staticmethod
    async def _next(events: asyncio.Queue[Any], kind: str) -> Any:
        async with asyncio.timeout(DEADLINE):
            while (found := await events.get())[0] != kind:
                pass
        return found[1]

    async def sent(self, request: Request) -> Any:
        """The answer to a request that must be accepted."""
        status, answer = await self.sender.send(request)
        assert 200 <= status < 300, answer
        return answer

    async def prepared(self, request: Request) -> Request:
        """The request with the ids of things that exist here, so that it would be accepted."""
        if request.platform == "slack":
            return await self._slack(request)
        if request.platform == "discord":
            return await self._discord(request)
        return await self._telegram(request) if request.platform == "telegram" else request

    async def _said(self, platform: str, channel: Any) -> str:
        place = {"platform": platform, "channel": self._names[str(channel)], "member": f"{platform}_asker"}
        return str((await self.control("say", **place, text="What about this?"))["message_id"])

    async def _slack(self, request: Request) -> Request:
        body = request.body or {}
        if "thread_ts" in body:
            request = _with(request, ("thread_ts",), await self._said("slack", body["channel"]))
        if "ts" in body:
            first = Request("slack", "POST", "/api/chat.postMessage", body={"channel": body["channel"], "text": "old"})
            request = _with(request, ("ts",), (await self.sent(first))["ts"])
        if "trigger_id" in body:
            person = {"platform": "slack", "channel": "review", "member": "slack_approver"}
            self._background(self.control("command", **person, text="/status"))
            payload = await self._next(self._slack_events, "slash_commands")
            request = _with(request, ("trigger_id",), payload["trigger_id"])
        return request

    async def _discord(self, request: Request) -> Request:
        _, ids = discord_route(request)
        if "message_id" in ids:
            made = await self._discord_message(ids["channel_id"])
            request = with_path(request, ids["message_id"], made)
        if isinstance(request.body, dict) and "message_reference" in request.body:
            said = await self._said("discord", ids["channel_id"])
            request = _with(request, ("message_reference", "message_id"), said)
        if "interaction_id" in ids:
            pressed = await self._pressed()
            request = with_path(request, ids["interaction_id"], pressed["id"])
            request = with_path(request, "***", pressed["token"])
        if "webhook_token" in ids:
            pressed = await self._pressed()
            path = f"/api/v10/interactions/{pressed['id']}/{pressed['token']}/callback"
            await self.sent(Request("discord", "POST", path, body={"type": _DEFER, "data": {"flags": 64}}))
            request = with_path(request, "***", pressed["token"])
        return request

    async def _discord_message(self, channel: str) -> str:
        body = {"content": "old", "components": [{"type": 1, "components": [_BUTTON]}]}
        return str(
            (await self.sent(Request("discord", "POST", f"/api/v10/channels/{channel}/messages", body=body)))["id"]
        )

    async def _pressed(self) -> Any:
        """A button is pressed: the interaction that the app hears."""
        channel = str(self.sandbox.control.channels()["discord/review"])
        person = {"platform": "discord", "channel": "review", "member": "discord_approver", "button": "press"}
        self._background(self.control("click", **person, message_id=await self._discord_message(channel)))
        found = await self._next(self._discord_events, "INTERACTION_CREATE")
        assert found["type"] == _COMPONENT
        return found

    async def _telegram(self, request: Request) -> Request:
        body = request.body or {}
        if "message_id" in body:
            request = _with(request, ("message_id",), (await self._telegram_message(body["chat_id"]))["message_id"])
        if "reply_parameters" in body:
            said = int(await self._said("telegram", body["chat_id"]))
            request = _with(request, ("reply_parameters", "message_id"), said)
        if "callback_query_id" in body:
            request = _with(request, ("callback_query_id",), await self._telegram_press())
        if request.path.endswith("/getUpdates"):
            request = replace(request, body={**body, "timeout": 0})
        return request

    async def _telegram_message(self, chat: int) -> Any:
        markup = {"inline_keyboard": [[{"text": "Press", "callback_data": "v1|1|press|mac"}]]}
        body = {"chat_id": chat, "text": "old", "reply_markup": markup}
        return (await self.sent(Request("telegram", "POST", "/bot***/sendMessage", body=body)))["result"]

    async def _telegram_press(self) -> str:
        message = await self._telegram_message(int(self.sandbox.control.channels()["telegram/review"]))
        person = {"platform": "telegram", "channel": "review", "member": "telegram_approver", "button": "press"}
        self._background(self.control("click", **person, message_id=str(message["message_id"])))
        poll = Request(
            "telegram", "POST", "/bot***/getUpdates", body={"timeout": 10, "allowed_updates": ["callback_query"]}
        )
        found = (await self.sent(poll))["result"]
        offset = {"offset": found[-1]["update_id"] + 1, "timeout": 0}
        await self.sent(Request("telegram", "POST", "/bot***/getUpdates", body=offset))
        return str(found[-1]["callback_query"]["id"])


def _with(request: Request, place: Place, value: Any) -> Request:
    return replace(request, body=changed(request.body, place, value))


@asynccontextmanager
async def opened_stage(members: Iterable[tuple[str, str]]) -> AsyncIterator[Stage]:
    """A stage with these members on a sandbox of its own, whose clock stands still: nothing expires meanwhile."""
    sandbox = await start(0, None, limits=False)
    moment = sandbox.frame.clock.now()
    sandbox.frame.clock.now = lambda: moment  # type: ignore[method-assign]
    timeout = aiohttp.ClientTimeout(total=DEADLINE * 3)
    session = aiohttp.ClientSession(timeout=timeout)
    stage = Stage(sandbox, session)
    try:
        await stage.enter(members)
        yield stage
    finally:
        for task in stage.tasks:
            task.cancel()
        await asyncio.gather(*stage.tasks, return_exceptions=True)
        await session.close()
        await sandbox.stop()
