"""What the methods share: the registry, finding chats and messages, formatted text, keyboards, sending."""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bot.sandbox.frame import Frame, Json
from bot.sandbox.telegram.errors import bad, forbidden
from bot.sandbox.telegram.limits import Limits
from bot.sandbox.telegram.markup import parse
from bot.sandbox.telegram.params import Params, Tables
from bot.sandbox.telegram.text import (
    CAPTION_LIMIT,
    Entity,
    checked_entities,
    clean,
    found_entities,
    is_blank,
    ordered,
    piece,
    trimmed,
)
from bot.sandbox.telegram.updates import Updates
from bot.sandbox.telegram.world import BOT_ID, IN_CHAT, Chat, Message, Prompt, User, World

BUTTONS_AT_MOST = 100
_BUTTON_KINDS = (
    "url", "callback_data", "web_app", "login_url", "switch_inline_query", "switch_inline_query_current_chat",
    "switch_inline_query_chosen_chat", "copy_text", "callback_game", "pay",
)  # fmt: skip
_NOT_HERE = {
    "business_connection_id": "business connection not found",
    "direct_messages_topic_id": "chat is not a direct messages chat",
    "suggested_post_parameters": "suggested posts can be sent only to channel direct messages",
    "message_thread_id": "message thread not found",
    "message_effect_id": "EFFECT_ID_INVALID",
}


@dataclass
class Press:
    """A pressed callback button that waits for its one answer."""

    id: str
    user: User
    message: Message
    at: float
    answer: Params | None = None
    """The bot's `answerCallbackQuery` parameters, once it came."""
    answered: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class Api:
    """What a method works on."""

    frame: Frame
    world: World
    updates: Updates
    limits: Limits
    tables: Tables
    presses: OrderedDict[str, Press] = field(default_factory=OrderedDict)
    """Those that can still be answered, and newer ones, by id; oldest first."""
    pressed: int = 0
    """How many presses there were."""
    commands: dict[tuple[str, str], list[Json]] = field(default_factory=dict)
    """Command lists by scope and language code."""
    profile: dict[tuple[str, str], str] = field(default_factory=dict)
    """Name, description and short description, by which and language code."""
    polls: list[Any] = field(default_factory=list)
    on_poll: Callable[[], None] = lambda: None
    """Called when a poll was sent that closes by itself."""
    logged_out_until: float = 0.0

    def now(self) -> float:
        """UTC seconds by the sandbox's clock."""
        return self.frame.clock.now()

    def open_polls(self) -> list[Any]:
        """The polls that close by themselves at some time and have not yet."""
        return [poll for poll in self.polls if not poll.closed and poll.close_date is not None]


Method = Callable[[Api, Params], Json]

METHODS: dict[str, Method] = {}
"""The methods that this server carries out, by their proper name."""


def method(name: str) -> Callable[[Method], Method]:
    """Register a function as the Bot API method `name`."""

    def register(function: Method) -> Method:
        METHODS[name] = function
        return function

    return register


def chat_of(api: Api, chat_id: int | str) -> Chat:
    """The chat; 400 where there is none, 403 where the bot may not be there."""
    world = api.world
    if isinstance(chat_id, str):
        found = next((c for c in world.groups() if chat_id == f"@{c.username}"), None)
    else:
        found = world.chats.get(chat_id)
        user = world.users.get(chat_id)
        if user is not None and user.id != BOT_ID:
            found = _private(world, user)
    if found is None:
        raise bad("chat not found")
    if found.type != "private" and found.status.get(BOT_ID) not in IN_CHAT:
        raise forbidden("bot was kicked from the supergroup chat")
    return found


def _private(world: World, user: User) -> Chat:
    if user.is_bot:
        raise forbidden("bot can't send messages to bots")
    if not user.started:
        raise forbidden("bot can't initiate conversation with a user")
    chat = world.private(user)
    if chat.status.get(BOT_ID) == "kicked":
        raise forbidden("bot was blocked by the user")
    return chat


def message_of(api: Api, params: Params, missing: str) -> Message:
    """The message that `chat_id` and `message_id` name; 400 with `missing` where it is gone."""
    if "inline_message_id" in params:
        raise bad("MESSAGE_ID_INVALID")
    if "chat_id" not in params or "message_id" not in params:
        raise bad("message identifier is not specified")
    found = chat_of(api, params["chat_id"]).message(params["message_id"])
    if found is None:
        raise bad(missing)
    return found


def formatted(api: Api, params: Params, name: str, mode: str, entities: str) -> tuple[str, list[Entity]]:
    """A text parameter cleaned, parsed and trimmed, with all entities that Telegram would show."""
    text = clean(params.get(name, ""))
    if params.get(mode):
        text, found = parse(text, params[mode])
    else:
        found = checked_entities(text, params.get(entities, []), api.tables.entities)
    if found:
        found = [_known_user(api, entity) for entity in found]
    text, found = trimmed(text, found)
    return text, found_entities(text, [entity for entity in found if entity is not None])


def _known_user(api: Api, entity: Entity) -> Entity:
    """A link `tg://user?id=` or a given user becomes a mention of that user, where the user exists."""
    url = entity.get("url", "")
    user_id = None
    if entity["type"] == "text_mention":
        user_id = (entity.get("user") or {}).get("id")
    elif match := re.match(r"tg://user\?id=(\d+)$", url):
        user_id = int(match[1])
    user = api.world.users.get(user_id) if user_id is not None else None
    if user is None:
        return entity
    plain = {"type": "text_mention", "offset": entity["offset"], "length": entity["length"]}
    return {**plain, "user": user.api()}


