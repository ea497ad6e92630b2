"""The outbox: every message on its way out, with the state machine of `domain.delivery`.

All writes by a worker are conditional on the fencing token that its claim gave it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection, Row, bindparam

from bot.domain.delivery import STEPS, DeliveryState, Step, Urgency
from bot.domain.places import Channel
from bot.storage.batches import known
from bot.storage.dialects import insert
from bot.storage.hot import Hot
from bot.storage.store import wake
from bot.storage.tables import outbox
from bot.storage.taking import begin, claim, in_states, numbered, room_for

_json = json.JSONEncoder(ensure_ascii=False).encode
BLOCKING = ("pending", "claimed", "sending", "uncertain")
SKIP_SECONDS = 60.0
"""An uncertain row stops holding back its conversation after this long."""


@dataclass(frozen=True, slots=True)
class Order:
    """A message to be sent: what a unit of work puts into the outbox.

    Rows of one `lane` go out one after the other. `kind` names who makes the message from the row and who is told what
    became of it.
    """

    key: str
    kind: str
    lane: str
    to: Channel
    priority: Urgency = Urgency.REPLY
    draft_id: int | None = None
    card_id: int | None = None
    version: int = 0
    reply_to: str | None = None
    text: str = ""
    text_hash: str | None = None
    extra: Mapping[str, object] = field(default_factory=dict)
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Delivery:
    """A row of the outbox."""

    id: int
    key: str
    kind: str
    lane: str
    priority: Urgency
    to: Channel
    draft_id: int | None
    card_id: int | None
    version: int
    reply_to: str | None
    text: str
    text_hash: str | None
    extra: Mapping[str, object]
    state: DeliveryState
    tries: int
    token: int
    due_at: float
    started_at: float | None
    message_id: str | None
    error: str
    looks: int
    look_at: float | None


class Ready(NamedTuple):
    """A row that may be claimed."""

    id: int
    channel_id: str
    urgency: Urgency


FIRST = Ready(0, "", Urgency.ANSWER)
"""Before all rows."""

_NAMES = (
    "key kind lane priority platform tenant channel_id thread_id parent_id draft_id card_id version reply_to text "
    "text_hash extra state due_at created_at"
).split()
_ADD = Hot(
    insert(outbox).values({name: bindparam(name) for name in _NAMES}).on_conflict_do_nothing().returning(outbox.c.id)
)
_earlier = outbox.alias("earlier")
_BLOCKED = (
    sa.exists()
    .where(
        _earlier.c.lane == outbox.c.lane,
        _earlier.c.id < outbox.c.id,
        sa.text("earlier.state IN ('pending', 'claimed', 'sending', 'uncertain')"),  # literal: a partial index is used
        sa.not_(sa.and_(_earlier.c.state == "uncertain", _earlier.c.started_at < bindparam("skip"))),
    )
    .correlate(outbox)
)
_READY = (
    sa.select(outbox.c.id, outbox.c.channel_id, outbox.c.priority)
    .where(
        outbox.c.platform == bindparam("p"),
        sa.text("outbox.state = 'pending'"),
        sa.tuple_(outbox.c.priority, outbox.c.id) > sa.tuple_(bindparam("after_class"), bindparam("after_row")),
        outbox.c.priority <= bindparam("last_class"),
        outbox.c.due_at <= bindparam("now"),
        outbox.c.kind != bindparam("held"),
        ~_BLOCKED,
    )
    .order_by(outbox.c.priority, outbox.c.id)
    .limit(bindparam("count"))
)
_ANY_READY = Hot(_READY)
_UNPACED_READY = _READY.where(
    sa.or_(outbox.c.priority == Urgency.ANSWER.value, outbox.c.channel_id.not_in(bindparam("paced", expanding=True)))
)
_NEXT_DUE = sa.select(sa.func.min(outbox.c.due_at)).where(
    outbox.c.platform == bindparam("p"), outbox.c.state == "pending", outbox.c.due_at > bindparam("now")
)


def _step(step: Step) -> sa.Update:
    before, after = STEPS[step]
    return (
        sa.update(outbox)
        .where(
            outbox.c.id == bindparam("row"),
            outbox.c.token == bindparam("old_token"),
            in_states(before),
        )
        .values(state=after.value)
    )


_COLUMNS = tuple(column.name for column in outbox.c)
_CONFIRM = Hot(
    _step(Step.CONFIRM).values(
        sent_at=bindparam("now"),
        message_id=bindparam("new_message"),
        confirmed_by=bindparam("by"),
        error="",
        look_at=None,
    )
)
_POSTPONE = Hot(
    _step(Step.POSTPONE).values(due_at=bindparam("due"), tries=bindparam("new_tries"), error=bindparam("why"))
)
_RELEASE = Hot(_step(Step.RELEASE).values(due_at=bindparam("due")))
_ENDED = {step: Hot(_step(step).values(error=bindparam("why"))) for step in (Step.REFUSE, Step.GIVE_UP)}
_DOUBT = Hot(_step(Step.DOUBT).values(error=bindparam("why"), look_at=bindparam("at")))


class Outbox:
    """The outbox of one unit of work."""

    def __init__(self, connection: Connection, now: float) -> None:
        self._connection = connection
        self._now = now

    def add(self, order: Order) -> int | None:
        """Queue a message; its row, or None if the same reply is queued already."""
        to = order.to
        values = {
            "key": order.key,
            "kind": order.kind,
            "lane": order.lane,
            "priority": order.priority.value,
            "platform": to.platform,
            "tenant": to.tenant,
            "channel_id": to.channel_id,
            "thread_id": to.thread_id,
            "parent_id": to.parent_id,
            "draft_id": order.draft_id,
            "card_id": order.card_id,
            "version": order.version,
            "reply_to": order.reply_to,
            "text": order.text,
            "text_hash": order.text_hash,
            "extra": _json(order.extra) if order.extra else "{}",
            "state": DeliveryState.PENDING.value,
            "due_at": self._now + order.delay,
            "created_at": self._now,
        }
        row: int | None = _ADD.value(self._connection, values)
        wake(self._connection, "outbox")
        return row

    def waiting(self, lane: str, kind: str) -> bool:
        """Whether such a row waits in this lane, so that another would say nothing new."""
        query = sa.select(outbox.c.id).where(
            outbox.c.lane == lane, outbox.c.kind == kind, outbox.c.state == DeliveryState.PENDING.value
        )
        return self._connection.execute(query.limit(1)).one_or_none() is not None

    def any_open(self, lanes: str) -> bool:
        """Whether anything is on its way in a lane whose name begins so."""
        is_open = sa.text("outbox.state IN ('pending', 'claimed', 'sending', 'uncertain')")  # literal: as above
        query = sa.select(outbox.c.id).where(outbox.c.lane.startswith(lanes, autoescape=True), is_open)
        return self._connection.execute(query.limit(1)).one_or_none() is not None

    def ready(
        self,
        platform: str,
        count: int,
        *,
        held: str = "",
        paced: Collection[str] = (),
        last: Urgency = Urgency.BROADCAST,
        after: Ready = FIRST,
    ) -> list[Ready]:
        """Up to `count` rows that are due and in their turn, those that go first first, from behind `after`.

        `held` is a kind that must wait; `paced` are channels where only urgent rows may go now; classes behind `last`
        are left out.
        """
        values: dict[str, object] = {
            "p": platform,
            "now": self._now,
            "skip": self._now - SKIP_SECONDS,
            "held": held,
            "after_class": after.urgency.value,
            "after_row": after.id,
            "last_class": last.value,
            "count": count,
        }
        if paced:
            paced_too = values | {"paced": list(paced)}
            rows = [tuple(row) for row in self._connection.execute(_UNPACED_READY, paced_too)]
        else:
            rows = _ANY_READY.rows(self._connection, values)
        return [Ready(row, channel, Urgency(urgency)) for row, channel, urgency in rows]

    def claim(self, rows: Collection[int]) -> list[Delivery]:
        """Take these rows, as far as they are still due and nobody else is at them, in the order of their classes."""
        if not rows:
            return []
        room = room_for(len(rows))
        found = claim(room).rows(self._connection, {**numbered("id", list(rows), room), "now": self._now})
        claimed = [_delivery(dict(zip(_COLUMNS, row, strict=True))) for row in found]
        return sorted(claimed, key=lambda row: (row.priority, row.id))

    def next_due(self, platform: str) -> float | None:
        """When the next row that waits for its time is due."""
        due: float | None = self._connection.execute(_NEXT_DUE, {"p": platform, "now": self._now}).scalar()
        return due

    def begin(self, rows: Sequence[Delivery]) -> list[Delivery]:
        """Write down that the requests are about to be made; those of the rows that are still ours."""
        if not rows:
            return []
        room, ids = room_for(len(rows)), [row.id for row in rows]
        values = numbered("id", ids, room) | numbered("held", ids, room)
        values |= numbered("token", [row.token for row in rows], room) | {"now": self._now}
        ours = {found[0] for found in begin(room).rows(self._connection, values)}
        return [replace(row, state=STEPS[Step.BEGIN][1], started_at=self._now) for row in rows if row.id in ours]

    def confirm(self, row: Delivery, message_id: str, by: str) -> bool:
        """The platform has taken it."""
        return self._changed(_CONFIRM, row, now=self._now, new_message=message_id, by=by)

    def postpone(self, row: Delivery, due: float, tries: int, why: str) -> bool:
        """Surely not sent: once more at `due`."""
        return self._changed(_POSTPONE, row, due=due, new_tries=tries, why=why)

    def release(self, row: Delivery, due: float) -> bool:
        """Give a claimed row back untouched."""
        return self._changed(_RELEASE, row, due=due)

    def end(self, row: Delivery, step: Step, why: str) -> bool:
        """Refused or given up."""
        return self._changed(_ENDED[step], row, why=why)

    def doubt(self, row: Delivery, why: str, look_at: float | None) -> bool:
        """Nobody knows whether it arrived: it is looked up at `look_at`, or (None) a person is asked."""
        return self._changed(_DOUBT, row, why=why, at=look_at)

    def _changed(self, statement: Hot, row: Delivery, **values: object) -> bool:
        wake(self._connection, "outbox")
        return statement.count(self._connection, {"row": row.id, "old_token": row.token, **values}) == 1

    def by_person(self, row: int, step: Step) -> bool:
        """A person settles, revives or cancels a row; False if it is not in a state that allows it."""
        before, after = STEPS[step]
        values: dict[str, object] = {"state": after.value, "token": outbox.c.token + 1, "look_at": None}
        if step in {Step.AGAIN, Step.REVIVE}:
            values |= {"due_at": self._now, "tries": 0, "error": ""}
        if step is Step.ARRIVED:
            values |= {"sent_at": self._now, "confirmed_by": "person"}
        query = sa.update(outbox).where(outbox.c.id == row, outbox.c.state.in_([s.value for s in before]))
        known(self._connection).waiting.clear()
        wake(self._connection, "outbox")
        return self._connection.execute(query.values(values)).rowcount == 1

    def reply_of(self, draft_id: int) -> Delivery | None:
        """The newest reply row of a draft."""
        query = sa.select(outbox).where(outbox.c.draft_id == draft_id, outbox.c.kind == "reply")
        row = self._connection.execute(query.order_by(outbox.c.id.desc()).limit(1)).one_or_none()
        return read_delivery(row) if row else None

    def get(self, row: int) -> Delivery:
        """The row of this id, which must exist."""
        return read_delivery(self._connection.execute(sa.select(outbox).where(outbox.c.id == row)).one())

    def rouse(self) -> None:
        """Have the couriers look again once this unit is committed."""
        wake(self._connection, "outbox")

    def counts(self) -> dict[tuple[str, str], int]:
        """Replies by platform and state."""
        query = (
            sa.select(outbox.c.platform, outbox.c.state, sa.func.count())
            .where(outbox.c.kind == "reply")
            .group_by(outbox.c.platform, outbox.c.state)
        )
        return {(row.platform, row.state): row[2] for row in self._connection.execute(query)}

    def move(self, old: Channel, new: Channel) -> None:
        """Re-address what waits for a channel that has a new id."""
        query = sa.update(outbox).where(
            outbox.c.platform == old.platform, outbox.c.channel_id == old.channel_id, outbox.c.state.in_(BLOCKING)
        )
        self._connection.execute(query.values(channel_id=new.channel_id))


def read_delivery(row: Row[tuple[object, ...]]) -> Delivery:
    """A row of the table as what it stands for."""
    return _delivery(dict(row._mapping))


def _delivery(r: Mapping[str, Any]) -> Delivery:
    return Delivery(
        id=r["id"],
        key=r["key"],
        kind=r["kind"],
        lane=r["lane"],
        priority=Urgency(r["priority"]),
        to=Channel(r["platform"], r["tenant"], r["channel_id"], r["thread_id"], r["parent_id"]),
        draft_id=r["draft_id"],
        card_id=r["card_id"],
        version=r["version"],
        reply_to=r["reply_to"],
        text=r["text"],
        text_hash=r["text_hash"],
        extra=json.loads(r["extra"]),
        state=DeliveryState(r["state"]),
        tries=r["tries"],
        token=r["token"],
        due_at=r["due_at"],
        started_at=r["started_at"],
        message_id=r["message_id"],
        error=r["error"],
        looks=r["looks"],
        look_at=r["look_at"],
    )
