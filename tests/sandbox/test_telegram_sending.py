from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from .client import Client

KEYBOARD = {"inline_keyboard": [[{"text": "Yes", "callback_data": "v1|7|approve|mac"}]]}
PNG = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x02\x00\x00\x00\x03\x08\x06\x00\x00\x00" + b"\x00" * 8
)  # two by three, enough to be measured


async def test_a_sent_text_is_answered_and_seen(client: Client) -> None:
    asked = await client.say("ana", "When is the tea back?")
    sent = await client.send("On Monday.", reply_parameters={"message_id": asked}, reply_markup=KEYBOARD)
    assert sent["from"] == {"id": 7000000001, "is_bot": True, "first_name": "Herald", "username": "herald_sandbox_bot"}
    assert sent["chat"]["id"] == client.community
    assert sent["reply_to_message"]["text"] == "When is the tea back?"
    assert sent["reply_markup"] == KEYBOARD
    shown = (await client.seen(member="bo"))[-1]
    assert shown["text"] == "On Monday."
    assert shown["reply_to"] == str(asked)
    assert shown["buttons"] == [{"id": "v1|7|approve|mac", "label": "Yes"}]


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ({"text": ""}, "Bad Request: message text is empty"),
        ({"text": " \n\u200b"}, "Bad Request: message text is empty"),
        ({}, "Bad Request: message text is empty"),
        ({"text": "x" * 4097}, "Bad Request: message is too long"),
        ({"text": "x", "chat_id": "-5"}, "Bad Request: chat not found"),
        ({"text": "x", "chat_id": "@nobody_here"}, "Bad Request: chat not found"),
        ({"text": "x", "colour": "red"}, "Bad Request: parameter colour is unknown to sendMessage"),
        ({"text": "x", "reply_to_message_id": 1}, "Bad Request: parameter reply_to_message_id is unknown"),
        ({"text": "x", "protect_content": "maybe"}, "Bad Request: can't parse protect_content"),
        ({"text": "x", "reply_markup": "{"}, "Bad Request: can't parse reply markup JSON object"),
        ({"text": "x", "reply_markup": {"inline_keyboard": [[{"text": "A"}]]}}, "text buttons are unallowed"),
        ({"text": "x", "reply_markup": {"inline_keyboard": [[{"callback_data": "a"}]]}}, "Bad Request: can't parse"),
        ({"text": "x", "reply_parameters": {"message_id": 999}}, "Bad Request: message to be replied not found"),
        ({"text": "x", "message_thread_id": 3}, "Bad Request: message thread not found"),
        ({"text": "x", "business_connection_id": "b"}, "Bad Request: business connection not found"),
        ({"text": "x", "parse_mode": "Word"}, "Bad Request: unsupported parse_mode"),
        ({"text": "x", "entities": [{"type": "bold", "offset": 0, "length": 9}]}, "ends after the end of the text"),
        ({"text": "x", "entities": [{"type": "loud", "offset": 0, "length": 1}]}, "can't parse MessageEntity"),
    ],
)
async def test_what_telegram_refuses_is_refused(client: Client, params: dict[str, Any], problem: str) -> None:
    refusal = await client.refused("sendMessage", **{"chat_id": client.community, **params})
    assert problem in refusal
    assert await client.seen() == []


@pytest.mark.parametrize(
    ("data", "fits"), [("a" * 64, True), ("好" * 21, True), ("a" * 65, False), ("好" * 22, False), ("", False)]
)
async def test_callback_data_has_1_to_64_bytes(client: Client, data: str, fits: bool) -> None:
    markup = {"inline_keyboard": [[{"text": "A", "callback_data": data}]]}
    if fits:
        await client.send("x", reply_markup=markup)
    else:
        refusal = await client.refused("sendMessage", chat_id=client.community, text="x", reply_markup=markup)
        assert refusal == "Bad Request: BUTTON_DATA_INVALID"


