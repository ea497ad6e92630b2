"""HTTP as it is: each request made once, each answer given as it came, each failure named for what it proves."""

from __future__ import annotations

import asyncio
import io
import json
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from importlib.metadata import PackageNotFoundError, version

import aiohttp

from bot.chat.messages import Document
from bot.chat.ports import NotSent, Unclear
from bot.integrations.discord.errors import Response

CONNECT = 0.8
"""The part of a request's time in which the connection must stand; what fails before surely was not sent."""
CONNECTIONS = 192
"""Whoever sends and whoever answers presses have 64 requests each under way; first answers to interactions come on top.
"""


def _agent() -> str:
    """How a bot must name itself (Discord reference, "User Agent")."""
    try:
        return f"DiscordBot (herald-bot, {version('herald-bot')})"
    except PackageNotFoundError:
        return "DiscordBot (herald-bot, 0)"


class Wire:
    """Connections to Discord's API. They are made when they are needed, also after `close`."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        self.ahead = 0.0
        """Seconds by which Discord's clock is ahead of this machine's, by its latest answer (whole seconds)."""

    async def ask(
        self,
        method: str,
        url: str,
        within: float,
        *,
        json: object = None,
        file: Document | None = None,
        params: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """The answer, whatever it is, in `within` seconds; a `file` goes beside the JSON. Raises NotSent, Unclear."""
        session = self._opened()
        limits = aiohttp.ClientTimeout(total=None, connect=max(0.01, within * CONNECT))
        try:
            async with (
                asyncio.timeout(within),
                session.request(
                    method,
                    url,
                    json=None if file else json,
                    data=_parts(json, file) if file else None,
                    params=params,
                    headers=headers,
                    allow_redirects=False,
                    timeout=limits,
                ) as answer,
            ):
                self._look_at(answer.headers.get("Date"))
                return Response(answer.status, answer.headers, decoded(await answer.read()))
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise NotSent(f"no connection: {type(error).__name__}") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unclear(f"no answer: {type(error).__name__}") from error

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=CONNECTIONS),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": _agent()},
            )
        return self._session

    def _look_at(self, date: str | None) -> None:
        try:
            self.ahead = parsedate_to_datetime(date).timestamp() - time.time() if date else self.ahead
        except (TypeError, ValueError, OverflowError):
            return

    async def close(self) -> None:
        """Let go of the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()


def _parts(body: object, file: Document) -> aiohttp.FormData:
    """JSON and file as Discord takes them together (reference, "Uploading Files"); it can be read only once."""
    parts = aiohttp.FormData(quote_fields=False, default_to_multipart=True)
    parts.add_field("payload_json", json.dumps(body), content_type="application/json")
    # As a stream: bytes in one piece would hold the loop up when there are millions of them.
    parts.add_field("files[0]", io.BytesIO(file.content), filename=file.name, content_type=file.media_type)
    return parts


def decoded(body: bytes) -> object:
    """The JSON of an answer, its text where it is none; None for an empty one."""
    if not body:
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return body.decode("utf-8", "replace")
