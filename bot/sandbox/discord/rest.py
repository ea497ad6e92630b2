"""The HTTP side: every request is matched, checked against the description, counted, carried out and written down.

A path that the description has and the local server does not offer is refused with 403 and code 50013, saying so: a bot
without that permission would see the same.
"""

from __future__ import annotations

import asyncio
import json
import math
import socket
import struct
from dataclasses import dataclass, field

from aiohttp import BodyPartReader, web

from bot.sandbox.discord import channels, guilds, interactions, threads
from bot.sandbox.discord.backend import Backend
from bot.sandbox.discord.calls import HANDLERS, Call
from bot.sandbox.discord.content import Upload, trimmed
from bot.sandbox.discord.description import Description, Operation, forgive
from bot.sandbox.discord.errors import (
    ApiError,
    invalid_form,
    method_not_allowed,
    missing_permissions,
    not_found,
    unauthorized,
)
from bot.sandbox.discord.limits import BANNED, Limits, limited
from bot.sandbox.discord.model import Interaction
from bot.sandbox.frame import Fault, FaultKind, Faults, Frame, Json
from bot.sandbox.misbehave import lag

HANDLER_MODULES = (channels, guilds, interactions, threads)
"""Importing them fills the table of handlers."""
_LOGIN = ("/users/@me", "/oauth2/applications/@me", "/applications/@me", "/gateway", "/gateway/bot")
_MAJOR = ("channel_id", "guild_id", "webhook_token", "webhook_id", "application_id")
_SLOW_SECONDS = 2.0
_TYPES = {"application/json", "multipart/form-data"}


@dataclass
class Received:
    """A request as it came, decoded."""

    verb: str
    path: str
    """Without `/api/v10`, percent signs decoded."""
    query: dict[str, str]
    body: Json = None
    uploads: list[Upload] = field(default_factory=list)
    fault: ApiError | None = None
    """Why the body could not be read."""

    @property
    def text(self) -> str:
        """What a fault's `match` is looked for in."""
        body = "" if self.body is None else json.dumps(self.body, ensure_ascii=False)
        return f"{self.verb} {self.path} {body}"

    @property
    def is_login(self) -> bool:
        """Whether a bot calls this to start, which only a fault with `match` may disturb."""
        return self.path in _LOGIN or "/commands" in self.path


@dataclass
class Answer:
    """What goes back."""

    status: int
    body: Json
    headers: dict[str, str]


