"""What somebody typed behind `/poll`: the question and the options in quotes, and flags around them. Pure.

    /poll "Where do we meet?" "Hangzhou" "Chengdu" "Online" anonymous limit 2 ends tomorrow 9am in #general @telegram
    /投票 匿名 最多2项 明天18点截止 “去哪儿聚？” “杭州” “成都”

Only what stands in quotes is asked; every other word must be a flag. Nothing is guessed: what is not understood is
refused, naming it. Chinese flags need no spaces between them, and `截止` and `开始` may follow their time.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from bot.domain import polling
from bot.domain.places import BadAddress
from bot.domain.poll_quotes import MAX_TEXT, Quoted, split
from bot.domain.polls import ABSTAIN, STARS, Kind, Option, Question, Refused, Restrictions
from bot.domain.roles import Grant, Role
from bot.domain.spans import number, seconds

_SHOWN = 40
_NOBODY_OUT = Restrictions()
_OWN = {Kind.RATING: STARS, Kind.CONSENT: ABSTAIN}
"""Kinds that bring their options."""

REFUSALS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("text_long", ("length", "limit")),
    ("control", ()),
    ("no_quotes", ()),
    ("open_quote", ("text",)),
    ("flag_value", ("flag",)),
    ("flag_twice", ("flag",)),
    ("word", ("word",)),
    ("word_near", ("word", "near")),
    ("kinds_clash", ("one", "other")),
    ("span_unclear", ("text",)),
    ("role_unclear", ("text",)),
    ("approval_alone", ()),
    ("explanation_alone", ()),
)
"""Every `why` of this module with its arguments, beside those of `polling.check` (`polls.REFUSALS`)."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody asked for. Times and places are as they were typed; nothing of it has been looked up."""

    question: str
    options: tuple[str, ...]
    """Empty for kinds that have options of their own (RATING, CONSENT), and for OPEN where members begin."""
    kind: Kind = Kind.SINGLE
    limit: int = 1
    anonymous: bool = False
    hidden: bool = False
    fixed: bool = False
    native: bool = False
    approval: bool = False
    correct: int = 0
    """The number (from 1) of a quiz's right option."""
    explanation: str = ""
    restrictions: Restrictions = _NOBODY_OUT
    ends: str = ""
    """When it ends: a duration or a point in time, for `locales.times.read_time`."""
    starts: str = ""
    every: str = ""
    """How it comes again, for `locales.times.read_rule`."""
    places: tuple[str, ...] = ()
    """`#general`, `@telegram`, `telegram/general`, in lower case; empty: where it was typed."""
    remind: bool = True


def read(text: str) -> Asked | Refused:
    """Read a poll, or tell what is wrong with it; all of `polling.check` holds for what comes back."""
    parts = split(text)
    if isinstance(parts, Refused):
        return parts
    if not any(isinstance(part, Quoted) for part in parts):
        return Refused("no_quotes")
    found = _Found()
    for part in parts:
        refused = found.take(part.text) if isinstance(part, Quoted) else _flags(found, part)
        if refused is not None:
            return refused
    return found.settle() or _asked(found)


# --- what the flags say, gathered ----------------------------------------------------------------------------------


