"""Polls, the messages that show them, and what is written down about each: its log, who was refused, what was odd."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, bindparam

from bot.domain.places import Channel, Member
from bot.domain.polls import Kind, Option, OptionState, Poll, Question, Restrictions, Series, State
from bot.storage.batches import known
from bot.storage.dialects import insert
from bot.storage.drafts import Conflict
from bot.storage.hot import Hot
from bot.storage.tables import poll_log, poll_refusals, poll_signals, polls

__all__ = ["Conflict", "Entry", "Polls", "Signal"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a poll's log. `at` in UTC seconds, `who` a member's address or empty, `what` a word."""

    at: float
    who: str
    what: str
    detail: str


@dataclass(frozen=True, slots=True)
class Signal:
    """Something odd that the host is told, with its reason; nothing follows from it by itself."""

    reason: str
    who: str
    detail: str


_FIELDS = [column.name for column in polls.c if column.name not in {"id", "receipt"}]
_COLUMNS = [polls.c.id, *(polls.c[name] for name in _FIELDS)]
_ADD = Hot(insert(polls).values({name: bindparam(name) for name in _FIELDS}).returning(polls.c.id))
_GET = Hot(sa.select(*_COLUMNS).where(polls.c.id == bindparam("row")))
_NAMED = Hot(sa.select(*_COLUMNS).where(polls.c.name == bindparam("key")))
_KEPT = {"name", "host", "made_at"}
"""What of a poll never changes."""
_SWAP = Hot(
    sa.update(polls)
    .where(
        polls.c.id == bindparam("row"),
        polls.c.revision == bindparam("old_revision"),
        polls.c.state == bindparam("old_state"),
    )
    .values({name: bindparam(f"new_{name}") for name in _FIELDS if name not in _KEPT})
)
_PAGE = Hot(
    sa.select(*_COLUMNS)
    .where(polls.c.state == bindparam("its_state"), polls.c.id < bindparam("before"))
    .order_by(polls.c.id.desc())
    .limit(bindparam("count"))
)
_LAST = 2**63 - 1
_REFUSE = Hot(
    insert(poll_refusals)
    .values({name: bindparam(name) for name in ("poll_id", "rule", "voter")})
    .on_conflict_do_nothing()
)


