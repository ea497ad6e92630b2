"""Mirrors of a beacon: small servers that answer as a test wants, and a chain of our own to sign rounds with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from aiohttp import web
from py_arkworks_bls12381 import G1Point, G2Point, Scalar

from bot.integrations.drand.signatures import DOMAIN

CHAIN = "ab" * 32
SECRET = Scalar(20261122)
KEY = (G2Point() * SECRET).to_compressed_bytes().hex()

Answer = Callable[[int], web.StreamResponse | Awaitable[web.StreamResponse]]
"""From the number of a round to what is said of it."""


def signed(number: int, secret: Scalar = SECRET) -> str:
    """The signature of a round, in hex."""
    point = G1Point.hash_to_curve(sha256(number.to_bytes(8, "big")).digest(), DOMAIN) * secret
    return point.to_compressed_bytes().hex()


def told(number: int, signature: str = "", **more: Any) -> dict[str, Any]:
    """A round as mirrors tell it."""
    signature = signature or signed(number)
    return {"round": number, "randomness": sha256(bytes.fromhex(signature)).hexdigest(), "signature": signature} | more


def well(number: int) -> web.StreamResponse:
    """A good answer."""
    return web.json_response(told(number))


def status(code: int, **headers: str) -> Answer:
    """No answer but a status."""
    return lambda _: web.Response(status=code, headers=headers)


def says(body: str | bytes, **headers: str) -> Answer:
    """These bytes, whatever was asked."""
    raw = body.encode() if isinstance(body, str) else body
    return lambda _: web.Response(body=raw, content_type="application/json", headers=headers)


def tells(**changes: Any) -> Answer:
    """A good answer with something changed."""
    return lambda number: web.json_response(told(number) | changes)


@dataclass
class Mirror:
    """One server. `url` leads nowhere once it is `down`."""

    answer: Answer = well
    url: str = ""
    asked: list[int] = field(default_factory=list)
    flood: bool = False
    """Begins an answer of more than is read, and never ends it."""
    _runner: web.AppRunner | None = None

    @property
    def host(self) -> str:
        return self.url.removeprefix("http://")

    async def up(self) -> None:
        """Listen at a port of its own."""
        app = web.Application()
        app.router.add_get("/{chain}/public/{round}", self._handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def down(self) -> None:
        """Nobody listens there any more."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        assert request.match_info["chain"] == CHAIN
        number = int(request.match_info["round"])
        self.asked.append(number)
        if self.flood:
            answer = web.StreamResponse()
            await answer.prepare(request)
            await answer.write(b" " * 5000)
            return await never(number)
        made = self.answer(number)
        return await made if isinstance(made, Awaitable) else made


@asynccontextmanager
async def mirrors(*answers: Answer) -> AsyncIterator[list[Mirror]]:
    """Servers, each with its answer."""
    made = [Mirror(answer) for answer in answers]
    try:
        for mirror in made:
            await mirror.up()
        yield made
    finally:
        for mirror in made:
            await mirror.down()


async def never(_: int) -> web.StreamResponse:
    """Takes longer than anybody waits."""
    await asyncio.Event().wait()
    raise AssertionError
