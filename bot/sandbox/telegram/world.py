"""What exists on the local Telegram: users, chats, messages, files, callback queries."""

from __future__ import annotations

import hashlib
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from bot.sandbox.frame import KEPT_MESSAGES, Clock, ControlError, Json

BOT_ID = 7000000001
BOT_USERNAME = "herald_sandbox_bot"
TOKEN = f"{BOT_ID}:AAsandbox0herald0only0on0loopback00000"
WEBHOOK_SECRET = "sandbox-webhook-secret-0on0loopback"  # noqa: S105 - good for this local server only
GROUPS = {"community": -1001000000101, "review": -1001000000102, "general": -1001000000103}
PRIVATE = {"private", "dm"}
"""Words for a member's own chat with the bot, wherever a channel is named."""
_FIRST_USER = 5000000001
BOOST_SECONDS = 30 * 86400
"""How long a boost lasts unless Premium is prolonged; whoever boosts here prolongs it until told otherwise."""
_ADMIN_ROLES = {"administrator", "admin"}
_OWNER_ROLES = {"creator", "owner"}
_BANNED_ROLES = {"kicked", "banned"}
_ADMIN_RIGHTS = (
    "can_manage_chat", "can_delete_messages", "can_manage_video_chats", "can_restrict_members", "can_promote_members",
    "can_change_info", "can_invite_users", "can_post_stories", "can_edit_stories", "can_delete_stories",
    "can_pin_messages", "can_manage_topics",
)  # fmt: skip

IN_CHAT = frozenset({"creator", "administrator", "member"})


@dataclass
class User:
    """Somebody with a Telegram account; `key` is the name that the control interface calls them by."""

    id: int
    key: str
    first_name: str
    username: str | None = None
    is_bot: bool = False
    started: bool = False
    """Whether they opened a private chat with the bot: only then may the bot write to them."""

    def api(self) -> Json:
        """As Bot API `User`."""
        user = {"id": self.id, "is_bot": self.is_bot, "first_name": self.first_name}
        return user | ({"username": self.username} if self.username else {})


@dataclass
class Prompt:
    """A message that asks for a reply (`force_reply`), as an open form."""

    label: str
    selective_for: frozenset[int] | None
    """Who is asked; None: everybody in the chat."""
    answered_by: set[int] = field(default_factory=set)

    def asks(self, user_id: int) -> bool:
        """Whether the prompt is still open for that user."""
        return user_id not in self.answered_by and (self.selective_for is None or user_id in self.selective_for)


@dataclass(slots=True, eq=False)
class Message:
    """A message; `body` is its Bot API form (without `reply_to_message`, which is filled in when it is answered)."""

    chat: Chat
    id: int
    author: User
    body: dict[str, Any]
    reply_to: Message | None = None
    deleted: bool = False
    prompt: Prompt | None = None
    poll: Any = None
    reactions: dict[int, list[str]] = field(default_factory=dict)

    def api(self, *, nested: bool = False) -> Json:
        """As Bot API `Message`; a reply's own reply is never included."""
        if nested or self.reply_to is None or self.reply_to.deleted:
            return self.body
        return {**self.body, "reply_to_message": self.reply_to.api(nested=True)}

    def forget(self) -> None:
        """Take it out of its chat: this server keeps so many messages only."""
        self.chat.messages.pop(self.id, None)
        self.chat.drop(self)

    @property
    def text(self) -> str:
        """Text or caption."""
        return str(self.body.get("text", self.body.get("caption", "")))


@dataclass(frozen=True)
class Toast:
    """What a callback answer showed to one person, in a chat, after a message."""

    id: str
    user: User
    text: str
    alert: bool


Timeline = deque[Message | Toast]
"""What stands in a chat, oldest first."""


@dataclass
class Chat:
    """A supergroup, or a user's private chat with the bot."""

    id: int
    type: str
    title: str
    username: str | None = None
    description: str = ""
    status: dict[int, str] = field(default_factory=dict)
    """Each user's `ChatMember.status`."""
    boosts: dict[int, int] = field(default_factory=dict)
    """Who boosts the chat, and since when (UTC seconds)."""
    messages: dict[int, Message] = field(default_factory=dict)
    timeline: Timeline = field(default_factory=deque)
    pinned: list[int] = field(default_factory=list)
    next_id: int = 1

    def api(self) -> Json:
        """As Bot API `Chat`."""
        if self.type == "private":
            chat: dict[str, Any] = {"id": self.id, "type": "private", "first_name": self.title}
        else:
            chat = {"id": self.id, "type": self.type, "title": self.title}
        return chat | ({"username": self.username} if self.username else {})

    def drop(self, message: Message) -> None:
        """Forget a message that is among the oldest, and the toasts before it."""
        while self.timeline and self.timeline[0] is not message and isinstance(self.timeline[0], Toast):
            self.timeline.popleft()
        if self.timeline and self.timeline[0] is message:
            self.timeline.popleft()

    def message(self, message_id: int) -> Message | None:
        """The message with that id, unless deleted."""
        found = self.messages.get(message_id)
        return None if found is None or found.deleted else found


@dataclass
class StoredFile:
    """A file that was sent; `path` is what getFile answers."""

    id: str
    path: str
    name: str
    mime: str
    data: bytes
    size: tuple[int, int] | None = None
    """Width and height of a picture."""

    @property
    def unique_id(self) -> str:
        """The same for equal content."""
        return "AQ" + hashlib.sha256(self.data).hexdigest()[:14]


