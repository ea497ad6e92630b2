"""Who has entered a giveaway, by what people pressed and were told privately: read from the journal's rows."""

from __future__ import annotations

from typing import Any

import pytest

from bot.rehearsal.entrants import Ledger, ticket_of
from bot.rehearsal.journal import Message
from bot.rehearsal.whispers import Ear, Press, Whisper

Row = dict[str, Any]
CODE = bytes(range(16)).hex()
APP = "7000"


def event(platform: str, kind: str, body: Any) -> Row:
    return {"platform": platform, "direction": "event", "type": kind, "body": body}


def call(platform: str, path: str, body: Any, response: Any, method: str = "POST", status: int = 200) -> Row:
    row = {"platform": platform, "direction": "request", "method": method, "path": path, "body": body}
    return row | {"status": status, "response": response}


def slack_press(user: str, payload: str) -> Row:
    container = {"type": "message", "message_ts": "1.5", "channel_id": "C1"}
    about = {"type": "block_actions", "user": {"id": user}, "container": container}
    return event("slack", "interactive", {"type": "interactive", "payload": about | {"actions": [{"value": payload}]}})


def discord_press(user: str, payload: str, identity: str = "900") -> Row:
    body = {"id": identity, "type": 3, "channel_id": "71", "message": {"id": "72"}, "data": {"custom_id": payload}}
    return event("discord", "INTERACTION_CREATE", body | {"member": {"user": {"id": user}}})


def telegram_press(user: int, payload: str, identity: str = "55") -> Row:
    query = {"id": identity, "from": {"id": user}, "data": payload, "message": {"chat": {"id": -1}, "message_id": 3}}
    return event("telegram", "update", {"update_id": 1, "callback_query": query})


def telegram_answer(text: str, identity: str = "55") -> Row:
    body = {"callback_query_id": identity, "text": text}
    return call("telegram", "/bot***/answerCallbackQuery", body, {"ok": True, "result": True})


EPHEMERAL = {"flags": 64, "content": "psst", "interaction_metadata": {"user": {"id": "8"}}}


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([slack_press("U1", "a|b")], Press(("slack", "U1"), Message("slack", "C1", "1.5"), "a|b")),
        ([discord_press("8", "x")], Press(("discord", "8"), Message("discord", "71", "72"), "x")),
        ([telegram_press(9, "x")], Press(("telegram", "9"), Message("telegram", "-1", "3"), "x")),
        (
            [call("slack", "/api/chat.postEphemeral", {"user": "U1", "channel": "C1", "text": "psst"}, {"ok": True})],
            Whisper(("slack", "U1"), "psst"),
        ),
        (
            [call("slack", "/slack/response/T1/***", {"text": "psst"}, {"ok": True, "private_to": "U1"})],
            Whisper(("slack", "U1"), "psst"),
        ),
        ([call("slack", "/slack/response/T1/***", {"text": "x"}, {"ok": True, "private_to": None})], None),
        ([call("slack", "/api/chat.postEphemeral", {"user": "U1", "text": "x"}, {"ok": False, "error": "e"})], None),
        (
            [
                call("slack", "/api/conversations.open", {"users": "U1"}, {"ok": True, "channel": {"id": "D1"}}),
                call("slack", "/api/chat.postMessage", {"text": "psst"}, {"ok": True, "channel": "D1"}),
            ],
            Whisper(("slack", "U1"), "psst"),
        ),
        ([call("slack", "/api/chat.postMessage", {"channel": "C1", "text": "x"}, {"ok": True, "channel": "C1"})], None),
        (
            [
                discord_press("8", "x"),
                call(
                    "discord", "/api/v10/interactions/900/***/callback",
                    {"type": 4, "data": {"flags": 64, "content": "psst"}}, None, status=204,
                ),
            ],
            Whisper(("discord", "8"), "psst"),
        ),
        (
            [
                discord_press("8", "x"),
                call("discord", "/api/v10/interactions/900/***/callback", {"type": 6}, None, status=204),
            ],
            None,
        ),
        (
            [
                discord_press("8", "x"),
                call(
                    "discord", "/api/v10/interactions/900/***/callback",
                    {"type": 4, "data": {"content": "for all"}}, None, status=204,
                ),
            ],
            None,
        ),
        ([call("discord", f"/api/v10/webhooks/{APP}/***", {}, EPHEMERAL)], Whisper(("discord", "8"), "psst")),
        ([call("discord", f"/api/v10/webhooks/{APP}/***", {}, EPHEMERAL | {"flags": 0})], None),
        (
            [
                call("discord", "/api/v10/users/@me/channels", {"recipient_id": "8"}, {"id": "73"}),
                call("discord", "/api/v10/channels/73/messages", {}, {"id": "1", "content": "psst"}),
            ],
            Whisper(("discord", "8"), "psst"),
        ),
        ([call("discord", "/api/v10/channels/73/messages", {}, {"id": "1", "content": "x"})], None),
        ([telegram_press(9, "x"), telegram_answer("psst")], Whisper(("telegram", "9"), "psst")),
        ([telegram_answer("x", "unheard")], None),
        (
            [
                call(
                    "telegram", "/bot***/sendMessage", {},
                    {"ok": True, "result": {"chat": {"id": 9, "type": "private"}, "text": "psst"}},
                )
            ],
            Whisper(("telegram", "9"), "psst"),
        ),
        (
            [
                call(
                    "telegram", "/bot***/sendMessage", {},
                    {"ok": True, "result": {"chat": {"id": -1, "type": "supergroup"}, "text": "x"}},
                )
            ],
            None,
        ),
        ([discord_press("8", "x") | {"injected": True}], None),
        ([event("discord", "INTERACTION_CREATE", {"odd": 1})], None),
    ],
)  # fmt: skip
def test_presses_and_private_answers_are_found_in_the_journal(rows: list[Row], told: object) -> None:
    ear = Ear()
    assert [ear.take(row) for row in rows][-1] == told


