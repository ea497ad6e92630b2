"""Following the journal while a feed runs, and approving the cards that it shows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from bot.rehearsal.client import ControlClient
from bot.rehearsal.errors import ControlRefused
from bot.rehearsal.journal import Acknowledged, Changed, Created, Happening, Message, decode
from bot.rehearsal.payloads import has_action

LOOK_SECONDS = 0.2
"""How long between two looks at the journal. Each row is fetched once, however long the journal becomes."""


class JournalWatch:
    """Reads the journal as it grows and passes on what happened."""

    def __init__(self, control: ControlClient, notice: Callable[[Happening], None]) -> None:
        self._control = control
        self._notice = notice
        self._after = 0
        self.happened = 0
        """How many things happened, acknowledgements (which also come when nothing does) left out."""

    async def follow(self) -> None:
        """Follow until cancelled. Raises RehearsalError where the sandbox is gone."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Take what is new."""
        for row in await self._control.journal(self._after):
            self._after = max(self._after, int(row["seq"]))
            happening = decode(row)
            if happening is not None and not isinstance(happening, Acknowledged):
                self.happened += 1
                self._notice(happening)


class Approver:
    """Clicks `approve` on the first `most` drafts (None: on all) whose card in the review channel offers it."""

    def __init__(self, control: ControlClient, platform: str, channel: str, member: str, most: int | None) -> None:
        self._control = control
        self._platform = platform
        self._channel = channel
        self._member = member
        self._left = most
        self._taken: set[Message | str] = set()
        self._queue: asyncio.Queue[Message] = asyncio.Queue()
        self._waiting = 0
        self.refusals: list[str] = []
        """Why clicks could not be made."""

    @property
    def waiting(self) -> int:
        """Clicks that are still to be made or under way."""
        return self._waiting

    def notice(self, happening: Happening) -> None:
        """Queue a click if this is a card that is to be approved."""
        if not isinstance(happening, Created | Changed) or self._left == 0:
            return
        card = happening.message
        if (card.platform, card.channel) != (self._platform, self._channel):
            return
        offers = [payload for payload in happening.payloads if has_action(payload, "approve")]
        drafts = {part for payload in offers for part in payload.split("|")[1:2]}
        if not offers or card in self._taken or drafts & self._taken:
            return
        self._taken |= {card, *drafts}
        self._left = None if self._left is None else self._left - 1
        self._waiting += 1
        self._queue.put_nowait(card)

    async def finish(self) -> None:
        """Wait until every click that was queued is made; somebody must be at work."""
        await self._queue.join()

    async def work(self) -> None:
        """Make the clicks until cancelled. Several may work at once."""
        while True:
            card = await self._queue.get()
            try:
                await self._click(card)
            finally:
                self._waiting -= 1
                self._queue.task_done()

    async def _click(self, card: Message) -> None:
        place = {"platform": card.platform, "channel": card.channel, "message_id": card.message_id}
        try:
            await self._control.post("click", {**place, "member": self._member, "button": "approve"})
        except ControlRefused as error:
            self.refusals.append(str(error))
