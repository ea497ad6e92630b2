"""Payloads of buttons and forms: `v1|<view id>|<what to do>|<MAC>`, at most 64 bytes (RELIABILITY section 5).

What to do is a word, with an argument behind a colon where it has one (`vote:2`). The MAC binds platform, channel, view
and what to do; what the payload means is in the view's row.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from functools import lru_cache

from bot.chat.messages import PAYLOAD_BYTES
from bot.domain.places import Channel
from bot.engine.registry import Pressed

VERSION = "v1"


def new_id() -> str:
    """22 random characters: 128 bits, fit for views and delivery keys."""
    return secrets.token_urlsafe(16)


def view_and_word(payload: str) -> tuple[str, str]:
    """The view and the word of a payload, unverified; empty where it has none."""
    match payload.split("|"):
        case [version, view, what, _] if version == VERSION:
            return view, what.partition(":")[0]
    return "", ""


class Signer:
    """Makes and checks payloads under the installation's key (32 bytes)."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def change_key(self, key: bytes) -> None:
        """Sign and check with this key from now on: several processes learn theirs from the database they share."""
        self._key = key

    def make(self, view: str, what: str, channel: Channel) -> str:
        """The payload for a button in this channel. Raises ValueError where it would be too long."""
        payload = f"{VERSION}|{view}|{what}|{self._mac(view, what, channel)}"
        if len(payload.encode()) > PAYLOAD_BYTES:
            raise ValueError(f"payload of {what} is longer than {PAYLOAD_BYTES} bytes")
        return payload

    def read(self, payload: str, channel: Channel) -> Pressed | None:
        """What a payload says, or None if it is not ours, not whole, or not of this channel."""
        match payload.split("|"):
            case [version, view, what, mac] if version == VERSION:
                expected = self._mac(view, what, channel)
                if hmac.compare_digest(mac.encode("utf-8", "surrogatepass"), expected.encode()):
                    word, _, argument = what.partition(":")
                    return Pressed(view, word, argument)
        return None

    def digest(self, purpose: str, text: str) -> str:
        """A keyed hash of a short text, by which it is recognised and not read; 64 hex digits."""
        bound = f"{purpose}\x00{text}".encode("utf-8", "surrogatepass")
        return hmac.new(self._key, bound, hashlib.sha256).hexdigest()

    def _mac(self, view: str, what: str, channel: Channel) -> str:
        return _mac(self._key, "\x00".join((channel.platform, channel.channel_id, view, what)))


@lru_cache(maxsize=4096)
def _mac(key: bytes, bound: str) -> str:
    """Remembered, since thousands press the same button."""
    digest = hmac.digest(key, bound.encode("utf-8", "surrogatepass"), "sha256")
    return base64.urlsafe_b64encode(digest)[:16].decode()
