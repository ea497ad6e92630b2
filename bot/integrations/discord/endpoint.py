"""Interactions that Discord brings over HTTP, instead of over the gateway.

Discord signs each request with the application's key (reference, "Interactions: Receiving and Responding"), and asks
now and then with false signatures whether they are looked at. What is signed is stored, and the first answer is the
answer to the request.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from bot.chat.ports import HttpReply, HttpRequest, Sink, StoreUnavailable
from bot.domain.failpoints import Point, reach
from bot.integrations.discord.answers import immediate
from bot.integrations.discord.fields import Json, number, snowflake, text
from bot.integrations.discord.inbound import ANSWER_WITHIN, INTERACTIONS, Inbound

log = logging.getLogger("herald.discord")

PATH = "/discord/interactions"
LINGER = 0.2
"""Seconds after our answer is given until Discord surely has it."""
LARGEST = 256 * 1024
"""Bytes of an interaction. The largest form is far below, and reading more could keep the loop busy for too long."""
_SIGNATURE = re.compile(r"[0-9a-fA-F]{128}")
_TIMESTAMP = re.compile(r"[0-9]{1,20}")
_LONG_NUMBER = re.compile(rb"[0-9]{20}")
_PING, _COMMAND, _COMPLETION = 1, 2, 4
_PONG, _NO_CHOICES = 1, 8


class NotJson(Exception):
    """A body that is not the JSON that Discord sends."""


class Endpoint:
    """Hears interactions. `public_key` is the application's, in hexadecimal; ValueError when it is none."""

    def __init__(self, public_key: str, inbound: Inbound, sink: Sink) -> None:
        self._key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key))
        self._inbound = inbound
        self._sink = sink
        self._in_hand = 0

    async def hear(self, request: HttpRequest) -> HttpReply:
        """Answer one request, as `Hook`: after it is stored, within Discord's three seconds."""
        if not self._signed(request):
            log.info("discord: an interaction without Discord's signature was refused")
            return HttpReply(401, b"invalid request signature")
        try:
            interaction = strict(request.body)
        except NotJson:
            return HttpReply(400, b"not an interaction")
        kind = number(interaction, "type")
        if kind == _PING:
            return _said({"type": _PONG})
        named = snowflake(interaction, "id") and text(interaction, "token") and snowflake(interaction, "application_id")
        if kind is None or kind < _COMMAND or not named or not isinstance(interaction.get("data", {}), dict):
            return HttpReply(400, b"not an interaction")
        with self._inbound.hand.held(interaction, LINGER):
            return await self._taken(interaction, kind)

    def _signed(self, request: HttpRequest) -> bool:
        signature = request.headers.get("x-signature-ed25519", "")
        timestamp = request.headers.get("x-signature-timestamp", "")
        if not (_SIGNATURE.fullmatch(signature) and _TIMESTAMP.fullmatch(timestamp)):
            return False
        try:
            self._key.verify(bytes.fromhex(signature), timestamp.encode("ascii") + request.body)
        except InvalidSignature:
            return False
        return True

    async def _taken(self, interaction: Json, kind: int) -> HttpReply:
        frame: dict[str, object] = {"t": "INTERACTION_CREATE", "d": interaction}
        incoming = self._inbound.incoming(frame)
        if incoming is None or not self._inbound.ours(frame):
            return HttpReply(202)
        if self._in_hand >= INTERACTIONS:
            raise StoreUnavailable
        self._in_hand += 1
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                [answer] = await self._sink.accept([incoming])
        except TimeoutError:
            # Not acknowledged: Discord tells the member that it failed, and they press again.
            log.warning("discord: interaction %s not stored in time", incoming.external_id)
            raise StoreUnavailable from None
        finally:
            self._in_hand -= 1
        reach(Point.DISCORD_ANSWERING)
        if kind == _COMPLETION:
            return _said({"type": _NO_CHOICES, "data": {"choices": []}})
        if incoming.event is None:
            return HttpReply(202)  # stored as of no use; nothing is shown
        return _said(immediate(interaction, answer))


def _said(body: Mapping[str, object]) -> HttpReply:
    return HttpReply(200, json.dumps(body).encode(), "application/json")


def strict(body: bytes) -> Json:
    """The object in a body. Raises NotJson, also for what JSON leaves open: doubled names, numbers without end, halves
    of surrogate pairs, nesting that could not be written again, and more than any interaction holds.
    """
    if len(body) > LARGEST:
        raise NotJson
    # Looking at every number is slow: it is done only where there is a long one, in a text perhaps.
    whole = _whole if _LONG_NUMBER.search(body) else None
    try:
        found = json.loads(body, object_pairs_hook=_unique, parse_int=whole)
        json.dumps(found, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except (ValueError, RecursionError):  # UnicodeError is a ValueError
        raise NotJson from None
    if not isinstance(found, dict):
        raise NotJson
    return found


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a name twice")
    return made


def _whole(digits: str) -> int:
    if len(digits) > 20:
        raise ValueError("a number without end")
    return int(digits)
