"""The HTTP backend against a server that misbehaves at will."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl

import pytest
from telegram import Bot, InputFile
from telegram.request import RequestData

from bot.chat.ports import NotSent, Refused, SendError, Unclear
from bot.integrations.telegram.client import Client
from bot.integrations.telegram.http import AiohttpRequest

TOKEN = "77:SECRET-SECRET"
Handler = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """Reads one request per connection and lets the test write what it likes."""

    def __init__(self) -> None:
        self.handler: Handler = answering(200, b'{"ok":true,"result":true}')
        self.requests: list[bytes] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            sizes = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            body = (
                await reader.readexactly(int(sizes[0].split(b":")[1])) if sizes else await reader.readuntil(b"--\r\n")
            )
            self.requests.append(head + body)
            await self.handler(body, writer)
        finally:
            writer.close()


def answering(status: int, body: bytes, headers: str = "") -> Handler:
    async def handler(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body)
        await writer.drain()

    return handler


def refusing(code: int, description: str, **parameters: int) -> Handler:
    body = {"ok": False, "error_code": code, "description": description, "parameters": parameters}
    return answering(code, json.dumps(body).encode())


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    async with listener:
        yield server


@pytest.fixture
async def client(server: Server) -> AsyncIterator[Client]:
    client = Client(TOKEN, server.url, 5.0)
    yield client
    await client.close()


async def failure(client: Client, method: str = "sendMessage") -> SendError:
    with pytest.raises(SendError) as caught:
        await client.call(method, chat_id=1, text="x")
    assert "SECRET" not in repr(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    return caught.value


async def test_parameters_go_as_a_form(server: Server, client: Client) -> None:
    assert await client.call("sendMessage", chat_id=-5, text="茶 & x", options={"a": True}, thread=None) is True
    (request,) = server.requests
    assert request.startswith(b"POST /bot77:SECRET-SECRET/sendMessage HTTP/1.1\r\n")
    body = request.rpartition(b"\r\n\r\n")[2].decode("ascii")
    assert parse_qsl(body) == [("chat_id", "-5"), ("text", "茶 & x"), ("options", '{"a": true}')]


async def test_files_go_as_multipart(server: Server) -> None:
    server.handler = answering(200, b'{"ok":true,"result":{"message_id":1,"date":1,"chat":{"id":1,"type":"private"}}}')
    request = AiohttpRequest()
    bot = Bot(TOKEN, base_url=f"{server.url}/bot", request=request, get_updates_request=AiohttpRequest())
    await bot.send_document(1, InputFile(b"PNG-BYTES", filename="图.png"), caption="c")
    await request.shutdown()
    (body,) = server.requests
    assert b'name="document"' in body or b"attach://" in body
    assert b"PNG-BYTES" in body
    assert b'name="caption"\r\n\r\nc' in body


@pytest.mark.parametrize(
    ("handler", "code"),
    [
        (refusing(400, "Bad Request: chat not found"), "no-chat"),
        (refusing(400, "Bad Request: message to edit not found"), "gone"),
        (refusing(400, "Bad Request: something new"), "400"),
        (refusing(401, "Unauthorized"), "unauthorized"),
        (refusing(404, "Not Found"), "unauthorized"),
        (refusing(403, "Forbidden: bot was blocked by the user"), "forbidden"),
        (refusing(409, "Conflict: terminated by other getUpdates request"), "409"),
        (refusing(413, "Request Entity Too Large"), "too_large"),
        (refusing(400, "Bad Request: group chat was upgraded", migrate_to_chat_id=-1007), "migrated"),
    ],
)
async def test_a_definite_refusal_says_so(server: Server, client: Client, handler: Handler, code: str) -> None:
    server.handler = handler
    error = await failure(client)
    assert isinstance(error, Refused)
    assert error.code == code
    if code == "migrated":
        assert "-1007" in str(error)


@pytest.mark.parametrize(
    ("handler", "seconds"),
    [
        (refusing(429, "Too Many Requests: retry after 222", retry_after=222), 222.0),
        (answering(429, b"<html>", "Retry-After: 7\r\n"), 7.0),
        (answering(429, b""), 1.0),
    ],
)
async def test_a_rate_limit_is_not_sent(server: Server, client: Client, handler: Handler, seconds: float) -> None:
    server.handler = handler
    error = await failure(client)
    assert isinstance(error, NotSent)
    assert error.retry_after == seconds


async def hang_up(_: bytes, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def stop_halfway(_: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"ok":true,')
    await writer.drain()


async def speak_nonsense(_: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP 9 what?\r\n\r\n")
    await writer.drain()


@pytest.mark.parametrize(
    "handler",
    [
        hang_up,
        stop_halfway,
        speak_nonsense,
        refusing(500, "Internal Server Error"),
        answering(502, b"<html>Bad gateway</html>"),
        answering(403, b"<html>a proxy says no</html>"),
        answering(302, b"", "Location: http://127.0.0.1:1/\r\n"),
        answering(200, b"<html>welcome to the hotel</html>"),
        answering(200, b'{"ok":true}'),
        answering(200, b"[1]"),
        answering(200, b"[" * 100_000),
    ],
)
async def test_everything_else_is_unclear(server: Server, client: Client, handler: Handler) -> None:
    server.handler = handler
    assert isinstance(await failure(client), Unclear)
    assert len(server.requests) == 1  # never sent twice


async def test_silence_after_sending_is_unclear(server: Server) -> None:
    release = asyncio.Event()

    async def wait(_: bytes, __: asyncio.StreamWriter) -> None:
        await release.wait()

    server.handler = wait
    client = Client(TOKEN, server.url, 0.3)
    assert isinstance(await failure(client), Unclear)
    release.set()
    await client.close()


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://no-such-host.invalid", "http://127.0.0.1:1/x"])
async def test_what_never_connected_is_not_sent(url: str) -> None:
    client = Client(TOKEN, url, 5.0)
    error = await failure(client)
    await client.close()
    assert isinstance(error, NotSent)
    assert error.retry_after is None


async def test_waiting_for_a_free_connection_is_not_sent(server: Server) -> None:
    release = asyncio.Event()
    arrived = asyncio.Event()

    async def wait(_: bytes, __: asyncio.StreamWriter) -> None:
        arrived.set()
        await release.wait()

    server.handler = wait
    request = AiohttpRequest(deadline=5.0, connect=0.2, pool=1)
    url = f"{server.url}/bot{TOKEN}/sendMessage"
    first = asyncio.create_task(request.do_request(url, "POST", RequestData()))
    await arrived.wait()
    with pytest.raises(Exception, match="ConnectionTimeoutError") as caught:
        await request.do_request(url, "POST", RequestData())
    assert getattr(caught.value, "sent", None) is False
    assert "SECRET" not in str(caught.value)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    release.set()
    await request.shutdown()


async def test_logs_hold_neither_token_nor_text(server: Server, client: Client, caplog: Any) -> None:
    logging.getLogger("telegram").info("the SDK still logs")
    with caplog.at_level(logging.DEBUG):
        await client.call("sendMessage", chat_id=1, text="PRIVATE WORDS")
        server.handler = answering(200, b"PRIVATE NONSENSE")
        await failure(client)
    assert "SECRET" not in caplog.text
    assert "PRIVATE" not in caplog.text
