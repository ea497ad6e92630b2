"""Lengths and fingerprints of texts."""

from __future__ import annotations

import hashlib
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
