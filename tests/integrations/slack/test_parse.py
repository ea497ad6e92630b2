import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.chat.events import (
    Attachment,
    ButtonPressed,
    CommandInvoked,
    FormSubmitted,
    MessageDeleted,
    MessageEdited,
    MessagePosted,
)
from bot.domain.places import Channel, Member
from bot.integrations.slack.parse import Context, Opened, external_id, microseconds, parse, stamped, timestamp
from tests.integrations.slack.payloads import CONTEXT, click, command, event, submission

ANA = Member("slack", "T1", "U1")
C1 = Channel("slack", "T1", "C1")
TS = "1700000000.000100"
ROOT = "1600000000.000000"


def test_a_message() -> None:
    assert parse(event(text="a &lt; b"), CONTEXT) == MessagePosted(
        channel=C1,
        message_id=TS,
        author=ANA,
        author_name="Ana",
        text="a < b",
        sent_at=1700000000.0001,
        url="https://acme.slack.com/archives/C1/p1700000000000100",
    )


def test_a_reply_in_a_thread_stands_in_the_thread() -> None:
    reply = parse(event(thread_ts=ROOT), CONTEXT)
    assert isinstance(reply, MessagePosted)
    assert reply.channel.thread_id == reply.reply_to == ROOT
    assert reply.url is not None
    assert reply.url.endswith(f"?thread_ts={ROOT}&cid=C1")


def test_the_root_of_a_thread_stands_in_the_channel() -> None:
    root = parse(event(thread_ts=TS), CONTEXT)
    assert isinstance(root, MessagePosted)
    assert (root.channel, root.reply_to) == (C1, None)


@pytest.mark.parametrize("fields", [{"bot_id": "B1"}, {"subtype": "bot_message", "bot_id": "B1", "user": None}])
def test_bots_are_marked(fields: dict[str, Any]) -> None:
    posted = parse(event(**fields), CONTEXT)
    assert isinstance(posted, MessagePosted)
    assert posted.author_is_bot


@pytest.mark.parametrize("subtype", ["file_share", "thread_broadcast", "me_message"])
def test_subtypes_with_a_members_text_are_messages(subtype: str) -> None:
    assert isinstance(parse(event(subtype=subtype), CONTEXT), MessagePosted)


@pytest.mark.parametrize(
    "subtype", ["channel_join", "channel_topic", "pinned_item", "message_replied", "huddle_thread"]
)
def test_slacks_own_announcements_are_not(subtype: str) -> None:
    assert parse(event(subtype=subtype), CONTEXT) is None


def test_a_mention_is_only_the_copy_of_a_message() -> None:
    assert parse(event(type="app_mention"), CONTEXT) is None


def test_attachments_are_named_and_not_opened() -> None:
    files = [{"id": "F1", "name": "../x.exe", "mimetype": "text/plain", "size": 3}, {"id": "F2", "size": True}, None, 7]
    posted = parse(event(subtype="file_share", files=files), CONTEXT)
    assert isinstance(posted, MessagePosted)
    assert posted.attachments[:2] == (Attachment("../x.exe", "text/plain", 3), Attachment("F2"))


def test_names_come_from_the_event_then_from_look_ups() -> None:
    named = parse(event(user_profile={"display_name": "Ana B."}), CONTEXT)
    unnamed = parse(event(user="U9"), CONTEXT)
    assert isinstance(named, MessagePosted)
    assert isinstance(unnamed, MessagePosted)
    assert (named.author_name, unnamed.author_name) == ("Ana B.", "U9")


def _own(app_id: str) -> dict[str, Any]:
    metadata = {"event_type": "herald_delivery", "event_payload": {"id": "d1"}}
    return event(bot_id="B1", app_id=app_id, metadata=metadata)


@pytest.mark.parametrize(("app_id", "nonce"), [("A1", "d1"), ("A2", None)])
def test_only_our_own_app_confirms_a_delivery(app_id: str, nonce: str | None) -> None:
    posted = parse(_own(app_id), CONTEXT)
    assert isinstance(posted, MessagePosted)
    assert posted.nonce == nonce


def _changed(before: str, **message: Any) -> dict[str, Any]:
    inner = {"ts": TS, "user": "U1", "text": "new", "edited": {"user": "U1", "ts": "1700000009.000000"}} | message
    return event(subtype="message_changed", message=inner, previous_message={"ts": TS, "text": before})


