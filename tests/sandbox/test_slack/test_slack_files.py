"""Files in three steps, and what can go wrong with each."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from bot.sandbox.frame import Fault

SECTION = {"type": "section", "text": {"type": "mrkdwn", "text": "Result &amp; chart"}}


async def announced(slack: Any, name: str = "result-7.png", data: bytes = b"hello") -> tuple[str, dict[str, Any]]:
    """Where the bytes go, and what finishes the upload into the community."""
    ticket = await slack.call("files.getUploadURLExternal", filename=name, length=len(data))
    assert ticket["ok"]
    return ticket["upload_url"], {"files": [{"id": ticket["file_id"]}], "channel_id": slack.channels["community"]}


async def put(slack: Any, url: str, data: Any = b"hello") -> int:
    async with slack.session.post(url, data=data, timeout=aiohttp.ClientTimeout(total=0.5)) as response:
        return int(response.status)


async def test_an_upload_in_three_steps_becomes_a_message(slack: Any) -> None:
    url, done = await announced(slack)
    done["files"][0]["title"] = "result.png"
    assert (await slack.call("files.completeUploadExternal", **done))["error"] == "file_not_found"
    assert await put(slack, url) == 200
    answer = await slack.call("files.completeUploadExternal", **done, initial_comment="Here it is")
    (shown,) = slack.server.seen("community", None, None)
    assert shown.text == "Here it is\nresult.png"
    (file,) = answer["files"]
    about = {"name": "result-7.png", "title": "result.png", "type": "image/png", "size": 5}
    assert shown.files == [{"id": file["id"], **about}]
    assert (file["channels"], file["shares"]) == ([], {})
    told = (await slack.call("files.info", file=file["id"]))["file"]
    assert told["channels"] == [slack.channels["community"]]
    headers = {"Authorization": f"Bearer {slack.bot}"}
    async with slack.session.get(file["url_private"], headers=headers) as response:
        assert await response.read() == b"hello"
    async with slack.session.get(file["url_private"]) as response:
        assert response.content_type == "text/html"


async def test_a_form_carries_the_bytes_as_well(slack: Any) -> None:
    url, done = await announced(slack)
    form = aiohttp.FormData()
    form.add_field("file", b"hello", filename="x.png", content_type="image/png")
    assert await put(slack, url, form) == 200
    assert (await slack.call("files.completeUploadExternal", **done))["ok"]
    assert slack.server.seen("community", None, None)[0].text == "result-7.png"


async def test_the_app_is_told_of_the_message_and_of_the_file(slack: Any) -> None:
    socket = await slack.connect()
    url, done = await announced(slack)
    await put(slack, url)
    await slack.call("files.completeUploadExternal", **done)
    message, shared = [(await socket.event())["payload"]["event"] for _ in range(2)]
    assert (message["subtype"], message["files"][0]["name"]) == ("file_share", "result-7.png")
    assert shared == {
        "type": "file_shared",
        "channel_id": done["channel_id"],
        "file_id": message["files"][0]["id"],
        "user_id": message["user"],
        "file": {"id": message["files"][0]["id"]},
        "event_ts": shared["event_ts"],
    }


@pytest.mark.parametrize(("comment", "read"), [({}, "Result & chart"), ({"initial_comment": "Hi"}, "Hi")])
async def test_blocks_stand_above_a_file_unless_there_is_a_comment(slack: Any, comment: Any, read: str) -> None:
    url, done = await announced(slack)
    await put(slack, url)
    assert (await slack.call("files.completeUploadExternal", **done, **comment, blocks=[SECTION]))["ok"]
    assert slack.server.seen("community", None, None)[0].text == f"{read}\nresult-7.png"
    bad = await slack.call("files.completeUploadExternal", **done, blocks=[{"type": "sektion"}])
    assert bad["error"] == "invalid_blocks"


@pytest.mark.parametrize("kind", ["500", "reset", "swallow_reply", "slow"])
async def test_only_a_fault_that_names_uploads_hits_one(slack: Any, kind: Any) -> None:
    url, done = await announced(slack)
    await slack.server.fault(Fault(kind, seconds=60.0 if kind == "slow" else None, match="other"))
    assert await put(slack, url) == 200
    await slack.server.fault(Fault(kind, seconds=60.0 if kind == "slow" else None, match="/slack/upload"))
    url, done = await announced(slack)
    if kind == "500":
        assert await put(slack, url) == 500
    else:
        with pytest.raises((aiohttp.ClientError, TimeoutError)):
            await put(slack, url)
    arrived = kind in ("swallow_reply", "slow")
    assert (await slack.call("files.completeUploadExternal", **done))["ok"] is arrived
    assert [row["fault"] for row in slack.frame.journal.rows if "fault" in row] == [kind]
