"""A local Telegram: a Bot API server with groups, private chats and people in them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from aiohttp import web

from bot.sandbox.frame import ControlError, Fault, Faults, Frame, Json, Seen
from bot.sandbox.telegram.http import BotApi
from bot.sandbox.telegram.limits import PUBLISHED, Limits
from bot.sandbox.telegram.looks import Looks
from bot.sandbox.telegram.members import Members
from bot.sandbox.telegram.methods import Api, polls
from bot.sandbox.telegram.params import Tables
from bot.sandbox.telegram.people import Call, People
from bot.sandbox.telegram.updates import Updates
from bot.sandbox.telegram.world import BOT_ID, GROUPS, TOKEN, WEBHOOK_SECRET, World

_LOOK_SECONDS = 3600.0


class TelegramServer:
    """The platform `telegram`: one bot, three supergroups, private chats. Its only tenant is the bot itself."""

    name = "telegram"

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self.published: Mapping[str, Json] = PUBLISHED if frame.limits else {}
        self.faults = Faults()
        updates = Updates(frame, self.faults)
        self._api = Api(frame, World(frame.clock), updates, Limits(frame.clock, frame.limits), Tables())
        self._people = People(self._api)
        self._looks = Looks(self._api.world)
        self.file = self._looks.file
        self._members = Members(self._api)
        self._http = BotApi(self._api, self.faults)
        updates.on_reply = self._http.reply
        self._timer: asyncio.TimerHandle | None = None
        self._api.on_poll = self._close_polls
        frame.clock.on_advance(self._close_polls)

    def routes(self) -> list[web.RouteDef]:
        """The Bot API's routes."""
        return self._http.routes()

    def environment(self) -> dict[str, str]:
        """Address and token for a bot, and a secret that it may give its webhook."""
        return {
            "HERALD_TELEGRAM__API_URL": self._frame.base,
            "HERALD_TELEGRAM__TOKEN": TOKEN,
            "HERALD_TELEGRAM__WEBHOOK_SECRET": WEBHOOK_SECRET,
        }

    def channels(self) -> dict[str, str | int]:
        """The groups' ids."""
        return dict(GROUPS)

    async def endpoint(self, url: str, kind: str | None) -> Json:
        """Telegram is told by the bot itself."""
        raise ControlError("Telegram has no page for that: the bot calls setWebhook")

    def populate(self, count: int, prefix: str, tenant: str | None) -> list[str]:
        """Private chats with people who have pressed Start; nothing is told of it."""
        _check_tenant(tenant)
        return [str(self._api.world.started(f"{prefix}{number}").id) for number in range(1, count + 1)]

    def member(self, member: str, fields: Mapping[str, Json], tenant: str | None) -> dict[str, str]:
        """Add or change a member (see `Members.change`)."""
        _check_tenant(tenant)
        return {"member_id": str(self._members.change(member, fields).id), "tenant": str(BOT_ID)}

    async def say(self, call: Call) -> str:
        """A member writes; the message's id."""
        _check_tenant(call.get("tenant"))
        return str(self._people.say(call).id)

    async def command(self, call: Call) -> Json:
        """A command is a message that begins with a slash."""
        if not call["text"].startswith("/"):
            raise ControlError("a command begins with /")
        return {"message_id": await self.say(call)}

    async def click(self, call: Call) -> Json:
        """Press a button; `{"toast", "alert"}` if the bot answered within three seconds, `{"form"}` if it asked."""
        _check_tenant(call.get("tenant"))
        return await self._people.click(call)

    async def submit(self, call: Call) -> Json:
        """Reply to a prompt."""
        _check_tenant(call.get("tenant"))
        return {"message_id": str(self._people.submit(call).id)}

    async def vote(self, call: Call) -> Json:
        """Vote in a native poll (indexes or texts of options)."""
        return self._people.vote(call)

    async def react(self, call: Call) -> Json:
        """React to a message."""
        return self._people.react(call)

    async def edit(self, call: Call) -> Json:
        """Change a message."""
        return self._people.edit(call)

    async def delete(self, call: Call) -> Json:
        """Delete a message."""
        return self._people.delete(call)

    async def raw(self, event: Json) -> Json:
        """Put anything into the queue of updates."""
        self._api.updates.inject(event)
        return {}

    def seen(self, channel: str, member: str | None, tenant: str | None) -> list[Seen]:
        """What a member sees in a chat."""
        _check_tenant(tenant)
        return self._looks.seen(channel, member)

    async def fault(self, fault: Fault) -> None:
        """Take on a fault: `disconnect` cuts the waiting poll, `deaf` answers polls with nothing."""
        if fault.kind == "invalid_session":
            raise ControlError("Telegram has no sessions that could be invalid")
        if fault.kind == "disconnect":
            if not self._api.updates.disconnect():
                raise ControlError("nobody is polling, so there is no connection to cut")
        elif fault.kind == "deaf":
            self._api.updates.ears.deafen(30.0 if fault.seconds is None else fault.seconds)
        else:
            self.faults.add(fault)

    def _close_polls(self) -> None:
        """Close polls that are due, now and when the next one is."""
        if self._timer is not None:
            self._timer.cancel()
        wait = polls.close_due(self._api)
        loop = asyncio.get_running_loop()
        self._timer = None if wait is None else loop.call_later(min(wait, _LOOK_SECONDS), self._close_polls)

    async def close(self) -> None:
        """End polls, webhook and timer."""
        if self._timer is not None:
            self._timer.cancel()
        await self._api.updates.close()


def _check_tenant(tenant: str | None) -> None:
    if tenant not in (None, str(BOT_ID)):
        raise ControlError(f"Telegram's only tenant is the bot, {BOT_ID}")
