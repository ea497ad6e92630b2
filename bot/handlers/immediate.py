"""What is answered at once, before the router has seen the event: forms to open, fields to correct.

Slack and Discord open a form only within three seconds of the click. Nothing is decided here; the handlers look at
everything again when they run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlalchemy import Connection

from bot.chat.events import ButtonPressed, CommandInvoked, FormSubmitted
from bot.chat.messages import Accepted, Answer, FieldErrors, OpenForm
from bot.chat.ports import Platform
from bot.domain.roles import Action, Role, may
from bot.drafting.guards import Unusable, clean_human
from bot.engine.access import Access
from bot.engine.router import carried
from bot.handlers import reviews
from bot.handlers.commands import UMBRELLA
from bot.handlers.context import Asker, Context, language_of
from bot.handlers.payloads import new_id
from bot.handlers.reviews import FORMS, WRITES, Matter
from bot.storage.store import Store
from bot.storage.work import Work

Interaction = ButtonPressed | FormSubmitted | CommandInvoked


class Immediate:
    """Gives the immediate answer to interactions."""

    def __init__(
        self,
        store: Store,
        access: Access,
        platforms: Mapping[str, Platform],
        context: Callable[[Work, frozenset[Role]], Context],
    ) -> None:
        self._store = store
        self._access = access
        self._platforms = platforms
        self._context = context

    def _carried(self, event: Interaction) -> tuple[str, ...] | None:
        platform = self._platforms.get(event.member.platform)
        return carried(event, platform) if platform else None

    async def answer(self, event: Interaction, now: float) -> Answer:
        """A form to open, errors of a submitted one, or nothing."""
        roles = await self._access.roles(event.member, self._carried(event))

        def unit(connection: Connection) -> Answer:
            ctx = self._context(Work(connection, now), roles)
            if not ctx.desk.forms(event.channel.platform):
                return Accepted()
            if isinstance(event, FormSubmitted):
                return _field_errors(ctx, event)
            return _form(ctx, event)

        if isinstance(event, CommandInvoked):  # may have to remember what the form is about
            return await self._store.write(unit) if _names_form(event) else Accepted()
        return await self._store.read(unit)


def _names_form(event: CommandInvoked) -> bool:
    return any(word in {a.value for a in FORMS} for word in (event.name, event.text.partition(" ")[0]))


def _form(ctx: Context, event: ButtonPressed | CommandInvoked) -> Answer:
    asker = Asker.of(event)
    found = _pressed(ctx, event) if isinstance(event, ButtonPressed) else _typed(ctx, asker, event)
    if found is None:
        return Accepted()
    matter, action, payload = found
    if action not in FORMS or not may(ctx.roles, action) or reviews.check(ctx, asker, matter, action):
        return Accepted()
    return OpenForm(reviews.form(ctx, asker, matter, action, payload))


def _pressed(ctx: Context, event: ButtonPressed | FormSubmitted) -> tuple[Matter, Action, str] | None:
    button = ctx.desk.signer.read(event.payload, event.channel)
    stored = ctx.work.cards.view(button.view) if button else None
    draft = ctx.work.drafts.get(stored.card.draft_id) if stored else None
    if button is None or stored is None or draft is None:
        return None
    comment = ctx.work.comments.get(draft.comment_id)
    return Matter(draft, comment, stored.view, stored.card.id), button.action, event.payload


def _typed(ctx: Context, asker: Asker, event: CommandInvoked) -> tuple[Matter, Action, str] | None:
    """`/edit 12` without a text opens the form that the button would."""
    name, text = event.name, event.text.strip()
    if name == UMBRELLA:
        name, _, text = text.partition(" ")
    number, _, rest = text.strip().lstrip("#").partition(" ")
    command = ctx.registry.find_command(name)
    asks = command is not None and command.action in FORMS and command.action is not Action.REJECT
    if command is None or command.action is None or not asks or rest or not number.isdecimal() or len(number) > 15:
        return None
    draft = ctx.work.drafts.get(int(number)) if command.name == command.action.value else None
    cards = ctx.work.cards.of_draft(draft.id) if draft else []
    if draft is None or not cards:
        return None
    matter = reviews.matter_for(ctx, asker, draft)
    key = new_id()
    ctx.work.cards.show(key, matter.card_id or cards[0].id, draft.id, matter.view, ctx.now)
    return matter, command.action, ctx.desk.signer.make(key, command.action, event.channel)


def _field_errors(ctx: Context, event: FormSubmitted) -> Answer:
    found = _pressed(ctx, event)
    if found is None or found[1] not in WRITES:
        return Accepted()
    cleaned = clean_human(event.values.get("text", ""), *ctx.desk.cap(found[0].comment.channel.platform))
    if not isinstance(cleaned, Unusable):
        return Accepted()
    language = language_of(ctx, Asker.of(event))
    return FieldErrors({"text": ctx.desk.texts.say(language, f"draft.unusable.{cleaned.reason}", **dict(cleaned.args))})
