"""Interactions that are being answered: what is said about them afterwards waits until Discord has the answer.

A follow-up that overtakes the answer is refused (10015, Unknown Webhook), and the member would be told nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from bot.integrations.discord.fields import Json, text

LONGEST = 3.0
"""Seconds that Discord waits for an answer: after them there is nothing to wait for."""


class InHand:
    """The interactions of this process, by their tokens."""

    def __init__(self) -> None:
        self._open: dict[str, asyncio.Event] = {}

    @contextmanager
    def held(self, interaction: Json, linger: float = 0.0) -> Iterator[None]:
        """It is being answered inside of this, and for `linger` seconds after it."""
        token, answered = text(interaction, "token"), asyncio.Event()
        self._open[token] = answered

        def done() -> None:
            answered.set()
            self._open.pop(token, None)

        try:
            yield
        finally:
            if linger:
                asyncio.get_running_loop().call_later(linger, done)
            else:
                done()

    async def answered(self, token: str) -> None:
        """Wait until it is, where it is being answered here."""
        event = self._open.get(token)
        if event is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(LONGEST):
                    await event.wait()
