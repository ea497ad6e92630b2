"""Polls and documents against a server that answers as it was told."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bot.chat.messages import Document, NativePoll
from bot.chat.ports import LimitSeen, NotSent, Refused, SendError, Sought, Unclear
from bot.domain.places import Channel
from bot.integrations.discord import DiscordPlatform
from bot.integrations.discord.history import _snowflake_at
from tests.integrations.discord.scripted import BOT, CHANNEL, GUILD, Said, Scripted, scripted, worker

HERE = Channel("discord", GUILD, CHANNEL)
POLL = "900000000000000001"
ANSWERS = f"/channels/{CHANNEL}/polls/{POLL}/answers"
EXPIRE = "POST", f"/channels/{CHANNEL}/polls/{POLL}/expire"
MESSAGE = "GET", f"/channels/{CHANNEL}/messages/{POLL}"
LIMIT = {
    "X-RateLimit-Limit": "5",
    "X-RateLimit-Remaining": "4",
    "X-RateLimit-Reset-After": "4.500",
    "X-RateLimit-Bucket": "abcd1234",
}


@pytest.fixture
async def server() -> AsyncIterator[Scripted]:
    async with scripted() as running:
        yield running


@pytest.fixture
async def platform(server: Scripted) -> AsyncIterator[DiscordPlatform]:
    async with worker(server.config()) as sending:
        yield sending


def users(first: int, count: int, **more: Any) -> list[dict[str, Any]]:
    return [{"id": str(first + at), "username": "x", **more} for at in range(count)]


async def test_voters_are_read_page_after_page_and_bots_do_not_count(
    server: Scripted, platform: DiscordPlatform
) -> None:
    bots = users(2_000, 2, bot=True)
    server.next = [
        Said(200, {"users": users(1_001, 100)}),
        Said(200, {"users": users(1_101, 98) + bots}),
        Said(200, {"users": []}),
        Said(200, {"users": users(1_005, 1)}),
    ]
    votes = await platform.votes(HERE, POLL, 2)
    assert len(votes) == 198
    assert {voter: chosen for voter, chosen in votes.items() if chosen != (0,)} == {"1005": (0, 1)}
    assert server.heard == [("GET", f"{ANSWERS}/{answer}") for answer in (1, 1, 1, 2)]
    assert [query["after"] for query in server.queries] == ["0", "1100", "2001", "0"]
    assert {query["limit"] for query in server.queries} == {"100"}


async def test_pages_that_do_not_end_are_no_endless_work(server: Scripted, platform: DiscordPlatform) -> None:
    server.always["GET", f"{ANSWERS}/1"] = Said(200, {"users": users(1_001, 100)})
    with pytest.raises(Unclear):
        await platform.votes(HERE, POLL, 2)
    assert len(server.heard) == 2


@pytest.mark.parametrize(
    ("said", "error"),
    [(Said(429, {"retry_after": 90}), NotSent), (Said(404, {"code": 10008}), Refused), (Said(200, "<html>"), Unclear)],
)
async def test_votes_that_cannot_be_read_are_no_empty_ballot_box(
    server: Scripted, monkeypatch: pytest.MonkeyPatch, said: Said, error: type[SendError]
) -> None:
    monkeypatch.setattr("bot.integrations.discord.polls._PATIENCE", 0.7)
    server.next = [Said(200, {"users": users(5, 1)})]
    server.always["GET", f"{ANSWERS}/2"] = said
    async with worker(server.config()) as platform:
        with pytest.raises(error):
            await platform.votes(HERE, POLL, 2)


@pytest.mark.parametrize("said", [Said(200, {"id": POLL}), Said(400, {"code": 520001}), Said(404, {"code": 10008})])
async def test_a_poll_that_has_ended_or_is_gone_is_ended(
    server: Scripted, platform: DiscordPlatform, said: Said
) -> None:
    server.always[MESSAGE] = Said(200, {"id": POLL, "poll": {"results": {"is_finalized": False}}})
    server.next = [said]
    await platform.end_poll(HERE, POLL)
    assert server.heard == [MESSAGE, EXPIRE]


@pytest.mark.parametrize("seen", [Said(200, {"poll": {"results": {"is_finalized": True}}}), Said(404, {"code": 10008})])
async def test_what_has_ended_with_its_hour_is_not_ended_again(
    server: Scripted, platform: DiscordPlatform, seen: Said
) -> None:
    server.always[MESSAGE] = seen
    await platform.end_poll(HERE, POLL)
    assert server.heard == [MESSAGE]


@pytest.mark.parametrize(
    ("said", "error"),
    [(Said(403, {"code": 50001}), Refused), (Said(500, {}), Unclear), (Said(429, {"retry_after": 9}), NotSent)],
)
async def test_a_poll_that_could_not_be_ended_is_told(server: Scripted, said: Said, error: type[SendError]) -> None:
    for first in (MESSAGE, EXPIRE):
        server.always[first] = said
        async with worker(server.config(request_timeout=1.2)) as platform:
            with pytest.raises(error):
                await platform.end_poll(HERE, POLL)
        assert server.heard[-1] == first
        server.always[first] = Said(200, {"id": POLL})


async def test_a_poll_that_was_deleted_before_its_id_was_known_is_gone(
    server: Scripted, platform: DiscordPlatform
) -> None:
    await platform.end_poll(HERE, "")
    with pytest.raises(Refused) as refused:
        await platform.votes(HERE, "", 2)
    assert refused.value.code == "gone"
    assert server.heard == []


async def test_a_document_is_sent_again_with_its_nonce_and_its_limit_is_learned(
    server: Scripted, platform: DiscordPlatform
) -> None:
    seen: list[LimitSeen] = []
    platform.on_limits(seen.append)
    server.next = [Said(502, "bad gateway"), Said(200, {"id": "9"}, LIMIT)]
    document, nonce = Document("结果 *1*.png", "image/png", b"\x89PNG\x00\xff", "the *chart*"), uuid.uuid4().hex[:25]
    assert await platform.send(document, HERE, nonce) == "9"
    first, second = server.bodies
    assert first == second
    body, file = first
    assert file == (document.name, document.media_type, document.content)
    assert body == {
        "content": "the \\*chart\\*",
        "allowed_mentions": {"parse": [], "replied_user": False},
        "flags": 4,
        "attachments": [{"id": "0", "filename": document.name}],
        "nonce": nonce,
        "enforce_nonce": True,
    }
    assert seen == [LimitSeen("abcd1234", CHANNEL, 5, 4, 4.5)]


async def test_a_document_without_words_has_no_content(server: Scripted, platform: DiscordPlatform) -> None:
    await platform.send(Document("a.csv", "text/csv", b""), HERE, "k")
    body, _ = server.bodies[0]
    assert "content" not in body


async def test_a_poll_is_found_by_its_question_and_answers(server: Scripted, platform: DiscordPlatform) -> None:
    """Discord cuts white space off, and numbers the answers."""
    asked = NativePoll(" Where? ", ("a ", "b"), 60.0)
    made = {
        "id": str(_snowflake_at(1.7e9) + 1),
        "author": BOT,
        "content": "",
        "poll": {
            "question": {"text": "Where?"},
            "answers": [{"answer_id": at + 1, "poll_media": {"text": text}} for at, text in enumerate("ab")],
        },
    }
    server.always["GET", "/users/@me"] = Said(200, BOT)
    server.always["GET", f"/channels/{CHANNEL}/messages"] = Said(200, [made])
    assert await platform.find(Sought(asked, HERE, "k", 1.7e9)) == made["id"]
    assert await platform.find(Sought(NativePoll("Where?", ("b", "a"), 60.0), HERE, "k", 1.7e9)) is None
