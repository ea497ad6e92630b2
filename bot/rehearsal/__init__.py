"""Plays scenarios and feeds against the bot and the sandbox, which run as processes of their own."""

from bot.rehearsal.errors import RehearsalError
from bot.rehearsal.options import Options
from bot.rehearsal.rehearse import rehearse
from bot.rehearsal.report import Report, recompute

__all__ = ["Options", "RehearsalError", "Report", "recompute", "rehearse"]
