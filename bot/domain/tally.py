"""The tally of a poll, and the receipt that it leaves. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from bot.domain.ballots import counted, most
from bot.domain.polls import ABSTAIN, Kind, Poll, Question
from bot.domain.ranked import Ranked, Tie, run_off

SCHEMA = "poll-receipt/1"
FEW = 3
"""With fewer voters at one place, an anonymous poll's split by place could tell who chose what."""


@dataclass(frozen=True, slots=True)
class Group:
    """How many ballots of one choice came from one place."""

    choice: tuple[int, ...]
    place: str
    count: int


@dataclass(frozen=True, slots=True)
class Tally:
    """What a poll's ballots add up to. Ballots that hold nothing which counts are in none of the numbers."""

    counts: Mapping[int, int]
    """Votes of every shown option by its number; of a ranked poll first preferences."""
    by_place: Mapping[str, Mapping[int, int]]
    voters: int
    voters_by_place: Mapping[str, int]
    leaders: tuple[int, ...] = ()
    """Who has most votes, all of them if several have; a ranked poll's winners. Nobody without votes, or by
    abstentions."""
    margin: int = 0
    """Votes between the first and the second option; of a ranked poll in its last round."""
    average: float | None = None
    """Of a rating with votes."""
    right: int | None = None
    """How many answered a quiz rightly."""
    ranked: Ranked | None = None


def count(question: Question, groups: Iterable[Group], *, ranked: bool = True) -> Tally:
    """Count all ballots. With `ranked=False` a ranked poll is counted by first preferences only, which is cheap."""
    shown = [option.number for option in question.shown]
    known, most_votes = frozenset(shown), 1 if question.kind is Kind.RANKED else most(question)
    by_place: dict[str, dict[int, int]] = {}
    voters_by_place: dict[str, int] = {}
    preferences: list[tuple[tuple[int, ...], int]] = []
    for group in groups:
        choice, number = group.choice, group.count
        if not known.issuperset(choice):
            choice = counted(question, choice)
        if not choice:
            continue
        votes = by_place.get(group.place)
        if votes is None:
            votes = by_place[group.place] = dict.fromkeys(shown, 0)
            voters_by_place[group.place] = 0
        for option in choice[:most_votes]:
            votes[option] += number
        voters_by_place[group.place] += number
        preferences.append((choice, number))
    counts = {number: sum(votes[number] for votes in by_place.values()) for number in shown}
    voters = sum(voters_by_place.values())
    found = run_off(shown, preferences) if ranked and question.kind is Kind.RANKED else None
    leaders, margin = _ahead(_final(question, counts, found))
    return Tally(
        counts,
        by_place,
        voters,
        voters_by_place,
        leaders,
        margin,
        _average(counts) if question.kind is Kind.RATING else None,
        counts.get(question.correct, 0) if question.kind is Kind.QUIZ else None,
        found,
    )


def _final(question: Question, counts: Mapping[int, int], ranked: Ranked | None) -> Mapping[int, int]:
    """The votes that decide."""
    if ranked is not None:
        return ranked.rounds[-1].counts
    if question.kind is Kind.CONSENT:
        return {number: votes for number, votes in counts.items() if number != ABSTAIN}
    return counts


def _ahead(counts: Mapping[int, int]) -> tuple[tuple[int, ...], int]:
    """Who leads, and by how much."""
    best, second = sorted((*counts.values(), 0, 0), reverse=True)[:2]
    return tuple(number for number, votes in sorted(counts.items()) if votes == best and votes), best - second


def _average(stars: Mapping[int, int]) -> float | None:
    votes = sum(stars.values())
    return sum(number * count for number, count in stars.items()) / votes if votes else None


def split(question: Question, tally: Tally) -> Mapping[str, Mapping[int, int]]:
    """The votes by place, as they may be shown: nothing where there is one place only, and nothing of an anonymous poll
    if fewer than FEW people voted at one of them, since the split could then tell what they chose."""
    few = question.anonymous and any(voters < FEW for voters in tally.voters_by_place.values())
    return {} if few or len(tally.by_place) < 2 else tally.by_place


def ballots_hash(ballots: Iterable[tuple[str, Sequence[int]]]) -> str:
    """The hash of a list of ballots, as 64 hex digits.

    It is SHA-256 over one line for each ballot: the voter, a space, the option numbers in decimal with a comma between
    them (in the order of preference for a ranked poll, else rising), and a line feed (also behind the last line). The
    lines are sorted by their bytes; all is UTF-8. Of no ballots it is the hash of nothing.
    """
    lines = sorted(f"{voter} {','.join(map(str, choice))}\n".encode() for voter, choice in ballots)
    return hashlib.sha256(b"".join(lines)).hexdigest()


def receipt(
    poll: Poll, tally: Tally, ballots: Iterable[tuple[str, tuple[int, ...]]], refused: Mapping[str, int]
) -> dict[str, object]:
    """What a closed poll leaves for whoever wants to check it, as values of JSON.

    `ballots` are all that are kept, by voter: the person's name, or the keyed token of an anonymous poll. `refused`
    says how many people each rule kept out. Times are UTC in ISO 8601.
    """
    question, listed = poll.question, list(ballots)
    shown = frozenset(option.number for option in question.shown)
    lost = sum(shown.isdisjoint(choice) for _, choice in listed)
    record: dict[str, object] = {
        "schema": SCHEMA,
        "poll": poll.id,
        "question": question.text,
        "kind": question.kind.value,
        "anonymous": question.anonymous,
        "limit": most(question),
        "options": [
            {"number": one.number, "text": one.text, "state": one.state.value, "votes": tally.counts.get(one.number, 0)}
            for one in question.options
        ],
        "voters": tally.voters,
        "places": {place: _keyed(votes) for place, votes in sorted(split(question, tally).items())},
        "leaders": list(tally.leaders),
        "margin": tally.margin,
        "excluded": dict(sorted(refused.items())) | ({"option_refused": lost} if lost else {}),
        "edits": list(poll.edits),
        "opened": _iso(poll.opened_at),
        "closed": _iso(poll.closed_at),
        "ballots": {"count": len(listed), "sha256": ballots_hash(listed)},
    }
    if tally.average is not None:
        record["average"] = round(tally.average, 4)
    if tally.right is not None:
        record |= {"correct": question.correct, "right": tally.right}
    if tally.ranked is not None:
        record |= {"rounds": _rounds(tally.ranked), "condorcet": tally.ranked.condorcet}
    return record


def _keyed(votes: Mapping[int, int]) -> dict[str, int]:
    """Option numbers as JSON has them for keys."""
    return {str(number): count for number, count in sorted(votes.items())}


def _rounds(ranked: Ranked) -> list[dict[str, object]]:
    return [
        {
            "votes": _keyed(one.counts),
            "exhausted": one.exhausted,
            "out": list(one.out),
            **({"tie": _tie(one.tie)} if one.tie else {}),
        }
        for one in ranked.rounds
    ]


def _tie(tie: Tie) -> dict[str, object]:
    return {
        "options": list(tie.options),
        "rule": tie.rule.value,
        "level": tie.level,
        "counts": _keyed(tie.counts),
        "out": tie.out or None,
    }


def _iso(at: float) -> str | None:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z") if at else None
