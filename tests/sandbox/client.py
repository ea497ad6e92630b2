"""A client of a running sandbox: the control interface, the Bot API, the model."""

from __future__ import annotations

import json
from typing import Any

import aiohttp

from bot.sandbox.server import RunningSandbox

Answer = tuple[int, Any]


class Client:
    """Calls the control interface, the Bot API and the model of one sandbox."""

    def __init__(self, sandbox: RunningSandbox, session: aiohttp.ClientSession) -> None:
        self.sandbox = sandbox
        self.session = session
        self.token = sandbox.environment["HERALD_TELEGRAM__TOKEN"]
        self.community = sandbox.control.channels()["telegram/community"]

    async def control(self, name: str, /, **fields: Any) -> Any:
        status, answer = await self.try_control(name, **fields)
        assert status == 200, answer
        return answer

    async def try_control(self, name: str, /, **fields: Any) -> Answer:
        async with self.session.post(f"/control/{name}", json=fields) as response:
            return response.status, await response.json()

    async def say(self, member: str, text: str, channel: str = "community", **more: Any) -> int:
        answer = await self.control("say", platform="telegram", channel=channel, member=member, text=text, **more)
        return int(answer["message_id"])

    async def seen(self, channel: str = "community", member: str | None = None) -> list[dict[str, Any]]:
        query = {"platform": "telegram", "channel": channel} | ({"member": member} if member else {})
        async with self.session.get("/control/channel", params=query) as response:
            found: list[dict[str, Any]] = (await response.json())["messages"]
            return found

    async def journal(self, after: int = 0) -> list[dict[str, Any]]:
        async with self.session.get("/control/journal", params={"after": after}) as response:
            rows: list[dict[str, Any]] = await response.json()
            return rows

    async def bot(self, method: str, /, **params: Any) -> Any:
        """The result of a Bot API method that must succeed (sent as a form, as the SDKs do)."""
        status, answer = await self.try_bot(method, **params)
        assert status == 200, answer
        return answer["result"]

    async def try_bot(self, method: str, /, **params: Any) -> Answer:
        form = {k: v if isinstance(v, str) else json.dumps(v, ensure_ascii=False) for k, v in params.items()}
        async with self.session.post(f"/bot{self.token}/{method}", data=form) as response:
            return response.status, await response.json()

    async def refused(self, method: str, /, **params: Any) -> str:
        """Why a Bot API method was refused with 400 or 403."""
        status, answer = await self.try_bot(method, **params)
        assert status in (400, 403), answer
        assert answer["ok"] is False
        assert answer["error_code"] == status
        return str(answer["description"])

    async def send(self, text: str, **params: Any) -> Any:
        return await self.bot("sendMessage", chat_id=self.community, text=text, **params)

    async def updates(self, **params: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await self.bot("getUpdates", **params)
        return found

    async def complete(self, text: str, *, key: str | None = None, **fields: Any) -> Answer:
        body = {"model": "sandbox-mini", "messages": [{"role": "user", "content": text}], **fields}
        return await self.post_openai(body, key=key)

    async def post_openai(self, body: Any, *, key: str | None = None) -> Answer:
        key = key or self.sandbox.environment["HERALD_OPENAI__API_KEY"]
        headers = {"Authorization": f"Bearer {key}"}
        async with self.session.post("/v1/chat/completions", json=body, headers=headers) as response:
            return response.status, await response.json()
