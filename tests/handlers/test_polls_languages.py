"""A poll's whole life in each language: no text of the other one, and none left out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bot.chat.messages import Card, Line, Notice, OpenForm, Prompt
from bot.chat.moments import plain

from .house import House, living
from .polltable import Polls

CHINESE = re.compile(r"[\u4e00-\u9fff]")
LATIN = re.compile(r"[A-Za-z]{2,}")
KNOWN = re.compile(
    r"/poll[\w ]*|[a-z]+/community|Ana|Lin|Mei|Herald|poll-\d+|UTC|[0-9a-f]{64}|\d+h|[\w-]{24}|Q[0-9]"
    r"|discord|slack|telegram"
)
"""What is the same in every language: commands, rooms, names, hashes, codes."""


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_every_text_of_a_poll_is_in_the_readers_language(path: Path, language: str) -> None:
    async with living(path, languages=[language]) as house:
        polls = Polls(house)
        await whole_life(polls)
        for text in texts(house):
            rest = KNOWN.sub("", plain(text))
            other = LATIN if language == "zh" else CHINESE
            assert not other.search(rest), text


async def whole_life(polls: Polls) -> None:
    """Every kind, every step that people take."""
    house = polls.house
    for number, flags in enumerate(
        ["", "limit 2", "ranked", "fixed", "hidden", "anonymous", "native", "open approval", "quiz 1"], 1
    ):
        poll = await polls.ask(f'{flags} "Q{number}" "1" "2" ends 2h', room="review")
        if "native" not in flags:
            for who in ("lin", "mei"):
                await polls.vote(1, who)
            await polls.press("mine", "lin")
        if "open" in flags:
            opened = await polls.press("add", "lin")
            assert isinstance(opened, OpenForm)
            await polls.submit(opened.form.payload, {"text": "3"}, who="lin")
            await polls.press("let_in:3", "ana", room="review")
            await polls.press("add", "lin", "telegram")
        for verb in ("results", "extend", "edit", "export", "history", "mine", "receipt", "again"):
            rest = {"extend": " 3h", "edit": ' 2 "22"'}.get(verb, "")
            await house.command("poll", f"{verb} {poll}{rest}")
        await polls.live()
        await polls.close(poll)
        for verb in ("results", "export", "mine"):
            await house.command("poll", f"{verb} {poll}")
    for text in ('rating "Q10"', 'consent "Q11"'):
        poll = await polls.ask(text)
        await polls.vote(3, "lin")
        await house.command("poll", f"cancel {poll}")
    await polls.ask('"Q12" "1" "2" every day 9:00 ends 2h')
    await polls.ask('"Q13" "1" "2" ends 2h')
    await house.advance(7000)
    await polls.preview('"Q14" "1" "2" starts 1h')
    await polls.press("discard", "ana")
    await polls.preview("", "telegram")
    await house.command("poll", "")
    await house.command("poll", "list")


def texts(house: House) -> list[str]:
    """Everything that people were shown."""
    found: list[str] = []
    for platform in house.platforms.values():
        for call in platform.done:
            match call.message:
                case Card() as card:
                    found += [card.header, *card.details, *card.status, *(button.label for button in card.buttons)]
                case Notice() as notice:
                    found += [] if notice.text.startswith("{") else notice.text.splitlines()
                case Line() | Prompt() as line:
                    found.append(line.text)
    return found
