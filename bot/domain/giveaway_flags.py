"""The flags of a typed giveaway: words that ask for something, and what stands behind them. Pure.

`Found` gathers what is asked for, `flags` reads a text of which every word belongs to a flag, and `begins` says whether
one begins at a place. Nothing is guessed: what is not understood is refused, naming it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from difflib import get_close_matches

from bot.domain.giveaway_flag_words import (
    ADDRESS,
    BEHIND,
    EXTRA,
    FLAG,
    GAP,
    LISTS,
    MEMBER,
    NAMED,
    NAMES,
    NUMBER,
    PLACE,
    QUOTES,
    ROLES,
    SAYS,
    SPAN,
    SURE,
    TEXTS,
    TIMES,
    WORD,
    ZERO,
)
from bot.domain.giveaways import Refused
from bot.domain.spans import number, seconds

SHOWN = 40
"""Characters of what somebody typed that a refusal repeats."""
MAX_PLACES = 50
_LONGEST_TIME = 100
"""Characters of a point in time, more than `locales.times` reads."""

# --- what was read -------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Found:
    """What was read so far."""

    prize: str = ""
    said: dict[str, str] = field(default_factory=dict)
    """Flags with their values; empty for those that have none."""
    typed: dict[str, str] = field(default_factory=dict)
    """The words by which they were said."""
    places: dict[str, None] = field(default_factory=dict)
    roles: list[str] = field(default_factory=list)
    bonuses: list[tuple[str, int]] = field(default_factory=list)
    members: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in LISTS})
    loose: list[str] = field(default_factory=list)
    """Words that no flag has claimed yet; a flag that stands behind its time may."""
    open: str = ""
    """The flag that takes what comes now."""

    def take(self, text: str) -> Refused | None:
        """Something in quotes: the value of a flag that waits for it, or the prize."""
        flag = self.open
        if self.loose or flag in TIMES or not flag or self.said.get(flag):
            refused = self.settle()
            if refused is None and self.prize:
                refused = Refused("prize_twice", {"one": shown(self.prize), "other": shown(text)})
            self.prize = self.prize or text
            return refused
        if not text:
            return self.settle()
        self.open = ""
        if flag in ROLES:
            return self.role(flag, text)
        if flag in LISTS:
            self.members[flag].append(text)
        else:
            self.said[flag] = text
        return None

    def role(self, flag: str, name: str) -> Refused | None:
        """A role that may enter, or the one that a bonus is for."""
        if flag == "role":
            self.roles.append(name)
        else:
            self.said["extra"], self.open = name, "extra"
            self.typed["extra"] = self.typed["bonus"]
        return None

    def settle(self) -> Refused | None:
        """No more words for the flag that was open, and none may be left over."""
        flag, self.open = self.open, ""
        if flag and (flag == "extra" or not self.said.get(flag)) and not self.members.get(flag):
            return Refused("flag_value", {"flag": self.typed[flag]})
        return unknown(" ".join(self.loose)) if self.loose else None

    def say(self, flag: str, value: str, typed: str) -> Refused | None:
        """A flag with its value; each is said once."""
        if flag in self.said:
            return Refused("flag_twice", {"flag": shown(typed.strip())})
        self.said[flag], self.typed[flag] = value, shown(typed.strip())
        return None

    def begin(self, flag: str, typed: str) -> Refused | None:
        """A flag whose value comes."""
        once = flag in TIMES or flag in TEXTS
        refused = self.settle() or (self.say(flag, "", typed) if once else None)
        self.open, self.typed[flag] = flag, shown(typed.strip())
        return refused

    def place(self, text: str) -> Refused | None:
        """A room or platform. Slack writes `<#C1|name>` for a room, Discord `<#1>`."""
        named = text.strip("<>").rstrip(".:!?")
        self.places["#" + named.partition("|")[2].lower() if "|" in named else named.lower()] = None
        return self.settle() or (
            Refused("many_places", {"limit": MAX_PLACES}) if len(self.places) > MAX_PLACES else None
        )


def shown(text: str) -> str:
    """As much of a text as a refusal repeats."""
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"


def unknown(text: str) -> Refused:
    """Words that say nothing to us, with the flag that may have been meant."""
    near = get_close_matches(text.casefold()[:SHOWN], NAMES, 1, 0.75)
    return (
        Refused("word_near", {"word": shown(text), "near": near[0]}) if near else Refused("word", {"word": shown(text)})
    )


# --- reading -------------------------------------------------------------------------------------------------------


def begins(text: str, at: int, before_quote: bool) -> bool | None:
    """Whether a flag begins here: surely, surely not, or (None) if what follows is nothing but flags.

    `before_quote`: something in quotes follows the text.
    """
    if SURE.match(text, at) or (before_quote and QUOTES.match(text, at)):
        return True
    word = WORD.match(text, at)
    return None if FLAG.match(text, at) or (word and BEHIND.search(word[0])) else False


def flags(found: Found, text: str) -> Refused | None:
    """Read a text of which every word belongs to a flag; what waits for its value stays open."""
    at = 0
    while (at := _end(GAP, text, at)) < len(text):
        step = _step(found, text, at)
        if isinstance(step, Refused):
            return step
        at = step
    return None


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return match.end() if match else at


def _step(found: Found, text: str, at: int) -> int | Refused:
    """The next word or flag, and where it ends."""
    if found.open == "extra":
        return _extra(found, text, at)
    place = PLACE.match(text, at)
    if place is not None:
        return found.place(place["place"]) or place.end()
    waits = found.open in TIMES and not found.said[found.open] and not found.loose
    flag = None if waits else FLAG.match(text, at)
    return _loose(found, text, at) if flag is None else _flag(found, flag, text)


def _flag(found: Found, flag: re.Match[str], text: str) -> int | Refused:
    group, typed, at = flag.lastgroup or "", flag[0], flag.end()
    kind, _, name = group.partition("_")
    if kind == "time":
        if found.loose and BEHIND.fullmatch(flag[0]):
            return _behind(found, name, "", typed) or at
        return found.begin(name, typed) or at
    if kind == "text":
        return found.begin(name, typed) or _text(found, name, text, at)
    if kind in {"list", "role"}:
        read = _list if kind == "list" else _role
        return found.begin(name, typed) or read(found, name, text, at)
    refused = found.settle()
    if refused is not None:
        return refused
    return _number(found, flag, text)


def _number(found: Found, flag: re.Match[str], text: str) -> int | Refused:
    """Flags that are there or have a number or a length of time, which ends where it ends: no spaces are needed."""
    typed, at = flag[0], flag.end()
    kind, _, name = (flag.lastgroup or "").partition("_")
    if kind in {"wrote", "within"}:
        return _written(found, flag) or at
    if kind in {"second", "people"}:
        return _counted(found, "alternates" if kind == "second" else "winners", flag[kind], typed) or at
    if kind == "plain":
        return found.say(name, "", typed) or at
    read = _length if kind == "length" else _count
    return read(found, name, typed, text, _end(SAYS, text, at))


def _count(found: Found, name: str, typed: str, text: str, at: int) -> int | Refused:
    counted = NUMBER.match(text, at)
    if counted is None:
        return Refused("flag_value", {"flag": shown(typed)})
    if name == "alone":  # messages, and not within what time
        return Refused("messages_time")
    return _counted(found, name, counted["number"], typed) or counted.end()


def _written(found: Found, flag: re.Match[str]) -> Refused | None:
    for way in "123":
        if flag[f"wrote_{way}"]:
            found.said.setdefault("within", flag[f"within_{way}"])
            return _counted(found, "messages", flag[f"wrote_{way}"], flag[0])
    return None


def _counted(found: Found, name: str, text: str, typed: str) -> Refused | None:
    value = number(text)
    return unknown(typed.strip()) if value is None else found.say(name, str(value), typed)


def _length(found: Found, name: str, typed: str, text: str, at: int) -> int | Refused:
    span = SPAN.match(text, at)
    if span is None and name in {"cooldown", "claim"}:
        span = ZERO.match(text, at)
    if span is not None and (ZERO.fullmatch(span[0]) or seconds(span[0]) is not None):
        return found.say(name, span[0], typed) or span.end()
    word = None if begins(text, at, False) else WORD.match(text, at)
    return Refused("span_unclear", {"text": shown(word[0])}) if word else Refused("flag_value", {"flag": shown(typed)})


def _text(found: Found, name: str, text: str, at: int) -> int | Refused:
    """One word for what needs no quotes; otherwise quotes must follow."""
    at = _end(SAYS, text, at)
    if at == len(text):
        return at
    word = None if name == "about" else (ADDRESS if name == "picture" else WORD).match(text, at)
    if word is None or begins(text, at, False):
        return found.settle() or at
    found.said[name], found.open = word["bare"] or word[0] if name == "picture" else word[0], ""
    return word.end()


def _role(found: Found, name: str, text: str, at: int) -> int | Refused:
    at = _end(SAYS, text, at)
    if at == len(text):
        return at
    role = NAMED.match(text, at)
    if role is None:
        return found.settle() or at
    found.open = ""
    return found.role(name, role[0]) or role.end()


def _extra(found: Found, text: str, at: int) -> int | Refused:
    """How many tickets a bonus brings."""
    extra = EXTRA.match(text, at)
    if extra is None:
        return found.settle() or at
    found.open = ""
    found.bonuses.append((found.said.pop("extra"), int(extra["extra"][:9])))
    return extra.end()


def _list(found: Found, name: str, text: str, at: int) -> int | Refused:
    at = first = _end(SAYS, text, at)
    while (member := MEMBER.match(text, at)) is not None:
        found.members[name].append(member["member"])
        at = member.end()
    if at > first:
        found.open = ""
        return at
    return at if at == len(text) else Refused("flag_value", {"flag": found.typed[name]})


def _behind(found: Found, flag: str, text: str, typed: str) -> Refused | None:
    """A flag behind its time, which are the words that no other has claimed."""
    value = " ".join([*found.loose, text]).strip()
    found.loose.clear()
    return found.settle() or found.say(flag, value, typed)


def _loose(found: Found, text: str, at: int) -> int | Refused:
    """A word that is no flag, up to one that stands behind it; and where that ends."""
    end = max(_end(WORD, text, at), at + 1)
    behind = BEHIND.search(text, at, end)
    if behind is None:
        return _word(found, text[at:end]) or end
    before = text[at : behind.start()]
    if found.open == "since" and behind[0] == "开始":  # `从周一9点开始`
        return _word(found, before) or behind.end()
    return _behind(found, behind.lastgroup or "", before, behind[0]) or behind.end()


def _word(found: Found, text: str) -> Refused | None:
    """A word of a time, or one that may become a part of it; no time is so long."""
    words = [found.said[found.open], text] if found.open in TIMES else [*found.loose, text]
    said = " ".join(words).strip()
    if len(said) > _LONGEST_TIME:
        return unknown(said)
    if found.open in TIMES:
        found.said[found.open] = said
    else:
        found.loose = words
    return None
