"""A local drand: the HTTP API of two mirrors of one chain, under `/drand/a` and `/drand/b`.

Both know the chain by its hash and, as public nodes do, without naming it. They differ as the public ones do: `a` is a
node, which answers 404 without a word to rounds that are not due; `b` is a relay, which says 425. The very next round
is waited for by both.

Faults hit the request whose path holds their `match` (`drand/b`, `public`): `500`, `slow`, `reset`, `deaf` (nothing is
answered while it lasts), `wrong` (another value than the other mirror's, whole in itself) and `corrupt` (a value that
is not the hash of its signature).
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from aiohttp import web

from bot.sandbox.drand.chain import CHAIN, GENESIS, PERIOD, current_round, due_at, info, made_round
from bot.sandbox.frame import ControlError, Fault, FaultKind, Faults, Frame, Json
from bot.sandbox.misbehave import cut, until_gone

MIRRORS = ("a", "b")
_KINDS: tuple[FaultKind, ...] = ("500", "slow", "reset", "deaf", "wrong", "corrupt")
_VALUES: tuple[FaultKind, ...] = ("wrong", "corrupt")
_SLOW_SECONDS = 2.0
_LOOK_SECONDS = 0.05
_FOR_EVER = "public, max-age=604800, immutable"


@dataclass(frozen=True)
class _Answer:
    status: int
    body: Json = None
    """JSON, or a line of text where it is one; None: nothing."""
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self) -> web.Response:
        text = "" if self.body is None else self.body if isinstance(self.body, str) else json.dumps(self.body)
        headers = {"Access-Control-Allow-Origin": "*", "Content-Type": "application/json", **self.headers}
        return web.Response(text=text, status=self.status, headers=headers)


class DrandServer:
    """Both mirrors."""

    name = "drand"

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self.faults = Faults()
        self._closing = asyncio.Event()

    def routes(self) -> list[web.RouteDef]:
        """The mirrors' routes."""
        return [web.route("*", "/drand/{mirror}/{path:.*}", self._handle)]

    def addresses(self) -> list[str]:
        """The mirrors' base addresses."""
        return [f"{self._frame.base}/drand/{mirror}" for mirror in MIRRORS]

    def environment(self) -> dict[str, str]:
        """Where a bot finds its beacon, and that no signature can be checked here."""
        return {"HERALD_GIVEAWAYS__BEACON_URLS": json.dumps(self.addresses()), "HERALD_GIVEAWAYS__BEACON_KEY": ""}

    async def fault(self, fault: Fault) -> None:
        """Take on a fault of requests; there are no connections that stay open."""
        if fault.kind not in _KINDS:
            raise ControlError(f"drand has no {fault.kind}; it has {', '.join(_KINDS)}")
        if fault.kind != "deaf" or fault.seconds != 0:
            self.faults.add(fault)

    async def close(self) -> None:
        """Let go of requests that wait."""
        self._closing.set()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        fault = self.faults.take(_KINDS, request.path)
        kind = fault.kind if fault else None
        if kind in ("reset", "deaf"):
            self._journal(request, _Answer(0), kind)
            if kind == "deaf":
                await until_gone(request, self._closing)
            return cut(request)
        if fault and kind == "slow":
            await self._wait(_SLOW_SECONDS if fault.seconds is None else fault.seconds)
        answer = _Answer(500) if kind == "500" else await self._answer(request, kind)
        self._journal(request, answer, kind)
        return answer.response()

    async def _answer(self, request: web.Request, fault: FaultKind | None) -> _Answer:
        mirror, pieces = request.match_info["mirror"], request.match_info["path"].strip("/").split("/")
        if mirror not in MIRRORS or request.method not in ("GET", "HEAD"):
            return _Answer(404, "404 page not found\n")
        if pieces == ["chains"]:
            return _Answer(200, [CHAIN], {"Cache-Control": _FOR_EVER})
        chain, *rest = pieces
        if chain in ("info", "health", "public"):
            chain, rest = CHAIN, pieces
        if chain != CHAIN:
            return _Answer(404, "group not found\n" if rest == ["info"] else "unknown chain hash\n")
        return await self._of_chain(mirror, rest, fault)

    async def _of_chain(self, mirror: str, pieces: list[str], fault: FaultKind | None) -> _Answer:
        match pieces:
            case ["info"]:
                return _Answer(200, info(), {"Cache-Control": _FOR_EVER})
            case ["health"]:
                return self._health()
            case ["public", "latest"]:
                return self._latest(fault)
            case ["public", number]:
                return await self._round(mirror, number, fault)
        return _Answer(404, "404 page not found\n")

    def _health(self) -> _Answer:
        current = current_round(self._frame.clock.now())
        return _Answer(200, {"current": current, "expected": current}, {"Cache-Control": "no-cache"})

    def _latest(self, fault: FaultKind | None) -> _Answer:
        current = current_round(self._frame.clock.now())
        left = math.ceil(due_at(current + 1) - self._frame.clock.now())
        return _published(current, fault, f"max-age:{left}, public")

    async def _round(self, mirror: str, text: str, fault: FaultKind | None) -> _Answer:
        if not (text.isascii() and text.isdecimal()) or int(text) >= 2**64:
            return _Answer(400)
        number = int(text)
        if number == 0:
            return self._latest(fault)
        if due_at(number) > self._frame.clock.now() + PERIOD:
            left = int(due_at(number) - self._frame.clock.now())
            headers = {"Cache-Control": f"public, must-revalidate, max-age={left}"}
            return _Answer(404, None, headers) if mirror == "a" else _Answer(425, "Requested future beacon\n", headers)
        while self._frame.clock.now() < due_at(number) and not self._closing.is_set():
            await self._wait(_LOOK_SECONDS)
        return _published(number, fault, _FOR_EVER)

    async def _wait(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._closing.wait(), seconds)
        except TimeoutError:
            return

    def _journal(self, request: web.Request, answer: _Answer, fault: str | None) -> None:
        self._frame.journal.request(
            self.name,
            request.method,
            request.path,
            query=dict(request.query),
            body={},
            status=answer.status or None,
            response=answer.body,
            fault=fault,
        )


def _published(number: int, fault: FaultKind | None, cache: str) -> _Answer:
    if number == 0:
        return _Answer(500)
    made = made_round(number, lying=fault == "wrong", torn=fault == "corrupt")
    return _Answer(200, made.wire(), {"Cache-Control": cache})


__all__ = ["CHAIN", "GENESIS", "MIRRORS", "PERIOD", "DrandServer"]
