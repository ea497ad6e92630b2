"""A Slack of a few lines, for answers that the sandbox does not give: odd pages, odd limits, odd bodies."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
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

    def called(self, method: str) -> list[dict[str, str]]:
        return [fields for name, fields in self.calls if name == method]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        fields = dict(request.query)
        if request.can_read_body:
            json = request.content_type == "application/json"
            fields |= await request.json() if json else dict(await request.post())
        self.calls.append((method, fields))
        if method == "auth.test" and method not in self.answers:
            return web.json_response(WHO)
        answer = self.answers[method](fields)
        return answer if isinstance(answer, web.StreamResponse) else web.json_response(answer)


@asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    """Such a server on a free port of this machine."""
    server = Server()
    app = web.Application()
    app.router.add_route("*", "/api/{method}", server.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/api/"
        yield server
    finally:
        await runner.cleanup()