def test_an_edit() -> None:
    assert parse(_changed("old"), CONTEXT) == MessageEdited(C1, TS, "new", 1700000009.0, ANA)


def test_a_link_preview_is_no_edit() -> None:
    assert parse(_changed("new"), CONTEXT) is None


def test_our_own_cards_changing_is_no_edit() -> None:
    assert parse(_changed("old", bot_id="B1"), CONTEXT) is None


def test_a_deleted_root_leaves_a_tombstone() -> None:
    assert parse(_changed("old", subtype="tombstone"), CONTEXT) == MessageDeleted(C1, TS)


def test_a_deletion_in_a_thread() -> None:
    gone = event(subtype="message_deleted", deleted_ts=TS, previous_message={"ts": TS, "thread_ts": ROOT})
    assert parse(gone, CONTEXT) == MessageDeleted(Channel("slack", "T1", "C1", ROOT), TS)


def test_a_command() -> None:
    assert parse(command(), CONTEXT) == CommandInvoked(
        channel=C1,
        member=ANA,
        member_name="Ana",
        name="poll",
        text='"Tea & cake?" a b',
        reply={"response_url": "https://hooks.slack.com/commands/1"},
    )


def test_a_command_in_a_direct_conversation_is_private() -> None:
    invoked = parse(command(channel_id="D1"), CONTEXT)
    assert isinstance(invoked, CommandInvoked)
    assert invoked.private


def test_a_click() -> None:
    assert parse(click(), CONTEXT) == ButtonPressed(
        C1, ANA, "Ana", TS, "v1|x|approve|m", {"response_url": "https://hooks.slack.com/actions/1"}
    )


def _private_click(**container: Any) -> dict[str, Any]:
    """On a message that one person sees: Slack gives the container, and no message."""
    payload = click(container={"type": "message", "channel_id": "C1", "is_ephemeral": True} | container)
    return {key: value for key, value in payload.items() if key != "message"}


@pytest.mark.parametrize(("container", "ts"), [({"message_ts": TS}, TS), ({}, "")])
def test_a_click_on_what_one_person_sees(container: dict[str, str], ts: str) -> None:
    assert parse(_private_click(**container), CONTEXT) == ButtonPressed(
        C1, ANA, "Ana", ts, "v1|x|approve|m", {"response_url": "https://hooks.slack.com/actions/1"}
    )


def test_a_private_click_in_a_thread() -> None:
    pressed = parse(_private_click(message_ts=TS, thread_ts=ROOT), CONTEXT)
    assert isinstance(pressed, ButtonPressed)
    assert pressed.channel.thread_id == ROOT


def test_a_click_on_a_card_that_is_not_named_is_of_no_use() -> None:
    assert parse(click(container={"type": "message", "channel_id": "C1"}, message={}), CONTEXT) is None


def test_a_click_on_a_card_in_a_thread() -> None:
    pressed = parse(click(message={"ts": TS, "thread_ts": ROOT}), CONTEXT)
    assert isinstance(pressed, ButtonPressed)
    assert pressed.channel.thread_id == ROOT


def test_a_click_on_a_link_sends_nothing() -> None:
    assert parse(click(actions=[{"type": "button", "action_id": "link:1"}]), CONTEXT) is None


def test_a_form() -> None:
    values = {
        "text": {"value": {"type": "plain_text_input", "value": "a < b"}},
        "why": {"value": {"type": "static_select", "selected_option": {"value": "tone"}}},
        "note": {"value": {"type": "plain_text_input", "value": None}},
    }
    metadata = Opened("v1|x|edit|m", "C1", ROOT).write()
    assert parse(submission(metadata, values), CONTEXT) == FormSubmitted(
        Channel("slack", "T1", "C1", ROOT), ANA, "Ana", "v1|x|edit|m", {"text": "a < b", "why": "tone", "note": ""}
    )


def test_a_person_that_nobody_knows_is_called_by_the_handle() -> None:
    for names in ({}, {"U1": "U1"}):
        pressed = parse(click(), Context(team_id="T1", names=names))
        assert isinstance(pressed, ButtonPressed)
        assert pressed.member_name == "ana"


