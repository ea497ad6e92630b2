"""The tables. Times are UTC seconds since 1970; lists and maps are JSON texts."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from bot.storage.columns import metadata, number, place
from bot.storage.giveaway_tables import (
    giveaway_draws,
    giveaway_entries,
    giveaway_freezes,
    giveaway_log,
    giveaway_posts,
    giveaway_rerolls,
    giveaway_seeds,
    giveaway_signals,
    giveaway_templates,
    giveaway_wins,
    giveaway_witnesses,
    giveaways,
    prize_addresses,
    prize_codes,
)
from bot.storage.poll_tables import (
    ballots,
    link_codes,
    link_tries,
    links,
    poll_log,
    poll_posts,
    poll_refusals,
    poll_signals,
    polls,
)

__all__ = [
    "ballots",
    "blocks",
    "cards",
    "comments",
    "cursors",
    "decisions",
    "drafts",
    "facts",
    "giveaway_draws",
    "giveaway_entries",
    "giveaway_freezes",
    "giveaway_log",
    "giveaway_posts",
    "giveaway_rerolls",
    "giveaway_seeds",
    "giveaway_signals",
    "giveaway_templates",
    "giveaway_wins",
    "giveaway_witnesses",
    "giveaways",
    "inbox",
    "leases",
    "link_codes",
    "link_tries",
    "links",
    "live",
    "metadata",
    "outbox",
    "people",
    "poll_log",
    "poll_posts",
    "poll_refusals",
    "poll_signals",
    "polls",
    "prize_addresses",
    "prize_codes",
    "prompts",
    "timers",
    "views",
]

inbox = Table(
    "inbox",
    metadata,
    number(),
    Column("source", String, nullable=False),
    Column("external_id", String, nullable=False),
    Column("raw", Text, nullable=False),
    Column("state", String, nullable=False),  # new, done, ignored, failed
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("error", Text),
    Column("received_at", Float, nullable=False),
    Column("part", Integer, nullable=False, server_default="0"),  # which worker's: domain.parts
    UniqueConstraint("source", "external_id"),
)
Index("inbox_new", inbox.c.id, sqlite_where=text("state = 'new'"), postgresql_where=text("state = 'new'"))

cursors = Table(
    "cursors",
    metadata,
    Column("name", String, primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("last_seen_at", Float, nullable=False),
    Column("gap_from", BigInteger),
    Column("gap_to", BigInteger),
)

comments = Table(
    "comments",
    metadata,
    number(),
    *place(),
    Column("message_id", String, nullable=False),
    Column("author_id", String, nullable=False),
    Column("author_name", String, nullable=False),
    Column("text", Text, nullable=False),
    Column("attachments", Text, nullable=False, server_default="[]"),
    Column("url", String),
    Column("reply_to", String),
    Column("language", String, nullable=False, server_default="und"),
    Column("needs_reply", Boolean, nullable=False, server_default="0"),
    Column("reason", String, nullable=False, server_default=""),
    Column("flags", Text, nullable=False, server_default="[]"),
    Column("sent_at", Float, nullable=False),
    Column("received_at", Float, nullable=False),
    Column("edited_at", Float),
    Column("deleted_at", Float),
    Column("answered_by", String),
    Column("answered_text", Text, nullable=False, server_default=""),
    Column("early", Boolean, nullable=False, server_default="0"),  # known only from an edit or a deletion so far
    UniqueConstraint("platform", "tenant", "channel_id", "message_id"),
)
Index("comments_author", comments.c.platform, comments.c.author_id, comments.c.sent_at)
Index("comments_place", comments.c.platform, comments.c.channel_id, comments.c.sent_at)

drafts = Table(
    "drafts",
    metadata,
    number(),
    Column("comment_id", BigInteger, nullable=False, unique=True),
    Column("version", Integer, nullable=False),
    Column("state", String, nullable=False),
    Column("text", Text, nullable=False, server_default=""),
    Column("language", String, nullable=False, server_default="und"),
    Column("why", Text, nullable=False, server_default=""),
    Column("sources", Text, nullable=False, server_default="[]"),
    Column("flags", Text, nullable=False, server_default="[]"),
    Column("drafter", String, nullable=False, server_default=""),
    Column("prompt", String),
    Column("instruction", Text, nullable=False, server_default=""),
    Column("edited_by", String),
    Column("claimed_by", String),
    Column("claimed_name", String, nullable=False, server_default=""),
    Column("claimed_at", Float, nullable=False, server_default="0"),
    Column("decided_name", String, nullable=False, server_default=""),
    Column("decided_at", Float, nullable=False, server_default="0"),
    Column("reason", Text, nullable=False, server_default=""),
    Column("error", Text, nullable=False, server_default=""),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    Column("snoozed_until", Float, nullable=False, server_default="0"),
    Column("snoozed_name", String, nullable=False, server_default=""),
    Column("escalated_at", Float, nullable=False, server_default="0"),
    Column("escalated_name", String, nullable=False, server_default=""),
)
Index("drafts_state", drafts.c.state, drafts.c.id)

decisions = Table(
    "decisions",
    metadata,
    number(),
    Column("draft_id", BigInteger, nullable=False, index=True),
    Column("version", Integer, nullable=False),
    Column("action", String, nullable=False),
    Column("member", String, nullable=False),
    Column("name", String, nullable=False),
    Column("place", String, nullable=False),
    Column("text", Text, nullable=False, server_default=""),
    Column("text_hash", String, nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
    Column("at", Float, nullable=False),
)

cards = Table(
    "cards",
    metadata,
    number(),
    Column("draft_id", BigInteger, nullable=False),
    *place(),
    Column("message_id", String),
    UniqueConstraint("draft_id", "platform", "tenant", "channel_id"),
)
Index("cards_message", cards.c.platform, cards.c.channel_id, cards.c.message_id)

views = Table(
    "views",
    metadata,
    Column("id", String, primary_key=True),
    Column("card_id", BigInteger, nullable=False),
    Column("draft_id", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
    Column("comment_hash", String, nullable=False),
    Column("comment_text", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    sqlite_with_rowid=False,
)
Index("views_card", views.c.card_id)

outbox = Table(
    "outbox",
    metadata,
    number(),
    Column("key", String, nullable=False, unique=True),
    Column("kind", String, nullable=False),
    Column("lane", String, nullable=False),
    Column("priority", Integer, nullable=False),
    *place(),
    Column("draft_id", BigInteger),
    Column("card_id", BigInteger),
    Column("version", Integer, nullable=False, server_default="0"),
    Column("reply_to", String),
    Column("text", Text, nullable=False, server_default=""),
    Column("text_hash", String),
    Column("extra", Text, nullable=False, server_default="{}"),
    Column("state", String, nullable=False),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("token", Integer, nullable=False, server_default="0"),
    Column("due_at", Float, nullable=False),
    Column("started_at", Float),
    Column("created_at", Float, nullable=False),
    Column("sent_at", Float),
    Column("message_id", String),
    Column("confirmed_by", String),
    Column("error", Text, nullable=False, server_default=""),
    Column("looks", Integer, nullable=False, server_default="0"),  # how often an uncertain one was looked up
    Column("look_at", Float),  # when next; null: it is not being looked up
)
_OPEN = text("state IN ('pending', 'claimed', 'sending', 'uncertain')")
Index("outbox_next", outbox.c.platform, outbox.c.state, outbox.c.priority, outbox.c.id)
Index("outbox_lane", outbox.c.lane, outbox.c.id, sqlite_where=_OPEN, postgresql_where=_OPEN)
_SOUGHT = text("look_at IS NOT NULL")
Index("outbox_look", outbox.c.platform, outbox.c.look_at, sqlite_where=_SOUGHT, postgresql_where=_SOUGHT)
_REPLY = text("kind = 'reply'")
Index(
    "outbox_reply",
    outbox.c.draft_id,
    outbox.c.platform,
    outbox.c.channel_id,
    outbox.c.version,
    unique=True,
    sqlite_where=_REPLY,
    postgresql_where=_REPLY,
)

timers = Table(
    "timers",
    metadata,
    number(),
    Column("kind", String, nullable=False),
    Column("key", String, nullable=False),
    Column("due_at", Float, nullable=False),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("part", Integer, nullable=False, server_default="0"),
    UniqueConstraint("kind", "key"),
)
Index("timers_due", timers.c.due_at)

prompts = Table(
    "prompts",
    metadata,
    number(),
    *place(),
    Column("message_id", String),
    Column("member", String, nullable=False),
    Column("payload", String, nullable=False),
    Column("field", String, nullable=False),
    Column("created_at", Float, nullable=False),
)
Index("prompts_message", prompts.c.platform, prompts.c.channel_id, prompts.c.message_id)

people = Table(
    "people",
    metadata,
    Column("member", String, primary_key=True),
    Column("language", String, nullable=False),  # empty: not chosen
    Column("zone", String, nullable=False, server_default=""),  # empty: not chosen
)

facts = Table(
    "facts",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", Text, nullable=False),
)

leases = Table(
    "leases",
    metadata,
    Column("name", String, primary_key=True),  # gateway:slack, part:12, worker:<id>
    Column("holder", String, nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("beat", BigInteger, nullable=False),  # grows while the holder lives; others watch it with their own clocks
    Column("about", Text, nullable=False, server_default=""),
)

blocks = Table(
    "blocks",
    metadata,
    Column("platform", String, primary_key=True),
    Column("destination", String, primary_key=True),  # empty: the whole bot
    Column("until", Float, nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
)

live = Table(
    "live",
    metadata,
    Column("name", String, primary_key=True),  # the kind, a colon, and whatever its handler calls the message
    *place(),
    Column("message_id", String, nullable=False),
    Column("shown", String, nullable=False),  # the fingerprint of what it shows; empty while that is not known
    Column("begun", String, nullable=False),  # of what is being shown now
    Column("edited_at", Float, nullable=False),  # when an edit last began
)
