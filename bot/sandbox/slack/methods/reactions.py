"""reactions.* and pins.*."""

from __future__ import annotations

import re

from bot.sandbox.frame import Json
from bot.sandbox.slack.errors import SlackError
from bot.sandbox.slack.events import reaction_event
from bot.sandbox.slack.limits import Tier
from bot.sandbox.slack.methods.registry import Call, method

EMOJI = re.compile(r"[a-z0-9_+'\-]{1,100}(::skin-tone-[2-6])?$")
_PINS = 100


@method("reactions.add", tier=Tier.THREE, scope="reactions:write")
def add(call: Call) -> dict[str, Json]:
    """React as the bot."""
    place = call.channel(joined=True)
    message, name, bot = call.message(place, "timestamp"), _emoji(call), call.workspace.bot.id
    users = message.reactions.setdefault(name, [])
    if bot in users:
        raise SlackError("already_reacted")
    users.append(bot)
    call.core.emit(call.workspace, reaction_event(place, message, bot, name, removed=False))
    return {}


@method("reactions.remove", tier=Tier.TWO, scope="reactions:write")
def remove(call: Call) -> dict[str, Json]:
    """Take the bot's reaction back."""
    place = call.channel(joined=True)
    message, name, bot = call.message(place, "timestamp"), _emoji(call), call.workspace.bot.id
    users = message.reactions.get(name, [])
    if bot not in users:
        raise SlackError("no_reaction")
    users.remove(bot)
    if not users:
        del message.reactions[name]
    call.core.emit(call.workspace, reaction_event(place, message, bot, name, removed=True))
    return {}


@method("reactions.get", tier=Tier.THREE, scope="reactions:read")
def get(call: Call) -> dict[str, Json]:
    """A message with its reactions."""
    if "channel" not in call.args:
        raise SlackError("no_item_specified")
    place = call.channel()
    wire = call.wire(place, call.message(place, "timestamp"))
    return {"type": "message", "channel": place.channel.id, "message": wire}


@method("pins.add", tier=Tier.TWO, scope="pins:write")
def pin(call: Call) -> dict[str, Json]:
    """Pin a message to its channel."""
    place = call.channel(joined=True)
    message = call.message(place, "timestamp")
    if message.pinned:
        raise SlackError("already_pinned")
    if sum(other.pinned for other in place.channel.messages.values()) >= _PINS:
        raise SlackError("too_many_pins")
    message.pinned = True
    return {}


@method("pins.remove", tier=Tier.TWO, scope="pins:write")
def unpin(call: Call) -> dict[str, Json]:
    """Take a pin off."""
    place = call.channel(joined=True)
    message = call.message(place, "timestamp")
    if not message.pinned:
        raise SlackError("no_pin")
    message.pinned = False
    return {}


@method("pins.list", tier=Tier.TWO, scope="pins:read")
def list_pins(call: Call) -> dict[str, Json]:
    """The pinned messages of a channel."""
    place = call.channel()
    pinned = [message for message in place.channel.messages.values() if message.pinned]
    by = {"type": "message", "channel": place.channel.id, "created_by": call.workspace.bot.id}
    return {"items": [{**by, "message": call.wire(place, message)} for message in pinned]}


def _emoji(call: Call) -> str:
    name = str(call.args["name"]).strip(":")
    if not EMOJI.match(name):
        raise SlackError("invalid_name")
    return name
