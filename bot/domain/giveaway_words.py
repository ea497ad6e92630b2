"""What somebody typed behind `/giveaway start`: time, winners, prize, and flags behind them. Pure.

    /giveaway start 2d 3w A box of tea in #general member 7d
    /giveaway start 2d 3w "A box of tea" in #general @telegram bonus @Regulars +2 cap 5
    /抽奖 2天 3名 一箱茶 在 #general 入群满7天 候补5人
    /抽奖 明天18点 3个 “一箱茶” 说明 “今年的新茶”

A prize without quotes goes on until the first flag. What may be a word of the prize as well as a flag (`staff`, `ends`)
is one only if nothing but flags follows; what is not understood is refused, naming it. `3w` are three winners, and
weeks only where winners follow: `3w 2w Tea`.
"""

from __future__ import annotations

import re
from copy import deepcopy
from dataclasses import dataclass

from bot.domain import offers, polls
from bot.domain.giveaway_flag_words import PEOPLE, PLACE, SPAN, TIMES, WORD, level
from bot.domain.giveaway_flags import Found, begins, flags, shown, unknown
from bot.domain.giveaways import MAX_PRIZE, Bonus, Offer, Refused, Requirements
from bot.domain.poll_quotes import Quoted, split
from bot.domain.polling import tidy
from bot.domain.spans import number, seconds

REFUSALS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("text_long", ("length", "limit")),
    ("control", ()),
    ("open_quote", ("text",)),
    ("time_place", ("text",)),
    ("prize_twice", ("one", "other")),
    ("flag_value", ("flag",)),
    ("flag_twice", ("flag",)),
    ("word", ("word",)),
    ("word_near", ("word", "near")),
    ("span_unclear", ("text",)),
    ("many_places", ("limit",)),
    ("contest_alone", ("flag",)),
)
"""Every `why` of reading with its arguments, beside those of what was read (`offers.REFUSALS`)."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody asked for. Times, places, roles and members are as they were typed; nothing has been looked up."""

    prize: str
    winners: int = 1
    ends: str = ""
    """When it ends: a duration or a point in time, for `locales.times.read_time`."""
    starts: str = ""
    places: tuple[str, ...] = ()
    """`#general`, `@telegram`, `telegram/general`, in lower case; empty: where it was typed. Of a contest: where the
    comments are."""
    roles: tuple[str, ...] = ()
    bonuses: tuple[tuple[str, int], ...] = ()
    cap: int = 0
    member_seconds: float = 0.0
    account_seconds: float = 0.0
    messages: int = 0
    messages_seconds: float = 0.0
    poll: int = 0
    boosted: bool = False
    linked: bool = False
    cooldown_seconds: float = -1.0
    """-1: the setting's."""
    allow: tuple[str, ...] = ()
    block: tuple[str, ...] = ()
    alternates: int = -1
    """-1: the setting's."""
    claim_seconds: float = -1.0
    """-1: the setting's; 0: it need not be claimed."""
    offline: bool = False
    sponsor: str = ""
    picture: str = ""
    about: str = ""
    address: bool = False
    staff: bool = False
    contest: bool = False
    keyword: str = ""
    since: str = ""
    """From when on comments of a contest count, as `ends`; a length of time reaches back."""


def read(text: str) -> Asked | Refused:
    """Read a giveaway, or tell what is wrong with it. What comes back holds by `offers.check`, as far as it can be
    told: roles and members are not looked up."""
    parts = split(text)
    if isinstance(parts, polls.Refused):
        return Refused(parts.why, parts.args)
    found = Found()
    typed = [part if isinstance(part, Quoted) else " ".join(part.split()) for part in parts]
    refused = _read(found, typed) or found.settle()
    return refused or _asked(found)


def _read(found: Found, parts: list[Quoted | str]) -> Refused | None:
    """Read all parts, one after the other."""
    left = _head(found, parts)
    if isinstance(left, Refused):
        return left
    while left:
        part, *left = left
        refused = found.take(part.text) if isinstance(part, Quoted) else _plain(found, part, left)
        if refused is not None:
            return refused
    return None


def _plain(found: Found, text: str, behind: list[Quoted | str]) -> Refused | None:
    """What is not in quotes: flags, and in front of them the prize if there is none yet."""
    at = 0
    if not found.prize and not found.open:
        at = _flags_begin(found, text, behind)
        found.prize = text[:at].strip(_BESIDE)
    return flags(found, level(text[at:]))


# --- time and winners ----------------------------------------------------------------------------------------------

