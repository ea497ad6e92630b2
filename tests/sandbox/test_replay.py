"""Each request of a rehearsal, with something wrong in it, is refused by the sandbox with the platform's own error."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer

from .replay.mutants import Mutant, Request
from .replay.rules import described, discord_route, must_refuse
from .replay.sending import Sender, accepted, survivors
from .replay.stage import Stage, opened_stage

SCENARIO = Path(__file__).parent / "replay" / "scenario.yaml"
REHEARSAL_SECONDS = 180.0
ROUTES = {
    "slack": {"chat.postMessage", "chat.update", "chat.postEphemeral", "views.open", "conversations.history"},
    "discord": {"messages", "callback", "commands", "{webhook_token}", "{message_id}"},
    "telegram": {"sendMessage", "editMessageText", "answerCallbackQuery", "setMyCommands", "getUpdates"},
    "openai": {"completions"},
}
"""The last words of the routes that the rehearsal must touch for this test to say anything."""
_NOT_CALLS = {"/slack/socket", "/api/apps.connections.open"}
"""A socket's frames, and the one call with the app's own token."""


def _distinct(rows: list[dict[str, Any]]) -> Iterator[Request]:
    """One accepted request of each route and shape."""
    seen = set()
    for row in rows:
        if row["direction"] != "request" or row["path"] in _NOT_CALLS or not 200 <= (row["status"] or 0) < 300:
            continue
        request = Request(row["platform"], row["method"], row["path"], row["query"], row["body"])
        body = request.body if isinstance(request.body, dict) else {}
        shape = (request.platform, request.method, _route(request), *sorted(body), str(body.get("type")))
        if shape not in seen:
            seen.add(shape)
            yield request


def _route(request: Request) -> str:
    return discord_route(request)[0] if request.platform == "discord" else request.path


@pytest.fixture(scope="module")
def requests(tmp_path_factory: pytest.TempPathFactory) -> list[Request]:
    """The distinct requests of the real bot in a real rehearsal."""
    journal = tmp_path_factory.mktemp("replay") / "journal.jsonl"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HERALD_")}
    command = [sys.executable, "-m", "bot", "rehearse", str(SCENARIO), "--journal", str(journal)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=REHEARSAL_SECONDS, env=environment, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return list(_distinct([json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]))


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    members = yaml.safe_load(SCENARIO.read_text(encoding="utf-8"))["members"]
    async with opened_stage((member["platform"], name) for name, member in members.items()) as made:
        yield made


def test_the_rehearsal_touches_every_kind_of_call(requests: list[Request]) -> None:
    for platform, words in ROUTES.items():
        touched = {re.split(r"[./]", _route(r))[-1] for r in requests if r.platform == platform}
        touched |= {_route(r).rpartition("/")[2] for r in requests if r.platform == platform}
        assert words <= touched, platform


def test_the_bot_keeps_to_the_descriptions(requests: list[Request]) -> None:
    """Otherwise a mutant could be refused for what was wrong before."""
    assert [request for request in requests if not described(request)] == []


@pytest.mark.parametrize("platform", ROUTES)
async def test_what_is_wrong_is_refused_with_the_platforms_own_error(
    requests: list[Request], stage: Stage, platform: str, capsys: pytest.CaptureFixture[str]
) -> None:
    refused, kinds = 0, Counter[str]()
    problems: list[str] = []
    for request in requests:
        if request.platform != platform:
            continue
        ready = await stage.prepared(request)
        mutants = list(must_refuse(ready))
        kinds.update(mutant.kind for mutant in mutants)
        count, others = await survivors(stage.sender, mutants)
        refused += count
        problems += others
        # Last, so that it also shows that the mutants changed nothing and had all that they speak about.
        status, answer = await stage.sender.send(ready)
        if not accepted(ready, status, answer):
            problems.append(f"{platform} {ready.path} as it was -> {status} {str(answer)[:200]}")
    with capsys.disabled():
        told = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
        print(f"\n{platform}: {refused} of {kinds.total()} mutants refused ({told})")  # noqa: T201 - the count is wanted
    assert problems == []
    assert refused == kinds.total() > 0


async def _lenient(request: web.Request) -> web.Response:
    await request.read()
    return web.json_response({"ok": True, "result": True, "id": "1", "choices": []})


async def _broken(request: web.Request) -> web.Response:
    await request.read()
    failure = {"ok": False, "error": "internal_error", "error_code": 500, "description": "x", "code": 0, "message": "x"}
    return web.json_response(failure, status=500)


@pytest.mark.parametrize("answer", [_lenient, _broken])
async def test_a_server_that_does_not_refuse_is_found_out(requests: list[Request], answer: Any) -> None:
    app = web.Application(client_max_size=1 << 26)
    app.router.add_route("*", "/{rest:.*}", answer)
    mutants: list[Mutant] = [mutant for request in requests for mutant in must_refuse(request)]
    async with TestServer(app) as server, aiohttp.ClientSession() as session, asyncio.timeout(REHEARSAL_SECONDS):
        sender = Sender(f"http://127.0.0.1:{server.port}", session, dict.fromkeys(ROUTES, "token"))
        refused, others = await survivors(sender, mutants)
    assert refused == 0
    assert len(others) == len(mutants)