def ledger(*rows: Row) -> Ledger:
    made = Ledger()
    for row in rows:
        made.take(row)
    return made


ENTER, LEAVE = "v1|w.a|enter|m", "v1|w.a|leave|m"
IN, OUT = f"You are in. Code: {CODE}", "You have left."


@pytest.mark.parametrize(
    ("rows", "state"),
    [
        ([telegram_press(9, ENTER), telegram_answer(IN)], "entered"),
        ([telegram_press(9, ENTER), telegram_answer("Members only")], "refused"),
        ([telegram_press(9, ENTER)], ""),
        ([telegram_press(9, ENTER), telegram_answer("One moment"), telegram_answer(IN)], "entered"),
        ([telegram_press(9, ENTER), telegram_answer(IN), telegram_press(9, LEAVE), telegram_answer(OUT)], "left"),
        ([telegram_press(9, LEAVE), telegram_answer("You are not in")], ""),
        (
            [
                telegram_press(9, ENTER), telegram_answer(IN), telegram_press(9, LEAVE), telegram_answer(OUT),
                telegram_press(9, ENTER), telegram_answer(IN),
            ],
            "entered",
        ),
        (
            [
                telegram_press(9, ENTER), telegram_answer("Members only"), telegram_press(9, "v1|w.a|appeal|m"),
                telegram_answer(IN),
            ],
            "entered",
        ),
        (
            [telegram_press(9, ENTER), telegram_answer("no"), telegram_press(9, "v1|7|x|m"), telegram_answer(IN)],
            "refused",
        ),
    ],
)  # fmt: skip
def test_who_has_entered_is_what_people_pressed_and_were_told(rows: list[Row], state: str) -> None:
    made = ledger(*rows)
    for one in ("entered", "left", "refused"):
        assert made.people("w.a", one, ()) == ({("telegram", "9")} if one == state else set())
    assert made.people("w.b", "entered", ()) == set()


def test_one_person_counts_once_and_as_what_holds_for_any_of_their_accounts() -> None:
    made = ledger(telegram_press(9, ENTER), telegram_answer("no"), discord_press("8", ENTER), *[
        call("discord", f"/api/v10/webhooks/{APP}/***", {}, EPHEMERAL | {"content": IN})
    ])  # fmt: skip
    same = [(("telegram", "9"), ("discord", "8"))]
    assert made.people("w.a", "entered", same) == {("telegram", "9")}
    assert made.people("w.a", "refused", same) == set()
    assert made.people("w.a", "refused", ()) == {("telegram", "9")}


def test_tickets_lead_to_whoever_was_told_their_code() -> None:
    """RELIABILITY 6.3: the ticket of these words."""
    assert ticket_of("g-ten", "discord:80351110224678912", bytes(range(16))) == "5b96eb15383e781f65416a150324e6bc"
    made = ledger(telegram_press(9, ENTER), telegram_answer(IN))
    own, other = ticket_of("w.a", "telegram:9", bytes(range(16))), ticket_of("w.a", "telegram:10", bytes(range(16)))
    assert made.owners("w.a", [own, other]) == {own: ("telegram", "9")}
    assert made.owners("w.b", [own]) == {}
