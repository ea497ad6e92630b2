"""The SDK against the local OpenAI server, over the wire."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.chat.ports import Model, ModelFailed
from bot.drafting.drafter import Drafted, EmbeddedDrafter, Request
from bot.drafting.entries import Entry
from bot.drafting.knowledge import CONFIDENT, Hit
from bot.drafting.model_drafter import FallbackDrafter, ModelDrafter, ModelReply
from bot.drafting.prompts import PromptFile
from bot.integrations.openai import OpenAIModel, OpenAISettings

ROOT = Path(__file__).parents[3]
GOOD = {"reply": "On Friday.", "language": "en", "sources": ["a"], "needs_human": False, "reason": ""}


class Server:
    """The sandbox as a process of its own, driven by its control calls."""

    def __init__(self, base: str, session: aiohttp.ClientSession) -> None:
        self.base = base
        self.session = session
        self.made: list[OpenAIModel] = []
        self.info: dict[str, Any] = {}

    async def rule(self, **rule: object) -> None:
        async with self.session.post(f"{self.base}/control/model", json=rule) as answer:
            assert answer.status == 200, await answer.text()

    async def says(self, content: object) -> None:
        await self.rule(reply=content if isinstance(content, str) else json.dumps(content))

    def model(self, **settings: Any) -> OpenAIModel:
        values = {
            "model": self.info["HERALD_OPENAI__MODEL"],
            "base_url": self.info["HERALD_OPENAI__BASE_URL"],
            "api_key": self.info["HERALD_OPENAI__API_KEY"],
            "max_retries": 0,
        }
        self.made.append(OpenAIModel(OpenAISettings(**(values | settings))))
        return self.made[-1]


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot.sandbox", "--port", "0", cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), 20)
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
            made = Server(line.decode().split()[-1], session)
            async with session.get(f"{made.base}/control/info") as answer:
                made.info = await answer.json()
            yield made
            for model in made.made:
                await model.close()
    finally:
        process.terminate()
        await process.wait()


async def failure(model: Model) -> ModelFailed:
    with pytest.raises(ModelFailed) as caught:
        await model.complete("system", "What is the price?", ModelReply)
    return caught.value


async def test_a_structured_answer(server: Server) -> None:
    model = server.model()
    assert (await model.complete("s", "When is it back?", ModelReply)).reply
    await server.says(GOOD)
    assert await model.complete("s", "When is it back?", ModelReply) == ModelReply.model_validate(GOOD)
    assert await model.check() == []


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("", "shape"),
        ("not JSON", "shape"),
        ("[]", "shape"),
        ("{}", "shape"),
        ('{"reply": 1}', "shape"),
        ("<!doctype html><h1>502</h1>", "shape"),
        ("\x00\x01\x02", "shape"),
    ],
)
async def test_answers_that_do_not_fit(server: Server, content: str, word: str) -> None:
    await server.rule(reply=content)
    failed = await failure(server.model())
    assert str(failed) == word
    assert content[:20] == "" or content[:20] not in repr(failed.__notes__ if hasattr(failed, "__notes__") else "")


async def test_an_answer_that_is_cut_off(server: Server) -> None:
    await server.says(GOOD | {"reply": "word " * 400})
    assert str(await failure(server.model(max_answer_tokens=16))) == "truncated"


async def test_an_answer_of_200_kb(server: Server) -> None:
    await server.rule(reply="word " * 40_000)
    assert str(await failure(server.model(max_answer_tokens=100_000))) == "shape"


async def test_what_did_not_fit_is_noted_without_the_models_words(server: Server) -> None:
    await server.says(GOOD | {"sources": "secret words"})
    failed = await failure(server.model())
    assert "sources" in failed.__notes__[0]
    assert "secret words" not in failed.__notes__[0]


@pytest.mark.parametrize(
    ("status", "word"),
    [(400, "refused"), (401, "unauthorised"), (404, "not_found"), (429, "rate_limited"), (500, "server_error")],
)
async def test_statuses(server: Server, status: int, word: str) -> None:
    await server.rule(status=status)
    assert str(await failure(server.model())) == word


async def test_a_slow_server_meets_both_deadlines(server: Server) -> None:
    await server.rule(delay=20)
    assert str(await failure(server.model(request_timeout=0.2))) == "timeout"
    assert str(await failure(server.model(total_timeout=0.2, max_retries=1))) == "timeout"


async def test_an_address_where_nobody_listens() -> None:
    model = OpenAIModel(OpenAISettings("m", "http://127.0.0.1:9/v1", max_retries=0))
    assert str(await failure(model)) == "unreachable"
    (fault,) = await model.check()
    assert fault.key == "model.unreachable"
    assert fault.args["url"] == "http://127.0.0.1:9/v1"
    await model.close()
    await model.close()


async def test_the_key_is_told_to_nobody(server: Server) -> None:
    settings = OpenAISettings("m", "http://127.0.0.1:9/v1", "sk-very-secret", max_retries=0)
    assert "sk-very-secret" not in repr(settings)
    model = server.model(api_key="sk-very-secret")
    await server.rule(status=401)
    failed = await failure(model)
    assert failed.__cause__ is None
    assert failed.__suppress_context__
    assert "sk-very-secret" not in f"{failed!r} {model!r}"


async def test_a_model_that_the_server_does_not_have(server: Server) -> None:
    (fault,) = await server.model(model="no-such-model").check()
    assert fault.key == "model.unknown"
    assert fault.args["model"] == "no-such-model"


def drafting(model: Model) -> tuple[FallbackDrafter, Request]:
    entry = Entry("a", "When is it back?", "It is back on Friday.", "en", "f.md")
    drafter = ModelDrafter(model, PromptFile(ROOT / "prompts" / "draft.md"))
    return FallbackDrafter(drafter, EmbeddedDrafter()), Request(
        "When is it back?", "en", [Hit(entry, 9, CONFIDENT)], 300
    )


async def test_a_draft_over_the_wire(server: Server) -> None:
    drafter, request = drafting(server.model())
    await server.says(GOOD | {"reply": "On **Friday**, @everyone! https://evil.example"})
    drafted = await drafter.draft(request)
    assert isinstance(drafted, Drafted)
    assert drafted.text == "On Friday, everyone!"
    assert drafted.drafter == server.info["HERALD_OPENAI__MODEL"]
    assert drafted.sources == (("a", "When is it back?"),)


async def test_a_draft_while_the_model_is_broken(server: Server) -> None:
    drafter, request = drafting(server.model())
    await server.rule(reply="still not JSON")
    drafted = await drafter.draft(request)
    assert isinstance(drafted, Drafted)
    assert (drafted.text, drafted.flags) == ("It is back on Friday.", ("model_unavailable",))
