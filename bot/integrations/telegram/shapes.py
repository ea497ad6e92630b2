"""The parts of Telegram's updates that we read; everything else in them is left alone.

Names and meanings: https://core.telegram.org/bots/api#available-types.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Id = Annotated[int, Field(strict=True, gt=-(2**53), lt=2**53)]
"""Telegram's numbers have at most 52 significant bits."""


class Shape(BaseModel):
    """What all shapes share: unknown fields are ignored."""

    model_config = ConfigDict(extra="ignore", populate_by_name=False)


class User(Shape):
    """A person or a bot."""

    id: Id
    is_bot: bool = False
    first_name: str = ""
    last_name: str = ""
    username: str = ""
    language_code: str | None = None

    @property
    def full_name(self) -> str:
        """First and last name as Telegram shows them."""
        return f"{self.first_name} {self.last_name}".strip() or self.username or str(self.id)


class Chat(Shape):
    """A private conversation, a group, a supergroup or a channel."""

    id: Id
    type: str = ""
    title: str = ""
    username: str = ""
    first_name: str = ""


class Entity(Shape):
    """A marked part of a text; offset and length in UTF-16 units."""

    type: str
    offset: int
    length: int


class File(Shape):
    """What photos, documents, voices and their like have in common."""

    file_name: str = ""
    mime_type: str = ""
    file_size: int | None = None
    emoji: str = ""


class Target(Shape):
    """The message that another one answers."""

    message_id: Id
    forum_topic_created: Any = None


class Message(Shape):
    """A message in a chat, or what is left of one under a button (then `date` is 0)."""

    message_id: Id
    date: Id = 0
    edit_date: Id | None = None
    chat: Chat
    sender: User | None = Field(None, alias="from")
    sender_chat: Chat | None = None
    message_thread_id: Id | None = None
    is_topic_message: bool = False
    is_automatic_forward: bool = False
    forward_origin: Any = None
    forward_date: Any = None
    via_bot: Any = None
    author_signature: str = ""
    reply_to_message: Target | None = None
    text: str | None = None
    caption: str | None = None
    entities: list[Entity] = []
    migrate_to_chat_id: Id | None = None
    photo: list[File] | None = None
    animation: File | None = None
    audio: File | None = None
    document: File | None = None
    sticker: File | None = None
    video: File | None = None
    video_note: File | None = None
    voice: File | None = None


class CallbackQuery(Shape):
    """A press on a button. Telegram does not say when it happened."""

    id: str
    sender: User = Field(alias="from")
    message: Message | None = None
    data: str | None = None


class PollAnswer(Shape):
    """What somebody has chosen now in one of our polls: positions from 0, none where the vote was taken back."""

    poll_id: str
    voter_chat: Any = None
    user: User | None = None
    option_ids: list[Annotated[int, Field(strict=True, ge=0, lt=2**16)]]


class Update(Shape):
    """One thing that happened.

    Two fields are our own, put on when it arrived: `herald_received_at` (UTC seconds), and `herald_home`, the id under
    which the settings know its chat, where that is another one.
    """

    message: Message | None = None
    channel_post: Message | None = None
    edited_message: Message | None = None
    edited_channel_post: Message | None = None
    callback_query: CallbackQuery | None = None
    poll_answer: PollAnswer | None = None
    herald_received_at: float | None = None
    herald_home: str | None = None
