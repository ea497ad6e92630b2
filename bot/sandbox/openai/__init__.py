"""A local OpenAI-compatible server: chat completions, with answers that `/control/model` sets."""

from __future__ import annotations

import asyncio
import json
import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from bot.sandbox.frame import ControlError, Fault, FaultKind, Faults, Frame, Json
from bot.sandbox.misbehave import cut, hold
from bot.sandbox.openai.answer import cut_to, default_content, tokens
from bot.sandbox.openai.request import API_KEY, MODELS, Completion, Refusal, by_status, check_key, read

REQUESTS_A_MINUTE = 500
TOKENS_A_MINUTE = 200_000
_KINDS: tuple[FaultKind, ...] = ("429", "500", "slow", "swallow_reply", "reset")


@dataclass(frozen=True)
class Rule:
    """What to answer to requests whose messages hold `match` (None: all)."""

    match: str | None
    reply: Json = None
    status: int | None = None
    delay: float = 0.0


class OpenAIServer:
    """Chat completions and the list of models."""

    name = "openai"

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self.faults = Faults()
        self._rules: list[Rule] = []
        self._window: deque[float] = deque()
        self._count = 0

    def routes(self) -> list[web.RouteDef]:
        """The server's routes."""
        return [
            web.post("/v1/chat/completions", self._complete),
            web.get("/v1/models", self._models),
            web.get("/v1/models/{model}", self._models),
            web.route("*", "/v1/{rest:.*}", self._unknown),
        ]

    def environment(self) -> dict[str, str]:
        """Address, key and model for a bot."""
        return {
            "HERALD_OPENAI__BASE_URL": self._frame.base + "/v1",
            "HERALD_OPENAI__API_KEY": API_KEY,
            "HERALD_OPENAI__MODEL": MODELS[0],
        }

    def add_rule(self, rule: Mapping[str, Json]) -> None:
        """What to answer from now on (`match?`, and `reply` or `status`, or only `delay` in seconds).

        The last rule that matches wins. Raises `ControlError` where the rule says nothing or too much.
        """
        if not {"reply", "status", "delay"} & rule.keys():
            raise ControlError("a rule says reply, status or delay")
        if {"reply", "status"} <= rule.keys():
            raise ControlError("a rule has either a reply or a status")
        status = rule.get("status")
        if status is not None and (status != int(status) or not 400 <= status <= 599):
            raise ControlError("status is an HTTP error, 400 to 599")
        self._rules.append(
            Rule(rule.get("match") or None, rule.get("reply"), int(status) if status else None, rule.get("delay", 0.0))
        )

    async def fault(self, fault: Fault) -> None:
        """Take on a fault of calls; there are no connections that stay open."""
        if fault.kind not in _KINDS:
            raise ControlError(f"the model's server has no {fault.kind}; it has {', '.join(_KINDS)}")
        self.faults.add(fault)

    async def close(self) -> None:
        """Nothing stays open."""

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        body = _lenient(raw)
        fault = self.faults.take(_KINDS, f"{request.path} {json.dumps(body, ensure_ascii=False)}")
        if fault is not None and fault.kind == "reset":
            self._journal(request, body, None, None, fault)
            return cut(request)
        try:
            _refuse_by(fault)
            check_key(request.headers.get("Authorization"))
            body, asked = read(raw)
            self._count_request()
            content = await self._content(asked)
        except Refusal as refusal:
            self._journal(request, body, refusal.status, refusal.body, fault)
            return await self._send(request, fault, refusal.body, refusal.status)
        if asked.stream:
            return await self._stream(request, fault, asked, body, content)
        answer = self._answer(asked, content)
        self._journal(request, body, 200, answer, fault)
        return await self._send(request, fault, answer, 200)

    async def _content(self, asked: Completion) -> str:
        """What the last matching rule says, else the default; waits the rule's delay."""
        rule = next((r for r in reversed(self._rules) if r.match is None or r.match in asked.text), None)
        if rule is None:
            return default_content(asked)
        await asyncio.sleep(rule.delay)
        if rule.status is not None:
            raise by_status(rule.status)
        if rule.reply is None:
            return default_content(asked)
        return rule.reply if isinstance(rule.reply, str) else json.dumps(rule.reply, ensure_ascii=False)

    def _count_request(self) -> None:
        """Keep the window of the last minute. Raises `Refusal` (429) where limits are enforced and it is full."""
        now = self._frame.clock.now()
        while self._window and self._window[0] <= now - 60:
            self._window.popleft()
        if self._frame.limits and len(self._window) >= REQUESTS_A_MINUTE:
            raise by_status(429)
        self._window.append(now)

    def _headers(self, status: int, fault: Fault | None) -> dict[str, str]:
        self._count += 1
        left = max(0, REQUESTS_A_MINUTE - len(self._window))
        headers = {
            "x-request-id": f"req_{self._count:032x}",
            "openai-processing-ms": "1",
            "x-ratelimit-limit-requests": str(REQUESTS_A_MINUTE),
            "x-ratelimit-remaining-requests": str(left),
            "x-ratelimit-reset-requests": "60s" if left == 0 else "120ms",
            "x-ratelimit-limit-tokens": str(TOKENS_A_MINUTE),
            "x-ratelimit-remaining-tokens": str(TOKENS_A_MINUTE),
            "x-ratelimit-reset-tokens": "0s",
        }
        if status != 429:
            return headers
        seconds = 1.0 if fault is None or fault.seconds is None else fault.seconds
        return headers | {"retry-after": str(math.ceil(seconds))}

    async def _send(self, request: web.Request, fault: Fault | None, answer: Json, status: int) -> web.StreamResponse:
        if fault is not None and fault.kind == "swallow_reply":
            return await hold(request)
        await _slow(fault)
        text = json.dumps(answer, ensure_ascii=False)
        headers = self._headers(status, fault)
        return web.Response(text=text, status=status, headers=headers, content_type="application/json")

    def _frame_of(self, asked: Completion, kind: str) -> dict[str, Any]:
        return {
            "id": f"chatcmpl-{self._count:024x}",
            "object": kind,
            "created": int(self._frame.clock.now()),
            "model": asked.model,
            "system_fingerprint": "fp_sandbox",
        }

    def _answer(self, asked: Completion, content: str) -> Json:
        text, reason = cut_to(content, asked.limit)
        message: dict[str, Json] = {"role": "assistant", "content": text, "refusal": None, "annotations": []}
        choices = [
            {"index": number, "message": message, "logprobs": None, "finish_reason": reason}
            for number in range(asked.choices)
        ]
        usage = _usage(asked, text)
        return {**self._frame_of(asked, "chat.completion"), "choices": choices, "usage": usage}

    async def _stream(
        self, request: web.Request, fault: Fault | None, asked: Completion, body: Json, content: str
    ) -> web.StreamResponse:
        chunks = self._chunks(asked, content)
        self._journal(request, body, 200, chunks, fault)
        if fault is not None and fault.kind == "swallow_reply":
            return await hold(request)
        await _slow(fault)
        headers = {**self._headers(200, fault), "Content-Type": "text/event-stream", "Cache-Control": "no-cache"}
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        for chunk in chunks:
            await response.write(f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n".encode())
        await response.write(b"data: [DONE]\n\n")
        await response.write_eof()
        return response

    def _chunks(self, asked: Completion, content: str) -> list[Json]:
        text, reason = cut_to(content, asked.limit)
        deltas: list[tuple[dict[str, Json], str | None]] = [
            ({"role": "assistant", "content": "", "refusal": None}, None)
        ]
        deltas += [({"content": text[at : at + 8]}, None) for at in range(0, len(text), 8)]
        deltas.append(({}, reason))
        head = self._frame_of(asked, "chat.completion.chunk")
        usage: dict[str, Json] = {"usage": None} if asked.include_usage else {}
        chunks: list[Json] = [
            {
                **head,
                "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": end}],
                **usage,
            }
            for delta, end in deltas
        ]
        if asked.include_usage:
            chunks.append({**head, "choices": [], "usage": _usage(asked, text)})
        return chunks

    async def _models(self, request: web.Request) -> web.StreamResponse:
        models = [{"id": name, "object": "model", "created": 1760000000, "owned_by": "sandbox"} for name in MODELS]
        wanted = request.match_info.get("model")
        try:
            check_key(request.headers.get("Authorization"))
            found = [model for model in models if model["id"] == wanted]
            if wanted and not found:
                raise by_status(404)
        except Refusal as refusal:
            self._journal(request, {}, refusal.status, refusal.body, None)
            return await self._send(request, None, refusal.body, refusal.status)
        answer = found[0] if wanted else {"object": "list", "data": models}
        self._journal(request, {}, 200, answer, None)
        return await self._send(request, None, answer, 200)

    async def _unknown(self, request: web.Request) -> web.StreamResponse:
        message = f"Invalid URL ({request.method} {request.path})"
        body = Refusal(404, message, "invalid_request_error").body
        self._journal(request, _lenient(await request.read()), 404, body, None)
        return await self._send(request, None, body, 404)

    def _journal(self, request: web.Request, body: Json, status: int | None, answer: Json, fault: Fault | None) -> None:
        self._frame.journal.request(
            self.name,
            request.method,
            request.path,
            query=dict(request.query),
            body=body,
            status=status,
            response=answer,
            fault=fault.kind if fault else None,
        )


def _usage(asked: Completion, text: str) -> Json:
    prompt, answered = tokens(asked.text), tokens(text)
    return {"prompt_tokens": prompt, "completion_tokens": answered, "total_tokens": prompt + answered}


def _lenient(raw: bytes) -> Json:
    """The body for the journal, whether it can be read or not."""
    try:
        return json.loads(raw) if raw else {}
    except (ValueError, RecursionError):
        return raw.decode("utf-8", "replace")


def _refuse_by(fault: Fault | None) -> None:
    if fault is not None and fault.kind in ("429", "500"):
        raise by_status(int(fault.kind))


async def _slow(fault: Fault | None) -> None:
    if fault is not None and fault.kind == "slow":
        await asyncio.sleep(2.0 if fault.seconds is None else fault.seconds)
