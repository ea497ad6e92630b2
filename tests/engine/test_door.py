"""Small facts that integrations keep through the door."""

from __future__ import annotations

from bot.chat.messages import Accepted, Answer
from bot.engine.inbox import Door

from .world import Engine


async def accepted(_: object) -> Answer:
    return Accepted()


async def test_a_fact_is_kept_in_the_database_and_replaced(engine: Engine) -> None:
    def door() -> Door:
        return Door(engine.store, engine.clock, accepted, lambda *_: None)

    assert await door().recall("discord:7:logins") is None
    await door().remember("discord:7:logins", "[1.0]")
    await door().remember("discord:7:logins", "[1.0, 2.0]")
    assert await door().recall("discord:7:logins") == "[1.0, 2.0]"
    assert await engine.read(lambda work: work.facts.get("discord:7:logins")) == "[1.0, 2.0]"
