"""A beacon of the tests' own."""

from __future__ import annotations

import hashlib
import math

from engine.world import HandClock

from bot.chat.beacons import BeaconRound, BeaconUnavailable


class HandBeacon:
    """A beacon of the test's own, with a round every three seconds of the hand's clock."""

    chain = "ab" * 32

    def __init__(self, clock: HandClock) -> None:
        self._clock = clock
        self.down = ""
        """Why nothing is to be had, if so."""

    def round_at(self, at: float) -> int:
        return max(1, math.ceil(at / 3))

    def time_of(self, number: int) -> float:
        return number * 3.0

    async def fetch(self, number: int) -> BeaconRound:
        if self.down or self._clock.at < self.time_of(number):
            raise BeaconUnavailable(self.down or "not there yet")
        signature = hashlib.sha384(b"%d" % number).digest()
        return BeaconRound(
            self.chain, number, signature.hex(), hashlib.sha256(signature).hexdigest(), True, ("a.example", "b.example")
        )

    async def close(self) -> None:
        pass
