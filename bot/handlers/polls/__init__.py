"""Polls: one question in any rooms, one tally."""

from __future__ import annotations

from bot.engine.registry import Registry
from bot.handlers.context import Context
from bot.handlers.polls import manage, posting, results, voting


def register(registry: Registry[Context]) -> None:
    """All of polls but what time brings about (`life.Clerk`, `drafted.Sketcher`)."""
    for part in (posting, results, voting, manage):
        part.register(registry)
