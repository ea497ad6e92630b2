"""Odds as they stand, and how a giveaway was taken up: numbers that are ready to be put into words. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

FEW = 12
"""For so many people all courses of a draw can be gone through; it takes some milliseconds."""


@dataclass(frozen=True, slots=True)
class Odds:
    """How likely somebody wins."""

    chance: float
    """0.0 to 1.0."""

    @property
    def percent(self) -> float:
        """In percent, with two digits that count; 100 only where it is certain."""
        if 0.99 <= self.chance < 1:
            return min(round(self.chance * 100, 1), 99.9)
        return float(f"{self.chance * 100:.2g}")


def odds(weight: int, crowd: Mapping[int, int], winners: int) -> Odds:
    """How likely somebody with so many tickets is among so many winners, drawn one after the other without putting
    back. `crowd` is everybody on the list, them included: tickets of a person to the number of such people.

    Exact where all have the same number of tickets, for one winner, where nobody is left over, and up to FEW people.
    Otherwise Rosén's approximation for successive sampling (1972): everybody's tickets come up at a steady pace until
    so many people have won. At worst it is 6 percentage points off, where one person has most of the tickets or nearly
    all people win; where at most half of 100 people and more win, and nobody has more than a fiftieth of the tickets,
    it is less than a quarter of a point.
    """
    total = sum(crowd.values())
    if winners <= 0 or weight <= 0 or not total:
        return Odds(0.0)
    if winners >= total:
        return Odds(1.0)
    if sum(1 for count in crowd.values() if count) == 1:
        return Odds(winners / total)
    if winners == 1:
        return Odds(weight / sum(one * count for one, count in crowd.items()))
    return Odds(_counted_out(weight, crowd, winners) if total <= FEW else _paced(weight, crowd, winners))


def _counted_out(weight: int, crowd: Mapping[int, int], winners: int) -> float:
    """The chance exactly, over all that can be left of the others after each winner."""
    weights = tuple(one for one in crowd if crowd[one] - (one == weight) > 0)

    @cache
    def chance(others: tuple[int, ...], places: int) -> float:
        if not places:
            return 0.0
        total = weight + sum(one * count for one, count in zip(weights, others, strict=True))
        without = (
            weights[at] * count * chance((*others[:at], count - 1, *others[at + 1 :]), places - 1)
            for at, count in enumerate(others)
            if count
        )
        return (weight + math.fsum(without)) / total

    return chance(tuple(crowd[one] - (one == weight) for one in weights), winners)


def _paced(weight: int, crowd: Mapping[int, int], winners: int) -> float:
    """The chance by Rosén's approximation."""
    return -math.expm1(-weight * _time_for(winners, crowd))


def _time_for(winners: int, crowd: Mapping[int, int]) -> float:
    """The time at which so many are expected to have won, if each of a person's tickets comes up once in one unit of
    time on average. It is found by halving: the number only grows with time."""

    def expected(time: float) -> float:
        return math.fsum(-math.expm1(-one * time) * count for one, count in crowd.items())

    low, high = 0.0, 1.0
    while expected(high) < winners:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if expected(middle) < winners else (low, middle)
    return high


@dataclass(frozen=True, slots=True)
class Came:
    """Somebody on the list, as statistics see them. None: not known."""

    place: str
    """Where they entered."""
    weight: int
    joined_at: float | None = None
    """Since when they are a member (UTC seconds)."""
    present: bool | None = None
    """Whether they still are one."""


@dataclass(frozen=True, slots=True)
class Turnout:
    """How a giveaway was taken up."""

    entrants: int
    tickets: int
    places: tuple[tuple[str, int], ...]
    """Entrants by the channel where they entered, the most first."""
    joined: int
    """Who became a member after it had opened, perhaps because of it."""
    stayed: int
    """Who of those is still one."""
    unsure: int
    """Who of those may or may not be one any more."""
    undated: int
    """Of whom it is not known since when they are members."""


def turnout(rows: Iterable[Came], opened_at: float) -> Turnout:
    """How a giveaway that opened at this time (UTC seconds) was taken up by those on its list."""
    came = list(rows)
    places = Counter(one.place for one in came)
    joined = [one for one in came if one.joined_at is not None and one.joined_at > opened_at]
    return Turnout(
        entrants=len(came),
        tickets=sum(one.weight for one in came),
        places=tuple(sorted(places.items(), key=lambda item: (-item[1], item[0]))),
        joined=len(joined),
        stayed=sum(one.present is True for one in joined),
        unsure=sum(one.present is None for one in joined),
        undated=sum(one.joined_at is None for one in came),
    )
