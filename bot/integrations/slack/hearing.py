"""The receiving side of one workspace: connections or requests, what is read back, and what they share."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from bot.chat.ports import PlatformDown, Sink
from bot.integrations.slack.api import Api
from bot.integrations.slack.backfill import Backfill, Watch
from bot.integrations.slack.config import SlackConfig
from bot.integrations.slack.inbound import Inbound
from bot.integrations.slack.people import People
from bot.integrations.slack.socket import GRACE, Links, Told

log = logging.getLogger("herald.slack")

UNSIGNED = (
    "Slack's HTTP mode needs the app's signing secret: copy it from Basic Information, App Credentials, and set it as "
    "HERALD_SLACK__SIGNING_SECRET."
)


class Hearing:
    """Hands everything of one workspace to one sink."""

    def __init__(
        self, api: Api, team: str, sink: Sink, people: People, config: SlackConfig, now: Callable[[], float]
    ) -> None:
        self._api, self._config, self.sink = api, config, sink
        watch = Watch(config.watched, config.look_every, self._deaf, now)
        self._backfill = Backfill(api, team, people, watch)
        self.inbound = Inbound(api, f"slack:{team}", sink, self._backfill, people)
        self._links: Links | None = None

    async def run(self, ready: Callable[[], None], named: Callable[[str], None]) -> None:
        """Hear until cancelled; `named` is told the app's id where a connection says it. Raises PlatformDown."""
        once = iter([ready])

        def opened(app_id: str, gap: bool) -> None:
            named(app_id)
            if gap:
                self._backfill.gap()
            for tell in once:
                tell()

        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._backfill.run(self.sink))
                if self._config.mode == "http":
                    if not self._config.signing_secret:
                        raise PlatformDown(UNSIGNED)
                    opened(self._config.app_id, gap=True)
                else:
                    told = Told(opened, self._backfill.down, self._backfill.look)
                    count = self._config.connections
                    self._links = Links(self._api, self._config.app_token, self.inbound.handle, told, count)
                    group.create_task(self._links.run())
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from None
        finally:
            self._links = None
            await self.inbound.close(GRACE)

    def _deaf(self, channel: str) -> None:
        if self._links is not None:
            self._links.renew()
        elif self._config.mode == "http":
            log.warning("messages of Slack channel %s do not reach us: check the app's Request URL", channel)
