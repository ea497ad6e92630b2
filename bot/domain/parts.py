"""How the work is shared among workers: everything belongs to one of 64 parts, and every part to at most one worker.

What belongs to one channel is in one part, so its order is kept although several workers run.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass

PARTS = 64
"""How many there are: what is stored says its part, so this number is for ever."""
ALL = frozenset(range(PARTS))


def part_of(key: str) -> int:
    """The part that a thing with this name belongs to: the same in every process and release."""
    return zlib.crc32(key.encode("utf-8", "surrogatepass")) % PARTS


@dataclass(frozen=True, slots=True)
class Share:
    """What one worker does so that all have the same number of parts, give or take one."""

    take: tuple[int, ...] = ()
    """Parts that nobody holds, in the order in which to take them."""
    give: tuple[int, ...] = ()
    """Parts that it holds beyond its share."""


def share(me: str, workers: Collection[str], holders: Mapping[int, str]) -> Share:
    """What `me` should take and give up, when these workers live and hold these parts.

    `holders` names living workers only; parts that are not in it are free. Where all see the same, the parts are shared
    out evenly after each has done its own, and no part moves that need not. A worker that is not among `workers` gives
    up everything.
    """
    mine = sorted(part for part, holder in holders.items() if holder == me)
    ranks = sorted(workers)
    if me not in ranks:
        return Share(give=tuple(mine))
    rank = ranks.index(me)
    quota = PARTS // len(ranks) + (rank < PARTS % len(ranks))
    if len(mine) >= quota:
        return Share(give=tuple(mine[quota:]))
    free = [part for part in range(PARTS) if part not in holders]
    # Those who look at the same moment begin at different places.
    start = rank * (len(free) // len(ranks)) + min(rank, len(free) % len(ranks))
    return Share(take=tuple((free[start:] + free[:start])[: quota - len(mine)]))
