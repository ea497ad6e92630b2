"""How many entries of a giveaway stand where, kept beside the one connection that writes.

A card shows it every three seconds, and to count 100,000 entries in the database takes 0.1 s. Kept is only what
one connection has counted itself and then changed entry by entry; whatever it cannot follow (a transaction that is
taken back, a change of many) it forgets, and counts anew when it is asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from bot.domain.giveaways import Entry, EntryState

_KEY = "tallies"
_MOST = 64
"""Giveaways whose counts are kept."""
_OUT = frozenset({EntryState.REFUSED, EntryState.EXCLUDED})


@dataclass(frozen=True, slots=True)
class Counts:
    """How many stand where."""

    entries: int
    """Who are in."""
    weight: int
    """Their tickets."""
    by_rule: Mapping[str, int]
    """Who were refused or excluded, by rule."""
    granted: int
    """Those who are in because the host granted it."""
    by_place: Mapping[str, int]
    """Those who are in, by where they entered (`platform:channel`; empty for who was erased)."""
    checking: int
    """Of whom it is not known yet."""


Group = tuple[str, str, str, bool]
"""State, rule, place, and whether the host let them in."""


class Tally:
    """The entries of one giveaway, by what they have in common."""

    def __init__(self, groups: Iterable[tuple[Group, int, int]]) -> None:
        self._heads: Counter[Group] = Counter()
        self._weights: Counter[Group] = Counter()
        for group, heads, weight in groups:
            self._heads[group] += heads
            self._weights[group] += weight

    def change(self, before: Entry | None, after: Entry) -> None:
        """One entry in place of another, or a new one."""
        if before is not None:
            group = _group(before)
            self._heads[group] -= 1
            self._weights[group] -= before.weight
        group = _group(after)
        self._heads[group] += 1
        self._weights[group] += after.weight

    def counts(self) -> Counts:
        """As cards say it."""
        entries = weight = granted = checking = 0
        by_rule: Counter[str] = Counter()
        by_place: Counter[str] = Counter()
        for group, count in self._heads.items():
            state, rule, place, by_host = group
            if not count:
                continue
            if state == EntryState.IN:
                entries += count
                weight += self._weights[group]
                granted += count if by_host else 0
                by_place[place] += count
            elif state in _OUT:
                by_rule[rule] += count
            elif state == EntryState.CHECKING:
                checking += count
        return Counts(entries, weight, dict(by_rule), granted, dict(by_place), checking)


def keep(connection: Connection) -> None:
    """From now on this connection keeps tallies. Only where nobody else writes to the database."""
    connection.info[_KEY] = {}


def forget(connection: Connection, giveaway_id: int | None = None) -> None:
    """What is kept of this giveaway, or of all, may not be true any more."""
    kept = connection.info.get(_KEY)
    if kept and giveaway_id is None:
        kept.clear()
    elif kept:
        kept.pop(giveaway_id, None)


def kept(connection: Connection, giveaway_id: int) -> Tally | None:
    """What is known of this giveaway."""
    found: Tally | None = connection.info.get(_KEY, {}).get(giveaway_id)
    return found


def remember(connection: Connection, giveaway_id: int, tally: Tally) -> None:
    """It was counted just now. Kept where this connection keeps tallies."""
    kept = connection.info.get(_KEY)
    if kept is None:
        return
    while len(kept) >= _MOST:
        del kept[next(iter(kept))]
    kept[giveaway_id] = tally


def _group(entry: Entry) -> Group:
    return entry.state.value, entry.rule, entry.place, entry.granted
