"""The proof file of a draw (fdraw/1): everything that somebody needs who repeats it. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from bot.domain.fdraw import NO_BEACON, SPEC, Freeze, Reroll, commitment, final_of

Witness = Mapping[str, str | int]
"""Where something was public, and since when: a link or the ids of a message, its time, what it shows. Unsigned."""

_VALUE = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class BeaconUsed:
    """The public value that went into a draw; hex in lower case. Raises ValueError for a value that is none.

    `type` is drand, bitcoin or none. For bitcoin `round` is the height and `value` the block's hash; for none the texts
    are empty and the round is 0.
    """

    type: str
    chain: str = ""
    round: int = 0
    signature: str = ""
    value: str = ""

    def __post_init__(self) -> None:
        if self.type == NO_BEACON and (self.chain, self.round, self.signature, self.value) != ("", 0, "", ""):
            raise ValueError("without a beacon there is no value")
        if self.type != NO_BEACON and not _VALUE.fullmatch(self.value):
            raise ValueError("a beacon's value is 64 lower-case hexadecimal digits")

    @property
    def bytes(self) -> bytes:
        """The value as it goes into the draw's key."""
        return bytes.fromhex(self.value)


UNAIDED = BeaconUsed(NO_BEACON)
"""The draw is as its organiser's seed and list make it."""


def proof_around(
    freeze: Freeze,
    seed: bytes,
    beacon: BeaconUsed,
    order: Sequence[str],
    rerolls: Sequence[Reroll],
    witnesses: Sequence[Witness],
) -> tuple[str, str]:
    """What stands in the proof file before and after the list of entries: a JSON object, one field a line.

    Between the two stand `["ticket",weight]` with commas between them. Raises ValueError where the seed is not the one
    of the commitment, the order is not as long as it must be, or a re-roll is of somebody who holds no place.
    """
    terms = freeze.terms
    if commitment(seed) != terms.commit:
        raise ValueError("this seed is not the one that was promised")
    if len(order) != min(terms.count, freeze.entries) or len(set(order)) != len(order):
        raise ValueError("this is not the order of these terms")
    before = {
        "spec": SPEC,
        "giveaway": terms.giveaway,
        "winners": terms.winners,
        "alternates": terms.alternates,
    }
    after = {
        "commit": terms.commit,
        "seed": seed.hex(),
        "beacon": {name: value or None for name, value in asdict(beacon).items()},
        "freeze_text": freeze.text,
        "freeze_hash": freeze.hash,
        "order": list(order),
        "rerolls": [asdict(reroll) for reroll in rerolls],
        "final": final_of(order, terms.winners, rerolls),
        "witnesses": [dict(witness) for witness in witnesses],
    }
    return "{\n" + _fields(before) + ',\n"entries": [', "],\n" + _fields(after) + "\n}\n"


def _fields(fields: Mapping[str, object]) -> str:
    """Lines of an object, without a comma at the end."""
    return ",\n".join(f'"{name}": {json.dumps(value, ensure_ascii=False)}' for name, value in fields.items())
