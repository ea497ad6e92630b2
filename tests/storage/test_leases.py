"""Leases: one holder each, by compare-and-swap, whatever it stands on."""

from __future__ import annotations

import asyncio
from functools import partial

from bot.storage.leases import Lease, Leases

from .conftest import Bench


async def rows(bench: Bench) -> dict[str, Lease]:
    return {lease.name: lease for lease in await bench.store.read(lambda connection: Leases(connection).all())}


async def take(bench: Bench, name: str, me: str, seen: Lease | None = None) -> bool:
    return await bench.store.write(lambda connection: Leases(connection).take(name, me, f"about {me}", seen))


async def beat(bench: Bench, me: str) -> set[str]:
    return set(await bench.store.write(lambda connection: Leases(connection).beat(me)))


async def test_a_lease_that_nobody_has_is_taken_once(bench: Bench) -> None:
    taken = await asyncio.gather(*(take(bench, "gateway:slack", f"p{number}") for number in range(5)))
    assert sorted(taken) == [False] * 4 + [True]
    holder = f"p{taken.index(True)}"
    assert await rows(bench) == {"gateway:slack": Lease("gateway:slack", holder, 1, 0, f"about {holder}")}


async def test_a_dead_holders_lease_is_taken_over_once_and_with_a_new_token(bench: Bench) -> None:
    await take(bench, "part:1", "dead")
    seen = (await rows(bench))["part:1"]
    taken = await asyncio.gather(*(take(bench, "part:1", f"p{number}", seen) for number in range(5)))
    assert taken.count(True) == 1
    now = (await rows(bench))["part:1"]
    assert now.holder == f"p{taken.index(True)}"
    assert now.token == seen.token + 1
    assert await beat(bench, "dead") == set()


async def test_a_holder_that_shows_itself_at_the_last_moment_keeps_its_lease(bench: Bench) -> None:
    await take(bench, "part:1", "a")
    seen = (await rows(bench))["part:1"]
    assert await beat(bench, "a") == {"part:1"}
    assert not await take(bench, "part:1", "b", seen)
    assert (await rows(bench))["part:1"].holder == "a"


async def test_one_beat_renews_everything_of_a_holder_and_nothing_of_others(bench: Bench) -> None:
    for name, me in (("part:1", "a"), ("part:2", "a"), ("part:3", "b"), ("worker:a", "a")):
        await take(bench, name, me)
    before = await rows(bench)
    assert await beat(bench, "a") == {"part:1", "part:2", "worker:a"}
    after = await rows(bench)
    assert {name: after[name].beat - before[name].beat for name in after} == {
        "part:1": 1, "part:2": 1, "part:3": 0, "worker:a": 1}  # fmt: skip
    assert {name: row.token for name, row in after.items()} == dict.fromkeys(after, 1)


async def test_only_a_holder_gives_a_lease_up(bench: Bench) -> None:
    await take(bench, "part:1", "a")
    await bench.store.write(lambda connection: Leases(connection).give("b", ["part:1"]))
    assert (await rows(bench))["part:1"].holder == "a"
    await bench.store.write(lambda connection: Leases(connection).give("a", ["part:1", "part:2"]))
    free = (await rows(bench))["part:1"]
    assert (free.holder, free.about) == ("", "")
    assert await beat(bench, "a") == set()
    assert await take(bench, "part:1", "b", free)
    assert (await rows(bench))["part:1"].token == 2


async def test_whoever_leaves_holds_nothing_and_is_not_present(bench: Bench) -> None:
    for name, me in (("part:1", "a"), ("gateway:slack", "a"), ("worker:a", "a"), ("worker:b", "b")):
        await take(bench, name, me)
    await bench.store.write(lambda connection: Leases(connection).leave("a"))
    assert {name: row.holder for name, row in (await rows(bench)).items()} == {
        "part:1": "", "gateway:slack": "", "worker:b": "b"}  # fmt: skip


async def test_the_dead_are_forgotten_unless_they_live(bench: Bench) -> None:
    await take(bench, "worker:a", "a")
    await take(bench, "worker:b", "b")
    seen = list((await rows(bench)).values())
    await beat(bench, "b")
    await bench.store.write(lambda connection: Leases(connection).forget(seen))
    assert set(await rows(bench)) == {"worker:b"}


async def test_others_are_woken_when_something_changes_hands_and_not_by_a_beat(bench: Bench) -> None:
    woken: list[None] = []
    bench.store.listen("leases", partial(woken.append, None))
    await take(bench, "part:1", "a")
    assert len(woken) == 1
    await take(bench, "part:1", "b")
    await beat(bench, "a")
    await bench.store.write(lambda connection: Leases(connection).give("b", ["part:1"]))
    assert len(woken) == 1
    await bench.store.write(lambda connection: Leases(connection).give("a", ["part:1"]))
    assert len(woken) == 2
