"""Slack: Socket Mode or signed requests in, the Web API out."""

from bot.integrations.slack.config import SlackConfig
from bot.integrations.slack.manifest import manifest
from bot.integrations.slack.platform import SlackPlatform

__all__ = ["SlackConfig", "SlackPlatform", "manifest"]
