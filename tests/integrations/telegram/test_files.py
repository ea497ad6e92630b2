"""Files: pictures are shown, others are given to be opened, and no name does harm on the way."""

from __future__ import annotations

import re
import struct
import zlib
from typing import Any

import pytest
from aiohttp import BodyPartReader, web
from hypothesis import given
from hypothesis import strategies as st

from bot.chat.messages import Document
from bot.chat.ports import NotSent, Refused, Unclear
from bot.domain.places import Channel
from bot.integrations.telegram import TelegramConfig, TelegramPlatform, outgoing
from bot.integrations.telegram.files import MAX_FILE, MAX_PICTURE, safe_name

from .conftest import Make, Stage
from .server import TOKEN, serving

CSV = "选项,票数\r\nHangzhou 🍵,12\r\n".encode()
HERE = Channel("telegram", "123456", "-55")


def picture(width: int = 40, height: int = 30) -> bytes:
    """A white PNG."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + b"\xff" * width for _ in range(height))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


# ---- over the wire


async def test_a_file_arrives_with_its_name_and_text(stage: Stage, platform: TelegramPlatform) -> None:
    sent = await platform.send(Document("投票 结果.csv", "text/csv", CSV, "结果 <b>🍵"), stage.channel(), "f1")
    call = (await stage.calls("sendDocument"))[-1]
    file = call["response"]["result"]["document"]
    assert (file["file_name"], file["file_size"], file["mime_type"]) == ("投票_结果.csv", len(CSV), "text/csv")
    assert (await stage.messages())[sent]["text"] == "结果 <b>🍵"


async def test_a_picture_is_shown(stage: Stage, platform: TelegramPlatform) -> None:
    sent = await platform.send(Document("chart.png", "image/png", picture(), "结果"), stage.channel(), "f2")
    call = (await stage.calls("sendPhoto"))[-1]
    assert {"width": 40, "height": 30}.items() <= call["response"]["result"]["photo"][-1].items()
    assert call["body"]["photo"]["bytes"] == len(picture())
    assert (await stage.messages())[sent]["text"] == "结果"


async def test_a_file_stays_as_it_was_sent(stage: Stage, platform: TelegramPlatform) -> None:
    document = Document("r.csv", "text/csv", CSV)
    sent = await platform.send(document, stage.channel(), "f3")
    with pytest.raises(Refused) as caught:
        await platform.edit(document, stage.channel(), sent)
    assert caught.value.code == "unsendable"
    await platform.delete(stage.channel(), sent)
    assert sent not in await stage.messages()


@pytest.mark.parametrize(
    ("kind", "failure"), [("429", NotSent), ("500", Unclear), ("swallow_reply", Unclear), ("reset", Unclear)]
)
async def test_faults_are_told_apart(stage: Stage, make: Make, kind: str, failure: type[Exception]) -> None:
    platform = make(request_timeout=1.0)
    await stage.control("fault", kind=kind, times=1, match="sendDocument")
    with pytest.raises(failure):
        await platform.send(Document("r.csv", "text/csv", CSV, kind), stage.channel(), "f4")


async def test_what_telegram_cannot_show_is_refused(stage: Stage, platform: TelegramPlatform) -> None:
    with pytest.raises(Refused):
        await platform.send(Document("c.png", "image/png", b"\x89PNG, and then nothing"), stage.channel(), "f5")
    requests = len(await stage.calls("sendDocument"))
    assert platform.capabilities.max_file == MAX_FILE
    for content, code in ((b"", "unsendable"), (bytes(MAX_FILE + 1), "too_large")):
        with pytest.raises(Refused) as caught:
            await platform.send(Document("r.csv", "text/csv", content), stage.channel(), "f6")
        assert caught.value.code == code
    assert len(await stage.calls("sendDocument")) == requests


async def test_bytes_and_thread_arrive_as_they_are() -> None:
    """Read by a server that is told nothing about the form in advance."""
    seen: dict[str, Any] = {}

    async def take(request: web.Request) -> web.Response:
        async for part in await request.multipart():
            assert isinstance(part, BodyPartReader)
            seen[part.name or ""] = (part.filename, bytes(await part.read()))
        return web.json_response({"ok": True, "result": {"message_id": 8}})

    app = web.Application()
    app.router.add_post(f"/bot{TOKEN}/sendDocument", take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        platform = TelegramPlatform(TelegramConfig(TOKEN, f"http://127.0.0.1:{runner.addresses[0][1]}"))
        thread = Channel("telegram", "123456", "-55", "42")
        every_byte = bytes(range(256)) * 40
        document = Document('a"b\r\nX: 茶.bin', "application/x", every_byte, '"\r\n茶')
        assert await platform.send(document, thread, "k") == "8"
        await platform.close()
    finally:
        await runner.cleanup()
    assert seen == {
        "chat_id": (None, b"-55"),
        "message_thread_id": (None, b"42"),
        "document": ("a_b_X_茶.bin", every_byte),
        "caption": (None, '"\r\n茶'.encode()),
    }


async def test_a_file_follows_a_group_that_moves() -> None:
    new = -1001000000055
    async with serving() as server:

        def answer(sent: dict[str, Any]) -> Any:
            if sent["chat_id"] == new:
                return {"message_id": 9}
            moved = {"ok": False, "description": "upgraded", "parameters": {"migrate_to_chat_id": new}}
            return web.json_response(moved, status=400)

        server.answers["sendPhoto"] = answer
        platform = TelegramPlatform(TelegramConfig(TOKEN, server.url, watched=("-55",)))
        assert await platform.send(Document("c.png", "image/png", picture()), HERE, "k") == f"9@{new}"
        await platform.close()
    assert [(call["chat_id"], "c.png" in call["photo"]) for call in server.called("sendPhoto")] == [
        (-55, True),
        (new, True),
    ]


# ---- how it is sent


@pytest.mark.parametrize(
    ("media_type", "size", "method"),
    [
        ("image/png", 9, "sendPhoto"),
        ("image/png", MAX_PICTURE, "sendPhoto"),
        ("image/png", MAX_PICTURE + 1, "sendDocument"),
        ("image/svg+xml", 9, "sendDocument"),
        ("text/csv", 9, "sendDocument"),
    ],
)
def test_only_pictures_that_can_be_shown_are_sent_as_such(media_type: str, size: int, method: str) -> None:
    found, parameters = outgoing.create(Document("name.png", media_type, bytes(size)))
    assert found == method
    (file,) = parameters.values()
    assert file.filename == "name.png"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("poll results.csv", "poll_results.csv"),
        ("结果🍵.csv", "结果.csv"),
        ("../../etc/passwd", "etc_passwd"),
        ("C:\\x\\a.png", "C_x_a.png"),
        ('"; filename="x.exe', "filename_x.exe"),
        (".bashrc", "file.bashrc"),
        ("", "file"),
        ("🍵", "file"),
        ("a" * 90 + ".csv", "a" * 60 + ".csv"),
        ("no ending.this is a sentence", "no_ending.this_is_a_sentence"),
        ("x\r\nContent-Type: text/html", "x_Content-Type_text_html"),
    ],
)
def test_a_name_is_only_a_name(name: str, safe: str) -> None:
    assert safe_name(name) == safe


@given(st.text(max_size=200))
def test_no_name_leaves_its_header_or_folder(name: str) -> None:
    safe = safe_name(name)
    assert 1 <= len(safe) <= 70
    assert re.fullmatch(r"[\w.-]+", safe)
    assert not safe.startswith(".")