class Polls:
    """The polls of one unit of work."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # ---- polls

    def add(self, poll: Poll) -> int:
        """Keep a new poll, whatever its `id` says; the number that it gets."""
        return int(_ADD.value(self._connection, as_row(poll)))

    def get(self, poll_id: int) -> Poll | None:
        """The poll of this number."""
        row = _GET.row(self._connection, {"row": poll_id})
        return as_stored(row) if row else None

    def named(self, name: str) -> Poll | None:
        """The poll whose buttons carry this name. Asked for every vote."""
        batch = known(self._connection)
        found = batch.polls.get(name)
        if found is None and (row := _NAMED.row(self._connection, {"key": name})):
            found = batch.polls[name] = as_stored(row)
        return found

    def swap(self, before: Poll, after: Poll) -> None:
        """Put `after` in the place of `before`; raises Conflict unless state and revision are still those of `before`.

        The number, the name, the host and the time of making stay as they are.
        """
        known(self._connection).polls.pop(before.name, None)
        values: dict[str, object] = {f"new_{name}": value for name, value in as_row(after).items()}
        values |= {"row": before.id, "old_revision": before.revision, "old_state": before.state.value}
        if _SWAP.count(self._connection, values) != 1:
            raise Conflict(f"poll {before.id} is no longer revision {before.revision}, {before.state}")

    def page(self, states: Collection[State], count: int, before: int = 0) -> list[Poll]:
        """At most `count` polls in these states, newest first; only those with numbers below `before`, unless 0.

        Each state is a range of one index, so that it takes the same time however many others there are.
        """
        rows = []
        for state in set(states):
            values = {"its_state": state.value, "before": before or _LAST, "count": count}
            rows += _PAGE.rows(self._connection, values)
        return [as_stored(row) for row in sorted(rows, key=lambda row: -row[0])[:count]]

    def close_with(self, poll_id: int, receipt_json: str) -> None:
        """Keep the receipt of a poll that is closed."""
        self._connection.execute(sa.update(polls).where(polls.c.id == poll_id).values(receipt=receipt_json))

    def receipt(self, poll_id: int) -> str | None:
        """Its receipt, as it was given, or None."""
        query = sa.select(polls.c.receipt).where(polls.c.id == poll_id)
        found: str | None = self._connection.execute(query).scalar_one_or_none()
        return found

    # ---- what is written down

    def log(self, poll_id: int, at: float, who: str, what: str, detail: str = "") -> None:
        """Add a line to a poll's log."""
        values = {"poll_id": poll_id, "at": at, "who": who, "what": what, "detail": detail}
        self._connection.execute(insert(poll_log).values(values))

    def history(self, poll_id: int) -> list[Entry]:
        """A poll's log, oldest line first."""
        query = sa.select(poll_log.c.at, poll_log.c.who, poll_log.c.what, poll_log.c.detail)
        rows = self._connection.execute(query.where(poll_log.c.poll_id == poll_id).order_by(poll_log.c.id))
        return [Entry(*row) for row in rows]

    def refuse(self, poll_id: int, rule: str, voter: str) -> None:
        """This voter was kept out by this rule; once, however often they try."""
        _REFUSE.count(self._connection, {"poll_id": poll_id, "rule": rule, "voter": voter})

    def refusals(self, poll_id: int) -> Mapping[str, int]:
        """How many voters each rule has kept out."""
        query = sa.select(poll_refusals.c.rule, sa.func.count()).where(poll_refusals.c.poll_id == poll_id)
        rows = self._connection.execute(query.group_by(poll_refusals.c.rule).order_by(poll_refusals.c.rule))
        return {row.rule: row[1] for row in rows}

    def rename_refused(self, poll_id: int, old: str, new: str) -> None:
        """The voter has another name from now on."""
        if old == new:
            return
        mine = sa.and_(poll_refusals.c.poll_id == poll_id, poll_refusals.c.voter == old)
        for rule in self._connection.execute(sa.select(poll_refusals.c.rule).where(mine)).scalars().all():
            self.refuse(poll_id, rule, new)
        self._connection.execute(sa.delete(poll_refusals).where(mine))

    def signal(self, poll_id: int, reason: str, who: str, detail: str) -> None:
        """Keep something odd for the host; one for each reason and `who`, with the newest detail."""
        values = insert(poll_signals).values(poll_id=poll_id, reason=reason, who=who, detail=detail)
        keys = ["poll_id", "reason", "who"]
        query = values.on_conflict_do_update(index_elements=keys, set_={"detail": values.excluded.detail})
        self._connection.execute(query)

    def signals(self, poll_id: int) -> list[Signal]:
        """All that was odd, by reason."""
        query = sa.select(poll_signals.c.reason, poll_signals.c.who, poll_signals.c.detail)
        order = (poll_signals.c.reason, poll_signals.c.who)
        rows = self._connection.execute(query.where(poll_signals.c.poll_id == poll_id).order_by(*order))
        return [Signal(*row) for row in rows]


def as_row(poll: Poll) -> dict[str, object]:
    """A poll as the columns of its row, in their order, without number and receipt."""
    return {
        "name": poll.name,
        "state": poll.state.value,
        "question": _json(asdict(poll.question)),
        "host": str(poll.host),
        "host_name": poll.host_name,
        "language": poll.language,
        "channels": _json([asdict(channel) for channel in poll.channels]),
        "made_at": poll.made_at,
        "opens_at": poll.opens_at,
        "closes_at": poll.closes_at,
        "opened_at": poll.opened_at,
        "closed_at": poll.closed_at,
        "lasts": poll.lasts,
        "remind": poll.remind,
        "series_rule": poll.series.rule if poll.series else None,
        "series_zone": poll.series.zone if poll.series else None,
        "revision": poll.revision,
        "edits": _json(poll.edits),
    }


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@lru_cache(maxsize=256)
def as_stored(row: tuple[Any, ...]) -> Poll:
    """A row (the number, then the columns of `as_row`) as what it stands for.

    Remembered, since the same row is read for every vote; by all its values, so that it never goes stale.
    """
    r = dict(zip(("id", *_FIELDS), row, strict=True))
    rule, zone = r.pop("series_rule"), r.pop("series_zone")
    r |= {
        "state": State(r["state"]),
        "question": _question(json.loads(r["question"])),
        "host": Member.parse(r["host"]),
        "channels": tuple(Channel(**channel) for channel in json.loads(r["channels"])),
        "remind": bool(r["remind"]),
        "series": Series(rule, zone) if rule is not None and zone is not None else None,
        "edits": tuple(json.loads(r["edits"])),
    }
    return Poll(**r)


def _question(q: dict[str, Any]) -> Question:
    options = tuple(Option(**{**one, "state": OptionState(one["state"])}) for one in q["options"])
    return Question(
        **{**q, "options": options, "kind": Kind(q["kind"]), "restrictions": Restrictions(**q["restrictions"])}
    )
