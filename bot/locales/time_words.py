"""Chinese words for days and hours, put as the English ones that the date library reads."""

from __future__ import annotations

import re

from bot.domain.spans import plain, with_digits

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
DAY = "|".join([*DAYS, "tues", "weds", "thur", "thurs", *(name[:3] for name in DAYS)])
"""A pattern for all names of days."""
WEEK = "周|星期|礼拜"
DAY_SIGNS = {sign: at for at, sign in enumerate("一二三四五六日")} | {"天": 6}
_WHICH = {"": "", "下": "next ", "下个": "next ", "本": "this ", "这": "this ", "这个": "this "}

_PART = "凌晨|清晨|早上|早晨|上午|中午|正午|下午|傍晚|晚上|夜里"
_MORNING = {"凌晨", "清晨", "早上", "早晨", "上午"}
_EVENING = {"下午", "傍晚", "晚上", "夜里"}
_NIGHT = {"晚上", "夜里"}
_CLOCK = re.compile(
    rf"(?P<part>{_PART})?\s*(?<![\d:])(?P<hour>\d{{1,2}})"
    r"(?:(?:点钟?|时)(?:整|(?P<half>半)|(?P<quarter>[13])刻|(?P<minute>\d{1,2})分?)?|:(?P<colon>\d{2})(?![\d:]))"
)
_NOON = re.compile("中午|正午")
_MINUTES = {"half": 30, "quarter": 15}

_WEEKDAY = re.compile(rf"(下个?|本|这个?)?(?:{WEEK})([一二三四五六日天])")
_DATE = re.compile(r"(?:(\d{4})年)?(\d{1,2})月(\d{1,2})[日号]?")
_LATER = re.compile(rf"(\d{{1,3}})个?(天|{WEEK}|月)(?:之|以)?后")
_SPACED = re.compile(r"\s+(?=[点时分月日号])|(?<=月)\s+")
_NAMED = (
    (re.compile("([今明])(晚)上?"), r"\1天晚上"),
    (re.compile("([今明])(早)[上晨]?"), r"\1天早上"),
    (re.compile("今[天日]"), " today "),
    (re.compile("明[天日]"), " tomorrow "),
    (re.compile("大后天"), " in 3 days "),
    (re.compile("后天"), " in 2 days "),
)


def english(text: str) -> str:
    """The text in lower case, with Chinese days and hours in English; `24:00` is how the end of a day is written."""
    found = _WEEKDAY.sub(_weekday, _SPACED.sub("", plain(text)))
    found = _LATER.sub(_later, with_digits(found))
    for words, instead in _NAMED:
        found = words.sub(instead, found)
    found = _NOON.sub(" 12:00 ", _CLOCK.sub(_clock, _DATE.sub(_date, found)))
    return " ".join(found.replace(",", " ").split())


def _clock(found: re.Match[str]) -> str:
    """`下午3点半` as ` 15:30 `; what is unclear stays, with its words, and will not be understood."""
    part, hour = found["part"] or "", int(found["hour"])
    if found["colon"] and not part:
        return found[0]
    minute = (
        int(found["minute"] or found["colon"] or 0) + int(found["quarter"] or 0) * 15 + (30 if found["half"] else 0)
    )
    if part in _NIGHT and hour == 12:
        hour = 24
    elif (part in _EVENING and hour < 12) or (part in {"中午", "正午"} and hour < 4):
        hour += 12
    elif part == "凌晨" and hour == 12:
        hour = 0
    wrong = (part in _MORNING and hour > 12) or (part in _NIGHT and hour < 17) or hour * 60 + minute > 24 * 60
    return found[0] if wrong or minute > 59 else f" {hour:02}:{minute:02} "


def _weekday(found: re.Match[str]) -> str:
    return f" {_WHICH[found[1] or '']}{DAYS[DAY_SIGNS[found[2]]]} "


def _later(found: re.Match[str]) -> str:
    units: dict[str, str] = {"天": "days", "月": "months"}
    return f" in {found[1]} {units.get(found[2], 'weeks')} "


def _date(found: re.Match[str]) -> str:
    month, day = int(found[2]), int(found[3])
    if not 1 <= month <= len(MONTHS):
        return found[0]
    return f" {found[1]}-{month:02}-{day:02} " if found[1] else f" {MONTHS[month - 1]} {day} "
