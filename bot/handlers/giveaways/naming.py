"""What giveaways and entries are called."""

from __future__ import annotations

import secrets

from bot.domain.places import Member

PREFIX = "w."
SALT_BYTES, SEED_BYTES = 16, 32


def new_name() -> str:
    """A random public id of 14 characters (fdraw/1 allows letters, digits, dot, hyphen and underscore)."""
    return PREFIX + secrets.token_urlsafe(9)


def address(member: Member) -> str:
    """Who a ticket is made for (fdraw/1, 2): platform and user id."""
    return f"{member.platform}:{member.user_id}"
