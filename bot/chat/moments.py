"""Points in time inside texts, which each platform shows in the reader's own zone where it can.

A moment is carried as two characters of Unicode's private use area around its UTC seconds and the words for platforms
that cannot do better. Only our own texts hold moments: whatever people wrote goes through `inert` before it is put
beside them. The text of a `Reply` is never looked at.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_OPEN, _CLOSE = "\ue0f0", "\ue0f1"
_MOMENT = re.compile(f"{_OPEN}([0-9]{{1,12}})\\|([^{_OPEN}{_CLOSE}]*){_CLOSE}")
_MARKS = re.compile(f"[{_OPEN}{_CLOSE}]")


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time: UTC seconds, and how it is written where a platform cannot tell it in the reader's zone."""

    at: int
    shown: str


def moment(at: float, shown: str) -> str:
    """This point in time as part of a text; `shown` names its zone."""
    return f"{_OPEN}{round(at)}|{inert(shown)}{_CLOSE}"


def split(text: str) -> list[str | Moment]:
    """A text's parts in order; the texts among them hold no mark any more."""
    parts: list[str | Moment] = []
    end = 0
    for found in _MOMENT.finditer(text):
        parts += [inert(text[end : found.start()]), Moment(int(found[1]), found[2])]
        end = found.end()
    return [part for part in (*parts, inert(text[end:])) if part != ""]


def plain(text: str) -> str:
    """The text with every moment as it is written."""
    return "".join(part if isinstance(part, str) else part.shown for part in split(text))


def inert(text: str) -> str:
    """A text that people wrote, without our marks."""
    return _MARKS.sub("", text)
