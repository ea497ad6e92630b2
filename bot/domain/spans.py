"""How long something lasts, as people type it in English and Chinese: `30m`, `2h30m`, `90分钟`, `半小时`. Pure.

Points in time are another matter: they need a calendar, and a library reads them (`locales.times`).
"""

from __future__ import annotations

import re
import unicodedata

MINUTE, HOUR, DAY, WEEK = 60.0, 3600.0, 86400.0, 604800.0
LONGEST = 3660 * DAY
"""About ten years: whatever is longer was a slip."""
_LONGEST_TEXT = 60

_UNITS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds", "秒", "秒钟"), 1.0),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes", "分", "分钟"), MINUTE),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours", "小时", "钟头"), HOUR),
    **dict.fromkeys(("d", "day", "days", "天"), DAY),
    **dict.fromkeys(("w", "week", "weeks", "周", "星期", "礼拜"), WEEK),
}
_DIGITS = {word: number for number, word in enumerate("零一二三四五六七八九")} | {"两": 2, "〇": 0}
_NUMERAL = re.compile(r"[零〇一二两三四五六七八九十]{1,4}")
_TRADITIONAL = str.maketrans("後週點兩鐘時個號禮間開結釋復過", "后周点两钟时个号礼间开结释复过")
_UNIT = "|".join(sorted(_UNITS, key=len, reverse=True))
_QUANTITY = re.compile(rf"(\d{{1,6}}(?:\.\d{{1,3}})?)({_UNIT})")
_REWRITTEN = (
    (re.compile(r"^in |\band\b|,"), ""),
    (re.compile(r"^half an? "), "0.5"),
    (re.compile(r"^(?:an?|one) "), "1"),
    (re.compile(r"(?<!\d)\s|\s(?!\d)|个|(?:之|以)?后$"), ""),
    (re.compile(rf"(\d)({_UNIT})半"), r"\1.5\2"),
    (re.compile(r"(\d)半"), r"\1.5"),
    (re.compile(r"半"), "0.5"),
)
"""What is said with other words than number and unit, and how it is put with those."""


def plain(text: str) -> str:
    """A text as it is compared: full-width signs and case levelled, traditional signs of time simplified."""
    return unicodedata.normalize("NFKC", text).casefold().translate(_TRADITIONAL).strip()


def number(text: str) -> int | None:
    """A number in digits or Chinese numerals up to 99, or None."""
    if text.isascii() and text.isdecimal():
        return int(text[:9])
    if not _NUMERAL.fullmatch(text):
        return None
    tens, ten, ones = text.partition("十")
    if not ten:
        return _DIGITS.get(text)
    if not {tens, ones} <= {"", *_DIGITS}:
        return None
    return (_DIGITS[tens] if tens else 1) * 10 + (_DIGITS[ones] if ones else 0)


def with_digits(text: str) -> str:
    """The text with its Chinese numerals as digits; whatever else is written with those signs is left alone."""

    def digits(found: re.Match[str]) -> str:
        value = number(found[0])
        return found[0] if value is None else str(value)

    return _NUMERAL.sub(digits, text)


def seconds(text: str) -> float | None:
    """Seconds of a length of time, or None where the text is anything else, nothing, or more than ten years."""
    if len(text) > _LONGEST_TEXT:
        return None
    bare = with_digits(plain(text))
    for words, instead in _REWRITTEN:
        bare = words.sub(instead, bare)
    total, at = 0.0, 0
    for found in _QUANTITY.finditer(bare):
        if found.start() != at:
            return None
        total += float(found[1]) * _UNITS[found[2]]
        at = found.end()
    return total if at == len(bare) and 0 < total <= LONGEST else None
