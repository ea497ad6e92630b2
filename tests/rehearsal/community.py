"""A small control server: two channels of one platform whose messages a test puts there by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

Act = Callable[["Community", dict[str, Any]], Awaitable[dict[str, Any]]]


class Community:
    """Answers the control calls that a player makes; `acts` say what the bot does when somebody acts."""

    def __init__(self) -> None:
        self.messages: dict[str, list[dict[str, Any]]] = {"community": [], "review": []}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.acts: dict[str, Act] = {}
        self.rows: list[dict[str, Any]] = []
        self.files: dict[str, Callable[[], str]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        app = web.Application()
        looks = [web.get("/control/channel", self._channel), web.get("/control/journal", self._journal)]
        looks.append(web.get("/control/file", self._file))
        app.add_routes([*looks, web.post("/control/{call}", self._call)])
        self._server = TestServer(app)

    async def start(self) -> str:
        """The server's address."""
        await self._server.start_server()
        return str(self._server.make_url("/"))

    async def stop(self) -> None:
        """End the server and whatever still was to happen."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.close()

    def put(self, channel: str, text: str, *, author: str = "Herald", **more: Any) -> dict[str, Any]:
        """A message appears; buttons are given by their ids."""
        number = sum(len(there) for there in self.messages.values()) + 1
        buttons = [{"id": button, "label": button.split("|")[2].title()} for button in more.pop("buttons", ())]
        message = {"id": str(number), "author": author, "text": text, "reply_to": None, "private_to": None}
        self.messages[channel].append(message | {"buttons": buttons} | more)
        return self.messages[channel][-1]

    def journal(self, **row: Any) -> None:
        """The bot made a call that the platform carried out."""
        about = {"seq": len(self.rows) + 1, "direction": "request", "method": "POST", "status": 200, "body": {}}
        self.rows.append(about | row)

    def later(self, seconds: float, act: Callable[[], object]) -> None:
        """Something happens after a while."""

        async def wait() -> None:
            await asyncio.sleep(seconds)
            act()

        self._tasks.append(asyncio.get_running_loop().create_task(wait()))

    async def _channel(self, request: web.Request) -> web.Response:
        member = request.query.get("member")
        there = self.messages.get(request.query["channel"])
        if there is None:
            return web.json_response({"error": "no such channel"}, status=400)
        return web.json_response({"messages": [m for m in there if m["private_to"] in (None, member)]})

    async def _journal(self, request: web.Request) -> web.Response:
        return web.json_response(self.rows[int(request.query["after"]) :])

    async def _file(self, request: web.Request) -> web.Response:
        return web.json_response({"text": self.files[request.query["id"]]()})

    async def _call(self, request: web.Request) -> web.Response:
        name, body = request.match_info["call"], await request.json()
        self.calls.append((name, body))
        answer: dict[str, Any] = {}
        if name == "say":
            message = self.put(body["channel"], body["text"], author=body["member"], reply_to=body.get("reply_to"))
            answer = {"message_id": message["id"]}
        if name in self.acts:
            answer |= await self.acts[name](self, body)
        if "error" in answer:
            return web.json_response(answer, status=400)
        return web.json_response(answer)
