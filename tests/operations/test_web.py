"""What platforms deliver over HTTP: how it is taken, and what is refused before anybody looks at it."""

from __future__ import annotations

import asyncio
import gzip
import io
import resource
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import aiohttp
import pytest
from faults.world import until

from bot.chat.ports import HttpReply, HttpRequest, StoreUnavailable
from bot.operations import web
from bot.operations.web import Web
from bot.settings import Http

MEGABYTE = 1024 * 1024


class Taken:
    """A hook that keeps what it was given, and does what a test wants."""

    def __init__(self) -> None:
        self.requests: list[HttpRequest] = []
        self.raises: Exception | None = None
        self.gate: asyncio.Event | None = None
        self.open = 0

    async def __call__(self, request: HttpRequest) -> HttpReply:
        self.requests.append(request)
        self.open += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.raises is not None:
            raise self.raises
        return HttpReply(200, b'{"ok": true}', "application/json")


@asynccontextmanager
async def serving(hook: Taken) -> AsyncIterator[str]:
    server = Web(Http(bind="127.0.0.1:0"), {}, {"/tea/events": hook})
    task = asyncio.create_task(server.run())
    try:
        await until("it listens", lambda: server.port or task.done())
        yield f"http://127.0.0.1:{server.port}/tea/events"
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def post(url: str, **options: object) -> tuple[int, bytes]:
    async with aiohttp.ClientSession() as session, session.post(url, **options) as answer:  # type: ignore[arg-type]
        return answer.status, await answer.read()


async def test_a_delivery_reaches_its_hook_as_it_came_under_any_name() -> None:
    hook = Taken()
    async with serving(hook) as url:
        headers = {"X-Signature": "v0=1", "Host": "herald.example.org"}
        assert await post(url, data=b"\xff{}", headers=headers) == (200, b'{"ok": true}')
    assert hook.requests[0].body == b"\xff{}"
    assert hook.requests[0].headers["x-signature"] == "v0=1"


async def test_only_post_is_a_delivery() -> None:
    hook = Taken()
    async with serving(hook) as url, aiohttp.ClientSession() as session:
        for method in ("GET", "PUT", "DELETE"):
            async with session.request(method, url) as answer:
                assert answer.status == 405
    assert hook.requests == []


@pytest.mark.parametrize(
    ("raises", "status"), [(StoreUnavailable("disk is full"), 503), (ValueError("secret-token"), 500)]
)
async def test_what_could_not_be_stored_is_not_acknowledged(raises: Exception, status: int) -> None:
    hook = Taken()
    hook.raises = raises
    async with serving(hook) as url:
        assert await post(url, data=b"{}") == (status, b"")


async def endless(size: int) -> AsyncIterator[bytes]:
    with suppress(ConnectionError):
        for _ in range(size // 65536):
            yield bytes(65536)


async def test_large_bodies_are_refused_without_being_read() -> None:
    hook = Taken()
    refused: list[Callable[[], object]] = [lambda: io.BytesIO(bytes(MEGABYTE + 1)), lambda: endless(100 * MEGABYTE)]
    async with serving(hook) as url:
        assert (await post(url, data=io.BytesIO(bytes(MEGABYTE))))[0] == 200
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for body in refused:
            with suppress(aiohttp.ClientError):  # we hang up while it is still sending: as good as a refusal
                assert (await post(url, data=body()))[0] == 413
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert [len(request.body) for request in hook.requests] == [MEGABYTE]
    assert grown < 20 * 1024


async def test_compressed_bodies_are_refused_unopened() -> None:
    hook = Taken()
    bomb = gzip.compress(bytes(50 * MEGABYTE))
    async with serving(hook) as url:
        assert (await post(url, data=bomb, headers={"Content-Encoding": "gzip"}))[0] == 415
        assert (await post(url, data=b"{}", headers={"Content-Encoding": "identity"}))[0] == 200
    assert len(hook.requests) == 1


async def test_a_body_that_does_not_come_ends_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "READ_SECONDS", 0.2)
    hook = Taken()
    never = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"{"
        await never.wait()

    async with serving(hook) as url, asyncio.timeout(20):
        with suppress(aiohttp.ClientError):
            assert (await post(url, data=slow()))[0] == 408
    assert hook.requests == []


async def test_a_delivery_that_takes_too_long_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "HOOK_SECONDS", 0.2)
    hook = Taken()
    hook.gate = asyncio.Event()
    async with serving(hook) as url:
        assert (await post(url, data=b"{}"))[0] == 503


async def test_no_more_than_so_many_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "AT_ONCE", 2)
    hook = Taken()
    hook.gate = asyncio.Event()
    async with serving(hook) as url:
        waiting = [asyncio.create_task(post(url, data=b"{}")) for _ in range(2)]
        await until("both are busy", lambda: hook.open == 2)
        assert (await post(url, data=b"{}"))[0] == 503
        hook.gate.set()
        assert [status for status, _ in await asyncio.gather(*waiting)] == [200, 200]
        assert (await post(url, data=b"{}"))[0] == 200
