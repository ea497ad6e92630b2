"""The bot itself: who it is, its commands and profile, its webhook."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from bot.sandbox.frame import Json
from bot.sandbox.telegram.errors import bad
from bot.sandbox.telegram.methods.base import Api, chat_of, method
from bot.sandbox.telegram.params import Params
from bot.sandbox.telegram.webhook import Webhook

LOGGED_OUT_SECONDS = 600.0
_COMMANDS_AT_MOST = 100
_SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}")
_LANGUAGE = re.compile(r"([a-z]{2})?")


@method("getMe")
def get_me(api: Api, _params: Params) -> Json:
    """The bot as a user, with what it may do."""
    return {
        **api.world.bot.api(),
        "can_join_groups": True,
        "can_read_all_group_messages": True,
        "supports_guest_queries": False,
        "supports_inline_queries": False,
        "can_connect_to_business": False,
        "has_main_web_app": False,
        "has_topics_enabled": False,
        "allows_users_to_create_topics": False,
        "can_manage_bots": False,
        "supports_join_request_queries": False,
    }


@method("logOut")
def log_out(api: Api, _params: Params) -> Json:
    """Leave this server: its token is refused for ten minutes."""
    api.logged_out_until = api.now() + LOGGED_OUT_SECONDS
    return True


@method("close")
def close(_api: Api, _params: Params) -> Json:
    """Close the bot's instance before it is moved; the next call opens it again."""
    return True


def _scope(api: Api, params: Params) -> str:
    """The scope as a key; 400 where its chat or user does not exist."""
    scope = params.get("scope", {"type": "default"})
    parts = [scope["type"]]
    if "chat_id" in scope:
        parts.append(str(chat_of(api, scope["chat_id"]).id))
    if "user_id" in scope:
        if scope["user_id"] not in api.world.users:
            raise bad("invalid user_id specified")
        parts.append(str(scope["user_id"]))
    return "/".join(parts)


def _language(params: Params) -> str:
    code: str = params.get("language_code", "")
    if not _LANGUAGE.fullmatch(code):
        raise bad("BOT_LANG_CODE_INVALID" if len(code) < 9 else "language_code is too long")
    return code


@method("setMyCommands")
def set_my_commands(api: Api, params: Params) -> Json:
    """Set the menu of commands for a scope and a language."""
    commands = params["commands"]
    if len(commands) > _COMMANDS_AT_MOST:
        raise bad("BOT_COMMANDS_TOO_MUCH")
    for command in commands:
        if not re.fullmatch(r"[a-z0-9_]{1,32}", command["command"].removeprefix("/")):
            raise bad("BOT_COMMAND_INVALID")
        if not command["description"].strip():
            raise bad("BOT_COMMAND_DESCRIPTION_INVALID")
    names = [command["command"] for command in commands]
    if len(set(names)) < len(names):
        raise bad("BOT_COMMAND_INVALID")
    api.commands[_scope(api, params), _language(params)] = commands
    return True


@method("getMyCommands")
def get_my_commands(api: Api, params: Params) -> Json:
    """The menu of exactly that scope and language."""
    return api.commands.get((_scope(api, params), _language(params)), [])


@method("deleteMyCommands")
def delete_my_commands(api: Api, params: Params) -> Json:
    """Remove the menu of that scope and language."""
    api.commands.pop((_scope(api, params), _language(params)), None)
    return True


def _profile(name: str, setter: str, getter: str) -> None:
    """The pair of methods for one of the bot's profile texts."""

    @method(setter)
    def set_text(api: Api, params: Params) -> Json:
        api.profile[name, _language(params)] = params.get(name, "")
        return True

    @method(getter)
    def get_text(api: Api, params: Params) -> Json:
        fallback = api.world.bot.first_name if name == "name" else ""
        own = api.profile.get((name, _language(params)))
        return {name: own or api.profile.get((name, "")) or fallback}


_profile("name", "setMyName", "getMyName")
_profile("description", "setMyDescription", "getMyDescription")
_profile("short_description", "setMyShortDescription", "getMyShortDescription")


@method("setWebhook")
def set_webhook(api: Api, params: Params) -> Json:
    """Have updates posted to an address.

    The real Telegram demands https on port 443, 80, 88 or 8443. Here an address on loopback may have plain http and any
    port, as with a Bot API server of one's own (`--local`), and no other address is taken at all.
    """
    if not params["url"]:
        return delete_webhook(api, params)
    target = urlsplit(params["url"])
    if target.scheme not in ("http", "https") or target.hostname not in ("127.0.0.1", "localhost"):
        raise bad("bad webhook: this server posts to 127.0.0.1 and localhost only")
    secret = params.get("secret_token")
    if secret is not None and not _SECRET.fullmatch(secret):
        raise bad("secret token contains unallowed characters")
    most = params.get("max_connections", 40)
    if not 1 <= most <= 100:
        raise bad("max_connections must be between 1 and 100")
    _set_allowed(api, params)
    api.updates.set_webhook(Webhook(params["url"], secret, most, params.get("ip_address")))
    return True


@method("deleteWebhook")
def delete_webhook(api: Api, params: Params) -> Json:
    """Go back to getUpdates."""
    api.updates.set_webhook(None)
    if params.get("drop_pending_updates"):
        api.updates.forget_all()
    return True


def _set_allowed(api: Api, params: Params) -> None:
    if params.get("drop_pending_updates"):
        api.updates.forget_all()
    if "allowed_updates" in params:
        api.updates.allowed = tuple(params["allowed_updates"])


@method("getWebhookInfo")
def get_webhook_info(api: Api, _params: Params) -> Json:
    """The webhook's state, or an empty address."""
    updates, hook = api.updates, api.updates.webhook
    info: dict[str, Any] = {
        "url": hook.url if hook else "",
        "has_custom_certificate": False,
        "pending_update_count": updates.waiting,
    }
    if hook:
        info["max_connections"] = hook.max_connections
        info |= {"ip_address": hook.ip_address} if hook.ip_address else {}
    if updates.webhook_error:
        info["last_error_date"], info["last_error_message"] = updates.webhook_error
    return info | ({"allowed_updates": list(updates.allowed)} if updates.allowed else {})
