"""What people are called. Message events carry ids only, and a card should name the person who asked."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from types import MappingProxyType

from bot.chat.ports import NotSent, Refused, SendError
from bot.integrations.slack.api import Api
from bot.integrations.slack.parse import string

PATIENCE = 1.0
"""Seconds that an event waits for a name; Slack wants its acknowledgement within three."""
REMEMBERED = 5000
PAUSE = 30.0
"""Seconds without look-ups after one that failed."""


class Names:
    """Display names by user id, looked up once and kept; a name that cannot be had is simply missing."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._known: OrderedDict[str, str] = OrderedDict()
        self._asking: dict[str, asyncio.Event] = {}
        self._quiet_until = 0.0
        self.known: Mapping[str, str] = MappingProxyType(self._known)

    async def learn(self, user: str) -> None:
        """Make sure that the user's name is known, if that is quickly possible. Never raises."""
        if not user or user in self._known or asyncio.get_running_loop().time() < self._quiet_until:
            return
        if user in self._asking:
            await self._asking[user].wait()
            return
        self._asking[user] = asyncio.Event()
        try:
            await self._ask(user)
        finally:
            self._asking.pop(user).set()

    async def _ask(self, user: str) -> None:
        now = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(PATIENCE):
                answer = await self._api.call("users.info", lambda web: web.users_info(user=user))
        except Refused:
            self._remember(user, None)
        except NotSent as error:
            self._quiet_until = now + (error.retry_after or PAUSE)
        except (SendError, TimeoutError):
            self._quiet_until = now + PAUSE
        else:
            self._remember(user, answer.data)

    def _remember(self, user: str, data: object) -> None:
        profile = string(data, "user", "profile", "display_name") or string(data, "user", "profile", "real_name")
        self._known[user] = profile or string(data, "user", "real_name") or string(data, "user", "name") or user
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
