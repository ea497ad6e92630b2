"""The Socket Mode side: one connection open at any time, the next one before the last is closed.

The SDK's client reconnects in place: it closes the old connection first, keeps trying a url whose ticket is spent, and
forgets the tasks that handle messages. So a `Socket` is used for one connection only, and a `Link` replaces it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import WSMsgType
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.web.async_client import AsyncWebClient

from bot.chat.ports import PlatformDown, Refused, SendError, Unclear
from bot.integrations.slack.api import Api, is_direct, sdk_log
from bot.integrations.slack.parse import string
from bot.integrations.slack.tasks import Tasks

log = logging.getLogger("herald.slack")

PING_INTERVAL = 5.0
"""Seconds between pings; the SDK calls a connection stale after four without an answer."""
GRACE = 2.0
"""Seconds that events already received get to be stored and acknowledged before their connection is closed."""
STEADY = 30.0
"""Seconds after which a connection counts as good and the next failure is retried at once."""
MAX_PAUSE = 30.0

Handle = Callable[["Socket", SocketModeRequest], Awaitable[None]]


class Socket(SocketModeClient):
    """One connection. `lost` is set when another one is needed, for whatever reason."""

    def __init__(self, app_token: str, web: AsyncWebClient, url: str, handle: Handle) -> None:
        super().__init__(app_token=app_token, logger=sdk_log, web_client=web, ping_interval=PING_INTERVAL)
        if is_direct(url):
            self.proxy = None
        self.wss_uri = url
        self.app_id = ""
        self.lost, self.greeted = asyncio.Event(), asyncio.Event()
        self._handle, self._tasks = handle, Tasks()
        self.message_listeners.append(self._greeting)
        self.socket_mode_request_listeners.append(self._request)

    @property
    def alive(self) -> bool:
        """Whether Slack can still deliver over it."""
        return not self.closed and self.current_session is not None and not self.current_session.closed

    async def connect(self) -> None:
        """Try once to open the connection; raises what aiohttp raises."""
        self.current_session = await self.aiohttp_client_session.ws_connect(
            self.wss_uri or "", autoping=False, heartbeat=self.ping_interval, proxy=self.proxy
        )
        self.current_session_monitor = asyncio.ensure_future(self.monitor_current_session())
        self.message_receiver = asyncio.ensure_future(self.receive_messages())

    async def connect_to_new_endpoint(self, force: bool = False) -> None:
        """What the SDK calls on a `disconnect` frame and on a stale connection: leave it to the Link."""
        self.lost.set()

    async def receive_messages(self) -> None:
        """Read until the connection ends, and say so at once (the SDK's own loop notices a cut seconds later)."""
        session = self.current_session
        try:
            while session is not None:
                message = await session.receive()
                if message.type is WSMsgType.TEXT:
                    await self.enqueue_message(message.data)
                elif message.type is WSMsgType.PING:
                    await session.pong(message.data)
                elif message.type is WSMsgType.PONG:
                    self.last_ping_pong_time = time.time()
                elif message.type is not WSMsgType.BINARY:
                    return
        finally:
            self.lost.set()

    async def process_message(self) -> None:
        """Hand one message to the listeners, in a task that is ours to await."""
        raw = await self.message_queue.get()
        try:
            message = read_frame(raw)
        except (ValueError, RecursionError):
            log.warning("a frame from Slack is not JSON")
            return
        self._tasks.start(self.run_message_listeners(message, raw))

    async def drop(self) -> None:
        """Close it without acknowledging what is open: Slack delivers that again."""
        self.lost.set()
        if self.current_session is not None:
            await self.current_session.close()

    async def close(self) -> None:
        """Finish what was received, then close everything that the client holds."""
        await self._tasks.close(GRACE)
        self.closed, self.auto_reconnect_enabled = True, False
        if self.current_session is not None:
            await self.current_session.close()
        workers = [self.message_processor, self.current_session_monitor, self.message_receiver]
        running = [worker for worker in workers if worker is not None]
        for worker in running:
            worker.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await self.aiohttp_client_session.close()

    async def _greeting(self, _client: AsyncBaseSocketModeClient, message: dict[str, Any], _raw: str | None) -> None:
        if string(message, "type") == "hello":
            self.app_id = string(message, "connection_info", "app_id")
            self.greeted.set()

    async def _request(self, _client: AsyncBaseSocketModeClient, request: SocketModeRequest) -> None:
        await self._handle(self, request)


def read_frame(raw: str) -> dict[str, Any]:
    """The frame as a dictionary (an empty one for other JSON); a payload that is no object is wrapped in one.

    Raises ValueError or RecursionError where it is not JSON.
    """
    message = json.loads(raw)
    if not isinstance(message, dict):
        return {}
    if "payload" in message and not isinstance(message["payload"], dict):
        message["payload"] = {"type": "unreadable", "payload": message["payload"]}
    return message


class Link:
    """Keeps one Socket open. `opened(app_id, gap)` is called for each; `gap`: for a while there was none."""

    def __init__(self, api: Api, app_token: str, handle: Handle, opened: Callable[[str, bool], None]) -> None:
        self._api, self._app_token = api, app_token
        self._handle, self._opened = handle, opened
        self._socket: Socket | None = None
        self._unclosed: set[Socket] = set()

    async def run(self) -> None:
        """Until cancelled. Raises PlatformDown when Slack refuses the app-level token."""
        failures = 0
        try:
            while True:
                if failures > 1:
                    await asyncio.sleep(min(MAX_PAUSE, 0.25 * 2.0 ** min(failures - 1, 10)))
                since = asyncio.get_running_loop().time()
                if await self._replace() and self._socket is not None:
                    await self._socket.lost.wait()
                steady = asyncio.get_running_loop().time() - since > STEADY
                failures = 0 if steady or self._is_handover() else failures + 1
        finally:
            # Also those whose closing a cancellation interrupted.
            await asyncio.gather(*map(self._close, list(self._unclosed)))

    async def _close(self, socket: Socket) -> None:
        await socket.close()
        self._unclosed.discard(socket)

    def _is_handover(self) -> bool:
        return self._socket is not None and self._socket.alive

    async def _replace(self) -> bool:
        """Open a new connection and close the old one after it; False when it did not come about."""
        try:
            fresh = await self._open()
        except SendError as error:
            log.warning("no Socket Mode connection: %s", error)
            return False
        old, self._socket = self._socket, fresh
        gap = old is None or not old.alive
        self._opened(fresh.app_id, gap)
        if old is not None:
            await self._close(old)
        return True

    async def _open(self) -> Socket:
        try:
            answer = await self._api.call(lambda web: web.apps_connections_open(app_token=self._app_token))
        except Refused as error:
            raise PlatformDown(f"Slack refuses the app-level token: {error}. {FIX}") from error
        socket = Socket(self._app_token, self._api.web, string(answer.data, "url"), self._handle)
        self._unclosed.add(socket)
        try:
            async with asyncio.timeout(self._api.timeout):
                await socket.connect()
                await _first(socket.greeted, socket.lost)
        except Exception as error:
            await self._close(socket)
            raise Unclear(f"no WebSocket ({type(error).__name__})") from error
        if not socket.greeted.is_set():
            await self._close(socket)
            raise Unclear("Slack closed the connection before it said hello")
        return socket


FIX = (
    "Make one with the scope connections:write under Basic Information, App-Level Tokens, "
    "switch Socket Mode on, and set it as HERALD_SLACK__APP_TOKEN."
)


async def _first(*events: asyncio.Event) -> None:
    """Wait until one of them is set."""
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
