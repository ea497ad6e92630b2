"""How an HTTP answer goes wrong on purpose: the connection is cut, or held open and never answered."""

from __future__ import annotations

import asyncio

from aiohttp import web

from bot.sandbox.frame import Fault

HOLD_SECONDS = 120.0
"""The longest that an unanswered connection is held: longer than any client's own deadline."""

_LOOK_SECONDS = 0.05


def cut(request: web.Request) -> web.Response:
    """Cut the TCP connection at once, so that the client sees a reset. The answer returned goes nowhere."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def until_gone(request: web.Request, closing: asyncio.Event | None = None) -> None:
    """Hold the connection open until the client gives up, `closing` is set, or `HOLD_SECONDS` are over."""
    loop = asyncio.get_running_loop()
    end = loop.time() + HOLD_SECONDS
    while request.transport is not None and not request.transport.is_closing() and loop.time() < end:
        if closing is not None and closing.is_set():
            return
        await asyncio.sleep(_LOOK_SECONDS)  # a transport has no event for its end


async def hold(request: web.Request) -> web.Response:
    """Hold the connection open without answering until the client gives up (at most `HOLD_SECONDS`), then cut it."""
    await until_gone(request)
    return cut(request)


async def lag(request: web.Request, fault: Fault | None, closing: asyncio.Event | None = None) -> None:
    """For a fault that is `late`: wait until the client has left, and its seconds longer. Nothing for any other."""
    if fault is None or fault.late is None:
        return
    await until_gone(request, closing)
    await asyncio.sleep(fault.late)
