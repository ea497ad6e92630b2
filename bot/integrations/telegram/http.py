"""The HTTP backend under python-telegram-bot, on aiohttp: several times as fast as its own, and exact about failures.

Two things matter here beyond speed. A failure says whether the request may have reached Telegram (`LostRequest.sent`),
because only what surely did not may be sent again. And no message of an exception holds an address: Telegram's carry
the token in their path, and aiohttp's exceptions quote them.
"""

from __future__ import annotations

import errno
import io
import json
import os
from functools import lru_cache
from typing import Any
from urllib.request import getproxies, proxy_bypass

import aiohttp
from telegram.error import TelegramError
from telegram.request import BaseRequest, RequestData
from yarl import URL

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
LOOPBACK = ("localhost", "127.0.0.1", "::1")
BEFORE_SENDING = (
    aiohttp.ClientConnectorError,  # refused, no route, name not found, TLS handshake failed
    aiohttp.ConnectionTimeoutError,  # no free connection, or none established, in time
    aiohttp.ClientHttpProxyError,  # the proxy refused to make a tunnel
    aiohttp.InvalidURL,
)


class LostRequest(TelegramError):
    """No answer came. `sent` tells whether the request may have reached Telegram."""

    __slots__ = ("sent",)

    def __init__(self, reason: str, *, sent: bool) -> None:
        super().__init__(reason)
        self.sent = sent


class ErrorAnswer(TelegramError):
    """Telegram (or a proxy before it) answered with something other than success.

    `code` is the HTTP status; `genuine` says that the body was Telegram's error object, whose `description` and
    `parameters` (https://core.telegram.org/bots/api#responseparameters) follow.
    """

    __slots__ = ("code", "description", "genuine", "migrate_to", "retry_after")

    def __init__(self, code: int, body: bytes, retry_header: str = "") -> None:
        answer = _json_object(body)
        parameters = answer.get("parameters")
        hints = parameters if isinstance(parameters, dict) else {}
        self.code = code
        self.genuine = answer.get("ok") is False
        self.description = str(answer.get("description") or f"HTTP {code}")[:300]
        self.migrate_to = _integer(hints.get("migrate_to_chat_id"))
        self.retry_after = _integer(hints.get("retry_after")) or _integer(retry_header)
        super().__init__(self.description)


CONNECTIONS = 192
"""Whoever sends and whoever answers presses have 64 requests each under way, and others ask for this and that."""


class AiohttpRequest(BaseRequest):
    """Requests to the Bot API over one pool of kept connections. Nothing is ever sent twice.

    `deadline` bounds a whole request in seconds, `connect` the part before it is sent (a free connection, name look-up,
    handshake). A `read_timeout` given with a call replaces the deadline, as long polling needs; the other timeouts of
    python-telegram-bot's interface are parts of these two and are not looked at. A success is returned; any other
    status raises ErrorAnswer, no answer at all LostRequest. HTTPS_PROXY, HTTP_PROXY and NO_PROXY are honoured.
    """

    __slots__ = ("_connect", "_deadline", "_pool", "_session")

    def __init__(self, deadline: float = 10.0, connect: float = 4.0, pool: int = CONNECTIONS) -> None:
        self._deadline = deadline
        self._connect = connect
        self._pool = pool
        self._session: aiohttp.ClientSession | None = None

    @property
    def read_timeout(self) -> float | None:
        """Seconds within which a request ends when nothing else is said."""
        return self._deadline

    async def initialize(self) -> None:
        """Open the pool; a request does so too where it was forgotten."""
        self._open()

    async def shutdown(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    @staticmethod
    def parse_json_payload(payload: bytes) -> dict[str, Any]:
        """Read a successful answer. Unlike the base class's, this logs nothing of what it could not read."""
        answer = _json_object(payload)
        if "result" not in answer:
            raise LostRequest("the answer could not be read", sent=True)
        return answer

    async def do_request(  # noqa: PLR0917  (the SDK's signature)
        self,
        url: str,
        method: str,
        request_data: RequestData | None = None,
        read_timeout: object = BaseRequest.DEFAULT_NONE,
        write_timeout: object = BaseRequest.DEFAULT_NONE,
        connect_timeout: object = BaseRequest.DEFAULT_NONE,
        pool_timeout: object = BaseRequest.DEFAULT_NONE,
    ) -> tuple[int, bytes]:
        """Send one request; raises ErrorAnswer and LostRequest."""
        seconds = read_timeout if isinstance(read_timeout, int | float) else self._deadline
        lost: LostRequest
        try:
            return await self._exchange(method, url, request_data, float(seconds))
        except BEFORE_SENDING as error:
            lost = LostRequest(_describe(error), sent=False)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            lost = LostRequest(_describe(error), sent=True)
        raise lost  # outside of the handler, so that no traceback drags the token along

    async def _exchange(self, method: str, url: str, data: RequestData | None, seconds: float) -> tuple[int, bytes]:
        # The connect part stays shorter than the whole, so that running out of the whole always means "sent".
        timeout = aiohttp.ClientTimeout(total=seconds, connect=min(self._connect, seconds * 0.9))
        body, headers = _encode(data)
        address = _address(url)
        async with self._open().request(
            method,
            address,
            data=body,
            headers=headers,
            timeout=timeout,
            allow_redirects=False,
            proxy=_proxy(address.scheme, address.host or ""),
        ) as response:
            payload = await response.read()
        if not 200 <= response.status <= 299:
            raise ErrorAnswer(response.status, payload, response.headers.get("Retry-After", ""))
        return response.status, payload

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._pool, keepalive_timeout=30),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": self.USER_AGENT},
            )
        return self._session


_NOWHERE = URL("/")


def _encode(data: RequestData | None) -> tuple[bytes | aiohttp.FormData | None, dict[str, str] | None]:
    if data is None:
        return None, None
    if not data.contains_files:
        # yarl quotes in C, five times as fast as the standard library on Chinese text.
        return _NOWHERE.with_query(data.json_parameters).raw_query_string.encode("ascii"), FORM
    # File names go as they are, in UTF-8: Telegram shows quoted ones with their percent signs.
    form = aiohttp.FormData(quote_fields=False, default_to_multipart=True)
    for name, value in data.json_parameters.items():
        form.add_field(name, value)
    for name, (filename, content, media_type) in data.multipart_data.items():
        # As a stream: bytes in one piece would hold the loop up when there are millions of them.
        stream = io.BytesIO(content) if isinstance(content, bytes) else content
        form.add_field(name, stream, filename=filename, content_type=media_type)
    return form, None


def _describe(error: BaseException) -> str:
    """The kind of failure and the system's number for it, never aiohttp's own words: they may quote the address."""
    number: Any = getattr(getattr(error, "os_error", error), "errno", None)
    known = isinstance(number, int) and number in errno.errorcode
    return f"{type(error).__name__}: {os.strerror(number)}" if known else type(error).__name__


@lru_cache(maxsize=256)
def _address(url: str) -> URL:
    return URL(url, encoded=True)


@lru_cache(maxsize=16)
def _proxy(scheme: str, host: str) -> str | None:
    if host in LOOPBACK or proxy_bypass(host):
        return None
    return getproxies().get(scheme)


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _integer(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value[:9])
    return None
