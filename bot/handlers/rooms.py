"""Which rooms somebody means who makes a poll or a giveaway."""

from __future__ import annotations

from dataclasses import dataclass, field

from bot.domain.places import Channel
from bot.handlers.context import Asker, Context


@dataclass(frozen=True, slots=True)
class NoRoom:
    """Why none is found: `nowhere`, or `no_such_place` with what was typed and what there is."""

    why: str
    args: dict[str, str | int | float] = field(default_factory=dict)


def meant(ctx: Context, asker: Asker, places: tuple[str, ...]) -> tuple[Channel, ...] | NoRoom:
    """The named rooms; else the room in which it was typed, or all watched ones from the team's."""
    here = asker.channel.home
    team = {(one.platform, one.channel_id) for one in ctx.desk.cards}
    rooms = {name: one for name, one in ctx.desk.named.items() if (one.platform, one.channel_id) not in team}
    if not places:
        if (here.platform, here.channel_id) not in team:
            return (here,)
        watched = [one for one in rooms.values() if (one.platform, one.channel_id) in ctx.desk.watched]
        return tuple(watched) or NoRoom("nowhere")
    found: dict[Channel, None] = {}
    for place in places:
        hits = [one for name, one in rooms.items() if _called(ctx, name, one, place)]
        if not hits:
            return NoRoom("no_such_place", {"place": place, "places": ", ".join(sorted(rooms))})
        found |= dict.fromkeys(hits)
    return tuple(found)


def _called(ctx: Context, name: str, room: Channel, place: str) -> bool:
    """`#general` is a room of that name on any platform, `@telegram` all watched ones there, `telegram/general` one."""
    platform, _, short = name.lower().partition("/")
    if place.startswith("@"):
        return platform == place[1:] and (room.platform, room.channel_id) in ctx.desk.watched
    return place.lstrip("#") in {short, name.lower()}


def name_of(ctx: Context, platform: str, channel_id: str) -> str:
    """What the settings call a room; its platform where they do not name it."""
    names = [name for name, one in ctx.desk.named.items() if (one.platform, one.channel_id) == (platform, channel_id)]
    return names[0] if names else platform
