"""Buttons, modals, slash commands and response URLs, from the person's side."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bot.sandbox.frame import ControlError
from bot.sandbox.slack import socket_mode

ANA = {"channel": "review", "member": "ana"}


def plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text}


def field(block_id: str, label: str, **element: Any) -> dict[str, Any]:
    inside = {"type": "plain_text_input", "action_id": f"{block_id}_value"} | element
    return {"type": "input", "block_id": block_id, "label": plain(label), "element": inside}


KIND = [{"text": plain("One"), "value": "1"}, {"text": plain("Two"), "value": "2"}]
VIEW = {
    "type": "modal",
    "callback_id": "form",
    "private_metadata": "draft 7",
    "title": plain("Edit"),
    "submit": plain("Save"),
    "blocks": [
        field("reply", "Your reply", min_length=2, max_length=20, initial_value="hello"),
        {**field("kind", "Kind", type="static_select", options=KIND), "optional": True},
    ],
}
CARD = [
    {"type": "header", "text": plain("Draft &amp; comment")},
    {"type": "section", "text": {"type": "mrkdwn", "text": "see <https://x.io|the page>"}, "fields": [plain("a")]},
    {"type": "context", "elements": [{"type": "mrkdwn", "text": "en"}, {"type": "mrkdwn", "text": "calm"}]},
    {
        "type": "actions",
        "block_id": "buttons",
        "elements": [
            {"type": "button", "action_id": "b1", "text": plain("Approve"), "value": "v1|7|approve|mac"},
            {"type": "button", "action_id": "b2", "text": plain("Edit…"), "value": "v1|7|edit|mac"},
            {"type": "button", "action_id": "b3", "text": plain("A"), "value": "v1|7|vote:0|mac"},
            {"type": "overflow", "action_id": "more", "options": [{"text": plain("Snooze"), "value": "v1|7|snooze|m"}]},
        ],
    },
]


async def during(act: Awaitable[Any], serve: Callable[[], Awaitable[Any]]) -> tuple[Any, Any]:
    """A person's act and what the app does meanwhile: the answers of both."""
    answers = await asyncio.gather(act, serve())
    return answers[0], answers[1]


async def open_form(slack: Any, socket: Any, view: Any = None) -> Any:
    """Ana types /edit, and the app opens a form: the form as she sees it."""

    async def app() -> Any:
        envelope = await socket.event()
        trigger = envelope["payload"]["trigger_id"]
        answer = await slack.call("views.open", trigger_id=trigger, view=view or VIEW)
        assert answer["ok"], answer

    seen, _ = await during(slack.server.command({**ANA, "text": "/edit"}), app)
    return seen["form"]


@pytest.fixture
async def socket(slack: Any) -> Any:
    return await slack.connect()


async def test_a_card_reads_as_a_person_reads_it(slack: Any) -> None:
    await slack.post("fallback", "review", blocks=CARD)
    (card,) = slack.server.seen("review", "ana", None)
    assert card.text == "Draft &amp; comment\nsee the page https://x.io\na\nen calm"
    assert [b["label"] for b in card.buttons] == ["Approve", "Edit…", "A", "Snooze"]
    assert card.buttons[0]["id"] == "v1|7|approve|mac"


@pytest.mark.parametrize(
    ("wanted", "value"),
    [
        ("approve", "v1|7|approve|mac"),
        ("Approve", "v1|7|approve|mac"),
        ("b2", "v1|7|edit|mac"),
        ("v1|7|edit|mac", "v1|7|edit|mac"),
        ("vote:0", "v1|7|vote:0|mac"),
        ("snooze", "v1|7|snooze|m"),
    ],
)
async def test_buttons_are_found_by_label_id_value_and_action(slack: Any, socket: Any, wanted: str, value: str) -> None:
    posted = await slack.post("x", "review", blocks=CARD)
    await socket.event()
    _, envelope = await during(slack.server.click({**ANA, "message_id": posted["ts"], "button": wanted}), socket.event)
    payload = envelope["payload"]
    action = payload["actions"][0]
    assert action.get("value", action.get("selected_option", {}).get("value")) == value
    assert (envelope["type"], payload["type"], action["block_id"]) == ("interactive", "block_actions", "buttons")
    assert payload["container"]["message_ts"] == payload["message"]["ts"] == posted["ts"]
    assert payload["message"]["blocks"][3]["block_id"] == "buttons"


async def test_a_button_that_is_not_there_cannot_be_pressed(slack: Any, socket: Any) -> None:
    posted = await slack.post("x", "review", blocks=CARD)
    with pytest.raises(ControlError, match="no button 'reject'"):
        await slack.server.click({**ANA, "message_id": posted["ts"], "button": "reject"})
    with pytest.raises(ControlError, match="sees no message"):
        await slack.server.click({**ANA, "message_id": "1.000001", "button": "approve"})


