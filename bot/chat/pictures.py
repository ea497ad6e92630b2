"""Pictures on cards: ornaments. One that cannot be shown is left out, and the card stays."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from typing import Final, TypeVar
from urllib.parse import quote, urlsplit

from bot.chat.messages import Card, Outgoing
from bot.chat.ports import NotSent, Refused

log = logging.getLogger("herald.pictures")

AGAIN: Final = 3600.0
"""Seconds for which a picture that was refused is left out: each further edit would have it fetched again."""
REMEMBERED: Final = 200
_ROOM: Final = 0.5
"""Seconds that a request needs at least."""
_KEPT: Final = "%/:?#[]@!$&'()*+,;=-._~"
"""What stands in an address as it is (RFC 3986, section 2.2), and escapes that are there already."""

T = TypeVar("T")


def usable(picture: str, longest: int) -> str:
    """The address as it goes on the wire, in at most `longest` characters; empty for what is no https address."""
    try:
        parts = urlsplit(picture)
        host = parts.hostname or ""
        parts.port  # noqa: B018 - raises for what is none
    except ValueError:
        return ""
    if parts.scheme != "https" or "." not in host or not host.isascii() or not picture.isprintable() or " " in picture:
        return ""
    address = quote(picture, safe=_KEPT)
    return address if len(address) <= longest else ""


class Pictures:
    """Those that a platform would not show, known by the `codes` of its refusals; each process learns for itself."""

    def __init__(self, codes: Collection[str]) -> None:
        self._codes = codes
        self._until: OrderedDict[str, float] = OrderedDict()

    async def shown(self, message: Outgoing, within: float, attempt: Callable[[Outgoing, float], Awaitable[T]]) -> T:
        """What `attempt` gives for the message, or for the same without its picture.

        An attempt is told its seconds; together they have `within`. Raises SendError.
        """
        if not isinstance(message, Card) or not message.picture:
            return await attempt(message, within)
        plain, loop = replace(message, picture=""), asyncio.get_running_loop()
        if self._until.get(message.picture, 0.0) > loop.time():
            return await attempt(plain, within)
        end = loop.time() + within
        try:
            return await attempt(message, within)
        except Refused as refused:
            if refused.code not in self._codes:
                raise
            log.warning("a card's picture was refused, it goes without: %s", refused)
        self._leave_out(message.picture, loop.time() + AGAIN)
        left = end - loop.time()
        if left < _ROOM:
            raise NotSent("a picture was refused, and no time is left")
        return await attempt(plain, left)

    def _leave_out(self, picture: str, until: float) -> None:
        self._until[picture] = until
        self._until.move_to_end(picture)
        while len(self._until) > REMEMBERED:
            self._until.popitem(last=False)
