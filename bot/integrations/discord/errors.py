"""Which outcome of a request means what: surely not done, refused for good, or unclear (RELIABILITY section 3)."""

from __future__ import annotations

from typing import Final

import aiohttp
import discord

from bot.chat.ports import NotSent, Refused, SendError, Unclear

UNKNOWN_MESSAGE: Final = 10008
UNAUTHORIZED: Final = 401
TOO_MANY: Final = 429

GONE: Final = "gone"
"""The code of Refused when the message to change is not there any more."""
NO_TOKEN: Final = "unauthorized"  # noqa: S105 - a code, no secret
"""The code of Refused when Discord does not take the token."""


def refused(status: int, body: object, retry_after: float | None = None) -> SendError:
    """The error for an answer that is not a success.

    `body` is the decoded JSON or the text, `retry_after` the header of that name in seconds.
    """
    answer = body if isinstance(body, dict) else {}
    code = answer.get("code") or status
    if status == TOO_MANY:
        told = answer.get("retry_after")
        return NotSent("rate limited", float(told) if isinstance(told, int | float) else retry_after)
    if status == UNAUTHORIZED:
        return Refused("Discord does not accept the bot's token", NO_TOKEN)
    if 400 <= status < 500:
        return Refused(f"HTTP {status}, code {code}", GONE if code == UNKNOWN_MESSAGE else str(code))
    return Unclear(f"HTTP {status}")


def broken(error: BaseException, *, written: bool) -> SendError:
    """The error for a request that ended without an answer.

    `written`: an earlier or this attempt reached the server, so that it may have been done.
    """
    if isinstance(error, discord.RateLimited):
        return (
            Unclear("rate limited after an unclear attempt") if written else NotSent("rate limited", error.retry_after)
        )
    reason = type(error).__name__
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError) and not written:
        return NotSent(f"no connection: {reason}")
    if isinstance(error, discord.HTTPException):
        return refused(error.status, {"code": error.code})
    return Unclear(f"no answer: {reason}")
