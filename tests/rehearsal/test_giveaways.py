"""Giveaways in scenarios: what people pressed and were told, and what a proof has to say about it."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bot.rehearsal.entrants import ticket_of
from bot.rehearsal.errors import BadScenario, RehearsalError, StepFailed
from bot.rehearsal.giveaway_steps import ClickMany, Entrants, Verify
from bot.rehearsal.loading import parse_scenarios
from bot.rehearsal.processes import Process, clean_environment
from bot.rehearsal.scenario import KillAt

from . import test_playing
from .community import Community
from .test_entrants import slack_press
from .test_playing import SAY, Play, play

__all__ = ["play"]


def test_steps_about_giveaways_are_read() -> None:
    (scenario,) = parse_scenarios(
        "members: {fans: {platform: slack, count: 9}}\nsteps:\n"
        "  - click_many: {by: fans, on: card, button: enter, of: 5}\n"
        "  - entrants: {on: card, entered: 5, beside: Entries}\n"
        "  - kill: {at: 'outbox.request/reply:2', while: [{advance: 1h}]}\n"
        "  - verify: {in: '{draw1.platform}/community', as: draw, entries: entered}\n"
    )
    clicks, entrants, kill, verify = scenario.steps
    assert isinstance(clicks, ClickMany) and clicks.of == 5
    assert isinstance(entrants, Entrants) and entrants.on == ("card",)
    assert isinstance(kill, KillAt) and len(kill.steps) == 1
    assert isinstance(verify, Verify) and verify.entries == "entered"


@pytest.mark.parametrize(
    ("step", "told"),
    [
        ("click_many: {by: fans, on: card, button: enter, of: 10}", "only 9"),
        ("click_many: {by: ann, on: card, button: enter}", "no crowd"),
        ("click: {by: fans, on: card, button: enter}", "fans1"),
        ("kill: {at: freeze, while: [{expect: {in: slack/x}}]}", "kill takes acts only"),
        ("kill: {at: '; rm', while: []}", "at: "),
        ("kill: {at: freeze, while: [{kill: {at: x, while: []}}]}", "acts only"),
        ("together: [{verify: {in: slack/x}}]", "together takes acts only"),
        ("verify: {in: slack/x, entries: many}", "entries"),
    ],
)
def test_what_cannot_be_meant_is_told(step: str, told: str) -> None:
    text = f"members: {{ann: {{platform: slack}}, fans: {{platform: slack, count: 9}}}}\nsteps:\n  - {step}\n"
    with pytest.raises(BadScenario) as caught:
        parse_scenarios(text)
    assert told in str(caught.value)


def draw(giveaway: str, people: Mapping[str, int], winners: int) -> dict[str, Any]:
    """A draw that its organiser must be trusted with, made here from the text of fdraw/1."""
    seed = bytes(32)
    tickets = sorted(ticket_of(giveaway, who, salt(number)) for who, number in people.items())
    entries = [[ticket, 1] for ticket in tickets]
    commit = hashlib.sha256(b"fdraw/1/seed\0" + seed).hexdigest()
    lines = [
        "fdraw/1", f"giveaway={giveaway}", f"winners={winners}", "alternates=0", f"entries={len(entries)}",
        f"weight={len(entries)}", f"root={root(entries)}", f"commit={commit}", "beacon=none",
    ]  # fmt: skip
    text = "\n".join(lines) + "\n"
    frozen = hashlib.sha256(text.encode())
    order = drawn(seed, frozen.digest(), tickets, winners)
    return {
        "spec": "fdraw/1", "giveaway": giveaway, "winners": winners, "alternates": 0, "entries": entries,
        "commit": commit, "seed": seed.hex(),
        "beacon": {"type": "none", "chain": None, "round": None, "signature": None, "value": None},
        "freeze_text": text, "freeze_hash": frozen.hexdigest(), "order": order, "rerolls": [], "final": order,
        "witnesses": [],
    }  # fmt: skip


def salt(number: int) -> bytes:
    return number.to_bytes(16, "big")


def root(entries: list[Any]) -> str:
    def tree(leaves: list[bytes]) -> bytes:
        if len(leaves) == 1:
            return leaves[0]
        left = 1 << (len(leaves) - 1).bit_length() - 1
        return hashlib.sha256(b"\1" + tree(leaves[:left]) + tree(leaves[left:])).digest()

    return tree([hashlib.sha256(b"\0" + f"{t}\0{w}".encode()).digest() for t, w in entries]).hex()


def drawn(seed: bytes, frozen: bytes, left: list[str], count: int) -> list[str]:
    key, order, taken, left = hmac.digest(seed, b"fdraw/1/key\0" + frozen, "sha256"), list[str](), 0, list(left)
    while left and len(order) < count:
        size, least = len(left), 2**64 - 2**64 % len(left)
        while True:
            block = hmac.digest(key, b"fdraw/1/stream\0" + (taken // 4).to_bytes(8, "big"), "sha256")
            value = int.from_bytes(block[taken % 4 * 8 : taken % 4 * 8 + 8], "big")
            taken += 1
            if value < least:
                break
        order.append(left.pop(value % size))
    return order


class Giveaway:
    """A bot that gives a thing to whoever presses, and posts a proof in the end."""

    def __init__(self, community: Community, monkeypatch: pytest.MonkeyPatch) -> None:
        self.community, self.entered = community, dict[str, int]()
        self.proof: dict[str, Any] = {}
        self.shown = 0
        community.acts |= {"say": self.say, "click_many": self.click_many, "edit": self.end}
        community.files = {"f1": lambda: json.dumps(self.proof)}

    async def say(self, community: Community, _: Any) -> dict[str, Any]:
        card = community.put("community", "Tea for one", buttons=["v1|w.a|enter|m", "v1|w.a|leave|m"])
        self.show(card["id"])
        return {}

    def show(self, ts: str) -> None:
        commit = hashlib.sha256(b"fdraw/1/seed\0" + bytes(32)).hexdigest()
        text = f"Tea for one. Entries: {len(self.entered) + self.shown:,} · {commit}"
        made = {"ok": True, "channel": "C123", "ts": ts, "message": {"text": text}}
        self.community.journal(platform="slack", path="/api/chat.postMessage", response=made)

    async def click_many(self, _: Community, body: dict[str, Any]) -> dict[str, Any]:
        for one in body["clicks"]:
            number = self.entered[one["member"]] = len(self.entered) + 1
            user, code = f"U{one['member']}", salt(number).hex()
            press = slack_press(user, "v1|w.a|enter|m")
            press["body"]["payload"]["container"] = {"channel_id": "C123", "message_ts": body["message_id"]}
            self.community.rows.append({"seq": len(self.community.rows) + 1, **press})
            told = {"user": user, "text": f"You are in: {code}"}
            self.community.journal(platform="slack", path="/api/chat.postEphemeral", body=told, response={"ok": True})
        self.show(body["message_id"])
        return {"answers": [{"seconds": 0.1} for _ in body["clicks"]]}

    async def end(self, community: Community, _: Any) -> dict[str, Any]:
        people = {f"slack:U{name}": number for name, number in self.entered.items()}
        self.proof = draw("w.a", people, 2) | self.proof
        frozen = community.put("community", f"Frozen: {self.proof['freeze_hash']}")
        made = {"ok": True, "channel": "C123", "ts": frozen["id"], "message": {"text": frozen["text"]}}
        community.journal(platform="slack", path="/api/chat.postMessage", response=made)
        community.put("community", "The proof", files=[{"id": "f1", "name": "proof-w.a.json", "size": 1}])
        return {}


CROWD = (
    "members: {asker: {platform: slack}, fans: {platform: slack, count: 12}, many: {platform: slack, count: 1200}}\n"
    "steps:\n"
)
CARD = "expect: {in: slack/community, contains: Tea, within: 100ms, as: card}"
ENTERS = "click_many: {by: fans, on: card, button: enter, of: 10}"
END = "edit: {by: asker, on: q, text: over}"
FROZEN = "expect: {in: slack/community, contains: Frozen, within: 100ms, as: frozen}"
VERIFY = "verify: {in: slack/community, within: 100ms, beacon: none, "


@pytest.fixture
def giveaway(play: Play, monkeypatch: pytest.MonkeyPatch) -> Giveaway:
    monkeypatch.setattr(test_playing, "MEMBERS", CROWD)
    play.stage.people = {f"fans{number}": f"Ufans{number}" for number in range(1, 13)}
    return Giveaway(play.community, monkeypatch)


async def test_a_proof_is_verified_and_names_the_winners(play: Play, giveaway: Giveaway) -> None:
    play.community.acts["click"] = play.community.acts["command"] = _nothing
    await play(
        SAY, CARD, ENTERS, "entrants: {on: card, entered: 10, left: 0, refused: 0, beside: Entries, within: 1s}", END,
        FROZEN,
        VERIFY + "winners: 2, entries: entered, rerolls: 0, freeze: frozen, announced: card, of: card, as: draw}",
        "click: {by: draw2, on: card, button: ticket}",
        'command: {by: draw1, in: "{draw1.platform}/community", text: "/verify {draw.freeze_hash}"}',
    )  # fmt: skip
    clicks = [body for name, body in play.community.calls if name == "click"]
    assert clicks[0]["member"] in giveaway.entered
    (command,) = [body for name, body in play.community.calls if name == "command"]
    assert (command["channel"], command["text"]) == ("community", f"/verify {giveaway.proof['freeze_hash']}")


async def _nothing(_: Community, __: Any) -> dict[str, Any]:
    return {}


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ("winners: 3", "winners: 2, not 3"),
        ("entries: 11", "entries: 10, not 11"),
        ("rerolls: 1", "rerolls: 0, not 1"),
        ("freeze: card", "freeze hash"),
        ("announced: frozen", "commitment"),
        ("file: '*.csv'", "no file"),
    ],
)
async def test_a_proof_that_says_other_things_fails(play: Play, giveaway: Giveaway, asked: str, problem: str) -> None:
    with pytest.raises(StepFailed, match="proof is not as expected"):
        await play(SAY, CARD, ENTERS, END, FROZEN, VERIFY + asked + "}")
    assert problem in play.text


@pytest.mark.parametrize("field", ["commit", "final", "seed"])
async def test_a_forged_proof_fails(play: Play, giveaway: Giveaway, field: str) -> None:
    await play(SAY, CARD, ENTERS, END)
    forged = giveaway.proof
    forged[field] = forged["order"][:1] if field == "final" else "1" * 64
    with pytest.raises(StepFailed, match="verifier says no"):
        await play(SAY, CARD, FROZEN.replace("Frozen", "Tea"), VERIFY + "as: draw}")
    assert "INVALID" in play.text


async def test_a_winner_who_never_entered_is_found(play: Play, giveaway: Giveaway) -> None:
    async def end(community: Community, body: Any) -> dict[str, Any]:
        giveaway.entered = {f"nobody{number}": number for number in range(3)}
        return await giveaway.end(community, body)

    play.community.acts["edit"] = end
    with pytest.raises(StepFailed):
        await play(SAY, CARD, ENTERS, END, FROZEN, VERIFY + "erased: 1}")
    assert "2 winning tickets are nobody's" in play.text
    await play(SAY, VERIFY + "erased: 2}")


async def test_a_card_that_miscounts_is_found(play: Play, giveaway: Giveaway) -> None:
    giveaway.shown = 1
    with pytest.raises(StepFailed, match="who has entered"):
        await play(SAY, CARD, ENTERS, "entrants: {on: card, entered: 9, beside: Entries, within: 100ms}")
    assert "entered: 10 by the journal, not 9" in play.text
    assert "card says 11, and 10 have entered" in play.text


async def test_large_crowds_press_in_parts(play: Play, giveaway: Giveaway) -> None:
    await play(
        SAY,
        CARD,
        "click_many: {by: many, on: card, button: enter}",
        "entrants: {on: card, entered: 1200, beside: Entries, within: 1s}",
    )
    sizes = [len(body["clicks"]) for name, body in play.community.calls if name == "click_many"]
    assert sizes == [500, 500, 200]


async def test_moments_are_counted_back_from_the_sandboxes_clock(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.rehearsal.stage.time.time", lambda: 1_900_000_000.0)
    await play("advance: 1h", "member: {member: asker, created: 2d ago, boosting: true, blocked: false}")
    (body,) = [body for name, body in play.community.calls if name == "member"]
    assert body["created"] == 1_900_000_000.0 + 3600 - 172_800
    assert (body["boosting"], body["blocked"], "joined_at" in body) == (True, False, False)


BOT = """
import os, pathlib, signal, sys, time
print('herald ready', flush=True)
armed = os.environ.get('HERALD_FAILPOINTS')
sign = pathlib.Path({sign!r})
while not (armed and sign.exists()):
    time.sleep(0.01)
