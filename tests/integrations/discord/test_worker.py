"""A process that only sends: everything works without a gateway, and none is opened."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator

import pytest
from discord.http import Route

from bot.chat.messages import Line, Notice, Reply
from bot.chat.ports import (
    ChecksSetup,
    Deletes,
    Finds,
    HearsHttp,
    Notifies,
    NotSent,
    Platform,
    ReadsRoles,
    Registers,
    ReportsLimits,
    Sought,
)
from bot.domain.places import Channel, Member
from bot.integrations.discord import DiscordPlatform, answers
from tests.integrations.discord.conftest import Sandbox
from tests.integrations.discord.scripted import CHANNEL, GUILD, Said, Scripted, scripted, worker
from tests.integrations.discord.test_wire_interactions import SPECS

NOBODY = "223456789012345678"


@pytest.fixture
async def gateway() -> AsyncIterator[Scripted]:
    """A gateway that nobody may connect to."""
    async with scripted() as server:
        yield server
        assert server.heard == []


async def test_everything_is_done_without_a_gateway(sandbox: Sandbox, gateway: Scripted) -> None:
    started, community = time.time(), sandbox.channel()
    async with worker(sandbox.config(gateway_url=gateway.url.replace("http", "ws"))) as platform:
        name, text = uuid.uuid4().hex[:25], f"from a worker {uuid.uuid4().hex}"
        sent = await platform.send(Line(text), community, name)
        assert await platform.find(Sought(Line(text), community, name, started)) == sent
        await platform.edit(Line(f"{text} again"), community, sent)
        [seen] = [one for one in await sandbox.seen("community") if one["id"] == sent]
        assert seen["text"] == f"{text} again"
        await platform.delete(community, sent)
        assert sent not in [one["id"] for one in await sandbox.seen("community")]
        hint = f"look at /help {uuid.uuid4().hex}"
        await platform.notify(Notice("words", Member("discord", "1", NOBODY), hint=hint), community, {})
        assert any(hint in one["text"] for one in await sandbox.seen("community"))
        place = await platform._api.get(Route("GET", "/channels/{channel}", channel=community.channel_id))
        assert not await platform.holds(Member("discord", str(place["guild_id"]), NOBODY), "1")
        await platform.register(SPECS)
        assert await platform.check([community]) == []
        await platform.close()
        # A closed one connects anew when it is needed.
        assert await platform.send(Line(f"{text} still"), community, uuid.uuid4().hex[:25])


async def test_what_was_deleted_is_not_sent_again(sandbox: Sandbox, gateway: Scripted) -> None:
    """Discord knows the nonce and not its message any more (its answer: Unknown Message)."""
    async with worker(sandbox.config()) as platform:
        name, text = uuid.uuid4().hex[:25], f"deleted soon {uuid.uuid4().hex}"
        sent = await platform.send(Reply(text), sandbox.channel(), name)
        await platform.delete(sandbox.channel(), sent)
        assert await platform.send(Reply(text), sandbox.channel(), name) == ""
    assert text not in [one["text"] for one in await sandbox.seen("community")]


def test_all_that_the_engine_may_ask_is_there(sandbox: Sandbox) -> None:
    platform: Platform = DiscordPlatform(sandbox.config())
    for port in (ChecksSetup, Deletes, Finds, HearsHttp, Notifies, ReadsRoles, Registers, ReportsLimits):
        assert isinstance(platform, port)


EARLY = Said(404, {"code": 10015, "message": "Unknown Webhook"})


@pytest.mark.parametrize("times", [2, len(answers.EARLY) + 1])
async def test_what_the_gateway_has_not_answered_yet_is_told_a_moment_later(
    times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever sends hears of it only when that takes long: several of these would look like a platform that is down."""
    monkeypatch.setattr(answers, "EARLY", (0.001,) * len(answers.EARLY))
    notice = Notice("your vote counts", Member("discord", GUILD, NOBODY), passing=True)
    reply = {"token": "a-token", "application_id": "9", "at": str(time.time()), "kind": "update"}
    async with scripted() as server, worker(server.config()) as platform:
        server.next += [EARLY] * times
        if times > 2:
            with pytest.raises(NotSent):
                await platform.notify(notice, Channel("discord", GUILD, CHANNEL), reply)
        else:
            await platform.notify(notice, Channel("discord", GUILD, CHANNEL), reply)
        assert server.heard == [("POST", "/webhooks/9/a-token")] * min(times + 1, len(answers.EARLY) + 1)
