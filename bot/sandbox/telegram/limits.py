"""Telegram's published limits: about 30 messages a second in all, 20 a minute in a group, 1 a second in a private chat.

Edits share the budget of new messages. Short bursts are allowed, as by the real one. Time is the sandbox's, so that
moving the clock frees the budget.
"""

from __future__ import annotations

import math
from collections import deque

from bot.sandbox.frame import Clock
from bot.sandbox.telegram.errors import too_fast
from bot.sandbox.telegram.world import Chat

OVERALL = (30, 1.0)
GROUP = (20, 60.0)
PRIVATE = (3, 3.0)
"""One a second, of which up to three may come at once."""


class Limits:
    """Sliding windows of so many messages in so many seconds."""

    def __init__(self, clock: Clock, enforced: bool) -> None:
        self._clock = clock
        self._enforced = enforced
        self._overall: deque[float] = deque()
        self._chats: dict[int, deque[float]] = {}

    def take(self, chat: Chat) -> None:
        """Count a message or an edit in `chat`. Raises `ApiError` (429) where it is one too many."""
        if not self._enforced:
            return
        now = self._clock.now()
        own = self._chats.setdefault(chat.id, deque())
        wait = max(
            _wait(self._overall, OVERALL, now),
            _wait(own, PRIVATE if chat.type == "private" else GROUP, now),
        )
        if wait > 0:
            raise too_fast(math.ceil(wait))
        self._overall.append(now)
        own.append(now)


def _wait(window: deque[float], limit: tuple[int, float], now: float) -> float:
    """Seconds until the window has room."""
    most, seconds = limit
    while window and window[0] <= now - seconds:
        window.popleft()
    return 0.0 if len(window) < most else window[0] + seconds - now
