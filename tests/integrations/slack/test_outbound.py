"""What the bot says in the sandbox: once, where it belongs, byte for byte, and with errors told apart."""

from __future__ import annotations

import socket

import pytest

from bot.chat.events import MessagePosted
from bot.chat.messages import Button, Card, Line, Notice, Reply
from bot.chat.ports import ChecksSetup, Deletes, Notifies, NotSent, Platform, ReadsRoles, Refused, Registers, Unclear
from bot.domain.places import Channel, Member
from bot.integrations.slack import SlackPlatform
from tests.integrations.slack.conftest import RecordingSink, Stage

HOSTILE = "<!channel> <@U1> *bold* & `x`\n @everyone 茶"


def test_it_is_a_platform() -> None:
    def takes(_platform: Platform) -> None: ...

    platform = SlackPlatform.__new__(SlackPlatform)
    takes(platform)
    for protocol in (Deletes, Notifies, ReadsRoles, ChecksSetup):
        assert isinstance(platform, protocol)
    assert not isinstance(platform, Registers)


async def test_a_reply_stands_in_the_thread_as_approved(stage: Stage, sink: RecordingSink) -> None:
    async with stage.running(sink) as platform:
        asked = await stage.say("when?")
        event = await sink.event(MessagePosted, message_id=asked)
        sent = await platform.send(Reply(HOSTILE, asked), event.channel, "delivery-1")
        echo = await sink.event(MessagePosted, message_id=sent)
    (reply,) = [message for message in await stage.sees("ana") if message["id"] == sent]
    assert (reply["text"], reply["reply_to"]) == (HOSTILE, asked)
    assert echo.author_is_bot
    assert echo.text == HOSTILE


async def test_a_card_is_changed_in_place(stage: Stage, sink: RecordingSink) -> None:
    card = Card("New", "when?", ("why",), HOSTILE, ("waiting",), (Button("Approve", "v1|x|approve|m", "primary"),))
    async with stage.running(sink) as platform:
        sent = await platform.send(card, stage.review, "d1")
        (before,) = [message for message in await stage.sees("ben", "review") if message["id"] == sent]
        await platform.edit(Card("Approved", draft=HOSTILE), stage.review, sent)
        await platform.edit(Card("Approved", draft=HOSTILE), stage.review, sent)
        (after,) = [message for message in await stage.sees("ben", "review") if message["id"] == sent]
        await platform.edit(Line("Gone by"), stage.review, sent)
        (last,) = [message for message in await stage.sees("ben", "review") if message["id"] == sent]
    assert "when?" in before["text"]
    assert [button["label"] for button in before["buttons"]] == ["Approve"]
    assert after["buttons"] == []
    assert last["text"] == "Gone by"


async def test_a_deleted_message_is_gone_and_stays_so(stage: Stage, sink: RecordingSink) -> None:
    async with stage.running(sink) as platform:
        sent = await platform.send(Line("x"), stage.review, "d1")
        await platform.delete(stage.review, sent)
        await platform.delete(stage.review, sent)
        with pytest.raises(Refused) as refused:
            await platform.edit(Line("y"), stage.review, sent)
    assert refused.value.code == "gone"
    assert sent not in {message["id"] for message in await stage.sees("ben", "review")}


async def test_a_notice_is_for_one_person(stage: Stage, sink: RecordingSink) -> None:
    async with stage.running(sink) as platform:
        event = await sink.event(MessagePosted, message_id=await stage.say("x"))
        await platform.notify(Notice("only for you", event.author), event.channel, {})
        await platform.notify(Notice("a toast", event.author, toast=True), event.channel, {})
    (told,) = [message for message in await stage.sees("ana") if "only for you" in message["text"]]
    assert told["private_to"] == "ana"
    assert not any("only for you" in message["text"] for message in await stage.sees("ben"))
    assert not any("a toast" in message["text"] for message in await stage.sees("ana"))


