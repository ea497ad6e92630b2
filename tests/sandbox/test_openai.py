from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.sandbox.openai.answer import cut_to, tokens

from .client import Client

SCHEMA = {
    "type": "object",
    "properties": {
        "reply": {"type": "string", "maxLength": 300},
        "language": {"type": "string", "enum": ["fr", "zh", "en"]},
        "sources": {"type": "array", "items": {"$ref": "#/$defs/source"}, "minItems": 1},
        "score": {"anyOf": [{"type": "null"}, {"type": "integer", "minimum": 3}]},
        "sure": {"type": ["boolean", "null"]},
    },
    "required": ["reply", "language", "sources", "score", "sure"],
    "additionalProperties": False,
    "$defs": {
        "source": {
            "type": "object", "properties": {"id": {"const": "s1"}}, "required": ["id"], "additionalProperties": False,
        }
    },
}  # fmt: skip


def wanted(schema: dict[str, Any], *, strict: bool = True) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "draft", "strict": strict, "schema": schema}}


def content(answer: Any) -> str:
    return str(answer["choices"][0]["message"]["content"])


@pytest.mark.parametrize(("question", "word"), [("When is the tea back?", "Thank you"), ("茶什么时候补货？", "感谢")])
async def test_without_rules_it_is_polite_in_the_right_language(client: Client, question: str, word: str) -> None:
    status, answer = await client.complete(question)
    assert status == 200
    assert word in content(answer)
    usage = answer["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


async def test_a_schema_gets_an_object_that_fits(client: Client) -> None:
    _, answer = await client.complete("茶？", response_format=wanted(SCHEMA))
    made = json.loads(content(answer))
    assert made.keys() == set(SCHEMA["required"])  # type: ignore[call-overload]
    assert made["language"] == "zh"
    assert made["sources"] == [{"id": "s1"}]
    assert made["score"] == 3
    assert made["sure"] is False


@pytest.mark.parametrize(
    ("fields", "status", "word"),
    [
        ({"model": "gpt-none"}, 404, "does not exist"),
        ({"temprature": 1}, 400, "Unrecognized request argument supplied: temprature"),
        ({"temperature": 3}, 400, "temperature"),
        ({"messages": []}, 400, "messages"),
        ({"messages": [{"role": "robot", "content": "x"}]}, 400, "messages.0"),
        ({"messages": [{"role": "user", "content": "x", "mood": "good"}]}, 400, "messages.0"),
        ({"response_format": {"type": "xml"}}, 400, "response_format"),
        ({"response_format": {"type": "json_object"}}, 400, "must contain the word 'json'"),
        ({"response_format": wanted({"type": "object", "properties": {"a": {}}})}, 400, "additionalProperties"),
        ({"response_format": wanted({**SCHEMA, "required": []})}, 400, "Missing 'language'"),
        ({"response_format": wanted({"type": 7}, strict=False)}, 400, "Invalid schema"),
        ({"stream_options": {"include_usage": True}}, 400, "stream"),
        ({"max_tokens": 0}, 400, "max_tokens"),
        ({"max_tokens": 5, "max_completion_tokens": 5}, 400, "not supported"),
    ],
)
async def test_wrong_requests_are_refused_in_openais_form(
    client: Client, fields: dict[str, Any], status: int, word: str
) -> None:
    base = {"model": "sandbox-mini", "messages": [{"role": "user", "content": "x"}]}
    code, answer = await client.post_openai(base | fields)
    assert code == status
    assert answer["error"].keys() == {"message", "type", "param", "code"}
    assert word in answer["error"]["message"]


async def test_keys(client: Client) -> None:
    code, answer = await client.complete("x", key="sk-wrong")
    assert (code, answer["error"]["code"]) == (401, "invalid_api_key")
    async with client.session.get("/v1/models") as response:
        assert response.status == 401
    headers = {"Authorization": "Bearer " + client.sandbox.environment["HERALD_OPENAI__API_KEY"]}
    async with client.session.get("/v1/models", headers=headers) as response:
        models = [model["id"] for model in (await response.json())["data"]]
    assert client.sandbox.environment["HERALD_OPENAI__MODEL"] in models
    async with client.session.get("/v1/fine_tuning/jobs", headers=headers) as response:
        assert response.status == 404


async def test_the_last_matching_rule_wins(client: Client) -> None:
    await client.control("model", reply="anything")
    await client.control("model", match="tea", reply={"reply": "茶"})
    await client.control("model", match="storm", status=503)
    assert content((await client.complete("coffee?"))[1]) == "anything"
    assert json.loads(content((await client.complete("tea?"))[1])) == {"reply": "茶"}
    code, answer = await client.complete("tea in a storm?")
    assert code == 503
    assert answer["error"]["type"] == "service_unavailable_error"
    await client.control("model", match="storm", reply="calm")
    assert content((await client.complete("storm"))[1]) == "calm"


async def test_a_delayed_answer_lets_others_through(client: Client) -> None:
    await client.control("model", match="slow", delay=30)
    slow = asyncio.create_task(client.complete("slow"))
    assert (await client.complete("fast"))[0] == 200
    assert not slow.done()
    slow.cancel()
    await asyncio.gather(slow, return_exceptions=True)


async def stream(client: Client, **fields: Any) -> list[str]:
    headers = {"Authorization": "Bearer " + client.sandbox.environment["HERALD_OPENAI__API_KEY"]}
    body = {"model": "sandbox-mini", "messages": [{"role": "user", "content": "x"}], "stream": True, **fields}
    async with client.session.post("/v1/chat/completions", json=body, headers=headers) as response:
        assert response.content_type == "text/event-stream"
        text = await response.text()
    return [line.removeprefix("data: ") for line in text.split("\n\n") if line]


async def test_a_stream_says_the_same_in_pieces(client: Client) -> None:
    await client.control("model", reply="A longer answer, in 多个 pieces.")
    *chunks, done = await stream(client, stream_options={"include_usage": True})
    assert done == "[DONE]"
    decoded = [json.loads(chunk) for chunk in chunks]
    assert decoded[-1]["choices"] == []
    assert decoded[-1]["usage"]["completion_tokens"] > 0
    deltas = [chunk["choices"][0] for chunk in decoded[:-1]]
    assert "".join(d["delta"].get("content", "") for d in deltas) == "A longer answer, in 多个 pieces."
    assert [d["finish_reason"] for d in deltas if d["finish_reason"]] == ["stop"]
    assert all("usage" not in json.loads(chunk) for chunk in (await stream(client))[:-1])


async def test_the_token_limit_cuts(client: Client) -> None:
    await client.control("model", reply="x" * 400)
    _, answer = await client.complete("x", max_completion_tokens=10)
    assert answer["choices"][0]["finish_reason"] == "length"
    assert content(answer) == "x" * 40


async def test_faults(client: Client) -> None:
    await client.control("fault", platform="openai", kind="429", seconds=3)
    headers = {"Authorization": "Bearer " + client.sandbox.environment["HERALD_OPENAI__API_KEY"]}
    body = {"model": "sandbox-mini", "messages": [{"role": "user", "content": "x"}]}
    async with client.session.post("/v1/chat/completions", json=body, headers=headers) as response:
        assert response.status == 429
        assert response.headers["retry-after"] == "3"
        assert (await response.json())["error"]["code"] == "rate_limit_exceeded"
    await client.control("fault", platform="openai", kind="500", match="tea")
    assert (await client.complete("coffee"))[0] == 200
    assert (await client.complete("tea"))[0] == 500
    await client.control("fault", platform="openai", kind="reset")
    with pytest.raises(aiohttp.ClientError):
        await client.complete("x")
    assert [row["fault"] for row in await client.journal() if "fault" in row] == ["429", "500", "reset"]


async def test_rate_limit_headers_and_the_limit_itself(limited: Client) -> None:
    headers = {"Authorization": "Bearer " + limited.sandbox.environment["HERALD_OPENAI__API_KEY"]}
    body = {"model": "sandbox-mini", "messages": [{"role": "user", "content": "x"}]}
    codes = []
    for _ in range(501):
        async with limited.session.post("/v1/chat/completions", json=body, headers=headers) as response:
            codes.append(response.status)
            left = response.headers["x-ratelimit-remaining-requests"]
    assert codes == [200] * 500 + [429]
    assert left == "0"
    await limited.control("advance", seconds=61)
    assert (await limited.complete("x"))[0] == 200


@given(st.text(alphabet="ab 茶水，"), st.integers(1, 12))
def test_a_cut_answer_is_the_longest_beginning_within_the_limit(text: str, limit: int) -> None:
    cut, reason = cut_to(text, limit)
    assert text.startswith(cut)
    assert tokens(cut) <= limit
    assert (reason == "stop") == (cut == text)
    assert cut == text or tokens(text[: len(cut) + 1]) > limit


async def test_a_very_long_answer_is_cut(client: Client) -> None:
    await client.control("model", reply="茶 and water " * 20_000)
    code, answer = await client.complete("x", max_completion_tokens=30_000)
    assert code == 200
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == 30_000
