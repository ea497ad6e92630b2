"""Polls, ballots, linked accounts, and the time zones that people choose"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Bring the schema forward."""

    op.add_column("people", sa.Column("zone", sa.String(), server_default="", nullable=False))
    _polls()
    _ballots()
    _links()


def _number() -> sa.Column[int]:
    return sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False)


def _polls() -> None:
    op.create_table(
        "polls",
        _number(),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("host_name", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("channels", sa.Text(), nullable=False),
        sa.Column("made_at", sa.Float(), nullable=False),
        sa.Column("opens_at", sa.Float(), nullable=False),
        sa.Column("closes_at", sa.Float(), nullable=False),
        sa.Column("opened_at", sa.Float(), nullable=False),
        sa.Column("closed_at", sa.Float(), nullable=False),
        sa.Column("lasts", sa.Float(), nullable=False),
        sa.Column("remind", sa.Boolean(), nullable=False),
        sa.Column("series_rule", sa.String(), nullable=True),
        sa.Column("series_zone", sa.String(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("edits", sa.Text(), nullable=False),
        sa.Column("receipt", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    op.create_index("polls_state", "polls", ["state", "id"], unique=False)
    op.create_table(
        "poll_posts",
        _number(),
        sa.Column("poll_id", sa.BigInteger(), nullable=False),
        sa.Column("platform", sa.String(), nullable=False),
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("channel_id", sa.String(), nullable=False),
        sa.Column("thread_id", sa.String(), nullable=True),
        sa.Column("parent_id", sa.String(), nullable=True),
        sa.Column("native", sa.Boolean(), nullable=False),
        sa.Column("message_id", sa.String(), nullable=True),
        sa.Column("native_name", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("platform", "native_name"),
    )
    op.create_index(op.f("ix_poll_posts_poll_id"), "poll_posts", ["poll_id"], unique=False)
    op.create_table(
        "poll_log",
        _number(),
        sa.Column("poll_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_poll_log_poll_id"), "poll_log", ["poll_id"], unique=False)


def _ballots() -> None:
    op.create_table(
        "ballots",
        sa.Column("poll_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("voter", sa.String(), nullable=False),
        sa.Column("choice", sa.Text(), nullable=False),
        sa.Column("place", sa.String(), nullable=False),
        sa.Column("member", sa.String(), nullable=True),
        sa.Column("at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("poll_id", "voter"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "poll_refusals",
        sa.Column("poll_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("voter", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("poll_id", "rule", "voter"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "poll_signals",
        sa.Column("poll_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("poll_id", "reason", "who"),
        sqlite_with_rowid=False,
    )


def _links() -> None:
    op.create_table(
        "links",
        sa.Column("member", sa.String(), nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("member"),
    )
    op.create_index(op.f("ix_links_person"), "links", ["person"], unique=False)
    op.create_table(
        "link_codes",
        sa.Column("code_hash", sa.String(), nullable=False),
        sa.Column("member", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("until", sa.Float(), nullable=False),
        sa.Column("back", sa.Text(), nullable=False),
        sa.Column("shown_to", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("code_hash"),
        sa.UniqueConstraint("member"),
    )
    op.create_table(
        "link_tries",
        _number(),
        sa.Column("member", sa.String(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("link_tries_member", "link_tries", ["member", "at"], unique=False)
