"""What the bot can read about chats and their members."""

from __future__ import annotations

from typing import Any

from bot.sandbox.frame import Json
from bot.sandbox.telegram.errors import bad
from bot.sandbox.telegram.methods.base import Api, chat_of, method
from bot.sandbox.telegram.params import Params
from bot.sandbox.telegram.world import BOT_ID, IN_CHAT, Chat

_GIFTS = ("unlimited_gifts", "limited_gifts", "unique_gifts", "premium_subscription", "gifts_from_channels")
_MEMBERS_MAY = (
    "can_send_messages", "can_send_audios", "can_send_documents", "can_send_photos", "can_send_videos",
    "can_send_video_notes", "can_send_voice_notes", "can_send_polls", "can_send_other_messages",
    "can_add_web_page_previews", "can_react_to_messages", "can_invite_users",
)  # fmt: skip
_MEMBERS_MAY_NOT = ("can_edit_tag", "can_change_info", "can_pin_messages", "can_manage_topics")


@method("getChat")
def get_chat(api: Api, params: Params) -> Json:
    """Everything about a chat."""
    chat = chat_of(api, params["chat_id"])
    full: dict[str, Any] = {
        **chat.api(),
        "accent_color_id": 3,
        "max_reaction_count": 11,
        "accepted_gift_types": dict.fromkeys(_GIFTS, False),
    }
    if chat.username:
        full["active_usernames"] = [chat.username]
    if chat.type == "private":
        return full
    full["permissions"] = dict.fromkeys(_MEMBERS_MAY, True) | dict.fromkeys(_MEMBERS_MAY_NOT, False)
    full |= {"description": chat.description} if chat.description else {}
    pinned = chat.message(chat.pinned[-1]) if chat.pinned else None
    return full | ({"pinned_message": pinned.api(nested=True)} if pinned else {})


@method("getChatMember")
def get_chat_member(api: Api, params: Params) -> Json:
    """One member, whatever their status."""
    chat = chat_of(api, params["chat_id"])
    user = api.world.users.get(params["user_id"])
    if user is None:
        raise bad("invalid user_id specified")
    return api.world.member(chat, user)


@method("getUserChatBoosts")
def get_user_chat_boosts(api: Api, params: Params) -> Json:
    """What a user boosts a chat with; only for administrators of it."""
    chat = _group(api, params)
    if chat.status.get(BOT_ID) != "administrator":
        raise bad("CHAT_ADMIN_REQUIRED")
    user = api.world.users.get(params["user_id"])
    if user is None:
        raise bad("invalid user_id specified")
    return {"boosts": [api.world.boost(chat, user)] if user.id in chat.boosts else []}


@method("getChatAdministrators")
def get_chat_administrators(api: Api, params: Params) -> Json:
    """The administrators that are people; bots only if asked for, except this one."""
    chat = _group(api, params)
    ids = [user for user, status in chat.status.items() if status in ("creator", "administrator")]
    users = [api.world.users[user] for user in ids]
    wanted = [u for u in users if not u.is_bot or u.id == BOT_ID or params.get("return_bots")]
    return [api.world.member(chat, user) for user in wanted]


@method("getChatMemberCount")
def get_chat_member_count(api: Api, params: Params) -> Json:
    """How many are in a chat."""
    return sum(status in IN_CHAT for status in chat_of(api, params["chat_id"]).status.values())


@method("leaveChat")
def leave_chat(api: Api, params: Params) -> Json:
    """Leave a group."""
    _group(api, params).status[BOT_ID] = "left"
    return True


def _group(api: Api, params: Params) -> Chat:
    chat = chat_of(api, params["chat_id"])
    if chat.type == "private":
        raise bad("there are no administrators in the private chat")
    return chat
