"""The delivery state machine: which steps there are, and none besides (RELIABILITY section 3)."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.delivery import (
    FINAL,
    LONGEST_LOOK,
    MAX_LOOKS,
    MAX_TRIES,
    STEPS,
    DeliveryState,
    Step,
    next_look,
    next_try,
)

S = DeliveryState

BY_PERSON = {Step.ARRIVED, Step.AGAIN, Step.DROP, Step.CANCEL, Step.REVIVE}


def reachable(start: DeliveryState, steps: set[Step]) -> set[DeliveryState]:
    seen, todo = {start}, deque([start])
    while todo:
        state = todo.popleft()
        for step in steps:
            before, after = STEPS[step]
            if state in before and after not in seen:
                seen.add(after)
                todo.append(after)
    return seen


def test_every_step_is_described() -> None:
    assert set(STEPS) == set(Step)


def test_a_row_in_sending_becomes_pending_only_when_it_is_known_not_to_be_sent_or_harmless() -> None:
    back = {step for step, (before, after) in STEPS.items() if S.SENDING in before and after is S.PENDING}
    assert back == {Step.POSTPONE, Step.REPEAT}


def test_nothing_leads_from_sending_to_claimed_or_cancelled() -> None:
    for before, after in STEPS.values():
        assert not (S.SENDING in before and after in {S.CLAIMED, S.CANCELLED})


def test_only_a_person_or_the_platform_leads_out_of_doubt() -> None:
    """The platform: when it was asked, and when its answer comes after all."""
    by_platform = {Step.FOUND, Step.ABSENT, Step.HOPELESS, Step.CONFIRM}
    assert {step for step, (before, _) in STEPS.items() if S.UNCERTAIN in before} <= BY_PERSON | by_platform


def test_what_may_have_arrived_is_never_simply_tried_again() -> None:
    again = {step for step, (before, after) in STEPS.items() if S.UNCERTAIN in before and after is S.PENDING}
    assert again == {Step.ABSENT, Step.AGAIN}


def test_final_states_are_left_by_persons_only() -> None:
    for state in FINAL:
        assert reachable(state, set(Step) - BY_PERSON) == {state}
    assert {step for step, (before, _) in STEPS.items() if before & FINAL} == {Step.REVIVE}
    assert STEPS[Step.REVIVE][0] == {S.FAILED, S.DEAD}


def test_sent_and_dropped_and_cancelled_are_for_ever() -> None:
    for state in (S.SENT, S.DROPPED, S.CANCELLED):
        assert reachable(state, set(Step)) == {state}


def test_every_state_is_reached_and_every_path_can_end() -> None:
    assert reachable(S.PENDING, set(Step)) == set(S)
    for state in set(S) - FINAL:
        assert reachable(state, set(Step)) & FINAL


def test_cancelling_is_possible_only_before_sending_begins() -> None:
    assert STEPS[Step.CANCEL] == (frozenset({S.PENDING, S.CLAIMED}), S.CANCELLED)


def test_only_what_is_being_sent_can_be_confirmed_or_refused_or_doubted() -> None:
    for step in (Step.REFUSE, Step.DOUBT, Step.GIVE_UP):
        assert STEPS[step][0] == {S.SENDING}
    assert STEPS[Step.CONFIRM] == (frozenset({S.SENDING, S.UNCERTAIN}), S.SENT)


@given(
    tries=st.integers(0, MAX_TRIES),
    jitter=st.floats(0, 1),
    retry_after=st.none() | st.floats(0, 100_000, allow_nan=False),
)
def test_the_next_try_is_never_earlier_than_the_platform_allows(
    tries: int, jitter: float, retry_after: float | None
) -> None:
    wait = next_try(tries, jitter, retry_after)
    assert wait >= (retry_after or 0)
    assert wait >= 2**tries
    assert wait <= max(retry_after or 0, 2**tries) + 1


@pytest.mark.parametrize("tries", range(MAX_TRIES))
def test_each_try_waits_longer_than_the_one_before(tries: int) -> None:
    assert next_try(tries + 1, 0.0, None) >= next_try(tries, 1.0, None) or tries == 0


@given(
    looks=st.integers(0, 2 * MAX_LOOKS),
    jitter=st.floats(0, 1),
    retry_after=st.none() | st.floats(0, 100_000, allow_nan=False),
)
def test_look_ups_are_bounded_and_obey_the_platform(looks: int, jitter: float, retry_after: float | None) -> None:
    wait = next_look(looks, jitter, retry_after)
    if looks >= MAX_LOOKS:
        assert wait is None
    if wait is not None:
        assert wait >= (retry_after or 0)
        assert wait >= min(2**looks, LONGEST_LOOK)
        assert wait <= max(retry_after or 0, LONGEST_LOOK) + 1


def test_nobody_waits_longer_than_some_minutes_before_a_person_is_asked() -> None:
    waits = [next_look(looks, 1.0, None) for looks in range(1, MAX_LOOKS)]
    assert 60 <= sum(wait or 0 for wait in waits) <= 600
    assert next_look(1, 0.0, 82_721.0) is None
