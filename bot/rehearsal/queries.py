"""All SQL of the rehearsal: the bot's SQLite database, read only, by plain queries.

Nothing here counts by the bot's own counters; rows come back as they are and are compared elsewhere.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from bot.rehearsal.errors import RehearsalError
from bot.rehearsal.journal import Message

_WAIT_SECONDS = 10.0

_COMMENTS = (
    "SELECT id, platform, channel_id, thread_id, message_id, needs_reply, received_at FROM comments WHERE NOT early"
)
_DRAFTS = "SELECT id, comment_id, text FROM drafts"
_DECISIONS = "SELECT draft_id, action, text, at FROM decisions ORDER BY id"
_REPLIES = (
    "SELECT draft_id, platform, channel_id, reply_to, text FROM outbox WHERE kind = 'reply' ORDER BY created_at, id"
)
_CARDS = "SELECT draft_id, platform, channel_id, message_id FROM cards WHERE message_id IS NOT NULL"
_VIEWS = "SELECT id, draft_id FROM views"
_PROGRESS = """
SELECT (SELECT count(*) FROM comments),
       (SELECT count(*) FROM drafts),
       (SELECT count(*) FROM decisions),
       (SELECT count(*) FROM outbox WHERE state IN ('pending', 'claimed', 'sending') OR look_at IS NOT NULL),
       (SELECT count(*) FROM outbox),
       (SELECT count(*) FROM inbox WHERE state = 'new'),
       (SELECT count(*) FROM drafts WHERE state = 'drafting')
"""


@dataclass(frozen=True, slots=True)
class CommentRow:
    """A comment that the bot stored; `received_at` in UTC seconds."""

    id: str
    message: Message
    thread_id: str | None
    needs_reply: bool
    received_at: float | None


@dataclass(frozen=True, slots=True)
class DraftRow:
    """A draft in its present version."""

    id: str
    comment_id: str
    text: str


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """A decision about a draft, over this text."""

    draft_id: str
    action: str
    text: str
    at: float


@dataclass(frozen=True, slots=True)
class ReplyRow:
    """A reply on its way, or arrived."""

    draft_id: str
    platform: str
    channel_id: str
    reply_to: str | None
    text: str


@dataclass(frozen=True, slots=True)
class CardRow:
    """Where the card of a draft is."""

    draft_id: str
    message: Message


@dataclass(frozen=True)
class Records:
    """Everything that a report compares with the journal."""

    comments: list[CommentRow] = field(default_factory=list)
    drafts: list[DraftRow] = field(default_factory=list)
    decisions: list[DecisionRow] = field(default_factory=list)
    replies: list[ReplyRow] = field(default_factory=list)
    cards: list[CardRow] = field(default_factory=list)
    views: dict[str, str] = field(default_factory=dict)
    """Drafts by the ids that the payloads of their cards' buttons carry."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How much there is, to see whether something still happens; `open` are deliveries
    on their way, `unread` events that were stored but not looked at, `drafting` drafts that are being made."""

    comments: int = 0
    drafts: int = 0
    decisions: int = 0
    open: int = 0
    deliveries: int = 0
    unread: int = 0
    drafting: int = 0


def read_records(path: Path) -> Records:
    """All records of the bot's database. Raises RehearsalError where it cannot be read."""
    with closing(_open(path)) as database:
        try:
            return Records(
                comments=[_comment(row) for row in database.execute(_COMMENTS)],
                drafts=[DraftRow(str(i), str(comment), text or "") for i, comment, text in database.execute(_DRAFTS)],
                decisions=[
                    DecisionRow(str(draft), action, text or "", float(at))
                    for draft, action, text, at in database.execute(_DECISIONS)
                ],
                replies=[
                    ReplyRow(str(draft), platform, str(channel), None if to is None else str(to), text or "")
                    for draft, platform, channel, to, text in database.execute(_REPLIES)
                ],
                cards=[
                    CardRow(str(draft), Message(platform, str(channel), str(message)))
                    for draft, platform, channel, message in database.execute(_CARDS)
                ],
                views={str(view): str(draft) for view, draft in database.execute(_VIEWS)},
            )
        except sqlite3.Error as error:
            raise RehearsalError(f"cannot read the bot's records in {path}: {error}") from error


def _comment(row: tuple[object, ...]) -> CommentRow:
    identity, platform, channel, thread, message, needs_reply, received_at = row
    where = Message(str(platform), str(channel), str(message))
    received = float(received_at) if isinstance(received_at, int | float) else None
    return CommentRow(str(identity), where, None if thread is None else str(thread), bool(needs_reply), received)


def read_progress(path: Path) -> Progress:
    """How far the bot is; nothing yet where its tables are not there. Raises RehearsalError."""
    if not path.exists():
        return Progress()
    with closing(_open(path)) as database:
        try:
            return Progress(*database.execute(_PROGRESS).fetchone())
        except sqlite3.OperationalError as error:
            raise RehearsalError(f"cannot read the bot's records in {path}: {error}") from error


def _open(path: Path) -> sqlite3.Connection:
    if not path.is_file():
        raise RehearsalError(f"there is no database {path}")
    try:
        return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=_WAIT_SECONDS)
    except sqlite3.Error as error:
        raise RehearsalError(f"cannot open the database {path}: {error}") from error
