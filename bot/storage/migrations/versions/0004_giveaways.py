"""Giveaways: entries, draws, prizes; and comments are found by author, and by channel and time"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_EXACT = sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    """Bring the schema forward."""

    _giveaways()
    _draws()
    _notes()
    _entries()
    _prizes()
    _comments()


def _number() -> sa.Column[int]:
    return sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False)


def _giveaways() -> None:
    op.create_table(
        "giveaway_posts",
        _number(),
        sa.Column("giveaway_id", sa.BigInteger(), nullable=False),
        sa.Column("platform", sa.String(), nullable=False),
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("channel_id", sa.String(), nullable=False),
        sa.Column("thread_id", sa.String(), nullable=True),
        sa.Column("parent_id", sa.String(), nullable=True),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("message_id", sa.String(), nullable=True),
        sa.Column("at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_giveaway_posts_giveaway_id"), "giveaway_posts", ["giveaway_id"], unique=False)
    op.create_table(
        "giveaway_seeds",
        sa.Column("giveaway_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("seed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("giveaway_id"),
    )
    op.create_table(
        "giveaways",
        _number(),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("offer", sa.Text(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("host_name", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("channels", sa.Text(), nullable=False),
        sa.Column("made_at", sa.Float(), nullable=False),
        sa.Column("commitment", sa.String(), nullable=False),
        sa.Column("chain", sa.String(), nullable=False),
        sa.Column("round", sa.BigInteger(), nullable=False),
        sa.Column("announced_round", sa.BigInteger(), nullable=False),
        sa.Column("opens_at", sa.Float(), nullable=False),
        sa.Column("closes_at", sa.Float(), nullable=False),
        sa.Column("opened_at", sa.Float(), nullable=False),
        sa.Column("closed_at", sa.Float(), nullable=False),
        sa.Column("frozen_at", sa.Float(), nullable=False),
        sa.Column("published_at", sa.Float(), nullable=False),
        sa.Column("drawn_at", sa.Float(), nullable=False),
        sa.Column("lasts", sa.Float(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("delayed", sa.Text(), nullable=False),
        sa.Column("void", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    op.create_index("giveaways_state", "giveaways", ["state", "id"], unique=False)


def _draws() -> None:
    op.create_table(
        "giveaway_draws",
        sa.Column("giveaway_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.Column("verified", sa.Boolean(), nullable=False),
        sa.Column("mirrors", sa.Text(), nullable=False),
        sa.Column("tickets", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("giveaway_id"),
    )
    op.create_table(
        "giveaway_freezes",
        sa.Column("giveaway_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("root", sa.String(), nullable=False),
        sa.Column("entries", sa.BigInteger(), nullable=False),
        sa.Column("weight", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("giveaway_id"),
    )
    op.create_table(
        "giveaway_rerolls",
        _number(),
        sa.Column("giveaway_id", sa.BigInteger(), nullable=False),
        sa.Column("ticket", sa.String(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("giveaway_id", "ticket"),
    )


def _notes() -> None:
    op.create_table(
        "giveaway_log",
        _number(),
        sa.Column("giveaway_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_giveaway_log_giveaway_id"), "giveaway_log", ["giveaway_id"], unique=False)
    op.create_table(
        "giveaway_signals",
        sa.Column("giveaway_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("giveaway_id", "reason", "who"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "giveaway_templates",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("offer", sa.Text(), nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "giveaway_witnesses",
        _number(),
        sa.Column("giveaway_id", sa.BigInteger(), nullable=False),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("platform", sa.String(), nullable=False),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("extra", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("giveaway_id", "what", "platform", "url"),
    )


def _entries() -> None:
    op.create_table(
        "giveaway_entries",
        sa.Column("giveaway_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("person", _EXACT, nullable=False),
        sa.Column("member", sa.String(), nullable=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("place", sa.String(), nullable=False),
        sa.Column("ticket", _EXACT, nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("weight", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("granted", sa.Boolean(), nullable=False),
        sa.Column("appealed", sa.Boolean(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("joined_at", sa.Float(), nullable=True),
        sa.Column("account_made", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("giveaway_id", "person"),
    )
    op.create_index(
        "giveaway_entries_counts",
        "giveaway_entries",
        ["giveaway_id", "state", "rule", "place", "granted", "weight"],
        unique=False,
        sqlite_where=sa.text("0"),
    )
    op.create_index(
        "giveaway_entries_list", "giveaway_entries", ["giveaway_id", "ticket", "weight", "state"], unique=False
    )


def _prizes() -> None:
    op.create_table(
        "giveaway_wins",
        _number(),
        sa.Column("giveaway_id", sa.BigInteger(), nullable=False),
        sa.Column("ticket", sa.String(), nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("member", sa.String(), nullable=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("until", sa.Float(), nullable=False),
        sa.Column("claimed_at", sa.Float(), nullable=False),
        sa.Column("handed_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("giveaway_id", "ticket"),
    )
    op.create_index(op.f("ix_giveaway_wins_member"), "giveaway_wins", ["member"], unique=False)
    op.create_index(op.f("ix_giveaway_wins_person"), "giveaway_wins", ["person"], unique=False)
    op.create_table(
        "prize_addresses",
        sa.Column("win_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("until", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("win_id"),
    )
    op.create_table(
        "prize_codes",
        _number(),
        sa.Column("giveaway_id", sa.BigInteger(), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("win_id", sa.BigInteger(), nullable=True),
        sa.Column("shown_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("win_id"),
    )
    op.create_index("prize_codes_giveaway", "prize_codes", ["giveaway_id", "win_id", "id"], unique=False)


def _comments() -> None:
    op.create_index("comments_author", "comments", ["platform", "author_id", "sent_at"], unique=False)
    op.create_index("comments_place", "comments", ["platform", "channel_id", "sent_at"], unique=False)
