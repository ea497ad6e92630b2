"""The Web API: who may call, what it refuses, what it keeps."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from bot.sandbox.frame import Fault

SECTION = {"type": "section", "text": {"type": "mrkdwn", "text": "hi"}}


def button(number: int = 0, **fields: Any) -> dict[str, Any]:
    text = {"type": "plain_text", "text": "Press"}
    return {"type": "button", "action_id": f"press{number}", "text": text} | fields


def actions(*elements: Any, **fields: Any) -> dict[str, Any]:
    return {"type": "actions", "elements": list(elements)} | fields


@pytest.mark.parametrize(
    ("method", "token", "error"),
    [
        ("auth.test", None, "not_authed"),
        ("auth.test", "xoxb-somebody-else", "invalid_auth"),
        ("auth.test", "app", "not_allowed_token_type"),
        ("apps.connections.open", "bot", "not_allowed_token_type"),
        ("chat.scheduleMessage", "bot", "method_not_supported_in_sandbox"),
        ("chat.shout", "bot", "unknown_method"),
        ("nonsense", "bot", "unknown_method"),
    ],
)
async def test_refuses_wrong_callers_and_methods(slack: Any, method: str, token: str | None, error: str) -> None:
    response = await slack.raw(method, token=token)
    assert (response.status, response.body["ok"], response.body["error"]) == (200, False, error)


async def test_a_scope_that_was_taken_away_is_missed(slack: Any) -> None:
    slack.server.core.app.scopes = slack.server.api.scopes - {"chat:write"}
    answer = await slack.call("chat.postMessage", channel=slack.channels["community"], text="x")
    assert (answer["error"], answer["needed"]) == ("missing_scope", "chat:write")
    assert "chat:write" not in answer["provided"].split(",")


async def test_paths_of_other_platforms_are_not_ours(slack: Any) -> None:
    async with slack.session.get(slack.url + "v10/users/@me") as response:
        assert response.status == 404


async def test_arguments_come_by_form_query_and_json_and_are_journalled_decoded(slack: Any) -> None:
    channel, blocks = slack.channels["community"], json.dumps([SECTION])
    form = {"channel": channel, "blocks": blocks, "unfurl_links": "false", "token": slack.bot}
    async with slack.session.post(slack.url + "chat.postMessage", data=form) as response:
        assert (await response.json())["ok"]
    row = slack.frame.journal.rows[-1]
    assert row["body"] == {"channel": channel, "blocks": [SECTION], "unfurl_links": False}
    query = {"channel": channel, "limit": "1", "include_all_metadata": "1", "token": slack.bot}
    async with slack.session.get(slack.url + "conversations.history", params=query) as response:
        assert len((await response.json())["messages"]) == 1
    row = slack.frame.journal.rows[-1]
    assert row["body"] == {"channel": channel, "limit": 1, "include_all_metadata": True}
    assert slack.bot not in json.dumps(slack.frame.journal.rows)


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({}, "no_text", ""),
        ({"text": "x" * 40_001}, "msg_too_long", ""),
        ({"text": "x", "colour": "red"}, "invalid_arguments", "unknown argument: colour"),
        ({"text": "x", "thread_ts": "1.000001"}, "thread_not_found", ""),
        ({"text": 5}, "invalid_arguments", "5 is not of type"),
        ({"blocks": "[{"}, "invalid_blocks_format", ""),
        ({"blocks": [{"type": "bogus"}]}, "invalid_blocks", "unsupported type [json-pointer:/blocks/0/type]"),
        ({"blocks": [{"type": "section"}]}, "invalid_blocks", "must define either `text` or `fields`"),
        ({"blocks": [SECTION] * 51}, "invalid_blocks", "no more than 50 items allowed"),
        ({"blocks": [{**SECTION, "colour": 1}]}, "invalid_blocks", "[json-pointer:/blocks/0]"),
        ({"blocks": [{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}]}, "invalid_blocks", "151"),
        ({"blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}}]}, "invalid_blocks", "3001"),
        ({"blocks": [actions(*(button(n) for n in range(26)))]}, "invalid_blocks", "no more than 25 items"),
        ({"blocks": [actions(button(value="v" * 2001))]}, "invalid_blocks", "2001 characters"),
        ({"blocks": [actions(button(text={"type": "plain_text", "text": "x" * 76}))]}, "invalid_blocks", "76"),
        ({"blocks": [actions(button(), button())]}, "invalid_blocks", '`action_id` "press0" already exists'),
        ({"blocks": [{**SECTION, "block_id": "b"}] * 2}, "invalid_blocks", '`block_id` "b" already exists'),
        ({"blocks": [{**SECTION, "block_id": "b" * 256}]}, "invalid_blocks", "256 characters"),
    ],
)
async def test_refuses_what_slack_refuses(slack: Any, fields: dict[str, Any], error: str, message: str) -> None:
    answer = await slack.call("chat.postMessage", channel=slack.channels["community"], **fields)
    assert answer["error"] == error
    assert message in "\n".join(answer.get("response_metadata", {}).get("messages", [""]))
    assert slack.server.seen("community", None, None) == []


async def test_only_own_messages_in_known_channels_can_be_changed(slack: Any) -> None:
    channel = slack.channels["community"]
    theirs = await slack.server.say({"channel": "community", "member": "ana", "text": "mine"})
    changed = await slack.call("chat.update", channel=channel, ts=theirs, text="yours")
    deleted = await slack.call("chat.delete", channel=channel, ts=theirs)
    missing = await slack.call("chat.update", channel=channel, ts="1.000000", text="x")
    elsewhere = await slack.call("chat.postMessage", channel="C404", text="x")
    errors = [answer["error"] for answer in (changed, deleted, missing, elsewhere)]
    assert errors == ["cant_update_message", "cant_delete_message", "message_not_found", "channel_not_found"]


async def test_a_channel_without_the_bot_and_an_archived_one_take_no_messages(slack: Any) -> None:
    workspace = slack.server.core.default
    quiet = workspace.channel("quiet", create=True)
    quiet.members.clear()
    assert (await slack.call("chat.postMessage", channel=quiet.id, text="x"))["error"] == "not_in_channel"
    assert (await slack.call("conversations.join", channel=quiet.id))["ok"]
    assert (await slack.call("chat.postMessage", channel=quiet.id, text="x"))["ok"]
    quiet.is_archived = True
    assert (await slack.call("chat.postMessage", channel=quiet.id, text="x"))["error"] == "is_archived"


async def test_update_of_text_alone_takes_the_blocks_away(slack: Any) -> None:
    posted = await slack.post("fallback", blocks=[SECTION])
    assert posted["message"]["blocks"][0]["block_id"]
    answer = await slack.call("chat.update", channel=posted["channel"], ts=posted["ts"], text="plain &amp; simple")
    assert "blocks" not in answer["message"]
    assert [m.text for m in slack.server.seen("community", None, None)] == ["plain & simple"]


async def test_history_pages_backwards_and_tells_metadata_only_when_asked(slack: Any) -> None:
    metadata = {"event_type": "delivery", "event_payload": {"key": "d1"}}
    posts = [await slack.post(f"m{n}", metadata=metadata) for n in range(5)]
    await slack.post("in a thread", thread_ts=posts[0]["ts"])
    channel, found, cursor = posts[0]["channel"], [], ""
    while True:
        answer = await slack.call("conversations.history", channel=channel, limit=2, cursor=cursor)
        found += answer["messages"]
        cursor = answer.get("response_metadata", {}).get("next_cursor", "")
        if not cursor:
            break
    assert [m["text"] for m in found] == ["m4", "m3", "m2", "m1", "m0"]
    assert not any("metadata" in m for m in found)
    assert (found[-1]["reply_count"], found[-1]["thread_ts"]) == (1, posts[0]["ts"])
    since = {"channel": channel, "oldest": posts[3]["ts"], "include_all_metadata": True}
    later = await slack.call("conversations.history", **since)
    assert [(m["text"], m["metadata"]) for m in later["messages"]] == [("m4", metadata)]
    inclusive = await slack.call("conversations.history", **since, inclusive=True)
    assert [m["text"] for m in inclusive["messages"]] == ["m4", "m3"]
    thread = await slack.call("conversations.replies", channel=channel, ts=posts[0]["ts"])
    assert [m["text"] for m in thread["messages"]] == ["m0", "in a thread"]
    bad = await slack.call("conversations.history", channel=channel, oldest="yesterday")
    assert bad["error"] == "invalid_ts_oldest"


async def test_reactions_and_pins_remember(slack: Any) -> None:
    posted = await slack.post()
    item = {"channel": posted["channel"], "timestamp": posted["ts"]}
    assert (await slack.call("reactions.add", **item, name="eyes"))["ok"]
    assert (await slack.call("reactions.add", **item, name="eyes"))["error"] == "already_reacted"
    assert (await slack.call("reactions.add", **item, name="No Such"))["error"] == "invalid_name"
    shown = (await slack.call("reactions.get", **item))["message"]["reactions"]
    assert [(r["name"], r["count"]) for r in shown] == [("eyes", 1)]
    assert (await slack.call("reactions.remove", **item, name="eyes"))["ok"]
    assert (await slack.call("reactions.remove", **item, name="eyes"))["error"] == "no_reaction"
    assert (await slack.call("pins.add", **item))["ok"]
    assert (await slack.call("pins.add", **item))["error"] == "already_pinned"
    assert [i["message"]["ts"] for i in (await slack.call("pins.list", channel=posted["channel"]))["items"]] == [
        posted["ts"]
    ]


async def test_people_and_roles_can_be_looked_up(slack: Any) -> None:
    ana = slack.server.member("ana", {"name": "Ana A.", "roles": ["approver"]}, None)["member_id"]
    assert (await slack.call("users.info", user=ana))["user"]["real_name"] == "Ana A."
    assert (await slack.call("users.info", user="U404"))["error"] == "user_not_found"
    groups = (await slack.call("usergroups.list", include_users=True))["usergroups"]
    assert [(g["handle"], g["users"]) for g in groups] == [("approver", [ana])]
    assert (await slack.call("usergroups.users.list", usergroup=groups[0]["id"]))["users"] == [ana]
    members = (await slack.call("conversations.members", channel=slack.channels["review"]))["members"]
    assert ana in members
    direct = (await slack.call("conversations.open", users=ana))["channel"]["id"]
    assert (await slack.call("chat.postMessage", channel=direct, text="psst"))["channel"] == direct
    assert [m.text for m in slack.server.seen(direct, "ana", None)] == ["psst"]
    assert slack.server.seen(direct, "bo", None) == []


async def test_only_the_named_member_sees_an_ephemeral_message(slack: Any) -> None:
    ana = slack.server.member("ana", {}, None)["member_id"]
    slack.server.member("bo", {}, None)
    args = {"channel": slack.channels["review"], "text": "for you"}
    assert (await slack.call("chat.postEphemeral", **args, user=ana))["ok"]
    assert (await slack.call("chat.postEphemeral", **args, user="U404"))["error"] == "user_not_in_channel"
    assert [(m.text, m.private_to) for m in slack.server.seen("review", "ana", None)] == [("for you", "ana")]
    assert slack.server.seen("review", "bo", None) == []
    assert (await slack.call("conversations.history", channel=args["channel"]))["messages"] == []


async def test_posting_is_limited_by_channel_and_time_heals_it(start: Any) -> None:
    slack = await start(limits=True)
    statuses = []
    while 429 not in statuses and len(statuses) < 50:
        response = await slack.raw("chat.postMessage", {"channel": slack.channels["community"], "text": "x"})
        statuses.append(response.status)
    assert statuses[0] == 200
    assert (response.status, response.body["error"]) == (429, "ratelimited")
    wait = int(response.headers["Retry-After"])
    assert wait >= 1
    await slack.post(channel="review")
    slack.frame.clock.advance(wait)
    await slack.post(channel="community")


async def test_faults_spare_the_way_in_unless_they_name_it(slack: Any) -> None:
    await slack.server.fault(Fault("500"))
    assert (await slack.raw("auth.test")).status == 200
    assert (await slack.raw("users.list")).status == 500
    assert (await slack.raw("users.list")).status == 200
    await slack.server.fault(Fault("429", match="auth.test", seconds=7))
    response = await slack.raw("auth.test")
    assert (response.status, response.headers["Retry-After"]) == (429, "7")
    assert (await slack.raw("auth.test")).status == 200
    assert [row["fault"] for row in slack.frame.journal.rows if "fault" in row] == ["500", "429"]


async def test_a_swallowed_reply_was_done_and_a_reset_was_not(slack: Any) -> None:
    await slack.server.fault(Fault("swallow_reply", match="first"))
    args = {"channel": slack.channels["community"], "text": "first"}
    with pytest.raises(asyncio.TimeoutError):
        await slack.raw("chat.postMessage", args, timeout=aiohttp.ClientTimeout(total=0.3))
    row = slack.frame.journal.rows[-1]
    assert (row["status"], row["response"]["ok"], row["fault"]) == (200, True, "swallow_reply")
    await slack.server.fault(Fault("reset", match="second"))
    with pytest.raises(aiohttp.ClientError):
        await slack.raw("chat.postMessage", {**args, "text": "second"})
    row = slack.frame.journal.rows[-1]
    assert (row["status"], row["fault"]) == (None, "reset")
    assert [m.text for m in slack.server.seen("community", None, None)] == ["first"]


async def test_the_answer_tells_every_scope_that_the_bot_was_installed_with(slack: Any) -> None:
    async with slack.session.post(
        slack.url + "auth.test", headers={"Authorization": f"Bearer {slack.bot}"}
    ) as response:
        granted = set(response.headers["X-OAuth-Scopes"].split(","))
    assert granted >= {
        "app_mentions:read", "commands", "channels:history", "groups:history", "im:history", "mpim:history",
        "chat:write", "reactions:read", "users:read", "usergroups:read", "files:read", "files:write",
    }  # fmt: skip
