"""Offers of giveaways: what may be given away, and under which conditions."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.domain.giveaways import Bonus, Contest, Offer, Refused, Requirements
from bot.domain.offers import check
from bot.domain.places import Channel

MUG = Offer("A mug")
ROOM = Channel("slack", "T1", "C1")
DAY = 86400.0
PLENTY = Requirements(
    roles=tuple(f"discord:G1:role:{n}" for n in range(10)),
    member_seconds=7 * DAY,
    account_seconds=30 * DAY,
    messages=10_000,
    messages_seconds=7 * DAY,
    poll=3,
    boosted=True,
    linked=True,
    allow=("slack:T1:U1",),
    block=tuple(f"slack:T1:U{n}" for n in range(2, 202)),
    cooldown_seconds=3660 * DAY,
    bonuses=tuple(Bonus(f"discord:G1:role:{n}", 100) for n in range(9)),
    cap=1000,
)
WHOLE = Offer(
    "x" * 200, 10_000, 10_000, "x" * 1000, "x" * 100, "https://example.org/" + "x" * 480, PLENTY, 366 * DAY, True,
    Contest(ROOM, 1.0, "x" * 100),
)  # fmt: skip


@pytest.mark.parametrize("offer", [MUG, WHOLE, replace(MUG, prize="🎁"), replace(MUG, winners=1, alternates=0)])
def test_what_makes_sense_is_possible_up_to_each_limit(offer: Offer) -> None:
    assert check(offer) is None


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"prize": ""}, "no_prize"),
        ({"prize": " \u200b\u200d\n"}, "no_prize"),
        ({"prize": "x" * 201}, "prize_long"),
        ({"about": "x" * 1001}, "about_long"),
        ({"sponsor": "x" * 101}, "sponsor_long"),
        ({"picture": "https://example.org/" + "x" * 481}, "picture_long"),
        ({"winners": 0}, "winners_range"),
        ({"winners": -1}, "winners_range"),
        ({"winners": 10_001}, "winners_range"),
        ({"alternates": -1}, "alternates_range"),
        ({"alternates": 10_001}, "alternates_range"),
        ({"claim_seconds": -1.0}, "claim_range"),
        ({"claim_seconds": 366 * DAY + 1}, "claim_range"),
        ({"claim_seconds": float("nan")}, "claim_range"),
        ({"contest": Contest(ROOM, 0.0, "x" * 101)}, "keyword_long"),
    ],
)
def test_what_does_not_is_named(changes: dict[str, object], why: str) -> None:
    found = check(replace(MUG, **changes))  # type: ignore[arg-type]  # any field
    assert found is not None
    assert found.why == why


@pytest.mark.parametrize(
    "picture",
    [
        "http://example.org/a.png", "ftp://example.org/a.png", "javascript:alert(1)", "data:image/png;base64,AA",
        "a.png",
        "https://", "https:///a.png", "https://:443/a.png", "//example.org/a.png", "https://ana:word@example.org/a.png",
        "https://example.org:port/a.png", "https://example.org:0/", "https://[::1/a.png", "https://example.org/a b.png",
        "https://example.org/a\n.png", "https://example.org\\@evil.example/", "https://exämple.org/a.png", " https://example.org/",
    ],
)  # fmt: skip
def test_a_picture_is_an_https_address_and_nothing_else(picture: str) -> None:
    assert check(replace(MUG, picture=picture)) == Refused("picture_address")


@pytest.mark.parametrize(
    "picture", ["https://example.org/a.png", "HTTPS://example.org:8443/a?b=c#d", "https://xn--exmple-cua.org/%20.png"]
)
def test_public_addresses_of_pictures_are_taken(picture: str) -> None:
    assert check(replace(MUG, picture=picture)) is None


ROLE = "discord:G1:role:R1"


@pytest.mark.parametrize(
    ("asked", "refused"),
    [
        (Requirements(roles=("r",) * 11), Refused("many_roles", {"count": 11, "limit": 10})),
        (Requirements(messages=-1, messages_seconds=1), Refused("messages_range", {"count": -1, "limit": 10_000})),
        (
            Requirements(messages=10_001, messages_seconds=1),
            Refused("messages_range", {"count": 10_001, "limit": 10_000}),
        ),
        (Requirements(messages=1), Refused("messages_time")),
        (Requirements(member_seconds=-1), Refused("span_range", {"days": 3660})),
        (Requirements(account_seconds=3661 * DAY), Refused("span_range", {"days": 3660})),
        (Requirements(messages_seconds=3661 * DAY), Refused("span_range", {"days": 3660})),
        (Requirements(cooldown_seconds=float("inf")), Refused("span_range", {"days": 3660})),
        (Requirements(bonuses=(Bonus("r", 1),) * 11), Refused("many_bonuses", {"count": 11, "limit": 10})),
        (Requirements(bonuses=(Bonus(ROLE, 0),)), Refused("bonus_range", {"role": ROLE, "limit": 100})),
        (Requirements(bonuses=(Bonus(ROLE, -5),)), Refused("bonus_range", {"role": ROLE, "limit": 100})),
        (Requirements(bonuses=(Bonus(ROLE, 101),)), Refused("bonus_range", {"role": ROLE, "limit": 100})),
        (Requirements(bonuses=(Bonus("a", 1), Bonus(ROLE, 1), Bonus(ROLE, 2))), Refused("bonus_twice", {"role": ROLE})),
        (Requirements(cap=-1), Refused("cap_range", {"count": -1, "limit": 1000})),
        (Requirements(cap=1001), Refused("cap_range", {"count": 1001, "limit": 1000})),
        (
            Requirements(bonuses=tuple(Bonus(f"r{n}", 100) for n in range(10))),
            Refused("cap_range", {"count": 1001, "limit": 1000}),
        ),
        (Requirements(allow=("slack:T1:U1",) * 201), Refused("list_long", {"count": 201, "limit": 200})),
        (Requirements(block=("slack:T1:U1",) * 201), Refused("list_long", {"count": 201, "limit": 200})),
        (Requirements(allow=("slack:T1:U1", "@ana")), Refused("list_member", {"member": "@ana"})),
        (Requirements(block=("slack:T1",)), Refused("list_member", {"member": "slack:T1"})),
        (
            Requirements(allow=("slack:T1:U2", "slack:T1:U1"), block=("slack:T1:U1",)),
            Refused("list_both", {"member": "slack:T1:U1"}),
        ),
    ],
)
def test_conditions_that_make_no_sense_are_named(asked: Requirements, refused: Refused) -> None:
    assert check(replace(MUG, requirements=asked)) == refused


def test_the_time_to_claim_is_told_in_days() -> None:
    assert check(replace(MUG, claim_seconds=-1.0)) == Refused("claim_range", {"days": 366})


def test_a_cap_makes_room_for_many_bonuses() -> None:
    bonuses = tuple(Bonus(f"r{n}", 100) for n in range(10))
    assert check(replace(MUG, requirements=Requirements(bonuses=bonuses, cap=1000))) is None