async def test_text_is_cleaned_and_trimmed_as_telegram_does(client: Client) -> None:
    sent = await client.send("  \n Hallo\r\n\x07Welt\u202e!  \n")
    assert sent["text"] == "Hallo\n Welt!"
    assert len((await client.send("x" * 4096))["text"]) == 4096


async def test_limits_hold_after_entities_were_parsed(client: Client) -> None:
    sent = await client.send(f"<b>{'x' * 4096}</b>", parse_mode="HTML")
    assert sent["entities"] == [{"type": "bold", "offset": 0, "length": 4096}]


@pytest.mark.parametrize(
    ("mode", "source", "text", "entities"),
    [
        ("HTML", "a <b>bold <i>both</i></b> &lt;&amp;", "a bold both <&", [("bold", 2, 9), ("italic", 7, 4)]),
        ("HTML", "<a href='https://a.example/x'>here</a>", "here", [("text_link", 0, 4)]),
        ("HTML", "<a href='javascript:alert(1)'>here</a>", "here", []),
        ("HTML", "😀<code>x</code>", "😀x", [("code", 2, 1)]),
        ("HTML", '<pre><code class="language-py">x</code></pre>', "x", [("pre", 0, 1)]),
        ("HTML", "<tg-spoiler>s</tg-spoiler>", "s", [("spoiler", 0, 1)]),
        ("HTML", "<blockquote expandable>q</blockquote>", "q", [("expandable_blockquote", 0, 1)]),
        ("MarkdownV2", r"*b* _i_ 1\.", "b i 1.", [("bold", 0, 1), ("italic", 2, 1)]),
        ("MarkdownV2", "__u__ ~s~", "u s", [("underline", 0, 1), ("strikethrough", 2, 1)]),
        ("MarkdownV2", "||p|| `c`", "p c", [("spoiler", 0, 1), ("code", 2, 1)]),
        ("MarkdownV2", "*_both_*", "both", [("bold", 0, 4), ("italic", 0, 4)]),
        ("MarkdownV2", "[t](https://a.example/\\))", "t", [("text_link", 0, 1)]),
        ("MarkdownV2", ">quoted\nplain", "quoted\nplain", [("blockquote", 0, 6)]),
        ("MarkdownV2", "```py\nx\n```", "x", [("pre", 0, 1)]),
        ("Markdown", "*b* 1. a_b_", "b 1. ab", [("bold", 0, 1), ("italic", 6, 1)]),
    ],
)  # fmt: skip
async def test_parse_modes(
    client: Client, mode: str, source: str, text: str, entities: list[tuple[str, int, int]]
) -> None:
    sent = await client.send(source, parse_mode=mode)
    assert sent["text"] == text
    assert [(e["type"], e["offset"], e["length"]) for e in sent.get("entities", [])] == entities


@pytest.mark.parametrize(
    ("mode", "source", "problem"),
    [
        ("HTML", "<b>x", 'Can\'t find end tag corresponding to start tag "b"'),
        ("HTML", "<b>x</i>", 'Unmatched end tag at byte offset 4, expected "</b>", found "</i>"'),
        ("HTML", "<script>x</script>", 'Unsupported start tag "script" at byte offset 0'),
        ("HTML", "1 < 2", "Unsupported start tag"),
        ("HTML", "</b>", "Unexpected end tag"),
        ("MarkdownV2", "1.", "Character '.' is reserved and must be escaped with the preceding '\\'"),
        ("MarkdownV2", "*x", "Can't find end of"),
        ("MarkdownV2", "`x", "Can't find end of Code entity at byte offset 0"),
        ("Markdown", "a_b", "Can't find end of"),
    ],
)
async def test_wrong_markup_is_refused(client: Client, mode: str, source: str, problem: str) -> None:
    refusal = await client.refused("sendMessage", chat_id=client.community, text=source, parse_mode=mode)
    assert refusal.startswith("Bad Request: can't parse entities: ")
    assert problem in refusal


