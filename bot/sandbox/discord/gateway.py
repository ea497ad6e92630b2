"""The gateway: Discord's WebSocket with HELLO, heartbeats, IDENTIFY, RESUME and dispatches (API v10, JSON).

Transport compression `zlib-stream` is offered. A client that asks for `zstd-stream` gets plain text frames, which every
client takes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
import zlib
from collections import deque
from collections.abc import Callable

from aiohttp import WSMsgType, web

from bot.sandbox.discord import views
from bot.sandbox.discord.limits import SESSIONS_PER_DAY
from bot.sandbox.discord.sessions import PRIVILEGED_BITS, Hub, Intent, Link, Session
from bot.sandbox.discord.world import World
from bot.sandbox.frame import Frame, Json

HEARTBEAT_MS = 41_250
GUILDS_PER_SHARD = 2500
"""A session that would have more is closed with 4011."""
_FRAMES_PER_MINUTE = 120
_LARGEST_FRAME = 4096
_CLOSE_SECONDS = 2.0
"""How long a client may take to answer a close."""


class GatewayClose(Exception):
    """The connection has to be closed with `code` (documentation, "Gateway Close Event Codes")."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Gateway:
    """Accepts gateway connections and speaks with them."""

    def __init__(self, frame: Frame, world: World, hub: Hub) -> None:
        self._frame = frame
        self._world = world
        self._hub = hub

    @property
    def url(self) -> str:
        """The address that clients connect to."""
        return self._frame.base.replace("http", "ws", 1) + "/gateway/"

    async def connect(self, request: web.Request) -> web.StreamResponse:
        """One connection from the upgrade to its end."""
        socket = web.WebSocketResponse(timeout=_CLOSE_SECONDS, max_msg_size=1 << 20)
        await socket.prepare(request)
        conversation = Conversation(self._frame, self._world, self._hub, self.url)
        link = conversation.link
        self._hub.links.add(link)
        writer = asyncio.create_task(_write(socket, link, request.query.get("compress") == "zlib-stream"))
        try:
            await conversation.run(socket, request.query.get("v", "10"), request.query.get("encoding", "json"))
        except GatewayClose as closing:
            link.end(closing.code)
            await writer
        finally:
            # A client that says goodbye properly gives its session up; any other end can be resumed.
            forget = socket.close_code in (1000, 1001) and link.close_code == 1000
            self._hub.detach(link, forget=forget or link.close_code in (4003, 4004, 4007, 4009))
            writer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await writer
        return socket


async def _write(socket: web.WebSocketResponse, link: Link, compressed: bool) -> None:
    """Send what is queued until the end is queued; one compression context for the whole connection."""
    context = zlib.compressobj()
    with contextlib.suppress(ConnectionError):
        while (text := await link.outgoing.get()) is not None:
            if compressed:
                await socket.send_bytes(context.compress(text.encode()) + context.flush(zlib.Z_SYNC_FLUSH))
            else:
                await socket.send_str(text)
        await socket.close(code=link.close_code)