class Rest:
    """Answers `/api/v10/...`."""

    def __init__(self, frame: Frame, backend: Backend, faults: Faults) -> None:
        self._frame = frame
        self._backend = backend
        self._faults = faults
        self._description = Description()
        self._limits = Limits(frame.clock, enforced=frame.limits)
        self.closing = asyncio.Event()
        """Set to let go of the requests that a fault holds."""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One request from its first byte to its answer."""
        received = await _receive(request)
        if request.match_info["version"] != "10":
            return _respond(Answer(400, {"message": "Invalid API version", "code": 50041}, {}))
        fault = self._fault(received, ("reset", "429", "500"))
        if self._limits.banned:
            return self._banned(received, self._limits.banned)
        if fault:
            return self._misbehave(request, received, fault)
        if slow := self._fault(received, ("slow",)):
            # The work is done after the wait, so that it may happen when the client has long given up.
            await self._hold(slow.seconds or _SLOW_SECONDS)
        swallow = self._fault(received, ("swallow_reply",))
        await lag(request, swallow, self.closing)
        answer = self._answer(received, request.headers.get("Authorization"))
        self._limits.answered(answer.status, answer.headers.get("X-RateLimit-Scope"))
        kind = swallow.kind if swallow else slow.kind if slow else None
        self._write(received, answer.status, answer.body, kind)
        if swallow:
            await self._until_gone(request)
        return _respond(answer)

    async def attachment(self, request: web.Request) -> web.StreamResponse:
        """The bytes of an uploaded file."""
        found = self._backend.world.attachments.get(request.match_info["attachment"])
        if found is None:
            return web.Response(status=404, text="This content is no longer available.")
        return web.Response(body=found.data, headers={"Content-Type": found.content_type})

    def inline(self, it: Interaction, body: Json) -> bool:
        """Take the initial response that the answer to a posted interaction was; False where it is refused."""
        received = Received("POST", f"/interactions/{it.id}/{it.token}/callback", {}, body)
        answer = self._answer(received, None)
        self._write(received, answer.status, answer.body, None)
        return answer.status < 300

    def _banned(self, received: Received, seconds: float, fault: str | None = None) -> web.Response:
        """What Cloudflare answers in Discord's place."""
        self._write(received, 429, None, fault)
        headers = {"Retry-After": str(math.ceil(seconds)), "Server": "cloudflare"}
        return web.Response(text=BANNED, status=429, content_type="text/html", headers=headers)

    def _fault(self, received: Received, kinds: tuple[FaultKind, ...]) -> Fault | None:
        if not received.is_login:
            return self._faults.take(kinds, received.text)
        blind = [fault for fault in self._faults.pending if fault.match is None]
        self._faults.pending = [fault for fault in self._faults.pending if fault.match is not None]
        taken = self._faults.take(kinds, received.text)
        self._faults.pending = blind + self._faults.pending
        return taken

    def _misbehave(self, request: web.Request, received: Received, fault: Fault) -> web.StreamResponse:
        if fault.kind == "reset":
            self._write(received, None, None, "reset")
            _cut(request)
            return web.Response()
        if fault.html:
            return self._banned(received, fault.seconds or 1.0, fault.kind)
        error = ApiError(500, 0, "500: Internal Server Error")
        if fault.kind == "429":
            error = limited(fault.seconds or 1.0)
        self._write(received, error.status, error.body, fault.kind)
        return _respond(Answer(error.status, error.body, error.headers))

    def _answer(self, received: Received, authorization: str | None) -> Answer:
        headers: dict[str, str] = {}
        try:
            status, body = self._carry_out(received, authorization, headers)
        except ApiError as error:
            return Answer(error.status, error.body, headers | error.headers)
        return Answer(status, body, headers)

    def _carry_out(self, received: Received, authorization: str | None, headers: dict[str, str]) -> tuple[int, Json]:
        found = self._description.find(received.verb, received.path)
        if found is None:
            raise not_found()
        operation = found.operation
        if operation is None:
            raise method_not_allowed()
        if not operation.open and authorization != f"Bot {self._backend.world.token}":
            raise unauthorized()
        major = next((found.parameters[key] for key in _MAJOR if key in found.parameters), "")
        headers.update(self._limits.take(received.verb, operation.template, major))
        self._description.check_path(operation, found.parameters)
        query = self._description.check_query(operation, received.query)
        body = self._checked_body(operation, received)
        self._backend.close_polls()
        handler = HANDLERS.get(operation.key)
        if handler is None:
            raise missing_permissions("the local server does not offer this part of Discord")
        return handler(Call(self._backend, self._limits, found.parameters, query, body, received.uploads))

    def _checked_body(self, operation: Operation, received: Received) -> Json:
        if received.fault:
            raise received.fault
        body = forgive(received.body)
        if body is None:
            body = {} if operation.spec.get("body_required") else None
        if operation.template.endswith("/callback") and isinstance(body, dict):
            body = body | {"data": trimmed(body["data"])} if "data" in body else body
        elif operation.spec.get("body"):
            body = trimmed(body)
        if body is not None:
            self._description.check_body(operation, body)
        return body

    def _write(self, received: Received, status: int | None, body: Json, fault: str | None) -> None:
        path = f"/api/v10{_redacted(received.path)}"
        self._frame.journal.request(
            "discord",
            received.verb,
            path,
            query=received.query,
            body=received.body,
            status=status,
            response=body,
            fault=fault,
        )

    async def _hold(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self.closing.wait(), seconds)
        except TimeoutError:
            return

    async def _until_gone(self, request: web.Request) -> None:
        """Keep the connection open without an answer until the client leaves."""
        while request.transport and not request.transport.is_closing() and not self.closing.is_set():
            await self._hold(0.05)
        _cut(request)


def _redacted(path: str) -> str:
    """The path with interaction and webhook tokens replaced."""
    pieces = path.split("/")
    if len(pieces) > 3 and pieces[1] in ("interactions", "webhooks"):
        pieces[3] = "***"
    return "/".join(pieces)


def _cut(request: web.Request) -> None:
    """Reset the TCP connection."""
    if request.transport is None:
        return
    raw = request.transport.get_extra_info("socket")
    if raw is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.transport.abort()


def _respond(answer: Answer) -> web.Response:
    """The answer; clients compare its content type with `application/json` to the letter."""
    if answer.body is None:
        return web.Response(status=answer.status, headers=answer.headers)
    text = json.dumps(answer.body, ensure_ascii=False, separators=(",", ":"))
    headers = {"Content-Type": "application/json", **answer.headers}
    return web.Response(status=answer.status, body=text.encode(), headers=headers)


async def _receive(request: web.Request) -> Received:
    path = "/" + request.match_info["tail"]
    received = Received(request.method, path, dict(request.query))
    try:
        if request.can_read_body:
            await _read_body(request, received)
    except ApiError as error:
        received.fault = error
    except ValueError:
        received.fault = ApiError(400, 50109, "The request body contains invalid JSON.")
    return received


async def _read_body(request: web.Request, received: Received) -> None:
    if request.content_type == "multipart/form-data":
        await _read_parts(request, received)
        return
    raw = await request.read()
    if request.content_type not in _TYPES and raw:
        words = "Expected \"Content-Type\" header to be one of {'application/json'}."
        raise invalid_form([], "CONTENT_TYPE_INVALID", words)
    received.body = json.loads(raw) if raw else None


async def _read_parts(request: web.Request, received: Received) -> None:
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader):
            raise ApiError(400, 50109, "The request body contains invalid JSON.")
        data = bytes(await part.read(decode=True))
        if part.name == "payload_json":
            received.body = json.loads(data)
        elif part.filename is not None:
            kind = part.headers.get("Content-Type", "application/octet-stream")
            received.uploads.append(Upload(part.name or "", part.filename, kind, data))
