"""Buttons and forms, whoever made them: the word in their payload says which capability they belong to."""

from __future__ import annotations

from bot.chat.events import ButtonPressed, FormSubmitted
from bot.engine.registry import Control, Pressed, Registry
from bot.handlers.context import Asker, Context, say


def register(registry: Registry[Context]) -> None:
    """Handle all buttons and forms."""
    registry.on(ButtonPressed)(pressed)
    registry.on(FormSubmitted)(submitted)


def find(ctx: Context, event: ButtonPressed | FormSubmitted) -> tuple[Pressed, Control[Context]] | None:
    """What a payload asks for and who does it; None where we did not make it, or not for this channel."""
    pressed_button = ctx.desk.signer.read(event.payload, event.channel)
    control = ctx.registry.find_control(pressed_button.view, pressed_button.word) if pressed_button else None
    return (pressed_button, control) if pressed_button and control else None


def pressed(ctx: Context, event: ButtonPressed) -> None:
    """A button."""
    found = find(ctx, event)
    if found is None:
        say(ctx, Asker.of(event), "review.invalid_button")
    else:
        found[1].pressed(ctx, event, found[0])


def submitted(ctx: Context, event: FormSubmitted) -> None:
    """A filled-in form, or the answer to a prompt."""
    found = find(ctx, event)
    if found is None or found[1].submitted is None:
        say(ctx, Asker.of(event), "review.invalid_button")
    else:
        found[1].submitted(ctx, event, found[0])
