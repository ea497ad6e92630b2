"""Draws that anyone can repeat: fdraw/1. Pure.

In plain words: every entry owns as many numbered tickets as its weight; a number is drawn; its owner wins and all their
tickets leave the drum. The numbers follow from a seed that was fixed when the giveaway opened, from the list of
entries, and from a beacon's value that nobody has when the list is published.

What is here is normative to the byte: other programs check our draws.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import re
import struct
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

SPEC = "fdraw/1"
SEED_BYTES = 32
SALT_BYTES = 16
MAX_WEIGHT = 10**6
MAX_SUM = 2**53 - 1
"""Of all weights: what every JSON reader takes as a whole number."""
MAX_WINNERS = 10_000
MAX_ALTERNATES = 10_000
QUICKNET = "52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971"
"""The hash of drand's quicknet chain: a round every three seconds."""
NO_BEACON = "none"

_GENESIS, _PERIOD = 1692803367, 3
_SPAN = 1024
"""Entries whose weights are added up together, so that a draw looks at two short lists."""
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_TICKET = re.compile(r"[0-9a-f]{32}")
_HASH = re.compile(r"[0-9a-f]{64}")
_ADDRESS = re.compile(r"[a-z]+:[^\x00\s]+")
_BEACON = re.compile(r"none|bitcoin:(0|[1-9][0-9]{0,14})|drand:[0-9a-f]{64}:[1-9][0-9]{0,14}")

Entry = tuple[str, int]
"""A ticket (32 lower-case hex digits) and its weight (1 to MAX_WEIGHT)."""


# ---- before the draw


def commitment(seed: bytes) -> str:
    """What is published of the seed at the opening. Raises ValueError unless it is of 32 bytes."""
    if len(seed) != SEED_BYTES:
        raise ValueError(f"a seed has {SEED_BYTES} bytes")
    return hashlib.sha256(b"fdraw/1/seed\0" + seed).hexdigest()


def ticket_of(giveaway: str, address: str, salt: bytes) -> str:
    """The public name of an entry.

    `address` is "platform:user", `salt` the 16 bytes that only the entrant knows; without them nobody can tell whose
    ticket it is. Raises ValueError.
    """
    _match(_ID, giveaway, "giveaway")
    if not _ADDRESS.fullmatch(address):
        raise ValueError("an address is platform:user")
    if len(salt) != SALT_BYTES:
        raise ValueError(f"a salt has {SALT_BYTES} bytes")
    text = b"\0".join((b"fdraw/1/ticket", giveaway.encode(), address.encode(), salt))
    return hashlib.sha256(text).hexdigest()[:32]


def check_entries(entries: Iterable[Entry]) -> None:
    """Raises ValueError that says what is wrong with a list of entries, and where: a form, the order, the weights."""
    before, total = "", 0
    for number, (ticket, weight) in enumerate(entries, 1):
        if not _TICKET.fullmatch(ticket):
            raise ValueError(f"entry {number}: a ticket is 32 lower-case hexadecimal digits")
        if ticket == before:
            raise ValueError(f"entry {number}: the ticket {ticket} is there twice")
        if ticket < before:
            raise ValueError(f"entry {number}: the ticket {ticket} is out of order")
        if type(weight) is not int or not 1 <= weight <= MAX_WEIGHT:
            raise ValueError(f"entry {number}: a weight is a whole number from 1 to {MAX_WEIGHT}")
        before, total = ticket, total + weight
        if total > MAX_SUM:
            raise ValueError(f"entry {number}: the weights add up to more than {MAX_SUM}")


@dataclass(frozen=True, slots=True)
class Terms:
    """What is fixed when a giveaway opens, as the freeze text names it. Raises ValueError for what no text may hold."""

    giveaway: str
    winners: int
    alternates: int
    commit: str
    beacon: str
    """`drand:<chain>:<round>`, `bitcoin:<height>` or `none`."""

    def __post_init__(self) -> None:
        _match(_ID, self.giveaway, "giveaway")
        _within(self.winners, 1, MAX_WINNERS, "winners")
        _within(self.alternates, 0, MAX_ALTERNATES, "alternates")
        _match(_HASH, self.commit, "commit")
        _match(_BEACON, self.beacon, "beacon")

    @property
    def count(self) -> int:
        """How many names are drawn at most."""
        return self.winners + self.alternates


@dataclass(frozen=True, slots=True)
class Freeze:
    """The list at the closing: how many entries, the sum of their weights, and the root of their tree in hex."""

    terms: Terms
    entries: int
    weight: int
    root: str

    def __post_init__(self) -> None:
        _within(self.weight, 0, MAX_SUM, "weight")
        _within(self.entries, math.ceil(self.weight / MAX_WEIGHT), self.weight, "entries")
        _match(_HASH, self.root, "root")

    @property
    def text(self) -> str:
        """What is published, to the byte; each line ends with LF."""
        terms = self.terms
        lines = (
            SPEC,
            f"giveaway={terms.giveaway}",
            f"winners={terms.winners}",
            f"alternates={terms.alternates}",
            f"entries={self.entries}",
            f"weight={self.weight}",
            f"root={self.root}",
            f"commit={terms.commit}",
            f"beacon={terms.beacon}",
        )
        return "".join(f"{line}\n" for line in lines)

    @property
    def hash(self) -> str:
        """SHA-256 of the text, in hex."""
        return hashlib.sha256(self.text.encode()).hexdigest()


