"""What Telegram does to a text before it is shown: cleaning, trimming, and finding commands, mentions and links."""

from __future__ import annotations

import functools
import re
from typing import Any

from bot.sandbox.frame import Json
from bot.sandbox.telegram.errors import bad

Entity = dict[str, Any]

TEXT_LIMIT = 4096
CAPTION_LIMIT = 1024

# TDLib, clean_input_string: control characters become spaces, line and direction separators vanish.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")
_GONE = re.compile("[\r\u2028-\u202e\u0333\u033f\u030a]")
_INVISIBLE = re.compile(r"[\s\u200b-\u200f\u2060-\u2064\ufeff\u115f\u1160\u3164]*$")
_BLANK = " \n\t"

_FOUND = (
    # What each kind cannot be without, and how it is written; the first kind that fits wins.
    ("://", r"(?P<url>https?://[^\s<>\"]+)"),
    ("@", r"(?<![\w.@-])(?P<email>[\w.+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,})"),
    ("/", r"(?<![\w/<>])(?P<bot_command>/[A-Za-z0-9_]{1,64}(?:@[A-Za-z0-9_]{3,32})?)(?![\w/@])"),
    ("@", r"(?<![\w@])(?P<mention>@[A-Za-z][A-Za-z0-9_]{3,31})(?!\w)"),
    ("#", r"(?<!\w)(?P<hashtag>#\w*[^\W\d]\w*)"),
    ("$", r"(?<!\w)(?P<cashtag>\$[A-Z]{1,8})(?!\w)"),
)
_RANKS = {kind: rank for rank, kind in enumerate(("", "bold", "italic", "underline", "strikethrough", "spoiler"))}
_DATE_TIME = re.compile(r"r|w?[dD]?[tT]?")
_LATEST = 2**31 - 1
_SHUT = {"code", "pre", "text_link", "text_mention", "url", "email", "mention", "custom_emoji", "date_time"}


def utf16(text: str) -> int:
    """Length in UTF-16 code units, in which Telegram counts offsets."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def clean(text: str) -> str:
    """The text without what Telegram never keeps. Raises `ApiError` for lone surrogates."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise bad("strings must be encoded in UTF-8") from None
    return _GONE.sub("", _CONTROL.sub(" ", text)) if not text.isprintable() else text


def is_blank(text: str) -> bool:
    """Whether nothing of the text can be seen."""
    return _INVISIBLE.match(text) is not None


def trimmed(text: str, entities: list[Entity]) -> tuple[str, list[Entity]]:
    """Text without blanks at its ends, entities moved and cut with it."""
    right = text.rstrip(_BLANK)
    left = right.lstrip(_BLANK)
    cut, end = len(right) - len(left), utf16(left)
    if not entities or len(left) == len(text):
        return left, entities
    kept = []
    for entity in entities:
        start = max(0, entity["offset"] - cut)
        stop = min(end, entity["offset"] + entity["length"] - cut)
        if stop > start:
            kept.append({**entity, "offset": start, "length": stop - start})
    return left, kept


def found_entities(text: str, given: list[Entity]) -> list[Entity]:
    """`given` and what Telegram finds by itself (commands, mentions, links, tags) where nothing excludes it."""
    patterns = tuple(pattern for mark, pattern in _FOUND if mark in text)
    if not patterns:
        return given
    taken = [(e["offset"], e["offset"] + e["length"]) for e in given if e["type"] in _SHUT]
    found = list(given)
    for match in _any_of(patterns).finditer(text):
        start = utf16(text[: match.start()])
        word = match.group().rstrip(".,;:!?)\"'") if match.lastgroup == "url" else match.group()
        stop = start + utf16(word)
        if not any(start < end and begin < stop for begin, end in taken):
            found.append({"type": match.lastgroup, "offset": start, "length": stop - start})
    return ordered(found)


@functools.cache
def _any_of(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(patterns))


def ordered(entities: list[Entity]) -> list[Entity]:
    """By place, the longer first, as Telegram answers them; of equal ones in a fixed order of kinds."""
    return sorted(entities, key=lambda e: (e["offset"], -e["length"], _RANKS.get(e["type"], 0)))


def checked_entities(text: str, entities: Json, kinds: frozenset[str]) -> list[Entity]:
    """Entities that a bot gave by itself. Raises `ApiError` where one does not fit the text."""
    whole = utf16(text)
    for entity in entities:
        if entity["type"] not in kinds:
            raise bad(f"can't parse MessageEntity: unsupported type {entity['type']}")
        if entity["offset"] < 0 or entity["length"] <= 0 or entity["offset"] + entity["length"] > whole:
            raise bad(
                f"entity beginning at UTF-16 offset {entity['offset']} ends after the end of the text "
                f"at UTF-16 offset {whole}"
            )
        if entity["type"] == "text_link" and not entity.get("url"):
            raise bad("can't parse MessageEntity: text_link without url")
        if entity["type"] == "date_time":
            check_date_time(entity.get("unix_time"), entity.get("date_time_format", ""))
    return ordered(list(entities))


def check_date_time(at: Json, template: str) -> None:
    """Hold a date to "Date-time entity formatting" of the Bot API. Raises `ApiError`."""
    if not isinstance(at, int) or not 0 < at <= _LATEST:
        raise bad("can't parse MessageEntity: date_time without a valid unix_time")
    if not _DATE_TIME.fullmatch(template):
        raise bad("can't parse MessageEntity: invalid date_time_format specified")


def piece(text: str, entity: Entity) -> str:
    """What an entity covers."""
    raw = text.encode("utf-16-le", "surrogatepass")
    return raw[entity["offset"] * 2 : (entity["offset"] + entity["length"]) * 2].decode("utf-16-le", "replace")
