"""From gateway frames to events, without a network."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.chat.events import (
    ButtonPressed,
    CommandInvoked,
    FormSubmitted,
    MessageDeleted,
    MessageEdited,
    MessagePosted,
    PollVoted,
)
from bot.domain.places import Channel, Member
from bot.integrations.discord.parse import KEPT, decode, each, external_id, parse, read, source

GUILD, CHANNEL, MESSAGE, USER = "41771983423143937", "41771983423143938", "175928847299117063", "53908232506183680"
SENT_AT = 1462015105.796
"""The worked example of Discord's reference: snowflake 175928847299117063."""


def message(**changes: Any) -> dict[str, Any]:
    return {
        "id": MESSAGE,
        "type": 0,
        "channel_id": CHANNEL,
        "guild_id": GUILD,
        "author": {"id": USER, "username": "mason", "global_name": "Mason"},
        "member": {"roles": ["11111111111111111"], "nick": None},
        "content": "hello",
        **changes,
    }


def frame(kind: str, data: dict[str, Any], **more: Any) -> str:
    return json.dumps({"op": 0, "s": 7, "t": kind, "d": data, **more})


def posted(**changes: Any) -> MessagePosted:
    event = parse(frame("MESSAGE_CREATE", message(**changes)))
    assert isinstance(event, MessagePosted)
    return event


def interaction(kind: int, data: dict[str, Any], **changes: Any) -> str:
    return frame(
        "INTERACTION_CREATE",
        {
            "id": MESSAGE,
            "application_id": "845027738276462632",
            "type": kind,
            "token": "unique",
            "guild_id": GUILD,
            "channel_id": CHANNEL,
            "member": {"user": {"id": USER, "username": "mason"}, "roles": ["22222222222222222"], "nick": "M"},
            "locale": "zh-CN",
            "data": data,
            **changes,
        },
    )


def test_a_message() -> None:
    assert posted() == MessagePosted(
        channel=Channel("discord", GUILD, CHANNEL),
        message_id=MESSAGE,
        author=Member("discord", GUILD, USER),
        author_name="Mason",
        text="hello",
        sent_at=SENT_AT,
        author_roles=("11111111111111111",),
        url=f"https://discord.com/channels/{GUILD}/{CHANNEL}/{MESSAGE}",
    )


@pytest.mark.parametrize(
    "changes",
    [{"webhook_id": "1"}, {"author": {"id": USER, "username": "hook", "bot": True}}],
)
def test_bots_and_webhooks_are_bots(changes: dict[str, Any]) -> None:
    assert posted(**changes).author_is_bot


def test_a_reply_names_its_target_and_a_forward_does_not() -> None:
    reference = {"message_id": "175928847299117000", "channel_id": CHANNEL}
    assert posted(type=19, message_reference=reference).reply_to == "175928847299117000"
    assert posted(message_reference={**reference, "type": 1}).reply_to is None


def test_a_thread_has_the_parent_that_we_found_out() -> None:
    event = parse(frame("MESSAGE_CREATE", message(), parent="41771983423143000"))
    assert isinstance(event, MessagePosted)
    assert event.channel.parent_id == "41771983423143000"
    assert event.channel.home == Channel("discord", GUILD, "41771983423143000")


def test_attachments_and_nonce() -> None:
    event = posted(attachments=[{"filename": "a.png", "content_type": "image/png", "size": 3}, 5], nonce="k1")
    assert [(one.name, one.media_type, one.size) for one in event.attachments] == [("a.png", "image/png", 3)]
    assert event.nonce == "k1"


def test_a_direct_message_has_a_tenant_of_its_own_that_can_be_read_again() -> None:
    data = message()
    del data["guild_id"]
    event = parse(frame("MESSAGE_CREATE", data))
    assert isinstance(event, MessagePosted)
    assert event.author.tenant != GUILD
    assert Member.parse(str(event.author)) == event.author


@pytest.mark.parametrize("kind", [6, 7, 18, 21, 46, None, True])
def test_announcements_of_the_platform_are_no_messages(kind: object) -> None:
    assert parse(frame("MESSAGE_CREATE", message(type=kind))) is None


