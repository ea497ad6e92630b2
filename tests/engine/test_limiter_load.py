"""Approvals while a broadcast runs, in virtual time (RELIABILITY section 4 and L5)."""

from __future__ import annotations

from collections import deque

import pytest

from bot.domain.delivery import Urgency
from bot.engine.limiter import PUBLISHED, Candidate, Limiter

from .limits import Ticks, World, busiest, jitter

RECIPIENTS = 6000
EVERY = 5.0
STEP = 0.02
PAGE = 64
"""Rows of a class that are looked at together."""


def played(seed: int) -> tuple[World, list[float], float]:
    """What went, how long each approved reply waited, and how long the broadcast took."""
    clock = Ticks()
    world = World(Limiter(PUBLISHED["telegram"], clock.monotonic, clock.now), clock, way=jitter(seed, 0.005, 0.1))
    broadcast = deque(Candidate(n, str(10_000 + n), Urgency.BROADCAST) for n in range(RECIPIENTS))
    replies: dict[int, tuple[float, Candidate]] = {}
    waited: list[float] = []
    began, approved = clock.at, 0
    while broadcast:
        if clock.at - began >= approved * EVERY:
            approved += 1
            row = RECIPIENTS + approved
            replies[row] = (clock.at, Candidate(row, f"-{approved % 3}", Urgency.REPLY))
        asked = [*(one for _, one in replies.values()), *list(broadcast)[:PAGE]]
        chosen = world.limiter.choose(asked, 64 - world.flying, kept=16)
        world.send(chosen)
        for one in chosen:
            if one.urgency == Urgency.REPLY:
                waited.append(clock.at - replies.pop(one.id)[0])
        gone = {one.id for one in chosen}
        for _ in range(min(PAGE, len(broadcast))):
            if (first := broadcast.popleft()).id not in gone:
                broadcast.append(first)
        broadcast.rotate(max(0, min(PAGE, len(broadcast)) - len(gone)))
        world.pass_time(STEP)
    return world, sorted(waited), clock.at - began


@pytest.mark.parametrize("seed", [1, 2])
def test_approved_replies_do_not_wait_for_a_broadcast_and_it_uses_what_is_allowed(seed: int) -> None:
    world, waited, seconds = played(seed)
    world.check("telegram")
    assert len(waited) >= seconds / EVERY - 1
    assert waited[int(0.95 * len(waited))] < 2
    allowed = (RECIPIENTS + len(waited)) / 30
    assert allowed <= seconds <= allowed / 0.9, allowed / seconds
    assert busiest((at for at, _ in world.order), 1.0) > 25
