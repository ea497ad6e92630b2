"""Uploading in three steps: files.getUploadURLExternal, the upload itself, files.completeUploadExternal."""

from __future__ import annotations

from bot.sandbox.frame import Json
from bot.sandbox.slack.core import Place
from bot.sandbox.slack.errors import SlackError
from bot.sandbox.slack.files import new_file, shared, tell
from bot.sandbox.slack.limits import Tier
from bot.sandbox.slack.methods.registry import Call, method


@method("files.getUploadURLExternal", tier=Tier.FOUR, scope="files:write")
def get_upload_url(call: Call) -> dict[str, Json]:
    """Announce a file; answers where to send its bytes."""
    if not isinstance(call.args["length"], int) or call.args["length"] <= 0:
        raise SlackError("invalid_arguments", "`length` is the file's size in bytes")
    file = new_file(call.core, call.workspace, call.args["filename"], call.workspace.bot.id)
    file["size"] = call.args["length"]
    url = f"{call.core.frame.base}/slack/upload/{call.workspace.id}/{file['id']}"
    return {"upload_url": url, "file_id": file["id"]}


@method("files.completeUploadExternal", tier=Tier.FOUR, scope="files:write")
def complete_upload(call: Call) -> dict[str, Json]:
    """Finish uploads, and share them where a channel is named; the answer does not tell of the sharing yet."""
    files = [_uploaded(call, item) for item in call.args["files"]]
    answer = [{**file, "channels": [], "shares": {}} for file in files]
    if call.args.get("channel_id"):
        _share(call, call.channel("channel_id", joined=True), files)
    return {"files": answer}


@method("files.info", tier=Tier.FOUR, scope="files:read")
def info(call: Call) -> dict[str, Json]:
    """One file."""
    file = call.workspace.files.get(call.args["file"])
    if not file:
        raise SlackError("file_not_found")
    return {"file": file, "comments": [], "response_metadata": {"next_cursor": ""}}


def _uploaded(call: Call, item: Json) -> dict[str, Json]:
    file = call.workspace.files.get(item.get("id", ""))
    if not file:
        raise SlackError("file_not_found")
    content = call.workspace.file_contents.get(file["id"])
    if content is None or len(content) != file["size"]:
        raise SlackError("file_not_found", "the bytes of this file were not uploaded, or not all of them")
    file["title"] = item.get("title") or file["name"]
    return file


def _share(call: Call, place: Place, files: list[dict[str, Json]]) -> None:
    thread = call.args.get("thread_ts")
    if thread and not place.channel.find(thread):
        raise SlackError("thread_not_found")
    text = call.args.get("initial_comment", "")
    blocks = None if text else call.args.get("blocks")
    message = call.core.app_message(place, text, thread_ts=thread, subtype="file_share", files=files, blocks=blocks)
    call.core.post(place, message)
    shared(place, message, files)
    tell(call.core, place, message, files)
