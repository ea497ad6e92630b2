"""Drafts, and the append-only log of decisions over them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, bindparam

from bot.domain.places import Channel, Member
from bot.domain.review import Attempt, Draft, DraftState
from bot.domain.text import fingerprint
from bot.storage.dialects import insert
from bot.storage.hot import Hot
from bot.storage.tables import comments, decisions, drafts


class Conflict(Exception):
    """Somebody else changed the draft in between."""


@dataclass(frozen=True, slots=True)
class Origin:
    """How a draft's text came about; `why`, `flags` and `error` are catalogue keys."""

    language: str = "und"
    why: str = ""
    sources: tuple[tuple[str, str], ...] = ()
    flags: tuple[str, ...] = ()
    drafter: str = ""
    prompt: str | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """What a drafter made: the text, empty when a human has to answer, and how it came about."""

    text: str
    origin: Origin


@dataclass(frozen=True, slots=True)
class StoredDraft:
    """A draft as it is kept: what the rules look at, and what the card tells beside it."""

    comment_id: int
    ruled: Draft
    origin: Origin
    error: str
    created_at: float
    updated_at: float

    @property
    def id(self) -> int:
        """The short number that people type."""
        return self.ruled.id


_ADD = Hot(
    insert(drafts)
    .values(
        comment_id=bindparam("comment_id"),
        version=1,
        state=bindparam("state"),
        text=bindparam("text"),
        language=bindparam("language"),
        why=bindparam("why"),
        sources=bindparam("sources"),
        flags=bindparam("flags"),
        drafter=bindparam("drafter"),
        prompt=bindparam("prompt"),
        created_at=bindparam("now"),
        updated_at=bindparam("now"),
    )
    .on_conflict_do_nothing()
    .returning(drafts.c.id)
)
_GET = sa.select(drafts).where(drafts.c.id == bindparam("row"))
_OF_COMMENT = sa.select(drafts).where(drafts.c.comment_id == bindparam("row"))
_SWAP = (
    sa.update(drafts)
    .where(
        drafts.c.id == bindparam("row"),
        drafts.c.version == bindparam("old_version"),
        drafts.c.state == bindparam("old_state"),
    )
    .values(
        {
            name: bindparam(f"new_{name}")
            for name in (
                "version state text edited_by claimed_by claimed_name claimed_at decided_name decided_at reason "
                "instruction snoozed_until snoozed_name escalated_at escalated_name updated_at"
            ).split()
        }
    )
)
_TEXT = (
    sa.update(drafts)
    .where(drafts.c.id == bindparam("row"), drafts.c.version == bindparam("v"), drafts.c.state == "drafting")
    .values(
        state="waiting",
        text=bindparam("new_text"),
        language=bindparam("new_language"),
        why=bindparam("new_why"),
        sources=bindparam("new_sources"),
        flags=bindparam("new_flags"),
        drafter=bindparam("new_drafter"),
        prompt=bindparam("new_prompt"),
        updated_at=bindparam("now"),
    )
)


