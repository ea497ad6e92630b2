"""What goes out, free of any platform: replies, cards, lines, prompts, polls, documents, notices, forms.

All strings are final: already in the reader's language, nothing left to translate. None of them is markup; a renderer
shows every character as it is, but for the moments (`chat.moments`) in cards, lines and notices. Limits that differ by
platform are in `Capabilities`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from bot.domain.places import Member

PAYLOAD_BYTES = 64
"""The longest button or form payload, in bytes (Telegram Bot API, `callback_data`)."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An approved text, delivered once and byte for byte, as an answer to `reply_to` where that is given."""

    text: str
    reply_to: str | None = None


@dataclass(frozen=True, slots=True)
class Button:
    """A button. `payload` comes back in ButtonPressed; with `url` it is a link and sends nothing."""

    label: str
    payload: str = ""
    style: Literal["primary", "danger", "plain"] = "plain"
    url: str | None = None


Tone = Literal["new", "waiting", "claimed", "good", "bad", "quiet"]


@dataclass(frozen=True, slots=True)
class Card:
    """A message with parts in a fixed order: header, comment, details, draft, status, buttons.

    Only `comment` may be shortened to fit; `draft` is shown whole, byte for byte. An empty part is left out. With
    `stacked` every button has a row of its own where labels would be cut otherwise (long options of a poll).
    """

    header: str
    comment: str = ""
    details: tuple[str, ...] = ()
    draft: str = ""
    status: tuple[str, ...] = ()
    buttons: tuple[Button, ...] = ()
    tone: Tone = "waiting"
    stacked: bool = False
    picture: str = ""
    """The https address of a picture that the platform fetches and shows with it."""


@dataclass(frozen=True, slots=True)
class Line:
    """A short text, in the thread of `reply_to` where that is given."""

    text: str
    reply_to: str | None = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """A form with one field for platforms without forms: a message that `member` answers by replying to it."""

    text: str
    member: Member
    member_name: str
    reply_to: str | None = None
    placeholder: str = ""


@dataclass(frozen=True, slots=True)
class NativePoll:
    """A poll that the platform itself shows and counts, voters visible. `closes_in` is in seconds.

    `correct` is the position of a quiz's right option, from 0. The id that `Platform.send` gives for it ends in what
    `PollVoted.poll` calls it, after a colon where that differs from the message's id.
    """

    question: str
    options: tuple[str, ...]
    closes_in: float
    multiple: bool = False
    hidden: bool = False
    """Results are shown after closing only."""
    revoting: bool = True
    correct: int | None = None
    explanation: str = ""
    description: str = ""
    """What is said beside it: how it counts, and who can see what."""


@dataclass(frozen=True, slots=True)
class Document:
    """A file, with a text beside it. Pictures (`image/png`) are shown as such."""

    name: str
    media_type: str
    content: bytes = field(repr=False)
    text: str = ""


Outgoing = Reply | Card | Line | Prompt | NativePoll | Document
"""What `Platform.send` creates and, where it makes sense, `Platform.edit` changes."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A text for one person only, answering what they just did.

    With `toast` it is shown only where that leaves nothing behind (Telegram's callback answer) and is dropped
    elsewhere. `hint` holds no content and may be shown publicly where nothing private can be reached. `buttons` stand
    under it; they are given only where `Capabilities.private` holds.
    """

    text: str
    member: Member
    hint: str = ""
    toast: bool = False
    buttons: tuple[Button, ...] = ()
    passing: bool = False
    """Worth saying only as the direct answer to a press: where that is not possible any more it is dropped, and nobody
    else learns that there was something to say."""
    direct: bool = False
    """A message of its own in a conversation with this one person, which stays there: the whole text, and no buttons.
    Nothing else will do: where the platform lets us reach nobody unasked (Telegram: who never wrote to the bot),
    `notify` raises Refused."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a form. `choices` are (value, label) pairs."""

    key: str
    label: str
    kind: Literal["text", "paragraph", "choice"] = "text"
    value: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    required: bool = True
    max_length: int | None = None


@dataclass(frozen=True, slots=True)
class Form:
    """A form to fill in; `payload` comes back in FormSubmitted. `failed` is told privately if it cannot be opened."""

    payload: str
    title: str
    fields: tuple[Field, ...]
    submit: str
    cancel: str
    failed: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """The event is stored; nothing to show at once."""


@dataclass(frozen=True, slots=True)
class OpenForm:
    """Open this form as the immediate answer."""

    form: Form


@dataclass(frozen=True, slots=True)
class FieldErrors:
    """The submitted form is refused; texts by field key."""

    errors: Mapping[str, str]


Answer = Accepted | OpenForm | FieldErrors
