"""A card whose picture Slack cannot fetch goes without it: Slack refuses the whole message."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

from bot.chat.messages import Card, Outgoing
from bot.chat.ports import NotSent, Refused, Unclear

log = logging.getLogger("herald.slack")

AGAIN = 3600.0
"""Seconds for which a picture that was refused is left out: each further edit would have Slack fetch it again."""
REMEMBERED = 200
_ROOM = 0.5
"""Seconds that a request needs at least."""
_REFUSED = frozenset({"invalid_blocks", "invalid_blocks_format", "downloading_image_failed"})

T = TypeVar("T")


class Pictures:
    """Those that Slack would not show; each process learns for itself."""

    def __init__(self) -> None:
        self._until: OrderedDict[str, float] = OrderedDict()

    async def shown(self, message: Outgoing, within: float, attempt: Callable[[Outgoing], Awaitable[T]]) -> T:
        """What `attempt` gives for the message, or for the same without its picture, in so many seconds together.

        Raises SendError.
        """
        if not isinstance(message, Card) or not message.picture:
            return await attempt(message)
        plain, loop = replace(message, picture=""), asyncio.get_running_loop()
        if self._until.get(message.picture, 0.0) > loop.time():
            return await attempt(plain)
        end = loop.time() + within
        try:
            return await attempt(message)
        except Refused as refused:
            if refused.code not in _REFUSED:
                raise
            log.warning("slack: a card's picture was refused, it goes without: %s", refused)
        self._leave_out(message.picture, loop.time() + AGAIN)
        if end - loop.time() < _ROOM:
            raise NotSent("a picture was refused, and no time is left")
        try:
            async with asyncio.timeout_at(end):
                return await attempt(plain)
        except TimeoutError as error:
            raise Unclear("Slack did not answer in time") from error

    def _leave_out(self, picture: str, until: float) -> None:
        self._until[picture] = until
        self._until.move_to_end(picture)
        while len(self._until) > REMEMBERED:
            self._until.popitem(last=False)