@dataclass(slots=True)
class _Found:
    """What was read so far."""

    quoted: list[str] = field(default_factory=list)
    said: dict[str, str] = field(default_factory=dict)
    """Flags with their values; empty for those that have none."""
    typed: dict[str, str] = field(default_factory=dict)
    """The words by which they were said."""
    kinds: dict[Kind, str] = field(default_factory=dict)
    """The kinds that were asked for, with the words that did."""
    places: dict[str, None] = field(default_factory=dict)
    loose: list[str] = field(default_factory=list)
    """Words that no flag has claimed yet; a flag that stands behind its time may."""
    open: str = ""
    """The flag that takes what comes now."""

    def take(self, text: str) -> Refused | None:
        """Something in quotes: the value of a flag that waits for it, or the question, or an option."""
        if self.open in _QUOTED and not self.said[self.open] and not self.loose:
            self.said[self.open] = text
            return self.settle()
        refused = self.settle()
        self.quoted.append(text)
        return refused

    def settle(self) -> Refused | None:
        """No more words for the flag that was open, and none may be left over."""
        flag, self.open = self.open, ""
        if flag and not self.said[flag]:
            return Refused("flag_value", {"flag": self.typed[flag]})
        return _unknown(" ".join(self.loose)) if self.loose else None

    def say(self, flag: str, value: str, typed: str) -> Refused | None:
        """A flag with its value."""
        if self.said.get(flag):
            return Refused("flag_twice", {"flag": typed})
        self.said[flag], self.typed[flag] = value, typed.strip()[:_SHOWN]
        return None

    def begin(self, flag: str, typed: str, value: str = "") -> Refused | None:
        """A flag whose value comes."""
        refused = self.settle() or self.say(flag, value, typed)
        self.open = flag
        return refused

    def word(self, text: str) -> None:
        """A word that is no flag."""
        if not self.open or self.open == "explain":
            self.loose.append(text)
            return
        self.said[self.open] = f"{self.said[self.open]} {text}".strip()
        if self.open == "role":
            self.open = ""


def _unknown(text: str) -> Refused:
    """Words that say nothing to us, with the flag that may have been meant."""
    near = get_close_matches(text.casefold()[:_SHOWN], _NAMES, 1, 0.75)
    word = text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
    return Refused("word_near", {"word": word, "near": near[0]}) if near else Refused("word", {"word": word})


# --- the words -----------------------------------------------------------------------------------------------------

_PLAIN: Mapping[str, str] = {
    "anonymous": "anonymous|anonymously|anon|匿名投票|匿名",
    "hidden": "hidden|hide results|hide|隐藏结果|结果隐藏|隐藏",
    "fixed": "fixed|final|no changes|不可更改|不可修改|不能更改|不能修改|不可改|不能改",
    "native": "native|原生投票|原生",
    "approval": "approval|approved|moderated|需要审核|需审核|要审核|审核",
    "noremind": "noremind|no remind|no reminder|noreminder|不提醒|不要提醒|无提醒",
    "multiple": "multiple choice|multiple|multi|可多选|多选",
    "ranked": "ranked choice|ranked|ranking|rank|排序投票|排序|排名",
    "rating": "rating|rate|stars|评分|打分",
    "quiz": "quiz|测验|测试|竞猜",
    "consent": "consent|yesno|yes/no|yes-no|表决|赞成反对",
    "open": "open|开放选项|开放",
    "single": "single choice|single|单选",
}
_KINDS = {kind.value: kind for kind in Kind}
_TIMES: Mapping[str, str] = {
    "ends": "ends|end|until|closes|close|截止时间|结束时间|截止于|截止到|截止|截至|结束",
    "starts": "starts|start|opens|begins|begin|开始时间|开始于|开始",
}
_BEHIND = re.compile("(?P<ends>截止|截至|结束)|(?P<starts>开始)")
"""These may stand behind their time: `明天18点截止`."""
_EVERY = r"(?:every|daily|weekly|monthly|weekdays)(?![a-z])|每|隔天|隔日|隔周"
_NUMERAL = r"\d{1,6}|[一二两三四五六七八九十]{1,3}"
_COUNTED: Mapping[str, str] = {
    "limit": r"(?:limit|max|up to|最多可选|最多选|最多|限选|可选|限|多选)"
    rf"[\s:=]*(?P<limit>{_NUMERAL})\s*(?:个选项|项|个|票)?",
    "quiz": rf"(?:quiz|测验|测试|竞猜|right|correct|answer|正确答案|答案)[\s:=]*(?P<quiz>{_NUMERAL})",
}
_VALUED: Mapping[str, str] = {
    "limit": "limit|max|up to|最多|限选",
    "explain": "explanation|explain|解释|解析|说明",
    "role": "role|角色|身份组",
    "member": "member for|member|入群时间|入群满|入群",
    "account": "account age|account|账号年龄|账号满|账号|帐号",
}
_QUOTED = ("explain", "role")
"""What may stand in quotes; an explanation must."""
_NAMES = [word for words in [*_PLAIN.values(), *_TIMES.values(), *_VALUED.values()] for word in words.split("|")]
_PLACE = re.compile(
    r"[#@][^\s,、;。]{1,100}|<#[^>\s]{1,100}>|(?:slack|discord|telegram)/[^\s,、;。]{1,100}", re.IGNORECASE
)
_LEADING = re.compile(r"(?:in|on|and|在|和|到)\s*(?::\s*)?(?=[#@]|<#|(?:slack|discord|telegram)/)", re.IGNORECASE)
_GAP = re.compile(r"[\s,、;。|+]*")
_WORD = re.compile(r"[^\s,、;。]+")


