"""Several processes on one database, blocks that outlive them, drafts that sleep or call for help"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Bring the schema forward."""

    op.add_column("inbox", sa.Column("part", sa.Integer(), server_default="0", nullable=False))
    op.add_column("timers", sa.Column("part", sa.Integer(), server_default="0", nullable=False))
    for name, kind in (("snoozed", "until"), ("escalated", "at")):
        op.add_column("drafts", sa.Column(f"{name}_{kind}", sa.Float(), server_default="0", nullable=False))
        op.add_column("drafts", sa.Column(f"{name}_name", sa.String(), server_default="", nullable=False))
    op.drop_column("outbox", "lease_until")
    op.add_column("outbox", sa.Column("looks", sa.Integer(), server_default="0", nullable=False))
    op.add_column("outbox", sa.Column("look_at", sa.Float(), nullable=True))
    sought = sa.text("look_at IS NOT NULL")
    op.create_index("outbox_look", "outbox", ["platform", "look_at"], sqlite_where=sought, postgresql_where=sought)
    op.create_table(
        "leases",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("holder", sa.String(), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("beat", sa.BigInteger(), nullable=False),
        sa.Column("about", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "blocks",
        sa.Column("platform", sa.String(), nullable=False),
        sa.Column("destination", sa.String(), nullable=False),
        sa.Column("until", sa.Float(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("platform", "destination"),
    )
    op.create_table(
        "live",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("platform", sa.String(), nullable=False),
        sa.Column("tenant", sa.String(), nullable=False),
        sa.Column("channel_id", sa.String(), nullable=False),
        sa.Column("thread_id", sa.String(), nullable=True),
        sa.Column("parent_id", sa.String(), nullable=True),
        sa.Column("message_id", sa.String(), nullable=False),
        sa.Column("shown", sa.String(), nullable=False),
        sa.Column("begun", sa.String(), nullable=False),
        sa.Column("edited_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