class Drafts:
    """The drafts of one unit of work."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, comment_id: int, now: float, made: Made | None = None) -> int | None:
        """Begin a draft for a comment, or keep the one that is made; its id, or None if there is one."""
        state = DraftState.DRAFTING if made is None else DraftState.WAITING
        values = {"comment_id": comment_id, "now": now, "state": state.value, **_origin(made or Made("", Origin()))}
        new: int | None = _ADD.value(self._connection, values)
        return new

    def get(self, draft_id: int) -> StoredDraft | None:
        """The draft of this number."""
        row = self._connection.execute(_GET, {"row": draft_id}).one_or_none()
        return read_draft(row._asdict()) if row else None

    def of_comment(self, comment_id: int) -> StoredDraft | None:
        """The draft that answers this comment."""
        row = self._connection.execute(_OF_COMMENT, {"row": comment_id}).one_or_none()
        return read_draft(row._asdict()) if row else None

    def fill(self, draft_id: int, version: int, made: Made, now: float) -> bool:
        """Give a draft that is being made its text; False if it is no longer wanted in this version."""
        values: dict[str, object] = {"row": draft_id, "v": version, "now": now}
        values |= {f"new_{name}": value for name, value in _origin(made).items()}
        return self._connection.execute(_TEXT, values).rowcount == 1

    def swap(self, old: Draft, new: Draft, now: float) -> None:
        """Put `new` in the place of `old`; raises Conflict if `old` is no longer what is stored."""
        values = {
            "row": old.id,
            "old_version": old.version,
            "old_state": old.state.value,
            "new_version": new.version,
            "new_state": new.state.value,
            "new_text": new.text,
            "new_edited_by": str(new.edited_by) if new.edited_by else None,
            "new_claimed_by": str(new.claimed_by) if new.claimed_by else None,
            "new_claimed_name": new.claimed_name,
            "new_claimed_at": new.claimed_at,
            "new_decided_name": new.decided_name,
            "new_decided_at": new.decided_at,
            "new_reason": new.reason,
            "new_instruction": new.instruction,
            "new_snoozed_until": new.snoozed_until,
            "new_snoozed_name": new.snoozed_name,
            "new_escalated_at": new.escalated_at,
            "new_escalated_name": new.escalated_name,
            "new_updated_at": now,
        }
        if self._connection.execute(_SWAP, values).rowcount != 1:
            raise Conflict(f"draft {old.id} is no longer version {old.version}, {old.state}")

    def outcome(self, draft_id: int, state: DraftState, error: str, now: float) -> None:
        """What became of the delivery; only while the reply is on its way or in doubt."""
        query = (
            sa.update(drafts)
            .where(drafts.c.id == draft_id, drafts.c.state.in_(("approved", "checking", "uncertain", "failed", "sent")))
            .values(state=state.value, error=error, updated_at=now)
        )
        self._connection.execute(query)

    def fail(self, draft_id: int, error: str, now: float) -> None:
        """Something after sending went wrong, or, with an empty text, right again; the state stays."""
        query = sa.update(drafts).where(drafts.c.id == draft_id).values(error=error, updated_at=now)
        self._connection.execute(query)

    def add_flag(self, draft: StoredDraft, flag: str) -> None:
        """Add a flag that the card shows; once."""
        if flag not in draft.origin.flags:
            flags = json.dumps([*draft.origin.flags, flag])
            self._connection.execute(sa.update(drafts).where(drafts.c.id == draft.id).values(flags=flags))

    def settle_flag(self, draft: StoredDraft, flag: str) -> None:
        """Take a flag away again."""
        if flag in draft.origin.flags:
            flags = json.dumps([one for one in draft.origin.flags if one != flag])
            self._connection.execute(sa.update(drafts).where(drafts.c.id == draft.id).values(flags=flags))

    def open(self, limit: int, now: float, tenant_of: Member | None = None) -> list[StoredDraft]:
        """Drafts that wait for a person, oldest first; those that sleep until later than `now` are left out."""
        query = (
            sa.select(drafts)
            .join(comments, comments.c.id == drafts.c.comment_id)
            .where(drafts.c.state.in_(("waiting", "uncertain", "failed")), drafts.c.snoozed_until <= now)
            .order_by(drafts.c.id)
            .limit(limit)
        )
        if tenant_of is not None:
            query = query.where(drafts.c.claimed_by == str(tenant_of))
        return [read_draft(row._asdict()) for row in self._connection.execute(query)]

    def counts(self) -> dict[str, int]:
        """Drafts by state."""
        query = sa.select(drafts.c.state, sa.func.count()).group_by(drafts.c.state)
        return {row.state: row[1] for row in self._connection.execute(query)}

    def decided(self, draft: Draft, attempt: Attempt, place: Channel, now: float) -> None:
        """Write a decision into the log, with the exact text that it was about."""
        values = {
            "draft_id": draft.id,
            "version": draft.version,
            "action": attempt.action.value,
            "member": str(attempt.actor.member),
            "name": attempt.actor.name,
            "place": str(place),
            "text": draft.text,
            "text_hash": fingerprint(draft.text),
            "reason": "" if attempt.text == draft.text else attempt.text,
            "at": now,
        }
        self._connection.execute(insert(decisions).values(values))


def _origin(made: Made) -> dict[str, object]:
    origin = made.origin
    return {
        "text": made.text,
        "language": origin.language,
        "why": origin.why,
        "sources": json.dumps(origin.sources, ensure_ascii=False),
        "flags": json.dumps(origin.flags),
        "drafter": origin.drafter,
        "prompt": origin.prompt,
    }


def read_draft(r: Mapping[str, Any]) -> StoredDraft:
    """A row of the table as what it stands for."""
    return StoredDraft(
        comment_id=r["comment_id"],
        ruled=Draft(
            id=r["id"],
            version=r["version"],
            state=DraftState(r["state"]),
            text=r["text"],
            edited_by=Member.parse(r["edited_by"]) if r["edited_by"] else None,
            claimed_by=Member.parse(r["claimed_by"]) if r["claimed_by"] else None,
            claimed_name=r["claimed_name"],
            claimed_at=r["claimed_at"],
            decided_name=r["decided_name"],
            decided_at=r["decided_at"],
            reason=r["reason"],
            instruction=r["instruction"],
            snoozed_until=r["snoozed_until"],
            snoozed_name=r["snoozed_name"],
            escalated_at=r["escalated_at"],
            escalated_name=r["escalated_name"],
        ),
        origin=Origin(
            language=r["language"],
            why=r["why"],
            sources=tuple((a, b) for a, b in json.loads(r["sources"])),
            flags=tuple(json.loads(r["flags"])),
            drafter=r["drafter"],
            prompt=r["prompt"],
        ),
        error=r["error"],
        created_at=r["created_at"],
        updated_at=r["updated_at"],
    )
