"""What Slack remembers of a channel, page by page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from bot.integrations.slack.api import Api
from bot.integrations.slack.parse import items, microseconds, string, timestamp

THREADS_BACK = 24 * 3600 * 1_000_000
"""How far before a moment the roots of threads are looked for that have newer replies, in microseconds."""
PAGE = 200

Message = dict[str, Any]


async def newer(api: Api, channel: str, since: int, *, threads: bool) -> list[Message]:
    """All messages after `since` (microseconds), oldest first; `threads`: also those in threads. Raises SendError."""
    oldest = timestamp(max(0, since - THREADS_BACK) if threads else since)
    roots = await _pages(
        lambda cursor: api.call(
            "conversations.history",
            lambda web: web.conversations_history(channel=channel, oldest=oldest, limit=PAGE, cursor=cursor),
        )
    )
    found = list(roots)
    for root in roots:
        if (microseconds(string(root, "latest_reply")) or 0) > since:
            found += await _replies(api, channel, string(root, "ts"), since)
    by_time = {micros: message for message in found if (micros := microseconds(string(message, "ts"))) is not None}
    return [by_time[micros] for micros in sorted(by_time) if micros > since]


async def _replies(api: Api, channel: str, root: str, since: int) -> list[Message]:
    return await _pages(
        lambda cursor: api.call(
            "conversations.replies",
            lambda web: web.conversations_replies(
                channel=channel, ts=root, oldest=timestamp(since), limit=PAGE, cursor=cursor
            ),
        )
    )


async def _pages(ask: Callable[[str | None], Awaitable[Any]]) -> list[Message]:
    found: list[Message] = []
    cursor: str | None = None
    while True:
        page = (await ask(cursor)).data
        found += [message for message in items(page, "messages") if isinstance(message, dict)]
        cursor = string(page, "response_metadata", "next_cursor")
        if not cursor:
            return found
