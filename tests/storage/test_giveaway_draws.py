"""What a proof is made of is written once: a draw that begins again ends the same, or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest

from bot.domain.fdraw import Reroll
from bot.storage.giveaways import Conflict, DrawnRow, Frozen
from bot.storage.work import Work

from .conftest import NOW, Bench

TEXT = "fdraw/1\ngiveaway=w.one\nbeacon=drand:52:1003\n"
LATER = TEXT.replace("1003", "1023")
LARGEST = 2**53 - 1


def freeze(text: str = TEXT, root: str = "aa", entries: int = 10, weight: int = LARGEST) -> Callable[[Work], None]:
    return lambda work: work.giveaways.freeze(1, text, root, entries, weight)


def beacon(value: str = "bb", signature: str = "cc", verified: bool = True) -> Callable[[Work], None]:
    return lambda work: work.giveaways.beacon(1, signature, value, verified, ["one.example", "two.example"])


async def test_a_freeze_is_kept_with_its_hash(bench: Bench) -> None:
    assert await bench.read(lambda work: work.giveaways.frozen(1)) is None
    await bench.write(freeze())
    wanted = Frozen(TEXT, hashlib.sha256(TEXT.encode()).hexdigest(), "aa", 10, LARGEST)
    assert await bench.read(lambda work: work.giveaways.frozen(1)) == wanted
    assert await bench.read(lambda work: work.giveaways.frozen(2)) is None
    await bench.write(freeze())
    assert await bench.read(lambda work: work.giveaways.frozen(1)) == wanted


async def test_the_hash_of_the_printed_freeze_text(bench: Bench) -> None:
    text = (
        "fdraw/1\ngiveaway=g-ten\nwinners=3\nalternates=2\nentries=10\nweight=10\n"
        "root=52fab057b2c30e04aa83afa0b27c0da4b13795e92682f8d8ec6b106e671dcde8\n"
        "commit=120fc91221b9192ba7a2d26ef75d9755c0dad38891c95ea27bfecd5644dba4ae\n"
        "beacon=drand:52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971:1003\n"
    )
    await bench.write(freeze(text))
    found = await bench.read(lambda work: work.giveaways.frozen(1))
    assert found is not None
    assert found.hash == "b6357c1f87a08e774822d7eebcfd342353ac710bc3925b2557919ab73e9d4f0d"


async def test_a_late_freeze_names_another_round_and_never_another_list(bench: Bench) -> None:
    await bench.write(freeze())
    for other in (freeze(root="ab"), freeze(entries=11), freeze(weight=11), freeze(LATER, root="ab")):
        with pytest.raises(Conflict, match="giveaway 1 is frozen with another list"):
            await bench.write(other)
    await bench.write(freeze(LATER))
    found = await bench.read(lambda work: work.giveaways.frozen(1))
    assert found == Frozen(LATER, hashlib.sha256(LATER.encode()).hexdigest(), "aa", 10, LARGEST)


async def test_once_the_beacon_is_known_no_round_is_named_any_more(bench: Bench) -> None:
    await bench.write(freeze())
    await bench.write(beacon())
    with pytest.raises(Conflict):
        await bench.write(freeze(LATER))
    await bench.write(freeze())
    found = await bench.read(lambda work: work.giveaways.frozen(1))
    assert found is not None
    assert found.text == TEXT


async def test_a_beacon_is_kept_once(bench: Bench) -> None:
    assert await bench.read(lambda work: work.giveaways.drawn(1)) is None
    await bench.write(beacon())
    wanted = DrawnRow("cc", "bb", True, ("one.example", "two.example"), ())
    assert await bench.read(lambda work: work.giveaways.drawn(1)) == wanted
    await bench.write(beacon(verified=False))
    for other in (beacon(value="bd"), beacon(signature="cd")):
        with pytest.raises(Conflict, match="giveaway 1 has another beacon"):
            await bench.write(other)
    assert await bench.read(lambda work: work.giveaways.drawn(1)) == wanted
    assert await bench.read(lambda work: work.giveaways.drawn(2)) is None


async def test_an_order_is_kept_once(bench: Bench) -> None:
    await bench.write(beacon())
    tickets = [f"{number:032x}" for number in range(20_000)]
    for _ in range(2):
        await bench.write(lambda work: work.giveaways.order(1, tickets))
    wanted = DrawnRow("cc", "bb", True, ("one.example", "two.example"), tuple(tickets))
    assert await bench.read(lambda work: work.giveaways.drawn(1)) == wanted
    for other in (tickets[:-1], [*reversed(tickets)], []):
        with pytest.raises(Conflict, match="giveaway 1 is drawn already"):
            await bench.write(lambda work, other=other: work.giveaways.order(1, other))
    await bench.write(beacon())
    assert await bench.read(lambda work: work.giveaways.drawn(1)) == wanted


async def test_without_a_beacon_there_is_an_order_all_the_same(bench: Bench) -> None:
    await bench.write(lambda work: work.giveaways.order(1, ["b", "a"]))
    assert await bench.read(lambda work: work.giveaways.drawn(1)) == DrawnRow("", "", False, (), ("b", "a"))
    with pytest.raises(Conflict):
        await bench.write(beacon())


async def test_an_empty_list_is_drawn_too(bench: Bench) -> None:
    await bench.write(beacon())
    await bench.write(lambda work: work.giveaways.order(1, []))
    found = await bench.read(lambda work: work.giveaways.drawn(1))
    assert found is not None
    assert found.order == ()


async def test_rerolls_are_added_and_no_ticket_leaves_twice(bench: Bench) -> None:
    """Two hosts press at once: one of them did it, the other is told."""
    first = Reroll("b", "Not claimed in time.", "slack:T1:U1", 1_700_000_000)
    second = Reroll("a", "退出", "slack:T1:U2", 2**40)
    for one in (first, second):
        await bench.write(lambda work, one=one: work.giveaways.reroll(1, one))
    with pytest.raises(Conflict, match="a ticket of giveaway 1 is out already"):
        await bench.write(lambda work: work.giveaways.reroll(1, Reroll("b", "again", "slack:T1:U2", int(NOW))))
    await bench.write(lambda work: work.giveaways.reroll(2, first))
    assert await bench.read(lambda work: work.giveaways.rerolls(1)) == [first, second]
    assert await bench.read(lambda work: work.giveaways.rerolls(2)) == [first]
    assert await bench.read(lambda work: work.giveaways.rerolls(3)) == []
