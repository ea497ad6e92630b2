"""Photos, documents and where to get files."""

from __future__ import annotations

import struct
from typing import Any

from bot.sandbox.frame import Json
from bot.sandbox.telegram.errors import bad
from bot.sandbox.telegram.methods.base import Api, caption_content, method, send
from bot.sandbox.telegram.params import Params, Upload
from bot.sandbox.telegram.world import StoredFile

PHOTO_BYTES = 10 * 1024 * 1024
FILE_BYTES = 50 * 1024 * 1024
DOWNLOAD_BYTES = 20 * 1024 * 1024


@method("sendPhoto")
def send_photo(api: Api, params: Params) -> Json:
    """Post a picture with a caption."""
    stored = _stored(api, params["photo"], "photos", PHOTO_BYTES)
    stored.size = stored.size or picture_size(stored.data)
    if stored.size is None:
        raise bad("IMAGE_PROCESS_FAILED")
    width, height = stored.size
    if width + height > 10000 or max(width, height) > 20 * min(width, height):
        raise bad("PHOTO_INVALID_DIMENSIONS")
    return send(api, params, {"photo": [photo_size(stored)], **caption_content(api, params)}).api()


@method("sendDocument")
def send_document(api: Api, params: Params) -> Json:
    """Post a file with a caption."""
    stored = _stored(api, params["document"], "documents", FILE_BYTES)
    return send(api, params, {"document": document(stored), **caption_content(api, params)}).api()


@method("getFile")
def get_file(api: Api, params: Params) -> Json:
    """Where to download a file."""
    stored = api.world.files.get(params["file_id"])
    if stored is None:
        raise bad("invalid file_id")
    if len(stored.data) > DOWNLOAD_BYTES:
        raise bad("file is too big")
    return {**_ids(stored), "file_path": stored.path}


def _stored(api: Api, given: Upload | str, folder: str, most: int) -> StoredFile:
    if isinstance(given, str):
        known = api.world.files.get(given)
        if known is None:
            fetched = given.startswith(("http://", "https://"))
            raise bad("failed to get HTTP URL content" if fetched else "wrong file identifier/HTTP URL specified")
        return known
    if not given.data:
        raise bad("file must be non-empty")
    if len(given.data) > most:
        raise bad("file is too big")
    return api.world.store(given.filename, given.content_type, given.data, folder)


def _ids(stored: StoredFile) -> dict[str, Any]:
    return {"file_id": stored.id, "file_unique_id": stored.unique_id, "file_size": len(stored.data)}


def document(stored: StoredFile) -> Json:
    """As Bot API `Document`."""
    return {**_ids(stored), "file_name": stored.name, "mime_type": stored.mime}


def photo_size(stored: StoredFile) -> Json:
    """As Bot API `PhotoSize`."""
    width, height = stored.size or (0, 0)
    return {**_ids(stored), "width": width, "height": height}


def picture_size(data: bytes) -> tuple[int, int] | None:
    """Width and height of a PNG, GIF or JPEG; None where it is no picture."""
    if data.startswith(b"\x89PNG\r\n\x1a\n") and len(data) >= 24:
        width, height = struct.unpack(">II", data[16:24])
        return (width, height) if width and height else None
    if data[:6] in (b"GIF87a", b"GIF89a") and len(data) >= 10:
        width, height = struct.unpack("<HH", data[6:10])
        return (width, height) if width and height else None
    return _jpeg_size(data) if data.startswith(b"\xff\xd8") else None


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        if 0xC0 <= data[at + 1] <= 0xCF and data[at + 1] not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return width, height
        at += 2 + int(struct.unpack(">H", data[at + 2 : at + 4])[0])
    return None