async def test_a_response_url_replaces_adds_and_runs_out(slack: Any, socket: Any) -> None:
    posted = await slack.post("x", "review", blocks=CARD)
    await socket.event()

    async def app() -> str:
        envelope = await socket.event()
        url: str = envelope["payload"]["response_url"]
        async with slack.session.post(url, json={"text": "only for you"}) as response:
            assert await response.text() == "ok"
        return url

    seen, url = await during(slack.server.click({**ANA, "message_id": posted["ts"], "button": "approve"}), app)
    assert seen == {"toast": "only for you"}
    bodies: list[dict[str, Any]] = [
        {"replace_original": True, "text": "done"},
        {"response_type": "in_channel", "text": "for all"},
        {"text": "four"},
        {"delete_original": True},
        {"text": "six"},
    ]
    statuses = []
    for body in bodies:
        async with slack.session.post(url, json=body) as response:
            statuses.append(response.status)
            last = await response.text()
    assert statuses == [200, 200, 200, 200, 404]
    assert "used_url" in last
    assert [m.text for m in slack.server.seen("review", "bo", None)] == ["for all"]


async def test_a_response_url_expires(slack: Any, socket: Any) -> None:
    _, envelope = await during(slack.server.command({**ANA, "text": "/help"}), socket.event)
    slack.frame.clock.advance(1801)
    async with slack.session.post(envelope["payload"]["response_url"], json={"text": "late"}) as response:
        assert (response.status, (await response.json())["error"]) == (404, "expired_url")


async def test_a_command_is_answered_by_its_acknowledgement(slack: Any, socket: Any) -> None:
    async def app() -> Any:
        envelope = await socket.event(ack=False)
        await socket.ack(envelope, {"text": "all &lt;well&gt;"})
        return envelope["payload"]

    seen, payload = await during(slack.server.command({**ANA, "text": "/status now & then"}), app)
    assert seen == {"toast": "all <well>"}
    assert (payload["command"], payload["text"]) == ("/status", "now &amp; then")
    assert slack.server.seen("review", "bo", None) == []


