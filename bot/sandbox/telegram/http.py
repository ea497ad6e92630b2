"""The Bot API over HTTP: reading calls, faults, answers, the journal."""

from __future__ import annotations

import asyncio
import binascii
import contextlib
import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from aiohttp import web

from bot.sandbox.frame import Fault, FaultKind, Faults, Json
from bot.sandbox.misbehave import cut, hold, lag
from bot.sandbox.telegram.errors import ApiError, bad, too_fast
from bot.sandbox.telegram.methods import METHODS, Api
from bot.sandbox.telegram.params import Params, Upload, decode_object
from bot.sandbox.telegram.world import TOKEN

log = logging.getLogger(__name__)

_KINDS: tuple[FaultKind, ...] = ("429", "500", "slow", "swallow_reply", "reset")
_POLL = "getUpdates"
_NOT_IN_REPLIES = {"setWebhook", "deleteWebhook", "close", "logOut"}
_BARE_PERCENT = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_encode = json.JSONEncoder(ensure_ascii=False).encode


@dataclass
class Exchange:
    """A call on its way: what came, and what it is answered with."""

    method: str
    given: dict[str, Json]
    files: dict[str, Upload]
    body: Json
    status: int = 200
    answer: Json = None
    refusal: ApiError | None = None
    injected: bool = False
    """Whether the answer carries what `/control/raw` made."""


class BotApi:
    """`/bot<token>/<method>` and `/file/bot<token>/<path>`."""

    def __init__(self, api: Api, faults: Faults) -> None:
        self._api = api
        self._faults = faults

    def routes(self) -> list[web.RouteDef]:
        """Both routes; methods are called by GET or POST alike."""
        return [
            web.get("/bot{token}/{method}", self._call),
            web.post("/bot{token}/{method}", self._call),
            web.get("/file/bot{token}/{path:.+}", self._download),
        ]

    async def _call(self, request: web.Request) -> web.StreamResponse:
        exchange, problem = await _read(request, self._api)
        fault = self._fault(exchange)
        name = fault.kind if fault else None
        if name in ("reset", "429", "500"):
            with contextlib.suppress(ApiError):
                self._checked(exchange)  # so that the journal shows what would have been carried out
        if fault is not None and fault.kind == "reset":
            self._journal(request.method, exchange, None, name)
            return cut(request)
        await lag(request, fault)
        try:
            if problem is not None:
                raise problem
            self._refuse_by(fault)
            exchange.answer = {"ok": True, "result": await self._result(request, exchange)}
        except ConnectionAbortedError:
            return cut(request)
        except ApiError as error:
            exchange.status, exchange.answer, exchange.refusal = error.code, error.body(), error
        # A poll that outlived its client is ended by the next one: that refusal reached nobody.
        lost = exchange.method == _POLL and _is_gone(request) and exchange.refusal is not None
        self._journal(request.method, exchange, None if lost else exchange.status, name)
        if fault is not None and fault.kind == "swallow_reply":
            return await hold(request)
        if fault is not None and fault.kind == "slow":
            await asyncio.sleep(2.0 if fault.seconds is None else fault.seconds)
        return web.Response(
            body=_encode(exchange.answer).encode("utf-8", "backslashreplace"),
            status=exchange.status,
            headers=exchange.refusal.headers() if exchange.refusal else None,
            content_type="application/json",
        )

    def _fault(self, exchange: Exchange) -> Fault | None:
        if not self._faults.pending:
            return None
        words = (value if isinstance(value, str) else json.dumps(value) for value in exchange.given.values())
        text = " ".join((f"/bot***/{exchange.method}", *words))
        return self._faults.take(_KINDS, text, named=_POLL if exchange.method == _POLL else None)

    @staticmethod
    def _refuse_by(fault: Fault | None) -> None:
        if fault is not None and fault.kind == "429":
            raise too_fast(max(1, round(1 if fault.seconds is None else fault.seconds)))
        if fault is not None and fault.kind == "500":
            raise ApiError(500, "Internal Server Error")

    async def _result(self, request: web.Request, exchange: Exchange) -> Json:
        self._authorise(request.match_info["token"])
        params = self._checked(exchange)
        if exchange.method != _POLL:
            return self._carried_out(exchange, params)
        if unknown := set(params.get("allowed_updates", ())) - self._api.tables.updates:
            raise bad(f"unknown kinds of updates: {', '.join(sorted(unknown))}")
        ready = await self._api.updates.poll(params, lambda: _is_gone(request))
        exchange.injected = any(queued.injected for queued in ready)
        return [queued.body for queued in ready]

    def reply(self, call: Json) -> None:
        """Carry out the method that the bot called in its answer to a webhook; nobody hears what came of it."""
        given = {name: value for name, value in call.items() if name != "method"}
        method = self._api.tables.names.get(call["method"].lower(), call["method"])
        if method.startswith("get") or method in _NOT_IN_REPLIES:
            return
        exchange = Exchange(method, given, {}, given)
        try:
            exchange.answer = {"ok": True, "result": self._carried_out(exchange, self._checked(exchange))}
        except ApiError as error:
            exchange.status, exchange.answer = error.code, error.body()
        self._journal("POST", exchange, exchange.status, None)

    def _checked(self, exchange: Exchange) -> Params:
        if exchange.method.lower() not in self._api.tables.names:
            raise ApiError(404, "Not Found")
        params = self._api.tables.read(exchange.method, exchange.given, exchange.files)
        exchange.body = {name: _shown(name, value) for name, value in params.items()}
        return params

    def _carried_out(self, exchange: Exchange, params: Params) -> Json:
        handler = METHODS.get(exchange.method)
        if handler is None:
            log.warning("telegram: %s was called, which this server knows but does not carry out", exchange.method)
            raise bad("method is not available in this server")
        return handler(self._api, params)

    def _authorise(self, token: str) -> None:
        if token != TOKEN:
            known_form = token.partition(":")[0].isdecimal() and ":" in token
            raise ApiError(401, "Unauthorized") if known_form else ApiError(404, "Not Found")
        if self._api.now() < self._api.logged_out_until:
            raise bad("Logged out")

    def _journal(self, verb: str, exchange: Exchange, status: int | None, fault: str | None) -> None:
        self._api.frame.journal.request(
            "telegram",
            verb,
            f"/bot***/{exchange.method}",
            query={},
            body=exchange.body,
            status=status,
            response=exchange.answer,
            fault=fault,
            injected=exchange.injected,
        )

    async def _download(self, request: web.Request) -> web.Response:
        path = request.match_info["path"]
        found = next((stored for stored in self._api.world.files.values() if stored.path == path), None)
        if request.match_info["token"] != TOKEN or found is None:
            return web.json_response(ApiError(404, "Not Found").body(), status=404)
        return web.Response(body=found.data, content_type="application/octet-stream")


