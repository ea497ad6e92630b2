"""Ranked choice: instant run-off, by rules that anybody can follow with pencil and paper.

1. Each ballot counts for the first of its options that is still in the race; if none is, it is exhausted.
2. Who alone has at least half of the ballots that still count has won: nobody can overtake them any more.
3. Else the last one goes out; and if several last ones together have no more than the next above them, all of these go
   out at once, since none of them can overtake it any more.
4. If options are equally last, the one goes out that fewest ballots have in second place among the options in the race;
   if that is equal too, in third place, and so on; then the one with fewer ballots in the round before, and so on back
   to the first; then the one with the highest number. If no rule but the last tells any of the options in the race
   apart, they share the win.

Rules 2 to 4 up to "and so on" are those of the library pyrankvote, which goes on with a random choice.

How it is done: of a ballot it only matters which options stand before which one. So ballots are folded into counts by
(set of options before, option), which are a few thousand even for a hundred thousand different ballots; an option goes
out by being taken out of the sets.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

_SHIFT = 10
_INDEX = (1 << _SHIFT) - 1
_States = dict[int, int]
"""Ballots by `set of positions before << _SHIFT | position`. A position is an option's place in the list of options."""


class TieRule(StrEnum):
    """What decided between equals."""

    LATER = "later"
    """Fewer ballots have it in this place (`level`: 2 for second) among the options in the race."""
    EARLIER = "earlier"
    """Fewer ballots counted for it in this earlier round (`level`, from 1)."""
    NUMBER = "number"
    """Nothing but the options' numbers: the highest goes out."""
    SHARED = "shared"
    """Nothing at all: they share the win."""


@dataclass(frozen=True, slots=True)
class Tie:
    """Options that had equally many ballots, and what decided. `counts` are what the rule compared: of the options
    that the rules before it had left equal, by number."""

    options: tuple[int, ...]
    rule: TieRule
    level: int
    counts: Mapping[int, int]
    out: int = 0
    """Who went out; 0 where the win is shared."""


@dataclass(frozen=True, slots=True)
class Round:
    """One round: ballots by option in the race, ballots that count no more, and who goes out after it (nobody after the
    last)."""

    counts: Mapping[int, int]
    exhausted: int
    out: tuple[int, ...] = ()
    tie: Tie | None = None


@dataclass(frozen=True, slots=True)
class Ranked:
    """The count of a ranked poll. No ballots: no winners, and one round of zeros."""

    rounds: tuple[Round, ...]
    winners: tuple[int, ...]
    """More than one: they share the win."""
    condorcet: int | None
    """Who beats each other option, one against one (an option that is not ranked stands below all that are)."""
    ballots: int


def run_off(options: Sequence[int], groups: Iterable[tuple[tuple[int, ...], int]]) -> Ranked:
    """Count ballots: `groups` are preferences, best first, each with how many ballots hold them.

    Numbers that are none of the options, and repetitions, are passed over. Who nobody ranked takes part with 0.
    """
    numbers = tuple(sorted(options))
    states, ballots = _fold(numbers, groups)
    condorcet = _condorcet(states, len(numbers))
    race = list(range(len(numbers)))
    rounds: list[Round] = []
    history: list[dict[int, int]] = []
    while True:
        votes = {one: states.get(one, 0) for one in race}
        active = sum(votes.values())
        winners = [one for one in race if active and 2 * votes[one] >= active]
        out, tie = ([], None) if len(winners) == 1 or not active else _last(states, votes, history, numbers)
        if tie is not None:
            shared = tie.rule is TieRule.SHARED
            winners, out = ([one for one in race if votes[one]], []) if shared else ([], out)
        rounds.append(Round(_by_number(votes, race, numbers), ballots - active, _named(out, numbers), tie))
        if winners or not active:
            break
        history.append(votes)
        race = [one for one in race if one not in out]
        states = _without(states, out)
    found = None if condorcet is None else numbers[condorcet]
    return Ranked(tuple(rounds), _named(winners, numbers), found, ballots)


def _named(positions: Iterable[int], numbers: Sequence[int]) -> tuple[int, ...]:
    return tuple(numbers[one] for one in sorted(positions))


