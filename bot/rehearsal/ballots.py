"""The player's own count of votes: what each person chose last, whoever counts them otherwise.

A person is a member, or several of them that the scenario names under `same_person`. A press sets a single choice and
takes it back when it was chosen already; with `multiple` and `ranked` it adds an option, or takes it away again.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence

from bot.rehearsal.errors import StepFailed
from bot.rehearsal.scenario import PollRules, VoteMany


class Ballots:
    """The ballots of a scenario's polls."""

    def __init__(self, polls: Mapping[str, PollRules], same_person: Iterable[Sequence[str]]) -> None:
        self._polls = polls
        self._cast: dict[str, dict[str, tuple[int, ...]]] = {name: {} for name in polls}
        self._person = {member: group[0] for group in same_person for member in group}

    def rules(self, poll: str | None) -> PollRules:
        """The rules of a poll; of the only one where none is named. Raises StepFailed."""
        return self._polls[self.name(poll)]

    def name(self, poll: str | None) -> str:
        """The poll that is meant. Raises StepFailed."""
        if poll is None and len(self._polls) == 1:
            return next(iter(self._polls))
        if poll is None or poll not in self._polls:
            known = ", ".join(self._polls) or "none"
            raise StepFailed(f"say with `poll` which poll is voted in: the scenario's `polls` has {known}")
        return poll

    @property
    def counting(self) -> bool:
        """Whether the scenario counts anything."""
        return bool(self._polls)

    def press(self, poll: str | None, member: str, number: int) -> None:
        """The member pressed the button of that option (from 1)."""
        name = self.name(poll)
        rules, person = self._polls[name], self._person.get(member, member)
        before = self._cast[name].get(person, ())
        if rules.fixed and before:
            return
        if number in before:
            after = tuple(one for one in before if one != number)
        elif rules.kind == "single":
            after = (number,)
        elif rules.kind == "multiple" and rules.limit is not None and len(before) >= rules.limit:
            return
        else:
            after = (*before, number)
        self._keep(name, person, after)

    def choose(self, poll: str | None, member: str, numbers: Sequence[int]) -> None:
        """The member gave a whole ballot at once, as in a platform's own poll; none takes it back."""
        name = self.name(poll)
        person = self._person.get(member, member)
        if not (self._polls[name].fixed and self._cast[name].get(person)):
            self._keep(name, person, tuple(numbers))

    def _keep(self, name: str, person: str, choice: tuple[int, ...]) -> None:
        if choice:
            self._cast[name][person] = choice
        else:
            self._cast[name].pop(person, None)

    def counts(self, poll: str | None) -> list[int]:
        """Votes per option, in order; of a ranked poll the first preferences."""
        name = self.name(poll)
        first = 1 if self._polls[name].kind == "ranked" else None
        given = [number for choice in self._cast[name].values() for number in choice[:first]]
        return [given.count(number) for number in range(1, len(self._polls[name].options) + 1)]

    def voters(self, poll: str | None) -> int:
        """How many people have a vote."""
        return len(self._cast[self.name(poll)])


def drawn(step: VoteMany, crowd: Sequence[str], options: int) -> list[tuple[str, list[int]]]:
    """Who of a crowd chooses which options, in that order; the same for the same `seed`.

    With `choices`, first choices are shared out in exactly that proportion; what is left over after rounding down goes
    to the largest remainders. Without, everybody draws for themselves.
    """
    dice = random.Random(step.seed)  # noqa: S311 - for rehearsals, to be the same each time
    people = list(crowd) if step.of is None else sorted(dice.sample(list(crowd), step.of), key=list(crowd).index)
    numbers = range(1, options + 1)
    if step.choices is None:
        firsts = [dice.choice(numbers) for _ in people]
    else:
        firsts = [
            number
            for number, count in zip(numbers, _shares(step.choices, len(people)), strict=True)
            for _ in range(count)
        ]
        dice.shuffle(firsts)
    chosen = []
    for first in firsts:
        others = [number for number in numbers if number != first]
        chosen.append([first, *dice.sample(others, step.picks - 1)])
    return list(zip(people, chosen, strict=True))


def _shares(parts: Sequence[float], whole: int) -> list[int]:
    total = sum(parts)
    exact = [part * whole / total for part in parts]
    shares = [int(part) for part in exact]
    by_remainder = sorted(range(len(parts)), key=lambda index: shares[index] - exact[index])
    for index in by_remainder[: whole - sum(shares)]:
        shares[index] += 1
    return shares
