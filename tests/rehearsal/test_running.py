"""Processes, the relay before the model server, the stage, and how comments are fed."""

from __future__ import annotations

import asyncio
import io
import json
import os
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.rehearsal import Options, rehearse, stage
from bot.rehearsal.client import ControlClient
from bot.rehearsal.errors import RehearsalError
from bot.rehearsal.feed import read_comments
from bot.rehearsal.journal import Changed, Created, Message
from bot.rehearsal.options import approvals
from bot.rehearsal.processes import Process, clean_environment
from bot.rehearsal.relay import Relay
from bot.rehearsal.scenario import Service
from bot.rehearsal.stage import Plan, opened_stage
from bot.rehearsal.transcript import Transcript
from bot.rehearsal.watching import Approver, JournalWatch

from .community import Community

READY = "print('herald ready: slack', flush=True)"
WAIT = "import time; time.sleep(600)"


def process(tmp_path: Path, code: str) -> Process:
    return Process("bot", ("-c", code), clean_environment(), tmp_path / "log")


async def test_a_process_is_waited_for_and_stopped(tmp_path: Path) -> None:
    child = process(tmp_path, f"print('first'); {READY}; {WAIT}")
    assert await child.start("herald ready") == "herald ready: slack"
    assert child.running
    await child.stop()
    assert not child.running
    assert (tmp_path / "log").read_text() == "first\nherald ready: slack\n"


async def test_a_process_that_ends_too_early_is_told_with_its_last_lines(tmp_path: Path) -> None:
    child = process(tmp_path, "import sys; print('the token is wrong', file=sys.stderr); sys.exit(3)")
    with pytest.raises(RehearsalError, match=r"(?s)ended with code 3.*the token is wrong"):
        await child.start("herald ready")


