"""The player's own count, who draws what, and the numbers read from messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.rehearsal.ballots import Ballots, drawn
from bot.rehearsal.client import ControlClient
from bot.rehearsal.errors import StepFailed
from bot.rehearsal.journal import Message
from bot.rehearsal.scenario import PollRules, VoteMany
from bot.rehearsal.shown import Wire, numbers

TEA = ("green tea", "tea", "coffee")


def ballots(kind: str = "single", **rules: object) -> Ballots:
    made = PollRules.model_validate({"options": TEA, "kind": kind, **rules})
    return Ballots({"tea": made}, [("ana", "ana_on_slack")])


@pytest.mark.parametrize(
    ("kind", "rules", "presses", "counts"),
    [
        ("single", {}, [("bo", 1), ("bo", 2)], [0, 1, 0]),
        ("single", {}, [("bo", 1), ("bo", 1)], [0, 0, 0]),
        ("single", {"fixed": True}, [("bo", 1), ("bo", 2)], [1, 0, 0]),
        ("single", {}, [("ana", 1), ("ana_on_slack", 3)], [0, 0, 1]),
        ("single", {}, [("ana", 1), ("ana_on_slack", 1)], [0, 0, 0]),
        ("multiple", {}, [("bo", 1), ("bo", 2), ("cy", 2), ("bo", 1)], [0, 2, 0]),
        ("multiple", {"limit": 1}, [("bo", 1), ("bo", 2)], [1, 0, 0]),
        ("ranked", {}, [("bo", 3), ("bo", 1), ("cy", 1)], [1, 0, 1]),
    ],
)
def test_presses_are_counted_by_person(
    kind: str, rules: dict[str, object], presses: list[tuple[str, int]], counts: list[int]
) -> None:
    counted = ballots(kind, **rules)
    for member, number in presses:
        counted.press(None, member, number)
    assert counted.counts("tea") == counts


def test_a_whole_ballot_replaces_and_none_takes_back() -> None:
    counted = ballots("multiple")
    counted.choose("tea", "ana", [1, 2])
    counted.choose("tea", "ana_on_slack", [3])
    assert (counted.counts("tea"), counted.voters("tea")) == ([0, 0, 1], 1)
    counted.choose("tea", "ana", [])
    assert (counted.counts("tea"), counted.voters("tea")) == ([0, 0, 0], 0)


def test_an_unknown_poll_is_told() -> None:
    with pytest.raises(StepFailed, match="say with `poll`"):
        ballots().press("coffee", "bo", 1)
    with pytest.raises(StepFailed, match="has none"):
        Ballots({}, []).counts(None)


CROWD = [f"fans{number}" for number in range(1, 101)]


def test_choices_are_shared_out_exactly_and_drawn_by_seed() -> None:
    step = VoteMany(by="fans", on="card", choices=(3, 2, 5), seed=4)
    votes = drawn(step, CROWD, 3)
    firsts = [chosen[0] for _, chosen in votes]
    assert [firsts.count(number) for number in (1, 2, 3)] == [30, 20, 50]
    assert firsts != sorted(firsts)
    assert votes == drawn(step, CROWD, 3)
    assert votes != drawn(step.model_copy(update={"seed": 5}), CROWD, 3)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=6).filter(any), st.integers(1, 100), st.integers(0, 9))
def test_everybody_who_votes_votes_once_for_something_there_is(parts: list[int], of: int, seed: int) -> None:
    picks = 1 + seed % len(parts)
    step = VoteMany(by="fans", on="card", choices=tuple(parts), of=of, seed=seed, picks=picks)
    votes = drawn(step, CROWD, len(parts))
    assert len({who for who, _ in votes}) == len(votes) == of
    for _, chosen in votes:
        assert len(set(chosen)) == len(chosen) == picks
        assert parts[chosen[0] - 1] > 0
        assert set(chosen) <= set(range(1, len(parts) + 1))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Which?\n1. green tea ▇▇▇ 12 (40 %)\n2. tea ▇ 1,003 · 50%\n3. coffee 0", [12, 1003, 0]),
        ("coffee\n▇▇▇▇ 7 · 70 %\ntea\n▇▇ 2 · 20 %\ngreen tea\n▇ 1 · 10 %", [1, 2, 7]),
        ("green tea：12票（40％）\ntea：3 票\ncoffee：0票", [12, 3, 0]),
        ("green tea\ntea\ncoffee\nResults are hidden until the end.\n300 people voted", [None, None, None]),
        ("**green tea** 40.5 % 12\ntea 5\ncoffee 12:30 6", [12, 5, 6]),
        ("1. green tea\n\n\n9 votes", [None, None, None]),
        ("", [None, None, None]),
    ],
)
def test_numbers_beside_options(text: str, found: list[int | None]) -> None:
    assert numbers(text, TEA) == found


def row(platform: str, method: str, path: str, response: object, status: int = 200) -> dict[str, object]:
    return {
        "platform": platform, "direction": "request", "method": method, "path": path, "status": status, "body": {},
        "response": response,
    }  # fmt: skip


TELEGRAM = {"ok": True, "result": {"chat": {"id": -5, "title": "tea 9"}, "message_id": 7, "text": "tea 1"}}
SLACK = {
    "ok": True, "channel": "C1", "ts": "1.1",
    "message": {"text": "short", "blocks": [
        {"type": "section", "text": {"type": "mrkdwn", "text": "tea &amp; 2"}},
        {"type": "actions", "elements": [{"type": "button", "action_id": "a", "text": {"text": "tea"}, "value": "8"}]},
    ]},
}  # fmt: skip
DISCORD = {"id": "3", "content": "", "author": {"name": "tea 9"}, "embeds": [{"title": "Q", "description": "tea 3"}]}


def test_the_wire_tells_what_messages_say_now_and_how_often_they_were_edited() -> None:
    wire = Wire(ControlClient("http://127.0.0.1:1"))
    for made in (
        row("telegram", "POST", "/bot***/sendMessage", TELEGRAM),
        row("telegram", "POST", "/bot***/editMessageText", TELEGRAM),
        row("telegram", "POST", "/bot***/getMe", {"ok": True, "result": {"id": 1}}),
        row("slack", "POST", "/api/chat.postMessage", SLACK),
        row("slack", "POST", "/api/chat.update", {"ok": False, "error": "ratelimited"}),
        row("slack", "POST", "/api/chat.update", SLACK, 429),
        row("discord", "POST", "/api/v10/channels/1/messages", DISCORD),
        row("discord", "POST", "/api/v10/channels/1/messages", DISCORD),
        row("discord", "PATCH", "/api/v10/channels/1/messages/3", DISCORD),
        row("discord", "PATCH", "/api/v10/channels/1/messages/3", None),
        {"platform": "discord", "direction": "event", "type": "MESSAGE_UPDATE", "body": DISCORD},
    ):
        wire.take(made)
    found = {message: (posted.text, posted.edits) for message, posted in wire.messages.items()}
    assert found == {
        Message("telegram", "-5", "7"): ("tea 1", 1),
        Message("slack", "C1", "1.1"): ("tea & 2", 0),
        Message("discord", "1", "3"): ("\nQ\ntea 3", 1),
    }
