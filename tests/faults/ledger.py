"""What must hold whatever was killed: the generator's list, the sandbox's journal and the database tell the same."""

from __future__ import annotations

from collections import Counter
from typing import Any

from .world import World


def lost(world: World) -> set[str]:
    """Messages that were said and are no comment, or one with another text."""
    room = str(world.settings["channels"][f"{world.platform}/community"])
    stored = dict(world.rows("SELECT message_id, text FROM comments WHERE channel_id = ? AND NOT early", room))
    return {message for message, text in world.said.items() if stored.get(message) != text}


def unstored(world: World) -> set[str]:
    """Events that the bot acknowledged and that are no row of the inbox."""
    inbox = {name for (name,) in world.rows("SELECT external_id FROM inbox")}
    return _ACKNOWLEDGED[world.platform](world.journal()) - inbox


def doubled(world: World) -> list[Any]:
    """Whatever is in the database more than once that may be there only once."""
    comments = world.rows("SELECT channel_id, message_id FROM comments GROUP BY 1, 2 HAVING count(*) > 1")
    drafts = world.rows("SELECT comment_id FROM drafts GROUP BY 1 HAVING count(*) > 1")
    cards = world.rows("SELECT draft_id, channel_id FROM cards GROUP BY 1, 2 HAVING count(*) > 1")
    replies = world.rows("SELECT draft_id FROM outbox WHERE kind = 'reply' GROUP BY 1, version HAVING count(*) > 1")
    return comments + drafts + cards + replies


def undrafted(world: World) -> list[Any]:
    """Comments that deserve an answer and have no draft, and drafts without a card on the platform."""
    without = world.rows("SELECT id FROM comments WHERE needs_reply AND id NOT IN (SELECT comment_id FROM drafts)")
    hidden = world.rows(
        "SELECT id FROM drafts WHERE id NOT IN (SELECT draft_id FROM cards WHERE message_id IS NOT NULL)"
    )
    return without + hidden


def unfinished(world: World) -> dict[str, int]:
    """Events whose handlers failed, and deliveries that are in doubt or went wrong."""
    inbox = world.rows("SELECT 'event ' || state FROM inbox WHERE state NOT IN ('done', 'ignored')")
    outbox = world.rows("SELECT kind || ' ' || state FROM outbox WHERE state NOT IN ('sent', 'cancelled')")
    return Counter(what for (what,) in inbox + outbox)


def _telegram(journal: list[dict[str, Any]]) -> set[str]:
    """Updates below the highest offset that was asked for."""
    offsets = [int(row["body"].get("offset") or 0) for row in journal if str(row.get("path")).endswith("/getUpdates")]
    below = max(offsets, default=0)
    pushed = [row["body"]["update_id"] for row in journal if row.get("type") == "update"]
    return {str(number) for number in pushed if number < below}


def _slack(journal: list[dict[str, Any]]) -> set[str]:
    """Events whose envelopes were acknowledged."""
    acked = {row["body"].get("envelope_id") for row in journal if row.get("method") == "WS"}
    pushed = [row["body"] for row in journal if row.get("type") == "events_api"]
    return {body["payload"]["event_id"] for body in pushed if body["envelope_id"] in acked}


def _discord(journal: list[dict[str, Any]]) -> set[str]:
    """Interactions that were answered; messages are acknowledged by nothing."""
    answered = [str(row["path"]).split("/") for row in journal if str(row.get("path")).endswith("/callback")]
    return {f"i:{parts[parts.index('interactions') + 1]}" for parts in answered}


_ACKNOWLEDGED = {"telegram": _telegram, "slack": _slack, "discord": _discord}
