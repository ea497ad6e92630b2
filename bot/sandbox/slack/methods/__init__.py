"""The Web API's methods, by name; importing this package fills `registry.METHODS`."""

from bot.sandbox.slack.methods import app, chat, conversations, files, reactions, users, views
from bot.sandbox.slack.methods.registry import METHODS, Call, Method

__all__ = ["METHODS", "Call", "Method", "app", "chat", "conversations", "files", "reactions", "users", "views"]
