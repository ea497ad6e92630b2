"""The Socket Mode side: connections that stand at any time, the next one before the last is closed.

The SDK's client reconnects in place: it closes the old connection first, keeps trying a url whose ticket is spent, and
forgets the tasks that handle messages. So a `Socket` is used for one connection only, and `Links` replace it. There are
several, since Slack closes each of them now and then: it delivers to any that stands.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
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
BRIEF = 5.0
"""A connection that Slack has replaced sooner counts as a failure, or we would open one after the other."""
MAX_PAUSE = 30.0
CROWDED = 60.0
"""Seconds until the next try after Slack said that there are too many connections."""

rest = asyncio.sleep
"""How the Links wait before they try again."""

Handle = Callable[["Socket", SocketModeRequest], Awaitable[None]]


class Socket(SocketModeClient):
    """One connection. `lost` is set when another one is needed, for whatever reason."""

    def __init__(self, app_token: str, web: AsyncWebClient, url: str, handle: Handle) -> None:
        super().__init__(app_token=app_token, logger=sdk_log, web_client=web, ping_interval=PING_INTERVAL)
        if is_direct(url):
            self.proxy = None
        self.wss_uri = url
        self.app_id, self.reason = "", ""
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
        """What the SDK calls on a `disconnect` frame and on a stale connection: leave it to the Links."""
        self.lost.set()

    @property
    def is_too_many(self) -> bool:
        """Whether Slack closes it because there are more than it allows."""
        return self.reason == "too_many_websockets"

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
        if string(message, "type") == "disconnect":
            self.reason = string(message, "reason") or "unknown"
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


class _TooMany(Unclear):
    """Slack closes a connection because there are more than it allows."""


@dataclass(frozen=True, slots=True)
class Told:
    """Whom a Links tells how things stand."""

    opened: Callable[[str, bool], None]
    """A connection stands, of the app with this id; True: before it there was none."""
    lost: Callable[[], None]
    """The last one is gone: nothing comes in."""
    doubted: Callable[[], None]
    """One went without a word while others stand: something may be late."""


class Links:
    """Keeps several Sockets open, each replaced before it is closed."""

    def __init__(self, api: Api, app_token: str, handle: Handle, told: Told, count: int) -> None:
        self._api, self._app_token = api, app_token
        self._handle, self._told, self._count = handle, told, count
        self._current: dict[int, Socket] = {}
        self._unclosed: set[Socket] = set()
        self._is_lost = False

    @property
    def alive(self) -> int:
        """How many connections Slack can deliver over."""
        return sum(socket.alive for socket in self._current.values())

    async def run(self) -> None:
        """Until cancelled. Raises PlatformDown when Slack refuses the app-level token."""
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(self._count):
                    group.create_task(self._keep(number))
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from None
        finally:
            # Also those whose closing a cancellation interrupted.
            await asyncio.gather(*map(self._close, list(self._unclosed)))

    def renew(self) -> None:
        """Replace all connections, each by one that stands before it goes."""
        for socket in self._current.values():
            socket.lost.set()

    async def _keep(self, number: int) -> None:
        """Keep one connection open."""
        failures = 0
        while True:
            if failures > 1:
                await rest(min(MAX_PAUSE, 0.25 * 2.0 ** min(failures - 1, 10)))
            since = asyncio.get_running_loop().time()
            if await self._replace(number):
                await self._current[number].lost.wait()
                if self._current[number].is_too_many:
                    await self._step_back(number)
            self._look_at(number)
            lived = asyncio.get_running_loop().time() - since
            is_handover = number in self._current and self._current[number].alive and lived > BRIEF
            failures = 0 if lived > STEADY or is_handover else failures + 1

    def _look_at(self, number: int) -> None:
        if not self.alive:
            if not self._is_lost:
                self._is_lost = True
                self._told.lost()
        elif number in self._current and not self._current[number].alive:
            self._told.doubted()

    async def _step_back(self, number: int) -> None:
        """Slack has more connections of this app than it allows: this one goes, and waits for a place."""
        old = self._current.pop(number, None)
        log.warning(
            "Slack allows no more Socket Mode connections for this app (%d of ours stand): stop what else uses its "
            "app-level token, or lower slack.connections",
            self.alive,
        )
        if old is not None:
            await self._close(old)
        if self.alive:
            await rest(CROWDED)

    async def _close(self, socket: Socket) -> None:
        await socket.close()
        self._unclosed.discard(socket)

    async def _replace(self, number: int) -> bool:
        """Open a new connection and close the old one after it; False when it did not come about."""
        try:
            fresh = await self._open()
        except _TooMany:
            await self._step_back(number)
            return False
        except SendError as error:
            log.warning("no Socket Mode connection: %s", error)
            return False
        gap = not self.alive
        old = self._current.get(number)
        self._current[number] = fresh
        self._is_lost = False
        self._told.opened(fresh.app_id, gap)
        if old is not None:
            await self._close(old)
        return True

    async def _open(self) -> Socket:
        try:
            answer = await self._api.call(
                "apps.connections.open", lambda web: web.apps_connections_open(app_token=self._app_token)
            )
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
            raise _TooMany if socket.is_too_many else Unclear("Slack closed the connection before it said hello")
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
