"""`parse_mode`: HTML, MarkdownV2 and the old Markdown, with Telegram's own error texts."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from urllib.parse import parse_qsl

from bot.sandbox.telegram.errors import ApiError, bad
from bot.sandbox.telegram.text import Entity, check_date_time, ordered, utf16

_TAGS = {
    "b": "bold", "strong": "bold", "i": "italic", "em": "italic", "u": "underline", "ins": "underline",
    "s": "strikethrough", "strike": "strikethrough", "del": "strikethrough", "tg-spoiler": "spoiler", "code": "code",
    "pre": "pre", "a": "text_link", "span": "spoiler", "blockquote": "blockquote", "tg-emoji": "custom_emoji",
    "tg-time": "date_time",
}  # fmt: skip
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9-]*)((?:[^>\"']|\"[^\"]*\"|'[^']*')*)>")
_ATTRIBUTE = re.compile(r"([a-zA-Z-]+)(?:\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+)))?")
_KNOWN_ENTITY = re.compile(r"&(lt|gt|amp|quot|#\d+|#x[0-9a-fA-F]+);")
_RESERVED = set("_*[]()~`>#+-=|{}.!")
_MARKS = ("||", "__", "*", "_", "~", "```", "`")
_MARK_TYPE = {"||": "spoiler", "__": "underline", "*": "bold", "_": "italic", "~": "strikethrough"}


def parse(text: str, mode: str) -> tuple[str, list[Entity]]:
    """The plain text and its entities. Raises `ApiError` (400) where the markup is wrong."""
    parser = _MODES.get(mode.lower())
    if parser is None:
        raise bad("unsupported parse_mode")
    return parser(text)


def _cannot(what: str, source: str, at: int) -> ApiError:
    return bad(f"can't parse entities: {what} at byte offset {len(source[:at].encode())}")


def _entity(kind: str, out: list[str], start: int, **more: str) -> Entity | None:
    length = utf16("".join(out)) - start
    return {"type": kind, "offset": start, "length": length, **more} if length > 0 else None


def _unescaped(text: str) -> str:
    return _KNOWN_ENTITY.sub(lambda match: html.unescape(match.group()), text)


def _parse_html(source: str) -> tuple[str, list[Entity]]:
    out: list[str] = []
    entities: list[Entity] = []
    open_tags: list[tuple[str, int, dict[str, str]]] = []
    at = 0
    while (less := source.find("<", at)) >= 0:
        out.append(_unescaped(source[at:less]))
        tag = _TAG.match(source, less)
        if tag is None:
            raise _cannot(f'Unsupported start tag "{source[less + 1 : less + 9]}"', source, less)
        name = tag[2].lower()
        if tag[1]:
            entities += _closed(source, less, name, open_tags, out)
        else:
            open_tags.append((name, utf16("".join(out)), _attributes(source, less, name, tag[3])))
        at = tag.end()
    out.append(_unescaped(source[at:]))
    if open_tags:
        raise _cannot(f'Can\'t find end tag corresponding to start tag "{open_tags[-1][0]}"', source, len(source))
    return "".join(out), ordered(entities)


def _attributes(source: str, at: int, name: str, text: str) -> dict[str, str]:
    if name not in _TAGS:
        raise _cannot(f'Unsupported start tag "{name}"', source, at)
    found = {m[1].lower(): html.unescape(m[2] or m[3] or m[4] or "") for m in _ATTRIBUTE.finditer(text)}
    if name == "span" and found.get("class") != "tg-spoiler":
        raise _cannot('Tag "span" must have class "tg-spoiler"', source, at)
    return found


def _closed(
    source: str, at: int, name: str, open_tags: list[tuple[str, int, dict[str, str]]], out: list[str]
) -> list[Entity]:
    if not open_tags:
        raise _cannot("Unexpected end tag", source, at)
    opened, start, attributes = open_tags.pop()
    if opened != name:
        raise bad(
            f"can't parse entities: Unmatched end tag at byte offset {len(source[:at].encode())}, "
            f'expected "</{opened}>", found "</{name}>"'
        )
    more: dict[str, str] = {}
    kind = _TAGS[name]
    if name == "a":
        link = attributes.get("href") or "".join(out)
        if not _is_link(link):
            return []
        more = {"url": link}
    elif name == "blockquote" and "expandable" in attributes:
        kind = "expandable_blockquote"
    elif name == "tg-emoji":
        more = {"custom_emoji_id": attributes.get("emoji-id", "")}
    elif name == "tg-time":
        return _moment(attributes.get("unix", ""), attributes.get("format", ""), _entity(kind, out, start))
    elif name == "code" and open_tags and open_tags[-1][0] == "pre" and "class" in attributes:
        open_tags[-1][2]["language"] = attributes["class"].removeprefix("language-")
        return []
    elif name == "pre" and "language" in attributes:
        more = {"language": attributes["language"]}
    made = _entity(kind, out, start, **more)
    return [made] if made else []


def _moment(unix: str, template: str, made: Entity | None) -> list[Entity]:
    """A date in markup, completed. Raises `ApiError`."""
    at = int(unix) if re.fullmatch(r"\d{1,12}", unix) else 0
    check_date_time(at, template)
    return [{**made, "unix_time": at, "date_time_format": template}] if made else []


def _is_link(url: str) -> bool:
    """Telegram drops links that are none (`javascript:` among them) and keeps their text."""
    return re.match(r"(https?|tg|ton|tonsite|mailto|tel):|[\w-]+(\.[\w-]+)+([/:?#]|$)", url, re.I) is not None


class _Markdown:
    """MarkdownV2 and, with `old`, the first Markdown (`*`, `_`, code and links only, no nesting, no reserved signs)."""

    def __init__(self, source: str, old: bool) -> None:
        self.source, self.old, self.at = source, old, 0
        self.out: list[str] = []
        self.entities: list[Entity] = []
        self.open: list[tuple[str, int, int]] = []
        self.length = 0

    def put(self, text: str) -> None:
        self.out.append(text)
        self.length += utf16(text)

    def add(self, kind: str, start: int, **more: str) -> None:
        if self.length > start:
            self.entities.append({"type": kind, "offset": start, "length": self.length - start, **more})

    def run(self) -> tuple[str, list[Entity]]:
        while self.at < len(self.source):
            self.step()
        if self.open:
            mark, _, at = self.open[-1]
            raise _cannot(f"Can't find end of the entity starting with {mark!r}", self.source, at)
        return "".join(self.out), ordered(self.entities)

    def step(self) -> None:
        source, at = self.source, self.at
        if source[at] == "\\" and at + 1 < len(source) and (source[at + 1] in _RESERVED or source[at + 1] == "\\"):
            self.put(source[at + 1])
            self.at += 2
        elif source.startswith("`", at):
            self.code("```" if source.startswith("```", at) else "`")
        elif source[at] == "[" or (not self.old and source.startswith("![", at)):
            self.open.append(("[", self.length, at))
            self.at += 1 if source[at] == "[" else 2
        elif source[at] == "]" and self.open and self.open[-1][0] == "[":
            self.link()
        elif not self.old and source[at] == ">" and (at == 0 or source[at - 1] == "\n"):
            self.quote()
        elif mark := next((m for m in self.marks() if source.startswith(m, at)), None):
            self.mark(mark)
        elif not self.old and source[at] in _RESERVED:
            raise bad(
                f"can't parse entities: Character '{source[at]}' is reserved and must be escaped "
                "with the preceding '\\'"
            )
        else:
            self.put(source[at])
            self.at += 1

    def marks(self) -> tuple[str, ...]:
        return ("*", "_") if self.old else _MARKS[:5]

    def mark(self, mark: str) -> None:
        self.at += len(mark)
        if self.open and self.open[-1][0] == mark:
            _, start, _ = self.open.pop()
            self.add(_MARK_TYPE[mark], start)
        elif any(mark == m for m, _, _ in self.open):
            raise _cannot(f"Can't find end of {_MARK_TYPE[mark].title()} entity", self.source, self.at - len(mark))
        else:
            self.open.append((mark, self.length, self.at - len(mark)))

    def code(self, fence: str) -> None:
        end = self.source.find(fence, self.at + len(fence))
        while end > 0 and self.source[end - 1] == "\\":
            end = self.source.find(fence, end + 1)
        if end < 0:
            kind = "Pre" if fence == "```" else "Code"
            raise _cannot(f"Can't find end of {kind} entity", self.source, self.at)
        inner, start, more = self.source[self.at + len(fence) : end], self.length, {}
        if fence == "```" and (first := re.match(r"([^\s`]*)\n", inner)):
            more = {"language": first[1]} if first[1] else {}
            inner = inner[first.end() :]
        self.put(re.sub(r"\\([\\`])", r"\1", inner))
        self.add("pre" if fence == "```" else "code", start, **more)
        self.at = end + len(fence)

    def link(self) -> None:
        _, start, at = self.open.pop()
        target = re.compile(r"\(((?:\\.|[^)\\])*)\)").match(self.source, self.at + 1)
        if target is None:
            if not self.old:
                raise _cannot("Can't find end of a URL", self.source, at)
            self.at += 1
            return
        url = re.sub(r"\\(.)", r"\1", target[1])
        if url.startswith("tg://emoji?id="):
            self.add("custom_emoji", start, custom_emoji_id=url.rpartition("=")[2])
        elif url.startswith("tg://time?"):
            given = dict(parse_qsl(url.partition("?")[2]))
            made = {"type": "date_time", "offset": start, "length": self.length - start}
            self.entities += _moment(given.get("unix", ""), given.get("format", ""), made)
        elif _is_link(url):
            self.add("text_link", start, url=url)
        self.at = target.end()

    def quote(self) -> None:
        """Lines that begin with `>`; a last `||` makes the quotation expandable."""
        lines = re.compile(r"(?:^|(?<=\n))(?:>[^\n]*(?:\n|$))+").match(self.source, self.at)
        block = lines[0] if lines else self.source[self.at :]
        inner = re.sub(r"(?m)^>", "", block)
        tail = "\n" if inner.endswith("\n") else ""
        inner = inner.removesuffix("\n")
        expandable = inner.endswith("||")
        text, entities = _Markdown(inner.removesuffix("||") if expandable else inner, old=False).run()
        start = self.length
        self.entities += [{**entity, "offset": entity["offset"] + start} for entity in entities]
        self.put(text)
        self.add("expandable_blockquote" if expandable else "blockquote", start)
        self.put(tail)
        self.at += len(block)


_MODES: dict[str, Callable[[str], tuple[str, list[Entity]]]] = {
    "html": _parse_html,
    "markdownv2": lambda text: _Markdown(text, old=False).run(),
    "markdown": lambda text: _Markdown(text, old=True).run(),
}
