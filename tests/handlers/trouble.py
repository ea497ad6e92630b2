"""An installation that has trouble with its platforms."""

from __future__ import annotations

from sqlalchemy import Connection

from bot.chat.ports import Incoming, Position
from bot.storage.blocks import Block
from bot.storage.people import LINK
from bot.storage.work import Work

from .house import House


async def troubled(house: House) -> None:
    """A platform out of reach, one that wants us to wait, and messages that were missed."""

    def unit(connection: Connection) -> None:
        work = Work(connection, house.clock.at)
        work.facts.set(LINK + "slack", str(house.clock.at - 120))
        work.blocks.keep("telegram", Block("-100", house.clock.at + 60))
        work.blocks.keep("telegram", Block("", house.clock.at - 1))
        work.inbox.add([Incoming("slack:T1", "gap", "raw", None, Position("slack C9", 5))], house.clock.at)
        work.inbox.gap("slack C9", 9)

    await house.store.write(unit)
