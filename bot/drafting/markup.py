"""Taking markup, mentions and links out of a text that is to be shown as it stands."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

_Replacement = str | Callable[[re.Match[str]], str]

_ROUNDS = 8
"""What one removal can uncover (`@@everyone`) is removed in the next round; after these, the characters themselves."""

_MASS = r"(?:everyone|(?:here|channel|all)\b)"
_MENTIONS: tuple[tuple[re.Pattern[str], _Replacement], ...] = (
    (re.compile(r"<!(?:subteam\^|date\^)[^<>|]*\|([^<>]*)>"), r"\1"),
    (re.compile(r"<!subteam\^[^<>]*>"), "team"),
    (re.compile(r"<!([\w-]+)[^<>]*>"), r"\1"),
    (re.compile(r"<[@#][!&]?[^<>|]*\|([^<>]*)>"), r"\1"),
    (re.compile(r"<[@#][!&]?([^<>\s]*)>"), r"\1"),
    (re.compile(r"\btg://\S*", re.IGNORECASE), ""),
    (re.compile(rf"@+(?={_MASS})", re.IGNORECASE), ""),
    (re.compile(r"<!(?=\w)|<@+(?=[!&\w])"), ""),
)
_HANDLE = re.compile(r"(?<![\w.@/])@+(?=\w)")

_MARKUP: tuple[tuple[re.Pattern[str], _Replacement], ...] = (
    (re.compile(r"^[ \t]*(?:```|~~~)[\w+-]*[ \t]*$\n?", re.MULTILINE), ""),
    (re.compile(r"```(.+?)```", re.DOTALL), r"\1"),
    (re.compile(r"`([^`\n]+)`"), r"\1"),
    (
        re.compile(r"!?\[([^\[\]\n]*)\]\(\s*<?([^\s()<>]*(?:\([^\s()]*\)[^\s()<>]*)*)>?[^()\n]*\)"),
        lambda m: _link(m[1], m[2]),
    ),
    (re.compile(r"<((?:https?|mailto|ftp):[^<>|\s]+)\|([^<>]*)>", re.IGNORECASE), lambda m: _link(m[2], m[1])),
    (re.compile(r"<((?:https?|mailto|ftp):[^<>|\s]+)>", re.IGNORECASE), r"\1"),
    (re.compile(r"<br\s*/?>|</(?:p|li|div|h\d)>", re.IGNORECASE), "\n"),
    (re.compile(r"<!--.*?-->", re.DOTALL), ""),
    (re.compile(r"<(script|style)\b[^<>]*>.*?</\1\s*>", re.DOTALL | re.IGNORECASE), ""),
    (re.compile(r"</?[a-zA-Z][^<>]*>"), ""),
    (re.compile(r"^[ \t]{0,3}#{1,6}[ \t]+", re.MULTILINE), ""),
    (re.compile(r"^[ \t]{0,3}>[ \t]?", re.MULTILINE), ""),
    (re.compile(r"^([ \t]*)[*+][ \t]+", re.MULTILINE), r"\1- "),
    (re.compile(r"(\*\*|__|~~|\|\|)(?=\S)([^\n]+?)(?<=\S)\1"), r"\2"),
    (re.compile(r"(?<![\w*])\*(?=[^\s*])([^*\n]*[^\s*])\*(?![\w*])"), r"\1"),
    (re.compile(r"(?<![\w])_(?=[^\s_])([^_\n]*[^\s_])_(?!\w)"), r"\1"),
)

_TOP_LEVEL = (
    "com|net|org|info|biz|io|co|cn|me|app|dev|ai|gg|ly|link|click|site|online|shop|store|club|vip|cc|tv|to|xyz|top|ru"
)
_URL = re.compile(
    r"(?:(?:https?|ftps?|tg|file|ws|wss|steam|slack|discord)://"
    r"|(?:javascript|vbscript|data|mailto|tel):(?=\S)|www\.)"
    r"[^\s<>，。；：！？、（）【】「」『』]*"
    rf"|(?<![\w@.-])(?:[a-z0-9][a-z0-9-]*\.)+(?:{_TOP_LEVEL})(?![\w.-]*@)\b(?:[/:?#][!-;=?-~]*)?",
    re.IGNORECASE,
)
_URL_TAIL = ".,;:!?)]}'\"，。；：！？）】」』”’"
_EMPTIED = re.compile(r"[ \t]*[(（\[【][ \t]*[)）\]】]")


@dataclass(frozen=True, slots=True)
class Links:
    """Which links may stay: whole `domains` with what lies below them, and `urls` as they stand."""

    domains: frozenset[str] = frozenset()
    urls: frozenset[str] = frozenset()

    def allow(self, url: str) -> bool:
        """Whether a link may be said. What a browser could read in another way may not."""
        if url in self.urls:
            return True
        if "\\" in url or not url.isascii():
            return False
        try:
            parts = urlsplit(url if "://" in url else f"https://{url}")
            host = (parts.hostname or "").rstrip(".")
        except ValueError:
            return False
        if parts.scheme not in ("http", "https") or parts.username is not None:
            return False
        return any(host == domain or host.endswith(f".{domain}") for domain in self.domains)


def find_links(text: str) -> frozenset[str]:
    """The links of a text as they stand, without the punctuation behind them."""
    return frozenset(_trimmed(match[0]) for match in _URL.finditer(text))


def remove_links(text: str, links: Links) -> str:
    """The text without the links that may not stay."""
    removed = _URL.sub(lambda match: _judged(match[0], links), text)
    return _EMPTIED.sub("", removed) if removed != text else text


def remove_mentions(text: str, handles: bool) -> str:
    """No mention of any platform is left; the names stay. With `handles`, no `@name` either."""
    rules = (*_MENTIONS, (_HANDLE, "")) if handles else _MENTIONS
    return _repeat(text, rules, "<@")


def remove_markup(text: str) -> str:
    """Markdown, Slack's and HTML markup taken out, the words kept; masked links become `text (address)`."""
    return _repeat(text, _MARKUP, "<`*_~|[")


def _repeat(text: str, rules: tuple[tuple[re.Pattern[str], _Replacement], ...], last_resort: str) -> str:
    for _ in range(_ROUNDS):
        before = text
        for pattern, replacement in rules:
            text = pattern.sub(replacement, text)
        if text == before:
            return text
    return text.translate(dict.fromkeys(map(ord, last_resort)))


def _link(label: str, address: str) -> str:
    label, address = label.strip(), address.strip()
    return f"{label} ({address})" if label and address and label != address else label or address


def _trimmed(url: str) -> str:
    host, _, path = url.partition("://")[2].partition("/")
    if host.isascii() and not path.isascii():  # Chinese that follows an address without a space is not part of it
        behind = next(at for at, character in enumerate(path) if not character.isascii())
        url = url[: len(url) - len(path) + behind]
    trimmed = url.rstrip(_URL_TAIL)
    return trimmed + ")" if url[len(trimmed) :].startswith(")") and "(" in trimmed else trimmed


def _judged(found: str, links: Links) -> str:
    url = _trimmed(found)
    return found if links.allow(url) else found[len(url) :]
