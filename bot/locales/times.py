"""Times as people write and read them, in English and Chinese, on the clock of their own zone.

dateparser reads dates. It takes nearly anything for one, so only texts of forms that mean one thing are given to it.
It is loaded when it is first needed, which takes a quarter of a second: `warm` does that beforehand, in a thread.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from babel.dates import format_datetime

from bot.chat.moments import moment
from bot.domain.spans import LONGEST, plain, seconds
from bot.locales.recurring import next_time, read_rule
from bot.locales.time_words import DAY, DAYS, MONTHS, english
from bot.locales.zones import load_zone

__all__ = ["next_time", "read_rule", "read_time", "said", "show_time", "warm"]

_LONGEST_TEXT = 80
_PATTERNS = {"en": "EEE d MMM y, HH:mm '({})'", "zh": "y年M月d日 EEE HH:mm（{}）"}

_MONTH = "(?:" + "|".join([*MONTHS, "sept", *(name[:3] for name in MONTHS)]) + r")\b\.?"
_NTH = r"(?:0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th)?\b"
_FORMS = re.compile(
    r"(?P<clock>\d{1,2}:\d\d(?::\d\d)?(?!\d)(?: ?[ap]\.?m\b\.?)?|\d{1,2} ?[ap]\.?m\b\.?|noon\b|midnight\b)"
    r"|(?P<offset>(?:utc|gmt)(?:[+-]\d{1,2}(?::?\d\d)?)?(?![\w:])|z(?!\w)|[+-]\d\d:?\d\d(?![\w:]))"
    r"|(?P<date>\d{4}([-/.])(?:0?[1-9]|1[0-2])\4(?:0?[1-9]|[12]\d|3[01])(?!\d)(?:t(?=\d))?"
    r"|(?P<first>\d{1,2})(?:/(?P<second>\d{1,2})(?:/\d{4})?(?![\w/])|\.(?P<dotted>\d{1,2})\.(?:\d{4})?(?![\w.]))"
    rf"|{_MONTH} {_NTH}(?: \d{{4}}\b)?|{_NTH} (?:of )?{_MONTH}(?: \d{{4}}\b)?"
    r"|in (?:\d{1,3}|an?) (?:day|week|month)s?\b|today\b|tonight\b|tomorrow\b|(?:the )?day after tomorrow\b)"
    rf"|(?P<weekday>(?:(?P<which>next|this) )?(?P<day>{DAY})\b)"
    r"|(?:on|at|by)\b|[\s()]"
)
"""All that a text may be made of."""
_PARTS = ("clock", "offset", "date", "weekday")


def warm() -> None:
    """Load what reads dates. Takes about a quarter of a second: not in a thread that others wait for."""
    read_time("2030-01-01 00:00", 0.0, "UTC", "en")


def read_time(text: str, now: float, zone: str, language: str) -> float | None:
    """The point in time (UTC seconds, later than `now`) that a text names on a zone's clock, or None.

    A length of time is counted from `now`. A day without a time of day is that day at the time that it is now; a time
    of day, or a day of the week, is the next one to come. In Chinese `3/4` is the fourth of March; in English it is
    unclear and None, like everything else that could mean two things. Raises ValueError where there is no such zone.
    """
    clock = load_zone(zone)
    if len(text) > _LONGEST_TEXT:
        return None
    length = seconds(text)
    if length is not None:
        return now + length
    wall = datetime.fromtimestamp(now, clock).replace(tzinfo=None)
    phrase = _phrase(english(plain(text).replace("，", " ")), language)
    if phrase is None:
        return None
    for words, extra in _readings(phrase, wall):
        found = _parse(words, wall)
        at = None if found is None else _at(found + extra, clock, now)
        if at is not None and now < at <= now + LONGEST and _fits(phrase, found, extra):
            return at
    return None


@dataclass(frozen=True, slots=True)
class _Phrase:
    """A text of forms that we know, each there once at most."""

    text: str
    date: str = ""
    clock: str = ""
    which: str = ""
    weekday: int | None = None


def _phrase(text: str, language: str) -> _Phrase | None:
    """The text if every part of it is of a form that means one thing."""
    at, words, which, weekday = 0, "", "", None
    parts = dict.fromkeys(_PARTS, "")
    while at < len(text):
        found = _FORMS.match(text, at)
        if found is None or _unclear(found, language):
            return None
        for name in _PARTS:
            if found[name] and parts[name]:
                return None
            parts[name] = found[name] or parts[name]
        if found["weekday"]:
            which, weekday = found["which"] or "", [day[:3] for day in DAYS].index(found["day"][:3])
        words += " " if found["weekday"] or found[0] in "()" else found[0]
        at = found.end()
    if not (parts["clock"] or parts["date"] or weekday is not None):
        return None
    return _Phrase(" ".join(words.split()), parts["date"], parts["clock"], which, weekday)


def _unclear(found: re.Match[str], language: str) -> bool:
    """Whether this is a date that some read as day and month, and others the other way round."""
    if not found["first"]:
        return False
    one, other = int(found["first"]), int(found["second"] or found["dotted"])
    either = max(one, other) <= len(MONTHS)
    return (either and one != other and language != "zh") or min(one, other) > len(MONTHS) or max(one, other) > 31


def _readings(phrase: _Phrase, wall: datetime) -> Iterator[tuple[str, timedelta]]:
    """The texts to be read, one after the other until one is in the future, and what is to be added."""
    words, extra = phrase.text, timedelta()
    if phrase.clock.startswith("24:00"):
        words, extra = words.replace("24:00", "00:00", 1), timedelta(days=1)
    if not phrase.clock and phrase.date != "tonight":
        words = f"{words} {wall:%H:%M}"
    if phrase.date:
        yield words, extra
        return
    today = wall.date()
    days = [timedelta(days=0), timedelta(days=1)]
    if phrase.weekday is not None:
        weeks = {"next": (1,), "this": (0,)}.get(phrase.which, (0, 1))
        days = [timedelta(days=phrase.weekday - wall.weekday(), weeks=more) for more in weeks]
    for more in days:
        yield f"{today + more} {words}", extra


def _parse(words: str, wall: datetime) -> datetime | None:
    """What dateparser reads, on the zone's wall clock where no other offset is told."""
    import dateparser

    return dateparser.parse(
        words,
        languages=["en"],
        settings={
            "RELATIVE_BASE": wall,
            "PREFER_DATES_FROM": "future",
            "PARSERS": ["relative-time", "absolute-time"],
            "DATE_ORDER": "MDY",
        },
    )


