"""Words to search by, the same for knowledge and for comments.

Scripts that write spaces give lower-cased words (NFKC), English ones without their endings. Chinese and Japanese give
every character and every pair of neighbours: on the question sets that the ranking was tuned with, that found more than
a word segmenter did, and needs no dictionary.
"""

from __future__ import annotations

import re
import unicodedata

MAX_CHARACTERS = 2_000
"""Of a query only this much is looked at: a comment of 100 kB must cost no more than a long one."""

_RUN = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+|[^\W_]+")
_STOP = frozenset(
    "a an the of to in on at is are be it its this that for with and or as by i my me we you your so am".split()
)
_FOLDED = {
    **dict.fromkeys(("如何", "怎样", "怎麼", "咋"), "怎么"),
    **dict.fromkeys(("为啥", "为何"), "为什么"),
    **dict.fromkeys(("多久", "何时", "几时", "哪天"), "什么时候"),
    **dict.fromkeys(("能不能", "能否", "可不可以", "是否", "能"), "可以"),
    **dict.fromkeys(("不了", "不可以", "无法"), "不能"),
    "啥": "什么",
    "嘛": "吗",
    "木有": "没有",
}
_FOLD = re.compile("|".join(sorted(_FOLDED, key=len, reverse=True)))
_ENDINGS = (("ies", "y", 3), ("sses", "ss", 3), ("ing", "", 3), ("edly", "", 3), ("ed", "", 3), ("ions", "ion", 3))
_SHORT_ENDINGS = (("es", "", 3), ("s", "", 3), ("ly", "", 4))


def is_ideographic(character: str) -> bool:
    """Whether it belongs to a script that is searched by characters: Han and kana."""
    return "\u3040" <= character <= "\u30ff" or "\u3400" <= character <= "\u9fff" or "\uf900" <= character <= "\ufaff"


def stem(word: str) -> str:
    """An English word without its commonest endings. Words of other alphabets come back unchanged."""
    if len(word) < 4 or not word.isascii() or word.isdigit():
        return word
    word = _without_ending(word)
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "lsz":
        word = word[:-1]
    if len(word) > 3 and word.endswith("e"):
        word = word[:-1]
    return word[:-1] + "i" if len(word) > 3 and word.endswith("y") else word


def _without_ending(word: str) -> str:
    for ending, instead, left in (*_ENDINGS, *_SHORT_ENDINGS):
        if word.endswith(ending) and len(word) - len(ending) >= left:
            return word if word.endswith("ss") else word[: -len(ending)] + instead
    return word


def tokens(text: str) -> list[str]:
    """The search words of a text, in order, with repetitions."""
    folded = _FOLD.sub(lambda match: _FOLDED[match[0]], unicodedata.normalize("NFKC", text).lower())
    found: list[str] = []
    for run in _RUN.findall(folded):
        if is_ideographic(run[0]):
            found += run
            found += [run[at : at + 2] for at in range(len(run) - 1)]
        elif run not in _STOP:
            found.append(stem(run))
    return found


def query_tokens(text: str) -> list[str]:
    """The different search words of a comment, in order, from its first `MAX_CHARACTERS` characters."""
    return list(dict.fromkeys(tokens(text[:MAX_CHARACTERS])))
