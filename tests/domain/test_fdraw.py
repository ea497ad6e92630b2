"""fdraw/1: the published vectors, the freeze text to the byte, the draw against a literal reading of its rules."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain import fdraw
from bot.domain.fdraw import (
    MAX_WEIGHT,
    QUICKNET,
    Entry,
    Freeze,
    Reroll,
    Stream,
    Terms,
    check_entries,
    commitment,
    drand,
    draw_key,
    final_of,
    next_of,
    places_of,
    round_at,
    select,
    ticket_of,
    time_of,
)

TEXT = """\
fdraw/1
giveaway=g-ten
winners=3
alternates=2
entries=10
weight=10
root=52fab057b2c30e04aa83afa0b27c0da4b13795e92682f8d8ec6b106e671dcde8
commit=120fc91221b9192ba7a2d26ef75d9755c0dad38891c95ea27bfecd5644dba4ae
beacon=drand:52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971:1003
"""
ROOT = "52fab057b2c30e04aa83afa0b27c0da4b13795e92682f8d8ec6b106e671dcde8"
TERMS = Terms("g-ten", 3, 2, "120fc91221b9192ba7a2d26ef75d9755c0dad38891c95ea27bfecd5644dba4ae", drand(1003))

keys = st.binary(min_size=32, max_size=32)


def ticket(number: int) -> str:
    return f"{number:032x}"


def entries_of(*weights: int) -> list[Entry]:
    return [(ticket(number), weight) for number, weight in enumerate(weights, 1)]


# ---- the published vectors


def test_commitment() -> None:
    assert commitment(bytes(32)) == "8167192de00ecc6293b532d09dc7481c1fc016980ffecbe71b960ed14b023530"
    with pytest.raises(ValueError, match="32 bytes"):
        commitment(bytes(31))


def test_ticket() -> None:
    found = ticket_of("g-ten", "discord:80351110224678912", bytes(range(16)))
    assert found == "5b96eb15383e781f65416a150324e6bc"


@pytest.mark.parametrize(
    ("giveaway", "address", "salt"),
    [
        ("", "discord:1", bytes(16)),
        ("a b", "discord:1", bytes(16)),
        ("a" * 65, "discord:1", bytes(16)),
        ("g\n", "discord:1", bytes(16)),
        ("g", "discord", bytes(16)),
        ("g", "discord:", bytes(16)),
        ("g", "discord:1\0", bytes(16)),
        ("g", "discord:1", bytes(15)),
    ],
)
def test_what_no_ticket_is_made_of(giveaway: str, address: str, salt: bytes) -> None:
    with pytest.raises(ValueError, match=r"giveaway|address|salt"):
        ticket_of(giveaway, address, salt)


def test_stream() -> None:
    stream = Stream(bytes(32))
    assert [stream.value() for _ in range(3)] == [
        3270930358469413812,
        3017629937970033028,
        11921919248964636356,
    ]


def test_numbers_that_would_favour_some_are_passed_over() -> None:
    stream = Stream(bytes(32))
    assert [stream.below(2**63 + 1) for _ in range(4)] == [
        3270930358469413812,
        3017629937970033028,
        3469784327312447223,
        860928322711198325,
    ]
    assert stream.used == 6


def test_every_number_uses_up_a_value() -> None:
    stream = Stream(bytes(32))
    assert [stream.below(1) for _ in range(5)] == [0] * 5
    assert stream.used == 5
    assert Stream(bytes(32)).below(2**64) == 3270930358469413812
    for bound in (0, -1, 2**64 + 1):
        with pytest.raises(ValueError, match="2\\*\\*64"):
            stream.below(bound)


@pytest.mark.parametrize(("bound", "value"), [(3, 2**64 - 1), (7, 2**64 - 2), (2**63 + 1, 2**63 + 1)])
def test_the_first_value_that_is_passed_over(bound: int, value: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """2**64 leaves 1 by 3 and 2 by 7: from the last whole multiple on a value is not used, and the one before is."""
    values = iter([value, value - 1])
    monkeypatch.setattr(Stream, "value", lambda self: next(values))
    assert Stream(bytes(32)).below(bound) == (value - 1) % bound


# ---- the freeze text


def test_freeze_text_to_the_byte() -> None:
    freeze = Freeze(TERMS, 10, 10, ROOT)
    assert freeze.text == TEXT
    assert freeze.hash == "b6357c1f87a08e774822d7eebcfd342353ac710bc3925b2557919ab73e9d4f0d"


@pytest.mark.parametrize("beacon", ["none", "bitcoin:900000", drand(1), f"drand:{'0' * 64}:99"])
def test_beacons_by_name(beacon: str) -> None:
    assert Freeze(replace(TERMS, beacon=beacon), 0, 0, ROOT).text.endswith(f"\nbeacon={beacon}\n")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("giveaway", wrong) for wrong in ("", "ä", "a/b", "a" * 65, "g\n")),
        *(("winners", wrong) for wrong in (0, 10_001, True, 1.0)),
        *(("alternates", wrong) for wrong in (-1, 10_001)),
        *(("commit", wrong) for wrong in ("", "A" * 64, "0" * 63, "0" * 64 + "\n")),
        *(("beacon", wrong) for wrong in ("", "drand", f"drand:{QUICKNET}:0", f"drand:{QUICKNET}:01", "bitcoin:-1")),
        ("beacon", f"drand:{QUICKNET}:1\nroot=x"),
    ],
)
def test_terms_that_no_text_may_hold(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^{field}: "):
        replace(TERMS, **{field: value})


def test_the_largest_terms() -> None:
    assert replace(TERMS, giveaway="A.z_9-" + "x" * 58, winners=10_000, alternates=10_000).count == 20_000
    assert replace(TERMS, winners=1, alternates=0).count == 1


@pytest.mark.parametrize(
    ("entries", "weight", "root"),
    [
        (-1, 10, ROOT),
        (0, 1, ROOT),
        (1, 0, ROOT),
        (11, 10, ROOT),
        (1, 1_000_001, ROOT),
        (10, 2**53, ROOT),
        (10, 10, ROOT[1:]),
    ],
)
def test_freezes_that_cannot_be(entries: int, weight: int, root: str) -> None:
    with pytest.raises(ValueError, match=r"^(entries|weight|root): "):
        Freeze(TERMS, entries, weight, root)


# ---- the list


def test_a_list_as_it_should_be() -> None:
    check_entries([])
    check_entries(entries_of(1, MAX_WEIGHT, 5))


@pytest.mark.parametrize(
    ("entries", "why"),
    [
        ([(ticket(2), 1), (ticket(1), 1)], "entry 2: .* out of order"),
        ([(ticket(1), 1), (ticket(1), 1)], "entry 2: .* twice"),
        ([(ticket(1), 0)], "entry 1: a weight"),
        ([(ticket(1), -1)], "entry 1: a weight"),
        ([(ticket(1), True)], "entry 1: a weight"),
        ([(ticket(1), 1), (ticket(2), MAX_WEIGHT + 1)], "entry 2: a weight"),
        ([("A" * 32, 1)], "entry 1: a ticket"),
        ([("a" * 31, 1)], "entry 1: a ticket"),
        ([("a" * 32 + "\n", 1)], "entry 1: a ticket"),
    ],
)
def test_lists_that_are_none(entries: list[Entry], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        check_entries(entries)


def test_weights_that_are_too_much_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """So many entries as that takes do not fit into a test."""
    assert fdraw.MAX_SUM == 9_007_199_254_740_991
    monkeypatch.setattr(fdraw, "MAX_SUM", 10)
    check_entries(entries_of(4, 6))
    with pytest.raises(ValueError, match="entry 3: the weights add up"):
        check_entries(entries_of(4, 6, 1))


# ---- the draw, read literally


def literal_values(key: bytes) -> Iterator[int]:
    block = 0
    while True:
        made = hmac.new(key, b"fdraw/1/stream" + b"\x00" + block.to_bytes(8, "big"), hashlib.sha256).digest()
        for part in (made[0:8], made[8:16], made[16:24], made[24:32]):
            yield int.from_bytes(part, "big")
        block += 1


def literal_draw(entries: Sequence[Entry], key: bytes, count: int) -> list[str]:
    """Every entry has as many numbered tickets in a drum as its weight; the owner of the one that is drawn wins."""
    values = literal_values(key)
    drum = [name for name, weight in entries for _ in range(weight)]
    winners: list[str] = []
    while drum and len(winners) < count:
        fair = 2**64 // len(drum) * len(drum)
        number = next(value for value in values if value < fair)
        winners.append(drum[number % len(drum)])
        drum = [name for name in drum if name != winners[-1]]
    return winners


@given(st.lists(st.integers(1, 40), max_size=30), keys, st.integers(0, 35))
def test_a_draw_is_what_its_rules_say(weights: list[int], key: bytes, count: int) -> None:
    entries = entries_of(*weights)
    assert select(entries, key, count) == literal_draw(entries, key, count)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=30), keys)
def test_the_same_where_many_spans_are_needed(weights: list[int], key: bytes) -> None:
    entries = entries_of(*weights)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fdraw, "_SPAN", 3)
        assert select(entries, key, 35) == literal_draw(entries, key, 35)


def test_a_draw_of_thousands() -> None:
    entries = entries_of(*(number % 7 + 1 for number in range(2500)))
    assert select(entries, bytes(32), 40) == literal_draw(entries, bytes(32), 40)
    assert sorted(select(entries, bytes(32), 20_000)) == [name for name, _ in entries]


def test_nobody_entered() -> None:
    assert select([], bytes(32), 5) == []


@given(keys, st.integers(0, 10), st.integers(0, 10))
def test_more_alternates_change_nothing_before_them(key: bytes, fewer: int, more: int) -> None:
    entries = entries_of(5, 1, 900, 3, 3, 70, 1)
    longer = select(entries, key, fewer + more)
    assert select(entries, key, fewer) == longer[:fewer]


def test_the_key() -> None:
    """HMAC by its own definition (RFC 2104): the seed is 32 bytes, a block 64."""
    seed, value, freeze_hash = bytes(range(32)), bytes(range(100, 132)), "ab" * 32

    def mac(message: bytes) -> bytes:
        padded = seed + bytes(32)
        inner = hashlib.sha256(bytes(one ^ 0x36 for one in padded) + message).digest()
        return hashlib.sha256(bytes(one ^ 0x5C for one in padded) + inner).digest()

    start = b"fdraw/1/key\x00" + b"\xab" * 32
    assert draw_key(seed, freeze_hash, value) == mac(start + value)
    assert draw_key(seed, freeze_hash, b"") == mac(start)


@pytest.mark.parametrize(
    ("seed", "freeze_hash", "value"),
    [(bytes(31), "0" * 64, b""), (bytes(32), "0" * 63, b""), (bytes(32), "0" * 64, bytes(31))],
)
def test_what_no_key_is_made_of(seed: bytes, freeze_hash: str, value: bytes) -> None:
    with pytest.raises(ValueError, match=r"seed|freeze hash|value"):
        draw_key(seed, freeze_hash, value)


def test_nothing_shows_a_stream_s_key() -> None:
    assert "17" not in repr(Stream(b"\x17" * 32)).split(" at ")[0]


# ---- re-rolls

ORDER = [ticket(number) for number in (9, 4, 7, 1, 8)]


def out(name: str) -> Reroll:
    return Reroll(name, "did not answer", "host", 1_700_000_000)


def test_an_empty_place_takes_the_next_name() -> None:
    rerolls = [out(ORDER[1])]
    assert final_of(ORDER, 3, []) == ORDER[:3]
    assert final_of(ORDER, 3, rerolls) == [ORDER[0], ORDER[3], ORDER[2]]
    rerolls.append(out(ORDER[3]))
    assert final_of(ORDER, 3, rerolls) == [ORDER[0], ORDER[4], ORDER[2]]
    rerolls.append(out(ORDER[0]))
    assert places_of(ORDER, 3, rerolls) == [None, ORDER[4], ORDER[2]]
    assert final_of(ORDER, 3, rerolls) == [ORDER[4], ORDER[2]]


def test_only_a_winner_loses_a_place() -> None:
    for wrong in (ORDER[3], "nobody"):
        with pytest.raises(ValueError, match="not a winner"):
            final_of(ORDER, 3, [out(wrong)])
    with pytest.raises(ValueError, match="not a winner"):
        final_of(ORDER, 3, [out(ORDER[0]), out(ORDER[0])])


@given(st.integers(0, 12), st.integers(1, 8), st.lists(st.integers(0, 7), max_size=15))
def test_re_rolls_repeat_nobody_and_choose_nothing(length: int, winners: int, picks: list[int]) -> None:
    """Who comes in is fixed by the order alone, whoever goes out and however often."""
    order = [ticket(number * 7919 % 101) for number in range(length)]
    rerolls: list[Reroll] = []
    came: list[str] = []
    for pick in picks:
        before = final_of(order, winners, rerolls)
        if not before:
            break
        expected = next_of(order, winners, rerolls)
        rerolls.append(out(before[pick % len(before)]))
        after = final_of(order, winners, rerolls)
        came += [name for name in after if name not in before]
        assert came[-1:] == [expected] if expected else set(after) < set(before)
        assert len(set(after)) == len(after) <= winners
        assert not set(after) & {reroll.out for reroll in rerolls}
    assert came == order[winners:][: len(came)]
    assert len(came) == min(len(rerolls), max(0, length - winners))


# ---- rounds


def test_rounds_of_quicknet() -> None:
    assert time_of(1) == 1692803367
    assert time_of(1003) == 1692803367 + 3006
    assert [round_at(1692803367 + late) for late in (-100.0, 0.0, 0.001, 3.0, 3.001)] == [1, 1, 2, 2, 3]


@given(st.floats(1692803367.0, 4e9))
def test_a_round_is_the_first_at_or_after_a_time(at: float) -> None:
    number = round_at(at)
    assert time_of(number) >= at
    assert number == 1 or time_of(number - 1) < at


def test_the_literal_stream_is_the_published_one() -> None:
    assert list(islice(literal_values(bytes(32)), 2)) == [3270930358469413812, 3017629937970033028]