VOTE = {"user_id": USER, "channel_id": CHANNEL, "message_id": MESSAGE, "guild_id": GUILD, "answer_id": 3}


@pytest.mark.parametrize("change", ["add", "remove"])
def test_a_vote_names_its_poll_and_counts_options_from_0(change: Any) -> None:
    kind = f"MESSAGE_POLL_VOTE_{change.upper()}"
    member = Member("discord", GUILD, USER)
    assert parse(frame(kind, VOTE)) == PollVoted(MESSAGE, member, (2,), change)
    direct = {name: value for name, value in VOTE.items() if name != "guild_id"}
    assert parse(frame(kind, direct)) == PollVoted(MESSAGE, Member("discord", f"dm-{USER}", USER), (2,), change)
    assert external_id(decode(frame(kind, VOTE)), "session") == "s:session:7"


@pytest.mark.parametrize(
    "changes",
    [{"answer_id": 0}, {"answer_id": 11}, {"answer_id": True}, {"answer_id": "1"}, {"user_id": 5}, {"message_id": ""}],
)
def test_a_vote_that_cannot_be_meant_is_none(changes: dict[str, Any]) -> None:
    assert parse(frame("MESSAGE_POLL_VOTE_ADD", {**VOTE, **changes})) is None


def test_half_surrogates_become_storable() -> None:
    assert posted(content="a\ud800b").text == "a\ufffdb"


def test_an_edit_and_a_mere_preview() -> None:
    edited = parse(frame("MESSAGE_UPDATE", message(edited_timestamp="2026-11-22T06:00:00.500000+00:00")))
    assert isinstance(edited, MessageEdited)
    assert (edited.text, edited.edited_at) == ("hello", 1795327200.5)
    assert parse(frame("MESSAGE_UPDATE", message(edited_timestamp=None))) is None


def test_deletions_one_by_one_and_many() -> None:
    gone = {"id": MESSAGE, "channel_id": CHANNEL, "guild_id": GUILD}
    assert parse(frame("MESSAGE_DELETE", gone)) == MessageDeleted(Channel("discord", GUILD, CHANNEL), MESSAGE)
    bulk = decode(frame("MESSAGE_DELETE_BULK", {"ids": [MESSAGE, "8"], "channel_id": CHANNEL, "guild_id": GUILD}))
    events = [read(part) for part in each(bulk)]
    assert [e.message_id for e in events if isinstance(e, MessageDeleted)] == [MESSAGE, "8"]
    assert [external_id(part, "s") for part in each(bulk)] == [f"d:{MESSAGE}", "d:8"]


@pytest.mark.parametrize(
    ("options", "typed"),
    [
        ([], ""),
        ([{"name": "text", "type": 3, "value": "a  *b*"}], "a  *b*"),
        ([{"name": "id", "type": 3, "value": "7"}, {"name": "hard", "type": 5, "value": True}], "id:7 hard:true"),
        ([{"name": "close", "type": 1, "options": [{"name": "text", "type": 3, "value": "x"}]}], "close x"),
    ],
)
def test_a_command_s_text_is_what_was_typed(options: list[dict[str, Any]], typed: str) -> None:
    event = parse(interaction(2, {"name": "Poll", "type": 1, "options": options}))
    assert isinstance(event, CommandInvoked)
    assert (event.name, event.text) == ("poll", typed)
    assert event.member == Member("discord", GUILD, USER)
    assert (event.member_name, event.member_roles, event.locale) == ("M", ("22222222222222222",), "zh-CN")
    assert dict(event.reply) == {
        "application_id": "845027738276462632",
        "token": "unique",
        "at": f"{SENT_AT:.3f}",
        "kind": "message",
    }
    assert not event.private


def test_a_command_in_a_direct_conversation_is_private() -> None:
    raw = json.loads(interaction(2, {"name": "help", "type": 1}))
    del raw["d"]["guild_id"], raw["d"]["member"]
    raw["d"]["user"] = {"id": USER, "username": "mason"}
    event = parse(json.dumps(raw))
    assert isinstance(event, CommandInvoked)
    assert event.private
    assert event.member_roles == ()


