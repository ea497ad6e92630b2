"""The words of a typed giveaway's flags in both languages, and the patterns that find them. Pure.

Texts are matched with their width levelled and each run of spaces as one: no pattern goes back and forth.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20, 0xD7: 0x78}


def level(text: str) -> str:
    """The same text with full-width signs as plain ones, each in its place."""
    return text.translate(_WIDTH)


NUMERAL = r"(?:\d{1,20}|[零〇一二两三四五六七八九十]{1,3})"
_UNIT = (
    r"(?:(?:seconds?|secs?|minutes?|mins?|hours?|hrs?|days?|weeks?|[smhdw])(?![a-z])"
    r"|秒钟?|分钟?|小时|钟头|天|周|星期|礼拜)"
)
_AMOUNT = r"(?:\d{1,6}(?:\.\d{1,3})?|[零〇一二两三四五六七八九十半]{1,4}|(?:half )?an?)"
_PAIR = rf"{_AMOUNT} ?个?半? ?{_UNIT}半?"
_LENGTH = rf"{_PAIR}(?:,? ?(?:and )?(?!\d+ ?w(?![a-z])){_PAIR}){{0,3}}"
"""A length of time. `7d 3w` is one and then three winners: nobody tells weeks after days."""
PEOPLE = (
    rf"(?:for )?(?P<people>{NUMERAL}) ?(?:(?:w|winners?)(?![a-z0-9_])|[名位个人](?:中奖者|获奖者|得奖者|得主|赢家)?)"
)
"""So many winners."""
_ALTERNATES = rf"(?P<second>{NUMERAL}) ?(?:(?:alternates?|backups?)(?![a-z])|[名位个]?候补)"

_PLAIN: Mapping[str, str] = {
    "boosted": "boosted|boosters|booster|boosting|boost|服务器助力者|服务器助力|助力者|助力",
    "linked": "linked accounts|linked account|linked|已关联账号|关联账号|绑定账号|已关联|已绑定",
    "offline": "offline|no beacon|none|离线|不用信标|无信标",
    "address": "needs address|address|shipping|需要收货地址|需要地址|要地址|收货地址|需邮寄|邮寄",
    "staff": "staff may enter|staff|team may enter|团队可以参加|团队可参加|团队可参与|团队参加|允许团队",
    "contest": "comment contest|comments|评论抽奖|抽评论|评论",
}
TIMES: Mapping[str, str] = {
    "ends": "ends|end|until|closes|close|截止时间|结束时间|开奖时间|截止于|截止到|截止|截至|结束|开奖",
    "starts": "starts|start|opens|begins|begin|开始时间|开始于|开始",
    "since": "from|since|自从|从",
}
LENGTHS: Mapping[str, str] = {
    "member": "member for|member since|member|入群时间|入群满|入群|进群满|进群|加入满",
    "account": "account age|account|账号年龄满|账号年龄|账号满|帐号满|账号|帐号",
    "cooldown": "past winners|cooldown|中奖冷却|中奖间隔|冷却",
    "claim": "claim within|claim|领奖期限|领奖时间|领奖|兑奖期限|兑奖",
}
_COUNTS: Mapping[str, str] = {
    "winners": "winners|winner|中奖人数|获奖人数|名额|抽取|抽",
    "alternates": "alternates|alternate|backups|候补人数|候补",
    "cap": "max tickets|cap|最多|上限|封顶",
    "poll": "answered poll|poll|参与投票|参加投票|答过投票|投票",
}
TEXTS: Mapping[str, str] = {
    "sponsor": "sponsored by|sponsor|赞助商|赞助方|赞助",
    "about": "description|about|详细说明|说明|介绍",
    "picture": "picture|image|pic|图片|配图",
    "keyword": "keyword|关键词|关键字",
}
LISTS: Mapping[str, str] = {
    "allow": "allow|only for|only|白名单|仅限|只限",
    "block": "block|exclude|ban|黑名单|屏蔽|排除",
}
ROLES: Mapping[str, str] = {"role": "role|需要角色|角色|身份组", "bonus": "bonus|加成|加权"}
_MESSAGES = "messages|message|发言|消息"
_KINDS: Mapping[str, Mapping[str, str]] = {
    "plain": _PLAIN,
    "time": TIMES,
    "length": LENGTHS,
    "count": _COUNTS,
    "text": TEXTS,
    "list": LISTS,
    "role": ROLES,
    "messages": {"alone": _MESSAGES},
}
NAMES = [word for kind in _KINDS.values() for words in kind.values() for word in words.split("|")]


def _words(words: str) -> str:
    """These words as a whole: a Latin one ends where no letter or digit follows, a Chinese one anywhere."""
    found = sorted(words.split("|"), key=len, reverse=True)
    whole = (re.escape(word).replace("\\ ", " ") + ("(?![a-z0-9_-])" if word[-1].isascii() else "") for word in found)
    return f"(?:{'|'.join(whole)})"


def _any(*named: Mapping[str, str]) -> str:
    return _words("|".join(words for words_of in named for words in words_of.values()))


_LAST = "(?:the )?(?:last )?"
_WRITTEN = (
    rf"{_words(_MESSAGES)}[ :=]*(?P<wrote_1>{NUMERAL}) ?[条次句]? ?(?:in|within|per|/) ?{_LAST}(?P<within_1>{_LENGTH})",
    rf"(?P<wrote_2>{NUMERAL}) ?(?:messages?) ?(?:in|within|per|/) ?{_LAST}(?P<within_2>{_LENGTH})",
    rf"(?:最近|近|过去)?(?P<within_3>{_LENGTH})(?:之内|以内|内|里)? ?(?:至少|满)?(?:发言|发过|消息)(?:至少|满)?"
    rf" ?(?P<wrote_3>{NUMERAL}) ?[条次句]?",
)
"""`messages 5 in 7d`, `5 messages in 7d`, `7天内发言5条`: group for group how many, and within what time."""
FLAG = re.compile(
    "|".join(
        [
            *_WRITTEN,
            _ALTERNATES,
            PEOPLE,
            *(f"(?P<{kind}_{name}>{_words(words)})" for kind, of in _KINDS.items() for name, words in of.items()),
        ]
    ),
    re.IGNORECASE,
)
_ROOM = r"[#@][^\s,、;。]{1,100}|<#[^>\s]{1,100}>|(?:slack|discord|telegram)/[^\s,、;。]{1,100}"
PLACE = re.compile(rf"(?:(?:in|on|and|在|和|到) ?:? ?)?(?P<place>{_ROOM})", re.IGNORECASE)
SURE = re.compile(
    "|".join(
        [
            PLACE.pattern,
            *_WRITTEN,
            _ALTERNATES,
            rf"{_words('|'.join(TIMES[name] for name in ('ends', 'starts')))}[ :=]*\d",
            f"(?:{_any(LENGTHS)}|{_words(_MESSAGES)})[ :=]*{NUMERAL}",
            f"{_words('|'.join(_COUNTS[name] for name in ('alternates', 'cap', 'poll')))}[ :=]*#?{NUMERAL}",
            f"{_any(LISTS, ROLES)}[ :=]*[@<]",
            f"{_words(TEXTS['picture'])}[ :=]*<?https?:",
        ]
    ),
    re.IGNORECASE,
)
"""What is a flag and nothing else, wherever it stands."""
QUOTES = re.compile(rf"{_any(TEXTS, ROLES, LISTS)}[ :=]*$", re.IGNORECASE)
"""What is a flag because a text in quotes follows."""
BEHIND = re.compile("(?P<ends>截止|截至|结束|开奖)|(?P<starts>开始)")
"""These may stand behind their time: `明天18点截止`."""

GAP = re.compile(r"[\s,、;。|+]*")
SAYS = re.compile(r"[ :=]*")
WORD = re.compile(r"[^\s,、;。]+")
NAMED = re.compile(r"<[^<>]{1,150}>|[^\s,、;。]{1,150}")
ADDRESS = re.compile(r"<(?P<bare>[^\s<>|]+)(?:\|[^<>]*)?>|\S+")
MEMBER = re.compile(
    r"[\s,、;]*(?:(?:and|和) ?)?"
    r"(?P<member><@!?[^<>\s]{1,100}>|@[^\s,、;。]{1,100}|(?:slack|discord|telegram):[^\s,、;。]{1,150})",
    re.IGNORECASE,
)
EXTRA = re.compile(
    r"[\s:=]*[+x]? ?(?P<extra>\d{1,20})(?![a-z\d]|\.\d) ?(?:extra )?(?:tickets?(?![a-z])|张票|张|票|次)?", re.IGNORECASE
)
SPAN = re.compile(_LENGTH, re.IGNORECASE)
ZERO = re.compile(r"(?:0|none|no|无)(?![\w.])", re.IGNORECASE)
NUMBER = re.compile(
    rf"#?(?P<number>{NUMERAL})(?![a-z\d]|\.\d) ?(?:tickets?(?![a-z])|[人名位个](?:候补|中奖者)?|张票|张|票)?",
    re.IGNORECASE,
)
