"""Whose bot we are: asked once, when somebody needs to know it."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from bot.chat.ports import NotSent, PlatformDown, Refused, SendError
from bot.integrations.slack.api import Api
from bot.integrations.slack.parse import string

log = logging.getLogger("herald.slack")

MAX_PAUSE = 30.0
FIX = "Install the app again under OAuth & Permissions and set the bot token as HERALD_SLACK__BOT_TOKEN."


@dataclass(frozen=True, slots=True)
class Identity:
    """The workspace that a token is for and its bot there; `team_url` ends in a slash."""

    team_id: str
    team_url: str
    user_id: str
    bot_id: str


class SignIn:
    """Asks Slack who we are, once; processes that only send never connect, and need to know it all the same."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._lock = asyncio.Lock()
        self.known: Identity | None = None
        """What was answered, once it was."""

    async def who(self) -> Identity:
        """Who we are. Raises SendError."""
        async with self._lock:
            if self.known is None:
                answer = (await self._api.call("auth.test", lambda web: web.auth_test())).data
                url = string(answer, "url")
                self.known = Identity(
                    team_id=string(answer, "team_id"),
                    team_url=url if not url or url.endswith("/") else f"{url}/",
                    user_id=string(answer, "user_id"),
                    bot_id=string(answer, "bot_id"),
                )
            return self.known

    async def patiently(self) -> Identity:
        """Who we are; waits for Slack as long as it takes. Raises PlatformDown."""
        pause = 0.5
        while True:
            try:
                return await self.who()
            except Refused as error:
                raise PlatformDown(f"Slack refuses the bot token: {error}. {FIX}") from error
            except SendError as error:
                log.warning("waiting for Slack: %s", error)
                told = error.retry_after if isinstance(error, NotSent) else None
                await asyncio.sleep(pause if told is None else told)
                pause = min(MAX_PAUSE, pause * 2)

    def forget(self) -> None:
        """Ask again next time."""
        self.known = None