def test_a_press_in_a_thread() -> None:
    inside = {"id": CHANNEL, "type": 11, "parent_id": "41771983423143000"}
    event = parse(interaction(3, {"component_type": 2, "custom_id": "v1|a"}, message={"id": MESSAGE}, channel=inside))
    assert isinstance(event, ButtonPressed)
    assert (event.payload, event.message_id, event.reply["kind"]) == ("v1|a", MESSAGE, "update")
    assert event.channel.parent_id == "41771983423143000"


def test_a_press_says_how_old_account_and_membership_are() -> None:
    member = {"user": {"id": USER}, "joined_at": "2015-04-26T06:26:56.936000+00:00"}
    data, below = {"component_type": 2, "custom_id": "x"}, {"id": MESSAGE, "flags": 64}
    event = parse(interaction(3, data, message=below, member=member))
    assert isinstance(event, ButtonPressed)
    assert (event.joined_at, event.created_at) == (1430029616.936, 1432923124.196)
    event = parse(interaction(3, data, message=below))
    assert isinstance(event, ButtonPressed)
    assert event.joined_at is None
    event = parse(interaction(5, {"custom_id": "f", "components": []}, member=member))
    assert isinstance(event, FormSubmitted)
    assert (event.joined_at, event.created_at) == (1430029616.936, 1432923124.196)


@pytest.mark.parametrize(
    ("said", "boosting"),
    [({}, None), ({"premium_since": None}, False), ({"premium_since": "2024-06-10T06:14:20.000000+00:00"}, True)],
)
def test_a_press_says_who_boosts(said: dict[str, Any], boosting: bool | None) -> None:
    data, below = {"component_type": 2, "custom_id": "x"}, {"id": MESSAGE, "flags": 64}
    event = parse(interaction(3, data, message=below, member={"user": {"id": USER}, **said}))
    assert isinstance(event, ButtonPressed)
    assert event.boosting is boosting


def test_a_form_in_rows_and_under_labels() -> None:
    components = [
        {"type": 1, "components": [{"type": 4, "custom_id": "old", "value": "row"}]},
        {"type": 18, "component": {"type": 4, "custom_id": "new", "value": "label\n2"}},
        {"type": 18, "component": {"type": 3, "custom_id": "pick", "values": ["one", "two"]}},
        {"type": 18, "component": {"type": 3, "custom_id": "none", "values": []}},
        {"type": 10},
    ]
    event = parse(interaction(5, {"custom_id": "f", "components": components}))
    assert isinstance(event, FormSubmitted)
    assert event.values == {"old": "row", "new": "label\n2", "pick": "one", "none": ""}
    assert event.reply["kind"] == "message"


def test_reactions_are_kept_without_an_event_and_numbered_by_the_session() -> None:
    one = decode(frame("MESSAGE_REACTION_ADD", {"message_id": MESSAGE, "user_id": USER, "guild_id": GUILD}))
    assert read(one) is None
    assert external_id(one, "abc") == "s:abc:7"
    assert source(one) == f"discord:{GUILD}"


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from([MESSAGE, GUILD, "0", "9" * 30]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
KEYS = sorted(
    {*message(), *json.loads(interaction(2, {}))["d"], "ids", "options", "components", "component", "custom_id"}
)
damaged = st.dictionaries(st.sampled_from(KEYS), json_values)


@given(st.sampled_from(sorted(KEPT)), damaged, st.booleans())
def test_damaged_frames_never_raise(kind: str, damage: dict[str, Any], whole: bool) -> None:
    base = message(data={"type": 1, "name": "x", "component_type": 2}) if whole else {}
    raw = {"t": kind, "s": 1, "d": {**base, **damage}}
    event = read(raw)
    external_id(raw, "session")
    source(raw)
    assert [read(part) for part in each(raw)][:1] in ([event], [], [None]) or kind == "MESSAGE_DELETE_BULK"
    assert parse(json.dumps(raw)) == event


@given(st.text() | json_values.map(json.dumps))
def test_any_text_never_raises(raw: str) -> None:
    event = parse(raw)
    assert event is None


@pytest.mark.parametrize("raw", ["[" * 100_000, '{"t": 1e999}', "1" * 5000, '{"t":"MESSAGE_CREATE","d":[]}'])
def test_hostile_json_is_nothing(raw: str) -> None:
    assert parse(raw) is None
