"""Giveaways: one list over any rooms, and a draw that anybody can check."""

from __future__ import annotations

from bot.engine.registry import Registry
from bot.handlers.context import Context
from bot.handlers.giveaways import appeals, entering, manage, posting, publishing, results, winning


def register(registry: Registry[Context]) -> None:
    """All of giveaways but what time brings about (`life.Clerk`)."""
    for part in (posting, publishing, results, entering, appeals, winning, manage):
        part.register(registry)
