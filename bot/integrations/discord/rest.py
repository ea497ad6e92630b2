"""Requests to Discord's REST interface, with an outcome that is known.

discord.py's own HTTP layer is not used for them. It sleeps through 429, repeats 5xx and keeps an answer back while a
bucket is empty, all behind one `await`: a deadline around that cannot tell what happened, and the limiter would never
hear of it. So each request here is one request, and whoever asks decides what comes after its answer.

Answers to interactions, and follow-ups to them, carry no nonce and must not be repeated: `Once` sends them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from discord.http import Route

from bot.chat.messages import Document
from bot.chat.ports import LimitSeen, NotSent, Refused, SendError, Unclear
from bot.integrations.discord.errors import GONE, NO_TOKEN, UNAUTHORIZED, failure, outcome
from bot.integrations.discord.fields import Json, snowflake
from bot.integrations.discord.limits import Limits
from bot.integrations.discord.wire import Wire

log = logging.getLogger("herald.discord")

PAUSES = (0.5, 1.0, 2.0, 4.0)
"""Seconds before each further try of a request that may be repeated."""
INVALID_FORM = "50035"
"""The code for a body that Discord does not take, whenever it is sent."""
LARGE = 1_000_000
"""Bytes of a file that may take more than half of a request's time."""
ROOM = 0.5
"""Seconds that a request needs at least: less is not waited for."""
NOT_LET_IN = (
    "Discord does not accept the bot's token: make a new one in the Developer Portal (Bot, Reset Token) "
    "and put it into HERALD_DISCORD__TOKEN."
)


@dataclass(frozen=True, slots=True)
class _Sent:
    """What a request carries."""

    json: object
    params: Mapping[str, str | int] | None
    file: Document | None


class Rest:
    """Calls with the bot's token. `timeout` is how long one may take, in seconds."""

    def __init__(self, wire: Wire, limits: Limits, api_url: str, token: str, timeout: float) -> None:
        self._api = api_url.rstrip("/")
        self._wire = wire
        self._limits = limits
        self._headers = {"Authorization": f"Bot {token}"}
        self.timeout = timeout
        """Seconds that a call may take where it is not told otherwise."""
        self.seen: Callable[[LimitSeen], None] | None = None
        """Hears of each limit that the answer to a create, an edit or a deletion names."""

    async def call(
        self,
        route: Route,
        *,
        json: Mapping[str, object] | list[object] | None = None,
        file: Document | None = None,
        params: Mapping[str, str | int] | None = None,
        within: float | None = None,
        repeat: bool | None = None,
    ) -> object:
        """The decoded answer. Raises NotSent, Refused, Unclear, `within` seconds (default: the request timeout).

        With `repeat` (reading does unless told otherwise) what fails or has to wait is tried again within that time.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + (within or self.timeout)
        pauses = iter(PAUSES if repeat or (repeat is None and route.method == "GET") else ())
        while True:
            try:
                return await self._attempt(route, _Sent(json, params, file), end)
            except (NotSent, Unclear) as error:
                pause = next(pauses, None)
                told = error.retry_after if isinstance(error, NotSent) else None
                wait = max(pause or 0.0, told or 0.0)
                if pause is None or loop.time() + wait + ROOM > end:
                    raise
            await asyncio.sleep(wait)

    async def create(
        self, route: Route, body: Mapping[str, object], file: Document | None = None, within: float | None = None
    ) -> str:
        """The id of the message that this makes, with a file; its body has a nonce. Raises NotSent, Refused, Unclear.

        It takes `within` seconds at most (default: the request timeout).

        An attempt with an unknown outcome is made again with the same nonce: Discord answers with the first one's
        message (`enforce_nonce`), so at most one is created. Empty: it was created, and has been deleted meanwhile.
        """
        loop = asyncio.get_running_loop()
        time = within or self.timeout
        end = loop.time() + time
        # The first attempt leaves time for another; a later one may use up what there is. A large file needs it all.
        first = time if file is not None and len(file.content) > LARGE else time / 2
        unclear: Unclear | None = None
        for pause in PAUSES:
            begun, half = loop.time(), loop.time() + first
            try:
                made = await self._attempt(route, _Sent(body, None, file), end if unclear else min(end, half))
                return _made(made)
            except Unclear as error:
                unclear = error
            except (NotSent, Refused) as error:
                if isinstance(error, Refused) and error.code == GONE:
                    # The nonce is known and its message is not: it was sent, and somebody has deleted it.
                    log.info("discord: a message was sent before and has been deleted meanwhile")
                    return ""
                if unclear is None or (isinstance(error, Refused) and error.code == INVALID_FORM):
                    raise
                unclear = Unclear(f"{unclear}, then {error}")
            wait = max(0.0, begun + pause - loop.time())
            if loop.time() + wait + ROOM > end:
                break
            log.info("discord: repeating a create with its nonce: %s", unclear)
            await asyncio.sleep(wait)
        raise unclear or Unclear("no answer")

    async def _attempt(self, route: Route, sent: _Sent, end: float) -> object:
        loop = asyncio.get_running_loop()
        await self._turn(route, end)
        left = end - loop.time()
        if left <= 0:
            raise NotSent("no time left")
        bucket = self._limits.began(route)
        try:
            response = await self._wire.ask(
                route.method,
                self._api + route.url.removeprefix(Route.BASE),
                left,
                json=sent.json,
                file=sent.file,
                params=sent.params,
                headers=self._headers,
            )
        finally:
            bucket.outgoing -= 1
        seen = self._limits.learn(route, response)
        if seen is not None and route.method != "GET":
            self._tell(seen)
        return outcome(response)

    def _tell(self, seen: LimitSeen) -> None:
        try:
            if self.seen is not None:
                self.seen(seen)
        except Exception:  # what was sent was sent, whoever stumbles over its limit
            log.exception("discord: a limit could not be taken note of")

    async def _turn(self, route: Route, end: float) -> None:
        """Wait until the request may be made. Raises NotSent where that is too long, Refused where it is no use."""
        loop = asyncio.get_running_loop()
        if self._limits.denied.is_set():
            raise Refused(NOT_LET_IN, NO_TOKEN)
        if (closed := self._limits.closed(route)) is not None:
            raise closed
        while (hold := self._limits.hold(route)) is not None:
            if loop.time() + hold.seconds + ROOM > end:
                raise NotSent(hold.reason, hold.seconds, hold.scope)
            await asyncio.sleep(hold.seconds)


def _made(answer: object) -> str:
    found: Json = answer if isinstance(answer, dict) else {}
    made = snowflake(found, "id")
    if made is None:
        raise Unclear("taken, but the answer names no message")
    return made


class Once:
    """Requests that are made exactly once: interaction answers and follow-ups, which need no bot token.

    They have three seconds and limits of their own: nothing holds them up, but what they meet counts.
    """

    def __init__(self, wire: Wire, limits: Limits, api_url: str, timeout: float) -> None:
        self._wire = wire
        self._limits = limits
        self._api = api_url.rstrip("/")
        self._timeout = timeout

    async def request(self, method: str, path: str, body: Mapping[str, object] | None = None) -> None:
        """Raises NotSent, Refused, Unclear."""
        response = await self._wire.ask(method, self._api + path, self._timeout, json=body)
        self._limits.count(response)
        if response.status == UNAUTHORIZED:
            raise Refused("Discord does not know this interaction", str(UNAUTHORIZED))
        if not response.good:
            raise _of_one(failure(response))


def _of_one(error: SendError) -> SendError:
    """What an interaction's token was told is not about the bot's other messages."""
    return NotSent(str(error), error.retry_after) if isinstance(error, NotSent) else error
