"""Slack's text: from what a person types to the wire form, and from the wire form to what a person reads."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from bot.sandbox.frame import Json
from bot.sandbox.slack.dates import written_out

Names = Callable[[str], str | None]
"""The shown name of a member's, channel's or user group's id."""

_TYPED = re.compile(r"https?://[^\s<>|]+|(?<![\w@])@[\w.\-]+|(?<![\w#&])#[\w\-]+")
_REFERENCE = re.compile(r"<([^<>\n]+)>")
_TRAILING = ".,!?;:)，。！？；："
BROADCASTS = ("here", "channel", "everyone")


def escape(text: str) -> str:
    """The three characters that Slack's wire form reserves (docs: formatting-message-text, "Escaping text")."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def unescape(text: str) -> str:
    """The opposite of `escape`; no other entity is decoded."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def compose(typed: str, find: Callable[[str], str | None]) -> tuple[str, list[Json]]:
    """What the client sends for a typed line: the wire text and the elements of its rich_text section.

    `find` gives the id for `@name` or `#name` (the sign included), or None for a word that names nothing.
    """
    wire, elements, plain = [], [], 0
    for start, end, reference, element in _references(typed, find):
        wire += [escape(typed[plain:start]), reference]
        elements += [{"type": "text", "text": typed[plain:start]}] if start > plain else []
        elements.append(element)
        plain = end
    wire.append(escape(typed[plain:]))
    elements += [{"type": "text", "text": typed[plain:]}] if plain < len(typed) else []
    return "".join(wire), elements


def _references(typed: str, find: Callable[[str], str | None]) -> Iterator[tuple[int, int, str, dict[str, Json]]]:
    for match in _TYPED.finditer(typed):
        word, start = match[0], match.start()
        if word.startswith("http"):
            url = word.rstrip(_TRAILING)
            yield start, start + len(url), f"<{escape(url)}>", {"type": "link", "url": url}
            continue
        if word[0] == "@" and word[1:] in BROADCASTS:
            yield start, match.end(), f"<!{word[1:]}>", {"type": "broadcast", "range": word[1:]}
            continue
        # Names end where letters go on in scripts without spaces, so the longest known beginning counts.
        for length in range(len(word), 1, -1):
            identity = find(word[:length])
            if identity:
                yield start, start + length, *_mention(identity, word[1:length])
                break


def _mention(identity: str, name: str) -> tuple[str, dict[str, Json]]:
    if identity[0] == "U":
        return f"<@{identity}>", {"type": "user", "user_id": identity}
    if identity[0] == "S":
        return f"<!subteam^{identity}|@{name}>", {"type": "usergroup", "usergroup_id": identity}
    return f"<#{identity}|{name}>", {"type": "channel", "channel_id": identity}


def readable(text: str, names: Names, now: float = 0.0) -> str:
    """What a person reads for a text in wire form: references by name, a link as `label url`, dates written out (`now`
    in UTC seconds), entities decoded."""
    return unescape(_REFERENCE.sub(lambda match: _read_reference(match[1], names, now), text))


def _read_reference(body: str, names: Names, now: float) -> str:
    target, _, label = body.partition("|")
    kind, rest = target[0], target[1:]
    if kind in "@#":
        return f"{kind}{names(rest) or label or rest}"
    if kind != "!":
        return f"{label} {target}" if label and label != target else target
    if rest.startswith("date^"):
        return _read_date(rest, label, now)
    if rest.startswith("subteam^"):
        return label or f"@{names(rest.removeprefix('subteam^')) or rest}"
    return label or f"@{rest}"


def _read_date(rest: str, fallback: str, now: float) -> str:
    """`date^<seconds>^<template>[^<link>]`; without a fallback, which Slack wants, a fault is seen as it stands."""
    _, timestamp, template, *link = [*rest.split("^"), "", ""][: max(4, rest.count("^") + 1)]
    shown = written_out(timestamp, template, fallback or f"<!{rest}>", now)
    return f"{shown} {link[0]}" if link and link[0] else shown


class Reader:
    """Flattens blocks and attachments into the lines that a person reads at `now`; buttons are not text."""

    def __init__(self, names: Names, now: float = 0.0) -> None:
        self._names = names
        self._now = now

    def message(self, wire: dict[str, Json]) -> str:
        """A whole message: its blocks, or its text where it has none; then attachments and the titles of files."""
        lines = (
            self.blocks(wire["blocks"])
            if wire.get("blocks")
            else [readable(wire.get("text", ""), self._names, self._now)]
        )
        for attachment in wire.get("attachments") or ():
            lines += self._attachment(attachment)
        lines += [file.get("title") or file["name"] for file in wire.get("files") or ()]
        return "\n".join(line for line in lines if line)

    def blocks(self, blocks: list[Json]) -> list[str]:
        """The lines of some blocks."""
        return [line for block in blocks for line in self._block(block) if line]

    def text(self, value: Json) -> str:
        """A text object, or a bare string in wire form.

        Markup is read "when `type` is `mrkdwn`" (docs: reference/block-kit/composition-objects/text-object), so that a
        `plain_text` stays as it was written: what looks like a reference is none there, and nothing is decoded.
        """
        if isinstance(value, dict) and value.get("type") == "plain_text":
            return str(value["text"])
        return readable(value if isinstance(value, str) else (value or {}).get("text", ""), self._names, self._now)

    def _block(self, block: dict[str, Json]) -> list[str]:
        kind = block["type"]
        if kind in ("section", "header", "markdown"):
            return [self.text(block.get("text")), *(self.text(field) for field in block.get("fields") or ())]
        if kind == "context":
            return [" ".join(e["alt_text"] if e["type"] == "image" else self.text(e) for e in block["elements"])]
        if kind == "rich_text":
            return [self._rich(element) for element in block["elements"]]
        if kind == "input":
            return [self.text(block["label"]), self.text(block.get("hint"))]
        if kind == "table":
            return [" | ".join(self._cell(cell) for cell in row) for row in block["rows"]]
        named = (block.get(name) for name in ("title", "alt_text", "description", "subtitle", "body"))
        return [value if isinstance(value, str) else self.text(value) for value in named]

    def _cell(self, cell: dict[str, Json]) -> str:
        return self._rich(cell) if cell["type"] == "rich_text" else str(cell.get("text", cell.get("value", "")))

    def _rich(self, element: dict[str, Json]) -> str:
        if element["type"] == "rich_text_list":
            return "\n".join(f"• {self._rich(item)}" for item in element["elements"])
        return "".join(self._rich_part(part) for part in element.get("elements", ()))

    def _rich_part(self, part: dict[str, Json]) -> str:
        kind = part["type"]
        if kind == "link":
            return f"{part['text']} {part['url']}" if part.get("text") not in (None, part["url"]) else str(part["url"])
        for name, sign in (("user_id", "@"), ("channel_id", "#"), ("usergroup_id", "@")):
            if name in part:
                return sign + (self._names(part[name]) or part[name])
        if kind == "broadcast":
            return f"@{part['range']}"
        if kind == "date":
            return written_out(str(part["timestamp"]), part["format"], str(part.get("fallback", "")), self._now)
        return f":{part['name']}:" if kind == "emoji" else str(part.get("text") or part.get("fallback") or "")

    def _attachment(self, attachment: dict[str, Json]) -> list[str]:
        lines = [self.text(attachment.get(name)) for name in ("pretext", "author_name", "title", "text")]
        for item in attachment.get("fields") or ():
            lines.append(f"{self.text(item.get('title'))}: {self.text(item.get('value'))}")
        return [*lines, *self.blocks(attachment.get("blocks") or []), self.text(attachment.get("footer"))]
