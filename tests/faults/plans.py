"""What a fault run consists of: all of it, or a seeded tenth for every run of the tests."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch

from .links import LINKS, Link
from .places import ALL, Place, places
from .proxy import BROKEN, Mode

RANDOM, STOPPED, TERMINATED = "random kill", "SIGSTOP", "SIGTERM under load"


@dataclass(frozen=True, slots=True)
class Plan:
    """One platform's share."""

    platform: str
    places: tuple[Place, ...]
    kills: int
    random: int
    stops: int
    terms: int
    links: tuple[tuple[Link, Mode], ...]

    @property
    def dies(self) -> bool:
        """Whether any bot is killed or stopped in it."""
        return bool(self.places or self.random or self.stops or self.terms)

    def only(self, patterns: Sequence[str]) -> Plan:
        """What is left of it by these names."""

        def wanted(name: str) -> bool:
            return any(fnmatch(name, pattern) for pattern in patterns)

        return replace(
            self,
            places=tuple(place for place in self.places if wanted(place.name)),
            random=self.random * wanted(RANDOM),
            stops=self.stops * wanted(STOPPED),
            terms=self.terms * wanted(TERMINATED),
            links=tuple((link, mode) for link, mode in self.links if wanted(f"{link.name}, {mode.value}")),
        )


def whole(platform: str) -> Plan:
    """Everything: each failpoint five times, 102 kills at random, 21 SIGSTOPs and 21 SIGTERMs over all platforms."""
    links = tuple((link, mode) for link in LINKS[platform] for mode in BROKEN)
    return Plan(platform, tuple(places(platform)), 5, 34, 7, 7, links)


def tenth(platform: str, seed: int) -> Plan:
    """A tenth of that, drawn by the seed: other failpoints on each platform, each mode on one link each."""
    chance = random.Random(f"{seed}/tenth")
    drawn: set[str] = set()
    kept: tuple[Place, ...] = ()
    for name in ALL[: ALL.index(platform) + 1]:
        free = [place for place in places(name) if place.name not in drawn and not place.fresh]
        kept = tuple(sorted(chance.sample(free, 4), key=free.index))
        drawn |= {place.name for place in kept}
    at = ALL.index(platform)
    modes = BROKEN[at :: len(ALL)]
    links = tuple((LINKS[platform][(seed + turn) % len(LINKS[platform])], mode) for turn, mode in enumerate(modes))
    return Plan(platform, kept, 3, 3, 1, 1, links)
