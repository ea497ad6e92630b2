"""The report of a rehearsal: what became of every comment, by comparing identities in the journal and the database.

`lost` is what was pushed and acknowledged but not stored, and what was approved but is not on the platform;
`duplicated` are replies on the platform beyond one for each approved draft. Times come from the journal; only where
no acknowledgement is in it, the moment of storing is the database's.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bot.rehearsal.journal import Acknowledged, Created, Happening, Message, Posted, Pressed, read_journal
from bot.rehearsal.payloads import has_action
from bot.rehearsal.queries import DecisionRow, Records, ReplyRow, read_records

UNDO_SECONDS = 10.0
"""How long an approved reply is held by default (`review.undo_seconds`)."""

_APPROVING = {"approve", "answer"}
_REVOKING = {"undo", "reject", "drop"}


@dataclass(frozen=True)
class Percentiles:
    """Median and 99th percentile in milliseconds; None where nothing was measured."""

    p50: float | None = None
    p99: float | None = None

    @classmethod
    def of(cls, seconds: Iterable[float]) -> Percentiles:
        """The nearest-rank percentiles of some lengths of time."""
        ordered = sorted(max(0.0, value) for value in seconds)
        if not ordered:
            return cls()
        rank = [ordered[max(0, math.ceil(share * len(ordered)) - 1)] for share in (0.50, 0.99)]
        return cls(*(round(value * 1000, 1) for value in rank))


@dataclass(frozen=True)
class Report:
    """What a report holds; counts are numbers of identities, times are seconds or milliseconds."""

    comments: int
    stored: int
    needs_reply: int
    drafted: int
    carded: int
    approved: int
    delivered: int
    duplicated: int
    lost: int
    seconds: float
    latency_ms: dict[str, Percentiles] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """As the report file holds it."""
        return asdict(self)


def recompute(journal: Path, database: Path, undo_seconds: float = UNDO_SECONDS) -> Report:
    """The report of a rehearsal from its two files alone. Raises RehearsalError where one cannot be read.

    `undo_seconds` is what `review.undo_seconds` was set to.
    """
    return compute(read_journal(journal), read_records(database), undo_seconds)


def compute(happenings: Iterable[Happening], records: Records, undo_seconds: float = UNDO_SECONDS) -> Report:
    """The report of what happened and what was recorded."""
    trail = _Trail(happenings, {card.message.channel for card in records.cards})
    stored = {row.message: row for row in records.comments}
    known = [stored[message] for message in trail.posted if message in stored]
    comment_ids = {row.id for row in known}
    cards = _cards(trail, records)
    approvals = _approvals(records.decisions)
    delivered, extra = _deliveries(trail, records, approvals)
    unstored = [message for message in trail.posted if message not in stored and trail.is_due(message)]
    return Report(
        comments=len(trail.posted),
        stored=len(known),
        needs_reply=sum(row.needs_reply for row in known),
        drafted=len({draft.comment_id for draft in records.drafts if draft.text} & comment_ids),
        carded=len(cards),
        approved=len(approvals),
        delivered=len(delivered),
        duplicated=extra,
        lost=len(unstored) + len(approvals.keys() - delivered.keys()),
        seconds=round(trail.seconds, 3),
        latency_ms={
            "stored": Percentiles.of(_stored_times(trail, records)),
            "carded": Percentiles.of(_carded_times(trail, records, cards)),
            "delivered": Percentiles.of(_delivered_times(trail, approvals, delivered, records, undo_seconds)),
        },
    )


class _Trail:
    """The journal's happenings, by what a report asks of them."""

    def __init__(self, happenings: Iterable[Happening], review_channels: set[str]) -> None:
        self.posted: dict[Message, Posted] = {}
        self.cards: list[Created] = []
        self.creates: list[Created] = []
        self.clicks: dict[Message, list[Pressed]] = defaultdict(list)
        self.times: list[float] = []
        self._acked: dict[str, float] = {}
        self._offsets: list[tuple[int, float]] = []
        self._acking: set[str] = set()
        for happening in happenings:
            self._take(happening, review_channels)

    def _take(self, happening: Happening, review_channels: set[str]) -> None:
        if isinstance(happening, Acknowledged):
            self._acknowledge(happening)
            return
        self.times.append(happening.at)
        if isinstance(happening, Posted):
            # A command is no comment, nor is what the team says among itself.
            if happening.message.channel not in review_channels and not happening.text.startswith("/"):
                self.posted.setdefault(happening.message, happening)
        elif isinstance(happening, Pressed):
            self.clicks[happening.message].append(happening)
        elif isinstance(happening, Created):
            (self.cards if happening.payloads else self.creates).append(happening)

    def _acknowledge(self, ack: Acknowledged) -> None:
        self._acking.add(ack.platform)
        if ack.token is not None:
            self._acked.setdefault(ack.token, ack.at)
        elif ack.below is not None and (not self._offsets or ack.below > self._offsets[-1][0]):
            self._offsets.append((ack.below, ack.at))

    @property
    def seconds(self) -> float:
        """From the first to the last thing that happened."""
        return max(self.times) - min(self.times) if self.times else 0.0

    def acknowledged_at(self, message: Message) -> float | None:
        """When the bot acknowledged the push, where the journal shows it."""
        posted = self.posted[message]
        if message.platform == "slack" and posted.token is not None:
            return self._acked.get(posted.token)
        if message.platform == "telegram" and posted.token is not None:
            taken = self._acked.get(posted.token)
            return self._confirmed_at(int(posted.token)) if taken is None else taken
        return None

    def _confirmed_at(self, update_id: int) -> float | None:
        low, high = 0, len(self._offsets)
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if self._offsets[middle][0] > update_id else (middle + 1, high)
        return self._offsets[low][1] if low < len(self._offsets) else None

    def is_due(self, message: Message) -> bool:
        """Whether the bot must have it: acknowledged, or pushed where the journal shows no acknowledgements."""
        return message.platform not in self._acking or self.acknowledged_at(message) is not None


