"""The order in which an application stops."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from bot.app import App


async def test_whoever_says_things_stops_after_the_router(monkeypatch: pytest.MonkeyPatch) -> None:
    """The router completes what it is committing, and that is still to be said."""
    stopped: list[str] = []

    async def part(name: str, turns: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            for _ in range(turns):
                await asyncio.sleep(0)
            stopped.append(name)

    monkeypatch.setattr(App, "_shared", lambda _: [part("leases", 0)])
    monkeypatch.setattr(App, "_parts", lambda *_: [part("voice", 0)])
    app: Any = App.__new__(App)
    app.duty, app.base = "worker", SimpleNamespace(keeper=None)
    app.router = SimpleNamespace(run=lambda: part("router", 5))
    running = asyncio.create_task(app._run_parts(print))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    running.cancel()
    async with asyncio.timeout(30):
        await asyncio.wait([running])
    assert running.cancelled()
    assert stopped == ["router", "voice", "leases"]