class Conversation:
    """What one connection may say, and what follows from it."""

    def __init__(self, frame: Frame, world: World, hub: Hub, url: str) -> None:
        self.link = Link()
        self._frame = frame
        self._world = world
        self._hub = hub
        self._url = url
        self._received: deque[float] = deque()
        self._operations: dict[int, Callable[[Json], None]] = {
            1: self._heartbeat,
            2: self._identify,
            3: self._presence,
            4: self._presence,
            6: self._resume,
            8: self._request_members,
            11: self._acknowledged,
        }

    async def run(self, socket: web.WebSocketResponse, version: str, encoding: str) -> None:
        """Greet, then take frames until the connection ends; raises `GatewayClose` for what Discord does not accept."""
        if version != "10":
            raise GatewayClose(4012, "Invalid API version.")
        if encoding != "json":
            raise GatewayClose(4002, "The local gateway speaks JSON only.")
        self.link.send(10, {"heartbeat_interval": HEARTBEAT_MS, "_trace": []})
        while True:
            try:
                # A client that misses two heartbeats in a row is taken for dead.
                message = await socket.receive(timeout=2 * HEARTBEAT_MS / 1000)
            except TimeoutError:
                raise GatewayClose(4009, "Session timed out.") from None
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                return
            self._take(message.data)

    def _take(self, data: str | bytes) -> None:
        now = time.monotonic()
        self._received.append(now)
        while self._received[0] < now - 60:
            self._received.popleft()
        if len(self._received) > _FRAMES_PER_MINUTE:
            raise GatewayClose(4008, "You are being rate limited.")
        if len(data) > _LARGEST_FRAME:
            raise GatewayClose(4002, "Payloads are limited to 4096 bytes.")
        try:
            frame = json.loads(data)
            operation = self._operations.get(frame["op"]) if isinstance(frame["op"], int) else None
        except (ValueError, KeyError, TypeError):
            raise GatewayClose(4002, "Error while decoding payload.") from None
        if operation is None:
            raise GatewayClose(4001, "Unknown opcode.")
        operation(frame.get("d"))

    def _heartbeat(self, _data: Json) -> None:
        self.link.send(11)

    def _acknowledged(self, _data: Json) -> None:
        """The client answers a heartbeat that the server asked for."""

    def _presence(self, _data: Json) -> None:
        self._need_session()

    def _need_session(self) -> None:
        if self.link.session is None:
            raise GatewayClose(4003, "Not authenticated.")

    def _check_token(self, data: Json) -> None:
        if not isinstance(data, dict):
            raise GatewayClose(4002, "Error while decoding payload.")
        token = data.get("token")
        if not isinstance(token, str) or token.removeprefix("Bot ") != self._world.token:
            raise GatewayClose(4004, "Authentication failed.")

    def _identify(self, data: Json) -> None:
        if self.link.session is not None:
            raise GatewayClose(4005, "Already authenticated.")
        self._check_token(data)
        intents, shard = data.get("intents"), data.get("shard")
        if type(intents) is not int or intents & ~Intent.KNOWN or intents < 0:
            raise GatewayClose(4013, "Invalid intent(s).")
        if any(intents & bit for name, bit in PRIVILEGED_BITS.items() if name not in self._world.intents):
            raise GatewayClose(4014, "Disallowed intent(s).")
        if not isinstance(data.get("properties"), dict):
            raise GatewayClose(4002, "Error while decoding payload.")
        if shard is not None and not _valid_shard(shard):
            raise GatewayClose(4010, "Invalid shard.")
        pair = (shard[0], shard[1]) if shard is not None else None
        if self._hub.starts_left(SESSIONS_PER_DAY) <= 0:
            self._hub.reset_token()
            raise GatewayClose(4004, "1,000 sessions within a day: the token was reset.")
        if not self._hub.may_identify(pair):
            self.link.send(9, False)
            return
        self._start(intents, pair)

    def _start(self, intents: int, shard: tuple[int, int] | None) -> None:
        session = self._hub.start(intents, self.link, shard)
        guilds = [guild for guild in self._world.guilds.values() if session.hears(int(guild.id))]
        if len(guilds) > GUILDS_PER_SHARD:
            raise GatewayClose(4011, "Sharding required.")
        self._hub.send_to(session, "READY", self._ready(session, [guild.id for guild in guilds]))
        if intents & Intent.GUILDS:
            everybody = bool(intents & Intent.GUILD_PRESENCES)
            for guild in guilds:
                self._hub.send_to(session, "GUILD_CREATE", views.gateway_guild(self._world, guild, everybody=everybody))

    def _ready(self, session: Session, guilds: list[str]) -> Json:
        ready = {
            "v": 10,
            "user": views.me(self._world.bot),
            "guilds": [{"id": guild_id, "unavailable": True} for guild_id in guilds],
            "session_id": session.id,
            "session_type": "normal",
            "resume_gateway_url": self._url,
            "application": {"id": self._world.application_id, "flags": views.application_flags(self._world)},
            "user_settings": {},
            "relationships": [],
            "private_channels": [],
            "presences": [],
        }
        return ready | ({"shard": list(session.shard)} if session.shard is not None else {})

    def _resume(self, data: Json) -> None:
        if self.link.session is not None:
            raise GatewayClose(4005, "Already authenticated.")
        self._check_token(data)
        session_id, seq = data.get("session_id"), data.get("seq")
        if not isinstance(session_id, str) or type(seq) is not int:
            raise GatewayClose(4002, "Error while decoding payload.")
        if not self._hub.resume(session_id, seq, self.link):
            self.link.send(9, False)
            return
        self._hub.send_to(self._hub.sessions[session_id], "RESUMED", {"_trace": []})

    def _request_members(self, data: Json) -> None:
        self._need_session()
        session = self.link.session
        guild = self._world.guilds.get(str(data.get("guild_id"))) if isinstance(data, dict) else None
        if session is None or guild is None:
            return
        chunk = [m for m in guild.members.values() if not m.left]
        missing: list[str] = []
        if "user_ids" in data:
            wanted = data["user_ids"] if isinstance(data["user_ids"], list) else [data["user_ids"]]
            missing = [str(u) for u in wanted if str(u) not in guild.members or guild.members[str(u)].left]
            chunk = [m for m in chunk if m.user.id in map(str, wanted)]
        elif query := str(data.get("query") or "").lower():
            chunk = [m for m in chunk if m.user.name.lower().startswith(query)]
        limit = data.get("limit") or len(chunk)
        body = {"guild_id": guild.id, "members": [views.member(m) for m in chunk[:limit]], "chunk_index": 0}
        body |= {"chunk_count": 1, "not_found": missing} | ({"nonce": data["nonce"]} if "nonce" in data else {})
        self._hub.send_to(session, "GUILD_MEMBERS_CHUNK", body)


def _valid_shard(shard: Json) -> bool:
    """`[id, count]`, the id below the count."""
    pair = isinstance(shard, list) and len(shard) == 2 and all(type(part) is int for part in shard)
    return pair and 0 <= shard[0] < shard[1]
