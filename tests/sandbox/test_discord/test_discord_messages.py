"""Messages over REST: limits, errors in Discord's words, replies, mentions, nonces, editing, files, lists."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from .conftest import Local

BUTTON = {"type": 2, "style": 1, "label": "Go", "custom_id": "a"}


def row(*buttons: dict[str, Any]) -> dict[str, Any]:
    return {"type": 1, "components": list(buttons)}


async def test_a_message_is_stored_as_it_was_sent(local: Local) -> None:
    sent = await local.post({"content": "茶 **bold** <b>&amp;", "nonce": "n-1"})
    assert (sent.status, sent.body["content"], sent.body["nonce"]) == (200, "茶 **bold** <b>&amp;", "n-1")
    got = await local.rest("GET", f"/channels/{local.community}/messages/{sent.body['id']}")
    assert got.body == {k: v for k, v in sent.body.items() if k != "nonce"}
    assert [s.text for s in local.server.seen("community", None, None)] == ["茶 **bold** <b>&amp;"]


async def test_white_space_around_a_text_is_trimmed_as_discord_does(local: Local) -> None:
    sent = await local.post(
        {"content": "\n  a  b \n", "embeds": [{"title": " t ", "fields": [{"name": " n", "value": "v "}]}]}
    )
    assert sent.body["content"] == "a  b"
    assert sent.body["embeds"][0]["title"] == "t"
    assert sent.body["embeds"][0]["fields"] == [{"name": "n", "value": "v", "inline": False}]


async def test_too_long_a_text_is_refused_in_discords_words(local: Local) -> None:
    refused = await local.post({"content": "x" * 2001})
    assert refused.status == 400
    assert refused.body == {
        "code": 50035,
        "message": "Invalid Form Body",
        "errors": {
            "content": {
                "_errors": [{"code": "BASE_TYPE_MAX_LENGTH", "message": "Must be 2000 or fewer in length."}],
            }
        },
    }
    assert (await local.post({"content": "茶" * 2000})).status == 200


EMBED = {"title": "t"}


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"content": "a", "bogus": 1}, "bogus"),
        ({"content": "a", "tts": "no"}, "tts"),
        ({"content": 5}, "content"),
        ({"content": "a", "nonce": "n" * 26}, "nonce"),
        ({"embeds": [EMBED] * 11}, "embeds"),
        ({"embeds": [{"description": "d" * 4000}, {"description": "d" * 2001}]}, "embeds"),
        ({"embeds": [{"title": "t" * 257}]}, "embeds.0.title"),
        ({"embeds": [{"description": "d" * 4097}]}, "embeds.0.description"),
        ({"embeds": [{"footer": {"text": "f" * 2049}, "title": "t"}]}, "embeds.0.footer.text"),
        ({"embeds": [{"fields": [{"name": "n", "value": "v"}] * 26}]}, "embeds.0.fields"),
        ({"embeds": [{"fields": [{"name": "n" * 257, "value": "v"}]}]}, "embeds.0.fields.0.name"),
        ({"embeds": [{"fields": [{"name": "n", "value": " "}]}]}, "embeds.0.fields.0.value"),
        ({"embeds": [{}]}, "embeds.0.description"),
        ({"embeds": [{"title": "t", "url": "no url"}]}, "embeds.0.url"),
        ({"content": "a", "components": [row(BUTTON)] * 6}, "components"),
        ({"content": "a", "components": [row(*[BUTTON] * 6)]}, "components.0.components"),
        ({"content": "a", "components": [row(BUTTON, BUTTON)]}, "components.0.components.1.custom_id"),
        (
            {"content": "a", "components": [row({**BUTTON, "custom_id": "x" * 101})]},
            "components.0.components.0.custom_id",
        ),
        ({"content": "a", "components": [row({**BUTTON, "label": "x" * 81})]}, "components.0.components.0.label"),
        ({"content": "a", "components": [row({"type": 2, "style": 5, "label": "l"})]}, "components.0.components.0.url"),
        ({"content": "a", "components": [BUTTON]}, "components.0.type"),
        ({"content": "a", "message_reference": {"message_id": "1"}}, "message_reference"),
        ({"content": "a", "allowed_mentions": {"parse": ["all"]}}, "allowed_mentions.parse.0"),
        ({"content": "a", "allowed_mentions": {"parse": ["users"], "users": ["1"]}}, "allowed_mentions"),
        (
            {"poll": {"question": {"text": "q"}, "answers": [{"poll_media": {"text": "x" * 56}}]}},
            "poll.answers.0.poll_media.text",
        ),
        (
            {"poll": {"question": {"text": "q"}, "answers": [{"poll_media": {"text": "x"}}], "duration": 769}},
            "poll.duration",
        ),
        ({"flags": 1 << 15, "content": "a"}, "content"),
    ],
)
async def test_a_wrong_body_is_refused_and_the_field_is_named(local: Local, body: dict[str, Any], where: str) -> None:
    refused = await local.post(body)
    assert (refused.status, refused.code) == (400, 50035)
    found = refused.body["errors"]
    for part in where.split("."):
        found = found[part]
    assert found["_errors"][0]["message"]
    assert local.server.seen("community", None, None) == []


async def test_what_discord_py_adds_is_taken(local: Local) -> None:
    first = await local.post({"content": "a", "tts": False})
    reference = {"message_id": int(first.body["id"]), "channel_id": int(local.community), "fail_if_not_exists": True}
    assert (await local.post({"content": "b", "message_reference": reference})).status == 200


async def test_an_empty_message_is_refused(local: Local) -> None:
    bodies: list[dict[str, Any]] = [{}, {"content": "  "}, {"content": None, "embeds": []}]
    for body in bodies:
        refused = await local.post(body)
        assert (refused.status, refused.code) == (400, 50006)


async def test_unknown_things_have_their_own_codes(local: Local) -> None:
    for verb, path, status, code in (
        ("GET", "/channels/1", 404, 10003),
        ("GET", f"/channels/{local.community}/messages/1", 404, 10008),
        ("GET", "/guilds/1", 404, 10004),
        ("GET", "/users/1", 404, 10013),
        ("GET", "/nonsense", 404, 0),
        ("DELETE", "/gateway", 405, 0),
        ("GET", "/channels/abc", 400, 50035),
        ("POST", f"/channels/{local.community}/invites", 403, 50013),
        ("PATCH", f"/channels/{local.community}", 403, 50013),
        ("GET", f"/channels/{local.community}/messages?limit=101", 400, 50035),
    ):
        body: dict[str, Any] | None = {} if verb in ("POST", "PATCH") else None
        refused = await local.rest(verb, path, body)
        assert (refused.status, refused.code) == (status, code), path


async def test_a_wrong_token_is_refused(local: Local) -> None:
    refused = await local.rest("GET", "/users/@me", headers={"Authorization": "Bot nonsense"})
    assert (refused.status, refused.body) == (401, {"message": "401: Unauthorized", "code": 0})


async def test_broken_bodies_are_refused(local: Local) -> None:
    path = f"/channels/{local.community}/messages"
    broken = await local.rest("POST", path, data=b"{", headers={"Content-Type": "application/json"})
    assert (broken.status, broken.code) == (400, 50109)
    plain = await local.rest("POST", path, data=b"hello", headers={"Content-Type": "text/plain"})
    assert (plain.status, plain.code) == (400, 50035)


async def test_a_reply_quotes_the_message_and_survives_its_deletion(local: Local) -> None:
    asked = await local.say("when?")
    sent = await local.post({"content": "today", "message_reference": {"message_id": asked}})
    assert sent.body["type"] == 19
    assert sent.body["referenced_message"]["content"] == "when?"
    assert [u["username"] for u in sent.body["mentions"]] == ["ana"]
    assert local.server.seen("community", None, None)[1].reply_to == asked
    await local.server.delete({"channel": "community", "member": "ana", "message_id": asked})
    got = await local.rest("GET", f"/channels/{local.community}/messages/{sent.body['id']}")
    assert got.body["referenced_message"] is None
    gone = {"message_id": asked}
    refused = await local.post({"content": "again", "message_reference": gone})
    assert refused.body["errors"]["message_reference"]["_errors"][0]["code"] == "REPLIES_UNKNOWN_MESSAGE"
    loose = await local.post({"content": "again", "message_reference": {**gone, "fail_if_not_exists": False}})
    assert (loose.status, loose.body["type"]) == (200, 0)


async def test_mentions_ping_only_whom_the_request_allows(local: Local) -> None:
    ana = local.server.member("ana", {"roles": ["approver"]}, None)
    role = ana["roles"]["approver"]
    text = f"@everyone <@{ana['member_id']}> <@&{role}>"
    by_default = (await local.post({"content": text})).body
    assert (by_default["mention_everyone"], by_default["mention_roles"], len(by_default["mentions"])) == (
        True,
        [role],
        1,
    )
    nobody = (await local.post({"content": text, "allowed_mentions": {"parse": []}})).body
    assert (nobody["mention_everyone"], nobody["mention_roles"], nobody["mentions"]) == (False, [], [])
    allowed = {"parse": [], "users": [ana["member_id"]]}
    only = (await local.post({"content": text, "allowed_mentions": allowed})).body
    assert (only["mention_everyone"], only["mention_roles"], len(only["mentions"])) == (False, [], 1)
    assert {s.text for s in local.server.seen("community", None, None)} == {text}


async def test_an_edit_without_allowed_mentions_pings_by_default(local: Local) -> None:
    sent = (await local.post({"content": "@everyone", "allowed_mentions": {"parse": []}})).body
    path = f"/channels/{local.community}/messages/{sent['id']}"
    assert (await local.rest("PATCH", path, {"embeds": [{"title": "t"}]})).body["mention_everyone"] is False
    assert (await local.rest("PATCH", path, {"content": "@everyone"})).body["mention_everyone"] is True
    quiet = {"content": "@everyone", "allowed_mentions": {"parse": []}}
    assert (await local.rest("PATCH", path, quiet)).body["mention_everyone"] is False


async def test_a_member_cannot_ping_everyone(local: Local) -> None:
    said = await local.say("@everyone")
    got = await local.rest("GET", f"/channels/{local.community}/messages/{said}")
    assert got.body["mention_everyone"] is False


async def test_an_enforced_nonce_answers_the_first_message_for_some_minutes(local: Local) -> None:
    body: dict[str, Any] = {"content": "once", "nonce": "delivery-1", "enforce_nonce": True}
    first = await local.post(body)
    second = await local.post({**body, "content": "twice"})
    assert (second.status, second.body["id"], second.body["content"]) == (200, first.body["id"], "once")
    assert len(local.server.seen("community", None, None)) == 1
    local.frame.clock.advance(600)
    assert (await local.post(body)).body["id"] != first.body["id"]


async def test_a_nonce_without_enforcement_does_not_hold(local: Local) -> None:
    first = await local.post({"content": "a", "nonce": "n"})
    assert (await local.post({"content": "a", "nonce": "n"})).body["id"] != first.body["id"]


async def test_the_nonce_of_a_deleted_message_is_an_unknown_message(local: Local) -> None:
    body: dict[str, Any] = {"content": "once", "nonce": "delivery-1", "enforce_nonce": True}
    first = await local.post(body)
    deleted = await local.rest("DELETE", f"/channels/{local.community}/messages/{first.body['id']}")
    assert deleted.status == 204
    again = await local.post(body)
    assert (again.status, again.code) == (404, 10008)


async def test_only_own_messages_can_be_edited(local: Local) -> None:
    said = await local.say("mine")
    refused = await local.rest("PATCH", f"/channels/{local.community}/messages/{said}", {"content": "yours"})
    assert (refused.status, refused.code) == (403, 50005)
    assert local.server.seen("community", None, None)[0].text == "mine"


async def test_an_edit_changes_what_it_names_and_nothing_else(local: Local) -> None:
    sent = (await local.post({"content": "a", "embeds": [{"title": "t"}], "components": [row(BUTTON)]})).body
    path = f"/channels/{local.community}/messages/{sent['id']}"
    edited = (await local.rest("PATCH", path, {"components": []})).body
    assert (edited["content"], len(edited["embeds"]), edited["components"]) == ("a", 1, [])
    assert edited["edited_timestamp"]
    refused = await local.rest("PATCH", path, {"content": "", "embeds": []})
    assert (refused.status, refused.code) == (400, 50006)
    assert (await local.rest("GET", path)).body["content"] == "a"


async def test_listing_pages_by_snowflake(local: Local) -> None:
    ids = [await local.say(str(n)) for n in range(6)]

    async def listed(query: str) -> list[str]:
        found = await local.rest("GET", f"/channels/{local.community}/messages?{query}")
        return [m["content"] for m in found.body]

    assert await listed("") == ["5", "4", "3", "2", "1", "0"]
    assert await listed("limit=2") == ["5", "4"]
    assert await listed(f"after={ids[1]}&limit=2") == ["3", "2"]
    assert await listed(f"before={ids[3]}&limit=2") == ["2", "1"]
    assert await listed(f"around={ids[3]}&limit=3") == ["4", "3", "2"]


async def test_files_are_kept_and_can_be_fetched(local: Local) -> None:
    form = aiohttp.FormData()
    payload = '{"content": "proof", "attachments": [{"id": "0", "filename": "proof.json", "description": "d"}]}'
    form.add_field("payload_json", payload, content_type="application/json")
    form.add_field("files[0]", b'{"a": 1}', filename="x.json", content_type="application/json")
    sent = await local.rest("POST", f"/channels/{local.community}/messages", data=form)
    attachment = sent.body["attachments"][0]
    assert (attachment["filename"], attachment["size"], attachment["description"]) == ("proof.json", 8, "d")
    async with local.http.get(attachment["url"]) as response:
        assert await response.read() == b'{"a": 1}'
    assert local.frame.journal.rows[-1]["body"]["content"] == "proof"


async def test_reactions_are_listed_and_taken_back(local: Local) -> None:
    said = await local.say("nice")
    await local.server.react({"channel": "community", "member": "ben", "message_id": said, "emoji": "👍"})
    base = f"/channels/{local.community}/messages/{said}/reactions"
    assert (await local.rest("PUT", f"{base}/👍/@me")).status == 204
    users = await local.rest("GET", f"{base}/👍")
    assert sorted(u["username"] for u in users.body) == ["Herald", "ben"]
    assert (await local.rest("DELETE", f"{base}/👍/@me")).status == 204
    got = await local.rest("GET", f"/channels/{local.community}/messages/{said}")
    assert [(r["emoji"]["name"], r["count"], r["me"]) for r in got.body["reactions"]] == [("👍", 1, False)]
    unknown = await local.rest("PUT", f"{base}/nonsense/@me")
    assert (unknown.status, unknown.code) == (404, 10014)


async def test_a_thread_is_a_channel_and_is_seen_from_its_parent(local: Local) -> None:
    said = await local.say("long story")
    opened = await local.rest("POST", f"/channels/{local.community}/messages/{said}/threads", {"name": "talk"})
    assert (opened.status, opened.body["id"], opened.body["parent_id"]) == (201, said, local.community)
    assert (await local.post({"content": "in there"}, channel=said)).status == 200
    assert [s.text for s in local.server.seen("community", None, None)] == ["long story", "in there"]
    twice = await local.rest("POST", f"/channels/{local.community}/messages/{said}/threads", {"name": "talk"})
    assert (twice.status, twice.code) == (400, 160004)
    members = await local.rest("GET", f"/channels/{said}/thread-members")
    assert local.me in [m["user_id"] for m in members.body]


async def test_pins_are_listed_newest_first(local: Local) -> None:
    first, second = await local.say("a"), await local.say("b")
    for message in (first, second):
        assert (await local.rest("PUT", f"/channels/{local.community}/messages/pins/{message}")).status == 204
    pins = await local.rest("GET", f"/channels/{local.community}/messages/pins")
    assert [p["message"]["content"] for p in pins.body["items"]] == ["b", "a"]
    await local.rest("DELETE", f"/channels/{local.community}/pins/{first}")
    assert [m["id"] for m in (await local.rest("GET", f"/channels/{local.community}/pins")).body] == [second]


async def test_a_components_v2_message_is_read_as_its_texts(local: Local) -> None:
    text = {"type": 10, "content": "**draft** text"}
    card = {
        "type": 17,
        "components": [text, {"type": 14}, row(BUTTON, {"type": 2, "style": 5, "label": "l", "url": "https://e.org"})],
    }
    sent = await local.post({"flags": 1 << 15, "components": [card]})
    assert sent.status == 200
    seen = local.server.seen("community", None, None)[0]
    assert seen.text == "**draft** text"
    assert [(b["id"], b["label"]) for b in seen.buttons] == [("a", "Go"), ("https://e.org", "l")]


async def test_a_person_reads_content_and_embeds_line_by_line(local: Local) -> None:
    embed = {
        "author": {"name": "au"},
        "title": "ti",
        "description": "de",
        "fields": [{"name": "fn", "value": "fv"}],
        "footer": {"text": "fo"},
    }
    await local.post({"content": "co", "embeds": [embed]})
    assert local.server.seen("community", None, None)[0].text == "co\nau\nti\nde\nfn\nfv\nfo"


async def test_snowflakes_grow_and_carry_the_time(local: Local) -> None:
    first = int(await local.say("a"))
    local.frame.clock.advance(3600)
    second = int(await local.say("b"))
    assert 3_600_000 <= (second >> 22) - (first >> 22) < 3_660_000
