"""Signs of abuse: what was planted is found, and quiet crowds stay quiet."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain import signals
from bot.domain.signals import REASONS, Row, Sign, report, stem_of

T0, DAY = 1_700_000_000.0, 86400.0
END = T0 + 2 * DAY
YEARS = 8 * 365 * DAY
LIKED = ("alex", "ana", "max", "小明", "dragon", "shadow", "mike", "lily", "tom", "leo")


def crowd(size: int, seed: int, wave: float = 3600.0, lasts: float = 2 * DAY) -> list[Row]:
    """People as they come: half of them in a wave after the opening that ebbs away in about `wave` seconds, the others
    at any time; half with a number in their name, some with a name that many like; accounts of eight years."""
    chance = random.Random(seed)
    rows = []
    for number in range(size):
        late = chance.random() < 0.5
        after = chance.random() * lasts if late else (2 + chance.expovariate(1 / wave)) % lasts
        name = chance.choice(LIKED) if chance.random() < 0.02 else f"n{chance.randrange(5000)}x"
        name += str(chance.randrange(10_000)) if chance.random() < 0.5 else ""
        made = T0 - 8 * DAY - chance.random() * YEARS
        rows.append(Row(f"p{number}", name, T0 + after, made, T0 - 1))
    return rows


def planted(size: int, at: Callable[[float], float], **changes: object) -> list[Row]:
    """Alts that enter at times made of numbers from 0 to 1, and are people like others but for what is changed."""
    chance = random.Random(size)
    rows = [
        Row(f"alt{number}", f"q{number}q", at(chance.random()), T0 - 8 * DAY - chance.random() * YEARS, T0 - 1)
        for number in range(size)
    ]
    return [replace(row, **changes) for row in rows]  # type: ignore[arg-type]  # any field


def persons(signs: list[Sign], reason: str) -> set[str]:
    return {person for sign in signs if sign.reason == reason for person in sign.who}


CROWDS = [(0, 1), (20, 1), (1000, 2), (20_000, 3)]


@pytest.mark.parametrize(("size", "seed"), CROWDS)
def test_entries_of_one_second_stand_out(size: int, seed: int) -> None:
    alts = planted(14, lambda share: T0 + DAY + share)
    signs = report([*crowd(size, seed), *alts], T0, END)
    assert persons(signs, "burst") >= {one.person for one in alts}
    assert len(persons(signs, "burst")) <= len(alts) + 4
    (found,) = signs
    assert found.args["count"] == len(found.who)
    assert T0 + DAY - 1 <= found.args["at"] <= T0 + DAY + 1  # type: ignore[operator]  # a number
    assert found.args["usual"] < 4  # type: ignore[operator]  # a number


@pytest.mark.parametrize(("size", "seed"), CROWDS)
def test_entries_of_a_few_seconds_stand_out(size: int, seed: int) -> None:
    alts = planted(30, lambda share: T0 + DAY + 4 * share)
    signs = report([*crowd(size, seed), *alts], T0, END)
    assert persons(signs, "burst") >= {one.person for one in alts}
    assert len(persons(signs, "burst")) <= len(alts) + 8


@pytest.mark.parametrize(("size", "seed"), CROWDS)
def test_names_that_differ_by_a_number_stand_out_where_they_come_together(size: int, seed: int) -> None:
    alts = planted(10, lambda share: T0 + DAY + 540 * share)
    alts = [replace(row, name=f"Bonnie_{number:03}") for number, row in enumerate(alts)]
    (found,) = report([*crowd(size, seed), *alts], T0, END)
    assert (found.reason, found.args["stem"]) == ("similar_names", "bonnie")
    assert set(found.who) == {one.person for one in alts}


@pytest.mark.parametrize(("size", "seed"), CROWDS)
def test_accounts_that_were_made_together_stand_out_however_they_enter(size: int, seed: int) -> None:
    alts = planted(10, lambda share: T0 + DAY * share)
    alts = [replace(row, account_made=T0 - 300 * DAY + 50 * number) for number, row in enumerate(alts)]
    (found,) = report([*crowd(size, seed), *alts], T0, END)
    assert found.reason == "made_together"
    assert set(found.who) >= {one.person for one in alts}
    times = {one.person: one.at for one in alts}
    assert [times[one] for one in found.who if one in times] == sorted(times.values())
    assert found.args["minutes"] == 8


@pytest.mark.parametrize(("size", "seed"), CROWDS)
def test_entries_of_the_last_moment_stand_out(size: int, seed: int) -> None:
    alts = planted(12, lambda share: END - 4.5 * share - 0.01)
    (found,) = report([*crowd(size, seed), *alts], T0, END)
    assert found.reason == "last_moment"
    assert set(found.who) >= {one.person for one in alts}


def entries(*times: float, name: str = "q{}q", made: float = 0.0) -> list[Row]:
    """People who enter at these times, one after the other."""
    return [Row(f"{at:03}", name.format(at), time, T0 - YEARS + made * at) for at, time in enumerate(times)]


@pytest.mark.parametrize(
    ("rows", "reason", "args"),
    [
        (
            entries(*(T0 + DAY + at / 4 for at in range(20)), made=DAY),
            "burst",
            {"count": 20, "seconds": 5, "at": T0 + DAY, "usual": 0.4},
        ),
        (
            entries(*[T0 + DAY] * 12, made=DAY),
            "burst",
            {"count": 12, "seconds": 1, "at": T0 + DAY, "usual": 0.4},
        ),
        (
            entries(*(T0 + DAY + 60 * at for at in range(5)), name="Bo{}", made=DAY),
            "similar_names",
            {"count": 5, "stem": "bo", "minutes": 4},
        ),
        (
            entries(*[T0 + 5.0] * 5, name="Bo{}", made=DAY),
            "similar_names",
            {"count": 5, "stem": "bo", "minutes": 1},
        ),
        (
            entries(*(T0 + DAY + 3600 * at for at in range(5)), made=60.0),
            "made_together",
            {"count": 5, "minutes": 4, "at": T0 - YEARS},
        ),
        (
            entries(*(T0 + DAY + 3600 * at for at in range(5))),
            "made_together",
            {"count": 5, "minutes": 1, "at": T0 - YEARS},
        ),
        (
            entries(*[END - 5] * 5, made=DAY),
            "last_moment",
            {"count": 5, "seconds": 5, "usual": 0.4},
        ),
        (
            entries(*(END - 54 + 2 * at for at in range(22)), *[END - 1] * 40, made=DAY),
            "last_moment",
            {"count": 40, "seconds": 5, "usual": 4.5},
        ),
        (
            entries(*(END - 9 + at for at in range(4)), *[END - 1] * 40, made=DAY),
            "last_moment",
            {"count": 40, "seconds": 5, "usual": 8.0},
        ),
    ],
)
def test_a_sign_says_what_was_seen(rows: list[Row], reason: str, args: dict[str, str | float]) -> None:
    (found,) = report(rows, T0, END)
    assert (found.reason, found.args) == (reason, args)


@pytest.mark.parametrize(
    "rows",
    [
        entries(*(T0 + DAY + at / 10 for at in range(5)), made=DAY),
        entries(*(T0 + DAY + 60 * at for at in range(4)), name="Bo{}", made=DAY),
        entries(*(T0 + DAY + 3600 * at for at in range(4))),
        entries(*[END - 1] * 4, made=DAY),
        entries(*(T0 + DAY + at / 5 for at in range(50)), *(T0 + DAY + 10 + at / 10 for at in range(10)), made=DAY),
        entries(*(END - 54 + 2 * at for at in range(25)), *[END - 1] * 9, made=DAY),
    ],
)
def test_a_few_are_none(rows: list[Row]) -> None:
    assert report(rows, T0, END) == []


def test_a_giveaway_that_is_hardly_longer_than_its_last_moment_has_one_too() -> None:
    (found,) = report(entries(*[END - 1] * 10, made=DAY), END - 20, END)
    assert (found.reason, found.args["usual"]) == ("last_moment", 1.3)
    (found,) = report(entries(*[END - 1] * 20, made=DAY), END - 3, END)
    assert (found.reason, found.args["usual"]) == ("last_moment", 4.0)


def test_young_accounts_and_late_members_are_told_to_the_second() -> None:
    week = 7 * DAY
    rows = [
        Row("old", "a", T0 + 9, T0 + 9 - week, T0),
        Row("young", "b", T0 + 8, T0 + 8 - week + 0.001, None),
        Row("late", "c", T0 + 7, None, T0 + 0.001),
        Row("both", "d", T0 + 6, T0 + 1, T0 + 2),
    ]
    assert report(rows, T0, END) == [
        Sign("young_account", ("both", "young"), {"count": 2, "days": 7}),
        Sign("joined_after_opening", ("both", "late"), {"count": 2}),
    ]
    assert report([], T0, END) == []


@pytest.mark.parametrize("wave", [20.0, 60.0, 600.0, 3600.0])
@pytest.mark.parametrize(("size", "crowds"), [(8, 60), (60, 60), (500, 20), (3000, 5)])
def test_quiet_crowds_and_waves_after_an_announcement_are_no_sign(size: int, crowds: int, wave: float) -> None:
    alarms = [sign for seed in range(crowds) for sign in report(crowd(size, seed, wave), T0, END)]
    assert alarms == []


def test_fifty_thousand_people_are_no_sign_either() -> None:
    assert report(crowd(50_000, 7, 600.0), T0, END) == []


@pytest.mark.parametrize("lasts", [60.0, 600.0])
def test_short_giveaways_are_no_sign_by_themselves(lasts: float) -> None:
    for seed in range(20):
        assert report(crowd(200, seed, lasts / 3, lasts), T0, T0 + lasts) == []


def test_a_name_that_many_like_is_none() -> None:
    chance = random.Random(4)
    rows = [
        replace(row, name=f"alex{chance.randrange(10_000)}") if chance.random() < 0.2 else row for row in crowd(3000, 1)
    ]
    assert report(rows, T0, END) == []


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("Ana27", "ana"), ("ana_27", "ana"), ("Ana 27", "ana"), ("ＡＮＡ２７", "ana"), ("ana-27!", "ana"),
        ("小明007", "小明"),
        ("n1x22", "n1x"), ("Ana", ""), ("27", ""), ("a27", ""), ("27ana", ""), ("", ""), ("_1", ""), ("ana27bo", ""),
    ],
)  # fmt: skip
def test_the_stem_of_a_name_is_what_comes_before_its_number(name: str, stem: str) -> None:
    assert stem_of(name) == stem


anybody = st.builds(
    Row,
    st.integers(0, 50).map(str),
    st.sampled_from(["ana1", "ana2", "bo", "Ana 3", "🎉12"]),
    st.floats(T0, END),
    st.one_of(st.none(), st.floats(T0 - 40 * DAY, T0)),
    st.one_of(st.none(), st.floats(T0 - DAY, T0 + DAY)),
)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(anybody, max_size=40, unique_by=lambda row: row.person), mixed=st.randoms(use_true_random=False))
def test_a_report_is_the_same_for_any_order_and_says_all_that_its_words_need(
    rows: list[Row], mixed: random.Random
) -> None:
    alts = planted(12, lambda share: T0 + DAY + share)
    listed = [*rows, *alts]
    found = report(listed, T0, END)
    mixed.shuffle(listed)
    assert report(listed, T0, END) == found
    known = {one.person for one in listed}
    for sign in found:
        assert set(sign.args) == set(dict(REASONS)[sign.reason])
        assert set(sign.who) <= known
        assert len(set(sign.who)) == len(sign.who) == sign.args["count"]
    assert [one.reason for one in found] == sorted((one.reason for one in found), key=[why for why, _ in REASONS].index)


@pytest.mark.parametrize(("name", "mutant"), [("WAVE", 0.0), ("UNLIKELY", 1e3), ("_unlikely", lambda *_: True)])
def test_what_keeps_quiet_crowds_quiet_is_needed(name: str, mutant: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, name, mutant)
    with pytest.raises(AssertionError):
        test_quiet_crowds_and_waves_after_an_announcement_are_no_sign(500, 20, 20.0)
