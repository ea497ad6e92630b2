"""Answering interactions: at once, when they are stored, and privately later."""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
from collections.abc import Callable, Mapping

from discord.http import Route

from bot.chat.events import ReplyHandle
from bot.chat.messages import Answer, FieldErrors, Notice, OpenForm
from bot.chat.ports import NotSent, Refused, SendError
from bot.domain.places import Channel
from bot.integrations.discord import render
from bot.integrations.discord.api import Api
from bot.integrations.discord.directs import Directs
from bot.integrations.discord.fields import Json, mapping, number, snowflake, text
from bot.integrations.discord.hands import InHand

log = logging.getLogger("herald.discord")

TOKEN_LIVES = 14 * 60.0
"""Seconds that an interaction's token is used: Discord lets it live for 15 minutes."""
_MESSAGE, _DEFER, _DEFER_UPDATE, _MODAL = 4, 5, 6, 9
_COMPONENT = 3
_TOO_EARLY = "10015"
"""Unknown Webhook: another process hears the interactions, and has not answered this one yet. Or the token is dead."""
YOUNG = 10.0
"""Seconds within which it is the former."""
EARLY = (0.05, 0.1, 0.2, 0.4, 0.8)
"""Seconds before each further try then. Several that were too early would look like a platform that is down."""
_TOO_LATE = frozenset({"10062", "40060"})
"""Unknown interaction, already acknowledged: nothing can be said at once any more."""


class Answers:
    """What one member is told about what they did. `now` gives UTC seconds."""

    def __init__(self, api: Api, now: Callable[[], float], hand: InHand) -> None:
        self._hand = hand
        self._once = api.once
        self._rest = api.rest
        self._directs = Directs(api.rest)
        self._now = now

    async def respond(self, interaction: Json, answer: Answer) -> None:
        """Answer an interaction that is stored. Failures are logged: nobody waits for this."""
        try:
            await self._callback(interaction, immediate(interaction, answer))
        except Refused as refused:
            log.warning("discord: interaction %s not answered: %s", snowflake(interaction, "id"), refused)
            if isinstance(answer, OpenForm) and refused.code not in _TOO_LATE:
                await self._say_failed(interaction, answer.form.failed)
        except SendError as error:
            log.warning("discord: interaction %s: %s", snowflake(interaction, "id"), error)

    async def _say_failed(self, interaction: Json, failed: str) -> None:
        try:
            await self._callback(interaction, {"type": _MESSAGE, "data": render.private(failed)})
        except SendError as error:
            log.warning("discord: interaction %s: %s", snowflake(interaction, "id"), error)

    async def _callback(self, interaction: Json, body: Mapping[str, object]) -> None:
        path = f"/interactions/{snowflake(interaction, 'id')}/{text(interaction, 'token')}/callback"
        await self._once.request("POST", path, body)

    async def notify(self, notice: Notice, at: Channel, reply: ReplyHandle, key: str = "") -> None:
        """As `Notifies.notify`."""
        if notice.direct:
            await self._directs.tell(notice, key)
            return
        if self._alive(reply):
            await self._hand.answered(reply["token"])
            try:
                await self._followed(notice, reply)
            except Refused as refused:
                log.info("discord: follow-up refused (%s), going on in private", refused.code)
            else:
                return
        if not (notice.toast or notice.passing) and notice.text:
            await self._elsewhere(notice, at)

    def _age(self, reply: ReplyHandle) -> float:
        """Seconds since the interaction; for ever where that is not known."""
        try:
            return self._now() - float(reply.get("at", ""))
        except ValueError:
            return math.inf

    def _alive(self, reply: ReplyHandle) -> bool:
        return self._age(reply) < TOKEN_LIVES and bool(reply.get("token")) and bool(reply.get("application_id"))

    async def _followed(self, notice: Notice, reply: ReplyHandle) -> None:
        """Follow up, again where that is too early. Raises SendError."""
        pauses = iter(EARLY)
        while True:
            try:
                await self._follow_up(notice, reply)
            except Refused as refused:
                if refused.code != _TOO_EARLY or self._age(reply) >= YOUNG:
                    raise
                pause = next(pauses, None)
                if pause is None:
                    raise NotSent("the interaction has not been answered yet") from refused
            else:
                return
            await asyncio.sleep(pause)

    async def _follow_up(self, notice: Notice, reply: ReplyHandle) -> None:
        """The first follow-up to a command takes the place of its "is thinking": it must have one, or go."""
        path = f"/webhooks/{reply['application_id']}/{reply['token']}"
        thinking = reply.get("kind") == "message"
        if thinking and not notice.text:
            await self._once.request("DELETE", f"{path}/messages/@original")
        elif thinking or (notice.text and not notice.toast):
            await self._once.request("POST", path, render.private(notice.text, notice.buttons))

    async def _elsewhere(self, notice: Notice, at: Channel) -> None:
        """In a direct conversation; where the member takes none, the hint in the channel."""
        user, key = notice.member.user_id, secrets.token_hex(12)
        try:
            channel = await self._directs.channel(user)
            await self._create(channel, render.direct(notice.text, notice.buttons, key))
        except Refused as refused:
            if not notice.hint:
                raise
            log.info("discord: somebody takes no direct messages (%s)", refused.code)
            await self._create(at.channel_id, render.hint(notice.hint, user, key))

    async def _create(self, channel: str, body: Mapping[str, object]) -> None:
        await self._rest.create(Route("POST", "/channels/{channel_id}/messages", channel_id=channel), body)


def immediate(interaction: Json, answer: Answer) -> dict[str, object]:
    """The body of the first answer, whichever way it goes."""
    if isinstance(answer, OpenForm):
        return {"type": _MODAL, "data": render.modal(answer.form)}
    if isinstance(answer, FieldErrors):
        return {"type": _MESSAGE, "data": render.faults(answer)}
    if number(interaction, "type") == _COMPONENT or mapping(interaction, "message"):
        return {"type": _DEFER_UPDATE}
    return {"type": _DEFER, "data": {"flags": render.EPHEMERAL}}
