"""Polls that come again: rules, on the wall clock of a zone."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.locales.times import next_time, read_rule

from .test_times import BERLIN, DAY, MINUTE, NEW_YORK, NOW, SHANGHAI, utc, wall


def coming(text: str, zone: str, now: float, count: int) -> list[str | None]:
    """The next times of a rule, on the zone's clock."""
    rule = read_rule(text, now, zone)
    assert rule is not None
    found, at = [], now
    for _ in range(count):
        after = next_time(rule, zone, at)
        assert after is not None
        found.append(wall(after, zone))
        at = after
    return found


RULES = {
    ("every monday 9:00", "每周一9点", "每 周一9点", "weekly on mondays at 9am"): "11-30 09:00|12-07 09:00|12-14 09:00",
    ("daily 18:00", "每天18:00", "every day at 6pm", "每日下午6点"): "11-25 18:00|11-26 18:00",
    ("daily 9:00", "每天9点", "every day 09:00"): "11-26 09:00|11-27 09:00",
    ("every mon, wed and fri 9am", "每周一、三、五9点", "每周一三五 9点", "每 周一 三 五 上午九点"): (
        "11-27 09:00|11-30 09:00|12-02 09:00"
    ),
    ("every weekday 9:00", "weekdays 9:00", "每个工作日9点", "每周一到周五9点", "every mon-fri 9:00"): (
        "11-26 09:00|11-27 09:00|11-30 09:00"
    ),
    ("every fri-mon noon", "每周五至周一中午12点"): "11-27 12:00|11-28 12:00|11-29 12:00|11-30 12:00|12-04 12:00",
    ("every 2 weeks on friday 9:00", "每两周周五9点", "隔周周五9点", "every other week friday 9:00"): (
        "11-27 09:00|12-11 09:00|12-25 09:00"
    ),
    ("every 3 days 18:00", "每3天18点", "每三天18点"): "11-25 18:00|11-28 18:00|12-01 18:00",
    ("every 3 days 9:00", "每3天9点"): "11-26 09:00|11-29 09:00|12-02 09:00",
    ("every monday 3:00", "每周一三点", "每周一 三点"): "11-30 03:00|12-07 03:00",
    ("every mon wed 3pm", "每周一三下午三点"): "11-25 15:00|11-30 15:00",
    ("every other day 18:00", "隔天18点", "每隔一天18点"): "11-25 18:00|11-27 18:00",
    (
        "monthly on the 1st 9:00",
        "每月1号9点",
        "every month on day 1 at 9:00",
        "每个月一日9点",
        "every 1st of the month 9:00",
    ): ("12-01 09:00"),
    ("monthly on the last day 18:00", "每月最后一天18点", "每月底18点"): "11-30 18:00|12-31 18:00",
    ("every month on the 31st 18:00", "每月31号18点"): "11-30 18:00|12-31 18:00",
    ("weekly 9:00", "每周9点"): "11-26 09:00|12-03 09:00",
    ("weekly 18:00", "每周18点"): "11-25 18:00|12-02 18:00",
    ("monthly 18:00", "每月18点"): "11-25 18:00|12-25 18:00",
}


@pytest.mark.parametrize("texts", RULES)
def test_what_comes_again(texts: tuple[str, ...]) -> None:
    expected = RULES[texts].split("|")
    for text in texts:
        assert coming(text, SHANGHAI, NOW, len(expected)) == [f"2026-{one}" for one in expected], text


def test_a_month_without_that_day_has_it_on_its_last() -> None:
    now = utc("2027-01-10 00:00")
    assert coming("every month on the 30th 9:00", SHANGHAI, now, 3) == [
        "2027-01-30 09:00", "2027-02-28 09:00", "2027-03-30 09:00",
    ]  # fmt: skip
    assert coming("每月29号9点", SHANGHAI, utc("2028-01-31 00:00"), 2) == ["2028-02-29 09:00", "2028-03-29 09:00"]


NO_RULES = """
|x|monday 9:00|9:00|tomorrow 9:00|every|every monday|每周一|daily|every 9:00|every monday 9|every monday 25:00
|every day 24:00|every first monday 9:00|every 0 days 9:00|every 400 days 9:00|every 53 weeks 9:00|every 13 months 9:00
|every monday 9:00 10:00|every 32nd 9:00|every 0th 9:00|every month on monday 9:00|every week on the 3rd 9:00
|every day monday 9:00|daily weekly 9:00|every 1st 2nd 9:00|every hour 9:00|周一9点|每隔两天9点|每两周一9点|每周末9点
|每年1月1日9点|每周一25点|每|每小时|每3月1号9点
""".replace("\n", "").split("|")


@pytest.mark.parametrize("text", [*NO_RULES, "every " * 20 + "day 9:00"])
def test_what_is_no_rule(text: str) -> None:
    assert read_rule(text, NOW, SHANGHAI) is None


