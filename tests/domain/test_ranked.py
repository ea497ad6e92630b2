"""Instant run-off: by hand, against a count by the definition, and against a published library."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from functools import cache

import pyrankvote
import pyrankvote.helpers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.ranked import Ranked, Round, Tie, TieRule, run_off

Group = tuple[tuple[int, ...], int]
FOUR = (1, 2, 3, 4)
TENNESSEE: list[Group] = [((1, 2, 3, 4), 42), ((2, 3, 4, 1), 26), ((3, 4, 2, 1), 15), ((4, 3, 2, 1), 17)]
"""The textbook example: the run-off elects 4, and 2 would beat everybody one against one."""


def test_the_last_one_goes_out_until_somebody_has_half() -> None:
    found = run_off(FOUR, TENNESSEE)
    assert [(one.counts, one.out) for one in found.rounds] == [
        ({1: 42, 2: 26, 3: 15, 4: 17}, (3,)),
        ({1: 42, 2: 26, 4: 32}, (2,)),
        ({1: 42, 4: 58}, ()),
    ]
    assert (found.winners, found.condorcet, found.ballots) == ((4,), 2, 100)
    assert all(one.tie is None and one.exhausted == 0 for one in found.rounds)


def test_half_of_the_ballots_that_still_count_is_enough() -> None:
    found = run_off((1, 2, 3), [((1,), 5), ((2,), 3), ((3,), 2)])
    assert found == Ranked((Round({1: 5, 2: 3, 3: 2}, 0),), (1,), 1, 10)


def test_ballots_whose_options_are_all_gone_are_exhausted() -> None:
    found = run_off((1, 2, 3), [((1,), 5), ((2,), 4), ((3,), 3), ((), 7)])
    assert [(one.exhausted, sum(one.counts.values())) for one in found.rounds] == [(0, 12), (3, 9)]
    assert found.ballots == 12


def test_who_can_overtake_nobody_even_together_goes_at_once() -> None:
    found = run_off(range(1, 6), [((1,), 15), ((2,), 9), ((3,), 3), ((4,), 3), ((5,), 2)])
    assert [one.out for one in found.rounds] == [(3, 4, 5), ()]
    assert found.rounds[0].tie is None


def test_who_has_nothing_goes_with_the_last() -> None:
    found = run_off(range(1, 6), [((1,), 5), ((2,), 4), ((3,), 3)])
    assert found.rounds[0].out == (3, 4, 5)


def test_a_tie_for_last_goes_by_second_places_among_those_in_the_race() -> None:
    found = run_off((1, 2, 3), [((1, 2), 3), ((2, 1), 2), ((3, 1), 2)])
    assert found.rounds[0].tie == Tie((2, 3), TieRule.LATER, 2, {2: 3, 3: 0}, 3)
    assert (found.rounds[0].out, found.winners) == ((3,), (1,))


def test_then_by_third_places() -> None:
    found = run_off(FOUR, [((1, 4, 2), 5), ((2, 1), 3), ((3, 1), 3)])
    assert found.rounds[0].tie == Tie((2, 3), TieRule.LATER, 3, {2: 5, 3: 0}, 3)


def test_then_by_the_rounds_before() -> None:
    found = run_off(FOUR, [((3, 1), 1), ((2,), 3), ((1,), 2), ((4,), 2)])
    assert [one.out for one in found.rounds] == [(3,), (4,), (1,), ()]
    assert found.rounds[1].counts == {1: 3, 2: 3, 4: 2}
    assert found.rounds[2].tie == Tie((1, 2), TieRule.EARLIER, 1, {1: 2, 2: 3}, 1)
    assert found.winners == (2,)


def test_of_the_rounds_before_the_latest_decides() -> None:
    found = run_off(FOUR, [((4,), 2), ((1,), 3), ((2,), 1), ((3, 4), 2), ((2, 1), 1)])
    assert [one.counts for one in found.rounds][:3] == [{1: 3, 2: 2, 3: 2, 4: 2}, {1: 3, 2: 2, 4: 4}, {1: 4, 4: 4}]
    assert found.rounds[2].tie == Tie((1, 4), TieRule.EARLIER, 2, {1: 3, 4: 4}, 1)


def test_then_the_highest_number_goes() -> None:
    found = run_off((1, 2, 3), [((1,), 3), ((2, 1), 2), ((3, 1), 2)])
    assert found.rounds[0].tie == Tie((2, 3), TieRule.NUMBER, 0, {2: 2, 3: 2}, 3)


@pytest.mark.parametrize(
    "groups",
    [
        [((1,), 1), ((2,), 1), ((3,), 1)],
        [((1, 2, 3), 2), ((2, 3, 1), 2), ((3, 1, 2), 2)],
    ],
)
def test_whom_nothing_tells_apart_share_the_win(groups: list[Group]) -> None:
    found = run_off(FOUR, groups)
    assert (found.winners, len(found.rounds), found.rounds[0].out) == ((1, 2, 3), 1, ())
    tie = found.rounds[0].tie
    assert tie is not None
    assert (tie.options, tie.rule, tie.out, set(tie.counts)) == ((1, 2, 3), TieRule.SHARED, 0, {1, 2, 3})


def test_two_halves_are_a_tie_like_any_other() -> None:
    assert run_off((1, 2), [((1, 2), 1), ((1,), 1), ((2,), 2)]).winners == (2,)
    assert run_off((1, 2), [((1,), 2), ((2,), 2)]).winners == (1, 2)


def test_without_ballots_nobody_wins() -> None:
    assert run_off((1, 2), []) == Ranked((Round({1: 0, 2: 0}, 0),), (), None, 0)
    assert run_off((1, 2), [((9,), 3)]).winners == ()


def test_one_option_alone_wins_and_beats_nobody() -> None:
    assert run_off((1,), [((1,), 3)]) == Ranked((Round({1: 3}, 0),), (1,), None, 3)


def test_strange_numbers_and_repetitions_are_passed_over() -> None:
    assert run_off((1, 2, 3), [((9, 2, 2, 1, 2), 1), ((3,), 2)]) == run_off((1, 2, 3), [((2, 1), 1), ((3,), 2)])


# --- against a count by the definition -----------------------------------------------------------------------------


def top(choice: Iterable[int], race: Iterable[int]) -> int | None:
    return next((number for number in choice if number in race), None)


def winners_by_any_lot(options: Sequence[int], groups: Sequence[Group]) -> tuple[set[int], bool]:
    """Who can win if only one option goes at a time, of all last ones whichever; and whether there was a tie."""
    tied = False

    @cache
    def go(race: frozenset[int]) -> frozenset[int]:
        nonlocal tied
        if len(race) == 1:
            return race
        votes = dict.fromkeys(race, 0)
        for choice, count in groups:
            if (first := top(choice, race)) is not None:
                votes[first] += count
        last = [one for one in race if votes[one] == min(votes.values())]
        tied |= len(last) > 1 and max(votes.values()) > 0 and votes[last[0]] > 0
        return frozenset[int]().union(*(go(race - {one}) for one in last))

    return set(go(frozenset(options))), tied


def condorcet(options: Sequence[int], groups: Sequence[Group]) -> int | None:
    def beats(one: int, two: int) -> bool:
        ahead = sum(count for choice, count in groups if top(choice, (one, two)) == one)
        return ahead > sum(count for choice, count in groups if top(choice, (one, two)) == two)

    found = [one for one in options if all(beats(one, two) for two in options if two != one)]
    return found[0] if found else None


@st.composite
def profiles(draw: st.DrawFn) -> tuple[tuple[int, ...], list[Group]]:
    options = tuple(range(1, draw(st.integers(2, 6)) + 1))
    choice = st.lists(st.sampled_from(options), unique=True, min_size=1).map(tuple)
    return options, draw(st.lists(st.tuples(choice, st.integers(1, 4)), min_size=1, max_size=9))


@given(profiles())
def test_every_round_is_a_recount_of_the_ballots(profile: tuple[tuple[int, ...], list[Group]]) -> None:
    options, groups = profile
    found, race = run_off(options, groups), set(options)
    whole = sum(count for _, count in groups)
    for one in found.rounds:
        assert one.counts == {
            number: sum(count for choice, count in groups if top(choice, race) == number) for number in race
        }
        assert one.exhausted == whole - sum(one.counts.values())
        stay = [votes for number, votes in one.counts.items() if number not in one.out]
        gone = sum(one.counts[number] for number in one.out)
        assert not one.out or gone <= min(stay), "somebody went out who could have overtaken"
        race -= set(one.out)
    last = found.rounds[-1]
    assert not last.out
    assert all(one.out for one in found.rounds[:-1])
    assert {last.counts[number] for number in found.winners} == {max(last.counts.values())}
    assert len(found.winners) > 1 or 2 * max(last.counts.values()) >= sum(last.counts.values())
    assert found.condorcet == condorcet(options, groups)
    assert set(found.winners) <= winners_by_any_lot(options, groups)[0] or len(found.winners) > 1


@given(profiles(), st.randoms(use_true_random=False))
def test_neither_order_nor_grouping_nor_names_matter(
    profile: tuple[tuple[int, ...], list[Group]], chance: random.Random
) -> None:
    options, groups = profile
    found = run_off(options, groups)
    single = [(choice, 1) for choice, count in groups for _ in range(count)]
    chance.shuffle(single)
    assert run_off(options[::-1], single) == found
    if all(one.tie is None or one.tie.rule is not TieRule.NUMBER for one in found.rounds):
        names = dict(zip(options, chance.sample(options, len(options)), strict=True))
        renamed = run_off(options, [(tuple(names[one] for one in choice), count) for choice, count in groups])
        assert set(renamed.winners) == {names[one] for one in found.winners}


# --- against pyrankvote --------------------------------------------------------------------------------------------


class Lots:
    """pyrankvote's chance, which tells whether it was asked."""

    def __init__(self) -> None:
        self.drawn = 0
        self._random = random.Random(1)

    def choice(self, of: Sequence[bool]) -> bool:
        self.drawn += 1
        return self._random.choice(of)


