"""Comments: what members wrote in watched channels, with what became of the message since."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, bindparam

from bot.chat.events import MessagePosted
from bot.domain import review
from bot.domain.places import Channel, Member
from bot.storage.dialects import insert
from bot.storage.hot import Hot
from bot.storage.tables import comments


@dataclass(frozen=True, slots=True)
class Verdict:
    """What triage made of a comment."""

    language: str = "und"
    needs_reply: bool = False
    reason: str = ""
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredComment:
    """A comment as it is kept."""

    id: int
    channel: Channel
    message_id: str
    author: Member
    author_name: str
    text: str
    attachments: tuple[str, ...]
    url: str | None
    reply_to: str | None
    verdict: Verdict
    sent_at: float
    deleted: bool
    answered_by: str | None
    answered_text: str

    @property
    def ruled(self) -> review.Comment:
        """The comment as the rules of review see it."""
        return review.Comment(self.id, self.text, self.deleted, self.answered_by, self.answered_text)


@dataclass(frozen=True, slots=True)
class Written:
    """A comment as contests ask for it; `id` tells apart what was sent in the same moment (`sent_at`, UTC seconds)."""

    id: int
    author: Member
    author_name: str
    message_id: str
    text: str
    sent_at: float


_VALUES = (
    "platform tenant channel_id thread_id parent_id message_id author_id author_name text attachments url reply_to "
    "language needs_reply reason flags sent_at received_at"
).split()
_ADD = Hot(
    insert(comments)
    .values({name: bindparam(name) for name in _VALUES})
    .on_conflict_do_nothing()
    .returning(comments.c.id)
)
_DELETED = sa.select(comments.c.deleted_at).where(comments.c.id == bindparam("row"))
_MINE = sa.and_(
    comments.c.platform == bindparam("p"),
    comments.c.tenant == bindparam("t"),
    comments.c.channel_id == bindparam("c"),
    comments.c.message_id == bindparam("m"),
)
_FIND = sa.select(comments).where(_MINE)
_IS_EARLY = sa.select(comments.c.early).where(_MINE)
_GET = sa.select(comments).where(comments.c.id == bindparam("row"))
_EDIT = (
    sa.update(comments)
    .where(_MINE, sa.or_(comments.c.edited_at.is_(None), comments.c.edited_at <= bindparam("at")))
    .values(text=bindparam("new"), edited_at=bindparam("at"))
)
_ADOPTED = [name for name in _VALUES if name not in {"text", "message_id"}]
_ADOPT = (
    sa.update(comments)
    .where(_MINE, comments.c.early)
    .values({name: bindparam(name) for name in _ADOPTED} | {"early": False})
    .returning(comments.c.id)
)
_WRITTEN = Hot(
    sa.select(sa.func.count())
    .select_from(comments)
    .where(
        comments.c.platform == bindparam("of_platform"),
        comments.c.author_id == bindparam("of_author"),
        comments.c.sent_at >= bindparam("since"),
        comments.c.early.is_(False),
        comments.c.deleted_at.is_(None),
    )
)


def _at(channel: Channel, message_id: str) -> dict[str, str]:
    return {"p": channel.platform, "t": channel.tenant, "c": channel.channel_id, "m": message_id}


class Comments:
    """The comments of one unit of work."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, posted: MessagePosted, verdict: Verdict, now: float) -> int | None:
        """Keep a message as a comment; its id, or None if it was kept before or is deleted already.

        An edit or a deletion that came first is not undone.
        """
        values = self._values(posted, verdict, now)
        new: int | None = _ADD.value(self._connection, values)
        if new is not None:
            return new
        # A parameter that is named like a column would be set, too: the text must not be among them.
        adopting = {name: values[name] for name in _ADOPTED} | _at(posted.channel, posted.message_id)
        adopted: int | None = self._connection.execute(_ADOPT, adopting).scalar_one_or_none()
        if adopted is None or self._connection.execute(_DELETED, {"row": adopted}).scalar_one() is not None:
            return None
        return adopted

    @staticmethod
    def _values(posted: MessagePosted, verdict: Verdict, now: float) -> dict[str, object]:
        where = posted.channel
        return {
            "platform": where.platform,
            "tenant": where.tenant,
            "channel_id": where.channel_id,
            "thread_id": where.thread_id,
            "parent_id": where.parent_id,
            "message_id": posted.message_id,
            "author_id": posted.author.user_id,
            "author_name": posted.author_name,
            "text": posted.text,
            "attachments": json.dumps([a.name for a in posted.attachments], ensure_ascii=False),
            "url": posted.url,
            "reply_to": posted.reply_to,
            "language": verdict.language,
            "needs_reply": verdict.needs_reply,
            "reason": verdict.reason,
            "flags": json.dumps(verdict.flags),
            "sent_at": posted.sent_at,
            "received_at": now,
        }

    def edit(self, channel: Channel, message_id: str, text: str, edited_at: float, now: float) -> StoredComment | None:
        """Give it a newer text; the comment, or None if it is not (yet) one of ours.

        An edit that arrives before its message is kept for it.
        """
        at = _at(channel, message_id)
        early = self._connection.execute(_IS_EARLY, at).scalar_one_or_none()
        if early is None:
            self._early(channel, message_id, text, now, edited_at=edited_at)
            return None
        self._connection.execute(_EDIT, at | {"new": text, "at": edited_at})
        return None if early else self.find(channel, message_id)

    def delete(self, channel: Channel, message_id: str, now: float) -> StoredComment | None:
        """Mark it deleted; the comment, or None if it is not (yet) one of ours."""
        early = self._connection.execute(_IS_EARLY, _at(channel, message_id)).scalar_one_or_none()
        if early is None:
            self._early(channel, message_id, "", now, deleted_at=now)
            return None
        query = sa.update(comments).where(_MINE, comments.c.deleted_at.is_(None)).values(deleted_at=now)
        self._connection.execute(query, _at(channel, message_id))
        return None if early else self.find(channel, message_id)

    def _early(self, channel: Channel, message_id: str, text: str, now: float, **times: float) -> None:
        values = {
            "platform": channel.platform,
            "tenant": channel.tenant,
            "channel_id": channel.channel_id,
            "message_id": message_id,
            "author_id": "",
            "author_name": "",
            "text": text,
            "sent_at": now,
            "received_at": now,
            "early": True,
        }
        self._connection.execute(insert(comments).values(values | times).on_conflict_do_nothing())

    def judge(self, comment_id: int, verdict: Verdict) -> None:
        """Keep a new verdict."""
        values = {
            "language": verdict.language,
            "needs_reply": verdict.needs_reply,
            "reason": verdict.reason,
            "flags": json.dumps(verdict.flags),
        }
        self._connection.execute(sa.update(comments).where(comments.c.id == comment_id).values(values))

    def answered(self, comment_id: int, name: str, text: str) -> None:
        """A teammate answered it in the thread."""
        query = sa.update(comments).where(comments.c.id == comment_id).values(answered_by=name, answered_text=text)
        self._connection.execute(query)

    def find(self, channel: Channel, message_id: str) -> StoredComment | None:
        """The comment that this message is."""
        row = self._connection.execute(_FIND, _at(channel, message_id)).one_or_none()
        return read_comment(row._asdict()) if row else None

    def by_url(self, url: str) -> StoredComment | None:
        """The comment behind a link."""
        query = sa.select(comments).where(comments.c.url == url).order_by(comments.c.id.desc()).limit(1)
        row = self._connection.execute(query).one_or_none()
        return read_comment(row._asdict()) if row else None

    def tenant(self, channel: Channel) -> str | None:
        """The tenant in which this channel (by platform and id) was heard; None: it never was."""
        query = sa.select(comments.c.tenant).where(
            comments.c.platform == channel.platform, comments.c.channel_id == channel.channel_id
        )
        found: str | None = self._connection.execute(query.limit(1)).scalar()
        return found

    def first_seen(self, member: Member) -> float | None:
        """When this member first wrote something that was heard, in UTC seconds; None: never."""
        query = sa.select(sa.func.min(comments.c.sent_at)).where(
            comments.c.platform == member.platform, comments.c.author_id == member.user_id
        )
        found: float | None = self._connection.execute(query).scalar()
        return found

    def written(self, members: Collection[str], since: float) -> int:
        """How many messages of these members (addresses) were heard in watched channels since then (UTC seconds).

        Deleted ones do not count. Of everybody but bots and the team each message is kept, also what asks for no reply.
        """
        count = 0
        for member in map(Member.parse, set(members)):
            values = {"of_platform": member.platform, "of_author": member.user_id, "since": since}
            count += _WRITTEN.value(self._connection, values)
        return count

    def commenters(
        self, channel: Channel, since: float, until: float, after: tuple[float, int] = (0.0, 0), count: int = 1000
    ) -> list[Written]:
        """At most `count` comments in a channel from `since` up to, and without, `until` (UTC seconds), oldest first.

        With a thread only those in it, without one also those in its threads. What was deleted is left out. The next
        page is what lies behind the last one's `(sent_at, id)`.
        """
        c = comments.c
        query = sa.select(c.id, c.platform, c.tenant, c.author_id, c.author_name, c.message_id, c.text, c.sent_at)
        query = query.where(
            c.platform == channel.platform,
            c.channel_id == channel.channel_id,
            c.sent_at >= max(since, after[0]),
            c.sent_at < until,
            sa.or_(c.sent_at > after[0], c.id > after[1]),
            c.early.is_(False),
            c.deleted_at.is_(None),
        )
        if channel.thread_id is not None:
            query = query.where(c.thread_id == channel.thread_id)
        rows = self._connection.execute(query.order_by(c.sent_at, c.id).limit(count))
        return [Written(row[0], Member(*row[1:4]), *row[4:]) for row in rows]

    def authors(self, places: Sequence[tuple[str, str]], since: float) -> int:
        """How many members wrote in these channels (platform and id) since then."""
        query = sa.select(comments.c.platform, comments.c.author_id).where(
            sa.tuple_(comments.c.platform, comments.c.channel_id).in_(places), comments.c.sent_at >= since
        )
        counted = sa.select(sa.func.count()).select_from(query.distinct().subquery())
        return int(self._connection.execute(counted).scalar_one())

    def get(self, comment_id: int) -> StoredComment:
        """The comment of this id, which must exist."""
        return read_comment(self._connection.execute(_GET, {"row": comment_id}).one()._asdict())

    def in_thread(self, comment: StoredComment, limit: int) -> list[StoredComment]:
        """Earlier comments of the same conversation, oldest first."""
        root = comment.reply_to
        if root is None:
            return []
        query = (
            sa.select(comments)
            .where(
                comments.c.platform == comment.channel.platform,
                comments.c.channel_id == comment.channel.channel_id,
                sa.or_(comments.c.message_id == root, comments.c.reply_to == root),
                comments.c.id < comment.id,
                comments.c.early.is_(False),
                comments.c.deleted_at.is_(None),
            )
            .order_by(comments.c.id.desc())
            .limit(limit)
        )
        return [read_comment(row._asdict()) for row in self._connection.execute(query)][::-1]


def read_comment(r: Mapping[str, Any]) -> StoredComment:
    """A row of the table as what it stands for."""
    return StoredComment(
        id=r["id"],
        channel=Channel(r["platform"], r["tenant"], r["channel_id"], r["thread_id"], r["parent_id"]),
        message_id=r["message_id"],
        author=Member(r["platform"], r["tenant"], r["author_id"]),
        author_name=r["author_name"],
        text=r["text"],
        attachments=tuple(json.loads(r["attachments"])),
        url=r["url"],
        reply_to=r["reply_to"],
        verdict=Verdict(r["language"], bool(r["needs_reply"]), r["reason"], tuple(json.loads(r["flags"]))),
        sent_at=r["sent_at"],
        deleted=r["deleted_at"] is not None,
        answered_by=r["answered_by"],
        answered_text=r["answered_text"],
    )