_BESIDE = " ,，、;；:：。|–—-"
"""What may stand between a prize and what is around it."""
_HEAD = 80
"""Characters in which time and winners are looked for."""
_HEAD_WORDS = 6
_WEEKS = re.compile(r"\d{1,20}w", re.IGNORECASE)
_ENDING = re.compile("(?:截止|截至|结束|开奖)$")
_LEADING = re.compile(r"(?:ends?|until|by|截止时间|截止到|截止于|截止|到) ?:? ?(?=\S)", re.IGNORECASE)
_GAP = re.compile(r"[ ,、:]*")
_EDGE = r"(?=[ ,、:]|$)"
_WINNERS = re.compile(rf"(?:抽取?|共)? ?{PEOPLE}{_EDGE}", re.IGNORECASE)
_COUNT = re.compile(rf"{_WINNERS.pattern}|(?P<count>\d{{1,20}}){_EDGE}", re.IGNORECASE)
_DAY = (
    r"(?:(?:next |this |on )?(?:mon|tues|wednes|thurs|fri|satur|sun)day|today|tonight|tomorrow|noon|midnight)"
    r"(?![a-z'’])"
    r"|(?:mon|tues?|wed|thu(?:rs)?|fri|sat|sun)\.? (?:at )?(?:\d|noon)"
    r"|(?:jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec)[a-z]{0,6}\.? \d"
    r"|\d{1,2}(?:st|nd|rd|th)? (?:of )?(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
    r"|\d{4}[-/.]\d|\d{1,2}[/.-]\d{1,2}(?![\d.])|\d{1,2}:\d\d|\d{1,2} ?[ap]\.?m(?![a-z])"
    r"|今天|今晚|明天|明晚|后天|(?:下个?|这个?|本)?(?:周|星期|礼拜)[一二三四五六日天]"
    r"|(?:\d{1,4}|[一二三四五六七八九十]{1,3})(?:年|月|号|日|点)|凌晨|早上|上午|中午|下午|晚上|午夜"
)
_POINT = re.compile(_DAY, re.IGNORECASE)
"""How a point in time begins."""


def _head(found: Found, parts: list[Quoted | str]) -> list[Quoted | str] | Refused:
    """Time and winners, which stand in front; and what is left behind them."""
    if not parts:
        return parts
    first, *left = parts
    if isinstance(first, Quoted):
        return _quoted_head(found, first.text, left) or parts
    text = level(first)
    start, refused = 0, None
    while (place := PLACE.match(text, start)) is not None:
        refused = refused or found.place(place["place"])
        start = _after(text, place.end())
    leading = _LEADING.match(text, start)
    for begin in (leading.end(), start) if leading else (start,):
        ends, winners, end = _time_and_winners(text, begin)
        if ends:
            break
    if not refused and not ends and not winners and _POINT.match(text, start):
        refused = Refused("time_place", {"text": shown(text[start:])})
    refused = refused or _say_head(found, ends, winners)
    rest = first[_after(text, end or start) :]
    return refused or ([rest, *left] if rest else left)


def _after(text: str, at: int) -> int:
    """Where the next word begins."""
    gap = _GAP.match(text, at)
    return gap.end() if gap else at


def _say_head(found: Found, ends: str, winners: str) -> Refused | None:
    count = number(winners) if winners else None
    if winners and count is None:
        return unknown(winners)
    for flag, value, typed in (("ends", ends, ends), ("winners", "" if count is None else str(count), winners)):
        if value:
            found.said[flag], found.typed[flag] = value, shown(typed)
    return None


def _quoted_head(found: Found, time: str, left: list[Quoted | str]) -> list[Quoted | str] | Refused:
    """What is left behind a time in quotes: winners follow it, and then a prize. Empty where it is something else."""
    if not left or isinstance(left[0], Quoted):
        return []
    text = level(left[0])
    winners = _COUNT.match(text, 0)
    if winners is None:
        return []
    rest, behind = left[0][_after(text, winners.end()) :], left[1:]
    otherwise = Found(prize=time)
    prize = _flags_begin(otherwise, rest, behind) if rest else behind and isinstance(behind[0], Quoted)
    if not prize:
        return []
    left = [rest, *behind] if rest else behind
    return _say_head(found, time, winners["people"] or winners["count"]) or left


def _time_and_winners(text: str, start: int) -> tuple[str, str, int]:
    """When it ends and how many win, and where that ends; empty where it is not said."""
    end = _length_end(text, start)
    if end:
        length, counted = _ENDING.sub("", text[start:end]), _COUNT.match(text, _after(text, end))
        if counted is not None:
            return length, counted["people"] or counted["count"], counted.end()
        return ("", length[:-1], end) if _WEEKS.fullmatch(length) else (length, "", end)
    winners = _WINNERS.search(text, start, start + _HEAD)
    if winners is None:
        return "", "", 0
    if winners.start() == start:
        at = _after(text, winners.end())
        end = _length_end(text, at)
        return (text[at:end], winners["people"], end) if end else ("", winners["people"], winners.end())
    point = _ENDING.sub("", text[start : winners.start()].strip(" ,、:"))
    is_time = _POINT.match(point) or seconds(point) is not None
    return (point, winners["people"], winners.end()) if is_time else ("", "", 0)


