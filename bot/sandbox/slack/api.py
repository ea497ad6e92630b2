"""The Web API over HTTP: reads a call, checks who calls, answers, and misbehaves where that was asked for."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from aiohttp import web

from bot.sandbox.frame import Fault, FaultKind, Faults, Json
from bot.sandbox.misbehave import lag
from bot.sandbox.slack.arguments import Arguments
from bot.sandbox.slack.core import Core
from bot.sandbox.slack.errors import SlackError
from bot.sandbox.slack.limits import RateLimiter, Tier
from bot.sandbox.slack.methods import METHODS, Call, Method
from bot.sandbox.slack.views import Views

_FAULTS: tuple[FaultKind, ...] = ("reset", "slow", "429", "500", "swallow_reply")
_PROTECTED = {"apps.connections.open", "auth.test"}
_TYPES = {"application/json", "application/x-www-form-urlencoded", "multipart/form-data", "application/octet-stream"}
_SLOW_SECONDS = 5.0
_GRANTED = {
    # What a bot of this kind is installed with beside the scopes of the methods played here: the events that it
    # hears, its commands, and the history of every kind of conversation (docs.slack.dev/reference/scopes).
    "app_mentions:read", "channels:history", "commands", "emoji:read", "groups:history", "groups:read", "im:history",
    "im:read", "mpim:history", "mpim:read", "chat:write.public", "chat:write.customize", "users.profile:read",
}  # fmt: skip
_HANG_POLL = 0.05


@dataclass
class Request:
    """A call as it came: arguments merged from query, form and JSON, without the token."""

    method: str
    verb: str
    path: str
    query: dict[str, Json]
    args: dict[str, Json] = field(default_factory=dict)
    raw: str = ""
    token: str | None = None
    problem: SlackError | None = None


@dataclass(frozen=True)
class Answer:
    """Status, JSON body and extra headers."""

    body: dict[str, Json]
    status: int = HTTPStatus.OK
    headers: Mapping[str, str] = field(default_factory=dict)


class WebApi:
    """Serves `/api/<method>`."""

    def __init__(self, core: Core, views: Views, arguments: Arguments, bot_token: str, app_token: str) -> None:
        self._core = core
        self._views = views
        self._arguments = arguments
        self._tokens = {"bot": bot_token, "app": app_token}
        self._limiter = RateLimiter(core.frame.clock)
        self._closing = asyncio.Event()
        self.faults = core.faults
        self._granted = frozenset(_GRANTED | {m.scope for m in METHODS.values() if m.scope and m.caller == "bot"})

    @property
    def scopes(self) -> frozenset[str]:
        """What the bot may do."""
        return self._granted if self._core.app.scopes is None else self._core.app.scopes

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """The route."""
        call = await self._read(request)
        fault = self._fault(call)
        kind = fault.kind if fault else None
        if kind == "reset":
            self._journal(call, None, kind)
            return self._reset(request)
        await lag(request, fault, self._closing)
        if fault and kind == "slow":
            await self._wait(fault.seconds if fault.seconds is not None else _SLOW_SECONDS)
        answer = self._broken(fault) or self._answer(call)
        self._journal(call, answer, kind)
        if kind == "swallow_reply":
            await self._hang(request)
        return web.json_response(answer.body, status=answer.status, headers=answer.headers)

    def close(self) -> None:
        """Let go of calls that a fault holds back."""
        self._closing.set()

    async def _read(self, request: web.Request) -> Request:
        query: dict[str, Json] = dict(request.query)
        call = Request(request.match_info["method"], request.method, request.path, query, args=dict(query))
        call.raw = await request.text() if request.content_type != "multipart/form-data" else ""
        try:
            call.args |= await _body(request, call.raw)
            call.args = self._arguments.decode(call.method, call.args)
        except SlackError as problem:
            call.problem = problem
        header = request.headers.get("Authorization", "")
        given = call.args.pop("token", None)
        call.query.pop("token", None)
        call.token = header.removeprefix("Bearer ").strip() if header else given
        return call

    def _answer(self, call: Request) -> Answer:
        method = METHODS.get(call.method)
        headers: dict[str, str] = {}
        try:
            self._authenticate(call, method)
            assert method
            if call.problem:
                raise call.problem
            wait = self._limited(call, method)
            if wait:
                return _ratelimited(wait)
            headers = self._scope_headers(method)
            self._arguments.check(call.method, call.args)
            bound = Call(self._core, self._views, self._arguments, self._core.default, call.args)
            body: dict[str, Json] = {"ok": True, **method.handler(bound)}
        except SlackError as error:
            body = error.body()
        return Answer(body, headers=headers)

    def _authenticate(self, call: Request, method: Method | None) -> None:
        if call.method not in self._arguments.methods:
            raise SlackError("unknown_method", req_method=call.method)
        if method and method.caller == "anyone":
            return
        if not call.token:
            raise SlackError("not_authed")
        kind = next((k for k, t in self._tokens.items() if hmac.compare_digest(t.encode(), call.token.encode())), None)
        if not kind:
            raise SlackError("invalid_auth")
        if not method:
            raise SlackError("method_not_supported_in_sandbox", f"the local Slack does not play {call.method}")
        if method.caller != kind:
            raise SlackError("not_allowed_token_type")
        if method.caller == "bot" and method.scope and method.scope not in self.scopes:
            provided = ",".join(sorted(self.scopes))
            raise SlackError("missing_scope", needed=method.scope, provided=provided)

    def _limited(self, call: Request, method: Method) -> int:
        if not self._core.frame.limits:
            return 0
        if method.tier is not Tier.POSTING:
            return self._limiter.wait((method.tier, (call.method,)))
        channel = (call.method, str(call.args.get("channel")))
        return self._limiter.wait((Tier.POSTING, channel), (Tier.WORKSPACE, (call.method,)))

    def _scope_headers(self, method: Method) -> dict[str, str]:
        scopes = ",".join(sorted(self.scopes)) if method.caller == "bot" else "connections:write"
        return {"X-OAuth-Scopes": scopes, "X-Accepted-OAuth-Scopes": method.scope or ""}

    def _fault(self, call: Request) -> Fault | None:
        text = f"{call.path} {call.raw or json.dumps(call.args, ensure_ascii=False)} {json.dumps(call.query)}"
        if call.method not in _PROTECTED:
            return self.faults.take(_FAULTS, text)
        # A fault that names nothing must not keep the app from connecting at all.
        named = Faults([fault for fault in self.faults.pending if fault.match])
        taken = named.take(_FAULTS, text)
        self.faults.pending = [f for f in self.faults.pending if not f.match or f in named.pending]
        return taken

    @staticmethod
    def _broken(fault: Fault | None) -> Answer | None:
        if fault and fault.kind == "429":
            return _ratelimited(max(1, round(fault.seconds or 1)))
        if fault and fault.kind == "500":
            return Answer({"ok": False, "error": "internal_error"}, HTTPStatus.INTERNAL_SERVER_ERROR)
        return None

    def _journal(self, call: Request, answer: Answer | None, fault: str | None) -> None:
        self._core.frame.journal.request(
            "slack",
            call.verb,
            call.path,
            query=call.query,
            body=call.args,
            status=int(answer.status) if answer else None,
            response=_without_ticket(answer.body) if answer else None,
            fault=fault,
        )

    async def _wait(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._closing.wait(), seconds)
        except TimeoutError:
            return

    async def _hang(self, request: web.Request) -> None:
        while request.transport and not request.transport.is_closing() and not self._closing.is_set():
            await self._wait(_HANG_POLL)

    @staticmethod
    def _reset(request: web.Request) -> web.Response:
        if request.transport:
            request.transport.abort()
        return web.Response()


async def _body(request: web.Request, raw: str) -> dict[str, Json]:
    kind = request.content_type
    if request.method == "GET" or not (raw or kind == "multipart/form-data"):
        return {}
    if kind == "application/json":
        try:
            body = json.loads(raw or "{}")
        except ValueError:
            raise SlackError("invalid_json") from None
        if not isinstance(body, dict):
            raise SlackError("json_not_object")
        return body
    if kind not in _TYPES:
        raise SlackError("invalid_post_type")
    return {name: value for name, value in (await request.post()).items() if isinstance(value, str)}


def _ratelimited(seconds: int) -> Answer:
    headers = {"Retry-After": str(seconds)}
    return Answer({"ok": False, "error": "ratelimited"}, HTTPStatus.TOO_MANY_REQUESTS, headers)


def _without_ticket(body: dict[str, Json]) -> dict[str, Json]:
    url = body.get("url")
    return {**body, "url": url.split("?")[0] + "?ticket=***"} if isinstance(url, str) and "ticket=" in url else body
