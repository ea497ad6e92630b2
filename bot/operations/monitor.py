"""What `GET /health` and `GET /metrics` say."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

import sqlalchemy as sa
from aiohttp import web
from aiohttp.typedefs import Handler
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from bot.chat.ports import StoreUnavailable
from bot.operations.figures import of_store
from bot.operations.metrics import Moment, exposition
from bot.storage.store import Store

STORE_SECONDS = 2.5
"""How long the store may take to show that it works."""
BEAT_SECONDS = 0.5
"""How often the loop is asked whether it is late."""
BEATS = 120
"""The worst of so many is told: that of the last minute."""


@dataclass(frozen=True)
class Watched:
    """What is watched: the parts of a running application, which go on changing."""

    store: Store
    now: Callable[[], float]
    platforms: Collection[str]
    ready: Collection[str]
    down: Mapping[str, str]
    passing: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """How many direct answers to presses were given or not, by platform; counted on by whoever gives them."""

    def connected(self) -> dict[str, bool]:
        """Each configured platform, and whether it has connected and not stopped since."""
        return {name: name in self.ready and name not in self.down for name in self.platforms}


class Monitor:
    """Looks at one application."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._lags: deque[float] = deque([0.0], BEATS)
        self._reading = asyncio.Lock()

    def routes(self) -> dict[str, Handler]:
        """What to answer under which path."""
        return {"/health": self._health, "/metrics": self._metrics}

    async def run(self) -> None:
        """Wake up again and again until cancelled; how late that is, is how late everything is."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + BEAT_SECONDS
            await asyncio.sleep(BEAT_SECONDS)
            self._lags.append(max(loop.time() - due, 0.0))

    async def _health(self, _: web.Request) -> web.Response:
        reasons = [
            {"part": name, "why": "stopped" if name in self._watched.down else "not connected"}
            for name, connected in self._watched.connected().items()
            if not connected
        ]
        try:
            async with asyncio.timeout(STORE_SECONDS):  # by the writer: whatever is to be kept goes through it
                await self._watched.store.write(lambda connection: connection.execute(sa.text("SELECT 1")).scalar())
        except TimeoutError:
            reasons.append({"part": "store", "why": "no answer in time"})
        except StoreUnavailable:
            reasons.append({"part": "store", "why": "unavailable"})
        return web.json_response({"well": not reasons, "reasons": reasons}, status=503 if reasons else 200)

    async def _metrics(self, _: web.Request) -> web.Response:
        watched = self._watched
        async with self._reading:  # one reading at a time, however many ask
            moment = Moment(watched.now(), watched.connected(), max(self._lags), watched.passing)
            body = exposition(await of_store(watched.store, moment.now), moment)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})