async def _read(request: web.Request, api: Api) -> tuple[Exchange, ApiError | None]:
    """The call's parameters from query and body, and what was wrong with them."""
    named = request.match_info["method"]
    given: dict[str, Json] = dict(request.query)
    exchange = Exchange(api.tables.names.get(named.lower(), named), given, {}, given)
    try:
        if request.content_type == "multipart/form-data":
            await _read_multipart(request, exchange)
        elif text := await request.read():
            given |= _decoded(request.content_type, text)
    except ApiError as error:
        return exchange, error
    return exchange, None


def _decoded(content_type: str, text: bytes) -> Mapping[str, Json]:
    if content_type == "application/json":
        return decode_object(text)
    if content_type != "application/x-www-form-urlencoded":
        raise bad(f"unsupported content type {content_type}")
    try:
        return dict(_pair(part) for part in text.split(b"&") if part)
    except UnicodeDecodeError:
        raise bad("strings must be encoded in UTF-8") from None


def _pair(part: bytes) -> tuple[str, str]:
    name, _, value = part.partition(b"=")
    return unquoted(name), unquoted(value)


def unquoted(text: bytes) -> str:
    """A name or value of a form, decoded. Raises `UnicodeDecodeError`.

    The standard parser takes a fifth of the whole call for texts that are mostly escapes. Quoted-printable differs from
    a form's escapes in the sign alone, and is read in C.
    """
    text = text.replace(b"+", b" ")
    if _BARE_PERCENT.search(text):
        return unquote_to_bytes(text).decode("utf-8")
    if b"%" in text:
        text = binascii.a2b_qp(text.replace(b"=", b"=3D").replace(b"%", b"="))
    return text.decode("utf-8")


async def _read_multipart(request: web.Request, exchange: Exchange) -> None:
    for name, value in (await request.post()).items():
        if isinstance(value, str):
            exchange.given[name] = value
        elif isinstance(value, web.FileField):
            exchange.files[name] = Upload(value.filename, value.content_type, value.file.read())
        else:
            exchange.files[name] = Upload(name, "application/octet-stream", bytes(value))
    for name, value in list(exchange.given.items()):
        if isinstance(value, str) and value.startswith("attach://"):
            attached = exchange.files.get(value.removeprefix("attach://"))
            if attached is None:
                raise bad(f"file {value} was not uploaded")
            exchange.files[name] = attached
            del exchange.given[name]


def _shown(name: str, value: Json) -> Json:
    """A parameter as the journal keeps it: of a file only what it was, of a secret nothing."""
    if name == "secret_token":
        return "***"
    if isinstance(value, Upload):
        return {"filename": value.filename, "content_type": value.content_type, "bytes": len(value.data)}
    return value


def _is_gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()
