"""Hand-made journals and databases for the report's tests."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

TABLES = """
CREATE TABLE comments (id INTEGER PRIMARY KEY, platform, tenant, channel_id, thread_id, message_id, needs_reply,
                       received_at REAL, early BOOLEAN DEFAULT 0);
CREATE TABLE drafts (id INTEGER PRIMARY KEY, comment_id, version, state, text);
CREATE TABLE decisions (id INTEGER PRIMARY KEY, draft_id, version, action, member, text, at REAL);
CREATE TABLE outbox (id INTEGER PRIMARY KEY, kind, draft_id, platform, channel_id, reply_to, text, state,
                     created_at REAL);
CREATE TABLE cards (id INTEGER PRIMARY KEY, draft_id, platform, channel_id, message_id);
CREATE TABLE views (id TEXT PRIMARY KEY, draft_id);
CREATE TABLE inbox (id INTEGER PRIMARY KEY, state);
"""
ROOM, REVIEW = {"telegram": "-1", "slack": "C1", "discord": "71"}, {"telegram": "-2", "slack": "C2", "discord": "72"}


class Evidence:
    """A journal and a database that grow by one thing at a time; `at` is seconds."""

    def __init__(self, folder: Path, platform: str) -> None:
        self.platform = platform
        self.journal = folder / "journal.jsonl"
        self.database = folder / "herald.db"
        self.rows: list[dict[str, Any]] = []
        with closing(sqlite3.connect(self.database)) as database:
            database.executescript(TABLES)

    def sql(self, statement: str, *values: object) -> None:
        """Change the database."""
        with closing(sqlite3.connect(self.database)) as database, database:
            database.execute(statement, values)

    def write(self) -> Path:
        """Write the journal file."""
        self.journal.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in self.rows))
        return self.journal

    def row(self, at: float, direction: str, **fields: Any) -> dict[str, Any]:
        """Add a journal row."""
        row = {"seq": len(self.rows) + 1, "at": at, "platform": self.platform, "direction": direction, **fields}
        self.rows.append(row)
        return row

    def posted(self, at: float, message: str, text: str = "hello?", **more: Any) -> dict[str, Any]:
        """A member's message is pushed."""
        room = ROOM[self.platform]
        if self.platform == "telegram":
            sender, chat = {"id": 5, "is_bot": False}, {"id": int(room), "type": "supergroup"}
            body = {"message_id": int(message), "chat": chat, "from": sender, "text": text}
            return self.row(
                at, "event", type="update", body={"update_id": 1000 + int(message), "message": body}, **more
            )
        if self.platform == "slack":
            event = {"type": "message", "user": "U5", "channel": room, "ts": message, "text": text}
            body = {"envelope_id": f"e{message}", "type": "events_api", "payload": {"event": event}}
            return self.row(at, "event", type="events_api", body=body, **more)
        author = {"id": "5"}
        body = {"id": message, "channel_id": room, "guild_id": "7", "author": author, "content": text, "type": 0}
        return self.row(at, "event", type="MESSAGE_CREATE", body=body, **more)

    def acknowledged(self, at: float, message: str) -> None:
        """The bot takes responsibility for the message (Discord has nothing of the kind)."""
        if self.platform == "telegram":
            body = {"offset": 1001 + int(message), "timeout": 10}
            self.row(at, "request", method="POST", path="/bot***/getUpdates", body=body, status=200, response={})
        elif self.platform == "slack":
            body = {"envelope_id": f"e{message}"}
            self.row(at, "request", method="WS", path="/slack/socket", body=body, status=None, response=None)

    def answered(self, at: float, message: str, status: int | None) -> None:
        """The bot answers the delivery of the message over HTTP."""
        body = {"update_id": 1000 + int(message)} if self.platform == "telegram" else {"envelope_id": f"e{message}"}
        fields = {"method": "POST", "path": f"/{self.platform}/events", "body": body, "status": status}
        self.row(at, "request", **fields, response=None)
        self.rows[-1]["platform"] = "hook"

    def created(
        self, at: float, message: str, text: str, *, to: str | None = None, buttons: tuple[str, ...] = (), **more: Any
    ) -> dict[str, Any]:
        """The bot makes a message: a card in the review channel if it has buttons, else a reply."""
        channel = (REVIEW if buttons else ROOM)[self.platform]
        made = {"telegram": self._telegram, "slack": self._slack, "discord": self._discord}[self.platform]
        method_path, body, response = made(channel, message, text, to, buttons)
        fields = {"method": "POST", "path": method_path, "body": body, "status": 200, "response": response}
        return self.row(at, "request", **(fields | more))

    def _telegram(self, channel: str, message: str, text: str, to: str | None, buttons: tuple[str, ...]) -> Any:
        keys = [[{"text": b, "callback_data": b} for b in buttons]]
        body = {"chat_id": channel, "text": text}
        body |= {"reply_markup": json.dumps({"inline_keyboard": keys})} if buttons else {}
        body |= {"reply_parameters": json.dumps({"message_id": int(to)})} if to else {}
        result = {"message_id": int(message), "chat": {"id": int(channel), "type": "supergroup"}, "text": text}
        return "/bot***/sendMessage", body, {"ok": True, "result": result}

    def _slack(self, channel: str, message: str, text: str, to: str | None, buttons: tuple[str, ...]) -> Any:
        wire = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        elements = [{"type": "button", "action_id": f"a{i}", "value": b} for i, b in enumerate(buttons)]
        body: dict[str, Any] = {"channel": channel, "text": wire}
        body |= {"blocks": json.dumps([{"type": "actions", "elements": elements}])} if buttons else {}
        body |= {"thread_ts": to} if to else {}
        return "/api/chat.postMessage", body, {"ok": True, "channel": channel, "ts": message}

    def _discord(self, channel: str, message: str, text: str, to: str | None, buttons: tuple[str, ...]) -> Any:
        components = [{"type": 1, "components": [{"type": 2, "custom_id": b, "label": b} for b in buttons]}]
        body: dict[str, Any] = {"content": text} | ({"components": components} if buttons else {})
        body |= {"message_reference": {"message_id": int(to)}} if to else {}
        return f"/api/v10/channels/{channel}/messages", body, {"id": message, "channel_id": channel}

    def pressed(self, at: float, message: str, payload: str) -> None:
        """Somebody presses a button of a card."""
        channel = REVIEW[self.platform]
        if self.platform == "telegram":
            card = {"message_id": int(message), "chat": {"id": int(channel), "type": "supergroup"}}
            self.row(
                at, "event", type="update", body={"update_id": 1, "callback_query": {"message": card, "data": payload}}
            )
        elif self.platform == "slack":
            where = {"channel_id": channel, "message_ts": message}
            inner = {"type": "block_actions", "container": where, "actions": [{"action_id": "a0", "value": payload}]}
            body = {"envelope_id": f"c{at}", "type": "interactive", "payload": inner}
            self.row(at, "event", type="interactive", body=body)
        else:
            body = {"type": 3, "channel_id": channel, "message": {"id": message}, "data": {"custom_id": payload}}
            self.row(at, "event", type="INTERACTION_CREATE", body=body)

    def stored(self, number: int, message: str, *, received_at: float = 0.0, needs_reply: bool = True) -> None:
        """The bot has the comment."""
        self.sql(
            "INSERT INTO comments (id, platform, channel_id, message_id, needs_reply, received_at)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            number, self.platform, ROOM[self.platform], message, needs_reply, received_at,
        )  # fmt: skip

    def approved(self, number: int, message: str, text: str, card: str, at: float) -> None:
        """The bot has drafted, carded and queued a reply to the stored comment `number`, and somebody approved it."""
        room, review = ROOM[self.platform], REVIEW[self.platform]
        self.sql("INSERT INTO drafts VALUES (?, ?, 1, 'approved', ?)", number, number, text)
        self.sql("INSERT INTO views VALUES (?, ?)", f"v{number}x", number)
        self.sql("INSERT INTO cards VALUES (NULL, ?, ?, ?, ?)", number, self.platform, review, card)
        self.sql("INSERT INTO decisions VALUES (NULL, ?, 1, 'approve', 'x:y:z', ?, ?)", number, text, at)
        self.sql(
            "INSERT INTO outbox VALUES (NULL, 'reply', ?, ?, ?, ?, ?, 'sent', ?)",
            number, self.platform, room, message, text, at,
        )  # fmt: skip
