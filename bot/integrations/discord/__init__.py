"""Discord, on discord.py."""

from bot.integrations.discord.client import DiscordConfig
from bot.integrations.discord.platform import DiscordPlatform

__all__ = ["DiscordConfig", "DiscordPlatform"]
