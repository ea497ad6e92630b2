"""Telegram over the Bot API: long polling in, `sendMessage` and its relatives out."""

from bot.integrations.telegram.http import AiohttpRequest
from bot.integrations.telegram.platform import TelegramConfig, TelegramPlatform

__all__ = ["AiohttpRequest", "TelegramConfig", "TelegramPlatform"]
