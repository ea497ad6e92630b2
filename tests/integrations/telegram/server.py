"""A Bot API server of a few lines, for what the sandbox does not do: odd answers, and time that passes as a test wants.

It keeps a webhook and a queue of updates, and answers other methods as it is told.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

TOKEN = "123456:AAexample"

Answer = Callable[[dict[str, Any]], Any]
"""From a call's parameters to its result, or to a whole response."""


def message(number: int, text: str = "hi", **more: Any) -> dict[str, Any]:
    """An update with a message."""
    chat = {"id": -100, "type": "supergroup", "title": "Tea"}
    sender = {"id": 7, "is_bot": False, "first_name": "Ana"}
    return {
        "update_id": number,
        "message": {"message_id": number, "date": 1, "chat": chat, "from": sender, "text": text} | more,
    }


def refused(code: int, text: str) -> web.Response:
    """What Telegram answers to what it will not do."""
    return web.json_response({"ok": False, "error_code": code, "description": text}, status=code)


@dataclass
class Server:
    """What was called, and what is answered."""

    url: str = ""
    webhook: str = ""
    info: dict[str, Any] = field(default_factory=dict)
    waiting: list[dict[str, Any]] = field(default_factory=list)
    answers: dict[str, Answer] = field(default_factory=dict)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def called(self, method: str) -> list[dict[str, Any]]:
        return [parameters for name, parameters in self.calls if name == method]

    async def until(self, found: Callable[[], Any]) -> Any:
        """The first truthy answer of `found`, looked for after each call."""
        async with asyncio.timeout(10), self.changed:
            while not (answer := found()):
                await self.changed.wait()
            return answer

    async def handle(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        sent = {name: _value(str(value)) for name, value in (await request.post()).items()}
        async with self.changed:
            self.calls.append((method, sent))
            self.changed.notify_all()
        answer = self.answers[method](sent) if method in self.answers else await self._answer(method, sent)
        if isinstance(answer, web.StreamResponse):
            return answer
        return web.json_response({"ok": True, "result": answer})

    async def _answer(self, method: str, sent: dict[str, Any]) -> Any:
        match method:
            case "getMe":
                return {"id": 123456, "is_bot": True, "first_name": "H", "username": "herald_bot"}
            case "setWebhook" | "deleteWebhook":
                self.webhook = str(sent.get("url", ""))
                return True
            case "getWebhookInfo":
                return {"url": self.webhook, "pending_update_count": 0} | self.info
            case "getUpdates":
                offset = sent.get("offset")
                if offset is not None:
                    self.waiting = [update for update in self.waiting if update["update_id"] >= offset]
                if not self.waiting:
                    await asyncio.sleep(0.01)
                return self.waiting[:100]
        return True


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


@asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    """Such a server on a free port of this machine."""
    server = Server()
    app = web.Application()
    app.router.add_post(f"/bot{TOKEN}/{{method}}", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield server
    finally:
        await runner.cleanup()


class Time:
    """Time that passes only where somebody waits, and then at once; `waits` are the seconds."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now
        self.waits: list[float] = []

    def wall(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)
