"""`GET /health` and `GET /metrics` for whoever watches over an installation; off unless `http.bind` is set."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from aiohttp import web
from aiohttp.typedefs import Handler
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from yarl import URL

from bot.chat.ports import StoreUnavailable
from bot.operations.metrics import Moment, exposition
from bot.settings import Http, SettingsFault
from bot.storage.sqlite import SqliteStore

ANSWER_SECONDS = 5.0
"""How long an answer may take; then it is 503."""
IDLE_SECONDS = 15.0
"""How long a connection may stay open between two requests."""
STOP_SECONDS = 1.0
BODY_BYTES = 1024
BEAT_SECONDS = 0.5
"""How often the loop is asked whether it is late."""
BEATS = 120
"""The worst of so many is told: that of the last minute."""

log = logging.getLogger("herald.monitor")


@dataclass(frozen=True)
class Watched:
    """What is watched: the parts of a running application, which go on changing."""

    store: SqliteStore
    now: Callable[[], float]
    platforms: Collection[str]
    ready: Collection[str]
    down: Mapping[str, str]

    def connected(self) -> dict[str, bool]:
        """Each configured platform, and whether it has connected and not stopped since."""
        return {name: name in self.ready and name not in self.down for name in self.platforms}


class Monitor:
    """The endpoint of one application."""

    def __init__(self, settings: Http, watched: Watched) -> None:
        self._settings = settings
        self._watched = watched
        self._lags: deque[float] = deque([0.0], BEATS)
        self._reading = asyncio.Lock()
        self.port: int | None = None
        """Where it listens, once it does."""

    async def run(self) -> None:
        """Answer until cancelled; returns at once where no address is set. Raises SettingsFault if it is taken."""
        address = self._settings.address
        if address is None:
            return
        app = web.Application(middlewares=[self._guard], client_max_size=BODY_BYTES)
        app.router.add_get("/health", self._health)
        app.router.add_get("/metrics", self._metrics)
        runner = web.AppRunner(
            app,
            access_log=None,
            keepalive_timeout=IDLE_SECONDS,
            shutdown_timeout=STOP_SECONDS,
            lingering_time=STOP_SECONDS,
        )
        await runner.setup()
        try:
            await self._listen(runner, *address)
            await self._beat()
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
        log.info("health and metrics on http://%s", URL.build(scheme="http", host=host, port=self.port).authority)

    async def _beat(self) -> None:
        """Wake up again and again; how late that is, is how late everything is."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + BEAT_SECONDS
            await asyncio.sleep(BEAT_SECONDS)
            self._lags.append(max(loop.time() - due, 0.0))

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not is_ours(request.headers.get("Host"), self._settings.hosts):
            return web.json_response({"error": "this name is not in http.hosts"}, status=403)
        if request.can_read_body:
            return web.json_response({"error": "a request has no body here"}, status=413)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                answer = await handler(request)
        except TimeoutError:
            answer = web.json_response({"well": False, "reasons": [{"part": "herald", "why": "too slow"}]}, status=503)
        answer.headers["Cache-Control"] = "no-store"
        answer.headers["X-Content-Type-Options"] = "nosniff"
        return answer

    async def _health(self, _: web.Request) -> web.Response:
        reasons = [
            {"part": name, "why": "stopped" if name in self._watched.down else "not connected"}
            for name, connected in self._watched.connected().items()
            if not connected
        ]
        try:
            async with asyncio.timeout(ANSWER_SECONDS / 2):  # by the writer: whatever is to be kept goes through it
                await self._watched.store.write(lambda connection: connection.execute(sa.text("SELECT 1")).scalar())
        except TimeoutError:
            reasons.append({"part": "store", "why": "no answer in time"})
        except StoreUnavailable:
            reasons.append({"part": "store", "why": "unavailable"})
        return web.json_response({"well": not reasons, "reasons": reasons}, status=503 if reasons else 200)

    async def _metrics(self, _: web.Request) -> web.Response:
        watched = self._watched
        async with self._reading:  # one reading at a time, however many ask
            moment = Moment(watched.now(), watched.connected(), max(self._lags))
            body = await asyncio.to_thread(exposition, watched.store.path, moment)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})


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
