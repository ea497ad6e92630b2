"""Who won, and what is handed over: each prize once, to one winner, and forgotten in time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.domain.giveaways import Win, WinState
from bot.domain.places import Member
from bot.storage.wins import Code, Conflict
from bot.storage.work import Work

from .conftest import NOW, Bench

ANA, BEN = Member("slack", "T1", "ana"), Member("discord", "G1", "ben")


def win(ticket: str = "aa", member: Member | None = ANA, **changes: object) -> Win:
    made = Win(0, 1, ticket, str(member), member, "Ana", WinState.OFFERED, NOW, NOW + 60)
    return replace(made, **changes)  # type: ignore[arg-type]  # fields of a Win


async def kept(bench: Bench, one: Win) -> Win:
    number = await bench.write(lambda work: work.wins.add(one))
    return replace(one, id=number)


async def test_a_win_comes_back_as_it_was_kept(bench: Bench) -> None:
    full = win("bb", None, person="erased:1", state=WinState.HANDED, claimed_at=NOW + 1.5, handed_at=NOW + 2)
    for one in (win(), full):
        found = await kept(bench, one)
        assert await bench.read(lambda work, number=found.id: work.wins.get(number)) == found
    assert await bench.read(lambda work: work.wins.get(99)) is None


async def test_no_ticket_wins_twice(bench: Bench) -> None:
    """A draw that is announced again after a crash finds that it was."""
    one = await kept(bench, win())
    with pytest.raises(Conflict, match="a ticket of giveaway 1 has won already"):
        await bench.write(lambda work: work.wins.add(win(member=BEN)))
    other = await kept(bench, win(giveaway_id=2))
    assert await bench.read(lambda work: work.wins.of(1)) == [one]
    assert await bench.read(lambda work: work.wins.of(2)) == [other]


async def test_wins_are_in_the_order_of_the_places(bench: Bench) -> None:
    some = [await kept(bench, win(ticket)) for ticket in ("cc", "aa", "bb")]
    assert await bench.read(lambda work: work.wins.of(1)) == some


async def test_a_win_changes_only_from_what_somebody_saw(bench: Bench) -> None:
    before = await kept(bench, win())
    after = replace(before, state=WinState.CLAIMED, claimed_at=NOW + 5, until=0.0, name="Anna")
    await bench.write(lambda work: work.wins.swap(before, replace(after, giveaway_id=9, ticket="zz")))
    assert await bench.read(lambda work: work.wins.get(before.id)) == after
    for stale in (before, replace(after, state=WinState.OUT), replace(after, id=77)):
        with pytest.raises(Conflict, match=f"win {stale.id} is no longer {stale.state}"):
            await bench.write(lambda work, stale=stale: work.wins.swap(stale, replace(stale, state=WinState.HANDED)))
    assert await bench.read(lambda work: work.wins.get(before.id)) == after


async def test_when_somebody_last_won(bench: Bench) -> None:
    await kept(bench, win("a", at=NOW))
    await kept(bench, win("b", at=NOW + 10, giveaway_id=2, person="person:1"))
    await kept(bench, win("c", at=NOW + 20, giveaway_id=3, state=WinState.OUT))
    await kept(bench, win("d", BEN, at=NOW + 30))

    async def last(since: float, *persons: str) -> float:
        return await bench.read(lambda work: work.wins.last_won(persons, since))

    assert await last(0.0, str(ANA)) == NOW + 10
    assert await last(0.0, "person:1") == NOW + 10
    assert await last(NOW + 10, str(ANA)) == NOW + 10
    assert await last(NOW + 11, str(ANA)) == 0.0
    assert await last(0.0, str(ANA), str(BEN)) == NOW + 30
    assert await last(0.0, "slack:T1:nobody") == 0.0
    assert await last(0.0) == 0.0


async def test_the_history_is_newest_first(bench: Bench) -> None:
    some = [await kept(bench, win(f"{n}", giveaway_id=n)) for n in range(4)]
    await bench.write(lambda work: work.wins.swap(some[2], replace(some[2], state=WinState.OUT)))
    assert await bench.read(lambda work: work.wins.history(2)) == [some[3], some[1]]
    assert await bench.read(lambda work: work.wins.history(9, some[3].id)) == [some[1], some[0]]
    assert await bench.read(lambda work: work.wins.history(9, some[0].id)) == []


async def test_an_erased_winner_leaves_a_ticket(bench: Bench) -> None:
    one = await kept(bench, win(state=WinState.HANDED))
    linked = await kept(bench, win("bb", person="person:1"))
    other = await kept(bench, win("cc", BEN))

    def prizes(work: Work) -> None:
        for number in (one.id, other.id):
            work.wins.give_code(work.wins.add_code(1, "sealed"), number)
            work.wins.keep_address(number, "sealed", NOW + 9)

    await bench.write(prizes)
    await bench.write(lambda work: work.wins.erase(str(ANA)))
    for before in (one, linked):
        found = await bench.read(lambda work, number=before.id: work.wins.get(number))
        assert found == replace(before, person=f"erased:{before.id}", member=None, name="")
    assert await bench.read(lambda work: work.wins.get(other.id)) == other
    assert await bench.read(lambda work: work.wins.address(one.id)) is None
    assert await bench.read(lambda work: work.wins.address(other.id)) == "sealed"
    code = await bench.read(lambda work: work.wins.code_of(one.id))
    assert code is not None
    assert code.sealed == ""
    assert await bench.read(lambda work: work.wins.codes(1)) == (2, 0)
    assert await bench.read(lambda work: work.wins.free_code(1)) is None


# ---- codes


async def test_codes_are_given_in_their_order_and_once(bench: Bench) -> None:
    one, two = await kept(bench, win("a")), await kept(bench, win("b"))
    first, second = [await bench.write(lambda work, text=text: work.wins.add_code(1, text)) for text in ("s1", "s2")]
    assert await bench.read(lambda work: work.wins.free_code(1)) == first
    assert await bench.read(lambda work: work.wins.free_code(2)) is None
    assert await bench.read(lambda work: work.wins.codes(1)) == (2, 2)
    await bench.write(lambda work: work.wins.give_code(first, one.id))
    assert await bench.read(lambda work: work.wins.code_of(one.id)) == Code(first, "s1", 0.0)
    for code, winner in ((first, two.id), (first, one.id), (second, one.id), (99, two.id)):
        with pytest.raises(Conflict, match=f"code {code} cannot be given to win {winner}"):
            await bench.write(lambda work, code=code, winner=winner: work.wins.give_code(code, winner))
    assert await bench.read(lambda work: work.wins.free_code(1)) == second
    assert await bench.read(lambda work: work.wins.codes(1)) == (2, 1)
    assert await bench.read(lambda work: work.wins.code_of(two.id)) is None
    assert await bench.read(lambda work: work.wins.codes(2)) == (0, 0)


async def test_a_code_is_shown_once_and_not_taken_back_then(bench: Bench) -> None:
    one, two = await kept(bench, win("a")), await kept(bench, win("b"))
    code = await bench.write(lambda work: work.wins.add_code(1, "s1"))
    await bench.write(lambda work: work.wins.give_code(code, one.id))
    assert await bench.write(lambda work: work.wins.take_back(one.id))
    assert not await bench.write(lambda work: work.wins.take_back(one.id))
    assert await bench.read(lambda work: work.wins.free_code(1)) == code
    await bench.write(lambda work: work.wins.give_code(code, two.id))
    assert await bench.write(lambda work: work.wins.shown(code, NOW + 1))
    assert not await bench.write(lambda work: work.wins.shown(code, NOW + 2))
    assert await bench.read(lambda work: work.wins.code_of(two.id)) == Code(code, "s1", NOW + 1)
    assert not await bench.write(lambda work: work.wins.take_back(two.id))
    assert await bench.read(lambda work: work.wins.free_code(1)) is None


async def test_forgotten_codes_are_given_to_nobody(bench: Bench) -> None:
    for number in (1, 1, 2):
        await bench.write(lambda work, number=number: work.wins.add_code(number, "s"))
    assert await bench.write(lambda work: work.wins.forget_codes(1)) == 2
    assert await bench.write(lambda work: work.wins.forget_codes(1)) == 0
    assert await bench.read(lambda work: work.wins.free_code(1)) is None
    assert await bench.read(lambda work: work.wins.codes(1)) == (2, 0)
    assert await bench.read(lambda work: work.wins.free_code(2)) is not None


async def test_codes_that_nobody_has_can_be_removed(bench: Bench) -> None:
    one = await kept(bench, win("a"))
    given, free, other = [await bench.write(lambda work, n=n: work.wins.add_code(n, "s")) for n in (1, 1, 2)]
    await bench.write(lambda work: work.wins.give_code(given, one.id))
    assert await bench.write(lambda work: work.wins.forget_free_codes(1)) == 1
    assert await bench.write(lambda work: work.wins.forget_free_codes(1)) == 0
    assert await bench.read(lambda work: work.wins.codes(1)) == (1, 0)
    assert await bench.read(lambda work: work.wins.code_of(one.id)) == Code(given, "s", 0.0)
    assert free != await bench.read(lambda work: work.wins.free_code(2)) == other


def test_what_is_sealed_is_in_no_repr() -> None:
    assert "secret" not in repr(Code(1, "secret", 0.0))


# ---- addresses


async def test_addresses_are_forgotten_in_time(bench: Bench) -> None:
    for number, until in ((1, NOW), (2, NOW + 1), (3, NOW + 2)):
        await bench.write(lambda work, number=number, until=until: work.wins.keep_address(number, "s", until))
    await bench.write(lambda work: work.wins.keep_address(2, "s2", NOW + 5))
    assert await bench.read(lambda work: work.wins.address(2)) == "s2"
    assert await bench.write(lambda work: work.wins.forget_addresses(NOW + 1)) == 1
    assert await bench.read(lambda work: work.wins.address(1)) is None
    assert await bench.write(lambda work: work.wins.forget_addresses(NOW + 5)) == 2
    assert await bench.read(lambda work: work.wins.address(2)) is None


async def test_a_key_is_needed_for_as_long_as_something_is_or_may_be_sealed(bench: Bench) -> None:
    async def needed() -> bool:
        assert not await bench.read(lambda work: work.wins.needs_key(2))
        return await bench.read(lambda work: work.wins.needs_key(1))

    assert not await needed()
    one = await kept(bench, win())
    assert await needed()
    done = replace(one, state=WinState.HANDED)
    await bench.write(lambda work: work.wins.swap(one, done))
    assert not await needed()
    await bench.write(lambda work: work.wins.keep_address(one.id, "s", NOW))
    assert await needed()
    await bench.write(lambda work: work.wins.forget_addresses(NOW))
    assert not await needed()
    await bench.write(lambda work: work.wins.add_code(1, "s"))
    assert await needed()
    await bench.write(lambda work: work.wins.forget_codes(1))
    assert not await needed()
    await bench.write(lambda work: work.wins.swap(done, replace(done, state=WinState.CLAIMED)))
    assert await needed()
    await bench.write(
        lambda work: work.wins.swap(replace(done, state=WinState.CLAIMED), replace(done, state=WinState.OUT))
    )
    assert not await needed()