class World:
    """All of it, with the sandbox's clock."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.bot = User(BOT_ID, "herald", "Herald", BOT_USERNAME, is_bot=True)
        self.users: dict[int, User] = {BOT_ID: self.bot}
        self._by_key: dict[str, User] = {"herald": self.bot, BOT_USERNAME: self.bot}
        self.chats: dict[int, Chat] = {}
        self.files: dict[str, StoredFile] = {}
        self._posted: deque[Message] = deque()
        self._groups: list[Chat] = []
        for number, (name, chat_id) in enumerate(GROUPS.items()):
            chat = Chat(chat_id, "supergroup", f"Herald {name}", f"herald_{name}", next_id=100 * number + 2)
            chat.status[BOT_ID] = "administrator"
            self.chats[chat_id] = chat
            self._groups.append(chat)

    def user(self, key: str) -> User:
        """The user called so (name, id or @username); an unknown name makes one, who is in all groups."""
        word = key.removeprefix("@")
        if word in self._by_key:
            return self._by_key[word]
        if word.isdecimal():
            if int(word) in self.users:
                return self.users[int(word)]
            raise ControlError(f"there is no Telegram user with id {word}")
        return self._add_user(word)

    def _add_user(self, key: str) -> User:
        if not key or len(key) > 64:
            raise ControlError("a member's name has 1 to 64 characters")
        username = key if re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{3,31}", key) else None
        user = User(_FIRST_USER + len(self.users) - 1, key, key, username)
        self.users[user.id] = self._by_key[key] = user
        for chat in self.groups():
            chat.status[user.id] = "member"
        return user

    def started(self, key: str) -> User:
        """The user called so, who has opened a private chat with the bot."""
        user = self.user(key)
        user.started = True
        self.private(user)
        return user

    def groups(self) -> Iterator[Chat]:
        """The supergroups."""
        return iter(self._groups)

    def private(self, user: User) -> Chat:
        """The user's chat with the bot, made where it is missing."""
        if user.id not in self.chats:
            chat = Chat(user.id, "private", user.first_name, user.username)
            chat.status |= {user.id: "member", BOT_ID: "member"}
            self.chats[user.id] = chat
        return self.chats[user.id]

    def channel(self, name: str, user: User | None) -> Chat:
        """The chat that a control call names: a group's short name, @username or id, or `private`."""
        if name in GROUPS:
            return self.chats[GROUPS[name]]
        if name in PRIVATE or (user is not None and name == str(user.id)):
            if user is None:
                raise ControlError("a private chat is somebody's: say whose with member")
            return self.private(user)
        named = self.chats.get(int(name)) if re.fullmatch(r"-?\d{1,18}", name) else None
        found = named or next((chat for chat in self._groups if name == f"@{chat.username}"), None)
        if found is not None and (found.type != "private" or user is None):
            return found
        raise ControlError(f"Telegram has no channel {name!r} here; there are {', '.join(GROUPS)} and private")

    def post(self, chat: Chat, author: User, content: dict[str, Any], reply_to: Message | None = None) -> Message:
        """A new message with `content` beside the fields that all have."""
        number = chat.next_id
        chat.next_id += 1
        body = {
            "message_id": number,
            "from": author.api(),
            "chat": chat.api(),
            "date": int(self.clock.now()),
            **content,
        }
        message = Message(chat, number, author, body, reply_to)
        chat.messages[number] = message
        chat.timeline.append(message)
        self._posted.append(message)
        if len(self._posted) > KEPT_MESSAGES:
            self._posted.popleft().forget()
        return message

    def store(self, name: str, mime: str, data: bytes, folder: str) -> StoredFile:
        """Keep a file and give it its id."""
        number = len(self.files) + 1
        safe = re.sub(r"[^A-Za-z0-9.-]|\.(?=\.)", "_", name.rpartition("/")[2])[-40:].lstrip(".")
        file_id = f"BQAC{hashlib.sha256(f'{number}'.encode()).hexdigest()[:40]}"
        stored = StoredFile(file_id, f"{folder}/{number}_{safe or 'file'}", name, mime, data)
        self.files[file_id] = stored
        return stored

    def boost(self, chat: Chat, user: User) -> Json:
        """The user's boost of a chat as Bot API `ChatBoost`."""
        added = chat.boosts[user.id]
        identity = hashlib.sha256(f"boost {chat.id} {user.id} {added}".encode()).hexdigest()[:32]
        about = {"boost_id": identity, "add_date": added, "expiration_date": added + BOOST_SECONDS}
        return {**about, "source": {"source": "premium", "user": user.api()}}

    def member(self, chat: Chat, user: User) -> Json:
        """As Bot API `ChatMember`."""
        status = chat.status.get(user.id, "left")
        member: dict[str, Any] = {"status": status, "user": user.api()}
        if status == "creator":
            member["is_anonymous"] = False
        elif status == "administrator":
            member |= {"can_be_edited": False, "is_anonymous": False} | dict.fromkeys(_ADMIN_RIGHTS, True)
        elif status == "kicked":
            member["until_date"] = 0
        return member


def status_for(roles: list[Json]) -> str:
    """The chat status that control roles mean; roles that Telegram does not have are Herald's business, not ours."""
    words = {str(role).lower() for role in roles}
    if words & _BANNED_ROLES:
        return "kicked"
    if words & _OWNER_ROLES:
        return "creator"
    return "administrator" if words & _ADMIN_ROLES else "member"