def with_ties(number: int) -> Iterable[tuple[tuple[int, ...], list[Group], set[int]]]:
    """Random profiles in which options are equally last in some order of elimination, and who can win."""
    chance = random.Random(2000)
    while number:
        options = tuple(range(1, chance.randint(2, 6) + 1))
        voters = chance.randint(2, chance.choice([6, 12, 30]))
        kinds = [tuple(chance.sample(options, chance.randint(1, len(options)))) for _ in range(voters)]
        groups = [(chance.choice(kinds), 1) for _ in range(voters)]
        winners, tied = winners_by_any_lot(options, groups)
        if tied:
            number -= 1
            yield options, groups, winners


def in_order(outcome: pyrankvote.helpers.ElectionResults) -> bool:
    """Whether pyrankvote put out the last ones. It judges each option by itself, and where it puts out several it can
    pass over one that has no more votes than one that goes."""
    gone: set[str] = set()
    for one in outcome.rounds:
        votes = {r.candidate.name: r.number_of_votes for r in one.candidate_results if r.candidate.name not in gone}
        out = {r.candidate.name for r in one.candidate_results if r.status == "Rejected"} - gone
        several = [votes[name] for name in out if votes[name]]
        stay = [votes[name] for name in votes.keys() - out]
        if len(several) > 1 and stay and min(stay) <= max(several):
            return False
        gone |= out
    return True


def test_it_agrees_with_pyrankvote_on_2000_profiles_with_ties(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours is theirs wherever they put out the last ones without lots, also where a tie is decided. Where they draw
    lots, theirs is among those who can win by any lot. Ours always is; where only one can win, both find that one."""
    lots, same, decided, disordered = Lots(), 0, 0, 0
    monkeypatch.setattr(pyrankvote.helpers, "random", lots)
    for options, groups, can_win in with_ties(2000):
        names = {one: pyrankvote.Candidate(str(one)) for one in options}
        lots.drawn = 0
        papers = [pyrankvote.Ballot([names[one] for one in choice]) for choice, _ in groups]
        outcome = pyrankvote.instant_runoff_voting(list(names.values()), papers)
        theirs = {int(one.name) for one in outcome.get_winners()}
        found = run_off(options, groups)
        ours = set(found.winners)
        assert ours <= can_win
        if not in_order(outcome):
            disordered += 1
            continue
        assert theirs <= can_win
        assert len(can_win) > 1 or ours == theirs
        if lots.drawn == 0:
            assert ours == theirs, groups
            same += 1
            decided += any(one.tie for one in found.rounds)
    assert (same > 1000, decided > 300, disordered < 100) == (True, True, True), (same, decided, disordered)
