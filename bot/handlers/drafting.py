"""Making drafts: triage when a comment comes in, and the job that turns a comment into a draft on cards."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from bot.chat.events import Event, MessageEdited, MessagePosted
from bot.domain.places import Channel
from bot.domain.review import DraftState
from bot.drafting.drafter import Drafted, Drafter, EmbeddedDrafter, NeedsHuman, Request
from bot.drafting.knowledge import Knowledge
from bot.drafting.triage import ON_TOPIC, triage
from bot.engine.registry import Registry
from bot.handlers.cards import open_cards
from bot.handlers.context import Context, Desk, Prepared
from bot.storage.comments import Comments, StoredComment, Verdict
from bot.storage.drafts import Drafts, Made, Origin, StoredDraft
from bot.storage.store import Store
from bot.storage.timers import Timer

UNDECIDED = "statement"
"""Triage's reason for a text that its rules say nothing about."""
THREAD = 10
"""Earlier comments of the same thread that a drafter is shown."""


@dataclass(frozen=True, slots=True)
class Studio:
    """Who makes drafts, from what, for whom."""

    store: Store
    desk: Desk
    knowledge: Knowledge
    drafter: Drafter
    languages: tuple[str, ...]
    community: str
    tone: str

    async def prepare(self, events: list[Event]) -> list[Prepared | None]:
        """Triage of those events that bring a member's text; off the loop."""
        if not any(isinstance(event, MessagePosted | MessageEdited) for event in events):
            return [None] * len(events)
        return await asyncio.to_thread(lambda: [self._prepared(event) for event in events])

    def _prepared(self, event: Event) -> Prepared | None:
        if isinstance(event, MessagePosted):
            if event.author_is_bot or not self._watched(event.channel):
                return None
            files = bool(event.attachments)
        elif isinstance(event, MessageEdited) and self._watched(event.channel):
            files = False
        else:
            return None
        verdict = self._triage(event.text, files)
        if not verdict.needs_reply or not isinstance(self.drafter, EmbeddedDrafter):
            return Prepared(verdict)
        request = self._first_request(event.channel.platform, event.text, verdict.language)
        return Prepared(verdict, _made(self.drafter.compose(request), verdict.language))

    def _triage(self, text: str, files: bool) -> Verdict:
        found = triage(text, has_attachment=files)
        if found.reason == UNDECIDED:  # only then is it worth asking the knowledge base
            hits = self.knowledge.search(text, limit=1)
            if hits and hits[0].confidence >= ON_TOPIC:
                return Verdict(found.language, True, "knowledge", found.flags)
        return Verdict(found.language, found.needs_reply, found.reason, found.flags)

    def _first_request(self, platform: str, text: str, language: str) -> Request:
        cap, units = self.desk.cap(platform)
        return Request(comment_text=text, language=language, hits=self.knowledge.search(text), cap=cap, units=units)

    def _watched(self, channel: Channel) -> bool:
        return (channel.platform, channel.home.channel_id) in self.desk.watched

    async def draft(self, timer: Timer) -> Callable[[Context], None]:
        """Make the draft that is due."""
        draft_id = int(timer.key)
        found = await self.store.read(lambda connection: _read(connection, draft_id))
        if found is None:
            return lambda _: None
        draft, comment, thread = found
        made = await self.drafter.draft(await self._request(draft, comment, thread))
        return lambda ctx: _finish(ctx, draft, made, comment.verdict.language)

    async def _request(self, draft: StoredDraft, comment: StoredComment, thread: list[StoredComment]) -> Request:
        hits = await asyncio.to_thread(self.knowledge.search, comment.text)
        cap, units = self.desk.cap(comment.channel.platform)
        return Request(
            comment_text=comment.text,
            language=comment.verdict.language,
            hits=hits,
            cap=cap,
            units=units,
            thread=tuple((one.author_name, one.text) for one in thread),
            instruction=draft.ruled.instruction or None,
            previous=draft.ruled.text or None,
            author=comment.author_name,
            community=self.community,
            tone=self.tone,
        )


def register(registry: Registry[Context], studio: Studio) -> None:
    """Have drafts made when they are due."""
    registry.timer("draft", studio.draft)


def _read(connection: Connection, draft_id: int) -> tuple[StoredDraft, StoredComment, list[StoredComment]] | None:
    draft = Drafts(connection).get(draft_id)
    if draft is None or draft.ruled.state is not DraftState.DRAFTING:
        return None
    comments = Comments(connection)
    comment = comments.get(draft.comment_id)
    return draft, comment, comments.in_thread(comment, THREAD)


def _made(result: Drafted | NeedsHuman, language: str) -> Made:
    if isinstance(result, Drafted):
        origin = Origin(result.language, result.why, result.sources, result.flags, result.drafter, result.prompt)
        return Made(result.text, origin)
    why = f"{result.reason}:{result.detail}" if result.detail else result.reason
    return Made("", Origin(language, why, (), result.flags))


def _finish(ctx: Context, draft: StoredDraft, result: Drafted | NeedsHuman, language: str) -> None:
    if ctx.work.drafts.fill(draft.id, draft.ruled.version, _made(result, language), ctx.now):
        open_cards(ctx, draft.id)