async def test_quotes_must_be_in_the_message(client: Client) -> None:
    asked = await client.say("ana", "茶 and coffee")
    quoted = {"message_id": asked, "quote": "coffee"}
    sent = await client.send("yes", reply_parameters=quoted)
    assert sent["quote"] == {"text": "coffee", "position": 6, "is_manual": True}
    wrong = {"message_id": asked, "quote": "cocoa"}
    refusal = await client.refused("sendMessage", chat_id=client.community, text="no", reply_parameters=wrong)
    assert refusal == "Bad Request: QUOTE_TEXT_INVALID"


async def test_json_bodies_and_queries_are_read_too(client: Client) -> None:
    body = {"chat_id": client.community, "text": "json", "reply_markup": KEYBOARD}
    async with client.session.post(f"/bot{client.token}/sendMessage", json=body) as response:
        assert (await response.json())["result"]["reply_markup"] == KEYBOARD
    query = {"chat_id": str(client.community), "text": "query+ä"}
    async with client.session.get(f"/bot{client.token}/SENDMESSAGE", params=query) as response:
        assert (await response.json())["result"]["text"] == "query+ä"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/bot{token}/sendTelepathy", 404),
        ("/bot7000000001:wrong/getMe", 401),
        ("/botnonsense/getMe", 404),
        ("/bot{token}/sendDice?chat_id=-1001000000101", 400),
    ],
)
async def test_unknown_methods_and_tokens(client: Client, path: str, status: int) -> None:
    async with client.session.get(path.format(token=client.token)) as response:
        answer = await response.json()
    assert response.status == status
    assert (answer["ok"], answer["error_code"]) == (False, status)


async def test_edits(client: Client) -> None:
    sent = await client.send("draft", reply_markup=KEYBOARD)
    place = {"chat_id": client.community, "message_id": sent["message_id"]}
    refusal = await client.refused("editMessageText", **place, text="draft", reply_markup=KEYBOARD)
    assert refusal.startswith("Bad Request: message is not modified: ")
    edited = await client.bot("editMessageText", **place, text="final")
    assert "reply_markup" not in edited
    assert edited["edit_date"] >= edited["date"]
    assert (await client.bot("editMessageReplyMarkup", **place, reply_markup=KEYBOARD))["reply_markup"] == KEYBOARD
    assert (await client.seen())[0]["text"] == "final"
    no_caption = await client.refused("editMessageCaption", **place, caption="x")
    assert no_caption == "Bad Request: there is no caption in the message to edit"
    asked = await client.say("ana", "mine")
    not_own = await client.refused("editMessageText", chat_id=client.community, message_id=asked, text="yours")
    assert not_own == "Bad Request: message can't be edited"
    missing = await client.refused("editMessageText", chat_id=client.community, message_id=999, text="x")
    assert missing == "Bad Request: message to edit not found"


async def test_deleting_and_pinning(client: Client) -> None:
    sent = await client.send("a")
    place = {"chat_id": client.community, "message_id": sent["message_id"]}
    assert await client.bot("pinChatMessage", **place)
    assert (await client.bot("getChat", chat_id=client.community))["pinned_message"]["text"] == "a"
    assert await client.bot("deleteMessage", **place)
    assert await client.seen() == []
    assert await client.refused("deleteMessage", **place) == "Bad Request: message to delete not found"
    assert "pinned_message" not in await client.bot("getChat", chat_id=client.community)
    refusal = await client.refused("unpinChatMessage", chat_id=client.community)
    assert refusal == "Bad Request: message to unpin not found"


async def test_forwards_and_copies(client: Client) -> None:
    asked = await client.say("ana", "look")
    review = client.sandbox.control.channels()["telegram/review"]
    source = {"chat_id": review, "from_chat_id": client.community, "message_id": asked}
    forwarded = await client.bot("forwardMessage", **source)
    assert forwarded["forward_origin"]["sender_user"]["first_name"] == "ana"
    copied = await client.bot("copyMessage", **source)
    assert [m["text"] for m in await client.seen("review")] == ["look", "look"]
    assert copied["message_id"] == forwarded["message_id"] + 1