def test_a_rule_is_what_the_standard_calls_so() -> None:
    assert read_rule("every 2 weeks on monday 9:00", NOW, SHANGHAI) == (
        "DTSTART:20261130T090000\nRRULE:FREQ=WEEKLY;BYDAY=MO;INTERVAL=2"
    )
    until = "DTSTART:20261130T090000\nRRULE:FREQ=DAILY;COUNT=2"
    assert wall(next_time(until, SHANGHAI, NOW), SHANGHAI) == "2026-11-30 09:00"
    assert next_time(until, SHANGHAI, utc("2026-12-01 02:00")) is None
    with pytest.raises(ValueError, match=r"\S"):
        next_time("every monday", SHANGHAI, NOW)


CHANGES = [
    (BERLIN, "2026-03-27 12:00", "2:30", ["03-28 01:30", "03-29 01:30", "03-30 00:30"]),
    (BERLIN, "2026-03-27 12:00", "9:00", ["03-28 08:00", "03-29 07:00", "03-30 07:00"]),
    (BERLIN, "2026-10-23 12:00", "2:30", ["10-24 00:30", "10-25 00:30", "10-26 01:30"]),
    (NEW_YORK, "2026-03-06 12:00", "2:30", ["03-07 07:30", "03-08 07:30", "03-09 06:30"]),
    (NEW_YORK, "2026-10-30 12:00", "1:30", ["10-31 05:30", "11-01 05:30", "11-02 06:30"]),
    (NEW_YORK, "2026-10-30 12:00", "18:00", ["10-30 22:00", "10-31 22:00", "11-01 23:00"]),
    (SHANGHAI, "2026-03-27 12:00", "2:30", ["03-27 18:30", "03-28 18:30", "03-29 18:30"]),
]
"""Zone, now, time of day, and when that comes; in UTC."""


@pytest.mark.parametrize(("zone", "now", "clock", "expected"), CHANGES)
def test_the_wall_clock_counts_over_clock_changes(zone: str, now: str, clock: str, expected: list[str]) -> None:
    rule = read_rule(f"daily {clock}", utc(now), zone)
    assert rule is not None
    at = utc(now)
    found: list[str] = []
    while len(found) < len(expected):
        following = next_time(rule, zone, at)
        assert following is not None
        found.append((wall(following, "UTC") or "")[5:])
        at = following
    assert found == expected


def test_an_hour_that_is_left_out_brings_it_later() -> None:
    """Also for whoever asks when the clock has gone past it, and it is still to come."""
    rule = read_rule("daily 2:30", utc("2026-03-27 12:00"), BERLIN)
    assert rule is not None
    assert wall(next_time(rule, BERLIN, utc("2026-03-29 01:10")), "UTC") == "2026-03-29 01:30"


def test_an_hour_that_is_there_twice_brings_it_once() -> None:
    """Also for whoever asks between the two."""
    rule = read_rule("daily 2:30", utc("2026-10-23 12:00"), BERLIN)
    assert rule is not None
    between = utc("2026-10-25 00:45")
    assert wall(next_time(rule, BERLIN, between), "UTC") == "2026-10-26 01:30"


STEP = 15 * MINUTE


def expected_next(days: set[int], hour: int, minute: int, zone: str, after: float) -> float:
    """Brute force, a quarter of an hour after the other: when the clock shows it on such a day for the first time, or
    when it would have, had the clock gone on."""
    clock, shown = ZoneInfo(zone), set()
    before = datetime.fromtimestamp(after - 2 * DAY - STEP, clock).replace(tzinfo=None)
    for steps in range(10 * 96):
        at = after - 2 * DAY + steps * STEP
        now = datetime.fromtimestamp(at, clock).replace(tzinfo=None)
        due = now.replace(hour=hour, minute=minute)
        late = (due - before).total_seconds() - STEP if before < due < now else 0.0
        before = now
        if due.weekday() in days and due.date() not in shown and (now == due or late):
            shown.add(due.date())
            if at + late > after:
                return at + late
    raise AssertionError("never")


CHANGE_DAYS = {
    BERLIN: ["2026-03-29 01:00", "2026-10-25 01:00"],
    NEW_YORK: ["2026-03-08 07:00", "2026-11-01 06:00"],
    SHANGHAI: ["2026-06-01 00:00"],
    "Australia/Lord_Howe": ["2026-04-04 15:00", "2026-10-03 15:30"],
}


@given(st.data(), st.sampled_from(sorted(CHANGE_DAYS)), st.sets(st.integers(0, 6), min_size=1), st.integers(0, 15))
def test_rules_agree_with_counting_minutes(data: st.DataObject, zone: str, days: set[int], quarter: int) -> None:
    change = utc(data.draw(st.sampled_from(CHANGE_DAYS[zone])))
    after = change + data.draw(st.integers(-104, 104)) * STEP
    hour, minute = quarter // 4, quarter % 4 * 15
    names = ",".join("mon tue wed thu fri sat sun".split()[day] for day in sorted(days))
    rule = read_rule(f"every {names} {hour}:{minute:02}", after - 7 * DAY, zone)
    assert rule is not None
    assert next_time(rule, zone, after) == expected_next(days, hour, minute, zone, after)
