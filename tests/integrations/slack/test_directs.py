"""A message to one person, pictures that must not lose a card, and addresses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from slack_sdk.models.blocks import Block

from bot.chat.messages import Button, Card, Document, Notice
from bot.chat.ports import Links, NotSent, Refused, SendError, Unclear
from bot.domain.places import Channel, Member
from bot.integrations.slack import SlackConfig, SlackPlatform, files, render
from tests.integrations.slack.conftest import RecordingSink, Stage
from tests.integrations.slack.server import Server, serving

HERE = Channel("slack", "T1", "C1")
OPEN, POST, EDIT = "conversations.open", "chat.postMessage", "chat.update"
WON = "You have *won* <!channel> & more"
PICTURE = "https://pictures.example.com/tea.png"
BROKEN = "https://pictures.invalid/tea.png"


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serving() as running:
        running.answers[OPEN] = lambda fields: {"ok": True, "channel": {"id": f"D{fields['users']}"}}
        running.answers[POST] = lambda _: {"ok": True, "ts": "1.1"}
        yield running


@pytest.fixture
async def platform(server: Server) -> AsyncIterator[SlackPlatform]:
    made = SlackPlatform(SlackConfig("xoxb", "xapp", server.url, request_timeout=1.5))
    yield made
    await made.close()


def notice(text: str = WON, user: str = "U7", **more: Any) -> Notice:
    return Notice(text, Member("slack", "T1", user), direct=True, **more)


def refusing(error: str) -> Any:
    return lambda _: {"ok": False, "error": error}


async def test_it_goes_into_the_conversation_with_its_delivery(server: Server, platform: SlackPlatform) -> None:
    await platform.notify(notice(buttons=(Button("Claim", "v1|c"),), toast=True), HERE, {"response_url": "x"}, "d1")
    await platform.notify(notice("again"), HERE, {}, "d2")
    await platform.notify(notice("other", "U8"), HERE, {})
    assert [method for method, _ in server.calls] == [OPEN, POST, POST, OPEN, POST]
    first, second, third = server.called(POST)
    assert (first["channel"], second["channel"], third["channel"]) == ("DU7", "DU7", "DU8")
    assert first["text"] == "You have *won* &lt;!channel&gt; &amp; more"
    assert "actions" not in str(first["blocks"])
    assert "d1" in str(first["metadata"])
    assert "metadata" not in third


@pytest.mark.parametrize("code", ["cannot_dm_bot", "user_disabled", "user_not_found", "user_not_visible"])
@pytest.mark.parametrize("method", [OPEN, POST])
async def test_who_takes_no_messages_is_unreachable(
    server: Server, platform: SlackPlatform, code: str, method: str
) -> None:
    server.answers[method] = refusing(code)
    with pytest.raises(Refused) as refused:
        await platform.notify(notice(hint="look"), HERE, {}, "d1")
    assert refused.value.code == "unreachable"
    assert code in str(refused.value)


@pytest.mark.parametrize(
    ("method", "answer", "error"),
    [
        (OPEN, lambda _: web.Response(status=500), NotSent),
        (OPEN, lambda _: {"ok": True}, NotSent),
        (OPEN, refusing("missing_scope"), Refused),
        (OPEN, refusing("ratelimited"), NotSent),
        (POST, lambda _: web.Response(status=500), Unclear),
        (POST, refusing("messages_tab_disabled"), Refused),
    ],
)
async def test_what_went_wrong_is_told_apart(
    server: Server, platform: SlackPlatform, method: str, answer: Any, error: type[SendError]
) -> None:
    server.answers[method] = answer
    with pytest.raises(error) as failed:
        await platform.notify(notice(), HERE, {}, "d1")
    assert getattr(failed.value, "code", "") != "unreachable"


async def test_a_conversation_that_is_gone_is_opened_again(server: Server, platform: SlackPlatform) -> None:
    await platform.notify(notice(), HERE, {}, "d1")
    answers: list[Any] = [{"ok": True, "ts": "1.1"}, {"ok": False, "error": "channel_not_found"}]
    server.answers[POST] = lambda _: answers.pop()
    await platform.notify(notice(), HERE, {}, "d2")
    assert [method for method, _ in server.calls] == [OPEN, POST, POST, OPEN, POST]


async def test_it_arrives_whole_or_not_at_all(server: Server, platform: SlackPlatform) -> None:
    await platform.notify(notice("茶" * render.MAX_REPLY), HERE, {}, "d1")
    assert "".join(block["text"]["text"] for block in _blocks(server.called(POST)[0])) == "茶" * render.MAX_REPLY
    with pytest.raises(Refused) as refused:
        await platform.notify(notice("茶" * (render.MAX_REPLY + 1)), HERE, {}, "d2")
    assert refused.value.code == "too_long"
    assert len(server.called(POST)) == 1


def _blocks(fields: Any) -> Any:
    return fields["blocks"]


async def test_in_a_real_workspace(stage: Stage, sink: RecordingSink) -> None:
    user = (await stage.control("member", member="winner"))["member_id"]
    platform = SlackPlatform(stage.config)
    person = Member("slack", stage.community.tenant, user)
    await platform.notify(Notice(WON, person, direct=True), stage.community, {}, "won-1")
    (seen,) = await stage.sees("winner", "dm")
    assert (seen["text"], seen["private_to"]) == (WON, "winner")
    await stage.control("member", member="winner", left=True)
    fresh = SlackPlatform(stage.config)
    with pytest.raises(Refused) as refused:
        await fresh.notify(Notice(WON, person, direct=True), stage.community, {}, "won-2")
    assert refused.value.code == "unreachable"
    await platform.close()
    await fresh.close()


# ---- pictures


@pytest.mark.parametrize("picture", [PICTURE, "", "http://example.org/x.png", "https://example.org/" + "a" * 3_000])
def test_a_picture_is_a_block_that_slack_takes(picture: str) -> None:
    blocks = render.post(Card("🎁 Prize", "c", picture=picture), HERE, "k")["blocks"]
    shown = [block for block in blocks if block["type"] == "image"]
    wanted = [{"type": "image", "image_url": PICTURE, "alt_text": "🎁 Prize"}]
    assert shown == (wanted if picture == PICTURE else [])
    for block in Block.parse_all(blocks):
        block.validate_json()


def test_a_card_of_many_buttons_keeps_to_the_blocks_of_a_message() -> None:
    buttons = tuple(Button(str(number), f"v1|{number}") for number in range(60))
    for stacked in (False, True):
        card = Card("Prize", "c", ("d",), status=("s",), buttons=buttons, stacked=stacked, picture=PICTURE)
        assert len(render.post(card, HERE, "k")["blocks"]) <= 50


async def test_a_picture_that_slack_cannot_fetch_does_not_lose_the_card(stage: Stage) -> None:
    platform = SlackPlatform(stage.config)
    for picture, requests in ((PICTURE, 1), (BROKEN, 2), (BROKEN, 1)):
        after = await stage.mark()
        sent = await platform.send(Card("Prize", picture=picture), stage.community, "d1")
        assert len(await stage.requests(POST, after)) == requests
        (shown,) = [message for message in await stage.sees("ana") if message["id"] == sent]
        assert "Prize" in shown["text"]
    fresh, after = SlackPlatform(stage.config), await stage.mark()
    await fresh.edit(Card("Prize!", picture=BROKEN), stage.community, sent)
    assert len(await stage.requests(EDIT, after)) == 2
    await platform.close()
    await fresh.close()


# ---- files and addresses


async def test_a_file_of_eight_megabytes_arrives(stage: Stage) -> None:
    content = bytes(range(256)) * 32_768
    platform = SlackPlatform(stage.config)
    after = await stage.mark()
    await platform.send(Document("proof.json", "application/json", content), stage.community, "proof-8")
    (shown,) = await stage.requests("files.completeUploadExternal", after)
    (file,) = shown["response"]["files"]
    headers = {"Authorization": f"Bearer {stage.config.bot_token}"}
    async with stage.session.get(file["url_private"], headers=headers) as answer:
        assert (await answer.read()) == content
    await platform.close()


async def test_a_file_that_is_too_large_is_named_so(
    server: Server, platform: SlackPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert platform.capabilities.max_file == files.MAX_FILE
    server.answers["files.getUploadURLExternal"] = refusing("file_upload_size_restricted")
    document = Document("proof.json", "application/json", b"123")
    for limit in (3, 2):
        monkeypatch.setattr(files, "MAX_FILE", limit)
        with pytest.raises(Refused) as refused:
            await platform.send(document, HERE, "k")
        assert refused.value.code == "too_large"
    assert len(server.calls) == 1


async def test_a_message_has_the_address_that_slack_gives_it(stage: Stage) -> None:
    platform = SlackPlatform(stage.config)
    assert isinstance(platform, Links)
    sent = await platform.send(Card("Prize"), stage.community, "d1")
    headers = {"Authorization": f"Bearer {stage.config.bot_token}"}
    query = {"channel": stage.community.channel_id, "message_ts": sent}
    async with stage.session.get(f"{stage.config.api_url}chat.getPermalink", params=query, headers=headers) as answer:
        assert await platform.link(stage.community, sent) == (await answer.json())["permalink"]
    assert await platform.link(stage.community, "") is None
    await platform.close()
