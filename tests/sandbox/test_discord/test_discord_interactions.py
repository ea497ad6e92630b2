"""Buttons, forms and slash commands, their callbacks and follow-ups."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bot.sandbox.frame import ControlError

from .conftest import Local, Reply, Socket, meanwhile

APPROVE = {"type": 2, "style": 3, "label": "Approve it", "custom_id": "v1|17|approve|mac"}
SELECT = {
    "type": 3,
    "custom_id": "pick",
    "options": [{"label": "One", "value": "1"}, {"label": "Two", "value": "2"}],
}
ROWS = [{"type": 1, "components": [APPROVE]}, {"type": 1, "components": [SELECT]}]
TEXT_INPUT = {"type": 4, "custom_id": "text", "label": "Reply", "style": 2, "value": "old", "max_length": 10}
MODAL = {"custom_id": "m1", "title": "Edit", "components": [{"type": 1, "components": [TEXT_INPUT]}]}
POLL: dict[str, Any] = {
    "name": "poll",
    "description": "Start a poll",
    "options": [
        {"type": 3, "name": "question", "description": "q", "required": True},
        {"type": 4, "name": "hours", "description": "h", "min_value": 1},
    ],
}


async def card(local: Local) -> str:
    """A message with a button and a select in the review channel."""
    sent = await local.post({"content": "draft", "components": ROWS}, channel=str(local.server.channels()["review"]))
    assert sent.status == 200
    return str(sent.body["id"])


async def pressed(
    local: Local, socket: Socket, message: str, kind: int, data: Any = None, button: str = "approve"
) -> Any:
    """Ana presses a button, the bot answers: what she saw at once, and the interaction."""
    seen: dict[str, Any] = {}

    async def bot() -> None:
        seen.update(await socket.event("INTERACTION_CREATE"))
        assert (await local.answer(seen, kind, data)).status == 200

    click = local.server.click({"channel": "review", "member": "ana", "message_id": message, "button": button})
    return await meanwhile(click, bot), seen


async def typed(local: Local, socket: Socket, text: str, kind: int = 5, data: Any = None) -> Any:
    """Ana types a command and the bot answers: the interaction."""
    seen: dict[str, Any] = {}

    async def bot() -> None:
        seen.update(await socket.event("INTERACTION_CREATE"))
        assert (await local.answer(seen, kind, data)).status == 200

    await meanwhile(local.server.command({"channel": "review", "member": "ana", "text": text}), bot)
    return seen


async def register(local: Local, *commands: dict[str, Any]) -> Reply:
    return await local.rest("PUT", f"/applications/{local.me}/commands", list(commands))


@pytest.mark.parametrize("button", ["Approve it", "v1|17|approve|mac", "approve"])
async def test_a_button_is_found_by_label_id_or_action(local: Local, button: str) -> None:
    async with local.session() as socket:
        saw, interaction = await pressed(local, socket, await card(local), 6, button=button)
        assert saw == {}
        assert interaction["data"]["custom_id"] == APPROVE["custom_id"]
        assert (interaction["data"]["component_type"], interaction["message"]["content"]) == (2, "draft")
        assert interaction["member"]["user"]["username"] == "ana"


async def test_an_option_is_chosen_by_its_label(local: Local) -> None:
    async with local.session() as socket:
        saw, interaction = await pressed(
            local, socket, await card(local), 4, {"content": "ok", "flags": 64}, button="Two"
        )
        assert (interaction["data"]["values"], saw) == (["2"], {"toast": "ok"})


async def test_a_button_that_is_not_there_cannot_be_pressed(local: Local) -> None:
    message = await card(local)
    with pytest.raises(ControlError, match="Approve it"):
        await local.server.click({"channel": "review", "member": "ana", "message_id": message, "button": "reject"})


async def test_a_private_answer_is_seen_by_one_member_only(local: Local) -> None:
    async with local.session() as socket:
        await pressed(local, socket, await card(local), 4, {"content": "only you", "flags": 64})
        assert [s.text for s in local.server.seen("review", "ana", None)] == ["draft", "only you"]
        assert local.server.seen("review", "ana", None)[1].private_to == "ana"
        assert [s.text for s in local.server.seen("review", "ben", None)] == ["draft"]
        private = local.server.seen("review", "ana", None)[1].id
        hidden = await local.rest("GET", f"/channels/{local.server.channels()['review']}/messages/{private}")
        assert (hidden.status, hidden.code) == (404, 10008)


async def test_an_update_changes_the_message_with_the_button(local: Local) -> None:
    async with local.session() as socket:
        message = await card(local)
        await pressed(local, socket, message, 7, {"content": "approved", "components": []})
        seen = local.server.seen("review", "ana", None)
        assert [(s.id, s.text, s.buttons) for s in seen] == [(message, "approved", ())]
        assert (await socket.event("MESSAGE_UPDATE"))["content"] == "approved"


async def test_a_late_answer_is_an_unknown_interaction(local: Local) -> None:
    async with local.session() as socket:

        async def bot() -> None:
            interaction = await socket.event("INTERACTION_CREATE")
            local.frame.clock.advance(3.5)
            late = await local.answer(interaction, 6)
            assert (late.status, late.code) == (404, 10062)

        click = {"channel": "review", "member": "ana", "message_id": await card(local), "button": "approve"}
        assert await meanwhile(local.server.click(click), bot) == {"toast": "This interaction failed"}


async def test_with_nobody_listening_an_interaction_fails_at_once(local: Local) -> None:
    click = {"channel": "review", "member": "ana", "message_id": await card(local), "button": "approve"}
    assert await local.server.click(click) == {"toast": "This interaction failed"}


async def test_an_interaction_is_answered_once(local: Local) -> None:
    async with local.session() as socket:
        _, interaction = await pressed(local, socket, await card(local), 6)
        for kind, data in ((6, None), (9, MODAL)):
            again = await local.answer(interaction, kind, data)
            assert (again.status, again.code) == (400, 40060)
        forged = await local.answer({**interaction, "token": "x"}, 6)
        assert (forged.status, forged.code) == (404, 10062)


async def test_an_answer_that_does_not_fit_is_refused(local: Local) -> None:
    await register(local, POLL)
    async with local.session() as socket:
        refused: list[Reply] = []

        async def bot() -> None:
            interaction = await socket.event("INTERACTION_CREATE")
            for kind, data in ((6, None), (1, None), (4, {"content": ""}), (4, {"content": "x" * 2001}), (9, {})):
                refused.append(await local.answer(interaction, kind, data))
            assert (await local.answer(interaction, 5)).status == 200

        await meanwhile(local.server.command({"channel": "review", "member": "ana", "text": "/poll x"}), bot)
        assert [(r.status, r.code) for r in refused] == [(400, 50035)] * 2 + [(400, 50006)] + [(400, 50035)] * 2


async def test_a_form_is_opened_filled_in_and_sent(local: Local) -> None:
    async with local.session() as socket:
        saw, _ = await pressed(local, socket, await card(local), 9, MODAL)
        form = saw["form"]
        assert (form["title"], form["fields"][0]["label"], form["fields"][0]["value"]) == ("Edit", "Reply", "old")
        opened = local.server.seen("review", "ana", None)[-1]
        assert (opened.form, opened.private_to, opened.text) == (form, "ana", "Edit\nReply\nold")
        call: dict[str, Any] = {"form_id": form["id"], "member": "ana"}
        for values in ({"text": ""}, {"text": "x" * 11}):
            assert list((await local.server.submit({**call, "values": values}))["errors"]) == ["text"]
        with pytest.raises(ControlError, match="no field"):
            await local.server.submit({**call, "values": {"nonsense": "x"}})
        with pytest.raises(ControlError, match="no open form"):
            await local.server.submit({**call, "member": "ben", "values": {}})

        async def bot() -> None:
            interaction = await socket.event("INTERACTION_CREATE")
            inner = [{"type": 4, "id": 2, "custom_id": "text", "value": "new"}]
            assert interaction["data"] == {"custom_id": "m1", "components": [{"type": 1, "id": 1, "components": inner}]}
            assert (interaction["type"], interaction["message"]["content"]) == (5, "draft")
            assert (await local.answer(interaction, 9, MODAL)).code == 50035
            assert (await local.answer(interaction, 7, {"content": "new"})).status == 200

        assert await meanwhile(local.server.submit({**call, "values": {"Reply": "new"}}), bot) == {}
        assert [s.text for s in local.server.seen("review", "ana", None)] == ["new"]


async def test_a_form_with_labels_is_sent_back_with_labels(local: Local) -> None:
    inner = {k: v for k, v in TEXT_INPUT.items() if k != "label"}
    choice = {"type": 18, "label": "Pick", "component": {**SELECT, "required": False}}
    modal = {
        **MODAL,
        "components": [{"type": 10, "content": "hint"}, {"type": 18, "label": "Reply", "component": inner}, choice],
    }
    async with local.session() as socket:
        await pressed(local, socket, await card(local), 9, modal)
        assert local.server.seen("review", "ana", None)[-1].text == "Edit\nhint\nReply\nold\nPick"
        data: list[Any] = []

        async def bot() -> None:
            interaction = await socket.event("INTERACTION_CREATE")
            data.extend(interaction["data"]["components"])
            assert (await local.answer(interaction, 4, {"content": "thanks", "flags": 64})).status == 200

        submit = local.server.submit({"form_id": "m1", "member": "ana", "values": {"Pick": "Two"}})
        assert await meanwhile(submit, bot) == {"toast": "thanks"}
        assert data == [
            {"type": 10, "id": 1},
            {"type": 18, "id": 2, "component": {"type": 4, "id": 3, "custom_id": "text", "value": "old"}},
            {"type": 18, "id": 4, "component": {"type": 3, "id": 5, "custom_id": "pick", "values": ["2"]}},
        ]


async def test_a_deferred_answer_is_filled_in_by_the_first_follow_up(local: Local) -> None:
    await register(local, POLL)
    async with local.session() as socket:
        interaction = await typed(local, socket, "/poll tea?", 5, {"flags": 64})
        assert local.server.seen("review", "ana", None) == []
        hook = f"/webhooks/{local.me}/{interaction['token']}"
        first = await local.rest("POST", hook + "?wait=true", {"content": "one"})
        second = await local.rest("POST", hook + "?wait=true", {"content": "two"})
        assert first.body["flags"] == 64
        assert first.body["interaction_metadata"]["id"] == interaction["id"]
        seen = local.server.seen("review", "ana", None)
        assert [(s.text, s.private_to) for s in seen] == [("one", "ana"), ("two", None)]
        edited = await local.rest("PATCH", hook + "/messages/@original", {"content": "uno"})
        assert (edited.body["id"], edited.body["content"]) == (first.body["id"], "uno")
        assert (await local.rest("GET", f"{hook}/messages/{second.body['id']}")).body["content"] == "two"
        assert (await local.rest("DELETE", f"{hook}/messages/{second.body['id']}")).status == 204
        assert (await local.rest("DELETE", f"{hook}/messages/@original")).status == 204
        gone = await local.rest("GET", f"{hook}/messages/@original")
        assert (gone.status, gone.code) == (404, 10008)


async def test_a_follow_up_needs_a_valid_token(local: Local) -> None:
    await register(local, POLL)
    async with local.session() as socket:
        interaction = await typed(local, socket, "/poll tea?", 4, {"content": "done"})
        hook = f"/webhooks/{local.me}/{interaction['token']}"
        wrong = await local.rest("POST", f"/webhooks/{local.me}/nonsense", {"content": "x"})
        assert (wrong.status, wrong.code) == (401, 50027)
        unknown = await local.rest("POST", "/webhooks/1/nonsense", {"content": "x"})
        assert (unknown.status, unknown.code) == (404, 10015)
        local.frame.clock.advance(901)
        expired = await local.rest("POST", hook, {"content": "x"})
        assert (expired.status, expired.code) == (401, 50027)


async def test_a_follow_up_cannot_come_before_the_answer(local: Local) -> None:
    async with local.session() as socket:

        async def bot() -> None:
            interaction = await socket.event("INTERACTION_CREATE")
            early = await local.rest("POST", f"/webhooks/{local.me}/{interaction['token']}", {"content": "x"})
            assert (early.status, early.code) == (404, 10015)
            await local.answer(interaction, 6)

        click = {"channel": "review", "member": "ana", "message_id": await card(local), "button": "approve"}
        await meanwhile(local.server.click(click), bot)


async def test_tokens_do_not_reach_the_journals_paths(local: Local) -> None:
    async with local.session() as socket:
        _, interaction = await pressed(local, socket, await card(local), 6)
        await local.rest("POST", f"/webhooks/{local.me}/{interaction['token']}", {"content": "x"})
    paths = [row["path"] for row in local.frame.journal.rows if row["direction"] == "request"]
    assert f"/api/v10/interactions/{interaction['id']}/***/callback" in paths
    assert f"/api/v10/webhooks/{local.me}/***" in paths


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("/poll what tea?", {"question": "what tea?"}),
        ('/poll "what tea?" 3', {"question": "what tea?", "hours": 3}),
        ("/poll question:what tea? hours:3", {"question": "what tea?", "hours": 3}),
        ('/poll hours: 3 question:"a b"', {"question": "a b", "hours": 3}),
    ],
)
async def test_a_typed_command_fills_the_options(local: Local, text: str, options: dict[str, Any]) -> None:
    await register(local, POLL)
    async with local.session() as socket:
        data = (await typed(local, socket, text))["data"]
        assert (data["name"], data["type"]) == ("poll", 1)
        assert {o["name"]: o["value"] for o in data["options"]} == options


async def test_sub_commands_and_members_are_resolved(local: Local) -> None:
    who = {"type": 6, "name": "who", "description": "w", "required": True}
    sub = {"type": 1, "name": "give", "description": "g", "options": [who]}
    await register(local, {"name": "role", "description": "r", "options": [sub]})
    ben = local.server.member("ben", {}, None)["member_id"]
    async with local.session() as socket:
        data = (await typed(local, socket, "/role give @ben"))["data"]
        assert data["options"][0]["name"] == "give"
        assert data["options"][0]["options"] == [{"name": "who", "type": 6, "value": ben}]
        assert data["resolved"]["users"][ben]["username"] == "ben"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("/nonsense", "no command /nonsense"),
        ("/poll", "question is required"),
        ("/poll question:x hours:zero", "takes a number"),
        ("/poll question:x hours:0", "takes 1"),
        ("/secret", "permissions 8 needed"),
    ],
)
async def test_the_client_refuses_what_it_would_not_send(local: Local, text: str, why: str) -> None:
    secret = {"name": "secret", "description": "s", "default_member_permissions": 8}
    await register(local, POLL, secret)
    with pytest.raises(ControlError, match=why):
        await local.server.command({"channel": "review", "member": "ana", "text": text})


async def test_commands_are_registered_listed_and_removed(local: Local) -> None:
    first = await register(local, POLL, {"name": "投票", "description": "开始投票"})
    assert [c["name"] for c in first.body] == ["poll", "投票"]
    second = await register(local, {**POLL, "name_localizations": {"zh-CN": "投票"}})
    assert second.body[0]["id"] == first.body[0]["id"]
    base = f"/applications/{local.me}/commands"
    assert "name_localizations" not in (await local.rest("GET", base)).body[0]
    assert (await local.rest("GET", base + "?with_localizations=true")).body[0]["name_localizations"]
    added = await local.rest("POST", base, {"name": "more", "description": "m"})
    assert added.status == 201
    assert (await local.rest("POST", base, {"name": "more", "description": "n"})).status == 200
    one = f"{base}/{added.body['id']}"
    assert (await local.rest("PATCH", one, {"description": "changed"})).body["description"] == "changed"
    assert (await local.rest("DELETE", one)).status == 204
    assert (await local.rest("GET", one)).code == 10063
    other = await local.rest("PUT", "/applications/1/commands", [])
    assert (other.status, other.code) == (403, 20012)


@pytest.mark.parametrize(
    ("command", "where"),
    [
        ({"name": "Poll", "description": "d"}, "0.name"),
        ({"name": "a b", "description": "d"}, "0.name"),
        ({"name": "poll"}, "0.description"),
        ({"name": "poll", "description": "d" * 101}, "0.description"),
        ({"name": "poll", "description": "d", "name_localizations": {"xx": "a"}}, "0.name_localizations.xx"),
        ({"name": "poll", "description": "d", "name_localizations": {"de": "A b"}}, "0.name_localizations.de"),
        ({"name": "poll", "description": "d", "options": [{"type": 3, "name": "q"}]}, "0.options.0.description"),
        ({"name": "poll", "description": "d", "options": list(reversed(POLL["options"]))}, "0.options.1"),
        ({"name": "poll", "description": "d", "bogus": 1}, "0.bogus"),
    ],
)
async def test_a_faulty_command_is_refused(local: Local, command: dict[str, Any], where: str) -> None:
    refused = await register(local, command)
    assert (refused.status, refused.code) == (400, 50035)
    found = refused.body["errors"]
    for part in where.split("."):
        found = found[part]
    assert found["_errors"]
    twice = await register(local, POLL, POLL)
    assert twice.body["errors"]["1"]["name"]["_errors"][0]["code"] == "APPLICATION_COMMANDS_DUPLICATE_NAME"


async def test_two_members_press_at_the_same_moment(local: Local) -> None:
    async with local.session() as socket:
        message = await card(local)
        calls = [{"channel": "review", "member": m, "message_id": message, "button": "approve"} for m in ("ana", "ben")]

        async def bot() -> None:
            for text in ("first", "second"):
                interaction = await socket.event("INTERACTION_CREATE")
                assert (await local.answer(interaction, 4, {"content": text, "flags": 64})).status == 200

        both = asyncio.gather(*(local.server.click(call) for call in calls))
        assert await meanwhile(both, bot) == [{"toast": "first"}, {"toast": "second"}]