async def test_a_command_that_nobody_takes_shows_an_error(slack: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = await slack.server.command({**ANA, "text": "/status"})
    assert "dispatch_failed" in seen["toast"]
    monkeypatch.setattr(socket_mode, "ACK_SECONDS", 0.1)
    await slack.connect()
    seen = await slack.server.command({**ANA, "text": "/status"})
    assert "operation_timeout" in seen["toast"]
    assert len(slack.server.seen("review", "ana", None)) == 2
    assert slack.server.seen("review", "bo", None) == []


async def test_a_form_shows_its_fields_and_is_open_in_the_channel(slack: Any, socket: Any) -> None:
    form = await open_form(slack, socket)
    assert form["title"] == "Edit"
    shown = [(f["id"], f["label"], f["type"], f["value"]) for f in form["fields"]]
    assert shown == [
        ("reply", "Your reply", "plain_text_input", "hello"),
        ("kind", "Kind", "static_select", None),
    ]
    assert [m.form for m in slack.server.seen("review", "ana", None)] == [form]
    assert slack.server.seen("review", "bo", None) == []


@pytest.mark.parametrize(("text", "words"), [("x", "at least 2"), ("x" * 21, "at most 20"), ("", "required")])
async def test_the_client_refuses_before_sending(slack: Any, socket: Any, text: str, words: str) -> None:
    form = await open_form(slack, socket)
    answer = await slack.server.submit({"form_id": form["id"], "member": "ana", "values": {"Your reply": text}})
    assert words in answer["errors"]["reply"]
    assert slack.events("interactive") == []


async def test_unknown_fields_and_options_cannot_be_filled_in(slack: Any, socket: Any) -> None:
    form = await open_form(slack, socket)
    fill = {"form_id": form["id"], "member": "ana"}
    with pytest.raises(ControlError, match="no field"):
        await slack.server.submit({**fill, "values": {"colour": "red"}})
    with pytest.raises(ControlError, match="no option"):
        await slack.server.submit({**fill, "values": {"kind": "Three"}})
    with pytest.raises(ControlError, match="no open form"):
        await slack.server.submit({**fill, "member": "bo", "values": {}})


async def test_field_errors_keep_the_form_open_and_an_empty_ack_closes_it(slack: Any, socket: Any) -> None:
    form = await open_form(slack, socket)
    act = {"form_id": form["id"], "member": "ana", "values": {"reply_value": "bad", "Kind": "Two"}}

    async def refuse() -> Any:
        envelope = await socket.event(ack=False)
        await socket.ack(envelope, {"response_action": "errors", "errors": {"reply": "no"}})
        return envelope["payload"]

    answer, payload = await during(slack.server.submit(act), refuse)
    assert answer == {"errors": {"reply": "no"}}
    values = payload["view"]["state"]["values"]
    assert values["reply"]["reply_value"] == {"type": "plain_text_input", "value": "bad"}
    assert values["kind"]["kind_value"]["selected_option"]["value"] == "2"
    assert (payload["view"]["private_metadata"], payload["view"]["callback_id"]) == ("draft 7", "form")
    answer, _ = await during(slack.server.submit(act), socket.event)
    assert answer == {}
    assert slack.server.seen("review", "ana", None) == []


async def test_an_ack_can_change_push_and_clear_forms(slack: Any, socket: Any) -> None:
    form = await open_form(slack, socket)

    def answering(payload: Any) -> Callable[[], Awaitable[Any]]:
        async def app() -> None:
            await socket.ack(await socket.event(ack=False), payload)

        return app

    fill = {"form_id": form["id"], "member": "ana", "values": {}}
    second = {**VIEW, "title": plain("Second")}
    seen, _ = await during(slack.server.submit(fill), answering({"response_action": "update", "view": second}))
    assert (seen["form"]["id"], seen["form"]["title"]) == (form["id"], "Second")
    third = {**VIEW, "title": plain("Third")}
    seen, _ = await during(slack.server.submit(fill), answering({"response_action": "push", "view": third}))
    assert seen["form"]["title"] == "Third"
    with pytest.raises(ControlError, match="no open form"):
        await slack.server.submit(fill)
    fill["form_id"] = seen["form"]["id"]
    seen, _ = await during(slack.server.submit(fill), answering({"response_action": "clear"}))
    assert (seen, slack.server.seen("review", "ana", None)) == ({}, [])


async def test_a_trigger_opens_one_form_and_not_for_long(slack: Any, socket: Any) -> None:
    _, envelope = await during(slack.server.command({**ANA, "text": "/edit"}), socket.event)
    trigger = envelope["payload"]["trigger_id"]
    assert (await slack.call("views.open", trigger_id=trigger, view=VIEW))["ok"]
    again = await slack.call("views.open", trigger_id=trigger, view=VIEW)
    assert again["error"] == "exchanged_trigger_id"
    _, envelope = await during(slack.server.command({**ANA, "text": "/edit"}), socket.event)
    slack.frame.clock.advance(3.1)
    late = await slack.call("views.open", trigger_id=envelope["payload"]["trigger_id"], view=VIEW)
    assert late["error"] == "expired_trigger_id"
    made_up = await slack.call("views.open", trigger_id="1.2.x", view=VIEW)
    assert made_up["error"] == "invalid_trigger_id"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"title": plain("x" * 25)}, "must be less than 25 characters [json-pointer:/view/title]"),
        ({"private_metadata": "x" * 3001}, "/view/private_metadata"),
        ({"callback_id": "x" * 256}, "/view/callback_id"),
        ({"blocks": [{"type": "divider"}] * 101}, "no more than 100 items"),
        ({"submit": None}, "/view/submit"),
        ({"blocks": [field("a", "A", max_length=3001)]}, "/max_length"),
        ({"type": "panel"}, "/view/type"),
    ],
)
async def test_views_are_held_to_their_limits(slack: Any, socket: Any, change: dict[str, Any], message: str) -> None:
    _, envelope = await during(slack.server.command({**ANA, "text": "/edit"}), socket.event)
    view = VIEW | change
    answer = await slack.call("views.open", trigger_id=envelope["payload"]["trigger_id"], view=view)
    assert answer["error"] == "invalid_arguments"
    assert message in "\n".join(answer["response_metadata"]["messages"])


async def test_an_ephemeral_button_carries_no_message(slack: Any, socket: Any) -> None:
    ana = slack.server.member("ana", {}, None)["member_id"]
    for _ in slack.channels:
        await socket.event()
    channel = slack.channels["review"]
    await slack.call("chat.postEphemeral", channel=channel, user=ana, text="x", blocks=CARD)
    (card,) = slack.server.seen("review", "ana", None)
    press = {"message_id": card.id, "button": "approve"}
    with pytest.raises(ControlError, match="sees no message"):
        await slack.server.click({**ANA, **press, "member": "bo"})
    _, envelope = await during(slack.server.click({**ANA, **press}), socket.event)
    assert envelope["payload"]["container"]["is_ephemeral"] is True
    assert "message" not in envelope["payload"]


async def test_slack_has_no_native_polls(slack: Any) -> None:
    with pytest.raises(ControlError, match="no native polls"):
        await slack.server.vote({**ANA, "message_id": "1", "options": [0]})
