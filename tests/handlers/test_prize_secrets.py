"""Codes and addresses that are typed or filled in are sealed before they are stored, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.chat.events import CommandInvoked, Event, FormSubmitted
from bot.chat.ports import Incoming
from bot.engine.sealing import read_envelope
from bot.handlers.secrecy import PollSeals
from bot.storage.keys import Keys

from .giveawaytable import Table
from .house import House, channel, member


def typed(name: str, text: str) -> CommandInvoked:
    return CommandInvoked(channel("slack"), member("slack", "ana"), "Ana", name, text, {"handle": "h"})


def filled_in(payload: str) -> FormSubmitted:
    values = {"text": "12 Tea Street"}
    return FormSubmitted(channel("slack"), member("slack", "lin"), "Lin", payload, values, {"handle": "h"})


@pytest.mark.parametrize(
    "event",
    [
        typed("giveaway", "codes 3 SECRET-1"),
        typed("抽奖", "兑换码 3 SECRET-1"),
        typed("herald", "giveaway  CODES 3 SECRET-1"),
        typed("giveaway", "address 3 12 Tea Street"),
        typed("抽奖", "地址 3 12 Tea Street"),
        filled_in("v1|w.abcdefghijkl|claim|mac"),
    ],
)
def test_what_holds_a_secret_is_sealed_and_can_be_handled(tmp_path: Path, event: Event) -> None:
    seals = PollSeals(Keys(tmp_path / "keys"))
    Keys(tmp_path / "keys").make("w.abcdefghijkl")
    raw = '{"text": "codes 3 SECRET-1", "value": "12 Tea Street"}'
    assert seals.covers(event)
    stored = seals.close(Incoming("slack:T1", "1", raw, event))
    assert "SECRET-1" not in stored.raw
    assert "Tea Street" not in stored.raw
    found = read_envelope(stored.raw)
    assert found is not None
    assert seals.open(*found) == event


@pytest.mark.parametrize(
    "event",
    [
        typed("giveaway", "start 2d 3w codes and more"),
        typed("giveaway", "list"),
        typed("giveaway", ""),
        typed("poll", "codes 3 X"),
        typed("herald", ""),
        filled_in("v1|someview|edit|mac"),
    ],
)
def test_what_holds_none_is_stored_as_it_came(tmp_path: Path, event: Event) -> None:
    seals = PollSeals(Keys(tmp_path / "keys"))
    item = Incoming("slack:T1", "1", "raw", event)
    assert not seals.covers(event)
    assert seals.close(item) is item


async def test_an_address_is_taken_where_only_the_bot_reads_it(house: House) -> None:
    table = Table(house)
    giveaway = await table.start('2h 1w "A mug" address in @telegram', room="review")
    await table.enter("lin", "telegram")
    await table.until_drawn(giveaway)
    await house.command("giveaway", f"address {giveaway.id} 12 Tea Street", "telegram", "lin")
    assert await table.told("lin", "telegram") == house.told("giveaway.refused.address_place")
    alone = channel("telegram").__class__("telegram", "1", "lin")
    await house.command(
        "giveaway", f"address {giveaway.id} 12 Tea Street", "telegram", "lin", channel=alone, private=True
    )
    (win,) = await table.wins(giveaway)
    sealed = await house.read(lambda work: work.wins.address(win.id))
    assert sealed is not None
    assert "Tea" not in sealed
    await house.command("giveaway", f"address {giveaway.id} 1", who="ana")
    assert "12 Tea Street" in await table.told("ana")
    await house.command("giveaway", f"address {giveaway.id} 1", who="mei")
    assert await table.told("mei") == house.told("giveaway.refused.not_won")
