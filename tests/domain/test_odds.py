"""Odds as they stand, held against all courses that a draw can take; how a giveaway was taken up."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain import odds as module
from bot.domain.odds import FEW, Came, Odds, odds, turnout


def exactly(weight: int, crowd: dict[int, int], winners: int) -> Fraction:
    """The chance of one of so many tickets, by what the draw does: every entry of the drum in turn."""

    @cache
    def chance(drum: tuple[int, ...], places: int) -> Fraction:
        if not places:
            return Fraction(0)
        total = weight + sum(drum)
        found = Fraction(weight, total)
        for one, count in Counter(drum).items():
            rest = list(drum)
            rest.remove(one)
            found += Fraction(one * count, total) * chance(tuple(rest), places - 1)
        return found

    drum = sorted(Counter(crowd).elements())
    drum.remove(weight)
    return chance(tuple(drum), winners)


@given(
    crowd=st.dictionaries(st.integers(1, 50), st.integers(1, 3), min_size=1, max_size=3),
    winners=st.integers(1, 10),
    at=st.integers(0, 2),
)
def test_a_small_crowd_is_counted_out(crowd: dict[int, int], winners: int, at: int) -> None:
    weight = sorted(crowd)[at % len(crowd)]
    assert odds(weight, crowd, winners).chance == pytest.approx(float(exactly(weight, crowd, winners)), abs=1e-12)


def test_twelve_people_are_still_counted_out() -> None:
    crowd = {1: FEW - 1, 50: 1}
    assert odds(50, crowd, 2).chance == pytest.approx(float(exactly(50, crowd, 2)), abs=1e-12)


@pytest.mark.parametrize(
    ("crowd", "winners"),
    [
        ({1: 99, 50: 1}, 2),
        ({1: 38, 101: 2}, 2),
        ({11: 98, 1: 2}, 99),
        ({10: 12, 1: 1}, 12),
        ({1: 20, 20: 20}, 23),
    ],
)
def test_at_worst_a_crowd_is_six_points_off(crowd: dict[int, int], winners: int) -> None:
    for weight in crowd:
        assert odds(weight, crowd, winners).chance == pytest.approx(float(exactly(weight, crowd, winners)), abs=0.06)


@pytest.mark.parametrize(
    ("crowd", "winners"), [({1: 95, 3: 5}, 10), ({1: 50, 3: 50}, 50), ({5: 119, 9: 1}, 3), ({1: 100, 2: 50}, 60)]
)
def test_a_large_crowd_without_giants_is_told_to_a_quarter_of_a_point(crowd: dict[int, int], winners: int) -> None:
    for weight in crowd:
        found, exact = odds(weight, crowd, winners).chance, float(exactly(weight, crowd, winners))
        assert found == pytest.approx(exact, abs=0.0025)
        assert found != exact, "this crowd is not counted out, so it tests nothing"


@given(
    crowd=st.dictionaries(st.integers(1, 1000), st.integers(1, 500), min_size=2, max_size=5),
    winners=st.integers(1, 900),
)
def test_all_chances_add_up_to_the_winners_and_more_tickets_are_better(crowd: dict[int, int], winners: int) -> None:
    chances = {weight: odds(weight, crowd, winners).chance for weight in sorted(crowd)}
    together = sum(chances[weight] * count for weight, count in crowd.items())
    assert together == pytest.approx(min(winners, sum(crowd.values())), rel=1e-9)
    assert list(chances.values()) == sorted(chances.values())
    assert all(0 < chance <= 1 for chance in chances.values())


def test_equal_tickets_one_winner_and_enough_prizes_are_exact() -> None:
    assert odds(1, {1: 1000}, 3).chance == 0.003
    assert odds(7, {7: 1000, 9: 0}, 3).chance == 0.003
    assert odds(5, {1: 995, 5: 1}, 1).chance == 0.005
    assert odds(1, {1: 15, 9: 15}, 30).chance == odds(1, {1: 1}, 5).chance == 1.0
    assert odds(1, {}, 3).chance == odds(1, {1: 5}, 0).chance == odds(0, {1: 5}, 2).chance == 0.0


def test_a_million_people_are_reckoned_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_counted_out", lambda *_: pytest.fail("that would take ages"))
    crowd = dict.fromkeys(range(1, 101), 10_000)
    assert odds(100, crowd, 100).chance == pytest.approx(100 * 100 / 50_500_000, rel=0.01)
    assert odds(1, {1: FEW, 2: 1}, 2).chance > 0


@pytest.mark.parametrize(
    ("chance", "percent"),
    [
        (0.0, 0.0),
        (1.0, 100.0),
        (0.5, 50.0),
        (1 / 3, 33.0),
        (0.003, 0.3),
        (0.0012345, 0.12),
        (1e-7, 1e-5),
        (0.998, 99.8),
        (0.9951, 99.5),
        (0.99999, 99.9),
    ],
)
def test_odds_are_told_as_people_would(chance: float, percent: float) -> None:
    assert Odds(chance).percent == pytest.approx(percent)


def test_turnout_tells_where_people_came_from_and_who_stayed() -> None:
    opened = 1000.0
    rows = [
        Came("slack:C1", 1, 10.0, True),
        Came("discord:C2", 3, 1000.0, False),
        Came("discord:C2", 1, 1000.5, True),
        Came("slack:C1", 1, 2000.0, False),
        Came("telegram:9", 1, 2000.0, None),
        Came("slack:C0", 1, 0.0, True),
        Came("discord:C2", 1, None, True),
    ]
    found = turnout(rows, opened)
    assert found.places == (("discord:C2", 3), ("slack:C1", 2), ("slack:C0", 1), ("telegram:9", 1))
    assert (found.entrants, found.tickets, found.joined) == (7, 9, 3)
    assert (found.stayed, found.unsure, found.undated) == (1, 1, 1)
    assert turnout([], opened).places == ()
