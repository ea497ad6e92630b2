"""Files: pictures are shown, all others are given to be opened. Pure; the upload is the SDK's and `http`'s."""

from __future__ import annotations

import re

from telegram import InputFile

from bot.chat.messages import Document
from bot.chat.ports import TOO_LARGE
from bot.integrations.telegram.texts import Params, Unsendable, shortened, told

MAX_CAPTION = 1024
MAX_FILE = 50_000_000
MAX_PICTURE = 10_000_000
"""Bytes (core.telegram.org/bots/api#sending-files); larger pictures go as files."""
MAX_NAME = 60
"""Characters of a file's name before its ending."""
UNSAFE = re.compile(r"[^\w.-]+")
"""Everything but letters and digits of any script: no quote, separator or control character is left in a header."""


def create(document: Document, latest: float) -> tuple[str, Params]:
    """The method and its parameters, but for the place. Raises Unsendable."""
    size = len(document.content)
    if not 0 < size <= MAX_FILE:
        raise Unsendable(f"a file of {size} bytes, Telegram takes 1 to {MAX_FILE}", TOO_LARGE if size else "unsendable")
    is_picture = document.media_type == "image/png" and len(document.content) <= MAX_PICTURE
    file = InputFile(document.content, filename=safe_name(document.name))
    caption = shortened(told(document.text, latest), MAX_CAPTION)
    parameters: Params = {"photo" if is_picture else "document": file}
    if caption.text.strip():
        parameters["caption"] = caption.text
    if caption.marks:
        parameters["caption_entities"] = [mark.entity() for mark in caption.marks]
    return "sendPhoto" if is_picture else "sendDocument", parameters


def safe_name(name: str) -> str:
    """A name that is only a name, on every system and in every header."""
    stem, dot, ending = UNSAFE.sub("_", name).rpartition(".")
    if not dot or not 1 <= len(ending) <= 8:
        stem, ending = f"{stem}{dot}{ending}", ""
    return (stem.strip("._")[:MAX_NAME] or "file") + (f".{ending}" if ending else "")
