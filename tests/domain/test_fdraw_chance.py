"""Whether the draw is fair in numbers: chi-square of many draws under fixed keys against what is expected.

Each bound is the value that a fair draw's chi-square exceeds once in a thousand times. The keys are fixed, so a test
passes always or never.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import permutations
from typing import TypeVar

from bot.domain.fdraw import Entry, Stream, choose, select

BOUNDS = {1: 10.83, 2: 13.82, 4: 18.47, 5: 20.52, 9: 27.88, 49: 85.35}
"""By degrees of freedom: one less than there are outcomes."""
DRAWS = 12_000

K = TypeVar("K")


def keys(count: int = DRAWS) -> Iterable[bytes]:
    return (number.to_bytes(32, "big") for number in range(count))


def deviation(found: Mapping[K, int], expected: Mapping[K, float]) -> float:
    """The chi-square of what was found; everything that can happen is in `expected`."""
    assert found.keys() <= expected.keys()
    total = sum(found.values())
    return sum((found.get(one, 0) - total * part) ** 2 / (total * part) for one, part in expected.items())


def orders(weights: Mapping[str, int]) -> dict[tuple[str, ...], float]:
    """How likely each complete order is: at every step in proportion to the weights that are left."""
    found: dict[tuple[str, ...], float] = {}
    for order in permutations(weights):
        likely, left = 1.0, sum(weights.values())
        for name in order:
            likely *= weights[name] / left
            left -= weights[name]
        found[order] = likely
    return found


def entries_of(weights: Mapping[str, int]) -> list[Entry]:
    return list(weights.items())


def test_equal_entries_win_equally() -> None:
    found = Counter(choose([1] * 10, key, 1)[0] for key in keys())
    assert deviation(found, dict.fromkeys(range(10), 0.1)) < BOUNDS[9]


def test_equal_entries_of_any_weight_win_equally() -> None:
    found = Counter(choose([1_000_000] * 10, key, 1)[0] for key in keys())
    assert deviation(found, dict.fromkeys(range(10), 0.1)) < BOUNDS[9]


def test_each_of_several_places_is_won_equally() -> None:
    taken = [choose([1] * 5, key, 4) for key in keys()]
    for place in range(4):
        found = Counter(one[place] for one in taken)
        assert deviation(found, dict.fromkeys(range(5), 0.2)) < BOUNDS[4]


def test_weights_are_the_odds() -> None:
    weights = [1, 2, 3, 4, 90]
    found = Counter(choose(weights, key, 1)[0] for key in keys())
    assert deviation(found, {place: weight / 100 for place, weight in enumerate(weights)}) < BOUNDS[4]


def test_a_large_weight_against_small_ones() -> None:
    found = Counter(choose([1, 999, 1_000_000], key, 1)[0] == 2 for key in keys())
    assert deviation(found, {True: 1_000_000 / 1_001_000, False: 1000 / 1_001_000}) < BOUNDS[1]


def test_every_order_is_as_likely_as_the_weights_make_it() -> None:
    weights = {"a": 1, "b": 2, "c": 5}
    found = Counter(tuple(select(entries_of(weights), key, 3)) for key in keys())
    assert deviation(found, orders(weights)) < BOUNDS[5]


def test_it_does_not_matter_where_in_the_list_somebody_stands() -> None:
    """Spans of the sums included: 50 groups of 50 neighbours."""
    found = Counter(choose([1] * 2500, key, 1)[0] // 50 for key in keys(4000))
    assert deviation(found, dict.fromkeys(range(50), 0.02)) < BOUNDS[49]


def test_numbers_below_a_bound_that_does_not_divide_evenly() -> None:
    """Without passing some over, the lowest third of these would come twice as often as either other."""
    stream, bound = Stream(bytes(32)), 3 * 2**62
    found = Counter(stream.below(bound) // 2**62 for _ in range(DRAWS))
    assert deviation(found, dict.fromkeys(range(3), 1 / 3)) < BOUNDS[2]


def test_the_measure_can_fail() -> None:
    """A draw that takes the next one of the list each time, and one that prefers somebody by a twentieth."""
    assert deviation(Counter(dict.fromkeys(range(9), 1200)), dict.fromkeys(range(10), 0.1)) > BOUNDS[9]
    leaning = Counter({0: 1410, **dict.fromkeys(range(1, 10), 1177)})
    assert deviation(leaning, dict.fromkeys(range(10), 0.1)) > BOUNDS[9]
