"""A Slack of a few lines, for answers that the sandbox does not give: odd pages, odd limits, odd bodies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

WHO = {
    "ok": True,
    "url": "https://acme.slack.com/",
    "team_id": "T1",
    "user_id": "U0BOT",
    "bot_id": "B1",
}

Answer = Callable[[dict[str, str]], Any]
"""From a request's fields to JSON, or to a whole response."""


@dataclass
class Server:
    """Answers by method; `calls` are the methods that were called, with their fields."""

    url: str = ""
    answers: dict[str, Answer] = field(default_factory=dict)
    calls: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def until(self, found: Callable[[], Any]) -> Any:
        """The first truthy answer of `found`, looked for after each call."""
        async with asyncio.timeout(15), self.changed:
            while not (answer := found()):
                await self.changed.wait()
            return answer

    def called(self, method: str) -> list[dict[str, str]]:
        return [fields for name, fields in self.calls if name == method]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        fields = dict(request.query)
        if request.can_read_body:
            json = request.content_type == "application/json"
            fields |= await request.json() if json else dict(await request.post())
        async with self.changed:
            self.calls.append((method, fields))
            self.changed.notify_all()
        if method == "auth.test" and method not in self.answers:
            return web.json_response(WHO)
        answer = self.answers[method](fields)
        return answer if isinstance(answer, web.StreamResponse) else web.json_response(answer)


@asynccontextmanager
async def serving(
    socket: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None,
) -> AsyncIterator[Server]:
    """Such a server on a free port of this machine; `socket` takes what connects to `/link`."""
    server = Server()
    app = web.Application()
    if socket is not None:
        app.router.add_get("/link", socket)
    app.router.add_route("*", "/api/{method}", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/api/"
        yield server
    finally:
        await runner.cleanup()
