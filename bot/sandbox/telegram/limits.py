"""Telegram's published limits (core.telegram.org/bots/faq, "My bot is hitting limits"), which edits share with sends.

About 30 messages in any second over all, 20 in any minute in a group, and one a second in a chat, of which a short
burst may come at once. The figures are approximate in the FAQ; they are exact here, so that bots can be judged by them.
Time is the sandbox's, so that moving the clock frees the budget. A message that was refused costs nothing.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from dataclasses import dataclass

from bot.sandbox.frame import Clock, Json
from bot.sandbox.telegram.errors import too_fast
from bot.sandbox.telegram.world import Chat

OVERALL = (30, 1.0)
GROUP = (20, 60.0)
CHAT_PER_SECOND = 1.0
CHAT_BURST = 3
_REST_SECONDS = 60.0
"""After so long a silence a chat's budget is whole, and is forgotten."""
PUBLISHED: dict[str, Json] = {
    "all": {"calls": OVERALL[0], "seconds": OVERALL[1]},
    "group": {"calls": GROUP[0], "seconds": GROUP[1]},
    "chat": {"calls": CHAT_PER_SECOND, "seconds": 1.0, "burst": CHAT_BURST},
    "counted": "messages that are sent, copied, forwarded or edited, and polls that are stopped",
}


@dataclass
class _Bucket:
    """A chat's allowance of single messages."""

    tokens: float
    at: float

    def wait(self, now: float) -> float:
        """Seconds until a message is allowed."""
        self.tokens = min(CHAT_BURST, self.tokens + (now - self.at) * CHAT_PER_SECOND)
        self.at = now
        return max(0.0, (1 - self.tokens) / CHAT_PER_SECOND)


class Limits:
    """Counts the messages of the bot."""

    def __init__(self, clock: Clock, enforced: bool) -> None:
        self._clock = clock
        self.enforced = enforced
        self._overall: deque[float] = deque()
        self._groups: dict[int, deque[float]] = {}
        self._chats: OrderedDict[int, _Bucket] = OrderedDict()

    def take(self, chat: Chat) -> None:
        """Count a message or an edit in `chat`. Raises `ApiError` (429) where it is one too many."""
        if not self.enforced:
            return
        now = self._clock.now()
        bucket = self._chats.setdefault(chat.id, _Bucket(CHAT_BURST, now))
        self._chats.move_to_end(chat.id)
        group = None if chat.type == "private" else self._groups.setdefault(chat.id, deque())
        minute = 0.0 if group is None else _wait(group, GROUP, now)
        wait = max(_wait(self._overall, OVERALL, now), minute, bucket.wait(now))
        if wait > 0:
            raise too_fast(math.ceil(wait))
        self._overall.append(now)
        bucket.tokens -= 1
        if group is not None:
            group.append(now)
        while (oldest := next(iter(self._chats.items())))[1].at < now - _REST_SECONDS:
            del self._chats[oldest[0]]


def _wait(window: deque[float], limit: tuple[int, float], now: float) -> float:
    """Seconds until the window has room."""
    most, seconds = limit
    while window and window[0] <= now - seconds:
        window.popleft()
    return 0.0 if len(window) < most else window[0] + seconds - now
