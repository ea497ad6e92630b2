"""Ballots: who may vote, and what a press makes of a ballot."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.ballots import Facts, allowed, chosen, counted, most, pressed
from bot.domain.polls import Kind, Option, OptionState, Question, Refused, Restrictions

DAY = 86400.0
NOW = 1_000_000_000.0
ONE_OF = [Kind.SINGLE, Kind.QUIZ, Kind.CONSENT, Kind.RATING, Kind.OPEN]
REVOCABLE = [kind for kind in ONE_OF if kind is not Kind.QUIZ]
W, R = OptionState.WAITING, OptionState.REFUSED


def question(kind: Kind, *, options: int = 5, limit: int = 1, fixed: bool = False) -> Question:
    return Question("?", tuple(Option(n, f"option {n}") for n in range(1, options + 1)), kind, limit, fixed=fixed)


def with_states(kind: Kind, **states: OptionState) -> Question:
    options = (Option(1, "a"), Option(2, "b", states.get("b", W)), Option(3, "c", states.get("c", R)))
    return Question("?", options, kind, 3)


# --- who may vote --------------------------------------------------------------------------------------------------

EVERYTHING = Restrictions("viewer", 2 * DAY, 30 * DAY)
FIT = Facts(True, NOW - 2 * DAY, NOW - 30 * DAY)


def test_who_fulfils_every_rule_may_vote() -> None:
    assert allowed(EVERYTHING, FIT, NOW) is None


def test_where_nothing_is_asked_nothing_has_to_be_known() -> None:
    assert allowed(Restrictions(), Facts(), NOW) is None
    assert allowed(Restrictions(), Facts(holds_role=False), NOW) is None


@pytest.mark.parametrize(
    ("facts", "why", "args"),
    [
        (Facts(False, NOW - 2 * DAY, NOW - 30 * DAY), "role", {"role": "viewer"}),
        (Facts(None, NOW - 2 * DAY, NOW - 30 * DAY), "unknown_role", {"role": "viewer"}),
        (Facts(True, NOW - 2 * DAY + 1, NOW - 30 * DAY), "member_since", {"days": 2}),
        (Facts(True, None, NOW - 30 * DAY), "unknown_member_since", {"days": 2}),
        (Facts(True, NOW - 2 * DAY, NOW - 30 * DAY + 1), "account_age", {"days": 30}),
        (Facts(True, NOW - 2 * DAY, None), "unknown_account_age", {"days": 30}),
    ],
)
def test_the_rule_that_keeps_somebody_out_is_named(facts: Facts, why: str, args: dict[str, str | int | float]) -> None:
    assert allowed(EVERYTHING, facts, NOW) == Refused(why, args)


def test_days_are_told_as_people_say_them() -> None:
    assert allowed(Restrictions(member_seconds=DAY / 2), Facts(), NOW) == Refused("unknown_member_since", {"days": 0.5})


# --- presses -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ONE_OF)
def test_a_press_sets_the_one_choice(kind: Kind) -> None:
    assert pressed(question(kind), (), 4) == (4,)


@pytest.mark.parametrize("kind", REVOCABLE)
def test_a_press_changes_it_and_on_the_chosen_one_takes_it_back(kind: Kind) -> None:
    assert pressed(question(kind), (4,), 2) == (2,)
    assert pressed(question(kind), (4,), 4) == ()


@pytest.mark.parametrize("kind", [*REVOCABLE, Kind.QUIZ])
@pytest.mark.parametrize("number", [2, 4])
def test_a_fixed_choice_stays(kind: Kind, number: int) -> None:
    assert pressed(question(kind, fixed=kind is not Kind.QUIZ), (4,), number) == Refused("fixed")


def test_several_are_added_up_to_the_limit_and_taken_away() -> None:
    asked = question(Kind.MULTIPLE, limit=2)
    assert pressed(asked, (4,), 2) == (2, 4)
    assert pressed(asked, (2, 4), 5) == Refused("limit", {"limit": 2})
    assert pressed(asked, (2, 4), 4) == (2,)
    assert pressed(asked, (2,), 2) == ()


def test_fixed_several_can_be_added_to_only() -> None:
    asked = question(Kind.MULTIPLE, limit=2, fixed=True)
    assert pressed(asked, (4,), 2) == (2, 4)
    assert pressed(asked, (4,), 4) == Refused("fixed")


def test_preferences_are_appended_and_taken_out() -> None:
    asked = question(Kind.RANKED)
    assert pressed(asked, (4, 1), 2) == (4, 1, 2)
    assert pressed(asked, (4, 1, 2), 1) == (4, 2)
    assert pressed(asked, (4, 1, 2, 3), 5) == (4, 1, 2, 3, 5)
    assert pressed(question(Kind.RANKED, fixed=True), (4, 1), 2) == (4, 1, 2)
    assert pressed(question(Kind.RANKED, fixed=True), (4, 1), 4) == Refused("fixed")


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("number", [-1, 0, 6, 10**9])
def test_forged_options_are_refused(kind: Kind, number: int) -> None:
    asked = question(kind, limit=5)
    assert pressed(asked, (), number) == Refused("no_option")
    assert chosen(asked, (), (number,)) == Refused("no_option")


@pytest.mark.parametrize("kind", [Kind.OPEN, Kind.MULTIPLE, Kind.RANKED])
def test_options_that_are_not_in_cannot_be_chosen(kind: Kind) -> None:
    asked = with_states(kind)
    assert pressed(asked, (), 2) == chosen(asked, (), (2,)) == Refused("option_waiting")
    assert pressed(asked, (1,), 3) == chosen(asked, (1,), (3,)) == Refused("option_refused")


def test_a_choice_that_was_refused_since_makes_room() -> None:
    asked = with_states(Kind.MULTIPLE, b=OptionState.SHOWN)
    assert counted(asked, (2, 3)) == (2,)
    assert pressed(asked, (3,), 1) == (1,)
    fixed = Question("?", asked.options, Kind.OPEN, fixed=True)
    assert pressed(fixed, (3,), 1) == (1,)
    assert pressed(fixed, (2,), 1) == Refused("fixed")
    assert chosen(fixed, (3,), (1,)) == (1,)


# --- whole ballots -------------------------------------------------------------------------------------------------


def test_a_whole_ballot_takes_the_place_of_the_one_before() -> None:
    assert chosen(question(Kind.SINGLE), (1,), (2,)) == (2,)
    assert chosen(question(Kind.SINGLE), (1,), ()) == ()
    assert chosen(question(Kind.MULTIPLE, limit=3), (1, 2), (5, 3)) == (3, 5)
    assert chosen(question(Kind.RANKED), (1, 2), (5, 3)) == (5, 3)


def test_a_whole_ballot_keeps_to_the_rules() -> None:
    assert chosen(question(Kind.SINGLE), (), (1, 2)) == Refused("limit", {"limit": 1})
    assert chosen(question(Kind.MULTIPLE, limit=2), (), (1, 2, 3)) == Refused("limit", {"limit": 2})
    assert chosen(question(Kind.MULTIPLE, limit=3), (), (1, 1)) == Refused("twice")


@pytest.mark.parametrize("kind", [Kind.SINGLE, Kind.QUIZ])
def test_a_fixed_ballot_can_be_told_again(kind: Kind) -> None:
    asked = question(kind, fixed=True)
    assert chosen(asked, (2,), (2,)) == (2,)
    assert chosen(asked, (2,), (3,)) == chosen(asked, (2,), ()) == Refused("fixed")
    assert chosen(asked, (), ()) == ()


def test_fixed_preferences_keep_their_order() -> None:
    asked = question(Kind.RANKED, fixed=True)
    assert chosen(asked, (2, 1), (2, 1, 3)) == (2, 1, 3)
    assert chosen(asked, (2, 1), (1, 2, 3)) == Refused("fixed")


@given(
    kind=st.sampled_from(list(Kind)),
    limit=st.integers(1, 5),
    fixed=st.booleans(),
    presses=st.lists(st.integers(-1, 7), max_size=12),
)
def test_whatever_is_pressed_the_ballot_is_a_valid_one(kind: Kind, limit: int, fixed: bool, presses: list[int]) -> None:
    asked, ballot = question(kind, limit=limit, fixed=fixed), ()
    for number in presses:
        after = pressed(asked, ballot, number)
        if isinstance(after, Refused):
            assert after.why in {"no_option", "limit", "fixed"}
            assert after.why != "no_option" or not 1 <= number <= 5
            continue
        assert set(after) ^ set(ballot) >= {number} if kind in {Kind.MULTIPLE, Kind.RANKED} else set(after) <= {number}
        assert not (fixed or kind is Kind.QUIZ) or set(ballot) <= set(after)
        assert len(set(after)) == len(after) <= most(asked)
        assert set(after) <= set(range(1, 6))
        assert kind is Kind.RANKED or list(after) == sorted(after)
        ballot = after
        assert chosen(asked, ballot, ballot) == ballot
