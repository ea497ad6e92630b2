"""A bot's HTTP side for tests: a small server that writes down what is posted to it and answers as it is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web

SECONDS = 10.0


@dataclass(frozen=True)
class Posted:
    """One request."""

    headers: Any
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.raw)


Answer = web.Response | Callable[[Posted], web.Response] | Callable[[Posted], Awaitable[web.Response]]


class Hook:
    """What was posted, and what the next requests are answered; at last and without a plan `otherwise`."""

    def __init__(self, url: str = "") -> None:
        self.url = url
        self.posted: list[Posted] = []
        self.plan: list[Answer] = []
        self.otherwise: Answer = lambda _posted: web.Response()
        self.open = 0
        self.most_open = 0
        self._new: asyncio.Queue[Posted] = asyncio.Queue()

    async def next(self) -> Posted:
        """The next request."""
        return await asyncio.wait_for(self._new.get(), SECONDS)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """The route."""
        posted = Posted(request.headers, await request.read())
        self.posted.append(posted)
        answer = self.plan.pop(0) if self.plan else self.otherwise
        self._new.put_nowait(posted)
        self.open += 1
        self.most_open = max(self.open, self.most_open)
        try:
            if isinstance(answer, web.Response):
                return answer
            made = answer(posted)
            return made if isinstance(made, web.Response) else await made
        finally:
            self.open -= 1


@asynccontextmanager
async def hooked() -> AsyncIterator[Hook]:
    """A running hook."""
    hook = Hook()
    app = web.Application()
    app.router.add_post("/hook", hook.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    hook.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        yield hook
    finally:
        await runner.cleanup()
