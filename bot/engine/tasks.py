"""Tasks that belong together: waited for together, and each stopped once."""

from __future__ import annotations

import asyncio

STOP_SECONDS = 9.0
"""How long tasks may take to stop; the program has ten seconds in all."""


async def wait_all(tasks: list[asyncio.Task[None]]) -> None:
    """Wait for all, or raise what the first raises.

    Unlike `gather` it leaves them alone when it is cancelled: they are stopped once, a second cancellation would cut
    short what they do at their end.
    """
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    for task in done:
        task.result()


async def stop_all(tasks: list[asyncio.Task[None]]) -> None:
    """Cancel all, and wait until they have ended."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=STOP_SECONDS)
