"""Sending a file: an address to put it at, the bytes, and the call that shows it in a channel.

Source: docs.slack.dev, "Working with files", files.getUploadURLExternal and files.completeUploadExternal.
Nothing can be seen before the last call is made; Slack shares the file some time after it has answered that call.
"""

from __future__ import annotations

import asyncio
from pathlib import PurePath

from bot.chat.messages import Document
from bot.chat.ports import TOO_LARGE, NotSent, Refused, Unclear
from bot.domain.places import Channel
from bot.integrations.slack import render
from bot.integrations.slack.api import Api
from bot.integrations.slack.parse import at as lies_at
from bot.integrations.slack.parse import items, string

MAX_FILE = 1_000_000_000
"""Bytes (slack.com, "Add files to Slack": 1 GB)."""
_LAST_PART = 0.5
"""What of the deadline is kept for the last call."""
LARGE, _LAST_OF_LARGE = 1_000_000, 0.2
"""From so many bytes on the file itself needs most of it."""
_TOO_LARGE = frozenset({"file_upload_size_restricted", "http_413"})


def name_of(document: Document, key: str) -> str:
    """What the file is called when it is saved: its name with the delivery id, by which it is found again.

    Messages that share a file carry no metadata. People see the title, which is the document's own name.
    """
    name = PurePath(document.name)
    return f"{name.stem}-{key}{name.suffix}"


async def send(api: Api, document: Document, to: Channel, key: str) -> str:
    """Show the document there; the `ts` of its message where Slack tells it at once, else empty.

    All three calls are one attempt within one deadline. Raises NotSent, Refused, and Unclear only for the last call.
    """
    size = len(document.content)
    if size > MAX_FILE:
        raise Refused(f"a file of {size} bytes, Slack takes {MAX_FILE}", TOO_LARGE)
    end = asyncio.get_running_loop().time() + api.timeout
    last = _LAST_OF_LARGE if size > LARGE else _LAST_PART
    try:
        async with asyncio.timeout_at(end - last * api.timeout):
            file_id = await _upload(api, document, name_of(document, key))
    except Refused as refused:
        raise Refused(str(refused), TOO_LARGE if refused.code in _TOO_LARGE else refused.code) from refused
    except (Unclear, TimeoutError) as error:
        raise NotSent(f"the file was not taken ({str(error) or 'no answer in time'})") from error
    try:
        async with asyncio.timeout_at(end):
            return await _show(api, document, to, file_id)
    except TimeoutError as error:
        raise Unclear("Slack did not say in time whether it shows the file") from error


async def _upload(api: Api, document: Document, name: str) -> str:
    """Its id; the file is there and nobody sees it."""
    size = len(document.content)
    place = await api.call(
        "files.getUploadURLExternal", lambda web: web.files_getUploadURLExternal(filename=name, length=size)
    )
    url, file_id = string(place.data, "upload_url"), string(place.data, "file_id")
    if not url or not file_id:
        raise Unclear("Slack named no place for the file")
    await api.put(url, document.content)
    return file_id


async def _show(api: Api, document: Document, to: Channel, file_id: str) -> str:
    arguments = {
        "files": [{"id": file_id, "title": document.name}],
        "channel_id": to.channel_id,
        **({"thread_ts": to.thread_id} if to.thread_id else {}),
        **({"blocks": blocks} if (blocks := render.beside(document)) else {}),
    }
    method = "files.completeUploadExternal"
    # The SDK's own method for it would put all this into the address, where long texts do not fit.
    answer = await api.call(method, lambda web: web.api_call(method, json=arguments))
    return next((ts for file in items(answer.data, "files") if (ts := _shared(file, to.channel_id))), "")


def _shared(file: object, channel: str) -> str:
    kinds = (items(lies_at(file, "shares"), kind, channel) for kind in ("public", "private"))
    return next((string(share, "ts") for shares in kinds for share in shares), "")