def _ending(words: str) -> str:
    """These words as a whole: a Latin one ends where no letter or digit follows, a Chinese one anywhere."""
    return "|".join(
        re.escape(word).replace("\\ ", r"\s+") + ("(?![a-z0-9_-])" if word[-1].isascii() else "")
        for word in sorted(words.split("|"), key=len, reverse=True)
    )


_FLAG = re.compile(
    "|".join(
        [
            *(f"(?:{pattern})(?![a-z0-9])" for pattern in _COUNTED.values()),
            *(f"(?P<plain_{name}>{_ending(words)})" for name, words in _PLAIN.items()),
            *(rf"(?P<time_{name}>{_ending(words)})[\s:=]*" for name, words in _TIMES.items()),
            *(rf"(?P<value_{name}>{_ending(words)})[\s:=]*" for name, words in _VALUED.items()),
            f"(?P<every>{_EVERY})",
        ]
    ),
    re.IGNORECASE,
)


def _flags(found: _Found, part: str) -> Refused | None:
    """The flags of what stands between two quoted texts."""
    text = unicodedata.normalize("NFKC", part)
    if len(text) > MAX_TEXT:  # some signs stand for many
        return Refused("text_long", {"length": len(text), "limit": MAX_TEXT})
    at, refused = 0, None
    while refused is None and (at := _skip(text, at)) < len(text):
        place = _PLACE.match(text, at)
        flag = None if place else _FLAG.match(text, at)
        if place is not None:
            refused = _place(found, place[0])
            at = place.end()
        elif flag is not None:
            refused = _flag(found, flag)
            at = flag.end()
        else:
            refused, at = _loose(found, text, at)
    return refused


def _skip(text: str, at: int) -> int:
    """Where the next word begins."""
    gap = _GAP.match(text, at)
    at = gap.end() if gap else at
    leading = _LEADING.match(text, at)
    return leading.end() if leading else at


def _place(found: _Found, text: str) -> Refused | None:
    """A room or platform. Slack writes `<#C1|name>` for a room, Discord `<#1>`."""
    refused = found.settle()
    named = text.strip("<>").rstrip(".:!?")
    found.places["#" + named.partition("|")[2].lower() if "|" in named else named.lower()] = None
    return refused


def _flag(found: _Found, flag: re.Match[str]) -> Refused | None:
    name, typed = flag.lastgroup or "", flag[0]
    group, _, rest = name.partition("_")
    if name in _COUNTED:
        value = number(flag[name])
        return _unknown(typed.strip()) if value is None else found.settle() or found.say(name, str(value), typed)
    if group == "plain":
        return found.settle() or _plain(found, rest, typed)
    if name == "every":
        return found.begin(name, typed, typed)
    if group == "time" and found.loose and _BEHIND.fullmatch(flag[name]):
        return _behind(found, rest, "", typed)
    if rest == "limit":
        return found.settle() or Refused("flag_value", {"flag": typed.strip()})
    return found.begin(rest, flag[name])


def _plain(found: _Found, name: str, typed: str) -> Refused | None:
    """A flag that stands for itself."""
    if name in _KINDS:
        found.kinds[_KINDS[name]] = typed
        return None
    return found.say(name, "", typed)


def _behind(found: _Found, flag: str, text: str, typed: str) -> Refused | None:
    """A flag behind its time, which are the words that no other has claimed."""
    value = " ".join([*found.loose, text]).strip()
    found.loose.clear()
    return found.settle() or found.say(flag, value, typed)


