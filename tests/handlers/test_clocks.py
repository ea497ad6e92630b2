"""Drafts that wait too long, that are put aside, and for which somebody calls for help."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.chat.messages import Card
from bot.handlers.clocks import span

from .house import House, channel, living

HELP = "slack-help"
MINUTES = 30


@pytest.fixture
async def late(path: Path) -> AsyncIterator[House]:
    review = {"escalation": "slack/help", "sla_minutes": MINUTES}
    async with living(path, channels={"slack/help": HELP}, review=review) as house:
        yield house


def help_cards(house: House) -> list[Card]:
    done = house.platforms["slack"].done
    return [c.message for c in done if isinstance(c.message, Card) and (c.to and c.to.channel_id == HELP)]


async def test_a_draft_that_waits_too_long_calls_for_help_once(late: House) -> None:
    await late.say()
    assert "answer within" in late.card().header
    await late.advance(MINUTES * 60 - 2)
    assert help_cards(late) == []
    await late.advance(2)
    assert len(help_cards(late)) == 1
    assert late.told("line.overdue") in late.lines()
    assert "in time" in " ".join(late.card().status)
    assert "answer within" not in late.card().header
    await late.advance(MINUTES * 600)
    assert len(help_cards(late)) == 1


async def test_what_was_decided_in_time_calls_nobody(late: House) -> None:
    await late.say()
    await late.press("approve")
    await late.advance(MINUTES * 60)
    assert help_cards(late) == []
    assert late.replies() != []


async def test_the_card_of_the_help_channel_decides_like_any_other(late: House) -> None:
    await late.say()
    await late.press("escalate", who="dan")
    (card,) = help_cards(late)
    payload = next(b.payload for b in card.buttons if b.payload.split("|")[2:3] == ["approve"])
    await late.press("approve", payload=payload, channel=channel("slack", "help"))
    await late.advance(10)
    assert len(late.replies()) == 1
    assert (await late.state())[0] == "sent"


async def test_help_is_called_by_name_and_not_twice(late: House) -> None:
    await late.say()
    payload = late.button("escalate")
    await late.press("escalate", who="dan")
    assert late.told("line.escalate", name="Dan") in late.lines()
    assert "Dan called for help" in " ".join(late.card().status)
    assert not any(b.payload.split("|")[2:3] == ["escalate"] for b in late.card().buttons)
    await late.press("escalate", payload=payload)
    assert "already called" in late.notices()[-1]
    assert len(help_cards(late)) == 1


async def test_where_nobody_hears_it_nobody_is_offered_to_call(house: House) -> None:
    await house.say()
    assert not any(b.payload.split("|")[2:3] == ["escalate"] for b in house.card().buttons)
    before = await house.snapshot()
    await house.command("escalate", "1")
    assert house.notices() == [house.told("review.no_escalation")]
    assert await house.snapshot() == before
    assert "answer within" not in house.card().header


async def test_a_draft_put_aside_comes_back_by_itself(house: House) -> None:
    await house.say()
    await house.press("snooze")
    assert "put it aside" in " ".join(house.card().status)
    assert house.card().header.startswith("💤")
    await house.command("inbox")
    assert house.notices()[-1] == house.told("inbox.empty")
    await house.advance(3599)
    assert house.told("line.awake") not in house.lines()
    await house.advance(1)
    assert house.told("line.awake") in house.lines()
    assert house.card().status == ()
    await house.command("inbox")
    assert "#1" in house.notices()[-1]


async def test_pressed_once_more_it_is_taken_up_again(house: House) -> None:
    await house.say()
    await house.press("snooze")
    await house.press("snooze", who="ben")
    assert house.told("line.wake", name="Ben") in house.lines()
    assert house.card().status == ()
    await house.advance(3600)
    assert house.told("line.awake") not in house.lines()


async def test_a_command_says_for_how_long(house: House) -> None:
    await house.say()
    before = await house.snapshot()
    await house.command("snooze", "1 sometime")
    assert "sometime" in house.notices()[-1]
    assert await house.snapshot() == before
    await house.command("snooze", "1 2h")
    await house.advance(7199)
    assert house.told("line.awake") not in house.lines()
    await house.advance(1)
    assert house.told("line.awake") in house.lines()


async def test_a_draft_that_sleeps_is_not_late_before_it_wakes(late: House) -> None:
    await late.say()
    await late.command("snooze", "1 1h")
    await late.advance(3599)
    assert help_cards(late) == []
    await late.advance(1)
    assert len(help_cards(late)) == 1


async def test_a_decision_while_it_sleeps_holds(house: House) -> None:
    await house.say()
    await house.press("snooze")
    await house.press("approve")
    await house.advance(3600)
    assert len(house.replies()) == 1
    assert house.told("line.awake") not in house.lines()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30m", 1800),
        ("45 min", 2700),
        ("2h", 7200),
        ("1D", 86400),
        ("10分钟", 600),
        ("2 小时", 7200),
        ("1天", 86400),
        ("30d", 30 * 86400),
        ("31d", None),
        ("0h", None),
        ("2", None),
        ("h", None),
        ("-1h", None),
        ("１h", None),
        ("2h 30m", None),
        ("99999h", None),
        ("", None),
    ],
)
def test_spans_that_people_type(text: str, seconds: float | None) -> None:
    assert span(text) == seconds
