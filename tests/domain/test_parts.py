"""Parts: which one a thing belongs to, and how they are shared among workers."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.parts import ALL, PARTS, part_of, share

WORKERS = st.lists(st.sampled_from([f"w{number}" for number in range(12)]), min_size=1, max_size=8, unique=True)
HOLDINGS = st.dictionaries(st.sampled_from(sorted(ALL)), st.integers(0, 7))


@pytest.mark.parametrize(
    ("key", "part"), [("slack:C1", 17), ("telegram:-1001", 30), ("draft:1", 47), ("", 0), ("茶\ud800", 35)]
)
def test_a_part_is_the_same_for_ever(key: str, part: int) -> None:
    """It is written in the rows: another value would put what waits out of order at an update."""
    assert part_of(key) == part


def test_channels_are_spread_over_all_parts() -> None:
    counts = Counter(part_of(f"discord:{1_000_000_000 + number * 4_194_304}") for number in range(64 * 50))
    assert set(counts) == ALL
    assert max(counts.values()) < 3 * 50


def settle(workers: list[str], holders: dict[int, str]) -> tuple[dict[int, str], int]:
    """Let each do what it should, until nobody wants anything; who holds what then, and how often parts moved."""
    moved = 0
    for _ in range(4):
        before = dict(holders)
        for worker in workers:
            wish = share(worker, workers, holders)
            assert not (wish.take and wish.give)
            for part in wish.give:
                assert holders.pop(part) == worker
            for part in wish.take:
                assert part not in holders
                holders[part] = worker
                moved += 1
        if holders == before:
            return holders, moved
    raise AssertionError("it never comes to rest")


@given(WORKERS, HOLDINGS)
def test_all_parts_are_shared_out_evenly_whoever_held_them(workers: list[str], held: dict[int, int]) -> None:
    holders = {part: workers[number] for part, number in held.items() if number < len(workers)}
    settled, _ = settle(workers, holders)
    counts = Counter(settled.values())
    assert set(settled) == ALL
    assert max(counts[worker] for worker in workers) - min(counts[worker] for worker in workers) <= 1


@given(WORKERS, st.data())
def test_no_more_parts_move_than_must(workers: list[str], data: st.DataObject) -> None:
    """Whoever joins is given its share and nothing else moves, but a part for each change of rank."""
    settled, _ = settle(workers[:-1] or workers, {})
    joined, moved = settle(workers, dict(settled))
    if len(workers) > 1:
        assert moved <= PARTS // len(workers) + 1 + len(workers)
    left = data.draw(st.sampled_from(workers))
    others = [worker for worker in workers if worker != left]
    if others:
        kept = {part: worker for part, worker in joined.items() if worker != left}
        _, moved = settle(others, dict(kept))
        assert moved <= PARTS - len(kept) + len(workers)


def test_workers_that_look_at_the_same_moment_want_different_parts() -> None:
    wishes = [set(share(worker, ["a", "b", "c"], {}).take) for worker in ("a", "b", "c")]
    assert sum(len(wish) for wish in wishes) == PARTS
    assert set().union(*wishes) == ALL


def test_whoever_does_not_count_as_alive_gives_up_everything() -> None:
    assert set(share("gone", ["a"], dict.fromkeys(range(5), "gone")).give) == set(range(5))
    assert share("gone", ["a"], dict.fromkeys(range(5), "gone")).take == ()
