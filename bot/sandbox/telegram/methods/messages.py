"""Sending, forwarding, editing and deleting messages, and answers to pressed buttons."""

from __future__ import annotations

from typing import Any

from bot.sandbox.frame import Json
from bot.sandbox.telegram.errors import bad
from bot.sandbox.telegram.methods.base import (
    Api,
    caption_content,
    chat_of,
    formatted,
    keyboard,
    message_of,
    method,
    not_blank,
    refuse_what_is_not_here,
    send,
    text_content,
)
from bot.sandbox.telegram.params import Params
from bot.sandbox.telegram.text import TEXT_LIMIT
from bot.sandbox.telegram.world import BOT_ID, Message, Toast

ANSWER_SECONDS = 15.0
"""How long a pressed button waits for its answer."""
_SAME = (
    "message is not modified: specified new message content and reply markup are exactly the same "
    "as a current content and reply markup of the message"
)
_ACTIONS = {
    "typing", "upload_photo", "record_video", "upload_video", "record_voice", "upload_voice", "upload_document",
    "choose_sticker", "find_location", "record_video_note", "upload_video_note",
}  # fmt: skip
_COPIED = ("text", "entities", "photo", "document", "caption", "caption_entities", "link_preview_options")


def _text(api: Api, params: Params) -> dict[str, Any]:
    text, entities = formatted(api, params, "text", "parse_mode", "entities")
    if len(not_blank(text)) > TEXT_LIMIT:
        raise bad("message is too long")
    content = text_content(text, entities)
    return content | ({"link_preview_options": p} if (p := params.get("link_preview_options")) else {})


@method("sendMessage")
def send_message(api: Api, params: Params) -> Json:
    """Post a text."""
    return send(api, params, _text(api, params)).api()


@method("sendChatAction")
def send_chat_action(api: Api, params: Params) -> Json:
    """Show that the bot is typing."""
    refuse_what_is_not_here(params)
    chat_of(api, params["chat_id"])
    if params["action"] not in _ACTIONS:
        raise bad("wrong parameter action in request")
    return True


@method("forwardMessage")
def forward_message(api: Api, params: Params) -> Json:
    """Post a message again with its origin."""
    message = _source(api, params, "message to forward not found")
    origin = {"type": "user", "date": message.body["date"], "sender_user": message.author.api()}
    body = {key: message.body[key] for key in (*_COPIED, "poll") if key in message.body}
    made = send(api, params, {**body, "forward_origin": message.body.get("forward_origin", origin)})
    if message.poll is not None:
        made.poll = message.poll
        made.poll.messages.append(made)
    return made.api()


@method("copyMessage")
def copy_message(api: Api, params: Params) -> Json:
    """Post a message's content as the bot's own."""
    message = _source(api, params, "message to copy not found")
    if message.poll is not None:
        raise bad("message can't be copied")
    body = {key: message.body[key] for key in _COPIED if key in message.body}
    if "caption" in params and "text" not in body:
        body = {key: value for key, value in body.items() if not key.startswith("caption")}
        body |= caption_content(api, params)
    return {"message_id": send(api, params, body).id}


def _source(api: Api, params: Params, missing: str) -> Message:
    message = chat_of(api, params["from_chat_id"]).message(params["message_id"])
    if message is None:
        raise bad(missing)
    return message


def _editable(api: Api, params: Params) -> Message:
    refuse_what_is_not_here(params)
    message = message_of(api, params, "message to edit not found")
    if message.author.id != BOT_ID or "forward_origin" in message.body:
        raise bad("message can't be edited")
    return message


def _edit(api: Api, params: Params, message: Message, gone: tuple[str, ...], content: dict[str, Any]) -> Json:
    """Put `content` in place of the fields `gone`; the keyboard is always replaced, by none if none is given."""
    markup = keyboard(params)
    body = {k: v for k, v in message.body.items() if k not in (*gone, "reply_markup", "edit_date")} | content
    body |= {"reply_markup": markup} if markup else {}
    api.limits.take(message.chat)
    if body == {k: v for k, v in message.body.items() if k != "edit_date"}:
        raise bad(_SAME)
    message.body = {**body, "edit_date": int(api.now())}
    return message.api()


