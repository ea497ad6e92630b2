"""Files: their objects, and the routes that take and give their bytes."""

from __future__ import annotations

import asyncio
import mimetypes
from http import HTTPStatus

from aiohttp import web

from bot.sandbox.frame import FaultKind, Json
from bot.sandbox.misbehave import cut, hold, lag
from bot.sandbox.slack.core import Core, Place
from bot.sandbox.slack.events import file_event
from bot.sandbox.slack.state import Message, Workspace, make_id

_UPLOADS = "/slack/upload"
UPLOAD_PATH = _UPLOADS + "/{team}/{file}"
DOWNLOAD_PATH = "/slack/files/{team}/{file}/{name}"
_FAULTS: tuple[FaultKind, ...] = ("reset", "500", "slow", "swallow_reply")
_SLOW_SECONDS = 5.0


def new_file(core: Core, workspace: Workspace, name: str, user: str) -> dict[str, Json]:
    """A file object in the workspace, with no bytes yet."""
    now = int(core.frame.clock.now())
    identity = make_id("F", workspace.id, str(len(workspace.files)), name)
    address = f"{core.frame.base}/slack/files/{workspace.id}/{identity}/{name}"
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    file = {"id": identity, "created": now, "timestamp": now, "name": name, "title": name, "mimetype": kind}
    file |= {"filetype": name.rpartition(".")[2].lower(), "user": user, "mode": "hosted", "is_external": False}
    file |= {"size": 0, "url_private": address, "url_private_download": address, "channels": [], "shares": {}}
    workspace.files[identity] = file
    return file


def attach(core: Core, workspace: Workspace, attachment: Json, user: str) -> dict[str, Json]:
    """The file for a control call's `attachment`: a name, or `{"name", "content"?, "mimetype"?}`."""
    given = attachment if isinstance(attachment, dict) else {"name": str(attachment)}
    file = new_file(core, workspace, str(given.get("name") or "file.bin"), user)
    content = str(given.get("content", "")).encode()
    file |= {"size": len(content), "mimetype": given.get("mimetype") or file["mimetype"]}
    workspace.file_contents[file["id"]] = content
    return file


def tell(core: Core, place: Place, message: Message, files: list[dict[str, Json]]) -> None:
    """Tell the app that files were shared."""
    for file in files:
        core.emit(place.workspace, file_event(place, file, message.user))


def shared(place: Place, message: Message, files: list[dict[str, Json]]) -> None:
    """Note in the file objects where they were shared."""
    for file in files:
        file["channels"].append(place.channel.id)
        entry = {"ts": message.ts, "channel_name": place.channel.name}
        file["shares"].setdefault("public", {}).setdefault(place.channel.id, []).append(entry)


class FileRoutes:
    """Takes uploads, and gives contents to whoever shows the bot's token."""

    def __init__(self, core: Core, bot_token: str) -> None:
        self._core = core
        self._token = bot_token

    async def upload(self, request: web.Request) -> web.StreamResponse:
        """The bytes for an announced file, bare or as a multipart form's first file. Faults hit it when their `match`
        names `/slack/upload`."""
        workspace, file = self._find(request)
        if not file:
            return web.Response(status=HTTPStatus.NOT_FOUND, text="no such upload")
        fault = self._core.faults.take(_FAULTS, request.path, named=_UPLOADS)
        kind = fault.kind if fault else None
        if kind == "reset":
            self._journal(request, None, None, kind)
            return cut(request)
        if kind == "500":
            self._journal(request, HTTPStatus.INTERNAL_SERVER_ERROR, None, kind)
            return web.Response(status=HTTPStatus.INTERNAL_SERVER_ERROR, text="internal error")
        await lag(request, fault)
        content = await _content(request)
        workspace.file_contents[file["id"]] = content
        self._journal(request, HTTPStatus.OK, {"size": len(content)}, kind)
        if kind == "swallow_reply":
            return await hold(request)
        if fault and kind == "slow":
            await asyncio.sleep(_SLOW_SECONDS if fault.seconds is None else fault.seconds)
        return web.Response(text=f"OK - {len(content)}")

    async def download(self, request: web.Request) -> web.Response:
        """A file's bytes. Without the token Slack shows its sign-in page instead, with status 200."""
        workspace, file = self._find(request)
        if not file:
            return web.Response(status=HTTPStatus.NOT_FOUND, text="no such file")
        self._journal(request, HTTPStatus.OK, None)
        if request.headers.get("Authorization") != f"Bearer {self._token}":
            return web.Response(text="<!DOCTYPE html><title>Sign in</title>", content_type="text/html")
        content = workspace.file_contents.get(file["id"], b"")
        return web.Response(body=content, content_type=file["mimetype"])

    def _find(self, request: web.Request) -> tuple[Workspace, dict[str, Json] | None]:
        workspace = self._core.workspaces.get(request.match_info["team"], self._core.default)
        return workspace, workspace.files.get(request.match_info["file"])

    def _journal(self, request: web.Request, status: int | None, body: Json, fault: str | None = None) -> None:
        self._core.frame.journal.request(
            "slack", request.method, request.path, query={}, body=body, status=status, response=None, fault=fault
        )


async def _content(request: web.Request) -> bytes:
    if request.content_type != "multipart/form-data":
        return await request.read()
    form = await request.post()
    return b"".join(part.file.read() for part in form.values() if isinstance(part, web.FileField))
