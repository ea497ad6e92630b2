"""A card whose picture Discord does not take goes without it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

from bot.chat.messages import Card, Outgoing
from bot.chat.ports import Refused
from bot.integrations.discord.rest import INVALID_FORM, ROOM

log = logging.getLogger("herald.discord")

T = TypeVar("T")


async def shown(message: Outgoing, within: float, attempt: Callable[[Outgoing, float], Awaitable[T]]) -> T:
    """What `attempt` gives for the message in so many seconds, or for the same without its picture.

    Raises what the attempt raises.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + within
    try:
        return await attempt(message, within)
    except Refused as refused:
        left = end - loop.time()
        if not isinstance(message, Card) or not message.picture or refused.code != INVALID_FORM or left < ROOM:
            raise
    log.warning("discord: a card's picture was refused, it goes without")
    return await attempt(replace(message, picture=""), left)
