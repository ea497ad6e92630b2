"""Tasks that belong together: waited for together, and each stopped once."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
STOP_SECONDS = 9.0
"""How long tasks may take to stop; the program has ten seconds in all."""
FIRST_SECONDS = 2.0
"""The part of it for those that are to stop before the others: these have something to do for them until then."""


async def wait_all(tasks: list[asyncio.Task[None]]) -> None:
    """Wait for all, or raise what the first raises.

    Unlike `gather` it leaves them alone when it is cancelled: they are stopped once, a second cancellation would cut
    short what they do at their end.
    """
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    for task in done:
        task.result()


async def stop_all(tasks: list[asyncio.Task[None]], within: float = STOP_SECONDS) -> None:
    """Cancel all, and wait so many seconds until they have ended. Those that are being stopped are only waited for."""
    for task in tasks:
        if not task.cancelling():
            task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=within)


async def completed(work: Coroutine[Any, Any, T]) -> T:
    """What this gives; whoever is cancelled meanwhile is cancelled when it has ended, or after `FIRST_SECONDS`.

    For what is a whole only together: what is committed, and what is to be said of it.
    """
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task], timeout=FIRST_SECONDS)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        raise