def _fits(phrase: _Phrase, found: datetime | None, extra: timedelta) -> bool:
    """Whether a day of the week that stands beside a date is that date's."""
    return not (phrase.date and phrase.weekday is not None) or (found is not None and found.weekday() == phrase.weekday)


def _at(wall: datetime, clock: ZoneInfo, after: float) -> float:
    """UTC seconds. A time that the clock shows twice is the first that is still to come; one that it leaves out comes
    later by as much as is left out (PEP 495)."""
    if wall.tzinfo is not None:
        return wall.timestamp()
    first, second = (wall.replace(tzinfo=clock, fold=fold).timestamp() for fold in (0, 1))
    return first if first > after else max(first, second)


def show_time(at: float, zone: str, language: str) -> str:
    """`Sun 22 Nov 2026, 18:00 (UTC+8)`. Raises ValueError where there is no such zone."""
    wall = datetime.fromtimestamp(at, load_zone(zone))
    return format_datetime(wall, _PATTERNS[language], tzinfo=wall.tzinfo, locale=language).format(_offset(wall))


def _offset(wall: datetime) -> str:
    """`UTC`, `UTC+8`, `UTC-3:30`"""
    minutes = round((wall.utcoffset() or timedelta()).total_seconds() / 60)
    hours, rest = divmod(abs(minutes), 60)
    sign = "-" if minutes < 0 else "+"
    return "UTC" + (f"{sign}{hours}" if minutes else "") + (f":{rest:02}" if rest else "")


def said(at: float, zone: str, language: str) -> str:
    """The same as a moment, which platforms show in each reader's own zone where they can."""
    return moment(at, show_time(at, zone, language))
