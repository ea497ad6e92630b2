"""What the bot's messages say, by the journal alone: the text of each as it last went over the wire, and its edits."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import unescape

from bot.rehearsal.client import ControlClient
from bot.rehearsal.entrants import Ledger
from bot.rehearsal.journal import Message
from bot.rehearsal.values import Json
from bot.rehearsal.wording import text_of

_TELEGRAM = re.compile(r"/(send\w+|editMessage\w+)$")
_SLACK = re.compile(r"/(chat\.postMessage|chat\.update)$")
_DISCORD = re.compile(r"/channels/(\d+)/messages(/\d+)?$")
_NUMBER = re.compile(
    r"(?<![A-Za-z0-9_.,/:])(\d{1,3}(?:[,\u00a0\u202f]\d{3})+|\d+)(?![A-Za-z0-9_,:/]|\.\d|[\s\u00a0\u202f]?[%\uff05])"
)
_BAR = re.compile(r"[\u2580-\u259f\u25a0\u25a1\u25b0\u25b1\u2b1b\u2b1c\U0001f7e0-\U0001f7eb%\uff05]")
"""Blocks and squares of which bars are made, and the percent signs that stand beside them."""


@dataclass
class Posted:
    """A message of the bot: its text now, how often it was edited, and its text when it was posted."""

    text: str
    edits: int = 0
    first: str = ""


@dataclass
class Wire:
    """Follows the journal."""

    control: ControlClient
    messages: dict[Message, Posted] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=Ledger)
    _after: int = 0

    async def look(self) -> None:
        """Take what is new. Raises RehearsalError."""
        for row in await self.control.journal(self._after):
            self._after = max(self._after, int(row["seq"]))
            self.take(row)
            self.ledger.take(row)

    def take(self, row: Mapping[str, Json]) -> None:
        """Note what a row of the journal says about a message of the bot."""
        found = _message(row)
        if found is None:
            return
        message, text, edit = found
        known = self.messages.setdefault(message, Posted(text, first=text))
        known.text = text
        known.edits += edit


def _message(row: Mapping[str, Json]) -> tuple[Message, str, bool] | None:
    """The message that a call made or changed, its text, and whether it was an edit; None for every other row."""
    answer, path, platform = row.get("response"), str(row.get("path")), str(row.get("platform"))
    done = row.get("direction") == "request" and 200 <= int(row.get("status") or 0) < 300
    if not isinstance(answer, dict) or not done:
        return None
    if platform == "telegram" and (match := _TELEGRAM.search(path)) and isinstance(answer.get("result"), dict):
        made = answer["result"]
        message = Message(platform, str(made["chat"]["id"]), str(made["message_id"]))
        return message, text_of(made), match[1].startswith("edit")
    if platform == "slack" and (match := _SLACK.search(path)) and answer.get("ok"):
        made = answer["message"]
        text = unescape(text_of(made.get("blocks") or made))
        return Message(platform, str(answer["channel"]), str(answer["ts"])), text, match[1] == "chat.update"
    if platform == "discord" and (match := _DISCORD.search(path)) and row.get("method") in ("POST", "PATCH"):
        return Message(platform, match[1], str(answer["id"])), text_of(answer), row["method"] == "PATCH"
    return None


def numbers(text: str, options: Sequence[str]) -> list[int | None]:
    """The number beside each option: the first whole one after its text that is no percentage, on its line, or on the
    next where that is a bar's; None where there is none. Of options that hold each other the longest counts."""
    lines = text.splitlines()
    owners = [_owner(line, options) for line in lines]
    found: list[int | None] = [None] * len(options)
    for index, owner in enumerate(owners):
        if owner is None or found[owner] is not None:
            continue
        rest = lines[index].split(options[owner], 1)[1]
        below = lines[index + 1] if index + 1 < len(lines) and owners[index + 1] is None else ""
        match = _NUMBER.search(rest) or (_NUMBER.search(below) if _BAR.search(below) else None)
        found[owner] = int(re.sub(r"\D", "", match[1])) if match else None
    return found


def _owner(line: str, options: Sequence[str]) -> int | None:
    inside = [index for index, option in enumerate(options) if option in line]
    return max(inside, key=lambda index: len(options[index]), default=None)
