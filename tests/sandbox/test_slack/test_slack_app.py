"""What the app's manifest decides, and private messages with buttons."""

from __future__ import annotations

from typing import Any

import pytest

from bot.sandbox.frame import ControlError

from .test_slack_people import ANA, CARD, during

MANIFEST = {
    "features": {"slash_commands": [{"command": "/poll", "description": "Ask"}]},
    "oauth_config": {"scopes": {"bot": ["chat:write", "commands"]}},
    "settings": {"event_subscriptions": {"bot_events": ["message.channels", "reaction_added"]}},
}


async def test_a_command_that_the_app_does_not_have_is_refused_to_the_person(slack: Any) -> None:
    socket = await slack.connect()
    told = slack.server.manifest(MANIFEST)
    assert (told["commands"], told["events"]) == (["/poll"], ["message.channels", "reaction_added"])
    _, envelope = await during(slack.server.command({**ANA, "text": "/poll Tea?"}), socket.event)
    assert envelope["payload"]["command"] == "/poll"
    refused = await slack.server.command({**ANA, "text": "/投票 茶？"})
    assert "/投票 is not a valid command" in refused["toast"]
    shown = slack.server.seen("review", "ana", None)[-1]
    assert (shown.author, shown.private_to, shown.text) == ("Slackbot", "ana", refused["toast"])
    assert slack.server.seen("review", "bo", None) == []
    assert len(slack.events("slash_commands")) == 1


async def test_the_bot_may_do_what_its_manifest_asks_for(slack: Any) -> None:
    assert (await slack.call("users.list"))["ok"]
    assert slack.server.manifest(MANIFEST)["scopes"] == ["chat:write", "commands"]
    refused = await slack.call("users.list")
    assert (refused["error"], refused["needed"], refused["provided"]) == (
        "missing_scope",
        "users:read",
        "chat:write,commands",
    )
    await slack.post()


async def test_events_that_the_app_does_not_name_are_not_pushed(slack: Any) -> None:
    socket = await slack.connect()
    slack.server.manifest(MANIFEST)
    slack.server.member("ana", {}, None)
    said = await slack.server.say({**ANA, "text": "hello", "attachment": "x.txt"})
    await slack.server.react({**ANA, "message_id": said, "emoji": "👍"})
    kinds = [(await socket.event())["payload"]["event"]["type"] for _ in range(2)]
    assert kinds == ["message", "reaction_added"]


@pytest.mark.parametrize(
    "manifest", [{}, {"features": {}}, {"features": {"slash_commands": [{"command": "poll"}]}, "settings": {}}]
)
async def test_what_is_no_manifest_is_refused(slack: Any, manifest: Any) -> None:
    with pytest.raises(ControlError, match=r"manifest|slash"):
        slack.server.manifest(manifest)


async def test_a_private_card_is_answered_through_its_response_url(slack: Any) -> None:
    socket = await slack.connect()
    ana = slack.server.member("ana", {}, None)["member_id"]
    for _ in slack.channels:
        await socket.event()
    await slack.call("chat.postEphemeral", channel=slack.channels["review"], user=ana, text="x", blocks=CARD)
    (card,) = slack.server.seen("review", "ana", None)
    assert (card.private_to, "v1|7|vote:0|mac" in [b["id"] for b in card.buttons]) == ("ana", True)
    press = {**ANA, "message_id": card.id, "button": "vote:0"}

    async def replace() -> Any:
        payload = (await socket.event())["payload"]
        answer = {"replace_original": True, "text": "gone"}
        async with slack.session.post(payload["response_url"], json=answer) as response:
            assert response.status == 200
        return payload

    _, payload = await during(slack.server.click(press), replace)
    assert payload["container"]["is_ephemeral"] is True
    assert payload["actions"][0]["value"] == "v1|7|vote:0|mac"
    (left,) = slack.server.seen("review", "ana", None)
    assert (left.text, left.private_to, left.buttons) == ("gone", "ana", ())
    assert slack.server.seen("review", "bo", None) == []


async def test_a_crowd_comes_unannounced(slack: Any) -> None:
    await slack.connect()
    for number in range(30):
        slack.server.member(f"fans{number}", {"quiet": True}, None)
    assert slack.events("events_api") == []
    said = await slack.server.say({"channel": "general", "member": "fans7", "text": "here"})
    assert slack.server.seen("general", None, None)[0].id == said