sys.stderr.write({words!r} + '\\n')
sys.stderr.flush()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(
    ("words", "problem"), [("failpoint draw.frozen reached", None), ("out of memory", r"not at draw\.frozen")]
)
async def test_the_bot_is_killed_where_the_scenario_wants_it(
    play: Play, tmp_path: Path, words: str, problem: str | None
) -> None:
    sign = tmp_path / "go"

    async def say(_: Community, __: Any) -> dict[str, Any]:
        sign.touch()
        return {}

    play.community.acts["say"] = say
    code = BOT.format(sign=str(sign), words=words)
    play.stage.bot = Process("bot", ("-c", code), clean_environment(), tmp_path / "log")
    await play.stage.start_bot()
    step = "kill: {at: 'draw.frozen:2', while: [" + "{" + SAY + "}" + "], within: 5s}"
    try:
        if problem is None:
            await play(step)
            assert play.stage.bot.running
            assert "bot at draw.frozen:2" in play.text
        else:
            with pytest.raises(RehearsalError, match=problem):
                await play(step)
    finally:
        await play.stage.bot.kill()


async def test_a_bot_that_does_not_come_there_fails_the_step(play: Play, tmp_path: Path) -> None:
    play.stage.bot = Process(
        "bot", ("-c", BOT.format(sign=str(tmp_path / "x"), words="")), clean_environment(), tmp_path / "log"
    )
    try:
        with pytest.raises(StepFailed, match=r"did not come to draw\.frozen"):
            await play("kill: {at: draw.frozen, while: [], within: 100ms}")
    finally:
        await play.stage.bot.kill()
