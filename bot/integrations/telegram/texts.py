"""Texts as Telegram measures and marks them: in UTF-16 units, with entities beside them instead of markup. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from bot.chat.moments import Moment, split

MAX_TEXT = 4096
AHEAD = 1098 * 86400
"""Seconds from now up to which a point in time can be marked as one (messageEntityFormattedDate, core.telegram.org)."""
FORMAT = "wDt"
"""How apps write it in the reader's zone and language: day of the week, long date, hours and minutes."""
ELLIPSIS = "…"
NO_PREVIEW = {"is_disabled": True}

Params = dict[str, object]


class Unsendable(ValueError):
    """A message that Telegram cannot carry; the text says which limit it breaks, `code` in a word."""

    def __init__(self, reason: str, code: str = "unsendable") -> None:
        super().__init__(reason)
        self.code = code


@dataclass(frozen=True, slots=True)
class Mark:
    """A marked part of a text, in UTF-16 units; `more` are the other fields of its entity."""

    type: str
    offset: int
    length: int
    more: tuple[tuple[str, object], ...] = ()

    def entity(self, shift: int = 0) -> Params:
        """The MessageEntity, where so many units stand before the text."""
        return {"type": self.type, "offset": self.offset + shift, "length": self.length, **dict(self.more)}


@dataclass(frozen=True, slots=True)
class Marked:
    """A text with its marks."""

    text: str
    marks: tuple[Mark, ...] = ()


def units(text: str) -> int:
    """The length of a text as Telegram counts it."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def cut(text: str, limit: int) -> str:
    """The text if it fits into `limit` units, else its beginning with an ellipsis; never half a character."""
    if units(text) <= limit:
        return text
    if limit < 1:
        return ""
    kept = text.encode("utf-16-le", "surrogatepass")[: 2 * (limit - 1)].decode("utf-16-le", "ignore")
    return kept.rstrip("\u200d\ufe0f").rstrip() + ELLIPSIS


def told(text: str, latest: float = math.inf) -> Marked:
    """One of our own texts with its moments marked; those after `latest` (UTC seconds) stay as they are written."""
    shown, marks, length = "", [], 0
    for part in split(text):
        words = part.shown if isinstance(part, Moment) else part
        size = units(words)
        if isinstance(part, Moment) and size and part.at <= latest:
            more = (("unix_time", part.at), ("date_time_format", FORMAT))
            marks.append(Mark("date_time", length, size, more))
        shown, length = shown + words, length + size
    return Marked(shown, tuple(marks))


def lined(lines: Iterable[Marked]) -> Marked:
    """These texts, each on a line of its own."""
    texts: list[str] = []
    marks: list[Mark] = []
    start = 0
    for line in lines:
        texts.append(line.text)
        marks += [Mark(mark.type, mark.offset + start, mark.length, mark.more) for mark in line.marks]
        start += units(line.text) + 1
    return Marked("\n".join(texts), tuple(marks))


def shortened(marked: Marked, limit: int) -> Marked:
    """The same within `limit` units, as `cut`; what is marked is marked whole or not at all."""
    text = cut(marked.text, limit)
    if text == marked.text:
        return marked
    kept = units(text.removesuffix(ELLIPSIS))
    return Marked(text, tuple(mark for mark in marked.marks if mark.offset + mark.length <= kept))


def sendable(marked: Marked) -> Params:
    """Parameters of a text message. Raises Unsendable."""
    parameters: Params = {"text": whole(marked.text), "link_preview_options": NO_PREVIEW}
    if marked.marks:
        parameters["entities"] = [mark.entity() for mark in marked.marks]
    return parameters


def whole(text: str) -> str:
    """The text, where Telegram carries it. Raises Unsendable."""
    if not text.strip():
        raise Unsendable("an empty text cannot be sent")
    if (length := units(text)) > MAX_TEXT:
        raise Unsendable(f"the text has {length} UTF-16 units, Telegram takes {MAX_TEXT}")
    return text
