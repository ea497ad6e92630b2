"""Slack's wire form of text: three entities, and `<...>` for mentions and links.

The rule is Slack's "Formatting text for app surfaces": `&`, `<` and `>` are escaped, everything else is sent as it is.
"""

from __future__ import annotations

import re

_TOKEN = re.compile(r"<([^<>]*)>")
_BROADCASTS = frozenset({"channel", "here", "everyone", "group"})


def escape(text: str) -> str:
    """The text as Slack wants it on the wire: `&`, `<`, `>` as entities and not one character more."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def decode(wire: str) -> str:
    """What the member sees: entities resolved, mentions as `@U1`, `#general`, `@channel`, links as they were typed."""
    parts = _TOKEN.split(wire)
    shown = (_token(part) if index % 2 else part for index, part in enumerate(parts))
    return whole("".join(map(_unescape, shown)))


def whole(text: str) -> str:
    """The text without half surrogates: JSON can carry them, no encoding can, so they become U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def units(text: str) -> int:
    """Its length in UTF-16 units: the strictest way in which Slack's clients may count."""
    return len(text) + sum(char > "\uffff" for char in text)


def shorten(text: str, limit: int) -> str:
    """At most `limit` UTF-16 units of it, the last one "…" where something was cut."""
    return text if units(text) <= limit else chunks(text, limit - 1)[0] + "…"


def chunks(text: str, limit: int) -> list[str]:
    """The text in pieces of at most `limit` UTF-16 units (2 or more); joined they are the text again."""
    pieces, start, used = [], 0, 0
    for index, char in enumerate(text):
        size = 1 + (char > "\uffff")
        if used + size > limit:
            pieces.append(text[start:index])
            start, used = index, 0
        used += size
    return [*pieces, text[start:]] if start < len(text) else pieces


def _unescape(text: str) -> str:
    # `&amp;` last, or the typed text "&lt;" (on the wire "&amp;lt;") would be decoded twice.
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _token(token: str) -> str:
    body, _, label = token.partition("|")
    match body[:1]:
        case "@" | "#":
            return body[0] + (label.removeprefix(body[0]) or body[1:])
        case "!":
            return _special(body[1:], label)
    return _link(body, label)


def _special(name: str, label: str) -> str:
    if name in _BROADCASTS:
        return f"@{name}"
    if name.startswith("subteam^"):
        return "@" + (label.removeprefix("@") or name.removeprefix("subteam^"))
    return label or name  # a date carries its fallback as label


def _link(url: str, label: str) -> str:
    # What was typed as "example.com" or "a@b.org" comes back with a scheme and the typed text as label.
    if not label or url == label:
        return label or url
    bare = url.removeprefix("mailto:").removeprefix("tel:").removeprefix("https://").removeprefix("http://")
    return label if bare.rstrip("/") == label.rstrip("/") else f"{label} ({url})"
