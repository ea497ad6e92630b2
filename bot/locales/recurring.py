"""What comes again and again: from words in English and Chinese to an RFC 5545 rule, and from that to the next time.

Rules are read by dateutil, on the wall clock of a zone: nine o'clock stays nine o'clock when the clocks change.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot.domain.spans import plain, with_digits
from bot.locales.time_words import DAY, DAY_SIGNS, DAYS, WEEK, english
from bot.locales.zones import load_zone

_LONGEST_TEXT = 80
_BYDAY = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_FREQUENCY = {"day": "DAILY", "week": "WEEKLY", "month": "MONTHLY"}
_LONGEST_INTERVAL = {"day": 366, "week": 52, "month": 12}
_WORKDAYS = range(5)
_SURE_DAYS = 28
"""Days that every month has."""

_SPREAD = re.compile(r"(?<=[\u4e00-\u9fff])\s+(?=[\u4e00-\u9fff])")
_SIGN = "[一二三四五六日天](?![点时十])"
_RUN = re.compile(rf"(每个?)?(?:{WEEK})({_SIGN}(?:[,、和及与到至~-]*(?:{WEEK})?{_SIGN})*)")
_CHINESE = (
    (re.compile("每?隔1?[天日]"), " every 2 days "),
    (re.compile(f"每?隔1?个?(?:{WEEK})"), " every 2 weeks "),
    (re.compile("每个?工作日"), " every weekday "),
    (re.compile("每[天日]"), " every day "),
    (re.compile(f"每个?(?:{WEEK})"), " every week "),
    (re.compile("每个?月底"), " every month last day "),
    (re.compile("每个?月"), " every month "),
    (re.compile("最后1天"), " last day "),
    (re.compile(r"(\d{1,2})[日号]"), r" day \1 "),
    (re.compile("[的在]|1次"), " "),
)
_COUNTED = re.compile(rf"每(\d{{1,3}})(?:个?({WEEK})|(天)|个(月))")

_WORDS = re.compile(
    r"(?P<clock>(?P<hour>\d{1,2})(?::(?P<minute>\d\d))?(?: ?(?P<half>[ap])\.?m\b\.?|(?<=:\d\d)(?![\d:]))"
    r"|noon\b|midnight\b)"
    r"|(?P<each>every\b|each\b)|(?P<often>daily|weekly|monthly)\b|(?P<workdays>(?:weekday|workday)s?\b)"
    r"|(?:(?P<count>\d{1,3})|(?P<other>other)) (?P<counted>day|week|month)s?\b"
    r"|(?P<last>last day)\b|(?:day )?(?P<nth>\d{1,2})(?:st|nd|rd|th)?\b(?!:| ?[ap]\.?m\b)|(?P<unit>day|week|month)\b"
    rf"|(?P<from>{DAY})s?(?:(?:-| to )(?P<to>{DAY})s?)?\b"
    r"|(?:on|at|the|of|and)\b|[\s,]"
)
"""All that the words of a rule may be made of."""


@dataclass(slots=True)
class _Rule:
    """What was read so far."""

    each: bool = False
    unit: str = ""
    interval: int = 1
    days: set[int] = field(default_factory=set)
    nth: int = 0
    """The day of the month; -1 is its last."""
    clock: tuple[int, int] | None = None


def read_rule(text: str, now: float, zone: str) -> str | None:
    """An RFC 5545 rule (`DTSTART` and `RRULE`, a line each) for `every monday 9:00`, `每周一9点`, `daily 18:00`.

    None for a text that is no rule, or has no time of day. The 29th to 31st of a month that has none is its last day.
    Every several days, weeks or months are counted from the first time after `now`; so is the day of `weekly 9:00`.
    Raises ValueError where there is no such zone.
    """
    wall = datetime.fromtimestamp(now, load_zone(zone)).replace(tzinfo=None)
    rule = _read(_english(text)) if len(text) <= _LONGEST_TEXT else None
    parts = None if rule is None else _parts(rule)
    if rule is None or rule.clock is None or parts is None:
        return None
    hour, minute = rule.clock
    start = wall.replace(hour=hour, minute=minute, second=0, microsecond=0)
    start += timedelta(days=0 if start > wall else 1)
    if rule.unit == "week" and not rule.days:
        parts += f";BYDAY={_BYDAY[start.weekday()]}"
    if rule.unit == "month":
        parts += _day_of_month(rule.nth or start.day)
    from dateutil.rrule import rrulestr

    first = rrulestr(parts, dtstart=start).after(start, inc=True)
    interval = f";INTERVAL={rule.interval}" if rule.interval > 1 else ""
    return f"DTSTART:{first:%Y%m%dT%H%M%S}\nRRULE:{parts}{interval}" if first is not None else None


def next_time(rule: str, zone: str, after: float) -> float | None:
    """When a rule holds next (UTC seconds, later than `after`), on the zone's wall clock; None: never again.

    A time that the clock leaves out comes later by as much as is left out; one that it shows twice is the first
    (PEP 495). Raises ValueError for what is no rule or no zone.
    """
    from dateutil.rrule import rrulestr

    clock = load_zone(zone)
    day_before = datetime.fromtimestamp(after, clock).replace(tzinfo=None) - timedelta(days=1)
    for wall in rrulestr(rule).xafter(day_before):
        at = wall.replace(tzinfo=clock).timestamp()
        if at > after:
            return at
    return None


def _english(text: str) -> str:
    found = with_digits(_RUN.sub(_run, _SPREAD.sub("", plain(text))))
    found = _COUNTED.sub(lambda one: f" every {one[1]} {'weeks' if one[2] else 'days' if one[3] else 'months'} ", found)
    for words, instead in _CHINESE:
        found = words.sub(instead, found)
    return english(found)


def _run(found: re.Match[str]) -> str:
    """`每周一、三和周五` as ` every monday wednesday friday `"""
    days = re.sub(f"{WEEK}|\\s", "", found[2])
    days = re.sub(".", lambda one: f" {DAYS[DAY_SIGNS[one[0]]]} " if one[0] in DAY_SIGNS else one[0], days)
    days = re.sub(r"\s*[到至~-]\s*", "-", days)
    return f" {'every' if found[1] else ''} {re.sub('[、和及与]', ' ', days)} "


def _read(text: str) -> _Rule | None:
    """The rule, if all of the text is understood, and nothing is said twice."""
    rule, at = _Rule(), 0
    while at < len(text):
        found = _WORDS.match(text, at)
        if found is None or not _take(rule, found):
            return None
        at = found.end()
    return rule if rule.each else None


def _take(rule: _Rule, found: re.Match[str]) -> bool:
    """Add a word to what was read; whether that is possible."""
    if found["clock"]:
        was, rule.clock = rule.clock, _clock(found)
        return was is None and rule.clock is not None
    if found["from"]:
        rule.days |= _days(found["from"], found["to"] or found["from"])
        return True
    if found["each"]:
        rule.each = True
        return True
    if found["nth"] or found["last"]:
        was_nth, rule.nth = rule.nth, -1 if found["last"] else int(found["nth"])
        return not was_nth and rule.nth != 0 and rule.nth <= 31
    if found["workdays"]:
        rule.each, rule.days = rule.each or found["workdays"].endswith("s"), rule.days | set(_WORKDAYS)
        return True
    return _unit(rule, found)


def _unit(rule: _Rule, found: re.Match[str]) -> bool:
    often = {"daily": "day", "weekly": "week", "monthly": "month"}
    unit = often.get(found["often"] or "") or found["counted"] or found["unit"]
    if not unit:
        return True
    rule.each = rule.each or bool(found["often"])
    was, rule.unit = rule.unit, unit
    rule.interval = 2 if found["other"] else int(found["count"] or 1)
    return not was and 1 <= rule.interval <= _LONGEST_INTERVAL[unit]


def _clock(found: re.Match[str]) -> tuple[int, int] | None:
    if found["hour"] is None:
        return (12, 0) if found["clock"] == "noon" else (0, 0)
    hour, minute = int(found["hour"]), int(found["minute"] or 0)
    if found["half"]:
        hour = hour % 12 + (12 if found["half"] == "p" else 0) if 1 <= hour <= 12 else 24
    return (hour, minute) if hour < 24 and minute < 60 else None


def _days(first: str, last: str) -> set[int]:
    """From one day of the week to another, over the week's end if need be."""
    short = [name[:3] for name in DAYS]
    begin, end = short.index(first[:3]), short.index(last[:3])
    return {(begin + more) % 7 for more in range((end - begin) % 7 + 1)}


def _parts(rule: _Rule) -> str | None:
    """The rule's RRULE without what hangs on when it begins, if its parts fit together."""
    rule.unit = rule.unit or ("week" if rule.days else "month" if rule.nth else "")
    if not rule.unit or (rule.days and rule.unit != "week") or (rule.nth and rule.unit != "month"):
        return None
    days = f";BYDAY={','.join(_BYDAY[day] for day in sorted(rule.days))}" if rule.days else ""
    return f"FREQ={_FREQUENCY[rule.unit]}{days}"


def _day_of_month(nth: int) -> str:
    """This day of each month, or the last one of a month that has fewer."""
    if nth <= _SURE_DAYS:
        return f";BYMONTHDAY={nth}"
    return f";BYMONTHDAY={','.join(map(str, range(_SURE_DAYS, nth + 1)))};BYSETPOS=-1"
