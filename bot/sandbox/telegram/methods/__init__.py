"""The methods that the local Bot API server carries out; the tables know all others by name."""

from bot.sandbox.telegram.methods import bot, chats, files, messages, polls
from bot.sandbox.telegram.methods.base import METHODS, Api, Press

__all__ = ["METHODS", "Api", "Press", "bot", "chats", "files", "messages", "polls"]