def _by_number(votes: Mapping[int, int], positions: Iterable[int], numbers: Sequence[int]) -> dict[int, int]:
    return {numbers[one]: votes[one] for one in sorted(positions)}


def _fold(numbers: Sequence[int], groups: Iterable[tuple[tuple[int, ...], int]]) -> tuple[_States, int]:
    """All ballots as states, and how many there are."""
    known = {number: (position, 1 << (position + _SHIFT)) for position, number in enumerate(numbers)}
    states: _States = {}
    ballots = 0
    for choice, count in groups:
        before = 0
        for number in choice:
            if number not in known:
                continue
            position, bit = known[number]
            if before & bit:
                continue
            state = before | position
            states[state] = states.get(state, 0) + count
            before |= bit
        ballots += count if before else 0
    return states, ballots


def _without(states: _States, out: Iterable[int]) -> _States:
    """The states after these options have gone."""
    gone = frozenset(out)
    keep = ~sum(1 << (position + _SHIFT) for position in gone)
    left: _States = {}
    for state, count in states.items():
        if state & _INDEX not in gone:
            fresh = state & keep
            left[fresh] = left.get(fresh, 0) + count
    return left


def _last(
    states: _States, votes: Mapping[int, int], history: Sequence[Mapping[int, int]], numbers: Sequence[int]
) -> tuple[list[int], Tie | None]:
    """Who goes out after a round that nobody won, and how a tie was decided."""
    order = sorted(votes, key=lambda one: (-votes[one], one))
    below = sum(votes.values())
    for place in range(1, len(order)):
        above, here = votes[order[place - 1]], votes[order[place]]
        below -= above
        if below > above:
            continue
        if here < above:
            return order[place:], None
        # As many as the one above, so all further down have none.
        tied = [one for one in order if votes[one] == here]
        tie = _break(tied, states, votes, history, numbers)
        return [one for one in order if votes[one] == 0 or numbers[one] == tie.out], tie
    raise AssertionError("the last one never has more than the one above it")


def _break(
    tied: Sequence[int],
    states: _States,
    votes: Mapping[int, int],
    history: Sequence[Mapping[int, int]],
    numbers: Sequence[int],
) -> Tie:
    """Which of some equally last options goes out."""
    names, left = _named(tied, numbers), list(tied)
    criteria = [(TieRule.LATER, at + 2, counts) for at, counts in enumerate(_places(states, len(numbers)))]
    criteria += [(TieRule.EARLIER, at + 1, dict(history[at])) for at in reversed(range(len(history)))]
    for rule, level, counts in criteria:
        compared = {one: counts.get(one, 0) for one in left}
        fewest = min(compared.values())
        left = [one for one in left if compared[one] == fewest]
        if len(left) == 1:
            return Tie(names, rule, level, _by_number(compared, compared, numbers), numbers[left[0]])
    equal = _by_number(votes, left, numbers)
    if set(left) == {one for one, count in votes.items() if count}:
        return Tie(names, TieRule.SHARED, 0, equal)
    return Tie(names, TieRule.NUMBER, 0, equal, max(equal))


def _places(states: _States, options: int) -> list[dict[int, int]]:
    """How many ballots have each option in second place of the race, in third, ..."""
    places: list[dict[int, int]] = [{} for _ in range(options)]
    for state, count in states.items():
        at = places[(state >> _SHIFT).bit_count()]
        at[state & _INDEX] = at.get(state & _INDEX, 0) + count
    return places[1:]


def _condorcet(states: _States, options: int) -> int | None:
    """Who beats each other one; an option is ahead of another on a ballot if the other does not stand before it."""
    whole = (1 << options) - 1
    ahead = [[0] * options for _ in range(options)]
    for state, count in states.items():
        position = state & _INDEX
        row = ahead[position]
        others = whole & ~(state >> _SHIFT | 1 << position)
        while others:
            lowest = others & -others
            row[lowest.bit_length() - 1] += count
            others ^= lowest
    for one in range(options):
        if options > 1 and all(ahead[one][two] > ahead[two][one] for two in range(options) if two != one):
            return one
    return None
