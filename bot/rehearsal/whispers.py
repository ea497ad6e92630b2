"""Who pressed what, and what each person was told privately, by the journal alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.rehearsal.journal import Message
from bot.rehearsal.values import Json
from bot.rehearsal.wording import text_of

Account = tuple[str, str]
"""Platform and user id."""

_CALLBACK = re.compile(r"/interactions/(\d+)/\*\*\*/callback$")
_FOLLOW_UP = re.compile(r"/webhooks/\d+/\*\*\*")
_DISCORD_POST = re.compile(r"/channels/(\d+)/messages(?:/\d+)?$")
_SLACK_RESPONSE = "/slack/response/"
_EPHEMERAL = 1 << 6


@dataclass(frozen=True, slots=True)
class Press:
    """Somebody pressed a button of a message."""

    who: Account
    message: Message
    payload: str


@dataclass(frozen=True, slots=True)
class Whisper:
    """Somebody was told something that nobody else sees."""

    who: Account
    text: str


Happened = Press | Whisper


@dataclass
class Ear:
    """Follows the journal's rows, whose conversations and presses it has to remember to know whom an answer is for."""

    _asked: dict[str, Account] = field(default_factory=dict)
    """Who is behind an interaction (Discord) or a callback query (Telegram)."""
    _direct: dict[str, Account] = field(default_factory=dict)
    """Whose direct conversation a channel is."""

    def take(self, row: Mapping[str, Json]) -> Happened | None:
        """What a row tells of that, or None."""
        body, platform = row.get("body"), str(row.get("platform"))
        if row.get("injected") or not isinstance(body, dict):
            return None
        readers = {
            ("slack", "event"): self._slack_event,
            ("slack", "request"): self._slack_request,
            ("discord", "event"): self._discord_event,
            ("discord", "request"): self._discord_request,
            ("telegram", "event"): self._telegram_event,
            ("telegram", "request"): self._telegram_request,
        }
        reader = readers.get((platform, str(row.get("direction"))))
        try:
            return None if reader is None else reader(row, body)
        except (KeyError, TypeError, AttributeError, ValueError):
            # A row that was pushed or refused in an odd shape is nothing that anybody saw.
            return None

    def _slack_event(self, _row: Mapping[str, Json], body: Mapping[str, Json]) -> Happened | None:
        payload = body["payload"]
        if body.get("type") != "interactive" or payload["type"] != "block_actions":
            return None
        action, where = payload["actions"][0], payload["container"]
        if "message_ts" not in where:
            return None
        message = Message("slack", where["channel_id"], where["message_ts"])
        return Press(("slack", str(payload["user"]["id"])), message, str(action.get("value") or action["action_id"]))

    def _slack_request(self, row: Mapping[str, Json], body: Mapping[str, Json]) -> Happened | None:
        answer, path = _done(row), str(row["path"])
        if answer is None:
            return None
        method, words = path.rsplit("/", 1)[-1], body.get("blocks") or body.get("text") or ""
        if method == "conversations.open" and "users" in body:
            self._direct[str(answer["channel"]["id"])] = ("slack", str(body["users"]))
            return None
        if path.startswith(_SLACK_RESPONSE):
            whose = answer.get("private_to")
            return Whisper(("slack", str(whose)), text_of(words)) if whose else None
        if method == "chat.postEphemeral":
            return Whisper(("slack", str(body["user"])), text_of(words))
        who = self._direct.get(str(answer.get("channel")))
        if who is None and str(body.get("channel", ""))[:1] == "U":
            who = ("slack", str(body["channel"]))
        return Whisper(who, text_of(words)) if who and method in ("chat.postMessage", "chat.update") else None

    def _discord_event(self, row: Mapping[str, Json], body: Mapping[str, Json]) -> Happened | None:
        if row["type"] != "INTERACTION_CREATE":
            return None
        user = body.get("user") or body["member"]["user"]
        who = self._asked[str(body["id"])] = ("discord", str(user["id"]))
        if body["type"] != 3:
            return None
        message = Message("discord", str(body["channel_id"]), str(body["message"]["id"]))
        return Press(who, message, str(body["data"]["custom_id"]))

    def _discord_request(self, row: Mapping[str, Json], body: Mapping[str, Json]) -> Happened | None:
        path, answer = str(row["path"]), row.get("response")
        if not 200 <= int(row.get("status") or 0) < 300:
            return None
        if (found := _CALLBACK.search(path)) is not None:
            data = body.get("data") or {}
            private = body.get("type") == 4 and int(data.get("flags") or 0) & _EPHEMERAL
            return Whisper(self._asked[found[1]], text_of(data)) if private else None
        if not isinstance(answer, dict):
            return None
        if path.endswith("/users/@me/channels"):
            self._direct[str(answer["id"])] = ("discord", str(body["recipient_id"]))
            return None
        if _FOLLOW_UP.search(path) and int(answer.get("flags") or 0) & _EPHEMERAL:
            return Whisper(("discord", str(answer["interaction_metadata"]["user"]["id"])), text_of(answer))
        direct = _DISCORD_POST.search(path)
        who = self._direct.get(direct[1]) if direct and row["method"] in ("POST", "PATCH") else None
        return Whisper(who, text_of(answer)) if who else None

    def _telegram_event(self, _row: Mapping[str, Json], body: Mapping[str, Json]) -> Happened | None:
        if "callback_query" not in body:
            return None
        query = body["callback_query"]
        who = self._asked[str(query["id"])] = ("telegram", str(query["from"]["id"]))
        pressed = query["message"]
        message = Message("telegram", str(pressed["chat"]["id"]), str(pressed["message_id"]))
        return Press(who, message, str(query["data"]))

    def _telegram_request(self, row: Mapping[str, Json], body: Mapping[str, Json]) -> Happened | None:
        answer, method = _done(row), str(row["path"]).rsplit("/", 1)[-1].lower()
        if answer is None:
            return None
        if method == "answercallbackquery":
            who = self._asked[str(body["callback_query_id"])]
            return Whisper(who, str(body["text"])) if body.get("text") else None
        made = answer.get("result")
        if not isinstance(made, dict) or made.get("chat", {}).get("type") != "private":
            return None
        return Whisper(("telegram", str(made["chat"]["id"])), text_of(made))


def _done(row: Mapping[str, Json]) -> dict[str, Json] | None:
    """The answer to a call that the platform carried out."""
    answer = row.get("response")
    done = 200 <= int(row.get("status") or 0) < 300 and isinstance(answer, dict) and answer.get("ok") is not False
    return answer if done else None
