"""The rounds of a chain shaped like drand's quicknet: when each is due, and what it holds.

The values are this server's own, made from a fixed key, so that every run has the same ones. The real network signs
with a key that nobody has alone: a signature from here has the right length, hashes to its value, and verifies under no
key.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

CHAIN = "52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971"
PERIOD = 3
GENESIS = 1692803367
SCHEME = "bls-unchained-g1-rfc9380"
_GROUP = "f477d5c89f21a17c863a7f937c6a6d15859414d2be09cd448d4279af331c5d3e"
_KEY = b"the local beacon, good for rehearsals only"
_OTHER_KEY = b"the same beacon, lying"


@dataclass(frozen=True)
class Round:
    """A round as it is published; hex in lower case."""

    number: int
    signature: str
    randomness: str

    def wire(self) -> dict[str, str | int]:
        """As `/public/{round}` answers it; an unchained scheme has no previous signature."""
        return {"round": self.number, "randomness": self.randomness, "signature": self.signature}


def due_at(number: int) -> int:
    """When round `number` (from 1) is published, in UTC seconds."""
    return GENESIS + (number - 1) * PERIOD


def current_round(now: float) -> int:
    """The newest round that is published at `now`; 0 before the first."""
    return max(0, int((now - GENESIS) // PERIOD) + 1)


def made_round(number: int, *, lying: bool = False, torn: bool = False) -> Round:
    """Round `number`. `lying`: another one, whole in itself, as from a mirror that was taken over; `torn`: with a value
    that is not the hash of its signature."""
    signature = _bytes(_OTHER_KEY if lying else _KEY, f"signature {number}", 48)
    signed = _bytes(_OTHER_KEY, f"torn {number}", 48) if torn else signature
    return Round(number, signature.hex(), hashlib.sha256(signed).hexdigest())


def info() -> dict[str, object]:
    """The chain's description. `public_key` is no key of the real network, and signs nothing."""
    return {
        "public_key": _bytes(_KEY, "public key", 96).hex(),
        "period": PERIOD,
        "genesis_time": GENESIS,
        "hash": CHAIN,
        "groupHash": _GROUP,
        "schemeID": SCHEME,
        "metadata": {"beaconID": "quicknet"},
    }


def _bytes(key: bytes, about: str, count: int) -> bytes:
    blocks = (hmac.digest(key, f"{about} {part}".encode(), "sha256") for part in range(-(-count // 32)))
    return b"".join(blocks)[:count]
