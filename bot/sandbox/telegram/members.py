"""Who is in the groups, with which rights, and what the bot is told of changes."""

from __future__ import annotations

from collections.abc import Mapping

from bot.sandbox.frame import Json
from bot.sandbox.telegram.methods import Api
from bot.sandbox.telegram.world import BOT_ID, IN_CHAT, Chat, User, status_for


class Members:
    """Adds and changes members."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._world = api.world

    def change(self, key: str, fields: Mapping[str, Json]) -> User:
        """Add or change a member (or, called `herald`, the bot: `left` kicks it, `roles` decide its rights).

        The roles `administrator`, `creator` and `kicked` are Telegram's; `blocked`, a role or a field, means that the
        member has blocked the bot. When somebody joined or signed up is nothing that Telegram tells bots, so that
        `joined_at` and `created` change nothing here. Who is `boosting` boosts all groups.
        """
        known = len(self._world.users)
        user = self._world.user(key)
        chats = [*self._world.groups(), *([self._world.chats[user.id]] if user.id in self._world.chats else ())]
        before = {chat.id: {who: chat.status.get(who, "left") for who in (user.id, BOT_ID)} for chat in chats}
        if fields.get("name"):
            user.first_name = str(fields["name"])[:64]
        if user.id != BOT_ID:
            user.is_bot = bool(fields.get("is_bot", user.is_bot))
        self._set_status(user, fields)
        self._set_boosts(user, fields)
        if len(self._world.users) == known:
            self._tell_changes(user, before)
        return user

    def _set_status(self, user: User, fields: Mapping[str, Json]) -> None:
        if "roles" in fields:
            for chat in self._world.groups():
                if chat.status.get(user.id) in IN_CHAT:
                    chat.status[user.id] = status_for(fields["roles"])
        if user.started and user.id != BOT_ID and fields.keys() & {"roles", "blocked"}:
            blocked = fields.get("blocked") or "blocked" in fields.get("roles", ())
            self._world.private(user).status[BOT_ID] = "kicked" if blocked else "member"
        if "left" in fields:
            gone = "kicked" if user.id == BOT_ID else "left"
            back = "administrator" if user.id == BOT_ID else "member"
            for chat in self._world.groups():
                if fields["left"] or chat.status.get(user.id) not in IN_CHAT:
                    chat.status[user.id] = gone if fields["left"] else back

    def _set_boosts(self, user: User, fields: Mapping[str, Json]) -> None:
        """Boosts come and go with `boosting`, and end when their owner leaves."""
        ends = fields.get("boosting") is False or bool(fields.get("left"))
        now = int(self._api.now())
        for chat in self._world.groups():
            if fields.get("boosting") and not ends and user.id not in chat.boosts:
                chat.boosts[user.id] = now
                self._api.updates.push("chat_boost", {"chat": chat.api(), "boost": self._world.boost(chat, user)})
            elif ends and user.id in chat.boosts:
                boost = self._world.boost(chat, user)
                del chat.boosts[user.id]
                gone = {"boost_id": boost["boost_id"], "remove_date": now, "source": boost["source"]}
                self._api.updates.push("removed_chat_boost", {"chat": chat.api(), **gone})

    def _tell_changes(self, user: User, before: Mapping[int, Mapping[int, str]]) -> None:
        """`chat_member` for members, `my_chat_member` for the bot."""
        for chat in [self._world.chats[chat_id] for chat_id in before]:
            who = self._world.bot if chat.type == "private" else user
            old = before[chat.id][who.id]
            if old == chat.status.get(who.id, "left"):
                continue
            actor = user if who is user and user.id != BOT_ID else self._owner(chat)
            now = self._world.member(chat, who)
            was = self._world.member(Chat(0, chat.type, "", status={who.id: old}), who)
            change = {"chat": chat.api(), "from": actor.api(), "date": int(self._api.now())}
            kind = "my_chat_member" if who.id == BOT_ID else "chat_member"
            self._api.updates.push(kind, change | {"old_chat_member": was, "new_chat_member": now})

    def _owner(self, chat: Chat) -> User:
        return self._world.users[chat.id] if chat.type == "private" else self._world.user("owner")
