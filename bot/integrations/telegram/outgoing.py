"""Which method of the Bot API makes or changes a message, and its parameters but for the place. Pure."""

from __future__ import annotations

import math

from bot.chat.messages import Document, NativePoll, Outgoing
from bot.integrations.telegram import files, native, render
from bot.integrations.telegram.texts import Params, Unsendable


def create(message: Outgoing, latest: float = math.inf) -> tuple[str, Params]:
    """What makes it; moments up to `latest` (UTC seconds) are marked as such. Raises Unsendable."""
    match message:
        case NativePoll():
            return "sendPoll", native.create(message)
        case Document():
            return files.create(message, latest)
        case _:
            return "sendMessage", render.create(message, latest)


def change(message: Outgoing, latest: float = math.inf) -> tuple[str, Params]:
    """What changes it. Raises Unsendable, also for what stays as it was sent."""
    match message:
        case NativePoll() | Document():
            raise Unsendable(f"a {type(message).__name__} stays as it was sent")
        case _:
            return "editMessageText", render.change(message, latest)
