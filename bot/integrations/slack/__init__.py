"""Slack: Socket Mode in, the Web API out."""

from bot.integrations.slack.manifest import manifest
from bot.integrations.slack.platform import SlackConfig, SlackPlatform

__all__ = ["SlackConfig", "SlackPlatform", "manifest"]
