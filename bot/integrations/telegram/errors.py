"""What a failed call means: surely not done, refused for good, or unclear."""

from __future__ import annotations

from bot.chat.ports import TOO_LARGE, NotSent, Refused, SendError, Unclear
from bot.integrations.telegram.http import ErrorAnswer, LostRequest

DEFAULT_WAIT = 1.0
"""Seconds to wait after a rate limit that does not say how long."""

NOBODY = "no-member"
"""The code of Refused for somebody whom Telegram does not know there."""
PICTURE = "picture"
"""The code of Refused for a card whose picture Telegram does not take."""

CODES = (
    ("message to edit not found", "gone"),
    ("message to delete not found", "gone"),
    ("message_id_invalid", "gone"),
    ("message with poll to stop not found", "gone"),
    ("poll has already been closed", "ended"),
    ("message is not modified", "unmodified"),
    ("query is too old", "late"),
    ("query_id_invalid", "late"),
    ("query id is invalid", "late"),
    ("chat not found", "no-chat"),
    ("user not found", NOBODY),
    ("member not found", NOBODY),
    ("participant_id_invalid", NOBODY),
    ("user_id_invalid", NOBODY),
    ("invalid user_id", NOBODY),
    ("webpage_", PICTURE),
    ("web page", PICTURE),
)
"""Telegram tells most refusals apart only by their words; these parts of them have been stable for years."""


class Migrated(Refused):
    """Refused because the group has become a supergroup; `chat` is its new id."""

    def __init__(self, reason: str, chat: str) -> None:
        super().__init__(f"{reason} (the new chat id is {chat})", "migrated")
        self.chat = chat


def classify(error: Exception) -> SendError:
    """Translate a failure of the SDK or of our HTTP backend. What is not surely known is Unclear."""
    match error:
        case ErrorAnswer():
            return _answer(error)
        case LostRequest(sent=False):
            return NotSent(str(error))
    return Unclear(type(error).__name__)  # its words may quote an address, and with it the token


def _answer(error: ErrorAnswer) -> SendError:
    if error.code == 429:
        wait = error.retry_after
        return NotSent(error.description, float(wait) if wait is not None else DEFAULT_WAIT)
    if not (error.genuine and 400 <= error.code <= 499):
        return Unclear(error.description)
    if error.migrate_to is not None:
        return Migrated(error.description, str(error.migrate_to))
    return Refused(error.description, _code(error))


def _code(error: ErrorAnswer) -> str:
    if error.code in (401, 404):  # Telegram answers 404 to a token that it cannot even read
        return "unauthorized"
    if error.code == 403:
        return "forbidden"
    if error.code == 413:
        return TOO_LARGE
    text = error.description.lower()
    return next((code for part, code in CODES if part in text), str(error.code))
