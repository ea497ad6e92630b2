"""The times of a poll: what is told as a day or an hour is seen from the moment in which it is typed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from .polltable import Polls


def clock(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%d %H:%M}"


@pytest.mark.parametrize(
    ("flags", "opens", "closes"),
    [
        ("starts tomorrow 9am ends tomorrow 18:00", "15 09:00", "15 18:00"),
        ("明天9点开始 明天18点截止", "15 09:00", "15 18:00"),
        ("starts tomorrow 9am ends 18:00", "15 09:00", "15 18:00"),
        ("starts tomorrow 9am ends 2h", "15 09:00", "15 11:00"),
        ("starts tomorrow 9am", "15 09:00", "16 09:00"),
        ("every thursday 9:00 ends 18:00", "16 09:00", "16 18:00"),
        ("every thursday 9:00 ends tomorrow 18:00", "16 09:00", "17 18:00"),
        ("ends tomorrow 18:00", "14 22:13", "15 18:00"),
    ],
)
async def test_tomorrow_is_tomorrow_also_at_the_end(polls: Polls, flags: str, opens: str, closes: str) -> None:
    number = await polls.ask(f'"Where?" "A" "B" {flags}')
    poll = await polls.poll(number)
    assert (clock(poll.opens_at), clock(poll.closes_at)) == (opens, closes)


async def test_an_end_is_put_off_to_a_time_or_by_a_length(polls: Polls) -> None:
    number = await polls.ask('"Where?" "A" "B" ends 2h')
    for text, closes in (("tomorrow 18:00", "15 18:00"), ("明天20点", "15 20:00"), ("2h", "15 22:00")):
        await polls.house.command("poll", f"extend {number} {text}")
        assert clock((await polls.poll(number)).closes_at) == closes
    await polls.house.command("poll", f"extend {number} tomorrow 9am")
    assert polls.house.notices()[-1] == polls.house.told("poll.refused.not_later")
    assert clock((await polls.poll(number)).closes_at) == "15 22:00"
