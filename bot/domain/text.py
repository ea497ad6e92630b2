"""Lengths and fingerprints of texts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal

Units = Literal["codepoints", "utf16"]
"""How a platform counts: Discord and Slack by code points, Telegram by UTF-16 units."""


def length(text: str, units: Units) -> int:
    """How long a platform counts this text to be."""
    return len(text) if units == "codepoints" else len(text.encode("utf-16-le", "surrogatepass")) // 2


def fingerprint(*texts: str) -> str:
    """SHA-256 over the texts as 32 hex digits; where one ends and the next begins counts too."""
    digest = hashlib.sha256()
    for text in texts:
        data = text.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()[:32]


def cut(text: str, limit: int) -> str:
    """The text, or its first `limit` - 1 characters and an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


LEAST = 40
"""A line is rather left out than made shorter than this."""
_ESCAPED = frozenset("\\*_`~|<]@:#->+")
"""What some platform needs another character for, so that it is shown as it is."""


def weigh(text: str) -> int:
    """How long a text is at most on any platform: in UTF-16 units, and with what has a meaning there escaped."""
    return len(text) + sum(one > "\uffff" or one in _ESCAPED for one in text)


def fit(lines: Sequence[str], room: int) -> tuple[str, ...]:
    """The lines in so much room (as `weigh` counts, and one for the end of each): the longest are shortened first.

    Where all would become too short to be read, lines in the middle give way to one "…".
    """
    kept = list(lines)
    most = max(room // (LEAST + 1), 1)
    weights = [weigh(line) for line in kept]
    if sum(weights) + len(weights) <= room:
        return tuple(kept)
    if len(kept) > most:
        before = (most - 1) // 2
        kept = [*kept[:before], "…", *kept[len(kept) - (most - 1 - before) :]]
        weights = [weigh(line) for line in kept]
    left = room - len(kept)
    for done, weight in enumerate(sorted(weights)):
        level = left // (len(weights) - done)
        if weight > level:
            return tuple(line if weigh(line) <= level else lighter(line, level) for line in kept)
        left -= weight
    return tuple(kept)


def lighter(text: str, weight: int) -> str:
    """The beginning of a text with an ellipsis, no heavier than this."""
    left = weight - 1
    for at, one in enumerate(text):
        left -= weigh(one)
        if left < 0:
            return text[:at] + "…" if weight > 0 else ""
    return text
