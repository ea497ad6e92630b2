"""Who has entered a giveaway: the rehearsal's own list, made of what people pressed and were told.

Whoever pressed `enter` last and was told a ticket's code has entered; whoever was told something else was refused; and
whoever pressed `leave` after that has left. Nothing of it comes from the bot's own counters or database.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bot.rehearsal.journal import Message
from bot.rehearsal.values import Json
from bot.rehearsal.whispers import Account, Ear, Press, Whisper

CODE = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")
"""A ticket's code: 16 bytes in hex (fdraw/1, 2)."""
_ACTS = ("enter", "leave")


@dataclass
class _Story:
    """What one account did and was told, of one giveaway."""

    last: str = ""
    answered: bool = False
    told_code: bool = False
    was_in: bool = False

    def pressed(self, act: str) -> None:
        self.was_in = self.state == "entered"
        self.last, self.answered, self.told_code = act, False, False

    def told(self, text: str) -> None:
        self.answered = True
        self.told_code = self.told_code or CODE.search(text) is not None

    @property
    def state(self) -> str:
        """`entered`, `left`, `refused`, or "" while nothing was answered."""
        if not self.answered:
            return ""
        if self.last == "enter":
            return "entered" if self.told_code else "refused"
        return "left" if self.was_in else ""


@dataclass
class Ledger:
    """The lists of all giveaways, by the names that their buttons carry."""

    _ear: Ear = field(default_factory=Ear)
    _stories: dict[str, dict[Account, _Story]] = field(default_factory=dict)
    _codes: dict[Account, set[str]] = field(default_factory=dict)
    _cards: dict[Message, str] = field(default_factory=dict)
    _last: dict[Account, str] = field(default_factory=dict)
    """Which giveaway each account pressed a button of last: what they are told then is about it, be it at an appeal."""

    def take(self, row: Mapping[str, Json]) -> None:
        """Note what a row of the journal tells."""
        found = self._ear.take(row)
        if isinstance(found, Press):
            self._pressed(found)
        elif isinstance(found, Whisper):
            self._codes.setdefault(found.who, set()).update(CODE.findall(found.text))
            giveaway = self._last.get(found.who)
            if giveaway is not None:
                self._stories[giveaway][found.who].told(found.text)

    def _pressed(self, press: Press) -> None:
        parts = press.payload.split("|")
        act = parts[2].partition(":")[0] if len(parts) > 3 else ""
        if act not in _ACTS:
            if len(parts) < 4 or parts[1] != self._last.get(press.who):
                self._last.pop(press.who, None)
            return
        giveaway = self._cards[press.message] = parts[1]
        self._stories.setdefault(giveaway, {}).setdefault(press.who, _Story()).pressed(act)
        self._last[press.who] = giveaway

    def of_card(self, card: Message) -> str | None:
        """The giveaway under whose card somebody has pressed `enter` or `leave`."""
        return self._cards.get(card)

    def knows(self, giveaway: str) -> bool:
        """Whether anybody has pressed `enter` or `leave` there."""
        return giveaway in self._stories

    def people(self, giveaway: str, state: str, same: Iterable[Sequence[Account]]) -> set[Account]:
        """Who stands so; several accounts of one person count as the first one of them, and as what it did last."""
        first = {account: group[0] for group in same for account in group}
        found = {first.get(who, who) for who, story in self._stories.get(giveaway, {}).items() if story.state == state}
        if state == "entered":
            return found
        return found - self.people(giveaway, "entered", same)

    def owners(self, giveaway: str, tickets: Iterable[str]) -> dict[str, Account]:
        """Whose these tickets are: who was told a code that makes the ticket (fdraw/1, 2)."""
        wanted, owners = set(tickets), {}
        for (platform, user), codes in self._codes.items():
            for code in codes:
                ticket = ticket_of(giveaway, f"{platform}:{user}", bytes.fromhex(code))
                if ticket in wanted:
                    owners[ticket] = (platform, user)
        return owners


def ticket_of(giveaway: str, who: str, salt: bytes) -> str:
    """The public ticket of an entry."""
    return hashlib.sha256(b"\0".join((b"fdraw/1/ticket", giveaway.encode(), who.encode(), salt))).hexdigest()[:32]
