"""What is answered at once, before the router has seen the event: forms to open, fields to correct.

Slack and Discord open a form only within three seconds of the click. Nothing is decided here; the handlers look at
everything again when they run.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from sqlalchemy import Connection

from bot.chat.events import ButtonPressed, CommandInvoked, FormSubmitted
from bot.chat.messages import Accepted, Answer, FieldErrors, Form, OpenForm
from bot.chat.ports import Platform
from bot.domain.roles import Role
from bot.engine.access import Access
from bot.engine.registry import Registry
from bot.engine.router import carried
from bot.handlers import interactions
from bot.handlers.commands import UMBRELLA
from bot.handlers.context import Context
from bot.handlers.payloads import view_and_word
from bot.storage.store import Store
from bot.storage.work import Work

Interaction = ButtonPressed | FormSubmitted | CommandInvoked
Opener = Callable[[Context, CommandInvoked], Form | None]


class Immediate:
    """Gives the immediate answer to interactions."""

    def __init__(
        self,
        store: Store,
        access: Access,
        platforms: Mapping[str, Platform],
        registry: Registry[Context],
        context: Callable[[Work, frozenset[Role]], Context],
    ) -> None:
        self._registry = registry
        self._store = store
        self._access = access
        self._platforms = platforms
        self._context = context

    def _carried(self, event: Interaction) -> tuple[str, ...] | None:
        platform = self._platforms.get(event.member.platform)
        return carried(event, platform) if platform else None

    def _may_open(self, event: ButtonPressed) -> bool:
        """Whether buttons of this kind open forms at all: for a vote neither roles nor the store are asked."""
        control = self._registry.find_control(*view_and_word(event.payload))
        return control is not None and control.form is not None

    def answer(self, event: Interaction, now: float) -> Answer | Awaitable[Answer]:
        """A form to open, errors of a submitted one, or nothing; awaited where something has to be looked up for it."""
        if isinstance(event, ButtonPressed) and not self._may_open(event):
            return Accepted()
        return self._looked_up(event, now)

    async def _looked_up(self, event: Interaction, now: float) -> Answer:
        roles = await self._access.roles(event.member, self._carried(event))

        def unit(connection: Connection) -> Answer:
            ctx = self._context(Work(connection, now), roles)
            if not ctx.desk.forms(event.channel.platform):
                return Accepted()
            if isinstance(event, FormSubmitted):
                return _field_errors(ctx, event)
            form = _form(ctx, event)
            return OpenForm(form) if form else Accepted()

        if isinstance(event, CommandInvoked):  # may have to remember what the form is about
            return await self._store.write(unit) if _opener(self._registry, event)[0] else Accepted()
        return await self._store.read(unit)


def _opener(registry: Registry[Context], event: CommandInvoked) -> tuple[Opener | None, CommandInvoked]:
    """What a command may open, and the command without the umbrella's name."""
    if event.name == UMBRELLA:
        name, _, rest = event.text.strip().partition(" ")
        event = replace(event, name=name.lower(), text=rest)
    command = registry.find_command(event.name)
    if command is None or (command.action is not None and event.private):
        return None, event
    return command.form, event


def _form(ctx: Context, event: ButtonPressed | CommandInvoked) -> Form | None:
    if isinstance(event, CommandInvoked):
        opens, told = _opener(ctx.registry, event)
        return opens(ctx, told) if opens else None
    found = interactions.find(ctx, event)
    return found[1].form(ctx, event, found[0]) if found and found[1].form else None


def _field_errors(ctx: Context, event: FormSubmitted) -> Answer:
    found = interactions.find(ctx, event)
    errors = found[1].errors(ctx, event, found[0]) if found and found[1].errors else {}
    return FieldErrors(errors) if errors else Accepted()
