"""Lengths of time as people type them."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.domain.spans import DAY, HOUR, LONGEST, MINUTE, WEEK, number, seconds, with_digits

SAID = {
    "30s": 30,
    "10m": 10 * MINUTE,
    "2h": 2 * HOUR,
    "3d": 3 * DAY,
    "1w": WEEK,
    "2h30m": 2.5 * HOUR,
    "1d 12h": 1.5 * DAY,
    "2 Hours and 30 minutes": 2.5 * HOUR,
    "in 2 hours": 2 * HOUR,
    "1.5h": 1.5 * HOUR,
    "an hour": HOUR,
    "in a week": WEEK,
    "half an hour": 30 * MINUTE,
    "in half an hour": 30 * MINUTE,
    "1 day, 2 hours": 26 * HOUR,
    "90分钟": 90 * MINUTE,
    "2小时": 2 * HOUR,
    "2 小时": 2 * HOUR,
    "3天": 3 * DAY,
    "1周": WEEK,
    "半小时": 30 * MINUTE,
    "半个小时": 30 * MINUTE,
    "半天": 12 * HOUR,
    "一个半小时": 90 * MINUTE,
    "1小时半": 90 * MINUTE,
    "两小时后": 2 * HOUR,
    "两个小时之后": 2 * HOUR,
    "兩小時後": 2 * HOUR,
    "十五分钟": 15 * MINUTE,
    "二十四小时": DAY,
    "两周后": 2 * WEEK,
    "三个星期": 3 * WEEK,
    "1小时30分": 90 * MINUTE,
    "３０分钟": 30 * MINUTE,
}


@pytest.mark.parametrize("text", SAID)
def test_what_people_say(text: str) -> None:
    assert seconds(text) == SAID[text]


NOT_SAID = "2|2日|h|2x|2h 3|3 2h|-2h|0m|2h!|tomorrow|明天|半|后|9点|in|a|999999w|周一|2月|1e3h|2h30|1..5h|inf s|nan h"


@pytest.mark.parametrize("text", [*NOT_SAID.split("|"), "", " ", "9" * 60, "1h" * 31])
def test_what_is_no_length_of_time(text: str) -> None:
    assert seconds(text) is None


@given(st.integers(0, 99))
def test_numbers_are_read_as_they_are_written(value: int) -> None:
    signs = "零一二三四五六七八九"
    tens, ones = divmod(value, 10)
    written = signs[ones] if not tens else ("" if tens == 1 else signs[tens]) + "十" + (signs[ones] if ones else "")
    assert number(written) == number(str(value)) == value
    assert with_digits(f"第{written}天") == f"第{value}天"


@pytest.mark.parametrize("text", "十十 一十十 十十一 一十一十 一二 二十一二 十零零 x ٣ -1".split(" "))
def test_what_is_no_number(text: str) -> None:
    assert number(text) is None


@given(st.integers(0, 59), st.integers(0, 23), st.integers(0, 6))
def test_the_parts_are_added(minutes: int, hours: int, days: int) -> None:
    total = minutes * MINUTE + hours * HOUR + days * DAY
    assert (seconds(f"{days}d{hours}h{minutes}m") or 0) == total
    assert (seconds(f"{days}天{hours}小时{minutes}分钟") or 0) == total


@given(st.one_of(st.text(max_size=80), st.text("0123456789.smhdw 小时天周半个后一二十两and", max_size=80)))
@example("半" * 60)
@example("十" * 60)
def test_any_text_is_a_length_of_time_or_none(text: str) -> None:
    found = seconds(text)
    assert found is None or 0 < found <= LONGEST
