"""Crowds that vote in a played scenario, and the numbers on messages; what is looked at in polls and files."""

from __future__ import annotations

from typing import Any

import pytest

from bot.rehearsal.errors import StepFailed

from . import test_playing
from .community import Community
from .test_playing import SAY, Play, answers, play

__all__ = ["play"]


class Poll:
    """A bot that counts presses of `vote:N` on one card, or native votes, and edits the card as the wire shows it."""

    def __init__(self, community: Community) -> None:
        self.community, self.chosen = community, dict[str, str]()
        self.native = dict[str, list[int]]()
        self.wrong = 0
        community.acts |= {"click": self.click, "click_many": self.click_many, "vote_many": self.vote_many}
        community.acts["say"] = self.say

    def show(self) -> None:
        counts = [list(self.chosen.values()).count(f"vote:{n}") + self.wrong for n in (1, 2)]
        text = f"Tea?\ngreen {counts[0]}\nblack {counts[1]}"
        made = {"ok": True, "channel": "C123", "ts": "2", "message": {"text": text}}
        for path in ("chat.postMessage", "chat.update"):
            self.community.journal(platform="slack", path=f"/api/{path}", response=made)

    async def say(self, community: Community, _: dict[str, Any]) -> dict[str, Any]:
        community.put("community", "Tea?", buttons=["v1|p|vote:1|m", "v1|p|vote:2|m"])
        return {}

    async def click(self, _: Community, body: dict[str, Any]) -> dict[str, Any]:
        self.chosen[body["member"]] = body["button"]
        self.show()
        return {}

    async def click_many(self, _: Community, body: dict[str, Any]) -> dict[str, Any]:
        self.chosen |= {one["member"]: one["button"] for one in body["clicks"]}
        self.community.later(0.2, self.show)
        return {"answers": [{"seconds": 0.1} for _ in body["clicks"]]}

    async def vote_many(self, _: Community, body: dict[str, Any]) -> dict[str, Any]:
        self.native |= {one["member"]: one["options"] for one in body["votes"]}
        return {
            "answers": [{"error": "the poll is closed", "seconds": 0.1}, *({"seconds": 0.1} for _ in body["votes"])]
        }


CROWD = (
    "members: {asker: {platform: slack}, fans: {platform: slack, count: 20}}\n"
    "polls: {tea: {options: [green, black]}}\nsame_person: [[fans1, fans2]]\nsteps:\n"
)
CARD = "expect: {in: slack/community, contains: Tea, within: 100ms, as: card}"
VOTE = "vote_many: {by: fans, on: card, choices: [1, 3]}"


@pytest.fixture
def crowded(play: Play, monkeypatch: pytest.MonkeyPatch) -> Poll:
    monkeypatch.setattr(test_playing, "MEMBERS", CROWD)
    return Poll(play.community)


async def test_a_crowd_votes_and_the_tally_is_compared_with_the_players_own(play: Play, crowded: Poll) -> None:
    crowded.chosen = {}
    with pytest.raises(StepFailed, match="numbers should be"):
        # The two who are one person are counted twice by this bot: one of them chose last, the other chose the same
        # or another option, and so one vote is too many.
        await play(SAY, CARD, VOTE, "tally: {on: card, within: 1s}")
    assert [name for name, _ in play.community.calls].count("click_many") == 1
    assert sorted(crowded.chosen.values()) == ["vote:1"] * 5 + ["vote:2"] * 15
    assert "card has 5, 15 after 1 edits" in play.text


CLICK = "click: {by: asker, on: card, button: 'vote:2'}"
LATE = "click: {by: fans7, on: card, button: 'vote:1', counted: false}"


