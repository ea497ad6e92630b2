"""Text that Discord shows as it is.

Discord drops a backslash before any character that is no letter, digit or space, and shows that character without its
meaning. Escaped here is only what has a meaning where it stands: texts stay readable in notifications, and within
length limits. `discord.utils.escape_markdown` leaves lists, quotes, time stamps, emoji names and channel mentions
alive, and its `escape_mentions` puts in an invisible character, so neither is used.
"""

from __future__ import annotations

import re

from bot.chat import moments

_MEANING = (
    r"(?P<start>^[^\S\n]*)(?P<line>\#(?=\#{0,2}\s)|-(?=[\s\#])|\+(?=\s)|>|(?P<digits>\d+)(?P<dot>\.(?=\s)))"
    r"|(?P<inline>[\\*_`]"  # escape, emphasis, code
    r"|~(?=~)"  # struck out
    r"|\|(?=\|)"  # spoiler
    r"|<(?=[@\#:/A-Za-z])"  # mention, emoji, command, time stamp, link without a preview
    r"|\](?=\()"  # a link behind words
    r"|@(?=everyone|here)"
    r"|:(?=//|[^\s:]+:))"  # a link, an emoji by its name
)
_LINK = r"(?P<link>https?://[^\s<]+[^<.,:;\"')\]\s])"
"""What clients make a link of by themselves; nothing inside it has another meaning."""

_TEXT = re.compile(_MEANING, re.MULTILINE)
_TEXT_WITH_LINKS = re.compile(f"{_LINK}|{_MEANING}", re.MULTILINE)


def literal(text: str, *, links: bool = False) -> str:
    """The text such that a reader sees exactly its characters; with `links`, addresses can be clicked.

    At most twice as long as `text`: every character gets at most one backslash.
    """
    return (_TEXT_WITH_LINKS if links else _TEXT).sub(_escaped, text)


def spoken(text: str, *, links: bool = False, most: int | None = None) -> str:
    """A text of ours: as `literal`, and its moments in the reader's own zone and language, with how far off they are.

    Of what stands between two moments at most `most` characters are kept, for texts that will be cut anyway.
    """
    return "".join(
        literal(part[:most], links=links) if isinstance(part, str) else f"<t:{part.at}:f> (<t:{part.at}:R>)"
        for part in moments.split(text)
    )


def _escaped(match: re.Match[str]) -> str:
    kind, found = match.lastgroup, match.group()
    if kind == "link":
        return found
    if kind == "inline":
        return f"\\{found}"
    # At the start of a line: before the mark, or before the dot behind a number.
    at = match.start("dot") if match["dot"] else match.start("line")
    return f"{found[: at - match.start()]}\\{found[at - match.start() :]}"


def quoted(text: str) -> str:
    """The text as a quotation, every line marked."""
    return "\n".join(f"> {line}" for line in literal(text).split("\n"))


def units(text: str) -> int:
    """The length in UTF-16 units: at least what Discord counts, whichever way it counts."""
    return len(text) + sum(character > "\uffff" for character in text)


def shortened(text: str, room: int) -> str:
    """The text, cut with an ellipsis to at most `room` UTF-16 units."""
    return text if units(text) <= room else _beginning(text, room - 1) + "…"


def cut(markdown: str, room: int) -> str:
    """Escaped or quoted text, cut with an ellipsis to at most `room` UTF-16 units; no escape, mark or tag is split."""
    if units(markdown) <= room:
        return markdown
    kept = _SPLIT.sub("", _beginning(markdown, room - 1))
    backslashes = len(kept) - len(kept.rstrip("\\"))
    return kept[: len(kept) - backslashes % 2] + "…"


_SPLIT = re.compile(r"(?:\n(?:> ?)?|<(?:t(?::\d*(?::[fR]?)?)?)?)\Z")


def _beginning(text: str, room: int) -> str:
    """As much of the text as `room` UTF-16 units hold."""
    kept = text[: max(0, room)]
    while (excess := units(kept) - room) > 0 and kept:
        kept = kept[: len(kept) - (excess + 1) // 2]
    return kept
