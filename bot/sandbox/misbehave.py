"""How an HTTP answer goes wrong on purpose: the connection is cut, or held open and never answered."""

from __future__ import annotations

import asyncio

from aiohttp import web

HOLD_SECONDS = 120.0
"""The longest that an unanswered connection is held: longer than any client's own deadline."""

_LOOK_SECONDS = 0.05


def cut(request: web.Request) -> web.Response:
    """Cut the TCP connection at once, so that the client sees a reset. The answer returned goes nowhere."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def hold(request: web.Request) -> web.Response:
    """Hold the connection open without answering until the client gives up (at most `HOLD_SECONDS`), then cut it."""
    loop = asyncio.get_running_loop()
    end = loop.time() + HOLD_SECONDS
    while request.transport is not None and not request.transport.is_closing() and loop.time() < end:  # noqa: ASYNC110 - a transport has no event for its end
        await asyncio.sleep(_LOOK_SECONDS)
    return cut(request)