async def test_files_are_uploaded_sent_again_and_downloaded(client: Client) -> None:
    form = aiohttp.FormData({"chat_id": str(client.community), "caption": "<b>list</b>", "parse_mode": "HTML"})
    form.add_field("document", b"a;b\n1;2\n", filename="../../etc/list.csv", content_type="text/csv")
    async with client.session.post(f"/bot{client.token}/sendDocument", data=form) as response:
        sent = (await response.json())["result"]
    assert sent["caption"] == "list"
    document = sent["document"]
    assert document["file_size"] == 8
    again = await client.bot("sendDocument", chat_id=client.community, document=document["file_id"])
    assert again["document"] == document
    path = (await client.bot("getFile", file_id=document["file_id"]))["file_path"]
    assert ".." not in path
    async with client.session.get(f"/file/bot{client.token}/{path}") as response:
        assert await response.read() == b"a;b\n1;2\n"
    async with client.session.get(f"/file/bot1:x/{path}") as response:
        assert response.status == 404
    unknown = await client.refused("sendDocument", chat_id=client.community, document="nothing")
    assert unknown == "Bad Request: wrong file identifier/HTTP URL specified"


@pytest.mark.parametrize(("data", "size"), [(PNG, (2, 3)), (b"no picture", None)])
async def test_photos_are_measured(client: Client, data: bytes, size: tuple[int, int] | None) -> None:
    form = aiohttp.FormData({"chat_id": str(client.community), "photo": "attach://chart"})
    form.add_field("chart", data, filename="chart.png", content_type="image/png")
    async with client.session.post(f"/bot{client.token}/sendPhoto", data=form) as response:
        answer = await response.json()
    if size is None:
        assert answer["description"] == "Bad Request: IMAGE_PROCESS_FAILED"
    else:
        photo = answer["result"]["photo"][0]
        assert (photo["width"], photo["height"]) == size


async def test_the_rate_limits_of_groups_and_private_chats(limited: Client) -> None:
    first = []
    for number in range(20):
        first.append((await limited.send(f"{number}"))["message_id"])
        await limited.control("advance", seconds=1)
    status, answer = await limited.try_bot("sendMessage", chat_id=limited.community, text="one too many")
    assert status == 429
    wait = answer["parameters"]["retry_after"]
    assert 1 < wait <= 40
    assert answer["description"] == f"Too Many Requests: retry after {wait}"
    status, _ = await limited.try_bot(
        "editMessageText", chat_id=limited.community, message_id=first[0], text="edits share it"
    )
    assert status == 429
    await limited.control("advance", seconds=60)
    await limited.send("free again")
    await limited.say("ana", "/start", "private")
    user = (await limited.updates())[-1]["message"]["from"]["id"]
    codes = [(await limited.try_bot("sendMessage", chat_id=user, text=str(n)))[0] for n in range(4)]
    assert codes == [200, 200, 200, 429]


async def test_thirty_a_second_in_all(limited: Client) -> None:
    chats = (await limited.control("populate", platform="telegram", count=40))["ids"]
    codes = [(await limited.try_bot("sendMessage", chat_id=chat, text="x"))[0] for chat in chats]
    assert codes == [200] * 30 + [429] * 10


async def test_a_short_burst_and_then_one_a_second_in_any_chat(limited: Client) -> None:
    async def send() -> int:
        return (await limited.try_bot("sendMessage", chat_id=limited.community, text="x"))[0]

    assert [await send() for _ in range(4)] == [200, 200, 200, 429]
    for _ in range(5):
        await limited.control("advance", seconds=1)
        assert await send() == 200
        assert await send() == 429
