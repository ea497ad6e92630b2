"""What stands between a drafter and the card: nothing unseen, no mention, no markup, no stray link, never too long."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from bot.domain.text import Units, length
from bot.drafting.characters import invisible, shorten, strip_invisible
from bot.drafting.markup import Links, remove_links, remove_markup, remove_mentions

MAX_MODEL_CHARACTERS = 8_000
"""A longer answer is a fault of the model, not a draft to be shortened; this also bounds what guarding costs."""

FLAG_INVISIBLE = "invisible_removed"
FLAG_MENTION = "mention_removed"
FLAG_MARKUP = "markup_removed"
FLAG_LINK = "link_removed"
FLAG_SHORTENED = "shortened"

_ERROR_PAGE = re.compile(r"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)?<(?:!doctype\s+html|html|head|body)\b", re.I | re.S)
_ROUNDS = 8
_LAST_RESORT = dict.fromkeys(map(ord, "<>@`*_~|[]:."))
"""What still brings new markup to light after so many rounds was built to: its signs go, all of them."""

_BLANK_LINES = re.compile(r"\n[ \t]*\n(?:[ \t]*\n)+")
_TRAILING = re.compile(r"[ \t]+$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Guarded:
    """A text that may be shown on a card and sent, and what was done to it (catalogue keys `flag.<word>`)."""

    text: str
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unusable:
    """A text that cannot become a draft. `reason` is a catalogue key `draft.unusable.<word>`; `args` its arguments."""

    reason: str
    args: tuple[tuple[str, int], ...] = ()


def guard(text: str, cap: int, units: Units, links: Links | None = None) -> Guarded | Unusable:
    """Make a model's text fit to be shown: plain text of at most `cap` `units`, links only as `links` allow."""
    if refusal := _refused(text):
        return Unusable(refusal)
    flags: list[str] = []
    seen = _changed(text, strip_invisible(text), FLAG_INVISIBLE, flags)
    plain = _plain(unicodedata.normalize("NFC", seen), links or Links(), flags)
    tidy = _BLANK_LINES.sub("\n\n", _TRAILING.sub("", plain)).strip()
    short = _changed(tidy, shorten(tidy, cap, units), FLAG_SHORTENED, flags)
    if all(unicodedata.category(character)[0] in "PZCM" for character in short):
        return Unusable("empty")
    if short != tidy:  # what was cut through, a link for one, is judged as what is left of it
        again = guard(short, cap, units, links)
        if isinstance(again, Unusable):
            return again
        short, flags = again.text, [*flags, *again.flags]
    return Guarded(short, tuple(dict.fromkeys(flags)))


def guard_knowledge(text: str, cap: int, units: Units) -> Guarded | Unusable:
    """The same for the team's own words: their characters and links stay, mentions and unseen characters do not."""
    flags: list[str] = []
    seen = _changed(text, strip_invisible(text), FLAG_INVISIBLE, flags)
    inert = _changed(seen, remove_mentions(seen, handles=False), FLAG_MENTION, flags).strip()
    if not inert:
        return Unusable("empty")
    return Guarded(_changed(inert, shorten(inert, cap, units), FLAG_SHORTENED, flags), tuple(flags))


def clean_human(text: str, cap: int, units: Units) -> Guarded | Unusable:
    """A text typed by an approver: theirs, but nothing unseen in it, and refused rather than shortened.

    Mentions stay as they were written; they are inert where we send them.
    """
    broken = text.replace("\r\n", "\n").replace("\r", "\n")
    flags: list[str] = [FLAG_INVISIBLE] if any(True for _ in invisible(broken)) else []
    cleaned = strip_invisible(broken).strip()
    if not cleaned:
        return Unusable("empty")
    if (used := length(cleaned, units)) > cap:
        return Unusable("too_long", (("length", used), ("cap", cap)))
    return Guarded(cleaned, tuple(flags))


def _refused(text: str) -> str | None:
    if len(text) > MAX_MODEL_CHARACTERS:
        return "too_long_answer"
    if _ERROR_PAGE.match(text):
        return "html"
    odd = sum(character == "\ufffd" or (character < " " and character not in "\n\r\t") for character in text)
    if odd * 20 > len(text) or "\x00" in text:
        return "binary"
    return None if text.strip() else "empty"


def _plain(text: str, links: Links, flags: list[str]) -> str:
    """Markup, mentions and links out, until nothing more comes to light."""
    for _ in range(_ROUNDS):
        before = text
        text = _changed(text, remove_mentions(text, handles=True), FLAG_MENTION, flags)
        text = _changed(text, remove_markup(text), FLAG_MARKUP, flags)
        text = _changed(text, remove_links(text, links), FLAG_LINK, flags)
        if text == before:
            return text
    return text.translate(_LAST_RESORT)


def _changed(before: str, after: str, flag: str, flags: list[str]) -> str:
    if after != before:
        flags.append(flag)
    return after