# ---- the draw


def draw_key(seed: bytes, freeze_hash: str, value: bytes) -> bytes:
    """The key of a draw's numbers; `value` is the beacon's 32 bytes, or empty without one. Raises ValueError."""
    _match(_HASH, freeze_hash, "freeze hash")
    if len(seed) != SEED_BYTES:
        raise ValueError(f"a seed has {SEED_BYTES} bytes")
    if len(value) not in (0, 32):
        raise ValueError("a beacon's value has 32 bytes")
    return hmac.digest(seed, b"fdraw/1/key\0" + bytes.fromhex(freeze_hash) + value, "sha256")


class Stream:
    """The numbers that follow from a key, and how many of them were used."""

    def __init__(self, key: bytes) -> None:
        self.used = 0
        self._key, self._blocks = key, 0
        self._left: list[int] = []

    def value(self) -> int:
        """The next number below 2**64."""
        if not self._left:
            block = hmac.digest(self._key, b"fdraw/1/stream\0" + self._blocks.to_bytes(8, "big"), "sha256")
            self._left = list(reversed(struct.unpack(">4Q", block)))
            self._blocks += 1
        self.used += 1
        return self._left.pop()

    def below(self, bound: int) -> int:
        """A number below this one, all of them equally likely; uses up at least one value. Raises ValueError."""
        if not 1 <= bound <= 2**64:
            raise ValueError("numbers are drawn below 1 to 2**64")
        limit = 2**64 - 2**64 % bound
        while (value := self.value()) >= limit:
            pass
        return value % bound


def select(entries: Sequence[Entry], key: bytes, count: int) -> list[str]:
    """The tickets that are drawn, in their order: so many, or all where there are fewer."""
    return [entries[index][0] for index in choose((weight for _, weight in entries), key, count)]


def choose(weights: Iterable[int], key: bytes, count: int) -> list[int]:
    """The same by places in the list, from 0."""
    left = array("Q", weights)
    sums = [sum(left[start : start + _SPAN]) for start in range(0, len(left), _SPAN)]
    stream, total = Stream(key), sum(sums)
    chosen: list[int] = []
    while total and len(chosen) < count:
        drawn = stream.below(total)
        running = list(accumulate(sums, initial=0))
        span = bisect_right(running, drawn) - 1
        # The first whose running sum exceeds the number; those that are gone weigh nothing and are never the first.
        within = accumulate(left[span * _SPAN : (span + 1) * _SPAN])
        index = span * _SPAN + bisect_right(list(within), drawn - running[span])
        chosen.append(index)
        sums[span] -= left[index]
        total -= left[index]
        left[index] = 0
    return chosen


# ---- after it


@dataclass(frozen=True, slots=True)
class Reroll:
    """A public record: who lost their place (a ticket), why, who decided it, and when (UTC seconds)."""

    out: str
    reason: str
    by: str
    at: int


def places_of(order: Sequence[str], winners: int, rerolls: Iterable[Reroll]) -> list[str | None]:
    """Who holds each place after the re-rolls; None: nobody was left for it.

    A place that becomes empty is taken by the next name of the order that was not used yet: there is nothing to choose.
    Raises ValueError for a re-roll of somebody who holds no place.
    """
    places: list[str | None] = list(order[:winners])
    held = {ticket: place for place, ticket in enumerate(places)}
    unused = iter(order[winners:])
    for reroll in rerolls:
        if (place := held.pop(reroll.out, None)) is None:
            raise ValueError(f"{reroll.out} is not a winner")
        places[place] = following = next(unused, None)
        if following is not None:
            held[following] = place
    return places


def final_of(order: Sequence[str], winners: int, rerolls: Iterable[Reroll]) -> list[str]:
    """The winners after the re-rolls, by place; empty places are left out. Raises ValueError as `places_of`."""
    return [ticket for ticket in places_of(order, winners, rerolls) if ticket is not None]


def next_of(order: Sequence[str], winners: int, rerolls: Sequence[Reroll]) -> str | None:
    """Who would take the next place that becomes empty. Every re-roll has used up one name, if there was one."""
    left = order[winners + len(rerolls) :]
    return left[0] if left else None


# ---- drand's quicknet


def round_at(at: float) -> int:
    """The first round at or after this time (UTC seconds)."""
    return max(1, 1 - math.floor((_GENESIS - at) / _PERIOD))


def time_of(number: int) -> int:
    """When a round appears (UTC seconds)."""
    return _GENESIS + (number - 1) * _PERIOD


def drand(number: int, chain: str = QUICKNET) -> str:
    """A round of drand as the freeze text names it."""
    return f"drand:{chain}:{number}"


def _match(form: re.Pattern[str], text: str, name: str) -> None:
    if not form.fullmatch(text):
        raise ValueError(f"{name}: {text!r} is not of the form {form.pattern}")


def _within(number: int, least: int, most: int, name: str) -> None:
    if type(number) is not int or not least <= number <= most:
        raise ValueError(f"{name}: {number!r} is not a whole number from {least} to {most}")
