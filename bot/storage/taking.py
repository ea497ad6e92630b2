"""Statements over some rows of the outbox at once, of which a few are compiled for good: they run for every message."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import lru_cache

import sqlalchemy as sa
from sqlalchemy import bindparam

from bot.domain.delivery import STEPS, DeliveryState, Step
from bot.storage.hot import Hot
from bot.storage.tables import outbox


def in_states(states: Collection[DeliveryState]) -> sa.TextClause:
    """Literal on purpose: partial indexes are used, and nothing is expanded at each execution."""
    return sa.text("outbox.state IN ({})".format(", ".join(f"'{state.value}'" for state in sorted(states))))


def _numbers(name: str, column: sa.Column[int], count: int) -> list[sa.BindParameter[int]]:
    return [bindparam(f"{name}_{number}", type_=column.type) for number in range(count)]


def numbered(name: str, values: Sequence[int], count: int) -> dict[str, object]:
    """Values for `_numbers`; the last one stands for those that are too few."""
    return {f"{name}_{number}": values[min(number, len(values) - 1)] for number in range(count)}


def room_for(count: int) -> int:
    """For so many rows a statement with room for the next power of two is used: few are compiled."""
    return 1 << (count - 1).bit_length()


@lru_cache(maxsize=32)
def claim(count: int) -> Hot:
    """Take these rows (`id_...`).

    Other workers may be at the same ones: each takes what no other holds, and looks again whether it may.
    """
    free = (
        sa.select(outbox.c.id)
        .where(
            outbox.c.id.in_(_numbers("id", outbox.c.id, count)),
            sa.text("outbox.state = 'pending'"),
            outbox.c.due_at <= bindparam("now"),
        )
        .with_for_update(skip_locked=True)
    )
    return Hot(
        sa.update(outbox)
        .where(outbox.c.id.in_(free.scalar_subquery()))
        .values(state=STEPS[Step.CLAIM][1].value, token=outbox.c.token + 1)
        .returning(*outbox.c)
    )


@lru_cache(maxsize=32)
def begin(count: int) -> Hot:
    """Mark those of these rows (`id_...`) whose tokens are as they were (`held_...`, `token_...`)."""
    held = zip(_numbers("held", outbox.c.id, count), _numbers("token", outbox.c.token, count), strict=True)
    return Hot(
        sa.update(outbox)
        .where(
            outbox.c.id.in_(_numbers("id", outbox.c.id, count)),  # beside the pairs: SQLite finds rows by it
            sa.or_(*(sa.and_(outbox.c.id == row, outbox.c.token == token) for row, token in held)),
            in_states(STEPS[Step.BEGIN][0]),
        )
        .values(state=STEPS[Step.BEGIN][1].value, started_at=bindparam("now"), looks=0)
        .returning(outbox.c.id)
    )
