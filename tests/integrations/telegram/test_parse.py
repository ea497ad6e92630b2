"""Updates into events, without a network."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.chat.events import ButtonPressed, ChannelMoved, CommandInvoked, MessageEdited, MessagePosted
from bot.domain.places import Channel, Member
from bot.integrations.telegram.parse import STAMP, UpdateReader

ANA = {"id": 501, "is_bot": False, "first_name": "Ana", "last_name": "Lin", "language_code": "zh-hans"}
GROUP = {"id": -1001234567890, "type": "supergroup", "title": "Tea"}
PRIVATE = {"id": 501, "type": "private", "first_name": "Ana"}
PLACE = Channel("telegram", "77", "-1001234567890")
COMMAND = {"type": "bot_command", "offset": 0, "length": 5}


def message(**changes: Any) -> dict[str, Any]:
    return {"message_id": 9, "date": 1700000000, "chat": GROUP, "from": ANA, "text": "hi"} | changes


def read(kind: str = "message", *, username: str | None = "herald_bot", **changes: Any) -> Any:
    reader = UpdateReader("77")
    reader.username = username
    return reader.read(json.dumps({"update_id": 1, kind: message(**changes)}))


def test_a_message_carries_who_what_where_and_when() -> None:
    event = read(text="茶什么时候补货？")
    assert event == MessagePosted(
        channel=PLACE,
        message_id="9",
        author=Member("telegram", "77", "501"),
        author_name="Ana Lin",
        text="茶什么时候补货？",
        sent_at=1700000000.0,
        locale="zh-hans",
        url="https://t.me/c/1234567890/9",
    )


@pytest.mark.parametrize(
    ("chat", "url"),
    [
        (GROUP | {"username": "tea_house"}, "https://t.me/tea_house/9"),
        ({"id": -100200300, "type": "group", "title": "old"}, None),
        (PRIVATE, None),
        ({"id": -1001234567890, "type": "channel", "title": "news"}, "https://t.me/c/1234567890/9"),
    ],
)
def test_only_supergroups_and_channels_have_addresses(chat: dict[str, Any], url: str | None) -> None:
    assert read(chat=chat).url == url


@pytest.mark.parametrize(
    ("media", "name", "media_type"),
    [
        ({"photo": [{"file_size": 1}, {"file_size": 2000}]}, "photo", "image/jpeg"),
        ({"document": {"file_name": "../../a.exe", "mime_type": "x/y", "file_size": 2000}}, "../../a.exe", "x/y"),
        ({"sticker": {"emoji": "🍵", "file_size": 2000}}, "sticker 🍵", "image/webp"),
        ({"voice": {"file_size": 2000}}, "voice", "audio/ogg"),
        ({"animation": {"file_size": 2000}, "document": {"file_size": 2000}}, "animation", "video/mp4"),
    ],
)
def test_files_are_named_once_and_captions_are_text(media: dict[str, Any], name: str, media_type: str) -> None:
    event = read(text=None, caption="look", **media)
    (attachment,) = event.attachments
    assert (attachment.name, attachment.media_type, attachment.size) == (name, media_type, 2000)
    assert event.text == "look"
    assert read(text=None, **media).text == ""


def test_what_says_nothing_is_no_event() -> None:
    assert read(text=None, new_chat_members=[ANA]) is None
    assert read(text=None, pinned_message={}) is None
    assert read("message_reaction") is None
    assert read("edited_message", text=None, location={}) is None


def test_a_reply_names_its_target_but_a_topic_is_a_place() -> None:
    assert read(reply_to_message={"message_id": 4}).reply_to == "4"
    # In a supergroup without topics, threads of replies are numbered too.
    assert read(reply_to_message={"message_id": 4}, message_thread_id=4).channel == PLACE
    topic = {"is_topic_message": True, "message_thread_id": 4}
    first = read(reply_to_message={"message_id": 4, "forum_topic_created": {"name": "x"}}, **topic)
    assert (first.channel.thread_id, first.reply_to) == ("4", None)
    assert read(reply_to_message={"message_id": 4}, **topic).reply_to is None
    assert read(reply_to_message={"message_id": 7}, **topic).reply_to == "7"


def test_a_command_is_split_into_name_and_rest() -> None:
    entities = [COMMAND | {"length": len("/Poll")}]
    event = read(text='/Poll  "Q" "甲" ', entities=entities, chat=PRIVATE)
    assert isinstance(event, CommandInvoked)
    assert (event.name, event.text, event.private, event.message_id) == ("poll", '"Q" "甲" ', True, "9")
    assert event.reply == {"message_id": "9", "private_chat": "501", "name": "Ana Lin"}


@pytest.mark.parametrize(("username", "ours"), [("herald_bot", True), (None, True), ("other_bot", False)])
def test_a_command_for_another_bot_is_not_ours(username: str | None, ours: bool) -> None:
    event = read(text="/poll@Herald_Bot x", entities=[COMMAND | {"length": 16}], username=username)
    assert isinstance(event, CommandInvoked) is ours
    if ours:
        assert (event.name, event.text) == ("poll", "x")
    else:
        assert event is None


@pytest.mark.parametrize(
    "changes",
    [
        {"forward_origin": {"type": "user"}},
        {"forward_date": 1},
        {"via_bot": {"id": 3, "is_bot": True}},
        {"from": ANA | {"is_bot": True}},
        {"entities": [COMMAND | {"offset": 6}]},
        {"entities": []},
    ],
)
def test_commands_that_nobody_typed_here_are_messages(changes: dict[str, Any]) -> None:
    event = read(**({"text": "/poll /poll", "entities": [COMMAND]} | changes))
    assert isinstance(event, MessagePosted)
    assert event.text == "/poll /poll"


def test_who_speaks_as_a_chat_is_that_chat() -> None:
    anonymous = read(**{"from": {"id": 1087968824, "is_bot": True, "first_name": "Group"}, "sender_chat": GROUP})
    assert (anonymous.author.user_id, anonymous.author_name, anonymous.author_is_bot) == (str(GROUP["id"]), "Tea", True)
    other = {"id": -1009, "type": "channel", "title": "Ana's news"}
    as_channel = read(**{"from": {"id": 136817688, "is_bot": True, "first_name": "Channel"}, "sender_chat": other})
    assert (as_channel.author.user_id, as_channel.author_is_bot) == ("-1009", False)
    forwarded = read(sender_chat=other, is_automatic_forward=True)
    assert forwarded.author_is_bot
    post = read("channel_post", **{"from": None, "sender_chat": GROUP})
    assert (post.author_is_bot, post.author_name) == (True, "Tea")


def test_an_edit_carries_the_new_text() -> None:
    event = read("edited_message", text="/poll now", edit_date=1700000050, entities=[COMMAND])
    assert event == MessageEdited(PLACE, "9", "/poll now", 1700000050.0, Member("telegram", "77", "501"))


def test_a_press_carries_what_an_answer_needs() -> None:
    query = {"id": "q1", "from": ANA, "chat_instance": "c", "data": "v1|x|approve|y"}
    update = {"update_id": 1, "callback_query": query | {"message": {"message_id": 5, "date": 0, "chat": GROUP}}}
    event = UpdateReader("77").read(json.dumps(update | {STAMP: 1700000001.5}))
    assert isinstance(event, ButtonPressed)
    assert (event.channel, event.message_id, event.payload) == (PLACE, "5", "v1|x|approve|y")
    assert event.reply["callback_query_id"] == "q1"
    assert float(event.reply["received_at"]) == 1700000001.5
    assert event.reply["private_chat"] == "501"
    unstamped = UpdateReader("77").read(json.dumps(update))
    assert isinstance(unstamped, ButtonPressed)
    assert "received_at" not in unstamped.reply


def test_a_group_that_moves_keeps_its_tenant() -> None:
    event = read(text=None, chat={"id": -55, "type": "group"}, migrate_to_chat_id=-1005)
    assert event == ChannelMoved(Channel("telegram", "77", "-55"), Channel("telegram", "77", "-1005"))


def test_lone_surrogates_do_not_reach_the_store() -> None:
    raw = '{"update_id":1,"message":{"message_id":9,"date":1,"chat":{"id":-5},"text":"a\\ud83cb \\ud83c\\udf75"}}'
    event = UpdateReader("77").read(raw)
    assert isinstance(event, MessagePosted)
    assert event.text.encode() == "a?b 🍵".encode()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    "message_id date chat from text entities photo document reply_to_message caption sender_chat message_thread_id "
    "migrate_to_chat_id is_topic_message via_bot forward_origin edit_date".split()
)
KINDS = st.sampled_from(["message", "edited_message", "channel_post", "callback_query", "poll"])


@given(st.dictionaries(FIELDS, JSON, max_size=5), KINDS)
def test_a_half_right_update_never_raises(damage: dict[str, Any], kind: str) -> None:
    event = UpdateReader("77").event({"update_id": 1, kind: message(**damage)})
    if isinstance(event, MessagePosted):
        assert isinstance(event.text, str)


@given(JSON)
def test_any_json_is_read_or_ignored(value: Any) -> None:
    assert UpdateReader("77").read(json.dumps(value)) is None


@pytest.mark.parametrize("raw", ["", "{", "nul", "[" * 100_000, "NaN", "1" * 5_000, "\x00", '{"message":' * 5_000])
def test_garbage_is_ignored(raw: str) -> None:
    assert UpdateReader("77").read(raw) is None
