"""The zone whose clock a person reads: told and chosen with `/timezone`."""

from __future__ import annotations

from bot.chat.events import CommandInvoked
from bot.domain.text import cut
from bot.engine.registry import Registry
from bot.handlers.context import Asker, Context, language_of, say, zone_of
from bot.handlers.wording import shown
from bot.locales.times import show_time
from bot.locales.zones import find_zone

_BACK = frozenset({"reset", "none", "default", "community", "重置", "默认", "社区"})
_NAME = 40


def register(registry: Registry[Context]) -> None:
    """Handle the command."""
    registry.command("timezone", "help.timezone", "[city|reset]", None, ("时区",))(_timezone)


def _timezone(ctx: Context, event: CommandInvoked) -> None:
    """`/timezone` tells it, `/timezone Asia/Shanghai` sets it, `/timezone reset` goes back to the community's."""
    asker = Asker.of(event)
    text = event.text.strip()
    if not text:
        own = ctx.work.people.zone(asker.member) == zone_of(ctx, asker)
        _tell(ctx, asker, "zone.yours" if own else "zone.ours")
        return
    back = text.casefold() in _BACK
    zone = "" if back else find_zone(text)
    if zone is None:
        say(ctx, asker, "zone.unknown", text=shown(cut(text, _NAME)))
        return
    ctx.work.people.choose_zone(asker.member, zone)
    _tell(ctx, asker, "zone.back" if back else "zone.chosen")


def _tell(ctx: Context, asker: Asker, key: str) -> None:
    """Say which zone it is and what time it is there, so that a wrong one is noticed."""
    zone = zone_of(ctx, asker)
    say(ctx, asker, key, zone=zone, time=show_time(ctx.now, zone, language_of(ctx, asker)))
