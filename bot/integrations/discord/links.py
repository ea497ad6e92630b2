"""Addresses of messages. Pure."""

from __future__ import annotations

from bot.domain.places import Channel

DIRECT = "dm-"
"""A direct conversation has no guild; its tenant is this and the member's id. No colon: addresses are split at it."""


def link(at: Channel, message_id: str) -> str | None:
    """Where people can open a message (reference, "Message Formatting"); None for one that was deleted unseen."""
    if not message_id:
        return None
    guild = "@me" if at.tenant.startswith(DIRECT) else at.tenant
    return f"https://discord.com/channels/{guild}/{at.channel_id}/{message_id}"
