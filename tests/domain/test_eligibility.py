"""Who may be drawn, and with how many tickets."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.eligibility import REFUSALS, Tells, judge, needs_asking, possible, weight_of
from bot.domain.giveaways import RULES, Bonus, Facts, Refused, Requirements

DAY = 86400.0
NOW = 1_700_000_000.0
ME, OTHER = "slack:T1:U1", "slack:T1:U2"
EVERYTHING = Requirements(
    roles=("viewer", "discord:G1:role:R1"),
    member_seconds=2 * DAY,
    account_seconds=30 * DAY,
    messages=5,
    messages_seconds=7 * DAY,
    poll=3,
    boosted=True,
    linked=True,
    allow=(ME,),
    block=(OTHER,),
    cooldown_seconds=90 * DAY,
)
FIT = Facts(
    roles=frozenset({"viewer"}),
    joined_at=NOW - 2 * DAY,
    account_made=NOW - 30 * DAY,
    messages=5,
    answered=True,
    boosting=True,
    linked=True,
    won_at=NOW - 90 * DAY,
    names=frozenset({ME, "telegram:B1:9"}),
)
ROLES = {"roles": "viewer, discord:G1:role:R1"}


def test_who_fulfils_every_rule_to_the_second_may_enter() -> None:
    assert judge(EVERYTHING, FIT, NOW) == ()


def test_where_nothing_is_asked_nothing_has_to_be_known() -> None:
    assert judge(Requirements(), Facts(), NOW) == ()
    assert judge(Requirements(), Facts(roles=frozenset(), boosting=False, won_at=NOW), NOW) == ()


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"is_bot": True}, Refused("bot")),
        ({"present": False}, Refused("gone")),
        ({"staff": True}, Refused("staff")),
        ({"names": frozenset({ME, OTHER})}, Refused("block")),
        ({"names": frozenset({"slack:T1:U3"})}, Refused("allow")),
        ({"names": frozenset[str]()}, Refused("allow")),
        ({"roles": frozenset({"discord:G1:role:R2"})}, Refused("role", ROLES)),
        ({"roles": None}, Refused("unknown_role", ROLES)),
        ({"joined_at": NOW - 2 * DAY + 0.001}, Refused("member_since", {"days": 2})),
        ({"joined_at": None}, Refused("unknown_member_since", {"days": 2})),
        ({"account_made": NOW - 30 * DAY + 0.001}, Refused("account_age", {"days": 30})),
        ({"account_made": None}, Refused("unknown_account_age", {"days": 30})),
        ({"messages": 4}, Refused("messages", {"count": 5, "have": 4, "days": 7})),
        ({"answered": False}, Refused("poll", {"poll": 3})),
        ({"boosting": False}, Refused("boosted")),
        ({"boosting": None}, Refused("unknown_boosted")),
        ({"linked": False}, Refused("linked")),
        ({"won_at": NOW - 90 * DAY + 0.001}, Refused("cooldown", {"days": 90})),
    ],
)
def test_each_rule_turns_with_its_own_fact_and_names_it(changes: dict[str, object], refused: Refused) -> None:
    assert judge(EVERYTHING, replace(FIT, **changes), NOW) == (refused,)  # type: ignore[arg-type]  # any field


@pytest.mark.parametrize(("seconds", "days"), [(2 * DAY, "2"), (DAY / 2, "0.5"), (3600.0, "0.04")])
def test_days_are_told_as_people_say_them(seconds: float, days: str) -> None:
    (found,) = judge(Requirements(member_seconds=seconds), Facts(), NOW)
    assert str(found.args["days"]) == days


@pytest.mark.parametrize(
    "facts",
    [
        replace(FIT, roles=frozenset({"discord:G1:role:R1"})),
        replace(FIT, won_at=0.0),
        replace(FIT, messages=6),
        replace(FIT, joined_at=0.0, account_made=0.0),
    ],
)
def test_more_than_is_asked_for_is_enough(facts: Facts) -> None:
    assert judge(EVERYTHING, facts, NOW) == ()


def test_the_team_may_enter_where_the_card_says_so() -> None:
    assert judge(replace(EVERYTHING, staff=True), replace(FIT, staff=True), NOW) == ()


def test_all_that_keeps_somebody_out_is_told_in_the_order_of_the_rules() -> None:
    worst = Facts(
        roles=frozenset(), joined_at=NOW, account_made=NOW, boosting=False, won_at=NOW, staff=True, present=False,
        is_bot=True, names=frozenset({OTHER}),
    )  # fmt: skip
    assert [one.why for one in judge(EVERYTHING, worst, NOW)] == [
        "bot", "gone", "staff", "block", "allow", "role", "member_since", "account_age", "messages", "poll", "boosted",
        "linked", "cooldown",
    ]  # fmt: skip


moments = st.one_of(st.none(), st.sampled_from([0.0, NOW - 30 * DAY, NOW - 2 * DAY, NOW - 1, NOW]))
facts_of_anybody = st.builds(
    Facts,
    roles=st.one_of(st.none(), st.frozensets(st.sampled_from(["viewer", "a", "b", "c"]))),
    joined_at=moments,
    account_made=moments,
    messages=st.integers(0, 9),
    answered=st.booleans(),
    boosting=st.sampled_from([None, True, False]),
    linked=st.booleans(),
    won_at=st.sampled_from([0.0, NOW - 90 * DAY, NOW - 1]),
    staff=st.booleans(),
    present=st.booleans(),
    is_bot=st.booleans(),
    names=st.frozensets(st.sampled_from([ME, OTHER])),
)
bonuses = st.lists(
    st.builds(Bonus, st.sampled_from(["a", "b", "c"]), st.integers(1, 100)), max_size=3, unique_by=lambda one: one.role
)
requirements_of_any_kind = st.builds(
    Requirements,
    roles=st.lists(st.sampled_from(["viewer", "a"]), max_size=2).map(tuple),
    member_seconds=st.sampled_from([0.0, 2 * DAY]),
    account_seconds=st.sampled_from([0.0, 30 * DAY]),
    messages=st.sampled_from([0, 5]),
    messages_seconds=st.just(DAY),
    poll=st.sampled_from([0, 3]),
    boosted=st.booleans(),
    linked=st.booleans(),
    allow=st.sampled_from([(), (ME,)]),
    block=st.sampled_from([(), (OTHER,)]),
    cooldown_seconds=st.sampled_from([0.0, 90 * DAY]),
    staff=st.booleans(),
    bonuses=bonuses.map(tuple),
    cap=st.sampled_from([0, 1, 5, 200]),
)


@given(asked=requirements_of_any_kind, facts=facts_of_anybody)
def test_refusals_come_in_order_once_each_and_with_what_their_words_need(asked: Requirements, facts: Facts) -> None:
    found = judge(asked, facts, NOW)
    order = [RULES.index(one.why) for one in found]
    assert order == sorted(set(order))
    assert all(set(one.args) == set(dict(REFUSALS)[one.why]) for one in found)


@given(asked=requirements_of_any_kind, facts=facts_of_anybody)
def test_a_rule_that_is_not_asked_for_keeps_nobody_out(asked: Requirements, facts: Facts) -> None:
    whys = {one.why.removeprefix("unknown_") for one in judge(asked, facts, NOW)}
    may = {
        "role": asked.roles, "member_since": asked.member_seconds, "account_age": asked.account_seconds,
        "messages": asked.messages, "poll": asked.poll, "boosted": asked.boosted, "linked": asked.linked,
        "allow": asked.allow, "block": asked.block, "cooldown": asked.cooldown_seconds, "staff": not asked.staff,
        "bot": True, "gone": True,
    }  # fmt: skip
    assert all(may[why] for why in whys)


@given(asked=requirements_of_any_kind, facts=facts_of_anybody, later=st.floats(0, 400 * DAY))
def test_time_alone_never_puts_somebody_out(asked: Requirements, facts: Facts, later: float) -> None:
    now, then = ({one.why for one in judge(asked, facts, at)} for at in (NOW, NOW + later))
    assert then <= now


# --- tickets ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("roles", "cap", "weight"),
    [
        (None, 0, 1),
        (frozenset(), 0, 1),
        (frozenset({"a"}), 0, 3),
        (frozenset({"a", "b"}), 0, 8),
        (frozenset({"a", "b"}), 8, 8),
        (frozenset({"a", "b"}), 7, 7),
        (frozenset({"a", "b", "c"}), 1, 1),
    ],
)
def test_roles_bring_tickets_up_to_the_cap(roles: frozenset[str] | None, cap: int, weight: int) -> None:
    asked = Requirements(bonuses=(Bonus("a", 2), Bonus("b", 5)), cap=cap)
    assert weight_of(asked, Facts(roles=roles)) == weight


@given(asked=requirements_of_any_kind, facts=facts_of_anybody, more=st.frozensets(st.sampled_from(["a", "b", "c"])))
def test_more_roles_never_mean_fewer_tickets_and_the_cap_holds(
    asked: Requirements, facts: Facts, more: frozenset[str]
) -> None:
    before = weight_of(asked, facts)
    after = weight_of(asked, replace(facts, roles=(facts.roles or frozenset()) | more))
    assert 1 <= before <= after <= asked.most <= (asked.cap or asked.most)
    everybody = replace(facts, roles=frozenset({"a", "b", "c"}))
    assert weight_of(asked, everybody) == asked.most


# --- what has to be asked, and what cannot be -------------------------------------------------------------------------

ALL, NOTHING = Tells(True, True, True), Tells(False, False, False)


@pytest.mark.parametrize(
    ("asked", "unknown", "tells"),
    [
        (Requirements(roles=("a",)), "roles", NOTHING),
        (Requirements(bonuses=(Bonus("a", 1),)), "roles", NOTHING),
        (Requirements(member_seconds=1), "joined_at", Tells(True, False, False)),
        (Requirements(account_seconds=1), "account_made", Tells(False, True, False)),
        (Requirements(boosted=True), "boosting", Tells(False, False, True)),
    ],
)
def test_a_platform_is_asked_for_what_a_rule_needs_and_the_event_did_not_say(
    asked: Requirements, unknown: str, tells: Tells
) -> None:
    ignorant = replace(FIT, **{unknown: None})  # type: ignore[arg-type]  # a field that may be unknown
    assert needs_asking(asked, ignorant, tells)
    assert not needs_asking(asked, FIT, ALL)
    assert not needs_asking(Requirements(), Facts(), ALL)
    if tells is not NOTHING:
        others = Tells(not tells.joined, not tells.created, not tells.boosts)
        assert not needs_asking(asked, ignorant, others)


@given(asked=requirements_of_any_kind, facts=facts_of_anybody)
def test_where_nothing_has_to_be_asked_nothing_is_unknown(asked: Requirements, facts: Facts) -> None:
    unknown = any(one.why.startswith("unknown_") for one in judge(asked, facts, NOW))
    assert needs_asking(asked, facts, ALL) or not unknown


def test_what_a_platform_cannot_tell_is_named_before_anything_is_made() -> None:
    asked = Requirements(member_seconds=1, account_seconds=1, boosted=True)
    assert possible(asked, {"discord": ALL}) == []
    assert possible(
        asked, {"telegram": Tells(False, True, False), "discord": ALL, "slack": Tells(True, False, True)}
    ) == [
        Refused("untold_created", {"platform": "slack"}),
        Refused("untold_joined", {"platform": "telegram"}),
        Refused("untold_boosts", {"platform": "telegram"}),
    ]
    assert possible(Requirements(roles=("a",), messages=5, linked=True), {"telegram": NOTHING}) == []
