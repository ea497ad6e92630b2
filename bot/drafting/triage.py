"""Whether a comment needs a reply, by rules that each have a name: the card can say why it is there."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from bot.drafting import cues
from bot.drafting.characters import strip_invisible
from bot.drafting.knowledge import Hit
from bot.drafting.language import LANGUAGES, identify

MAX_CHARACTERS = 2_000
"""Of a comment only this much is looked at."""

ON_TOPIC = 12.0
"""From this confidence on a statement is taken to be about something the team can tell (an answer takes more)."""

FLAG_SPAM, FLAG_ATTACK, FLAG_INJECTION, FLAG_INVISIBLE = "spam", "attack", "injection", "invisible"

_SPAM_POINTS = 2
_SPAM_POINTS_OF_QUESTION = 3


@dataclass(frozen=True, slots=True)
class Triage:
    """What a comment is. `reason` is a catalogue key (`triage.<word>`), `flags` are (`flag.<word>`)."""

    language: str
    needs_reply: bool
    reason: str
    flags: tuple[str, ...] = ()


def triage(
    text: str, *, hits: Sequence[Hit] = (), has_attachment: bool = False, languages: Sequence[str] = LANGUAGES
) -> Triage:
    """Judge a comment. `hits` are what the knowledge base finds for it; in doubt they decide."""
    shown = strip_invisible(text[:MAX_CHARACTERS])
    flags: tuple[str, ...] = (FLAG_INVISIBLE,) if shown != text[:MAX_CHARACTERS].replace("\r\n", "\n") else ()
    plain = unicodedata.normalize("NFKC", shown).lower().replace("’", "'").strip()
    if not any(map(str.isalnum, plain)):
        return Triage("und", False, _wordless(plain, has_attachment), flags)
    language = identify(shown, languages)
    if cues.INJECTIONS.search(plain):
        flags += (FLAG_INJECTION,)
    insulting = bool(cues.ATTACKS.search(plain))
    if insulting:
        flags += (FLAG_ATTACK,)
    asks = _asks(plain)
    if _is_spam(plain, asks is not None):
        return Triage(language, False, "spam", (*flags, FLAG_SPAM))
    return _judge(Triage(language, False, "statement", flags), plain, asks, hits, insulting)


def _judge(told: Triage, plain: str, asks: str | None, hits: Sequence[Hit], insulting: bool) -> Triage:
    """The answer to the question itself, for text with words that is no spam."""
    if cues.SMALL_TALK.search(plain):
        return Triage(told.language, False, "small_talk", told.flags)
    if cues.THANKS.search(plain) and asks != "question_mark" and not cues.BUT.search(plain):
        return Triage(told.language, False, "thanks", told.flags)
    if asks:
        return Triage(told.language, True, asks, told.flags)
    if hits and hits[0].confidence >= ON_TOPIC:
        return Triage(told.language, True, "knowledge", told.flags)
    return Triage(told.language, False, "attack" if insulting else "statement", told.flags)


def _asks(plain: str) -> str | None:
    """Which sign there is that somebody wants an answer, the surest first."""
    signs = (
        ("question_mark", cues.QUESTION_MARK),
        ("question_word", cues.QUESTION_WORDS),
        ("problem", cues.PROBLEMS),
        ("request", cues.REQUESTS),
    )
    return next((name for name, cue in signs if cue.search(plain)), None)


def _is_spam(plain: str, asks: bool) -> bool:
    """Promotion, and with it a link, a contact or money; a question needs more of them."""
    promotion = len({match[0] for match in cues.PROMOTION.finditer(plain)})
    if not promotion:
        return False
    beside = sum(bool(cue.search(plain)) for cue in (cues.LINK, cues.CONTACT, cues.MONEY))
    return promotion + beside >= (_SPAM_POINTS_OF_QUESTION if asks else _SPAM_POINTS)


def _wordless(plain: str, has_attachment: bool) -> str:
    if "?" in plain:
        return "only_marks"
    return "attachment_only" if has_attachment and not plain else "no_words"