async def test_a_process_that_ignores_sigterm_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.rehearsal.processes.STOP_SECONDS", 0.2)
    child = process(tmp_path, f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {READY}; {WAIT}")
    await child.start("herald ready")
    await child.stop()
    assert not child.running


async def test_a_killed_process_starts_again(tmp_path: Path) -> None:
    child = process(tmp_path, f"{READY}; {WAIT}")
    await child.start("herald ready")
    first = child.pid
    await child.kill()
    assert child.pid is None
    await child.start("herald ready")
    assert child.pid not in (None, first)
    await child.kill()


def test_no_real_setting_gets_into_a_rehearsal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HERALD_SLACK__BOT_TOKEN", "xoxb-real")
    found = clean_environment()
    assert not [name for name in found if name.startswith("HERALD_")]
    assert found["PATH"] == os.environ["PATH"]


async def test_the_relay_forwards_refuses_while_stopped_and_keeps_its_port() -> None:
    async def hello(_: web.Request) -> web.Response:
        return web.Response(text="hello")

    app = web.Application()
    app.add_routes([web.get("/v1/models", hello)])
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        relay = Relay(f"http://127.0.0.1:{server.port}/v1")
        await relay.start()
        url = relay.url + "/models"
        async with session.get(url) as answer:
            assert await answer.text() == "hello"
        await relay.stop()
        assert not relay.running
        with pytest.raises(aiohttp.ClientConnectionError):
            await session.get(url)
        await relay.start()
        async with session.get(url) as answer:
            assert await answer.text() == "hello"
        await relay.stop()


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    path = tmp_path / "sample.toml"
    path.write_text('languages = ["en"]\n[review]\nundo_seconds = 10\n')
    return path


def stand_in(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Have a few lines of Python run where the bot would."""

    def make(environment: dict[str, str], log: Path) -> Process:
        return Process("bot", ("-c", code), clean_environment() | environment, log)

    monkeypatch.setattr(stage, "bot_process", make)


def text_of(path: str) -> str:
    """A file's text."""
    return Path(path).read_text(encoding="utf-8")


SHOW = "import os, json; print('herald ready', json.dumps(dict(os.environ)), flush=True); " + WAIT


async def test_the_stage_tells_the_bot_everything_and_leaves_nothing(
    sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(monkeypatch, SHOW)
    plan = Plan(
        sample=sample,
        config={"review": {"undo_seconds": 1}},
        limits="published",
        platforms=("telegram",),
        keep=tmp_path / "kept",
    )
    async with opened_stage(plan) as opened:
        line = await opened.prepared_bot.start("herald ready")
        environment = json.loads(line.removeprefix("herald ready"))
        given = {name: value for name, value in environment.items() if name.startswith("HERALD_")}
        assert not [name for name in given if name.startswith(("HERALD_SLACK", "HERALD_DISCORD"))]
        assert given["HERALD_OPENAI__BASE_URL"] == opened.relays["model"].url
        assert given["HERALD_LIMITS"] == "published"
        assert {"HERALD_TELEGRAM__TOKEN", "HERALD_TELEGRAM__API_URL"} <= given.keys()
        assert text_of(given["HERALD_CLOCK_FILE"]) == "0.0\n"
        assert "undo_seconds = 1\n" in text_of(given["HERALD_CONFIG"])
        assert opened.undo_seconds == 1
        bot, sandbox, folder = opened.prepared_bot, opened.sandbox, opened.folder
        assert sandbox.running
    assert not bot.running
    assert not sandbox.running
    assert not folder.exists()
    assert "undo_seconds" in text_of(str(tmp_path / "kept" / "herald.toml"))


async def test_the_beacon_is_stopped_as_a_whole_or_one_mirror_of_it(
    sample: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(monkeypatch, SHOW)

    async def answers(mirrors: list[str]) -> list[bool]:
        found = []
        for address in mirrors:
            try:
                async with session.get(address + "/chains") as answer:
                    found.append(answer.status == 200)
            except aiohttp.ClientConnectionError:
                found.append(False)
        return found

    async with opened_stage(Plan(sample=sample, platforms=("telegram",))) as opened, aiohttp.ClientSession() as session:
        line = await opened.prepared_bot.start("herald ready")
        mirrors = json.loads(json.loads(line.removeprefix("herald ready"))["HERALD_GIVEAWAYS__BEACON_URLS"])
        assert len({address.split("/")[2] for address in mirrors}) == 2
        assert await answers(mirrors) == [True, True]
        await opened.serve(Service(verb="stop", service="drand/a"))
        assert await answers(mirrors) == [False, True]
        await opened.serve(Service(verb="stop", service="drand"))
        assert await answers(mirrors) == [False, False]
        await opened.serve(Service(verb="start", service="drand"))
        assert await answers(mirrors) == [True, True]
        with pytest.raises(RehearsalError, match="drand/a, drand/b"):
            await opened.serve(Service(verb="stop", service="redis"))


async def test_roles_are_granted_by_member_id(sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, f"{READY}; {WAIT}")
    scenario = tmp_path / "s.yaml"
    scenario.write_text(
        "members:\n  ann: {platform: slack, roles: [approver, admin]}\n  ben: {platform: discord, roles: [approver]}\n"
        "  crew: {platform: telegram, roles: [admin], count: 2}\nsteps: [{advance: 1s}]\n"
    )
    seen: list[dict[str, list[str]]] = []
    prepare = stage.Stage.prepare

    async def remember(self: stage.Stage, plan: Plan) -> None:
        await prepare(self, plan)
        seen.append(self.settings["roles"] | {"ids": [self.people[name] for name in ("ann", "ben", "crew1", "crew2")]})

    monkeypatch.setattr(stage.Stage, "prepare", remember)
    out = io.StringIO()
    assert await rehearse(Options(scenario=scenario, sample=sample), Transcript(out)) == 0, out.getvalue()
    (roles,) = seen
    ann, ben, *crew = roles["ids"]
    assert [text.split(":")[0] for text in roles["approver"]] == ["slack", "discord"]
    assert roles["approver"][0].endswith(f":{ann}")
    assert roles["approver"][1].endswith(f":{ben}")
    assert roles["admin"][0] == roles["approver"][0]
    assert [text.rpartition(":")[2] for text in roles["admin"][1:]] == crew


async def test_a_scenario_without_a_bot_that_answers_fails(
    sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(monkeypatch, f"{READY}; {WAIT}")
    scenario, journal = tmp_path / "s.yaml", tmp_path / "journal.jsonl"
    scenario.write_text(
        "name: nobody answers\nmembers: {asker: {platform: slack}}\nsteps:\n"
        "  - say: {by: asker, in: slack/community, text: hi, as: q}\n"
        "  - expect: {in: slack/community, author: asker, contains: hi, within: 5s}\n"
        "  - expect: {in: slack/community, reply_to: q, within: 200ms}\n"
    )
    out = io.StringIO()
    options = Options(scenario=scenario, sample=sample, journal=journal)
    assert await rehearse(options, Transcript(out)) == 1
    assert "failed: nobody answers" in out.getvalue()
    assert out.getvalue().count("FAIL") == 1


async def test_what_cannot_take_place_is_told_with_code_2(tmp_path: Path) -> None:
    out = io.StringIO()
    assert await rehearse(Options(scenario=tmp_path / "none.yaml"), Transcript(out)) == 2
    assert await rehearse(Options(comments=tmp_path / "none.jsonl", platform="fax"), Transcript(out)) == 2
    assert "cannot read the scenario" in out.getvalue()
    assert "--platform" in out.getvalue()


def test_approvals_are_counted_or_refused() -> None:
    assert (approvals("all"), approvals("none"), approvals("first:12")) == (None, 0, 12)
    for text in ("some", "first", "first:", "first:-1", "none:1"):
        with pytest.raises(RehearsalError):
            approvals(text)


def test_comments_are_read_with_their_faults(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    path.write_text('{"text": "one"}\n\n{"text": "二", "id": 7}\n')
    assert read_comments(path) == ["one", "二"]
    for line in ("{", '{"txt": 1}', '{"text": ""}', "[]"):
        path.write_text('{"text": "one"}\n' + line + "\n")
        with pytest.raises(RehearsalError, match=r"c\.jsonl:2"):
            read_comments(path)


def card(
    number: int, view: str, action: str = "approve", *, changed: bool = False, channel: str = "C2"
) -> Created | Changed:
    message, payloads = Message("slack", channel, str(number)), (f"v1|{view}|{action}|m",)
    return Changed(message, 1.0, payloads) if changed else Created(message, 1.0, "card", None, payloads)


@pytest.mark.parametrize(("most", "expected"), [(None, ["1", "3"]), (1, ["1"]), (0, [])])
async def test_each_card_that_offers_it_is_approved_once(most: int | None, expected: list[str]) -> None:
    community = Community()
    base = await community.start()
    async with ControlClient(base) as control:
        approver = Approver(control, "slack", "C2", "ann", most)
        for happening in (
            card(1, "a"),
            card(1, "b", changed=True),
            card(2, "c", "reject"),
            card(3, "d", "answer"),
            card(3, "e", changed=True),
            card(4, "f", channel="C1"),
        ):
            approver.notice(happening)
        worker = asyncio.create_task(approver.work())
        await approver.finish()
        assert approver.waiting == 0
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)
    await community.stop()
    assert [body["message_id"] for name, body in community.calls if name == "click"] == expected


async def test_every_journal_row_is_fetched_once() -> None:
    rows = [{"seq": n, "at": float(n), "platform": "slack", "direction": "request", "body": {}} for n in range(1, 4)]
    asked: list[int] = []

    async def journal(request: web.Request) -> web.Response:
        asked.append(int(request.query["after"]))
        return web.json_response(rows[asked[-1] :])

    app = web.Application()
    app.add_routes([web.get("/control/journal", journal)])
    async with TestServer(app) as server, ControlClient(f"http://127.0.0.1:{server.port}") as control:
        watch = JournalWatch(control, lambda happening: None)
        await watch.look()
        await watch.look()
        rows.append({"seq": 4, "at": 4.0, "platform": "slack", "direction": "request", "body": {}})
        await watch.look()
    assert asked == [0, 3, 3]
