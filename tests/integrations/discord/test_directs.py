"""A message to one person, which arrives whole and once, or not at all and with a word why."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bot.chat.messages import Button, Card, Document, Notice
from bot.chat.ports import ChecksSetup, Links, NotSent, Refused, SendError, Unclear
from bot.domain.places import Channel, Member
from bot.integrations.discord import DiscordPlatform, render
from tests.integrations.discord.conftest import Sandbox
from tests.integrations.discord.scripted import BOT, CHANNEL, GUILD, Said, Scripted, scripted, worker

HERE = Channel("discord", GUILD, CHANNEL)
OPEN = "POST", "/users/@me/channels"
ROOM = "500000000000000001"
WRITE = "POST", f"/channels/{ROOM}/messages"
WON = "You have *won* <@5>"


@pytest.fixture
async def server() -> AsyncIterator[Scripted]:
    async with scripted() as running:
        running.always[OPEN] = Said(200, {"id": ROOM})
        yield running


@pytest.fixture
async def platform(server: Scripted) -> AsyncIterator[DiscordPlatform]:
    async with worker(server.config()) as sending:
        yield sending


def notice(text: str = WON, user: str = "77", **more: object) -> Notice:
    return Notice(text, Member("discord", GUILD, user), direct=True, **more)  # type: ignore[arg-type]


async def test_it_goes_into_the_conversation_under_its_delivery(server: Scripted, platform: DiscordPlatform) -> None:
    button = Button("Claim", "v1|claim")
    await platform.notify(notice(buttons=(button,), toast=True), HERE, {"token": "t", "application_id": "1"}, "d1")
    await platform.notify(notice("again"), HERE, {}, "d2")
    await platform.notify(notice("other", "78"), HERE, {}, "d3")
    assert server.heard == [OPEN, WRITE, WRITE, OPEN, WRITE]
    first = server.bodies[1]
    assert (first["content"], first["nonce"], first["enforce_nonce"]) == ("You have \\*won\\* \\<@5>", "d1", True)
    assert "components" not in first


async def test_an_answer_that_is_lost_makes_no_second_message(server: Scripted, platform: DiscordPlatform) -> None:
    server.next = [Said(502, "bad gateway"), Said(200, {"id": "9"})]
    await platform.notify(notice(), HERE, {}, "d1")
    assert server.heard == [OPEN, WRITE, WRITE]
    assert server.bodies[1] == server.bodies[2]


@pytest.mark.parametrize(("status", "code"), [(403, 50007), (400, 50033), (404, 10013), (403, 50278)])
@pytest.mark.parametrize("call", [OPEN, WRITE])
async def test_who_takes_no_messages_is_unreachable(
    server: Scripted, platform: DiscordPlatform, status: int, code: int, call: tuple[str, str]
) -> None:
    server.always[call] = Said(status, {"code": code})
    with pytest.raises(Refused) as refused:
        await platform.notify(notice(hint="look into your messages"), HERE, {}, "d1")
    assert refused.value.code == "unreachable"
    assert ("POST", f"/channels/{CHANNEL}/messages") not in server.heard


@pytest.mark.parametrize(
    ("call", "said", "error"),
    [
        (OPEN, Said(400, {"code": 40003}), NotSent),
        (OPEN, Said(500, {}), NotSent),
        (OPEN, Said(cut=True), NotSent),
        (OPEN, Said(200, {}), NotSent),
        (OPEN, Said(429, {"retry_after": 9}), NotSent),
        (WRITE, Said(500, {}), Unclear),
        (WRITE, Said(403, {"code": 20026}), Refused),
    ],
)
async def test_what_went_wrong_is_told_apart(
    server: Scripted, platform: DiscordPlatform, call: tuple[str, str], said: Said, error: type[SendError]
) -> None:
    server.always[call] = said
    with pytest.raises(error) as failed:
        await platform.notify(notice(), HERE, {}, "d1")
    assert getattr(failed.value, "code", "") != "unreachable"


async def test_a_conversation_that_is_gone_is_opened_again(server: Scripted, platform: DiscordPlatform) -> None:
    await platform.notify(notice(), HERE, {}, "d1")
    server.next = [Said(404, {"code": 10003})]
    await platform.notify(notice(), HERE, {}, "d2")
    assert server.heard == [OPEN, WRITE, WRITE, OPEN, WRITE]


async def test_it_arrives_whole_or_not_at_all(server: Scripted, platform: DiscordPlatform) -> None:
    longest = "茶" * render.DESCRIPTION
    await platform.notify(notice(longest), HERE, {}, "d1")
    assert server.bodies[-1]["embeds"] == [{"description": longest}]
    for text in (longest + "x", "*" * (render.DESCRIPTION // 2 + 1)):
        with pytest.raises(Refused) as refused:
            await platform.notify(notice(text), HERE, {}, "d2")
        assert refused.value.code == "too_long"
    assert server.heard == [OPEN, WRITE]


async def test_in_a_real_server(sandbox: Sandbox) -> None:
    user = (await sandbox("member", member="winner"))["member_id"]
    async with worker(sandbox.config()) as platform:
        for _ in range(2):
            await platform.notify(notice("You have won", user), sandbox.channel(), {}, "won-1")
        [seen] = await sandbox.seen("dm", "winner")
        assert (seen["text"], seen["private_to"]) == ("You have won", "winner")
        await sandbox("member", member="winner", blocked=True)
        with pytest.raises(Refused) as refused:
            await platform.notify(notice("more", user), sandbox.channel(), {}, "won-2")
        assert refused.value.code == "unreachable"


# ---- pictures, files, addresses


async def test_a_picture_that_discord_refuses_does_not_lose_the_card(
    server: Scripted, platform: DiscordPlatform
) -> None:
    card = Card("Prize", picture="https://example.org/a.png")
    server.next = [Said(200, {"id": "8"}), Said(400, {"code": 50035}), Said(200, {"id": "9"}), Said(200, {"id": "9"})]
    assert await platform.send(card, HERE, "d1") == "8"
    assert server.bodies[0]["embeds"][0]["image"] == {"url": card.picture}
    assert await platform.send(card, HERE, "d2") == "9"
    await platform.edit(card, HERE, "9")
    assert ["image" in body["embeds"][0] for body in server.bodies] == [True, True, False, False]


def test_a_picture_stands_under_the_first_part_of_a_long_card() -> None:
    card = Card("Prize", "c" * 3_000, draft="*" * 1_800, status=("s" * 400,), picture="https://example.org/a.png")
    first, second = render.embeds(card)
    assert first["image"] == {"url": card.picture}
    assert "image" not in second
    assert "image" not in render.embeds(Card("x", picture="https://example.org/" + "a" * 2_048))[0]


async def test_a_file_of_eight_megabytes_goes_out_and_a_larger_one_than_discord_takes_does_not(
    server: Scripted, platform: DiscordPlatform
) -> None:
    content = bytes(range(256)) * 32_768
    assert await platform.send(Document("proof.json", "application/json", content), HERE, "d1")
    assert server.bodies[0][1] == ("proof.json", "application/json", content)
    limit = platform.capabilities.max_file
    assert len(content) <= limit == 10 * 1024 * 1024
    with pytest.raises(Refused) as refused:
        await platform.send(Document("proof.json", "application/json", bytes(limit + 1)), HERE, "d2")
    assert refused.value.code == "too_large"
    assert len(server.heard) == 1


@pytest.mark.parametrize("said", [Said(413, "too large"), Said(413, {"code": 40005}), Said(400, {"code": 40005})])
async def test_a_file_that_discord_finds_too_large_is_named_so(
    server: Scripted, platform: DiscordPlatform, said: Said
) -> None:
    server.next = [said]
    with pytest.raises(Refused) as refused:
        await platform.send(Document("proof.json", "application/json", b"{}"), HERE, "d1")
    assert refused.value.code == "too_large"


async def test_a_message_has_an_address(platform: DiscordPlatform) -> None:
    assert isinstance(platform, Links)
    assert await platform.link(HERE, "9") == f"https://discord.com/channels/{GUILD}/{CHANNEL}/9"
    thread = Channel("discord", GUILD, "55", parent_id=CHANNEL)
    assert await platform.link(thread, "9") == f"https://discord.com/channels/{GUILD}/55/9"
    assert await platform.link(Channel("discord", "dm-7", "6"), "9") == "https://discord.com/channels/@me/6/9"
    assert await platform.link(HERE, "") is None


# ---- the set-up


@pytest.mark.parametrize("flag", [1 << 14, 1 << 15])
async def test_the_intent_of_members_is_only_a_hint(server: Scripted, platform: DiscordPlatform, flag: int) -> None:
    assert isinstance(platform, ChecksSetup)
    content = 1 << 19
    server.always["GET", "/users/@me"] = Said(200, BOT)
    server.always["GET", "/applications/@me"] = Said(200, {"id": "1", "flags": content | flag})
    assert await platform.check([]) == []
    server.always["GET", "/applications/@me"] = Said(200, {"id": "1", "flags": content})
    [fault] = await platform.check([])
    assert (fault.key, fault.hint) == ("discord.members", True)
