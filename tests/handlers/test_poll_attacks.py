"""Hostile texts and presses: polls whose words, names and buttons are made to break what others see."""

from __future__ import annotations

import pytest

from bot.chat.messages import Card
from bot.domain.text import fit, weigh
from bot.integrations.discord import render as discord
from bot.integrations.slack import render as slack
from bot.integrations.telegram import render as telegram

from .house import channel
from .polltable import Polls

LONG = {
    "escaped": "*_~`" * 19,
    "astral": "😀" * 75,
    "unseen": "a" + "\u200b" * 74,
    "mentions": "<@U1> @everyone <!channel> <@&1> <!date^1^{date}|x>" * 2,
}


def _all_platforms_take(card: Card) -> None:
    discord.content(card)
    slack.post(card, channel("slack"), "key")
    telegram.create(card)
    telegram.change(card)


@pytest.mark.parametrize("kind", LONG)
async def test_no_option_is_so_long_that_a_card_cannot_be_shown(polls: Polls, kind: str) -> None:
    options = " ".join(f'"{number} {LONG[kind]}'[:74] + '"' for number in range(20))
    question = (LONG[kind] * 9)[:300]
    number = await polls.ask(f'"{question}" {options} in @slack @discord @telegram')
    await polls.vote(1, "lin")
    await polls.house.command("poll", f'edit {number} question "{question[:-1]}!"')
    await polls.house.command("poll", f'edit {number} question "{question[:-1]}?"')
    await polls.live()
    for platform in ("slack", "discord", "telegram"):
        card = polls.card(platform)
        assert len(card.details) == 20 and card.status[-3].startswith("🔒")
        _all_platforms_take(card)
    await polls.close(number)
    _all_platforms_take(polls.result())


async def test_a_ranked_result_of_many_rounds_fits_everywhere(polls: Polls) -> None:
    options = " ".join(f'"{number} {"x" * 70}"' for number in range(20))
    number = await polls.ask(f'ranked "Tea?" {options}')
    for voter in range(20):
        for choice in range(voter + 1, min(voter + 3, 21)):
            await polls.vote(choice, f"v{voter}")
    await polls.close(number)
    result = polls.result()
    assert "…" in result.status and result.status[-2].startswith("🔒")
    _all_platforms_take(result)


def test_lines_that_fit_stay_and_the_longest_give_way_first() -> None:
    assert fit(["a", "b" * 10], 13) == ("a", "b" * 10)
    assert fit(["short", "b" * 200, "c" * 60], 180) == ("short", "b" * 111 + "…", "c" * 60)
    assert fit(["*" * 30], 20) == ("*" * 9 + "…",)
    few = fit([f"{number}" + "x" * 60 for number in range(50)], 200)
    assert len(few) <= 4 and few[1] == "…" and few[0].startswith("0") and few[-1].startswith("49")
    assert sum(weigh(line) + 1 for line in few) <= 200
