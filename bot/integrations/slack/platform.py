"""Slack as a chat platform."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Mapping, Sequence

from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot.chat.events import Event, ReplyHandle
from bot.chat.messages import Document, Notice, Outgoing
from bot.chat.pictures import Pictures
from bot.chat.ports import Capabilities, Hook, Refused, SendError, SetupFault, Sink, Sought, StoreUnavailable, Unclear
from bot.chat.standings import Standing
from bot.domain.places import Channel, Member
from bot.integrations.slack import checks, files, notices, render
from bot.integrations.slack import standings as stands
from bot.integrations.slack.api import POST, Api
from bot.integrations.slack.config import SlackConfig
from bot.integrations.slack.directs import Directs
from bot.integrations.slack.errors import GONE
from bot.integrations.slack.find import find
from bot.integrations.slack.hearing import Hearing
from bot.integrations.slack.hooks import PATHS, Hooks, Receive
from bot.integrations.slack.names import Names
from bot.integrations.slack.parse import PLATFORM, Context, items, parse, permalink, stamped, string
from bot.integrations.slack.people import People
from bot.integrations.slack.signin import SignIn
from bot.integrations.slack.socket import GRACE

_BAD_PICTURE = frozenset({"invalid_blocks", "invalid_blocks_format", "downloading_image_failed"})
"""Slack fetches a picture at once, and refuses the whole message for one that it cannot have."""


class SlackPlatform:
    """One Slack workspace."""

    def __init__(self, config: SlackConfig, now: Callable[[], float] = time.time) -> None:
        """Open nothing yet. `now` is a wall clock in UTC seconds, by which requests are too old."""
        self._config = config
        self._now = now
        self._api = Api(config.bot_token, config.api_url, config.request_timeout)
        self._sign_in = SignIn(self._api)
        self._names = Names(self._api)
        self._directs = Directs(self._api)
        self._pictures = Pictures(_BAD_PICTURE)
        self._app_id = config.app_id
        self._heard: Hearing | None = None

    @property
    def name(self) -> str:
        """`slack`."""
        return PLATFORM

    @property
    def capabilities(self) -> Capabilities:
        """What Slack can do."""
        return Capabilities(max_reply=render.MAX_REPLY, max_draft=render.MAX_DRAFT, max_file=files.MAX_FILE)

    def parse(self, raw: str) -> Event | None:
        """Read a stored raw event again; None where it cannot be read or is of no use."""
        try:
            return self._read(json.loads(raw))
        except (ValueError, RecursionError):
            return None

    async def run(self, sink: Sink, ready: Callable[[], None]) -> None:
        """Connect and hand over events until cancelled. Raises PlatformDown when a token is refused."""
        await self._sign_in.patiently()
        hearing = await self._hearing(sink)
        try:
            await hearing.run(ready, self._named)
        finally:
            self._heard = None  # what it knew of gaps is old by the time somebody hears again

    def hooks(self, sink: Sink) -> Mapping[str, Hook]:
        """What answers Slack's requests, in HTTP mode."""
        if self._config.mode != "http" or not self._config.signing_secret:
            return {}

        async def hear() -> tuple[Context, Receive]:
            try:
                hearing = await self._hearing(sink)
            except SendError as error:
                raise StoreUnavailable("Slack has not said yet whose bot we are") from error
            return self._context(), hearing.inbound.receive

        hooks = Hooks(self._config.signing_secret, hear, self._now, time.monotonic)
        return dict.fromkeys(PATHS, hooks.answer)

    async def _hearing(self, sink: Sink) -> Hearing:
        """What hands over to this sink: one for requests and for `run`. Raises SendError."""
        who = await self._sign_in.who()
        if self._heard is None or self._heard.sink is not sink:
            people = People(
                self._read, self._names.learn, lambda payload: stamped(payload, self._context()), self.notify
            )
            self._heard = Hearing(self._api, who.team_id, sink, people, self._config, self._now)
        return self._heard

    def _named(self, app_id: str) -> None:
        self._app_id = app_id or self._app_id

    async def send(self, message: Outgoing, to: Channel, key: str) -> str:
        """Create a message, one attempt; its `ts`. Raises NotSent, Refused, Unclear.

        Slack shows a file some time after it has taken it: then the id is empty, and nothing can be done with it.
        """
        if isinstance(message, Document):
            return await files.send(self._api, message, to, key)

        async def post(one: Outgoing, within: float) -> AsyncSlackResponse:
            arguments = render.post(one, to, key)
            return await self._api.call(POST, lambda web: web.chat_postMessage(**arguments), within)

        answer = await self._pictures.shown(message, self._api.timeout, post)
        if not (ts := string(answer.data, "ts")):
            raise Unclear("Slack took the message without naming it")
        return ts

    async def edit(self, message: Outgoing, at: Channel, message_id: str) -> None:
        """Replace a message of ours. Raises as `send`; Refused with code `gone` where it is not there any more."""

        async def update(one: Outgoing, within: float) -> None:
            arguments = render.update(one, at, message_id)
            await self._api.call("chat.update", lambda web: web.chat_update(**arguments), within)

        await self._pictures.shown(message, self._api.timeout, update)

    async def delete(self, at: Channel, message_id: str) -> None:
        """Delete a message of ours; one that is gone is a success. Raises as `send`."""
        try:
            await self._api.call("chat.delete", lambda web: web.chat_delete(channel=at.channel_id, ts=message_id))
        except Refused as error:
            if error.code != GONE:
                raise

    async def notify(self, notice: Notice, at: Channel, reply: ReplyHandle, key: str = "") -> None:
        """Tell one person. Raises as `send`."""
        await notices.notify(self._api, self._directs, notice, at, reply, key)

    async def find(self, sought: Sought) -> str | None:
        """The `ts` of the message that carries this delivery id, or None: it is not there. Raises as `send`."""
        try:
            who = await self._sign_in.who()
        except Refused as error:
            raise Unclear(str(error)) from error
        return await find(self._api, who, sought)

    async def holds(self, member: Member, role: str) -> bool:
        """Whether the member is in the user group with this id now; nobody is in one that does not exist."""
        if (member.platform, member.tenant) != (PLATFORM, (await self._sign_in.who()).team_id):
            return False
        try:
            answer = await self._api.call(
                "usergroups.users.list", lambda web: web.usergroups_users_list(usergroup=role)
            )
        except Refused as error:
            if error.code in stands.NO_GROUP:
                return False
            raise
        return member.user_id in items(answer.data, "users")

    async def standings(
        self, members: Collection[Member], at: Channel, roles: Collection[str]
    ) -> Mapping[Member, Standing]:
        """As `ReadsStandings.standings`; Slack tells neither when somebody came nor when an account was made."""
        return await stands.standings(self._api, (await self._sign_in.who()).team_id, members, at, roles)

    async def link(self, at: Channel, message_id: str) -> str | None:
        """As `Links.link`: a message's address is the workspace's own."""
        return permalink((await self._sign_in.who()).team_url, at, message_id)

    async def check(self, channels: Sequence[Channel]) -> list[SetupFault]:
        """Faults of the tokens, the scopes and the bot's place in these channels."""
        return await checks.check(self._api, self._config, channels)

    async def close(self) -> None:
        """Let go of connections; a later call makes new ones."""
        heard, self._heard = self._heard, None
        if heard is not None:
            await heard.inbound.close(GRACE)
        self._sign_in.forget()
        await self._api.close()

    def _read(self, payload: object) -> Event | None:
        return parse(payload, self._context())

    def _context(self) -> Context:
        """What is known by now: ids that are not match everything."""
        who = self._sign_in.known
        known = (who.team_id, self._app_id, who.team_url) if who else ("", self._app_id, "")
        return Context(*known, names=self._names.known)