@pytest.mark.parametrize(
    ("last", "problem"),
    [
        (("tally: {on: card, within: 1s}",), None),
        (("tally: {on: card, equals: [0, 1], edits: 1}",), None),
        (("tally: {on: card, edits: 0}",), "at most 0 edits"),
        ((LATE, "tally: {on: card, within: 300ms}"), "numbers should be 0, 1"),
        ((LATE.replace("counted: false", "forged: true"), "tally: {on: card, within: 300ms}"), "should be 0, 1"),
        (("tally: {on: card, equals: nothing, within: 300ms}",), "numbers should be none, none"),
    ],
)
async def test_single_clicks_count_too_unless_they_are_not_to(
    play: Play, crowded: Poll, last: tuple[str, ...], problem: str | None
) -> None:
    assert crowded.chosen == {}
    if problem is None:
        await play(SAY, CARD, CLICK, *last)
        return
    with pytest.raises(StepFailed, match=problem):
        await play(SAY, CARD, CLICK, *last)


async def test_a_crowd_that_cannot_vote_fails_its_step(play: Play, crowded: Poll) -> None:
    with pytest.raises(StepFailed, match="the poll is closed"):
        await play(SAY, CARD, "vote_many: {by: fans, on: card, native: true, choices: [0, 1]}")
    assert crowded.native == {f"fans{number}": [1] for number in range(1, 21)}


POLL_SEEN = {"question": "Tea?", "options": [{"text": "green", "votes": 2}, {"text": "black", "votes": None}]}


@pytest.mark.parametrize(
    ("wanted", "met"),
    [
        ("file: '*.png'", True), ("file: [result*, '*.csv']", True), ("file: '*.pdf'", False), ("poll: true", True),
        ("poll: false", False), ("poll: {question: Te, votes: [2, null]}", True), ("poll: {votes: [2, 0]}", False),
        ("poll: {options: [green, black], closed: false, total: 2}", True), ("poll: {closed: true}", False),
        ("poll: {total: 3}", False), ("poll: {options: [green]}", False),
    ],
)  # fmt: skip
async def test_files_and_native_polls_are_looked_at(play: Play, wanted: str, met: bool) -> None:
    files = [{"name": "x-7.bin", "title": "result.png", "size": 3}, {"name": "votes.csv", "size": 1}]
    play.community.acts["say"] = answers("", files=files, poll={**POLL_SEEN, "closed": False, "total": 2})
    expect = f"expect: {{in: slack/review, {wanted}, within: 100ms}}"
    if met:
        await play(SAY, expect)
        return
    with pytest.raises(StepFailed):
        await play(SAY, expect)
    assert "file result.png" in play.text
    assert "poll with 2, None votes" in play.text


async def test_words_are_taken_from_messages_and_said_again(play: Play) -> None:
    play.community.acts["say"] = answers("Your code is 123456.", buttons=["v1|p.x|vote:2|mac"])
    take = r"expect: {in: slack/review, within: 100ms, as: card, take: {code: '[0-9]{6}', name: 'v1\|([^|]+)\|'}}"
    await play(
        SAY,
        take,
        'command: {by: first, in: slack/review, text: "/link {code} {other}"}',
        'click: {by: first, on: card, button: "v1|{name}|vote:9|x", forged: true}',
    )
    said = {name: body for name, body in play.community.calls if name in ("command", "click")}
    assert said["command"]["text"] == "/link 123456 {other}"
    assert (said["click"]["button"], said["click"]["forged"]) == ("v1|p.x|vote:9|x", True)
    with pytest.raises(StepFailed, match="nothing fits"):
        await play(SAY, "expect: {in: slack/review, within: 100ms, take: {code: 'x{9}'}}")


async def test_clocks_move_to_a_moment_on_a_wall_clock(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.rehearsal.stage.time.time", lambda: 1_900_000_000.0)
    await play('advance: {to: "2031-03-31 09:00", zone: Europe/Berlin}', "advance: 1m")
    # Nine o'clock in summer time is seven o'clock UTC.
    assert [body["seconds"] for _, body in play.community.calls] == [32_706_800.0, 60.0]
    with pytest.raises(StepFailed, match="clocks only move forward"):
        await play('advance: {to: "2020-01-01 00:00"}')
