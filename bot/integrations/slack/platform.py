"""Slack as a chat platform."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bot.chat.events import Event, ReplyHandle
from bot.chat.messages import Notice, Outgoing
from bot.chat.ports import Capabilities, PlatformDown, Refused, SendError, SetupFault, Sink, Unclear
from bot.domain.places import Channel, Member
from bot.integrations.slack import checks, notices, render
from bot.integrations.slack.api import Api
from bot.integrations.slack.backfill import Backfill
from bot.integrations.slack.errors import GONE
from bot.integrations.slack.inbound import Inbound, People
from bot.integrations.slack.names import Names
from bot.integrations.slack.parse import PLATFORM, Context, items, parse, string
from bot.integrations.slack.socket import GRACE, Link

log = logging.getLogger("herald.slack")

MAX_PAUSE = 30.0
FIX = "Install the app again under OAuth & Permissions and set the bot token as HERALD_SLACK__BOT_TOKEN."

_NO_GROUP = frozenset({"no_such_subteam", "subteam_not_found"})


@dataclass(frozen=True, slots=True)
class SlackConfig:
    """Where Slack is and as whom we come. `watched` are channel ids; `request_timeout` is in seconds."""

    bot_token: str
    app_token: str
    api_url: str = "https://slack.com/api/"
    watched: tuple[str, ...] = ()
    request_timeout: float = 10.0


class SlackPlatform:
    """One Slack workspace."""

    def __init__(self, config: SlackConfig) -> None:
        self._config = config
        self._api = Api(config.bot_token, config.api_url, config.request_timeout)
        self._names = Names(self._api)
        self._context = Context(names=self._names.known)

    @property
    def name(self) -> str:
        """`slack`."""
        return PLATFORM

    @property
    def capabilities(self) -> Capabilities:
        """What Slack can do."""
        return Capabilities(max_reply=render.MAX_REPLY, max_draft=render.MAX_DRAFT)

    def parse(self, raw: str) -> Event | None:
        """Read a stored raw event again; None where it cannot be read or is of no use."""
        try:
            return self._read(json.loads(raw))
        except (ValueError, RecursionError):
            return None

    async def run(self, sink: Sink, ready: Callable[[], None]) -> None:
        """Connect and hand over events until cancelled. Raises PlatformDown when a token is refused."""
        await self._sign_in()
        team = self._context.team_id
        backfill = Backfill(self._api, team, self._config.watched, self._read, self._names.learn)
        people = People(self._read, self._names.learn, self._names.known, self.notify)
        inbound = Inbound(self._api, f"{PLATFORM}:{team}", sink, backfill, people)
        once = iter([ready])

        def opened(app_id: str, gap: bool) -> None:
            self._context = replace(self._context, app_id=app_id)
            if gap:
                backfill.gap()
            for tell in once:
                tell()

        link = Link(self._api, self._config.app_token, inbound.handle, opened)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(backfill.run(sink))
                group.create_task(link.run())
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from None
        finally:
            await inbound.close(GRACE)

    async def send(self, message: Outgoing, to: Channel, key: str) -> str:
        """Create a message, one attempt; its `ts`. Raises NotSent, Refused, Unclear."""
        arguments = render.post(message, to, key)
        answer = await self._api.call(lambda web: web.chat_postMessage(**arguments))
        if not (ts := string(answer.data, "ts")):
            raise Unclear("Slack took the message without naming it")
        return ts

    async def edit(self, message: Outgoing, at: Channel, message_id: str) -> None:
        """Replace a message of ours. Raises as `send`; Refused with code `gone` where it is not there any more."""
        arguments = render.update(message, at, message_id)
        await self._api.call(lambda web: web.chat_update(**arguments))

    async def delete(self, at: Channel, message_id: str) -> None:
        """Delete a message of ours; one that is gone is a success. Raises as `send`."""
        try:
            await self._api.call(lambda web: web.chat_delete(channel=at.channel_id, ts=message_id))
        except Refused as error:
            if error.code != GONE:
                raise

    async def notify(self, notice: Notice, at: Channel, reply: ReplyHandle) -> None:
        """Tell one person. Raises as `send`."""
        await notices.notify(self._api, notice, at, reply)

    async def holds(self, member: Member, role: str) -> bool:
        """Whether the member is in the user group with this id now; nobody is in one that does not exist."""
        if (member.platform, member.tenant) != (PLATFORM, self._context.team_id):
            return False
        try:
            answer = await self._api.call(lambda web: web.usergroups_users_list(usergroup=role))
        except Refused as error:
            if error.code in _NO_GROUP:
                return False
            raise
        return member.user_id in items(answer.data, "users")

    async def check(self, channels: Sequence[Channel]) -> list[SetupFault]:
        """Faults of the tokens, the scopes and the bot's place in these channels."""
        return await checks.check(self._api, self._config.app_token, channels)

    async def close(self) -> None:
        """Let go of connections."""
        await self._api.close()

    def _read(self, payload: object) -> Event | None:
        return parse(payload, self._context)

    async def _sign_in(self) -> None:
        """Learn which workspace the token is for; waits for Slack as long as it takes. Raises PlatformDown."""
        pause = 0.5
        while True:
            try:
                who = await self._api.call(lambda web: web.auth_test())
            except Refused as error:
                raise PlatformDown(f"Slack refuses the bot token: {error}. {FIX}") from error
            except SendError as error:
                log.warning("waiting for Slack: %s", error)
                await asyncio.sleep(pause)
                pause = min(MAX_PAUSE, pause * 2)
            else:
                url = string(who.data, "url")
                url = url if not url or url.endswith("/") else f"{url}/"
                self._context = replace(self._context, team_id=string(who.data, "team_id"), team_url=url)
                return
