"""The sandbox's journal, read as what happened: messages pushed, messages made and changed, buttons pressed, acks.

Each platform writes the same things in its own way; this is the only module that knows how.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bot.rehearsal.errors import RehearsalError
from bot.rehearsal.payloads import payloads, structure
from bot.rehearsal.values import Json


@dataclass(frozen=True, slots=True)
class Message:
    """Which message of which channel: the identity that journal and database share."""

    platform: str
    channel: str
    message_id: str


@dataclass(frozen=True, slots=True)
class Posted:
    """A member's message that was pushed to the bot. `token` is what its acknowledgement names."""

    message: Message
    at: float
    text: str
    token: str | None


@dataclass(frozen=True, slots=True)
class Created:
    """A message that the bot made: the text that people read, what it answers, its buttons' payloads."""

    message: Message
    at: float
    text: str
    answers: str | None
    payloads: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Changed:
    """A message that the bot changed."""

    message: Message
    at: float
    payloads: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pressed:
    """A button that somebody pressed."""

    message: Message
    at: float
    payload: str


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The bot took responsibility: for the pushes named by `tokens`, or for all numbered below `below`."""

    platform: str
    at: float
    token: str | None = None
    below: int | None = None


Happening = Posted | Created | Changed | Pressed | Acknowledged


def read_journal(path: Path) -> Iterator[Happening]:
    """What a journal file tells, in order. Raises RehearsalError for a file that is none."""
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield from _decoded_line(line, path, number)
    except (OSError, UnicodeDecodeError) as error:
        raise RehearsalError(f"cannot read the journal {path}: {error}") from error


def _decoded_line(line: str, path: Path, number: int) -> Iterator[Happening]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise RehearsalError(f"{path}:{number}: no journal row: {error}") from error
    if not isinstance(row, dict):
        raise RehearsalError(f"{path}:{number}: a journal row is a JSON object")
    found = decode(row)
    if found is not None:
        yield found


def decode(row: Mapping[str, Json]) -> Happening | None:
    """What a row tells, or None where it is nothing of these, or was injected."""
    reader = _READERS.get((str(row.get("platform")), str(row.get("direction"))))
    if reader is None or row.get("injected") or not isinstance(row.get("body"), dict):
        return None
    try:
        return reader(row, row["body"])
    except (KeyError, TypeError, AttributeError):
        # A row that was pushed or refused in an odd shape is nothing that anybody saw.
        return None


def _done(row: Mapping[str, Json]) -> Json:
    """The answer to a call that the platform carried out, even where a fault held it back; else None."""
    status, response = row.get("status"), row.get("response")
    if not isinstance(status, int) or not 200 <= status < 300 or not isinstance(response, dict):
        return None
    return None if response.get("ok") is False else response


def _telegram_event(row: Mapping[str, Json], body: Mapping[str, Json]) -> Happening | None:
    at = float(row["at"])
    if "callback_query" in body:
        query = body["callback_query"]
        return Pressed(_telegram_message(query["message"]), at, str(query["data"]))
    posted = body.get("message")
    if not posted or posted["from"].get("is_bot") or posted["chat"]["type"] == "private":
        return None
    text = posted.get("text", posted.get("caption", ""))
    return Posted(_telegram_message(posted), at, text, str(body["update_id"]))


def _telegram_message(message: Mapping[str, Json]) -> Message:
    return Message("telegram", str(message["chat"]["id"]), str(message["message_id"]))


def _telegram_request(row: Mapping[str, Json], body: Mapping[str, Json]) -> Happening | None:
    method, answer, at = str(row["path"]).rsplit("/", 1)[-1].lower(), _done(row), float(row["at"])
    if method == "getupdates":
        offset = int(body.get("offset") or 0)
        return Acknowledged("telegram", at, below=offset) if offset > 0 else None
    if answer is None or not isinstance(answer.get("result"), dict):
        return None
    message, buttons = answer["result"], payloads(body.get("reply_markup"))
    if method == "sendmessage":
        answers = (structure(body.get("reply_parameters")) or {}).get("message_id", body.get("reply_to_message_id"))
        text = str(message.get("text", body.get("text", "")))
        return Created(_telegram_message(message), at, text, None if answers is None else str(answers), buttons)
    if method.startswith("editmessage"):
        return Changed(_telegram_message(message), at, buttons)
    return None


def _slack_event(row: Mapping[str, Json], body: Mapping[str, Json]) -> Happening | None:
    at, payload = float(row["at"]), body["payload"]
    if body["type"] == "interactive" and payload["type"] == "block_actions":
        action, where = payload["actions"][0], payload["container"]
        message = Message("slack", where["channel_id"], where["message_ts"])
        return Pressed(message, at, action.get("value") or action["action_id"])
    event = payload.get("event") or {}
    if event.get("type") != "message" or event.get("bot_id") or event.get("channel_type") == "im":
        return None
    if event.get("subtype") not in (None, "file_share", "thread_broadcast", "me_message"):
        return None
    message = Message("slack", event["channel"], event["ts"])
    return Posted(message, at, _unescaped(event.get("text", "")), body["envelope_id"])


def _slack_request(row: Mapping[str, Json], body: Mapping[str, Json]) -> Happening | None:
    at = float(row["at"])
    if row.get("method") == "WS":
        return Acknowledged("slack", at, token=body.get("envelope_id"))
    method, answer = str(row["path"]).rsplit("/", 1)[-1], _done(row)
    if answer is None or method not in ("chat.postMessage", "chat.update"):
        return None
    message = Message("slack", str(answer["channel"]), str(answer["ts"]))
    blocks = structure(body.get("blocks")) or []
    if method == "chat.update":
        return Changed(message, at, payloads(blocks))
    text = _block_text(blocks) if blocks else _unescaped(str(body.get("text", "")))
    return Created(message, at, text, body.get("thread_ts"), payloads(blocks))


def _unescaped(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _block_text(blocks: list[Json]) -> str:
    """The text of blocks where they are what people read."""
    return "\n".join(text for block in blocks for text in _block_lines(block))


def _block_lines(block: Mapping[str, Json]) -> Iterator[str]:
    if block.get("type") == "rich_text":
        for element in block["elements"]:
            yield "".join(str(part.get("text", part.get("url", ""))) for part in element.get("elements", ()))
    elif isinstance(block.get("text"), dict):
        text = str(block["text"].get("text", ""))
        yield text if block["text"].get("type") == "plain_text" else _unescaped(text)
    elif isinstance(block.get("text"), str):
        yield _unescaped(block["text"])


_DISCORD_CREATE = re.compile(r"/channels/(\d+)/messages$")
_DISCORD_EDIT = re.compile(r"/channels/(\d+)/messages/(\d+)$")


def _discord_event(row: Mapping[str, Json], body: Mapping[str, Json]) -> Happening | None:
    at, kind = float(row["at"]), row["type"]
    if kind == "INTERACTION_CREATE" and body["type"] == 3:
        where = Message("discord", str(body["channel_id"]), str(body["message"]["id"]))
        return Pressed(where, at, str(body["data"]["custom_id"]))
    # A join or a pin is a message too, of another type than the ordinary (0) and the reply (19).
    if kind != "MESSAGE_CREATE" or body["author"].get("bot") or body.get("type", 0) not in (0, 19):
        return None
    if "guild_id" not in body:
        return None
    return Posted(Message("discord", str(body["channel_id"]), str(body["id"])), at, body.get("content", ""), None)


def _discord_request(row: Mapping[str, Json], body: Mapping[str, Json]) -> Happening | None:
    answer, at, method, path = _done(row), float(row["at"]), row["method"], str(row["path"])
    if answer is None:
        return None
    if method == "POST" and (match := _DISCORD_CREATE.search(path)):
        reference = (body.get("message_reference") or {}).get("message_id")
        answers = None if reference is None else str(reference)
        message = Message("discord", match[1], str(answer["id"]))
        return Created(message, at, str(body.get("content") or ""), answers, payloads(body.get("components")))
    if method == "PATCH" and (match := _DISCORD_EDIT.search(path)):
        return Changed(Message("discord", match[1], match[2]), at, payloads(body.get("components")))
    return None


def _hook(row: Mapping[str, Json], body: Mapping[str, Json]) -> Happening | None:
    """A delivery over HTTP: taken by the bot where it was answered with 2xx."""
    status = row.get("status")
    platform = str(row["path"]).split("/")[1]
    token = body.get({"slack": "envelope_id", "telegram": "update_id"}.get(platform, ""))
    if token is None or not isinstance(status, int) or not 200 <= status < 300:
        return None
    return Acknowledged(platform, float(row["at"]), token=str(token))


_READERS = {
    ("hook", "request"): _hook,
    ("telegram", "event"): _telegram_event,
    ("telegram", "request"): _telegram_request,
    ("slack", "event"): _slack_event,
    ("slack", "request"): _slack_request,
    ("discord", "event"): _discord_event,
    ("discord", "request"): _discord_request,
}
