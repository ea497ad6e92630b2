"""Sending requests again, and what a proper refusal of each platform looks like."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import aiohttp

from .mutants import Mutant, Request

NO_TOKENS = {
    "slack": "xoxb-somebody-elses",
    "discord": "somebody.elses.token",
    "telegram": "7000000001:somebody-elses",
    "openai": "sk-somebody-elses",
}


class Sender:
    """Sends requests to a server as a bot with these tokens (by platform) does."""

    def __init__(self, base: str, session: aiohttp.ClientSession, tokens: Mapping[str, str]) -> None:
        self.base, self.session, self.tokens = base, session, tokens
        self._nonces = itertools.count(1)

    async def send(self, request: Request, *, token: bool = True) -> tuple[int, Any]:
        """Status and decoded answer (None for none)."""
        secret = (self.tokens if token else NO_TOKENS)[request.platform]
        headers = {"Authorization": f"{'Bot' if request.platform == 'discord' else 'Bearer'} {secret}"}
        url = self.base + request.path.replace("/bot***/", f"/bot{secret}/")
        query = {name: str(value) for name, value in request.query.items()}
        more: dict[str, Any] = {}
        if request.platform == "slack" and request.method == "GET":
            query = {n: v if isinstance(v, str) else json.dumps(v) for n, v in (request.body or {}).items()}
        elif request.body is not None and request.method != "GET":
            more["json"] = self._with_own_nonce(request.body)
        async with self.session.request(request.method, url, params=query, headers=headers, **more) as response:
            raw = await response.read()
        try:
            return response.status, json.loads(raw) if raw else None
        except ValueError:
            return response.status, raw.decode("utf-8", "replace")

    def _with_own_nonce(self, body: Any) -> Any:
        """A repeated nonce would be answered with the message that it made before."""
        if isinstance(body, dict) and isinstance(body.get("nonce"), str) and len(body["nonce"]) <= 25:
            return {**body, "nonce": f"replay-{next(self._nonces)}"}
        return body


def not_refused(platform: str, status: int, answer: Any) -> str | None:
    """What is wrong with the answer to a wrong request; None for the platform's own refusal."""
    if not isinstance(answer, dict):
        return f"accepted or answered without JSON: {status} {str(answer)[:100]}"
    proper = {"slack": _slack, "discord": _discord, "telegram": _telegram, "openai": _openai}[platform]
    return None if proper(status, answer) else f"{status} {json.dumps(answer, ensure_ascii=False)[:200]}"


def _slack(status: int, answer: Mapping[str, Any]) -> bool:
    word = str(answer.get("error"))
    named = re.fullmatch(r"[a-z_]+", word) is not None and word != "internal_error" and "sandbox" not in word
    return status == 200 and answer.get("ok") is False and "error" in answer and named


def _discord(status: int, answer: Mapping[str, Any]) -> bool:
    told = isinstance(answer.get("message"), str) and type(answer.get("code")) is int
    where = answer.get("code") != 50035 or bool(answer.get("errors"))
    return 400 <= status < 500 and status != 429 and told and where


def _telegram(status: int, answer: Mapping[str, Any]) -> bool:
    told = isinstance(answer.get("description"), str) and answer.get("error_code") == status
    return 400 <= status < 500 and status != 429 and answer.get("ok") is False and told


def _openai(status: int, answer: Mapping[str, Any]) -> bool:
    error = answer.get("error")
    told = isinstance(error, dict) and error.keys() == {"message", "type", "param", "code"} and bool(error["message"])
    return 400 <= status < 500 and status != 429 and told


async def survivors(sender: Sender, mutants: Iterable[Mutant]) -> tuple[int, list[str]]:
    """How many mutants were refused as the platform refuses, and what became of the others."""
    refused, others = 0, []
    for mutant in mutants:
        status, answer = await sender.send(mutant.request, token=mutant.token)
        if wrong := not_refused(mutant.request.platform, status, answer):
            others.append(f"{mutant} -> {wrong}")
        else:
            refused += 1
    return refused, others


def accepted(request: Request, status: int, answer: Any) -> bool:
    """Whether a request was carried out."""
    if request.platform in ("slack", "telegram"):
        return status == 200 and isinstance(answer, dict) and answer.get("ok") is True
    return 200 <= status < 300


def with_path(request: Request, old: str, new: str) -> Request:
    """The request with a part of its path replaced."""
    return replace(request, path="/".join(new if part == old else part for part in request.path.split("/")))
