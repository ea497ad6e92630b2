"""Time zones, by the names of the IANA database and as people call them."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from babel import Locale
from babel.core import get_global

UTC = "UTC"
_LOCAL = {"localtime", "Factory", "posixrules"}
"""Not names of zones: what the machine happens to be set to, or nothing."""
_CALLED = {
    "北京": "Asia/Shanghai",
    "北京时间": "Asia/Shanghai",
    "beijing": "Asia/Shanghai",
    "中国": "Asia/Shanghai",
    "china": "Asia/Shanghai",
    "香港": "Asia/Hong_Kong",
    "澳门": "Asia/Macau",
    "世界时": UTC,
    "协调世界时": UTC,
}
"""What the zone database and CLDR do not call so, or only with more words."""
_OFFSET = re.compile(r"(?:utc|gmt)?([+-])(\d{1,2})(?::?00)?")
_LONGEST = 64


def is_zone(name: str) -> bool:
    """Whether the IANA database has a zone of exactly this name."""
    return name in _names()


def load_zone(name: str) -> ZoneInfo:
    """The zone of this name. Raises ValueError where there is none."""
    if not is_zone(name):
        raise ValueError(f"there is no zone {name!r}")
    return ZoneInfo(name)


def find_zone(text: str) -> str | None:
    """The zone that a person names: `Asia/Shanghai`, `shanghai`, `上海`, `UTC+8`; None: there is none, or several."""
    wanted = _plain(text)
    if not wanted or len(wanted) > _LONGEST:
        return None
    offset = _OFFSET.fullmatch(wanted.replace(" ", ""))
    if offset is not None:
        return _fixed(-int(offset[2]) if offset[1] == "-" else int(offset[2]))
    return _called().get(wanted)


def _fixed(hours: int) -> str | None:
    if hours == 0:
        return UTC
    name = f"Etc/GMT{-hours:+d}"  # the database counts them westward
    return name if is_zone(name) else None


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text[: _LONGEST * 2]).casefold().replace("_", " ").split())


@cache
def _names() -> frozenset[str]:
    return frozenset(available_timezones() - _LOCAL)


@cache
def _called() -> dict[str, str]:
    """Zones by what they are called; a city's name only where one zone has it."""
    cities: dict[str, set[str]] = {}
    for name in sorted(_names()):
        area, _, city = name.rpartition("/")
        if area and area != "Etc":
            cities.setdefault(_plain(city), set()).add(name)
    for language in ("en", "zh"):
        for name, words in Locale.parse(language).time_zones.items():
            if "city" in words and is_zone(name):
                cities.setdefault(_plain(words["city"]), set()).add(name)
    found = {city: one for city, zones in cities.items() if (one := _one(city, zones)) is not None}
    return found | {_plain(name): name for name in _names()} | _CALLED


def _one(city: str, zones: set[str]) -> str | None:
    """The zone that all these are names of, rather by the name that people use."""
    aliases = get_global("zone_aliases")
    if len({aliases.get(name, name) for name in zones}) > 1:
        return None
    return min(zones, key=lambda name: (_plain(name.rpartition("/")[2]) != city, name))