def text_content(text: str, entities: list[Entity], key: str = "text") -> dict[str, Any]:
    """The message's fields for a text or caption."""
    content: dict[str, Any] = {key: text}
    return content | ({"entities" if key == "text" else "caption_entities": ordered(entities)} if entities else {})


def caption_content(api: Api, params: Params) -> dict[str, Any]:
    """The message's caption, if there is one. 400 where it is too long."""
    text, entities = formatted(api, params, "caption", "parse_mode", "caption_entities")
    if len(text) > CAPTION_LIMIT:
        raise bad("message caption is too long")
    content = text_content(text, entities, "caption") if text else {}
    if params.get("show_caption_above_media"):
        content["show_caption_above_media"] = True
    return content


def keyboard(params: Params) -> Json | None:
    """The inline keyboard to attach, checked; None for none or for another kind of markup."""
    markup = params.get("reply_markup")
    if not isinstance(markup, dict) or "inline_keyboard" not in markup:
        return None
    rows = [row for row in markup["inline_keyboard"] if row]
    if sum(map(len, rows)) > BUTTONS_AT_MOST or any(len(row) > 8 for row in rows):
        raise bad("reply markup is too long")
    for row in rows:
        for button in row:
            _check_button(button)
    return {"inline_keyboard": rows} if rows else None


def _check_button(button: dict[str, Any]) -> None:
    if not button["text"].strip():
        raise bad("can't parse inline keyboard button: button text must not be empty")
    kinds = [kind for kind in _BUTTON_KINDS if kind in button]
    if not kinds:
        raise bad("can't parse inline keyboard button: text buttons are unallowed in the inline keyboard")
    if len(kinds) > 1:
        raise bad(f"can't parse inline keyboard button: exactly one of its kinds is allowed, not {', '.join(kinds)}")
    if "url" in button and not re.match(r"(https?://|tg://)?[\w-]+(\.[\w-]+)*([:/?].*)?$", button["url"]):
        raise bad("BUTTON_URL_INVALID")


def prompt_of(api: Api, params: Params, chat: Chat, content: dict[str, Any], reply_to: Message | None) -> Prompt | None:
    """The prompt that a `force_reply` makes: whom it asks, by Telegram's rule for `selective`."""
    markup = params.get("reply_markup")
    if not isinstance(markup, dict) or not markup.get("force_reply"):
        return None
    placeholder = markup.get("input_field_placeholder")
    if placeholder == "":
        raise bad("input field placeholder must not be empty")
    text = str(content.get("text", content.get("caption", "")))
    if not markup.get("selective") or chat.type == "private":
        return Prompt(placeholder or text, None)
    asked = {reply_to.author.id} if reply_to else set()
    for entity in content.get("entities", content.get("caption_entities", [])):
        if entity["type"] == "text_mention":
            asked.add(entity["user"]["id"])
        elif entity["type"] == "mention":
            name = piece(text, entity).removeprefix("@").lower()
            asked |= {u.id for u in api.world.users.values() if (u.username or "").lower() == name}
    return Prompt(placeholder or text, frozenset(asked))


def replied(api: Api, chat: Chat, params: Params) -> tuple[Message | None, dict[str, Any]]:
    """The message replied to and the quotation's fields. 400 where it does not exist."""
    wanted = params.get("reply_parameters")
    if wanted is None:
        return None, {}
    place = chat_of(api, wanted["chat_id"]) if "chat_id" in wanted else chat
    found = place.message(wanted["message_id"]) if place is chat else None
    if found is None:
        if wanted.get("allow_sending_without_reply"):
            return None, {}
        raise bad("message to be replied not found")
    if not wanted.get("quote"):
        return found, {}
    quote, entities = formatted(api, wanted, "quote", "quote_parse_mode", "quote_entities")
    if quote not in found.text:
        raise bad("QUOTE_TEXT_INVALID")
    position = len(found.text[: found.text.index(quote)].encode("utf-16-le")) // 2
    made = {"text": quote, "position": position, "is_manual": True} | ({"entities": entities} if entities else {})
    return found, {"quote": made}


def refuse_what_is_not_here(params: Params) -> None:
    """400 for parameters that name things which this Telegram has none of (topics, businesses)."""
    for name, problem in _NOT_HERE.items():
        if name in params:
            raise bad(problem)


def send(api: Api, params: Params, content: dict[str, Any]) -> Message:
    """Post `content` as the bot with everything that send methods have in common, within the rate limits."""
    refuse_what_is_not_here(params)
    chat = chat_of(api, params["chat_id"])
    reply_to, quote = replied(api, chat, params)
    markup = keyboard(params)
    prompt = prompt_of(api, params, chat, content, reply_to)
    api.limits.take(chat)
    extra: dict[str, Any] = {"has_protected_content": True} if params.get("protect_content") else {}
    body = content | quote | extra | ({"reply_markup": markup} if markup else {})
    message = api.world.post(chat, api.world.bot, body, reply_to)
    message.prompt = prompt
    return message


def not_blank(text: str, problem: str = "message text is empty") -> str:
    """The text, or 400 where nothing of it can be seen."""
    if is_blank(text):
        raise bad(problem)
    return text
