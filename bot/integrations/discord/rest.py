"""Requests to Discord's REST interface, with an outcome that is known.

discord.py's own HTTP layer sends them, because it knows Discord's rate limit buckets. But it keeps an answer back
while a bucket is empty, sleeps through 429 and repeats 5xx, all behind one `await`: a deadline around that could not
tell what happened. So a trace of aiohttp's, which discord.py lets us set, records what each request meets, and the
answer is taken from there as soon as it is read; what the SDK still sleeps through runs on in a task of ours.

Answers to interactions, and follow-ups to them, carry no nonce and must not be repeated: `Once` sends them.
"""

from __future__ import annotations

import asyncio
import contextvars
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace, TracebackType
from typing import Any

import aiohttp
from discord import RateLimited
from discord.http import HTTPClient, Route

from bot.chat.ports import NotSent, Refused, SendError, Unclear
from bot.integrations.discord.errors import GONE, UNKNOWN_MESSAGE, broken, refused

log = logging.getLogger("herald.discord")

_RETRIED_BY_SDK = frozenset({429, 500, 502, 504, 524})
"""Answers after which discord.py 2.7 sleeps and asks again (`HTTPClient.request`)."""


@dataclass(slots=True)
class Exchange:
    """What one call has met so far: its attempts, and the answer that settles it."""

    settled: asyncio.Future[tuple[int, object]]
    ends: float = float("inf")
    """When the caller stops waiting, in the loop's time."""
    attempts: int = 0
    in_flight: bool = False
    abandoned: bool = False
    """Nobody waits any more: no further attempt may start."""
    unclear: bool = False
    """An attempt may have been done: it had a 5xx, or ended without an answer."""
    status: int = 0
    retry_after: float | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def answered(self, body: bytes) -> None:
        """The body of the latest answer has been read."""
        decoded = _decoded(body)
        if self.status == 429:
            told = decoded.get("retry_after") if isinstance(decoded, dict) else None
            self.retry_after = float(told) if isinstance(told, int | float) else None
        self.unclear = self.unclear or self.status >= 500
        too_long = self.retry_after is not None and self.settled.get_loop().time() + self.retry_after > self.ends
        final = self.status not in _RETRIED_BY_SDK or (self.status == 429 and too_long)
        if final and not self.settled.done():
            self.settled.set_result((self.status, decoded))


class _Abandoned(Exception):
    """The SDK was about to repeat a request that nobody waits for."""


_exchange: contextvars.ContextVar[Exchange | None] = contextvars.ContextVar("herald_discord_exchange", default=None)


def tracing() -> aiohttp.TraceConfig:
    """The trace that a discord.Client of ours is made with (`http_trace`)."""
    trace: aiohttp.TraceConfig = aiohttp.TraceConfig()
    trace.on_request_start.append(_started)
    trace.on_request_end.append(_headed)
    trace.on_response_chunk_received.append(_read)
    trace.on_request_exception.append(_failed)
    return trace


async def _started(_: aiohttp.ClientSession, __: SimpleNamespace, ___: aiohttp.TraceRequestStartParams) -> None:
    if exchange := _exchange.get():
        if exchange.abandoned:
            raise _Abandoned
        exchange.attempts += 1
        exchange.in_flight = True


async def _headed(_: aiohttp.ClientSession, __: SimpleNamespace, end: aiohttp.TraceRequestEndParams) -> None:
    if exchange := _exchange.get():
        exchange.status, exchange.headers = end.response.status, end.response.headers


async def _read(_: aiohttp.ClientSession, __: SimpleNamespace, part: aiohttp.TraceResponseChunkReceivedParams) -> None:
    if exchange := _exchange.get():
        exchange.in_flight = False
        exchange.answered(part.chunk)


async def _failed(_: aiohttp.ClientSession, __: SimpleNamespace, end: aiohttp.TraceRequestExceptionParams) -> None:
    if exchange := _exchange.get():
        exchange.in_flight = False
        before = isinstance(end.exception, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)
        exchange.unclear = exchange.unclear or not before


class Rest:
    """Calls through discord.py's HTTP layer. `timeout` is how long one may take, in seconds."""

    def __init__(self, http: HTTPClient, timeout: float) -> None:
        self._http = http
        self._timeout = timeout
        self._running: set[asyncio.Task[object]] = set()

    async def call(
        self,
        route: Route,
        *,
        json: Mapping[str, object] | list[object] | None = None,
        params: Mapping[str, str | int] | None = None,
        within: float | None = None,
    ) -> object:
        """The decoded answer. Raises NotSent, Refused, Unclear, `within` seconds (default: the request timeout)."""
        sending = _Sending(self._http, route, json, params)
        self._own(sending.task)
        async with _AbandonedWithCaller(sending):
            return await sending.outcome(within or self._timeout)

    async def create(self, route: Route, body: Mapping[str, object]) -> object:
        """As `call`, for a message with a nonce: an attempt that stays without an answer is made once more.

        Discord answers the second with the first one's message (`enforce_nonce`), so at most one is created.
        """
        clock = asyncio.get_running_loop()
        end = clock.time() + self._timeout
        first = _Sending(self._http, route, body, None)
        self._own(first.task)
        async with _AbandonedWithCaller(first):
            try:
                return await first.outcome(self._timeout / 2, patient_until=end)
            except Unclear as unclear:
                if clock.time() >= end:
                    raise
                log.info("discord: repeating a create with its nonce: %s", unclear)
            except Refused as error:
                raise _deleted_meanwhile(error) from None
        second = _Sending(self._http, route, body, None)
        second.exchange.unclear = True
        self._own(second.task)
        async with _AbandonedWithCaller(second):
            try:
                return await second.outcome(end - clock.time())
            except Refused as error:
                raise _deleted_meanwhile(error) from None

    def _own(self, task: asyncio.Task[object]) -> None:
        self._running.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[object]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # The exchange knows it already; asyncio must not report it as forgotten.

    async def close(self) -> None:
        """End what still sleeps inside the SDK."""
        for task in list(self._running):
            task.cancel()
        # The SDK sleeps off an empty bucket even while being cancelled; a second cancellation ends that too.
        while self._running:
            await asyncio.wait(list(self._running), timeout=0.05)
            for task in list(self._running):
                task.cancel()


