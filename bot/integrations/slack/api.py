"""The Web API through slack_sdk: one attempt per call, a hard deadline, errors told apart."""

from __future__ import annotations

import asyncio
import io
import ipaddress
import logging
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit
from urllib.request import proxy_bypass

import aiohttp
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse
from slack_sdk.webhook.async_client import AsyncWebhookClient

from bot.chat.ports import NotSent, SendError
from bot.integrations.slack.errors import classify, refusal

sdk_log = logging.getLogger("herald.slack.sdk")
"""The SDK's logger. It prints bodies and headers at DEBUG and INFO, hence never below WARNING."""
sdk_log.setLevel(logging.WARNING)

Call = Callable[[AsyncWebClient], Awaitable[AsyncSlackResponse]]

CONNECTIONS = 192
"""Whoever sends and whoever answers presses have 64 requests each under way, and others ask for this and that."""
POST = "chat.postMessage"
"""The one method that Slack limits by channel; every other limit holds for a method in the whole workspace."""


class Api:
    """Slack's Web API for one bot token."""

    def __init__(self, token: str, url: str, timeout: float) -> None:
        self.timeout = timeout
        self._token, self._url = token, url
        self._session: aiohttp.ClientSession | None = None
        self._web: AsyncWebClient | None = None
        self._paused: dict[str, float] = {}

    @property
    def web(self) -> AsyncWebClient:
        """The SDK's client, made at the first use (it needs the running loop). It retries nothing."""
        if self._web is None:
            self._web = AsyncWebClient(
                token=self._token, base_url=self._url, session=self._open(), logger=sdk_log, retry_handlers=[]
            )
            if is_direct(self._url):
                self._web.proxy = None
        return self._web

    async def call(self, method: str, call: Call, within: float | None = None) -> AsyncSlackResponse:
        """Make one call, once, `within` seconds (default: the deadline). Raises NotSent, Refused, Unclear.

        A method that Slack told us to leave alone is not called before that time is over.
        """
        now = asyncio.get_running_loop().time()
        if (left := self._paused.get(method, now) - now) > 0:
            raise NotSent(f"Slack asked to wait with {method}", retry_after=left)
        try:
            async with asyncio.timeout(self.timeout if within is None else within):
                return await call(self.web)
        except Exception as error:
            failure = classify(error)
            self._note(method, failure)
            raise failure from error

    def _note(self, method: str, failure: SendError) -> None:
        if method != POST and isinstance(failure, NotSent) and failure.retry_after is not None:
            self._paused[method] = asyncio.get_running_loop().time() + failure.retry_after

    async def respond(self, url: str, text: str, blocks: list[dict[str, object]]) -> None:
        """Answer privately through a response_url (5 uses, 30 minutes). Raises as `call`."""
        hook = AsyncWebhookClient(url, session=self._open(), logger=sdk_log, retry_handlers=[])
        if is_direct(url):
            hook.proxy = None
        try:
            async with asyncio.timeout(self.timeout):
                answer = await hook.send(text=text, blocks=blocks, response_type="ephemeral", replace_original=False)
        except Exception as error:
            raise classify(error) from error
        if answer.status_code != 200:
            raise refusal(answer.status_code, "", answer.headers)

    async def put(self, url: str, content: bytes) -> None:
        """Put a file where files.getUploadURLExternal said; the token does not go there. Raises as `call`."""
        proxy = None if is_direct(url) else self.web.proxy
        try:
            async with (
                asyncio.timeout(self.timeout),
                # As a stream: bytes in one piece would hold the loop up when there are millions of them.
                self._open().post(url, data=io.BytesIO(content), proxy=proxy, allow_redirects=False) as answer,
            ):
                await answer.read()
        except Exception as error:
            raise classify(error) from error
        if answer.status != 200:
            raise refusal(answer.status, "", answer.headers)

    async def close(self) -> None:
        """Let go of the connections; a later call opens new ones."""
        session, self._session, self._web = self._session, None, None
        if session is not None:
            await session.close()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            # A connection that does not come about is surely nothing sent: it gets the shorter half of the deadline.
            limits = aiohttp.ClientTimeout(total=self.timeout, connect=self.timeout / 2)
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONNECTIONS), timeout=limits)
        return self._session


def is_direct(url: str) -> bool:
    """Whether this address is reached without the proxy of the environment (the SDK does not know `no_proxy`)."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or bool(proxy_bypass(host))