async def test_a_notice_finds_another_way_where_there_is_no_such_channel(stage: Stage, sink: RecordingSink) -> None:
    async with stage.running(sink) as platform:
        event = await sink.event(MessagePosted, message_id=await stage.say("x"))
        after = await stage.mark()
        elsewhere = Channel("slack", stage.community.tenant, "C0NOWHERE")
        await platform.notify(Notice("directly", event.author), elsewhere, {})
    (opened,) = await stage.requests("conversations.open", after)
    (posted,) = await stage.requests("chat.postMessage", after)
    assert opened["response"]["channel"]["id"] == posted["body"]["channel"]


@pytest.mark.parametrize(
    ("kind", "expected"), [("429", NotSent), ("500", Unclear), ("swallow_reply", Unclear), ("reset", Unclear)]
)
async def test_a_failing_send_is_tried_once_and_named(
    stage: Stage, sink: RecordingSink, kind: str, expected: type[Exception]
) -> None:
    async with stage.running(sink, request_timeout=2.0) as platform:
        after = await stage.mark()
        await stage.control("fault", kind=kind, times=1, match="chat.postMessage")
        with pytest.raises(expected) as failed:
            await platform.send(Reply("x", None), stage.community, "d1")
        attempts = await stage.requests("chat.postMessage", after)
    assert len(attempts) == 1
    if isinstance(failed.value, NotSent):
        assert failed.value.retry_after is not None


async def test_no_connection_is_surely_not_sent(stage: Stage) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    config = type(stage.config)(stage.config.bot_token, stage.config.app_token, f"http://127.0.0.1:{port}/api/")
    platform = SlackPlatform(config)
    with pytest.raises(NotSent):
        await platform.send(Line("x"), stage.community, "d1")
    await platform.close()


async def test_definite_refusals_keep_slacks_code(stage: Stage, sink: RecordingSink) -> None:
    async with stage.running(sink) as platform:
        with pytest.raises(Refused) as refused:
            await platform.send(Line("x"), Channel("slack", stage.community.tenant, "C0NOWHERE"), "d1")
    assert refused.value.code == "channel_not_found"
    wrong = SlackPlatform(type(stage.config)("xoxb-wrong", stage.config.app_token, stage.config.api_url))
    with pytest.raises(Refused) as unauthorized:
        await wrong.send(Line("x"), stage.community, "d1")
    await wrong.close()
    assert unauthorized.value.code == "unauthorized"


async def test_a_role_is_a_user_group_read_afresh(stage: Stage, sink: RecordingSink) -> None:
    await stage.control("member", member="cleo", roles=["moderators"])
    headers = {"Authorization": f"Bearer {stage.config.bot_token}"}
    async with stage.session.post(f"{stage.config.api_url}usergroups.list", headers=headers) as answer:
        groups = {group["handle"]: group["id"] for group in (await answer.json())["usergroups"]}
    async with stage.running(sink) as platform:
        cleo = (await sink.event(MessagePosted, message_id=await stage.say("x", "cleo"))).author
        ana = (await sink.event(MessagePosted, message_id=await stage.say("x", "ana"))).author
        assert await platform.holds(cleo, groups["moderators"])
        assert not await platform.holds(ana, groups["moderators"])
        assert not await platform.holds(cleo, "S0NOBODY")


async def test_nobody_of_another_workspace_holds_a_role(stage: Stage, sink: RecordingSink) -> None:
    async with stage.running(sink) as platform:
        assert not await platform.holds(Member("slack", "T0OTHER", "U1"), "S1")
        assert not await platform.holds(Member("discord", stage.community.tenant, "U1"), "S1")


async def test_the_check_names_what_is_wrong(stage: Stage) -> None:
    nowhere = Channel("slack", stage.community.tenant, "C0NOWHERE")
    foreign = Channel("slack", "T0OTHER", "C1")
    platform = SlackPlatform(stage.config)
    faults = await platform.check([stage.community, nowhere, foreign])
    await platform.close()
    named = [(fault.key, fault.args.get("channel")) for fault in faults if fault.key != "slack.scope"]
    assert named == [("slack.channel", "C0NOWHERE"), ("slack.tenant", "C1")]


async def test_the_check_names_bad_tokens(stage: Stage) -> None:
    platform = SlackPlatform(type(stage.config)("xoxb-wrong", "xapp-wrong", stage.config.api_url))
    faults = await platform.check([stage.community])
    await platform.close()
    assert [fault.key for fault in faults] == ["slack.token", "slack.app_token"]