def _deleted_meanwhile(error: Refused) -> SendError:
    """A create whose nonce Discord knows, but whose message is gone: sent and then deleted, not refused."""
    if error.code == GONE:
        return Unclear(f"sent before and deleted meanwhile (code {UNKNOWN_MESSAGE})")
    return error


class _Sending:
    """One call on its way through the SDK."""

    def __init__(
        self,
        http: HTTPClient,
        route: Route,
        body: Mapping[str, object] | list[object] | None,
        params: Mapping[str, str | int] | None,
    ) -> None:
        self.exchange = Exchange(asyncio.get_running_loop().create_future())
        context = contextvars.copy_context()
        context.run(_exchange.set, self.exchange)
        options: dict[str, Any] = {}
        if body is not None:
            options["json"] = body
        if params is not None:
            options["params"] = params
        self.task: asyncio.Task[object] = asyncio.get_running_loop().create_task(
            http.request(route, **options), name=f"discord {route.method} {route.path}", context=context
        )

    async def outcome(self, within: float, patient_until: float | None = None) -> object:
        """What came of it. After `within` it goes on only while Discord has us wait, until `patient_until`."""
        now = asyncio.get_running_loop().time()
        self.exchange.ends = patient_until or now + within
        await self._settle(within)
        if not self._known and patient_until is not None and not self.exchange.in_flight:
            await self._settle(patient_until - asyncio.get_running_loop().time())
        if self.exchange.settled.done():
            return self._answer(*self.exchange.settled.result())
        if self.task.done() and not self.task.cancelled():
            error = self.task.exception()
            if error is None:
                return self.task.result()
            raise self._error(error)
        self.abandon()
        raise self._late()

    def abandon(self) -> None:
        """See to it that no further attempt starts.

        A task that sleeps is left to end by itself: cancelled during a global rate limit, discord.py would keep
        every later request waiting for ever.
        """
        self.exchange.abandoned = True
        if self.exchange.in_flight:
            self.task.cancel()

    @property
    def _known(self) -> bool:
        return self.exchange.settled.done() or self.task.done()

    async def _settle(self, within: float) -> None:
        awaited: list[asyncio.Future[Any]] = [self.task, self.exchange.settled]
        await asyncio.wait(awaited, timeout=max(0.0, within), return_when=asyncio.FIRST_COMPLETED)

    def _answer(self, status: int, body: object) -> object:
        if 200 <= status < 300:
            return body
        self.abandon()
        error = refused(status, body)
        raise Unclear(f"{error} after an unclear attempt") if self._in_doubt(error) else error

    def _error(self, error: BaseException) -> SendError:
        exchange = self.exchange
        if exchange.attempts == 0 and not exchange.unclear:
            wait = error.retry_after if isinstance(error, RateLimited) else None
            return NotSent(f"not begun: {type(error).__name__}", wait)
        if exchange.status == 429 and not exchange.unclear:
            return NotSent("rate limited", exchange.retry_after or _seconds(exchange.headers.get("Retry-After")))
        return broken(error, written=exchange.unclear)

    def _in_doubt(self, error: SendError) -> bool:
        return self.exchange.unclear and isinstance(error, NotSent)

    def _late(self) -> SendError:
        exchange = self.exchange
        if exchange.in_flight or exchange.unclear:
            return Unclear("no answer in time")
        return NotSent("waiting for a rate limit", exchange.retry_after)


class _AbandonedWithCaller:
    """Ends a sending whose caller is cancelled; one that is merely slow inside the SDK goes on."""

    def __init__(self, sending: _Sending) -> None:
        self._sending = sending

    async def __aenter__(self) -> None:
        return None

    async def __aexit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        if kind is asyncio.CancelledError:
            self._sending.abandon()


class Once:
    """Requests that are made exactly once: interaction answers and follow-ups, which need no bot token."""

    def __init__(self, api_url: str, timeout: float) -> None:
        self._api = api_url.rstrip("/")
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None

    async def request(self, method: str, path: str, body: Mapping[str, object] | None = None) -> None:
        """Raises NotSent, Refused, Unclear."""
        if self._session is None:
            self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        try:
            async with (
                asyncio.timeout(self._timeout),
                self._session.request(method, self._api + path, json=body, allow_redirects=False) as response,
            ):
                answer = _decoded(await response.read())
                status, wait = response.status, _seconds(response.headers.get("Retry-After"))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise broken(error, written=False) from error
        if not 200 <= status < 300:
            raise refused(status, answer, wait)

    async def close(self) -> None:
        """Let go of the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None


def _decoded(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return body.decode("utf-8", "replace")


def _seconds(header: str | None) -> float | None:
    try:
        return float(header) if header else None
    except ValueError:
        return None
