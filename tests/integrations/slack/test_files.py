"""Files: shown once, told apart when they fail, and found again by what they are called."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from bot.chat.messages import Document, NativePoll
from bot.chat.ports import NotSent, Refused, SendError, Sought, Unclear
from bot.domain.places import Channel
from bot.integrations.slack import SlackConfig, SlackPlatform
from tests.integrations.slack.conftest import RecordingSink, Stage
from tests.integrations.slack.server import Server, serving

CHART = Document("result.png", "image/png", b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "Results: *tea* <!channel> & 茶")
HERE = Channel("slack", "T1", "C1")
PLACE, SHOW = "files.getUploadURLExternal", "files.completeUploadExternal"


def _shows(message: dict[str, Any], key: str) -> bool:
    """Whether it is the chart of this delivery; Slack shows a file some time after it has taken it."""
    return any(file["name"] == f"result-{key}.png" for file in message.get("files", []))


async def test_a_file_arrives_where_it_belongs(stage: Stage, sink: RecordingSink) -> None:
    async with stage.running(sink) as platform:
        root = await stage.say("results?")
        after = await stage.mark()
        thread = Channel("slack", stage.community.tenant, stage.community.channel_id, root)
        await platform.send(CHART, thread, "chart-1")
        (shown,) = await stage.requests(SHOW, after)
        (file,) = shown["response"]["files"]
        headers = {"Authorization": f"Bearer {stage.config.bot_token}"}
        async with stage.session.get(file["url_private"], headers=headers) as answer:
            assert await answer.read() == CHART.content
        message = await stage.until_seen("ana", lambda message: _shows(message, "chart-1"))
        found = await platform.find(Sought(CHART, thread, "chart-1", time.time()))
    assert (message["id"], message["reply_to"]) == (found, root)
    assert CHART.text in message["text"]
    assert (file["title"], file["mimetype"]) == ("result.png", "image/png")
    assert shown["body"]["blocks"][0]["text"] == {"type": "plain_text", "text": CHART.text, "emoji": False}
    assert "initial_comment" not in shown["body"]


@pytest.mark.parametrize(
    ("step", "kind", "expected"),
    [
        (PLACE, "500", NotSent),
        (PLACE, "swallow_reply", NotSent),
        (PLACE, "429", NotSent),
        ("/slack/upload/", "500", NotSent),
        ("/slack/upload/", "reset", NotSent),
        ("/slack/upload/", "swallow_reply", NotSent),
        (SHOW, "429", NotSent),
        (SHOW, "500", Unclear),
        (SHOW, "swallow_reply", Unclear),
        (SHOW, "reset", Unclear),
    ],
)
async def test_only_the_last_call_leaves_a_doubt(
    stage: Stage, sink: RecordingSink, step: str, kind: str, expected: type[SendError]
) -> None:
    async with stage.running(sink, request_timeout=2.0) as platform:
        after = await stage.mark()
        await stage.control("fault", kind=kind, times=1, match=step)
        with pytest.raises(expected):
            await platform.send(CHART, stage.community, "chart-2")
        places, shows = await stage.requests(PLACE, after), await stage.requests(SHOW, after)
    assert len(places) == 1
    assert len(shows) == (1 if step == SHOW else 0)


async def test_a_file_without_an_answer_is_found(stage: Stage, sink: RecordingSink) -> None:
    async with stage.running(sink, request_timeout=2.0) as platform:
        sought = Sought(CHART, stage.review, "chart-3", time.time())
        other = Sought(CHART, stage.review, "chart-4", time.time())
        await stage.control("fault", kind="swallow_reply", times=1, match=SHOW)
        with pytest.raises(Unclear):
            await platform.send(CHART, stage.review, "chart-3")
        message = await stage.until_seen("ben", lambda message: _shows(message, "chart-3"), "review")
        assert await platform.find(sought) == message["id"]
        with pytest.raises(Unclear):  # Slack may be about to show it: never "it is surely not there"
            await platform.find(other)


async def test_slack_has_no_polls(stage: Stage, sink: RecordingSink) -> None:
    poll = NativePoll("Tea?", ("yes", "no"), 3600)
    async with stage.running(sink) as platform:
        assert platform.capabilities.polls is None
        for message, work in ((poll, "send"), (poll, "edit"), (CHART, "edit")):
            with pytest.raises(Refused) as refused:
                await getattr(platform, work)(message, stage.review, "1.000001")
            assert refused.value.code == "unsupported"


# ---- odd answers


@asynccontextmanager
async def uploading(put: Any = None, **answers: Any) -> AsyncIterator[tuple[SlackPlatform, Server]]:
    """A platform whose files go to a server that answers this; the bytes themselves go to its method `put`."""
    async with serving() as server:
        place = {"ok": True, "upload_url": f"{server.url}put", "file_id": "F1"}
        given = {"put": put or {}, PLACE: place, SHOW: {"ok": True, "files": [{"id": "F1"}]}}
        given |= {{"place": PLACE, "show": SHOW}[name]: answer for name, answer in answers.items()}
        server.answers |= {method: lambda _fields, answer=answer: answer for method, answer in given.items()}
        platform = SlackPlatform(SlackConfig("xoxb-1", "xapp-1", server.url))
        try:
            yield platform, server
        finally:
            await platform.close()


def shares(kind: str, channel: str) -> dict[str, Any]:
    return {"ok": True, "files": [{"id": "F1", "shares": {kind: {channel: [{"ts": "1.000001"}]}}}]}


@pytest.mark.parametrize(
    ("show", "ts"),
    [
        (shares("public", "C1"), "1.000001"),
        (shares("private", "C1"), "1.000001"),
        (shares("public", "C2"), ""),
        ({"ok": True, "files": [{"id": "F1", "title": "x"}]}, ""),
        ({"ok": True, "files": [{"id": "F1", "shares": []}]}, ""),
        ({"ok": True}, ""),
    ],
    ids=str,
)
async def test_the_id_is_told_where_slack_tells_it(show: Any, ts: str) -> None:
    async with uploading(show=show) as (platform, _):
        assert await platform.send(CHART, HERE, "d1") == ts


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ({"place": {"ok": True, "file_id": "F1"}}, NotSent),
        ({"place": {"ok": True, "upload_url": "http://127.0.0.1:9/x", "file_id": "F1"}}, NotSent),
        ({"place": {"ok": False, "error": "missing_scope"}}, Refused),
        ({"put": web.Response(status=413)}, Refused),
        ({"put": web.Response(status=302, headers={"Location": "/elsewhere"})}, NotSent),
        ({"put": web.Response(status=503)}, NotSent),
        ({"show": {"ok": False, "error": "channel_not_found"}}, Refused),
        ({"show": {"ok": False, "error": "internal_error"}}, Unclear),
        ({"show": web.Response(status=200, text="{", content_type="application/json")}, Unclear),
    ],
    ids=str,
)
async def test_what_goes_wrong_is_told_apart(answers: Any, expected: type[SendError]) -> None:
    async with uploading(**answers) as (platform, server):
        with pytest.raises(expected):
            await platform.send(CHART, HERE, "d1")
    assert len(server.called(SHOW)) == (1 if "show" in answers else 0)


async def test_the_name_carries_the_delivery_and_people_see_the_title() -> None:
    async with uploading() as (platform, server):
        await platform.send(Document("poll.results.csv", "text/csv", b"a,b\n"), HERE, "d17")
    (place,), (shown,) = server.called(PLACE), server.called(SHOW)
    assert (place["filename"], place["length"]) == ("poll.results-d17.csv", "4")
    assert shown["files"] == [{"id": "F1", "title": "poll.results.csv"}]  # type: ignore[comparison-overlap]
    assert "blocks" not in shown