@pytest.mark.parametrize(
    "payload",
    [
        event(),
        event(thread_ts=ROOT),
        event(bot_id="B1", user="U0BOT"),
        command(),
        click(),
        submission(Opened("p", "C1").write(), {}),
        {"type": "herald_backfill", "team_id": "T1", "channel": "C1", "event": event()["event"]},
    ],
)
def test_what_is_stored_reads_the_same_in_a_process_that_never_asked_slack(payload: dict[str, Any]) -> None:
    stored = json.loads(json.dumps(stamped(payload, CONTEXT)))
    there = parse(stored, Context())
    assert there is not None
    assert there == parse(payload, CONTEXT)


def test_a_stamp_of_somebody_else_is_written_over() -> None:
    forged = event() | {"herald": {"name": "The Admin", "team_url": "https://evil.example/"}}
    there = parse(stamped(forged, CONTEXT), Context())
    assert isinstance(there, MessagePosted)
    assert (there.author_name, there.url) == ("Ana", "https://acme.slack.com/archives/C1/p1700000000000100")


@pytest.mark.parametrize("metadata", ["", "null", "[]", '{"p": 1, "c": "C1"}', '{"p": "x"}', "[" * 100_000])
def test_a_form_that_is_not_ours(metadata: str) -> None:
    assert parse(submission(metadata, {}), CONTEXT) is None


def test_a_closed_form_is_of_no_use() -> None:
    assert parse(submission(Opened("x", "C1").write(), {}, type="view_closed"), CONTEXT) is None


@pytest.mark.parametrize("make", [event, command])
@pytest.mark.parametrize("other", [{"team_id": "T2"}, {"api_app_id": "A2"}])
def test_another_workspace_or_app_is_ignored(make: Any, other: dict[str, str]) -> None:
    assert parse(make() | other, CONTEXT) is None


def test_a_click_of_another_workspace_is_ignored() -> None:
    assert parse(click(team={"id": "T2"}), CONTEXT) is None


def test_without_sign_in_nothing_is_foreign() -> None:
    assert isinstance(parse(event(), Context()), MessagePosted)


def test_a_backfilled_message() -> None:
    message = {"type": "message", "user": "U1", "text": "hi", "ts": TS}
    posted = parse({"type": "herald_backfill", "team_id": "T1", "channel": "C1", "event": message}, CONTEXT)
    live = parse(event(), CONTEXT)
    assert isinstance(posted, MessagePosted)
    assert isinstance(live, MessagePosted)
    assert posted.backfilled
    assert not live.backfilled
    assert (posted.channel, posted.message_id, posted.url) == (live.channel, live.message_id, live.url)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)


@given(JSON)
def test_any_json_is_read_without_an_error(value: Any) -> None:
    assert parse(value, CONTEXT) is None


TEMPLATES = [
    event(),
    event(thread_ts=ROOT, files=[{"name": "a"}]),
    _changed("old"),
    command(),
    click(),
    _own("A1"),
    submission(Opened("x", "C1").write(), {"a": {"value": {"value": "b"}}}),
]


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] + [found for key, child in children for found in _paths(child, (*path, key))]


def _replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = _replaced(value[path[0]], path[1:], new)
    return copy


@given(st.data())
def test_a_payload_with_any_part_forged_is_read_without_an_error(data: st.DataObject) -> None:
    payload = data.draw(st.sampled_from(TEMPLATES))
    forged = _replaced(payload, data.draw(st.sampled_from(_paths(payload))), data.draw(JSON))
    read = parse(forged, CONTEXT)
    assert read is None or read.channel.tenant == "T1"  # type: ignore[union-attr]


def test_redeliveries_share_a_key_and_others_do_not() -> None:
    values = {"a": {"value": {"value": "1"}}}, {"a": {"value": {"value": "2"}}}
    forms = [submission("{}", chosen) for chosen in values]
    payloads = [event(), event() | {"event_id": "Ev2"}, command(), click(), *forms, {"x": 1}, {"x": 2}]
    keys = [external_id(payload, repr(payload)) for payload in payloads]
    assert len(set(keys)) == len(payloads)
    assert keys == [external_id(payload, repr(payload)) for payload in payloads]


@pytest.mark.parametrize(
    ("ts", "micros"), [("1.000001", 1_000_001), ("1.1", 1_100_000), ("x", None), ("1", None), ("١.١", None)]
)
def test_microseconds(ts: str, micros: int | None) -> None:
    assert microseconds(ts) == micros


@given(st.integers(0, 10**16))
def test_a_timestamp_is_its_microseconds(micros: int) -> None:
    assert microseconds(timestamp(micros)) == micros
