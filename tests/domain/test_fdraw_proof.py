"""The proof file's text around the list: exactly these fields, in this order."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest

from bot.domain.fdraw import Freeze, Reroll, Terms, commitment, drand, draw_key, select
from bot.domain.fdraw_proof import UNAIDED, BeaconUsed, Witness, proof_around
from bot.domain.fdraw_tree import root_of

FIELDS = [
    *("spec", "giveaway", "winners", "alternates", "entries", "commit", "seed", "beacon", "freeze_text"),
    *("freeze_hash", "order", "rerolls", "final", "witnesses"),
]
SEED = bytes(range(32))
SIGNATURE = bytes(48)
BEACON = BeaconUsed("drand", "0" * 64, 1003, SIGNATURE.hex(), hashlib.sha256(SIGNATURE).hexdigest())
ENTRIES = [(f"{number:032x}", number) for number in range(1, 8)]
FREEZE = Freeze(Terms("g-7", 2, 2, commitment(SEED), drand(1003, "0" * 64)), 7, 28, root_of(ENTRIES).hex())
ORDER = select(ENTRIES, draw_key(SEED, FREEZE.hash, BEACON.bytes), 4)


def read(*around: str) -> dict[str, Any]:
    return dict(json.loads("[]".join(around).replace("[[]]", "[]")))


def test_every_field_in_its_place() -> None:
    rerolls = [Reroll(ORDER[0], '没有回复 "in time"', "阿明", 1_700_000_000)]
    witnesses: list[Witness] = [{"shows": "freeze", "url": "https://example.org/1", "at": 1_700_000_000}]
    found = read(*proof_around(FREEZE, SEED, BEACON, ORDER, rerolls, witnesses))
    assert list(found) == FIELDS
    assert found == {
        "spec": "fdraw/1",
        "giveaway": "g-7",
        "winners": 2,
        "alternates": 2,
        "entries": [],
        "commit": commitment(SEED),
        "seed": SEED.hex(),
        "beacon": {
            "type": "drand",
            "chain": "0" * 64,
            "round": 1003,
            "signature": "00" * 48,
            "value": hashlib.sha256(SIGNATURE).hexdigest(),
        },
        "freeze_text": FREEZE.text,
        "freeze_hash": FREEZE.hash,
        "order": ORDER,
        "rerolls": [{"out": ORDER[0], "reason": '没有回复 "in time"', "by": "阿明", "at": 1_700_000_000}],
        "final": [ORDER[2], ORDER[1]],
        "witnesses": witnesses,
    }


def test_people_can_read_it() -> None:
    before, after = proof_around(FREEZE, SEED, BEACON, ORDER, [Reroll(ORDER[0], "没有回复", "host", 1)], [])
    assert len(before.splitlines()) == 6
    assert "没有回复" in after


def test_a_list_stands_between_the_two() -> None:
    before, after = proof_around(FREEZE, SEED, BEACON, ORDER, [], [])
    listed = ",\n".join(f'["{ticket}",{weight}]' for ticket, weight in ENTRIES)
    assert json.loads(before + "\n" + listed + after)["entries"] == [[ticket, weight] for ticket, weight in ENTRIES]
    assert before.endswith('"entries": [')


def test_without_a_beacon() -> None:
    freeze = replace(FREEZE, terms=replace(FREEZE.terms, beacon="none"))
    order = select(ENTRIES, draw_key(SEED, freeze.hash, UNAIDED.bytes), 4)
    found = read(*proof_around(freeze, SEED, UNAIDED, order, [], []))
    assert found["beacon"] == {"type": "none", "chain": None, "round": None, "signature": None, "value": None}
    assert UNAIDED.bytes == b""


def test_nobody_entered() -> None:
    freeze = Freeze(FREEZE.terms, 0, 0, hashlib.sha256(b"").hexdigest())
    found = read(*proof_around(freeze, SEED, BEACON, [], [], []))
    assert (found["order"], found["final"]) == ([], [])


def test_proofs_that_would_prove_nothing() -> None:
    with pytest.raises(ValueError, match="seed"):
        proof_around(FREEZE, bytes(32), BEACON, ORDER, [], [])
    for order in (ORDER[:3], [*ORDER, "x"], [ORDER[0], *ORDER[:3]]):
        with pytest.raises(ValueError, match="order"):
            proof_around(FREEZE, SEED, BEACON, order, [], [])
    with pytest.raises(ValueError, match="not a winner"):
        proof_around(FREEZE, SEED, BEACON, ORDER, [Reroll(ORDER[3], "", "", 0)], [])


@pytest.mark.parametrize("fields", [("none", "0" * 64), ("none", "", 1), ("none", "", 0, "", "0" * 64)])
def test_no_beacon_has_no_value(fields: tuple[Any, ...]) -> None:
    with pytest.raises(ValueError, match="without a beacon"):
        BeaconUsed(*fields)


@pytest.mark.parametrize("value", ["", "0" * 63, "A" * 64, "0" * 66])
def test_values_that_are_none(value: str) -> None:
    with pytest.raises(ValueError, match="64"):
        BeaconUsed("drand", "0" * 64, 1, "00", value)
