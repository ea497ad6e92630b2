"""Characters that cannot be seen, lengths as platforms count them, and where a text may be cut."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator

from bot.domain.text import Units, length

_JOINER, _NON_JOINER = "\u200d", "\u200c"
_SELECTORS = ("\ufe0e", "\ufe0f")
_KEYCAP_BASES = "0123456789#*"
_BLANK_LETTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Not formatting by Unicode's categories, yet nothing is to be seen of them."""
_SHOWN_FORMATS = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd")
"""Formatting by their category, yet drawn."""
_FLAG_OF_TAGS = re.compile("\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f")
_SENTENCE_END = re.compile(r"[.!?](?=\s)|[。！？\n]")
_ELLIPSIS = "…"


def invisible(text: str) -> Iterator[int]:
    """Positions of characters that show nothing and are not needed: controls, zero-width, bidi, tags, fillers.

    What holds an emoji together stays, and so do the joiners that Arabic and Indic scripts are spelled with. Line feeds
    and tabs are not counted.
    """
    if text.isascii() and text.replace("\n", "").replace("\t", "").isprintable():
        return
    flags = {at for flag in _FLAG_OF_TAGS.finditer(text) for at in range(*flag.span())}
    for at, character in enumerate(text):
        if _shows_nothing(character) and at not in flags and not _needed(text, at):
            yield at


def strip_invisible(text: str) -> str:
    """The text without them. Line separators of Unicode become line feeds."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n").replace("\u2029", "\n")
    while gone := set(invisible(text)):  # taking one away can leave another without what it held together
        text = "".join(character for at, character in enumerate(text) if at not in gone)
    return text


def visible(text: str) -> str:
    """The text with each of them written out (`⟦U+202E⟧`), for the people who have to decide about it."""
    marked = set(invisible(text))
    if not marked:
        return text
    return "".join(f"⟦U+{ord(one):04X}⟧" if at in marked else one for at, one in enumerate(text))


def escaped(text: str) -> str:
    """JSON with each of them as JSON writes it in ASCII: the same value, and a reader sees what is there."""
    marked = set(invisible(text))
    return "".join(json.dumps(one)[1:-1] if at in marked else one for at, one in enumerate(text))


def _shows_nothing(character: str) -> bool:
    if character in "\n\t" or " " <= character <= "~":
        return False
    if character in _BLANK_LETTERS or _is_selector(character):
        return True
    category = unicodedata.category(character)
    return category in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") and character not in _SHOWN_FORMATS


def _is_selector(character: str) -> bool:
    return "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"


def _needed(text: str, at: int) -> bool:
    before, character, after = text[at - 1 : at], text[at], text[at + 1 : at + 2]
    if character in _SELECTORS:
        return bool(before) and (_is_picture(before) or before in _KEYCAP_BASES)
    if character == _JOINER and after and _is_picture(after):
        return bool(before) and (
            _is_picture(before) or (before in _SELECTORS and at >= 2 and _is_picture(text[at - 2]))
        )
    return character in (_JOINER, _NON_JOINER) and _is_joining(before) and _is_joining(after)


def _is_picture(character: str) -> bool:
    if character in "©®‼⁉〰〽":
        return True
    return character >= "\u2122" and unicodedata.category(character) in ("So", "Sk", "Sm")


def _is_joining(character: str) -> bool:
    """A letter or mark of the Arabic and Indic blocks."""
    return "\u0600" <= character <= "\u0dff" and unicodedata.category(character)[0] in "LM"


def shorten(text: str, cap: int, units: Units) -> str:
    """The text if it fits into `cap`, else its beginning up to the end of a sentence, or of a word, and `…`."""
    if length(text, units) <= cap:
        return text
    end = _cut_at(text, cap - len(_ELLIPSIS) - 1, units)
    ends = [match.end() for match in _SENTENCE_END.finditer(text, end // 2, end)]
    space = text.rfind(" ", end // 2, end)
    cut = text[: ends[-1] if ends else space if space > 0 else end].rstrip()
    return f"{cut} {_ELLIPSIS}" if ends and cut.isascii() else f"{cut}{_ELLIPSIS}"


def _cut_at(text: str, room: int, units: Units) -> int:
    """The last place within `room` where no character is cut that people see as one."""
    at = used = 0
    for character in text:
        used += length(character, units)
        if used > room:
            break
        at += 1
    while at > 0 and at < len(text) and _continues(text, at):
        at -= 1
    return at


def _continues(text: str, at: int) -> bool:
    """Whether the character at `at` belongs to the one before (the rules of UAX 29 that occur in chats)."""
    before, character = text[at - 1], text[at]
    if unicodedata.category(character).startswith("M") or character in (_JOINER, _NON_JOINER) or before == _JOINER:
        return True
    if "\U0001f3fb" <= character <= "\U0001f3ff" or "\U000e0020" <= character <= "\U000e007f":
        return True
    if "\u1160" <= character <= "\u11ff":
        return True
    return _is_regional(character) and _regionals_before(text, at) % 2 == 1


def _is_regional(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _regionals_before(text: str, at: int) -> int:
    start = at
    while start > 0 and _is_regional(text[start - 1]):
        start -= 1
    return at - start
