"""Payloads of buttons and forms: `v1|<view id>|<action>|<MAC>`, at most 64 bytes (RELIABILITY section 5).

The MAC binds platform, channel, view and action; what the payload means is in the view's row.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass

from bot.chat.messages import PAYLOAD_BYTES
from bot.domain.places import Channel
from bot.domain.roles import Action

VERSION = "v1"


def new_id() -> str:
    """22 random characters: 128 bits, fit for views and delivery keys."""
    return secrets.token_urlsafe(16)


@dataclass(frozen=True, slots=True)
class Pressed:
    """A payload that we made: which view, and what to do."""

    view: str
    action: Action


class Signer:
    """Makes and checks payloads under the installation's key (32 bytes)."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def change_key(self, key: bytes) -> None:
        """Sign and check with this key from now on: several processes learn theirs from the database they share."""
        self._key = key

    def make(self, view: str, action: Action, channel: Channel) -> str:
        """The payload for a button in this channel."""
        payload = f"{VERSION}|{view}|{action.value}|{self._mac(view, action.value, channel)}"
        if len(payload.encode()) > PAYLOAD_BYTES:
            raise ValueError(f"payload of {action} is longer than {PAYLOAD_BYTES} bytes")
        return payload

    def read(self, payload: str, channel: Channel) -> Pressed | None:
        """What a payload says, or None if it is not ours, not whole, or not of this channel."""
        match payload.split("|"):
            case [version, view, action, mac] if version == VERSION:
                expected = self._mac(view, action, channel)
                if hmac.compare_digest(mac.encode("utf-8", "surrogatepass"), expected.encode()):
                    return Pressed(view, Action(action))
        return None

    def _mac(self, view: str, action: str, channel: Channel) -> str:
        bound = "\x00".join((channel.platform, channel.channel_id, view, action))
        digest = hmac.new(self._key, bound.encode("utf-8", "surrogatepass"), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest)[:16].decode()
