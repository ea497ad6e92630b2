"""The tally is what a recount by hand says, for every kind; and what a receipt says can be recomputed."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.places import Channel, Member
from bot.domain.polls import Kind, Option, OptionState, Poll, Question, State
from bot.domain.ranked import run_off
from bot.domain.tally import FEW, Group, ballots_hash, count, receipt, split

Paper = tuple[str, tuple[int, ...]]
"""A ballot by itself: where it was given, and what was chosen."""
PLACES = ["slack:C1", "discord:D1", "telegram:-100"]


def question(kind: Kind, options: int = 5, limit: int = 1, hide: tuple[int, ...] = (), **more: bool) -> Question:
    states = [OptionState.REFUSED if number in hide else OptionState.SHOWN for number in range(1, options + 1)]
    made = tuple(Option(number, f"option {number}", state) for number, state in enumerate(states, 1))
    return Question("Where?", made, kind, limit, correct=2 if kind is Kind.QUIZ else 0, **more)


@st.composite
def elections(draw: st.DrawFn) -> tuple[Question, list[Paper]]:
    kind = draw(st.sampled_from(list(Kind)))
    options = {Kind.CONSENT: 3, Kind.RATING: 5}.get(kind) or draw(st.integers(2, 6))
    limit = draw(st.integers(1, options)) if kind is Kind.MULTIPLE else 1
    hide = draw(st.sets(st.integers(1, options))) if kind is Kind.OPEN else set()
    most = {Kind.MULTIPLE: limit, Kind.RANKED: options}.get(kind, 1)
    choice = st.lists(st.integers(1, options), unique=True, min_size=1, max_size=most)
    ordered = choice.map(tuple) if kind is Kind.RANKED else choice.map(lambda found: tuple(sorted(found)))
    papers = draw(st.lists(st.tuples(st.sampled_from(PLACES), ordered), max_size=30))
    return question(kind, options, limit, tuple(sorted(hide))), papers


def grouped(papers: list[Paper]) -> list[Group]:
    return [Group(choice, place, number) for (place, choice), number in Counter(papers).items()]


@given(elections())
def test_the_tally_is_a_recount_of_every_ballot(election: tuple[Question, list[Paper]]) -> None:
    asked, papers = election
    numbers = [one.number for one in asked.options if one.state is OptionState.SHOWN]
    good = [(place, kept) for place, choice in papers if (kept := [one for one in choice if one in numbers])]
    named = [(place, kept[:1] if asked.kind is Kind.RANKED else kept) for place, kept in good]
    tally = count(asked, grouped(papers))
    assert tally.counts == {number: sum(number in kept for _, kept in named) for number in numbers}
    assert tally.voters == len(good)
    assert tally.voters_by_place == Counter(place for place, _ in good)
    assert tally.by_place == {
        place: {number: sum(number in kept for at, kept in named if at == place) for number in numbers}
        for place in {place for place, _ in good}
    }
    if asked.kind is Kind.RANKED:
        return
    race = {number: votes for number, votes in tally.counts.items() if not (asked.kind is Kind.CONSENT and number == 3)}
    best = max(race.values(), default=0)
    assert tally.leaders == tuple(number for number in race if best and race[number] == best)
    others = [votes for number, votes in race.items() if number != (tally.leaders or (0,))[0]]
    assert tally.margin == best - max(others, default=0)


@given(elections())
def test_each_kind_has_what_belongs_to_it(election: tuple[Question, list[Paper]]) -> None:
    asked, papers = election
    tally = count(asked, grouped(papers))
    assert (tally.right is not None) == (asked.kind is Kind.QUIZ)
    assert tally.right is None or tally.right == sum(choice == (2,) for _, choice in papers)
    assert (tally.average is not None) == (asked.kind is Kind.RATING and bool(papers))
    if tally.average is not None:
        assert tally.average == float(Fraction(sum(choice[0] for _, choice in papers), len(papers)))
    assert (tally.ranked is not None) == (asked.kind is Kind.RANKED)
    if tally.ranked is not None:
        assert tally.ranked == run_off([one.number for one in asked.options], [(choice, 1) for _, choice in papers])
        assert tally.leaders == tally.ranked.winners
        last = sorted(tally.ranked.rounds[-1].counts.values())
        assert tally.margin == (last[-1] - last[-2] if len(last) > 1 else last[-1])


def test_abstentions_are_shown_and_lead_nowhere() -> None:
    tally = count(question(Kind.CONSENT, 3), [Group((3,), "a", 9), Group((1,), "a", 3), Group((2,), "a", 2)])
    assert (tally.counts, tally.voters) == ({1: 3, 2: 2, 3: 9}, 14)
    assert (tally.leaders, tally.margin) == ((1,), 1)


def test_only_abstentions_decide_nothing() -> None:
    assert count(question(Kind.CONSENT, 3), [Group((3,), "a", 9)]).leaders == ()


def test_a_tie_names_all() -> None:
    tally = count(question(Kind.SINGLE, 3), [Group((3,), "a", 2), Group((1,), "b", 2)])
    assert (tally.leaders, tally.margin) == ((1, 3), 0)


def test_a_refused_option_takes_its_votes_along() -> None:
    groups = [Group((1,), "a", 2), Group((2,), "b", 5)]
    tally = count(question(Kind.OPEN, 2, hide=(2,)), groups)
    assert (tally.counts, tally.voters, tally.by_place, tally.leaders) == ({1: 2}, 2, {"a": {1: 2}}, (1,))


def test_first_preferences_are_cheap() -> None:
    groups = [Group((1, 3), "a", 3), Group((2, 3), "a", 2), Group((3, 2), "a", 2)]
    cheap, whole = (count(question(Kind.RANKED, 3), groups, ranked=ranked) for ranked in (False, True))
    assert cheap.counts == whole.counts == {1: 3, 2: 2, 3: 2}
    assert (cheap.ranked, cheap.leaders, cheap.margin) == (None, (1,), 1)
    assert (whole.leaders, whole.margin) == ((3,), 1)


# --- the split by place --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("voters", "shown"), [(FEW, True), (FEW - 1, False)])
def test_an_anonymous_split_does_not_point_at_anybody(voters: int, shown: bool) -> None:
    groups = [Group((1,), "a", 50), Group((2,), "b", voters)]
    for anonymous in (True, False):
        asked = question(Kind.SINGLE, 2, anonymous=anonymous)
        tally = count(asked, groups)
        assert split(asked, tally) == (tally.by_place if shown or not anonymous else {})


def test_one_place_is_no_split() -> None:
    asked = question(Kind.SINGLE, 2)
    assert split(asked, count(asked, [Group((1,), "a", 50)])) == {}


# --- the receipt ---------------------------------------------------------------------------------------------------


def poll(asked: Question) -> Poll:
    host = Member("slack", "T1", "U1")
    room = Channel("slack", "T1", "C1")
    return Poll(
        7, "p.abc", asked, State.CLOSED, host, "Ana", "en", (room,), 50.0,
        opened_at=1_767_225_600.0, closed_at=1_767_232_800.25, edits=("Hangzou → Hangzhou",),
    )  # fmt: skip


def test_the_hash_is_that_of_the_sorted_lines() -> None:
    lines = b"person:9 2\nslack:T1:U10 1,3\nslack:T1:U9 1\n"
    papers = [("slack:T1:U9", (1,)), ("person:9", (2,)), ("slack:T1:U10", (1, 3))]
    assert ballots_hash(papers) == hashlib.sha256(lines).hexdigest()
    assert ballots_hash([]) == hashlib.sha256(b"").hexdigest()
    assert ballots_hash([("a", (3, 1))]) != ballots_hash([("a", (1, 3))])


def test_a_receipt_says_what_was_counted() -> None:
    asked = question(Kind.OPEN, 2, hide=(2,))
    papers = [("slack:T1:U2", (1,)), ("slack:T1:U1", (1,)), ("discord:G1:U3", (2,))]
    tally = count(asked, [Group((1,), "slack:C1", 2), Group((2,), "discord:D1", 1)])
    assert receipt(poll(asked), tally, papers, {"role": 4, "account_age": 1}) == {
        "schema": "poll-receipt/1",
        "poll": 7,
        "question": "Where?",
        "kind": "open",
        "anonymous": False,
        "limit": 1,
        "options": [
            {"number": 1, "text": "option 1", "state": "shown", "votes": 2},
            {"number": 2, "text": "option 2", "state": "refused", "votes": 0},
        ],
        "voters": 2,
        "places": {},
        "leaders": [1],
        "margin": 2,
        "excluded": {"account_age": 1, "role": 4, "option_refused": 1},
        "edits": ["Hangzou → Hangzhou"],
        "opened": "2026-01-01T00:00:00.000Z",
        "closed": "2026-01-01T02:00:00.250Z",
        "ballots": {"count": 3, "sha256": ballots_hash(papers)},
    }


def test_a_ranked_receipt_shows_the_rounds_and_what_decided_ties() -> None:
    asked = question(Kind.RANKED, 3)
    tally = count(asked, [Group((1, 2), "a", 3), Group((2, 1), "a", 2), Group((3, 1), "b", 2)])
    record = receipt(poll(asked), tally, [], {})
    assert record["rounds"] == [
        {
            "votes": {"1": 3, "2": 2, "3": 2},
            "exhausted": 0,
            "out": [3],
            "tie": {"options": [2, 3], "rule": "later", "level": 2, "counts": {"2": 3, "3": 0}, "out": 3},
        },
        {"votes": {"1": 5, "2": 2}, "exhausted": 0, "out": []},
    ]
    assert (record["leaders"], record["condorcet"], record["limit"]) == ([1], 1, 3)
    assert record["places"] == {"a": {"1": 3, "2": 2, "3": 0}, "b": {"1": 0, "2": 0, "3": 2}}


def test_a_rating_has_its_average_and_a_quiz_its_answer() -> None:
    stars, quiz = question(Kind.RATING), question(Kind.QUIZ)
    groups = [Group((5,), "a", 1), Group((2,), "a", 2)]
    assert receipt(poll(stars), count(stars, groups), [], {})["average"] == 3.0
    record = receipt(poll(quiz), count(quiz, groups), [], {})
    assert (record["correct"], record["right"]) == (2, 2)


@given(elections())
def test_a_receipt_is_json_and_the_same_in_whichever_order_ballots_come(election: tuple[Question, list[Paper]]) -> None:
    asked, papers = election
    listed = [(f"voter{at}", choice) for at, (_, choice) in enumerate(papers)]
    records = [
        receipt(poll(asked), count(asked, groups), ballots, {})
        for groups, ballots in ((grouped(papers), listed), (grouped(papers)[::-1], listed[::-1]))
    ]
    first, second = (json.dumps(record, sort_keys=True) for record in records)
    assert first == second
    assert json.loads(first) == records[0]
