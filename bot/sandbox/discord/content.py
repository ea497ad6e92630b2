"""What a message may hold, and what becomes of it: trimming, limits, embeds, mentions, polls and uploaded files.

Source: developer documentation, "Message", "Allowed Mentions Object", "Embed Limits", "Poll Create Request Object".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from bot.sandbox.discord import components as parts
from bot.sandbox.discord.errors import ApiError, FormErrors, invalid_form, required, too_long
from bot.sandbox.discord.model import Channel, Flag, Message, Permission, Poll, User
from bot.sandbox.discord.world import Attachment, World
from bot.sandbox.frame import Json

LONGEST_CONTENT = 2000
_LONGEST_EMBEDS = 6000
_LONGEST_ANSWER = 55
_LARGEST_FILE = 10 * 1024 * 1024
_SETTABLE = Flag.SUPPRESS_EMBEDS | Flag.SUPPRESS_NOTIFICATIONS | Flag.IS_COMPONENTS_V2
_MENTION = re.compile(r"<@(?P<role>&?)!?(?P<id>\d{1,20})>")


@dataclass(frozen=True)
class Upload:
    """A file of a multipart request: `name` is its field (`files[0]`)."""

    name: str
    filename: str
    content_type: str
    data: bytes


@dataclass
class Mentions:
    """Who a message really mentions."""

    users: list[User] = field(default_factory=list)
    roles: list[str] = field(default_factory=list)
    everyone: bool = False


def trimmed(body: Json) -> Json:
    """The body with the white space around content and embed texts taken away, as Discord does before it counts."""
    if not isinstance(body, dict):
        return body
    if isinstance(body.get("content"), str):
        body["content"] = body["content"].strip()
    embeds = body.get("embeds")
    for embed in embeds if isinstance(embeds, list) else []:
        if isinstance(embed, dict):
            _trim_embed(embed)
    return body


def _trim_embed(embed: dict[str, Json]) -> None:
    listed = embed.get("fields")
    fields = [f for f in listed if isinstance(f, dict)] if isinstance(listed, list) else []
    places = [(embed, "title"), (embed, "description"), (embed.get("footer"), "text"), (embed.get("author"), "name")]
    for holder, key in [*places, *((f, k) for f in fields for k in ("name", "value"))]:
        if isinstance(holder, dict) and isinstance(holder.get(key), str):
            holder[key] = holder[key].strip()


def check_content(content: str | None) -> None:
    """Raise error 50035 for a text longer than a bot may send."""
    if content and len(content) > LONGEST_CONTENT:
        raise too_long(["content"], LONGEST_CONTENT)


def check_embeds(embeds: list[dict[str, Json]]) -> None:
    """Raise error 50035 for embeds that are empty or together too long."""
    form, total = FormErrors(), 0
    for index, embed in enumerate(embeds):
        said = _embed_texts(embed)
        total += sum(map(len, said))
        if not said and not embed.get("image") and not embed.get("thumbnail"):
            form.add(["embeds", index, "description"], "BASE_TYPE_REQUIRED", "This field is required")
        for number, entry in enumerate(embed.get("fields") or []):
            for key in ("name", "value"):
                if not entry[key]:
                    form.add(["embeds", index, "fields", number, key], "BASE_TYPE_REQUIRED", "This field is required")
    if total > _LONGEST_EMBEDS:
        form.add(["embeds"], "MAX_EMBED_SIZE_EXCEEDED", f"Embed size exceeds maximum size of {_LONGEST_EMBEDS}")
    form.check()


def _embed_texts(embed: dict[str, Json]) -> list[str]:
    """The texts of an embed in the order in which a person reads them."""
    said = [(embed.get("author") or {}).get("name"), embed.get("title"), embed.get("description")]
    for entry in embed.get("fields") or []:
        said += [entry["name"], entry["value"]]
    said.append((embed.get("footer") or {}).get("text"))
    return [text for text in said if text]


def embed_texts(embeds: list[dict[str, Json]]) -> list[str]:
    """What a person reads in the embeds, line by line."""
    return [text for embed in embeds for text in _embed_texts(embed)]


def stored_embeds(embeds: list[dict[str, Json]]) -> list[dict[str, Json]]:
    """The embeds as answers show them: nulls gone, of type rich, fields with `inline`."""
    kept = []
    for embed in embeds:
        shown = {k: _without_null(v) for k, v in embed.items() if v is not None and k not in ("provider", "video")}
        shown["type"] = "rich"
        if "fields" in shown:
            shown["fields"] = [{"inline": False, **entry} for entry in shown["fields"]]
        for part, key in (("footer", "text"), ("author", "name")):
            if part in shown and not shown[part].get(key):
                del shown[part]
        kept.append(shown)
    return kept


def _without_null(value: Json) -> Json:
    if isinstance(value, list):
        return [_without_null(item) for item in value]
    if isinstance(value, dict):
        return {k: _without_null(v) for k, v in value.items() if v is not None}
    return value


def check_allowed_mentions(allowed: Json) -> None:
    """Raise error 50035 where `parse` and a list of ids exclude each other."""
    for kind in ("users", "roles"):
        if allowed and kind in (allowed.get("parse") or []) and allowed.get(kind):
            words = f'parse:["{kind}"] and {kind}: [ids...] are mutually exclusive.'
            raise invalid_form(["allowed_mentions"], "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE", words)


def mentions(world: World, message: Message, allowed: Json, replied: User | None) -> Mentions:
    """Whom the message's text mentions: everybody it names if `allowed` is None, otherwise only whom it allows.

    Mentions inside code blocks count as well, which is stricter than Discord.
    """
    text = "\n".join([message.content, *parts.texts(message.components)])
    parse = (allowed.get("parse") or []) if allowed is not None else ["users", "roles", "everyone"]
    found = Mentions(everyone="everyone" in parse and _may_mention_all(world, message) and _says_everyone(text))
    for match in _MENTION.finditer(text):
        _add(
            world,
            message.channel,
            found,
            match,
            lambda kind, i: kind in parse or i in ((allowed or {}).get(kind) or []),
        )
    wants_reply = allowed is None or bool(allowed.get("replied_user"))
    if replied and wants_reply and replied not in found.users:
        found.users.append(replied)
    return found


def _add(
    world: World, channel: Channel, found: Mentions, match: re.Match[str], allows: Callable[[str, str], bool]
) -> None:
    kind, it = ("roles" if match["role"] else "users"), match["id"]
    if not allows(kind, it):
        return
    if kind == "roles":
        if channel.guild and it in channel.guild.roles and it not in found.roles:
            found.roles.append(it)
    elif it in world.users and world.users[it] not in found.users:
        found.users.append(world.users[it])


def _says_everyone(text: str) -> bool:
    return "@everyone" in text or "@here" in text


def _may_mention_all(world: World, message: Message) -> bool:
    guild = message.channel.guild
    member = guild.members.get(message.author.id) if guild else None
    return bool(guild and member and world.permissions(guild, member) & Permission.MENTION_EVERYONE)


def make_poll(body: Json, now: float) -> Poll:
    """A poll from a create request; raises error 50035 for what is missing or too long."""
    if not (body["question"].get("text") or ""):
        raise required(["poll", "question", "text"])
    for index, answer in enumerate(body["answers"]):
        text = answer["poll_media"].get("text") or ""
        if not text:
            raise required(["poll", "answers", index, "poll_media", "text"])
        if len(text) > _LONGEST_ANSWER:
            raise too_long(["poll", "answers", index, "poll_media", "text"], _LONGEST_ANSWER)
    answers = [
        {"answer_id": number, "poll_media": _without_null(answer["poll_media"])}
        for number, answer in enumerate(body["answers"], 1)
    ]
    hours = body.get("duration") or 24
    multiselect = bool(body.get("allow_multiselect"))
    return Poll({"text": body["question"]["text"]}, answers, now + hours * 3600, multiselect)


def attach(world: World, base: str, channel: Channel, uploads: list[Upload], described: Json) -> list[dict[str, Json]]:
    """Keep uploaded files and describe them as attachments; `described` is the body's `attachments`."""
    by_id = {str(entry["id"]): entry for entry in described or []}
    kept = []
    for number, upload in enumerate(uploads):
        if len(upload.data) > _LARGEST_FILE:
            raise ApiError(413, 40005, "Request entity too large")
        found = re.fullmatch(r"files?\[(\d+)\]", upload.name)
        entry = by_id.get(found[1] if found else str(number), {})
        attachment_id, filename = world.snowflake(), entry.get("filename") or upload.filename
        world.attachments[attachment_id] = Attachment(upload.data, upload.content_type, filename)
        url = f"{base}/discord/attachments/{channel.id}/{attachment_id}/{filename}"
        shown = {"id": attachment_id, "filename": filename, "size": len(upload.data), "url": url, "proxy_url": url}
        shown["content_type"] = upload.content_type
        kept.append(shown | ({"description": entry["description"]} if entry.get("description") else {}))
    return kept


def settable_flags(flags: int | None, also: int = 0) -> int:
    """The flags that a bot may set; others are ignored."""
    return (flags or 0) & (_SETTABLE | also)


def check_v2(message: Message) -> None:
    """Raise error 50035 where a Components v2 message also has content, embeds or a poll."""
    if not message.flags & Flag.IS_COMPONENTS_V2:
        return
    for name, value in (("content", message.content), ("embeds", message.embeds), ("poll", message.poll)):
        if value:
            words = f"The '{name}' field cannot be used when using MessageFlags.IS_COMPONENTS_V2"
            raise invalid_form([name], "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2", words)


def check_not_empty(message: Message) -> None:
    """Raise error 50006 for a message that would hold nothing."""
    if not (message.content or message.embeds or message.components or message.attachments or message.poll):
        raise ApiError(400, 50006, "Cannot send an empty message")


def poll_result_texts(embeds: list[dict[str, Json]]) -> list[str]:
    """What a person reads of a poll's result message: the question and the winning answer."""
    fields = {entry["name"]: entry["value"] for embed in embeds for entry in embed["fields"]}
    return [fields[name] for name in ("poll_question_text", "victor_answer_text") if name in fields]