def _cards(trail: _Trail, records: Records) -> dict[str, Created]:
    """The first card of each draft that is on a platform: one that the database knows, or whose buttons name it."""
    by_place = {card.message: card.draft_id for card in records.cards}
    found: dict[str, Created] = {}
    for card in trail.cards:
        draft = by_place.get(card.message) or _named_draft(card.payloads, records)
        if draft is not None:
            found.setdefault(draft, card)
    return found


def _named_draft(payloads: Iterable[str], records: Records) -> str | None:
    """The draft that a payload is about: a card whose sending was never confirmed has no place in the database."""
    named = (records.views.get(part) for payload in payloads for part in payload.split("|")[1:2])
    return next(filter(None, named), None)


def _approvals(decisions: Iterable[DecisionRow]) -> dict[str, DecisionRow]:
    """The approving decision of each draft that was not taken back before it was sent."""
    standing: dict[str, DecisionRow] = {}
    for decision in decisions:
        if decision.action in _APPROVING:
            standing[decision.draft_id] = decision
        elif decision.action in _REVOKING:
            standing.pop(decision.draft_id, None)
    return standing


_Key = tuple[str, str, str | None, str]
"""Platform, channel, what it answers, text."""


def _deliveries(
    trail: _Trail, records: Records, approvals: Mapping[str, DecisionRow]
) -> tuple[dict[str, Created], int]:
    """The reply of each approved draft, and how many replies there are beyond these.

    A reply is a message with the approved text, byte for byte, that answers the comment.
    """
    waiting: dict[_Key, list[Created]] = defaultdict(list)
    for create in reversed(trail.creates):
        waiting[(create.message.platform, create.message.channel, create.answers, create.text)].append(create)
    keys = _reply_keys(records, approvals)
    delivered: dict[str, Created] = {}
    for draft, wanted in keys.items():
        found = next((key for key in wanted if waiting.get(key)), None)
        if found is not None:
            delivered[draft] = waiting[found].pop()
    texts = {(platform, channel, text) for wanted in keys.values() for platform, channel, _, text in wanted}
    extra = sum(len(left) for key, left in waiting.items() if (key[0], key[1], key[3]) in texts)
    return delivered, extra


def _reply_keys(records: Records, approvals: Mapping[str, DecisionRow]) -> dict[str, list[_Key]]:
    """Where each approved reply may be, and with which text: that of the decision itself."""
    comments = {row.id: row for row in records.comments}
    rows: dict[str, list[ReplyRow]] = defaultdict(list)
    for row in records.replies:
        rows[row.draft_id].append(row)
    keys: dict[str, list[_Key]] = {}
    for draft in records.drafts:
        comment = comments.get(draft.comment_id)
        if draft.id not in approvals or comment is None:
            continue
        text = approvals[draft.id].text or draft.text
        where = comment.message
        places: list[tuple[str, str, str | None]] = [
            (where.platform, where.channel, to) for to in (where.message_id, comment.thread_id) if to
        ]
        places += [(row.platform, row.channel_id, row.reply_to) for row in rows[draft.id]]
        keys[draft.id] = [(*place, text) for place in dict.fromkeys(places)]
    return keys


def _stored_times(trail: _Trail, records: Records) -> Iterable[float]:
    for row in records.comments:
        posted = trail.posted.get(row.message)
        if posted is not None:
            at = trail.acknowledged_at(row.message)
            at = row.received_at if at is None else at
            if at is not None:
                yield at - posted.at


def _carded_times(trail: _Trail, records: Records, cards: Mapping[str, Created]) -> Iterable[float]:
    comments = {row.id: row.message for row in records.comments}
    for draft in records.drafts:
        posted = trail.posted.get(comments[draft.comment_id]) if draft.comment_id in comments else None
        if posted is not None and draft.id in cards:
            yield cards[draft.id].at - posted.at


def _delivered_times(
    trail: _Trail,
    approvals: Mapping[str, DecisionRow],
    delivered: Mapping[str, Created],
    records: Records,
    undo_seconds: float,
) -> Iterable[float]:
    clicks = [click for pressed in trail.clicks.values() for click in pressed if has_action(click.payload, "approve")]
    by_draft = _clicks_by_draft(clicks, records)
    for draft, reply in delivered.items():
        before = [at for at in by_draft.get(draft, ()) if at <= reply.at]
        yield reply.at - (before[-1] if before else approvals[draft].at) - undo_seconds


def _clicks_by_draft(clicks: Iterable[Pressed], records: Records) -> dict[str, list[float]]:
    by_place = {card.message: card.draft_id for card in records.cards}
    found: dict[str, list[float]] = defaultdict(list)
    for click in clicks:
        draft = by_place.get(click.message) or _named_draft([click.payload], records)
        if draft is not None:
            found[draft].append(click.at)
    return found
