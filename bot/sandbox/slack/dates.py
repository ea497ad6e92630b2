"""Dates that Slack's client writes out for whoever reads them.

Source: docs.slack.dev, "Formatting message text" (date formatting) and the rich text element `date`. The local members'
time zone is UTC (`users.info`), and they read the clock with AM and PM.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

_TOKEN = re.compile(r"\{(\w+)\}")
_LATEST = 253_402_300_799
"""The last second of the year 9999."""


def written_out(timestamp: str, template: str, fallback: str, now: float) -> str:
    """The template with its tokens filled in for a time stamp (UTC seconds as text); the fallback where that cannot
    be done: no time stamp, no token, or one that Slack does not have. `now` is what "today" hangs on."""
    if not re.fullmatch(r"\d{1,12}", timestamp) or int(timestamp) > _LATEST:
        return fallback
    names = _TOKEN.findall(template)
    if not names or any(name not in _TOKENS for name in names):
        return fallback
    at, today = datetime.fromtimestamp(int(timestamp), UTC), datetime.fromtimestamp(now, UTC)
    return _TOKEN.sub(lambda token: _TOKENS[token[1]](at, today), template)


def _ordinal(at: datetime) -> str:
    if at.day in (11, 12, 13):
        return f"{at.day}th"
    return f"{at.day}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(at.day % 10, 'th') }"


def _date(at: datetime, _now: datetime) -> str:
    return f"{at:%B} {_ordinal(at)}, {at.year}"


def _short(at: datetime, _now: datetime) -> str:
    return f"{at:%b} {at.day}, {at.year}"


def _long(at: datetime, now: datetime) -> str:
    return f"{at:%A}, {_date(at, now)}"


def _long_full(at: datetime, _now: datetime) -> str:
    return f"{at:%B} {at.day}, {at.year}"


def _divider(at: datetime, now: datetime) -> str:
    return f"{at:%A}, {at:%B} {_ordinal(at)}" if at.year == now.year else _long(at, now)


def _pretty(plain: Callable[[datetime, datetime], str]) -> Callable[[datetime, datetime], str]:
    def write(at: datetime, now: datetime) -> str:
        near = {now.date() + timedelta(days=n): word for n, word in ((-1, "yesterday"), (0, "today"), (1, "tomorrow"))}
        return near.get(at.date()) or plain(at, now)

    return write


def _time(at: datetime, _now: datetime) -> str:
    return f"{at.hour % 12 or 12}:{at:%M} {at:%p}"


def _seconds(at: datetime, _now: datetime) -> str:
    return f"{at.hour % 12 or 12}:{at:%M:%S} {at:%p}"


def _ago(at: datetime, now: datetime) -> str:
    gone = (now - at).total_seconds()
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        count = int(abs(gone) // length)
        if count:
            words = f"{count} {unit}{'s' if count > 1 else ''}"
            return f"{words} ago" if gone > 0 else f"in {words}"
    return "now"


_TOKENS: dict[str, Callable[[datetime, datetime], str]] = {
    "date_num": lambda at, _: f"{at:%Y-%m-%d}",
    "date_slash": lambda at, _: f"{at:%m/%d/%Y}",
    "date": _date,
    "date_short": _short,
    "date_long": _long,
    "date_long_full": _long_full,
    "date_pretty": _pretty(_date),
    "date_short_pretty": _pretty(_short),
    "date_long_pretty": _pretty(_long),
    "day_divider_pretty": _pretty(_divider),
    "time": _time,
    "time_secs": _seconds,
    "ago": _ago,
}