@method("editMessageText")
def edit_message_text(api: Api, params: Params) -> Json:
    """Change a text of the bot."""
    if "rich_message" in params:
        raise bad("rich messages are not available in this server")
    if "text" not in params:
        raise bad("message text is empty")
    message = _editable(api, params)
    if "text" not in message.body:
        raise bad("there is no text in the message to edit")
    return _edit(api, params, message, ("text", "entities", "link_preview_options"), _text(api, params))


@method("editMessageCaption")
def edit_message_caption(api: Api, params: Params) -> Json:
    """Change a caption of the bot."""
    message = _editable(api, params)
    if "photo" not in message.body and "document" not in message.body:
        raise bad("there is no caption in the message to edit")
    gone = ("caption", "caption_entities", "show_caption_above_media")
    return _edit(api, params, message, gone, caption_content(api, params))


@method("editMessageReplyMarkup")
def edit_message_reply_markup(api: Api, params: Params) -> Json:
    """Change or remove the buttons under a message of the bot."""
    return _edit(api, params, _editable(api, params), (), {})


@method("deleteMessage")
def delete_message(api: Api, params: Params) -> Json:
    """Delete a message: the bot's own, or as an administrator anybody's."""
    _delete(api, message_of(api, params, "message to delete not found"))
    return True


@method("deleteMessages")
def delete_messages(api: Api, params: Params) -> Json:
    """Delete several; those that are gone already are skipped."""
    chat = chat_of(api, params["chat_id"])
    if not 1 <= len(params["message_ids"]) <= 100:
        raise bad("message_ids must hold 1 to 100 identifiers")
    for message_id in params["message_ids"]:
        if (message := chat.message(message_id)) is not None:
            _delete(api, message)
    return True


def _delete(api: Api, message: Message) -> None:
    own = message.author.id == BOT_ID or message.chat.type == "private"
    if not own and message.chat.status.get(BOT_ID) != "administrator":
        raise bad("message can't be deleted")
    message.deleted = True
    if message.id in message.chat.pinned:
        message.chat.pinned.remove(message.id)


@method("answerCallbackQuery")
def answer_callback_query(api: Api, params: Params) -> Json:
    """Answer a pressed button, once and in time; a text is shown to the person who pressed it."""
    press = api.presses.get(params["callback_query_id"])
    if press is None or press.answer is not None or api.now() - press.at > ANSWER_SECONDS:
        raise bad("query is too old and response timeout expired or query ID is invalid")
    if params.get("url"):
        raise bad("URL_INVALID")
    press.answer = params
    press.answered.set()
    if params.get("text"):
        toast = Toast(f"toast-{press.id}", press.user, params["text"], bool(params.get("show_alert")))
        press.message.chat.timeline.append(toast)
    return True


@method("setMessageReaction")
def set_message_reaction(api: Api, params: Params) -> Json:
    """The bot's own reaction: at most one, of the known emoji."""
    message = message_of(api, params, "message to react not found")
    wanted = [reaction.get("emoji", "") for reaction in params.get("reaction", [])]
    if len(wanted) > 1:
        raise bad("REACTIONS_TOO_MANY")
    if any(emoji not in api.tables.reactions for emoji in wanted):
        raise bad("REACTION_INVALID")
    message.reactions[BOT_ID] = wanted
    return True


@method("pinChatMessage")
def pin_chat_message(api: Api, params: Params) -> Json:
    """Pin a message."""
    refuse_what_is_not_here(params)
    message = message_of(api, params, "message to pin not found")
    if message.id not in message.chat.pinned:
        message.chat.pinned.append(message.id)
    return True


@method("unpinChatMessage")
def unpin_chat_message(api: Api, params: Params) -> Json:
    """Unpin a message, by default the newest pinned one."""
    refuse_what_is_not_here(params)
    pinned = chat_of(api, params["chat_id"]).pinned
    wanted = params.get("message_id", pinned[-1] if pinned else 0)
    if wanted not in pinned:
        raise bad("message to unpin not found")
    pinned.remove(wanted)
    return True


@method("unpinAllChatMessages")
def unpin_all_chat_messages(api: Api, params: Params) -> Json:
    """Unpin all."""
    chat_of(api, params["chat_id"]).pinned.clear()
    return True
