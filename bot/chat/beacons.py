"""Public randomness: what draws ask of a beacon."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class BeaconRound:
    """A round of a public randomness beacon, checked: `value` is the SHA-256 of `signature`; hex in lower case."""

    chain: str
    round: int
    signature: str
    value: str
    verified: bool = False
    """Whether the signature itself was checked too, under the chain's public key."""
    mirrors: tuple[str, ...] = ()
    """The hosts that gave it, and the same."""


class BeaconUnavailable(Exception):
    """The round could not be had now: not there yet, no mirror reached, or mirrors that contradict each other.

    `str()` is a short reason for logs and the team. Try again later; there is no other source.
    """


class Beacon(Protocol):
    """A public randomness beacon."""

    @property
    def chain(self) -> str:
        """Its chain's hash, in lower-case hex."""

    def round_at(self, at: float) -> int:
        """The first round that is published at or after this moment (UTC seconds)."""

    def time_of(self, number: int) -> float:
        """When a round is published (UTC seconds)."""

    async def fetch(self, number: int) -> BeaconRound:
        """A round. Raises BeaconUnavailable, always within 15 s."""

    async def close(self) -> None:
        """Let go of connections."""
