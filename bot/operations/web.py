"""The one HTTP server of a process: `/health` and `/metrics` for whoever watches it, and the platforms' deliveries.

It is off unless `http.bind` is set. What platforms deliver is signed by them and so taken under any host name; what is
told about the installation is told to addresses and known names only.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Collection, Mapping

from aiohttp import web
from aiohttp.typedefs import Handler
from yarl import URL

from bot.chat.ports import Hook, HttpRequest, StoreUnavailable
from bot.domain.failpoints import Point, reach
from bot.settings import Http, SettingsFault

ANSWER_SECONDS = 5.0
"""How long an answer about the installation may take; then it is 503."""
READ_SECONDS = 5.0
"""How long a platform may take to hand over a body."""
HOOK_SECONDS = 10.0
"""How long a delivery may take to be stored; the platforms wait 3 to 60 s and then deliver it again."""
BODY_BYTES = 1024 * 1024
"""The longest body: several times what any of the platforms sends."""
AT_ONCE = 256
"""Deliveries at once; others are asked to come again."""
IDLE_SECONDS = 15.0
"""How long a connection may stay open between two requests."""
STOP_SECONDS = 1.0

log = logging.getLogger("herald.web")


class Web:
    """The server of one process: `routes` are GET handlers by path, `hooks` the platforms' deliveries by path."""

    def __init__(self, settings: Http, routes: Mapping[str, Handler], hooks: Mapping[str, Hook]) -> None:
        self._settings = settings
        self._routes = routes
        self._hooks = hooks
        self._busy = 0
        self.port: int | None = None
        """Where it listens, once it does."""

    async def run(self) -> None:
        """Answer until cancelled; returns at once where no address is set. Raises SettingsFault if it is taken."""
        address = self._settings.address
        if address is None:
            return
        app = web.Application(middlewares=[_quiet], client_max_size=BODY_BYTES)
        for path, handler in self._routes.items():
            app.router.add_get(path, self._about_us(handler))
        for path, hook in self._hooks.items():
            app.router.add_post(path, self._delivery(hook))
        runner = web.AppRunner(
            app,
            access_log=None,
            auto_decompress=False,  # a small body must not become a large one
            keepalive_timeout=IDLE_SECONDS,
            shutdown_timeout=STOP_SECONDS,
            lingering_time=STOP_SECONDS,
        )
        await runner.setup()
        try:
            await self._listen(runner, *address)
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()

    async def _listen(self, runner: web.AppRunner, host: str, port: int) -> None:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            why = error.strerror or str(error)
            fault = f"http.bind: {self._settings.bind} cannot be used: {why}; choose another address"
            raise SettingsFault([fault]) from error
        self.port = int(runner.addresses[0][1])
        where = URL.build(scheme="http", host=host, port=self.port).authority
        log.info("%s on http://%s", ", ".join([*self._routes, *self._hooks]), where)

    def _about_us(self, handler: Handler) -> Handler:
        async def answer(request: web.Request) -> web.StreamResponse:
            if not is_ours(request.headers.get("Host"), self._settings.hosts):
                return web.json_response({"error": "this name is not in http.hosts"}, status=403)
            if request.can_read_body:
                return web.json_response({"error": "a request has no body here"}, status=413)
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    return await handler(request)
            except TimeoutError:
                reason = {"part": "herald", "why": "too slow"}
                return web.json_response({"well": False, "reasons": [reason]}, status=503)

        return answer

    def _delivery(self, hook: Hook) -> Handler:
        async def answer(request: web.Request) -> web.StreamResponse:
            if self._busy >= AT_ONCE:
                return _refusal(503)
            self._busy += 1
            try:
                return await _delivered(hook, request)
            finally:
                self._busy -= 1

        return answer


async def _delivered(hook: Hook, request: web.Request) -> web.Response:
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        return _refusal(415)
    try:
        async with asyncio.timeout(READ_SECONDS):
            body = await _body(request)
    except TimeoutError:
        return _refusal(408)
    if body is None:
        return _refusal(413)
    headers = {name.lower(): value for name, value in request.headers.items()}
    try:
        async with asyncio.timeout(HOOK_SECONDS):
            reply = await hook(HttpRequest(headers, body))
        reach(Point.HOOK_STORED)
    except (StoreUnavailable, TimeoutError):
        return _refusal(503)  # not acknowledged: the platform keeps it
    except Exception as error:
        log.exception("a delivery to %s failed: %s", request.path, type(error).__name__)
        return _refusal(500)
    return web.Response(status=reply.status, body=reply.body, headers={"Content-Type": reply.content_type})


async def _body(request: web.Request) -> bytes | None:
    """The body, or None as soon as it is known to be too long."""
    if (request.content_length or 0) > BODY_BYTES:
        return None
    parts: list[bytes] = []
    size = 0
    async for part in request.content.iter_any():
        size += len(part)
        if size > BODY_BYTES:
            return None
        parts.append(part)
    return b"".join(parts)


def _refusal(status: int) -> web.Response:
    """Without a word about why; the connection ends, so that nobody goes on sending into it."""
    answer = web.Response(status=status)
    answer.force_close()
    if status == 503:
        answer.headers["Retry-After"] = "1"
    return answer


@web.middleware
async def _quiet(request: web.Request, handler: Handler) -> web.StreamResponse:
    answer = await handler(request)
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    return answer


def is_ours(host: str | None, hosts: Collection[str]) -> bool:
    """Whether a `Host` header names us: by an address, as `localhost`, or by a name from the settings.

    A page in somebody's browser can point a name of its own at our address (DNS rebinding), but then says that name.
    """
    try:
        name = URL.build(scheme="http", authority=host or "").host or ""
    except ValueError:
        return False
    if name == "localhost" or name in {one.lower() for one in hosts}:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
