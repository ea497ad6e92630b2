"""fdraw/1 taken literally: a drum with one numbered ticket for each unit of weight. For small lists only."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from typing import Any

QUICKNET = "52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971"
Entry = tuple[str, int]
Json = dict[str, Any]


def digest(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def ticket(giveaway: str, member: str, salt: bytes) -> str:
    return digest(b"fdraw/1/ticket\0", giveaway.encode(), b"\0", member.encode(), b"\0", salt).hex()[:32]


def root(entries: list[Entry]) -> bytes:
    """As RFC 9162 defines it: the left tree has the largest power of two of the leaves that is less than all."""
    if not entries:
        return digest()
    if len(entries) == 1:
        return digest(b"\0", entries[0][0].encode(), b"\0", str(entries[0][1]).encode())
    left = 1
    while left * 2 < len(entries):
        left *= 2
    return digest(b"\1", root(entries[:left]), root(entries[left:]))


def numbers(key: bytes) -> Iterator[int]:
    block = 0
    while True:
        random = hmac.digest(key, b"fdraw/1/stream\0" + block.to_bytes(8, "big"), "sha256")
        for start in (0, 8, 16, 24):
            yield int.from_bytes(random[start : start + 8], "big")
        block += 1


def below(stream: Iterator[int], limit: int) -> int:
    number = next(stream)
    while number >= 2**64 - (2**64 % limit):
        number = next(stream)
    return number % limit


def prove(giveaway: str, sizes: tuple[int, int], entries: list[Entry], beacon: Json, rerolls: list[Json]) -> Json:
    """A proof file. `sizes` are winners and alternates; a re-roll's `out` is the place in the order of who goes."""
    winners, alternates = sizes
    seed = digest(giveaway.encode())
    commit = digest(b"fdraw/1/seed\0", seed).hex()
    name = ":".join(str(beacon[key]) for key in ("type", "chain", "round") if beacon.get(key) not in (None, ""))
    weight = sum(weight for _, weight in entries)
    text = (
        f"fdraw/1\ngiveaway={giveaway}\nwinners={winners}\nalternates={alternates}\nentries={len(entries)}\n"
        f"weight={weight}\nroot={root(entries).hex()}\ncommit={commit}\nbeacon={name}\n"
    )
    value = bytes.fromhex(beacon.get("value") or "")
    stream = numbers(hmac.digest(seed, b"fdraw/1/key\0" + digest(text.encode()) + value, "sha256"))
    drum = [name for name, weight in entries for _ in range(weight)]
    order: list[str] = []
    while drum and len(order) < winners + alternates:
        order.append(drum[below(stream, len(drum))])
        drum = [owner for owner in drum if owner != order[-1]]
    said = [{**one, "out": order[one["out"]]} for one in rerolls]
    places: list[str | None] = list(order[:winners])
    unused = order[winners:]
    for one in said:
        places[places.index(one["out"])] = unused.pop(0) if unused else None
    return {
        "spec": "fdraw/1",
        "giveaway": giveaway,
        "winners": winners,
        "alternates": alternates,
        "entries": [list(entry) for entry in entries],
        "commit": commit,
        "seed": seed.hex(),
        "beacon": beacon,
        "freeze_text": text,
        "freeze_hash": digest(text.encode()).hex(),
        "order": order,
        "rerolls": said,
        "final": [one for one in places if one is not None],
        "witnesses": [],
    }
