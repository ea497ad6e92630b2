"""What polls are called in payloads and files."""

from __future__ import annotations

import secrets

from bot.domain.polls import Question


def new_name(question: Question) -> str:
    """A random name of 14 characters; it tells an anonymous poll from a named one, before anything is looked up."""
    return ("a." if question.anonymous else "p.") + secrets.token_urlsafe(9)
