"""Texts in quotation marks, as phones and keyboards of both languages make them. Pure."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from bot.domain.polls import Refused

MAX_TEXT = 6000
"""Characters of a typed poll: more than twice of what the longest one needs."""
_SHOWN = 40

_CLOSERS = {
    '"': '"',
    "＂": "＂",
    "“": "”",
    "”": "”",
    "„": "“”",
    "「": "」",
    "『": "』",
    "«": "»",
    "»": "«",
    "‹": "›",
    "‘": "’",
    "’": "’",
    "‚": "‘’",
    "'": "'",
}
_APOSTROPHES = "‘’‚'"
"""They stand inside of words, too: as quotation marks they begin and end beside a space, a comma or another mark."""
_OPENER = re.compile(f"[{''.join(_CLOSERS)}]")
_BESIDE = re.compile(rf"[\s,，、;；:：=+{''.join(set(''.join([*_CLOSERS, *_CLOSERS.values()])))}]")
_FORBIDDEN = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029")
"""Signs that turn the direction of what follows, or break lines where no line seems to end."""


@dataclass(frozen=True, slots=True)
class Quoted:
    """What stood in quotation marks, in one line."""

    text: str


def split(text: str) -> list[Quoted | str] | Refused:
    """The quoted texts and what stands around them, in order. Refuses what is too long, cannot be seen, or is open."""
    if len(text) > MAX_TEXT:
        return Refused("text_long", {"length": len(text), "limit": MAX_TEXT})
    if any(one in _FORBIDDEN or (unicodedata.category(one) in {"Cc", "Cs"} and one not in "\t\r\n") for one in text):
        return Refused("control")
    parts: list[Quoted | str] = []
    at = search = 0
    while (found := _OPENER.search(text, search)) is not None:
        start = found.start()
        if found[0] in _APOSTROPHES and not (start == 0 or _BESIDE.match(text[start - 1])):
            search = start + 1
            continue
        end = _end(text, start)
        if end is None:
            return Refused("open_quote", {"text": text[start : start + _SHOWN]})
        parts += [text[at:start], Quoted(" ".join(text[start + 1 : end].split()))]
        at = search = end + 1
    return [part for part in (*parts, text[at:]) if isinstance(part, Quoted) or part.strip()]


def _end(text: str, start: int) -> int | None:
    """Where the quotation that begins here ends."""
    closers = _CLOSERS[text[start]]
    for found in re.compile(f"[{closers}]").finditer(text, start + 1):
        at = found.start()
        if text[start] not in _APOSTROPHES or at + 1 == len(text) or _BESIDE.match(text[at + 1]):
            return at
    return None