def _length_end(text: str, start: int) -> int:
    """Where a length of time ends that begins here; 0 where there is none."""
    end = 0
    for at, word in enumerate(WORD.finditer(text, start, start + _HEAD)):
        if at == _HEAD_WORDS or (at and _WEEKS.fullmatch(word[0])):
            break
        if seconds(_ENDING.sub("", text[start : word.end()])) is not None:
            end = word.end()
    return end


# --- the prize -----------------------------------------------------------------------------------------------------

_TRIES = 10
"""How many words of a prize are looked at as the possible beginning of its flags: that bounds the work."""
_TIMELY = re.compile(r"\d|[一二两三四五六七八九十今明后周]|day|night|noon|morrow", re.IGNORECASE)


def _flags_begin(found: Found, text: str, behind: list[Quoted | str]) -> int:
    """Where the first flag begins, and the prize ends; the text's end where there is none."""
    plain = level(text)
    before_quote = bool(behind) and isinstance(behind[0], Quoted)
    tries = _TRIES
    for word in WORD.finditer(plain):
        at = word.start()
        if at > MAX_PRIZE + _HEAD:  # the prize is too long already
            break
        sure = begins(plain, at, before_quote)
        maybe = sure is None or _POINT.match(plain, at) or SPAN.match(plain, at)  # a time whose flag stands behind it
        if sure or (maybe and tries > 0 and _only_flags(found, plain, at, behind)):
            return at
        tries -= bool(maybe)
    return len(text)


def _only_flags(found: Found, text: str, at: int, behind: list[Quoted | str]) -> bool:
    """Whether everything from here on is flags that hold together, and a prize is there as well."""
    tried = deepcopy(found)
    tried.prize = text[:at].strip() or found.prize
    refused = flags(tried, text[at:])
    for part in behind:
        if refused is None:
            refused = tried.take(part.text) if isinstance(part, Quoted) else flags(tried, level(part))
    if refused is not None or tried.settle() is not None or not tried.prize or _alone(tried) is not None:
        return False
    return all(_TIMELY.search(tried.said[flag]) for flag in TIMES if flag in tried.said and flag not in found.said)


# --- what it comes to ----------------------------------------------------------------------------------------------


def _alone(found: Found) -> Refused | None:
    """Flags of contests where there is none."""
    for flag in ("keyword", "since"):
        if flag in found.said and "contest" not in found.said:
            return Refused("contest_alone", {"flag": found.typed[flag]})
    return None


def _asked(found: Found) -> Asked | Refused:
    """What it is that was asked for, if it holds together."""
    said = found.said
    asked = Asked(
        prize=tidy(found.prize),
        winners=int(said.get("winners", 1)),
        ends=said.get("ends", ""),
        starts=said.get("starts", ""),
        places=tuple(found.places),
        roles=tuple(dict.fromkeys(found.roles)),
        bonuses=tuple(found.bonuses),
        cap=int(said.get("cap", 0)),
        member_seconds=_seconds(said, "member", 0.0),
        account_seconds=_seconds(said, "account", 0.0),
        messages=int(said.get("messages", 0)),
        messages_seconds=_seconds(said, "within", 0.0),
        poll=int(said.get("poll", 0)),
        boosted="boosted" in said,
        linked="linked" in said,
        cooldown_seconds=_seconds(said, "cooldown", -1.0),
        allow=tuple(dict.fromkeys(found.members["allow"])),
        block=tuple(dict.fromkeys(found.members["block"])),
        alternates=int(said.get("alternates", -1)),
        claim_seconds=_seconds(said, "claim", -1.0),
        offline="offline" in said,
        sponsor=tidy(said.get("sponsor", "")),
        picture=said.get("picture", ""),
        about=tidy(said.get("about", "")),
        address="address" in said,
        staff="staff" in said,
        contest="contest" in said,
        keyword=tidy(said.get("keyword", "")),
        since=said.get("since", ""),
    )
    return _alone(found) or _wrong(asked) or asked


def _seconds(said: dict[str, str], flag: str, otherwise: float) -> float:
    """A length of time; `0` and `none` are none at all."""
    return otherwise if flag not in said else seconds(said[flag]) or 0.0


def _wrong(asked: Asked) -> Refused | None:
    """What is wrong with it by the rules of offers, of which those on members wait until these are found."""
    if len(asked.keyword) > offers.MAX_KEYWORD:
        return Refused("keyword_long", {"length": len(asked.keyword), "limit": offers.MAX_KEYWORD})
    requirements = Requirements(
        roles=asked.roles,
        member_seconds=asked.member_seconds,
        account_seconds=asked.account_seconds,
        messages=asked.messages,
        messages_seconds=asked.messages_seconds,
        cooldown_seconds=max(asked.cooldown_seconds, 0.0),
        bonuses=tuple(Bonus(role, extra) for role, extra in asked.bonuses),
        cap=asked.cap,
    )
    offer = Offer(
        asked.prize,
        asked.winners,
        max(asked.alternates, 0),
        asked.about,
        asked.sponsor,
        asked.picture,
        requirements,
        max(asked.claim_seconds, 0.0),
    )
    return offers.check(offer)
