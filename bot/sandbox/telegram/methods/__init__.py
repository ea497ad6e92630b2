"""The methods that the local Bot API server carries out; the tables know all others by name."""

from bot.sandbox.telegram.methods import bot, chats, files, messages, polls
from bot.sandbox.telegram.methods.base import METHODS, Api, Press
from bot.sandbox.telegram.methods.messages import ANSWER_SECONDS

__all__ = ["ANSWER_SECONDS", "METHODS", "Api", "Press", "bot", "chats", "files", "messages", "polls"]
