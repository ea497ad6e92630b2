"""Who may be drawn in a giveaway, by its rules alone: what an installation is held against."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from bot.domain.giveaways import EntryState

STAFF = "vic"
PEOPLE = ("lin", "mei", "bo", "kai", "sam", STAFF)
MOST = 3
"""Tickets that one person may have."""
OUT = {EntryState.REFUSED, EntryState.EXCLUDED}


@dataclass
class Place:
    """What the model knows of somebody who pressed."""

    state: EntryState
    weight: int
    rule: str = ""
    granted: bool = False
    appealed: bool = False


@dataclass
class Model:
    """Who may be drawn, by the rules alone."""

    roles: dict[str, set[str]] = field(default_factory=lambda: {who: {"R1"} for who in PEOPLE})
    linked: dict[str, frozenset[str]] = field(default_factory=lambda: {who: frozenset({who}) for who in PEOPLE})
    places: dict[str, Place] = field(default_factory=dict)
    """By who made the entry."""
    tickets: dict[str, str] = field(default_factory=dict)
    """Who was told to be in, by the ticket that follows from what they were told."""
    merged: set[str] = field(default_factory=set)
    """Two of one person had entered before they were linked: nobody of these does anything any more."""

    def place(self, who: str) -> Place | None:
        """The entry of this person, whichever of their accounts made it."""
        return next((self.places[one] for one in sorted(self.linked[who]) if one in self.places), None)

    def weight(self, who: str) -> int:
        return min(1 + 4 * ("R2" in self.roles[who]), MOST)

    def enter(self, who: str) -> None:
        found = self.place(who)
        if found is None:
            found = self.places[who] = Place(EntryState.CHECKING, 1)
        if found.state is not EntryState.IN:
            found.rule = "" if found.granted else "staff" if who == STAFF else "role" * ("R1" not in self.roles[who])
            found.state = EntryState.REFUSED if found.rule else EntryState.IN
            found.weight = self.weight(who)

    def look(self) -> None:
        """Everybody who is in is looked at again."""
        for who, found in self.places.items():
            if found.state is not EntryState.IN:
                continue
            rule = "staff" if who == STAFF else "role" * ("R1" not in self.roles[who])
            if rule and not found.granted:
                found.state, found.rule = EntryState.EXCLUDED, rule
            else:
                found.weight = self.weight(who)

    def merge(self) -> None:
        """Of one person's entries one stays."""
        for group in set(self.linked.values()):
            inside = [one for one in sorted(group) if one in self.places and self.places[one].state is EntryState.IN]
            for late in inside[1:]:
                self.places[late].state, self.places[late].rule = EntryState.EXCLUDED, "twice"

    def groups(self) -> Counter[frozenset[str]]:
        """Persons who are on the list."""
        return Counter(self.linked[who] for who, found in self.places.items() if found.state is EntryState.IN)

    def rules(self) -> Counter[str]:
        """The exclusions."""
        return Counter(found.rule for found in self.places.values() if found.state in OUT)
