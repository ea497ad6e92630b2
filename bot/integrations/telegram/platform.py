"""Telegram as a chat platform."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial

from bot.chat.events import Event, ReplyHandle
from bot.chat.messages import NativePoll, Notice, Outgoing
from bot.chat.pictures import Pictures
from bot.chat.ports import Capabilities, CommandSpec, Hook, Refused, SetupFault, Sink, Unclear
from bot.chat.standings import Standing
from bot.domain.places import Channel, Member
from bot.integrations.telegram import files, native, notices, outgoing, render, setup
from bot.integrations.telegram.client import Client
from bot.integrations.telegram.clocks import Clocks
from bot.integrations.telegram.errors import NOBODY, PICTURE, Migrated
from bot.integrations.telegram.intake import Intake
from bot.integrations.telegram.links import ChatLinks
from bot.integrations.telegram.moves import Moves
from bot.integrations.telegram.notices import Shut
from bot.integrations.telegram.parse import PLATFORM, UpdateReader
from bot.integrations.telegram.places import is_poll, name_of, split
from bot.integrations.telegram.poll import Poller
from bot.integrations.telegram.pulse import Pulse
from bot.integrations.telegram.standings import ADMINISTRATOR, Looking
from bot.integrations.telegram.texts import AHEAD, MAX_TEXT, Params, Unsendable
from bot.integrations.telegram.webhook import PATH, Address, Webhook, secret_for

STRANDED = "the message stayed behind when its group became a supergroup: no bot can reach it any more"


@dataclass(frozen=True, slots=True)
class TelegramConfig:
    """What a Telegram bot needs: its token, where its Bot API is, and the ids of the chats it watches.

    `channels` are the ids of all chats in the settings: their moves are followed.

    `poll_timeout` are the seconds that one poll may wait for updates, `request_timeout` those of any other call. With
    `webhook_url` updates are not polled: Telegram delivers them there.
    """

    token: str = field(repr=False)
    api_url: str = "https://api.telegram.org"
    watched: tuple[str, ...] = ()
    poll_timeout: int = 10
    request_timeout: float = 10.0
    channels: tuple[str, ...] = ()
    webhook_url: str = ""
    webhook_secret: str = field(default="", repr=False)


class TelegramPlatform:
    """One Telegram bot. Satisfies Platform and the small protocols, but for Finds and ReadsVotes."""

    def __init__(
        self, config: TelegramConfig, now: Callable[[], float] = time.time, clocks: Clocks | None = None
    ) -> None:
        """Open nothing yet. `now` is a wall clock in UTC seconds; `clocks` (the same `now` and the machine's where they
        are not given) are what receiving goes by."""
        self.tenant = config.token.partition(":")[0]
        self._config = config
        self._now = now
        self._clocks = clocks or Clocks(now)
        self._client = Client(config.token, config.api_url, config.request_timeout)
        self._reader = UpdateReader(self.tenant)
        self._shut = Shut(self._clocks.monotonic)
        self._pulse = Pulse(self.tenant, self._clocks)
        self._moves = Moves(self.tenant, (*config.watched, *config.channels))
        self._pictures = Pictures({PICTURE})
        self._links = ChatLinks(self._client)
        self._looking = Looking(self._client, self._clocks, self._moves)
        self._intake = Intake(self._reader, self._pulse, self._moves, self._clocks, self._shut.heard)
        address = Address(config.webhook_url, secret_for(config.token, config.webhook_secret))
        self._webhook = Webhook(self._client, self._intake, self._pulse, address, self._clocks)

    @property
    def name(self) -> str:
        """`telegram`."""
        return PLATFORM

    @property
    def capabilities(self) -> Capabilities:
        """What a Telegram bot can do.

        `private` is False: a press can be answered privately, but to a typed command there is no private answer in a
        group. Telegram has no forms, never tells of deletions, and keeps no key to find a sent message by.
        """
        return Capabilities(
            max_reply=MAX_TEXT,
            max_draft=render.MAX_DRAFT,
            units="utf16",
            forms=False,
            threads=True,
            private=False,
            delete=True,
            polls=native.LIMITS,
            max_file=files.MAX_FILE,
            boosts=True,
        )

    def parse(self, raw: str) -> Event | None:
        """Read a stored update again; None where it is of no use. Never raises."""
        event = self._reader.read(raw)
        self._shut.heard(event)
        return event

    async def run(self, sink: Sink, ready: Callable[[], None]) -> None:
        """Receive until cancelled; nothing is confirmed that the sink has not taken. Raises PlatformDown."""
        if self._config.webhook_url:
            await self._webhook.run(self._reader, sink, ready)
        poller = Poller(self._client, self._reader, self._intake, self._pulse, self._clocks)
        await poller.run(sink, self._config.poll_timeout, ready)

    def hooks(self, sink: Sink) -> Mapping[str, Hook]:
        """What answers Telegram's deliveries, where a webhook is wanted."""
        return {PATH: partial(self._webhook.answer, sink)} if self._config.webhook_url else {}

    async def send(self, message: Outgoing, to: Channel, key: str) -> str:
        """Send a message; its id. Telegram takes no key of ours: an unclear send cannot be looked up.

        Raises NotSent, Refused, Unclear.
        """

        async def create(one: Outgoing, within: float) -> str:
            async with _bounded(within):
                try:
                    return await self._send(one, to)
                except Migrated as moved:
                    if not self._moves.learn(to.channel_id, moved.chat):
                        raise
                return await self._send(one, to)  # surely not sent: there is nobody left in the old group

        return await self._pictures.shown(message, self._config.request_timeout, create)

    async def _send(self, message: Outgoing, to: Channel) -> str:
        message, chat = self._moves.address(message, to)
        try:
            method, parameters = outgoing.create(message, self._now() + AHEAD)
        except Unsendable as error:
            raise Refused(str(error), error.code) from error
        answer = await self._client.ask(method, **_place(chat, to.thread_id), **parameters)
        try:
            poll = str(answer["poll"]["id"]) if isinstance(message, NativePoll) else ""
            return name_of(str(int(answer["message_id"])), chat, to.channel_id, poll)
        except (TypeError, KeyError, ValueError):
            raise Unclear("Telegram did not say which message it made") from None

    async def edit(self, message: Outgoing, at: Channel, message_id: str) -> None:
        """Replace a message; an unchanged one is a success, one that is gone is Refused with code `gone`.

        Native polls and files stay as they were sent.
        """
        if is_poll(message_id):
            raise Refused("a native poll stays as it was sent", "unsendable")

        async def change(one: Outgoing, within: float) -> None:
            try:
                method, parameters = outgoing.change(one, self._now() + AHEAD)
            except Unsendable as error:
                raise Refused(str(error), error.code) from error
            async with _bounded(within):
                await self._unless(("unmodified",), method, self._message(at, message_id) | parameters)

        try:
            await self._pictures.shown(message, self._config.request_timeout, change)
        except Migrated as moved:
            if not self._moves.learn(at.channel_id, moved.chat):
                raise
            raise Refused(STRANDED, "gone") from moved

    async def delete(self, at: Channel, message_id: str) -> None:
        """Delete a message; one that is gone is a success. Telegram refuses it for messages older than 48 hours."""
        try:
            parameters = self._message(at, message_id)
        except Refused as refused:
            raise Refused(str(refused), "migrated") from refused  # it is still there to be seen
        await self._unless(("gone",), "deleteMessage", parameters)

    async def end_poll(self, at: Channel, message_id: str) -> None:
        """Stop a native poll; one that has ended, is gone or stayed behind in a former group is a success."""
        try:
            await self._unless(("ended", "gone"), "stopPoll", self._message(at, message_id))
        except Migrated as moved:
            self._moves.learn(at.channel_id, moved.chat)
        except Refused as refused:
            if refused.code != "gone":
                raise

    async def notify(self, notice: Notice, at: Channel, reply: ReplyHandle, key: str = "") -> None:
        """Tell one person: by the callback answer, else a private message, else the hint in the chat."""
        there = replace(at, channel_id=self._moves.chat(at))
        if there != at and split(reply.get("message_id", ""))[1] is None:
            reply = {key: value for key, value in reply.items() if key != "message_id"}  # it stayed in the old group
        await notices.notify(self._client, notice, there, reply, self._now(), self._shut)

    async def holds(self, member: Member, role: str) -> bool:
        """Whether the member is an administrator of the chat in `administrator@<chat id>`. Raises SendError."""
        chat = role.removeprefix(ADMINISTRATOR)
        if chat == role or (member.platform, member.tenant) != (PLATFORM, self.tenant):
            return False
        chat = self._moves.chat(Channel(PLATFORM, self.tenant, chat))
        try:
            answer = await self._client.ask("getChatMember", chat_id=_number(chat), user_id=_number(member.user_id))
        except Refused as refused:
            if refused.code == NOBODY:
                return False
            raise
        return answer.get("status") in ("creator", "administrator")

    async def standings(
        self, members: Collection[Member], at: Channel, roles: Collection[str]
    ) -> Mapping[Member, Standing]:
        """As `ReadsStandings.standings`, in the chat of this channel: each member takes a request, and one more where
        `booster@<chat id>` is among the roles. Who boosts is told where the bot is an administrator."""
        ours = [member for member in members if (member.platform, member.tenant) == (PLATFORM, self.tenant)]
        return await self._looking.standings(ours, at.channel_id, roles)

    async def link(self, at: Channel, message_id: str) -> str | None:
        """As `Links.link`: by the chat's public name, else for its members; basic groups have no addresses."""
        return await self._links.link(self._moves.chat(at), message_id)

    async def register(self, commands: Sequence[CommandSpec]) -> None:
        """Fill the command menus, in English and Chinese; staff commands only for administrators of groups."""
        await setup.register(self._client, commands)

    async def check(self, channels: Sequence[Channel]) -> list[SetupFault]:
        """Faults of the token, the webhook, privacy mode and the bot's rights in these and the watched channels."""
        ours = [channel for channel in channels if (channel.platform, channel.tenant) == (PLATFORM, self.tenant)]
        return await setup.check(self._client, ours, self._config.watched, self._config.webhook_url)

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.close()

    def _message(self, at: Channel, message_id: str) -> Params:
        number, chat = split(message_id)
        if chat is None and self._moves.chat(at) != at.channel_id:
            raise Refused(STRANDED, "gone")
        return {"chat_id": _number(chat or at.channel_id), "message_id": _number(number)}

    async def _unless(self, harmless: Collection[str], method: str, parameters: Params) -> None:
        try:
            await self._client.call(method, **parameters)
        except Refused as refused:
            if refused.code not in harmless:
                raise


@asynccontextmanager
async def _bounded(within: float) -> AsyncIterator[None]:
    """Unclear after so many seconds: the request of the inside may have arrived."""
    try:
        async with asyncio.timeout(within):
            yield
    except TimeoutError as error:
        raise Unclear("Telegram did not answer in time") from error


def _place(chat: str, thread_id: str | None) -> Params:
    thread: Params = {"message_thread_id": _number(thread_id)} if thread_id else {}
    return thread | {"chat_id": _number(chat)}


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise Refused(f"{text[:40]!r} is not a number of Telegram's", "unsendable") from None
