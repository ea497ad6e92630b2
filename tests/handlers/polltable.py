"""People around polls in a house: hosts who make them, voters who press."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from typing import Literal

from bot.chat.events import ButtonPressed, FormSubmitted, PollVoted
from bot.chat.messages import Answer, Card, Document, Line, NativePoll, Notice
from bot.domain.polls import Poll

from .house import House, channel, member


@dataclass
class Polls:
    """What people do with polls."""

    house: House
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    async def preview(self, text: str, platform: str = "slack", who: str = "ana", room: str = "community") -> None:
        await self.house.command("poll", text, platform, who, channel=channel(platform, room))

    async def ask(self, text: str, platform: str = "slack", who: str = "ana", room: str = "community") -> int:
        """Make a poll and publish it; its number."""
        await self.preview(text, platform, who, room)
        await self.confirm(platform, who, room)
        return (await self.newest()).id

    async def confirm(
        self, platform: str = "slack", who: str = "ana", room: str = "community", *, settled: bool = True
    ) -> None:
        payload = self.offered("confirm", platform)
        pressed = ButtonPressed(
            channel(platform, room), member(platform, who), who.capitalize(), "m", payload, {"handle": "h"}
        )
        await self.house.hear(pressed, settled=settled)

    def offered(self, word: str, platform: str = "slack") -> str:
        """The payload of the newest button of this word, wherever it is."""
        for call in reversed(self.house.platforms[platform].done):
            buttons = call.message.buttons if isinstance(call.message, Card | Notice) else ()
            for button in buttons:
                if button.payload.split("|")[2:3] == [word]:
                    return button.payload
        raise AssertionError(f"no button {word} on {platform}")

    async def press_payload(
        self,
        payload: str,
        platform: str,
        who: str,
        room: str = "community",
        created_at: float | None = None,
    ) -> Answer:
        pressed = ButtonPressed(
            channel(platform, room), member(platform, who), who.capitalize(), "m", payload, {"handle": "h"}
        )
        return await self.house.hear(replace(pressed, created_at=created_at))

    async def press(
        self,
        word: str,
        who: str,
        platform: str = "slack",
        room: str = "community",
        created_at: float | None = None,
    ) -> Answer:
        return await self.press_payload(self.offered(word, platform), platform, who, room, created_at)

    async def vote(self, number: int, who: str, platform: str = "slack", created_at: float | None = None) -> str:
        """Vote; what the voter is told."""
        await self.press(f"vote:{number}", who, platform, created_at=created_at)
        return self.house.notices(who, platform)[-1]

    async def submit(self, payload: str, values: dict[str, str], platform: str = "slack", who: str = "ana") -> Answer:
        room = channel(platform, "community")
        return await self.house.hear(
            FormSubmitted(room, member(platform, who), who.capitalize(), payload, values, {"handle": "h"})
        )

    async def native(
        self,
        who: str,
        *options: int,
        platform: str = "telegram",
        change: Literal["set", "add", "remove"] = "set",
        poll: str = "",
        settled: bool = True,
    ) -> None:
        poll = poll or self.posted(NativePoll, platform)[-1][0]
        await self.house.hear(PollVoted(poll, member(platform, who), options, change), settled=settled)

    def posted(self, kind: type, platform: str = "slack") -> list[tuple[str, object]]:
        """What was sent of this kind, with its ids."""
        return [(c.message_id, c.message) for c in self.house.platforms[platform].done if isinstance(c.message, kind)]

    def card(self, platform: str = "slack", mark: str = "📊") -> Card:
        """The newest look of the newest card with this mark."""
        cards = [card for card in self.house.cards(platform).values() if card.header.startswith(mark)]
        assert cards, f"no card {mark} on {platform}"
        return cards[-1]

    def result(self, platform: str = "slack") -> Card:
        return self.card(platform, "🏁")

    def counts(self, card: Card) -> list[int]:
        """The numbers at the ends of the option lines."""
        return [int("".join(c for c in line.rsplit("·", 1)[1] if c.isdigit())) for line in card.details]

    def lines(self, platform: str = "slack") -> list[str]:
        return [message.text for _, message in self.posted(Line, platform) if isinstance(message, Line)]

    def documents(self, platform: str = "slack") -> list[Document]:
        return [message for _, message in self.posted(Document, platform) if isinstance(message, Document)]

    async def poll(self, number: int) -> Poll:
        found = await self.house.read(lambda work: work.polls.get(number))
        assert found is not None
        return found

    async def newest(self) -> Poll:
        from bot.domain.polls import State

        polls = await self.house.read(lambda work: work.polls.page(frozenset(State), 1))
        return polls[0]

    async def live(self) -> None:
        """Long enough for every card to show the newest state."""
        await self.house.advance(3.5)

    async def close(self, number: int, platform: str = "slack", who: str = "ana") -> None:
        await self.house.command("poll", f"close {number}", platform, who)
        await self.house.settle()
