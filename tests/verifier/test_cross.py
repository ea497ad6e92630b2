"""Two programs, written by different people from the same description, agree: what one draws, the other calls valid."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain import fdraw, fdraw_proof, fdraw_tree
from bot.verifier import verify as verifier
from verifier import cases

SEED = bytes(range(32))
DRAND = fdraw_proof.BeaconUsed(**cases.DRAND)
BLOCK = fdraw_proof.BeaconUsed("bitcoin", round=900000, value=cases.BITCOIN["value"])
NAMES = {"drand": fdraw.drand(1003), "bitcoin": "bitcoin:900000", "none": "none"}


def proof_of(
    entries: list[fdraw.Entry], sizes: tuple[int, int], beacon: fdraw_proof.BeaconUsed, outs: list[int]
) -> bytes:
    """What the bot's own rules make of it; `outs` are places that are re-rolled one after the other."""
    terms = fdraw.Terms("g-1", *sizes, fdraw.commitment(SEED), NAMES[beacon.type])
    root = fdraw_tree.root_of(entries).hex()
    freeze = fdraw.Freeze(terms, len(entries), sum(weight for _, weight in entries), root)
    order = fdraw.select(entries, fdraw.draw_key(SEED, freeze.hash, beacon.bytes), terms.count)
    rerolls: list[fdraw.Reroll] = []
    for out in outs:
        places = [one for one in fdraw.places_of(order, sizes[0], rerolls) if one]
        if places:
            rerolls.append(fdraw.Reroll(places[out % len(places)], "没有认领", "host", 1700000000))
    before, after = fdraw_proof.proof_around(freeze, SEED, beacon, order, rerolls, [{"what": "result", "at": 1}])
    return (before + ",\n".join(json.dumps(entry) for entry in entries) + after).encode()


@given(
    st.lists(st.integers(1, 10**6), max_size=30),
    st.tuples(st.integers(1, 12), st.integers(0, 12)),
    st.sampled_from([DRAND, BLOCK, fdraw_proof.UNAIDED]),
    st.lists(st.integers(0, 20), max_size=5),
)
def test_what_the_bot_draws_is_valid(
    weights: list[int], sizes: tuple[int, int], beacon: fdraw_proof.BeaconUsed, outs: list[int]
) -> None:
    entries = [(f"{number:032x}", weight) for number, weight in enumerate(weights)]
    verdict = verifier.verify(proof_of(entries, sizes, beacon, outs))
    assert (verdict.faults, verdict.delayed, verdict.warnings) == ([], [], [])
    level = "organiser-trusted" if beacon.type == "none" else "public beacon"
    assert verifier.as_json(verdict, None)["level"] == level


def test_a_long_list_too() -> None:
    chance = random.Random(5)
    entries = sorted((f"{chance.getrandbits(128):032x}", chance.randint(1, 10**6)) for _ in range(5000))
    assert verifier.verify(proof_of(entries, (300, 200), DRAND, list(range(150)))).faults == []


def test_another_beacon_value_is_another_draw() -> None:
    entries = [(f"{number:032x}", 1) for number in range(100)]
    other = replace(DRAND, signature="00", value=verifier.sha256(b"\0").hex())
    proof = json.loads(proof_of(entries, (3, 0), DRAND, []))
    proof["beacon"] |= {"signature": other.signature, "value": other.value}
    assert [fault.field for fault in verifier.verify(json.dumps(proof).encode()).faults] == ["order"]


@given(st.binary(min_size=16, max_size=16), st.sampled_from(["discord:1", "telegram:-5", "slack:U0A"]))
def test_both_make_the_same_ticket(salt: bytes, member: str) -> None:
    ticket = fdraw.ticket_of("g-1", member, salt)
    proof = verifier.verify(proof_of([(ticket, 2)], (1, 0), DRAND, [])).proof
    found = verifier.find(proof, salt.hex(), member)
    assert found is not None
    assert (found.ticket, found.state) == (ticket, "winner")


@pytest.mark.parametrize("number", [1, 2, 1003, 10**9])
def test_both_know_the_time_of_a_round(number: int) -> None:
    assert fdraw.time_of(number) == verifier.GENESIS + (number - 1) * verifier.PERIOD