def _loose(found: _Found, text: str, at: int) -> tuple[Refused | None, int]:
    """A word that is no flag, up to one that stands behind it; and where that ends."""
    word = _WORD.match(text, at)
    end = word.end() if word else at + 1
    behind = _BEHIND.search(text, at, end)
    if behind is None:
        found.word(text[at:end])
        return None, end
    before = text[at : behind.start()]
    if found.open == "every" and behind[0] == "开始":  # `每周一9点开始`
        found.word(before)
        return None, behind.end()
    return _behind(found, behind.lastgroup or "", before, behind[0]), behind.end()


# --- what it comes to ----------------------------------------------------------------------------------------------


def _asked(found: _Found) -> Asked | Refused:
    """What it is that was asked for, if it holds together."""
    kind = _kind(found)
    if isinstance(kind, Refused):
        return kind
    restrictions = _restrictions(found.said)
    if isinstance(restrictions, Refused):
        return restrictions
    said, options = found.said, tuple(polling.tidy(option) for option in found.quoted[1:])
    whole = len(options) if kind is Kind.MULTIPLE else 1
    asked = Asked(
        question=polling.tidy(found.quoted[0]) if found.quoted else "",
        options=options,
        kind=kind,
        limit=int(said["limit"]) if "limit" in said else whole,
        anonymous="anonymous" in said,
        hidden="hidden" in said,
        fixed="fixed" in said,
        native="native" in said,
        approval="approval" in said,
        correct=int(said.get("quiz", 0)),
        explanation=polling.tidy(said.get("explain", "")),
        restrictions=restrictions,
        ends=said.get("ends", ""),
        starts=said.get("starts", ""),
        every=said.get("every", ""),
        places=tuple(found.places),
        remind="noremind" not in said,
    )
    return _wrong(asked) or asked


def _kind(found: _Found) -> Kind | Refused:
    """The one kind that the flags agree on. A number of choices makes it MULTIPLE, a right answer a QUIZ."""
    kinds, limit = dict(found.kinds), int(found.said.get("limit", 1))
    if "quiz" in found.said:
        kinds[Kind.QUIZ] = found.typed["quiz"]
    if limit != 1:
        kinds[Kind.MULTIPLE] = found.typed["limit"]
    if len(kinds) > 1:
        one, other = list(kinds.values())[:2]
        return Refused("kinds_clash", {"one": one, "other": other})
    return next(iter(kinds), Kind.SINGLE)


def _restrictions(said: Mapping[str, str]) -> Restrictions | Refused:
    spans: dict[str, float] = {}
    for flag in ("member", "account"):
        if flag in said:
            length = seconds(said[flag])
            if length is None:
                return Refused("span_unclear", {"text": said[flag][:_SHOWN]})
            spans[flag] = length
    role = said.get("role", "")
    if role and not _is_role(role):
        return Refused("role_unclear", {"text": role[:_SHOWN]})
    role = role.lower() if role.lower() in set(Role) else role
    return Restrictions(role, spans.get("member", 0.0), spans.get("account", 0.0))


def _is_role(text: str) -> bool:
    """Whether this is a role of ours, or a platform's own as settings write it."""
    try:
        return text.lower() in set(Role) or Grant.parse(Role.VIEWER, text).platform_role is not None
    except BadAddress:
        return False


def _wrong(asked: Asked) -> Refused | None:
    """What is wrong with it, if anything: flags without what they belong to, and all that `polling.check` looks at."""
    if asked.approval and asked.kind is not Kind.OPEN:
        return Refused("approval_alone")
    if asked.explanation and asked.kind is not Kind.QUIZ:
        return Refused("explanation_alone")
    own = _OWN.get(asked.kind, 0)
    if own and asked.options:
        return Refused("kind_options", {"count": own})
    texts = asked.options or tuple(map(str, range(own)))
    options = tuple(Option(at, text) for at, text in enumerate(texts, 1))
    question = Question(
        asked.question, options, asked.kind, asked.limit, correct=asked.correct, explanation=asked.explanation
    )
    return polling.check(question)
