"""People around giveaways in a house: hosts who make them, members who press, documents that are posted."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from bot.chat.events import ButtonPressed
from bot.chat.messages import Answer, Card, Document, Notice
from bot.domain.giveaways import Entry, Giveaway, State, Win
from bot.handlers.payloads import view_and_word
from bot.verifier import verify

from .house import House, channel, member


@dataclass
class Table:
    """What people do with giveaways."""

    house: House

    async def preview(self, text: str, platform: str = "slack", who: str = "ana", room: str = "community") -> None:
        await self.house.command("giveaway", text, platform, who, channel=channel(platform, room))

    async def start(self, text: str, platform: str = "slack", who: str = "ana", room: str = "community") -> Giveaway:
        """Make a giveaway and publish it."""
        await self.preview(f"start {text}", platform, who, room)
        await self.press("confirm", platform, who, room)
        return await self.newest()

    def offered(self, word: str, platform: str = "slack") -> str:
        """The payload of the newest button of this word, wherever it is."""
        for call in reversed(self.house.platforms[platform].done):
            buttons = call.message.buttons if isinstance(call.message, Card | Notice) else ()
            for button in buttons:
                if view_and_word(button.payload)[1] == word:
                    return button.payload
        raise AssertionError(f"no button {word} on {platform}")

    async def press(
        self, word: str, platform: str = "slack", who: str = "ana", room: str = "community", **changes: Any
    ) -> Answer:
        settled = changes.pop("settled", True)
        payload = changes.pop("payload", None) or self.offered(word, platform)
        pressed = ButtonPressed(
            channel(platform, room), member(platform, who), who.capitalize(), "m", payload, {"handle": "h"}, **changes
        )
        return await self.house.hear(pressed, settled=settled)

    async def enter(self, who: str, platform: str = "slack", **changes: Any) -> None:
        await self.press("enter", platform, who, **changes)

    async def told(self, who: str, platform: str = "slack") -> str:
        return self.house.notices(who, platform)[-1]

    def card(self, platform: str = "slack", room: str = "community") -> Card:
        """The giveaway's card as it stands in a room now."""
        shown: dict[str, Card] = {}
        for call in self.house.platforms[platform].done:
            if isinstance(call.message, Card) and call.message.header.startswith("🎁"):
                shown[call.message_id] = call.message
        assert shown, f"no giveaway on {platform}"
        return list(shown.values())[-1]

    async def newest(self) -> Giveaway:
        found = await self.house.read(lambda work: work.giveaways.page(tuple(State), 1))
        return found[0]

    async def get(self, number: int) -> Giveaway:
        found = await self.house.read(lambda work: work.giveaways.get(number))
        assert found is not None
        return found

    async def entry(self, giveaway: Giveaway, who: str, platform: str = "slack") -> Entry | None:
        person = str(member(platform, who))
        return await self.house.read(lambda work: work.entries.get(giveaway.id, person))

    async def wins(self, giveaway: Giveaway) -> list[Win]:
        return await self.house.read(lambda work: work.wins.of(giveaway.id))

    async def until_drawn(self, giveaway: Giveaway) -> Giveaway:
        """Let time pass until the beacon's round is there."""
        now = await self.get(giveaway.id)
        await self.house.advance(max(now.closes_at - self.house.clock.at, 0) + 1)
        await self.house.advance(130)
        await self.house.advance(10)
        return await self.get(giveaway.id)

    def documents(self, platform: str = "slack") -> list[Document]:
        return [c.message for c in self.house.platforms[platform].done if isinstance(c.message, Document)]

    def proof(self, platform: str = "slack") -> dict[str, Any]:
        """The newest proof file."""
        found = [one for one in self.documents(platform) if one.name.endswith("proof.json")]
        assert found, [one.name for one in self.documents(platform)]
        return dict(json.loads(found[-1].content))

    def verdict(self, platform: str = "slack") -> list[str]:
        """What the verifier says is wrong with the newest proof file: nothing when it is VALID."""
        found = [one for one in self.documents(platform) if one.name.endswith("proof.json")]
        return [str(fault) for fault in verify.verify(found[-1].content).faults]
