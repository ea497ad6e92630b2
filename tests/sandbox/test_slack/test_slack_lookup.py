"""Looking up what was sent: conversations.history and .replies, as their pages describe them."""

from __future__ import annotations

from typing import Any

import pytest

META = {"event_type": "delivery", "event_payload": {"id": "d-1", "n": 7}}


async def history(slack: Any, method: str = "conversations.history", **args: Any) -> Any:
    answer = await slack.call(method, channel=slack.channels["community"], **args)
    assert answer["ok"], answer
    return answer


def texts(answer: Any) -> list[str]:
    return [message["text"] for message in answer["messages"]]


async def test_metadata_is_kept_and_told_when_asked_for(slack: Any) -> None:
    own = await slack.call("auth.test")
    posted = await slack.post("with", metadata=META)
    await slack.post("without")
    assert "metadata" not in (await history(slack))["messages"][1]
    plain, marked = (await history(slack, include_all_metadata=True))["messages"]
    assert (marked["text"], marked["metadata"], marked["ts"]) == ("with", META, posted["ts"])
    assert "metadata" not in plain
    assert (marked["bot_id"], marked["user"]) == (own["bot_id"], own["user_id"])
    assert marked["app_id"].startswith("A0")
    reply = await slack.post("reply", thread_ts=posted["ts"], metadata=META)
    found = (await history(slack, "conversations.replies", ts=posted["ts"], include_all_metadata=True))["messages"]
    assert [(m["text"], m["metadata"]) for m in found] == [("with", META), ("reply", META)]
    assert found[1]["ts"] == reply["ts"]
    assert texts(await history(slack)) == ["without", "with"]


async def test_metadata_given_as_form_text_is_the_same(slack: Any) -> None:
    form = {"channel": slack.channels["community"], "text": "x", "metadata": '{"event_type": "a", "event_payload": {}}'}
    headers = {"Authorization": f"Bearer {slack.bot}"}
    async with slack.session.post(slack.url + "chat.postMessage", data=form, headers=headers) as response:
        assert (await response.json())["message"]["metadata"] == {"event_type": "a", "event_payload": {}}


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ({"oldest": 1}, ["3", "2"]),
        ({"oldest": 1, "inclusive": True}, ["3", "2", "1"]),
        ({"latest": 2}, ["1", "0"]),
        ({"latest": 2, "inclusive": True}, ["2", "1", "0"]),
        ({"oldest": 0, "latest": 3}, ["2", "1"]),
        ({"oldest": 2, "latest": 2}, []),
        ({"oldest": 2, "latest": 2, "inclusive": True, "limit": 1}, ["2"]),
    ],
)
async def test_bounds_are_exclusive_unless_told(slack: Any, bounds: dict[str, Any], expected: list[str]) -> None:
    stamps = [(await slack.post(str(number)))["ts"] for number in range(4)]
    args = {name: stamps[value] if name in ("oldest", "latest") else value for name, value in bounds.items()}
    assert texts(await history(slack, **args)) == expected


async def test_pages_follow_each_other(slack: Any) -> None:
    for number in range(5):
        await slack.post(str(number))
    seen, cursor = [], ""
    while True:
        page = await history(slack, limit=2, **({"cursor": cursor} if cursor else {}))
        seen += texts(page)
        cursor = page.get("response_metadata", {}).get("next_cursor", "")
        assert page["has_more"] is bool(cursor)
        if not cursor:
            break
    assert seen == ["4", "3", "2", "1", "0"]
    bad = await slack.call("conversations.history", channel=slack.channels["community"], cursor="nonsense")
    assert bad["error"] == "invalid_cursor"


async def test_a_thread_is_paged_with_its_parent_first(slack: Any) -> None:
    parent = (await slack.post("parent"))["ts"]
    stamps = [(await slack.post(str(number), thread_ts=parent))["ts"] for number in range(3)]
    first = await history(slack, "conversations.replies", ts=parent, limit=2)
    assert (texts(first), first["has_more"]) == (["parent", "0"], True)
    rest = await history(
        slack, "conversations.replies", ts=parent, limit=2, cursor=first["response_metadata"]["next_cursor"]
    )
    assert (texts(rest), rest["has_more"]) == (["1", "2"], False)
    later = await history(slack, "conversations.replies", ts=parent, oldest=stamps[1], inclusive=True)
    assert texts(later) == ["parent", "1", "2"]
    missing = await slack.call("conversations.replies", channel=slack.channels["community"], ts="1.000001")
    assert missing["error"] == "thread_not_found"


async def test_populated_channels_are_written_to_and_joined_by_who_writes(slack: Any) -> None:
    ids = slack.server.populate(3, "crowd", None)
    assert len(set(ids)) == 3
    assert slack.server.populate(2, "crowd", None) == ids[:2]
    for channel in ids:
        assert (await slack.call("chat.postMessage", channel=channel, text="hi"))["ok"]
    await slack.server.say({"channel": ids[0], "member": "ana", "text": "hello"})
    assert [m.text for m in slack.server.seen(ids[0], "ana", None)] == ["hi", "hello"]


async def test_the_oldest_messages_are_forgotten(slack: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.sandbox.slack.state.KEPT_MESSAGES", 3)
    parent = (await slack.post("parent"))["ts"]
    await slack.post("reply", thread_ts=parent)
    for number in range(2):
        await slack.post(str(number))
    assert texts(await history(slack)) == ["1", "0"]
    await slack.post("2")
    assert [m.text for m in slack.server.seen("community", None, None)] == ["0", "1", "2"]


async def test_one_post_a_second_in_a_channel_after_a_short_burst(start: Any) -> None:
    slack = await start(limits=True)
    told = slack.server.published["channel"]
    place = {"channel": slack.channels["community"], "text": "x"}
    answers = [await slack.raw("chat.postMessage", place) for _ in range(told["burst"] + 1)]
    assert [a.status for a in answers] == [200] * told["burst"] + [429]
    assert answers[-1].headers["Retry-After"] == "1"
    assert answers[-1].body == {"ok": False, "error": "ratelimited"}
    elsewhere = await slack.raw("chat.postMessage", {**place, "channel": slack.channels["general"]})
    assert elsewhere.status == 200
    for _ in range(3):
        slack.frame.clock.advance(1)
        assert (await slack.raw("chat.postMessage", place)).status == 200
        assert (await slack.raw("chat.postMessage", place)).status == 429


async def test_a_workspace_takes_several_hundred_posts_a_minute(start: Any) -> None:
    slack = await start(limits=True)
    most = slack.server.published["workspace"]["burst"]
    ids = slack.server.populate(most + 30, "crowd", None)
    codes = [(await slack.raw("chat.postMessage", {"channel": one, "text": "x"})).status for one in ids]
    assert codes[:most] == [200] * most
    assert 429 in codes
    # What the workspace refused has cost the channel nothing.
    refused = ids[codes.index(429)]
    slack.frame.clock.advance(60)
    burst = slack.server.published["channel"]["burst"]
    again = [(await slack.raw("chat.postMessage", {"channel": refused, "text": "x"})).status for _ in range(burst)]
    assert again == [200] * burst
