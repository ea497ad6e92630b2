"""All local platforms on one port of 127.0.0.1, with the control interface and the page beside them."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler

from bot.sandbox.control import Control
from bot.sandbox.discord import DiscordServer
from bot.sandbox.drand import DrandServer
from bot.sandbox.frame import Clock, Frame, Journal, Platform, Service
from bot.sandbox.openai import OpenAIServer
from bot.sandbox.page import page_routes
from bot.sandbox.slack import SlackServer
from bot.sandbox.telegram import TelegramServer

HOST = "127.0.0.1"
STOP_SECONDS = 1.0
"""How long open requests may still run when the sandbox stops."""
BODY_BYTES = 64 * 1024 * 1024
_NAMES = {"127.0.0.1", "localhost"}
_CLASSES: dict[str, Callable[[Frame], Platform]] = {
    "slack": SlackServer,
    "discord": DiscordServer,
    "telegram": TelegramServer,
}
PLATFORMS = tuple(_CLASSES)


@web.middleware
async def loopback_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse foreign `Host` names (a web page that re-binds its name to 127.0.0.1) and foreign pages' requests."""
    if request.host.rpartition(":")[0] not in _NAMES and request.host not in _NAMES:
        return web.json_response({"error": "the sandbox answers to 127.0.0.1 and localhost only"}, status=403)
    origin = request.headers.get("Origin")
    if origin is not None and origin.rpartition("://")[2] != request.host:
        return web.json_response({"error": f"pages from {origin} may not act here"}, status=403)
    return await handler(request)


@dataclass
class RunningSandbox:
    """A sandbox that listens; `stop` ends it."""

    base: str
    """`http://127.0.0.1:PORT`."""
    frame: Frame
    platforms: dict[str, Platform]
    services: tuple[Service, ...]
    control: Control
    _runner: web.AppRunner

    @property
    def environment(self) -> dict[str, str]:
        """The `HERALD_...` variables that point a bot here."""
        return self.control.environment()

    async def stop(self) -> None:
        """Close connections and the journal; takes no longer than `STOP_SECONDS` per open request."""
        for platform in self.platforms.values():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(platform.close(), STOP_SECONDS / 2)
        for service in self.services:
            await service.close()
        await self._runner.cleanup()
        self.frame.journal.close()


async def start(
    port: int = 0, journal_path: Path | None = None, limits: bool = True, *, only: Collection[str] = PLATFORMS
) -> RunningSandbox:
    """Start every platform, or `only` those named, on `port` of 127.0.0.1 (0: any free one).

    `limits` says whether the platforms' published rate limits are enforced. Raises `OSError` where the port is taken or
    the journal cannot be written.
    """
    clock = Clock()
    frame = Frame(clock=clock, journal=Journal(clock, journal_path), limits=limits)
    platforms: dict[str, Platform] = {name: _CLASSES[name](frame) for name in PLATFORMS if name in only}
    openai = OpenAIServer(frame)
    services: tuple[Service, ...] = (openai, DrandServer(frame))
    control = Control(frame, platforms, openai, services)
    app = web.Application(middlewares=[loopback_only], client_max_size=BODY_BYTES)
    app.add_routes([*control.routes(), *page_routes()])
    for server in (*services, *platforms.values()):
        app.add_routes(server.routes())
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=STOP_SECONDS / 2)
    await runner.setup()
    site = web.TCPSite(runner, HOST, port)
    await site.start()
    frame.base = f"http://{HOST}:{runner.addresses[0][1]}"
    return RunningSandbox(frame.base, frame, platforms, services, control, runner)


async def serve(port: int = 0, journal_path: Path | None = None, limits: bool = True) -> None:
    """Run a sandbox until SIGINT or SIGTERM, after printing where it listens."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, stop.set)
    sandbox = await start(port, journal_path, limits)
    print(f"sandbox listening on {sandbox.base}", flush=True)  # noqa: T201 - scripts read this line
    try:
        await stop.wait()
    finally:
        await sandbox.stop()
