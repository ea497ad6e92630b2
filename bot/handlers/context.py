"""What handlers work with: the installation, and one unit of work in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.chat.beacons import Beacon
from bot.chat.events import ButtonPressed, CommandInvoked, FormSubmitted, ReplyHandle
from bot.chat.messages import Button, Notice
from bot.chat.moments import inert
from bot.chat.ports import Capabilities
from bot.domain.delivery import Urgency
from bot.domain.places import Channel, Member
from bot.domain.review import Rules
from bot.domain.roles import Role
from bot.domain.text import Units
from bot.drafting.characters import visible
from bot.engine.registry import Registry
from bot.handlers.payloads import Signer, new_id
from bot.locales import Catalogue, Value, choose
from bot.locales.zones import is_zone
from bot.storage.comments import Verdict
from bot.storage.drafts import Made
from bot.storage.keys import Keys
from bot.storage.outbox import Order
from bot.storage.work import Passing, Work

Place = tuple[str, str]
"""A channel as settings name it: platform and channel id, which is unique on its platform."""


@dataclass(frozen=True, slots=True)
class GiveawayRules:
    """What holds for giveaways that say nothing else."""

    open_to_all: bool = False
    """Whether everybody may make them, or the team only."""
    hours: float = 48.0
    alternates: int = 10
    claim_seconds: float = 48 * 3600.0
    cooldown_seconds: float = 0.0
    staff: bool = False
    """Whether the team may enter."""
    organiser: str = ""
    law: tuple[str, ...] = ()
    retention_seconds: float = 90 * 86400.0
    address_seconds: float = 30 * 86400.0
    offline: bool = False
    """No public beacon unless somebody asks for one."""
    beacon: Beacon | None = None
    """The public beacon, if there is one."""


@dataclass(frozen=True, slots=True)
class Desk:
    """The installation as handlers see it."""

    texts: Catalogue
    signer: Signer
    capabilities: Mapping[str, Capabilities]
    watched: Mapping[Place, str]
    """Names of the watched channels."""
    review: tuple[Channel, ...]
    languages: tuple[str, ...]
    channel_languages: Mapping[Place, str]
    keys: Keys
    """Those of anonymous polls."""
    rules: Rules = field(default_factory=Rules)
    undo_seconds: float = 10.0
    max_age: float = 86400.0
    max_draft: int = 1500
    card_lines: bool = True
    sla_seconds: float = 0.0
    """How long a member may wait for the team's decision; 0: for ever."""
    escalation: Channel | None = None
    """Where help is called for."""
    timezone: str = "UTC"
    """The zone of whoever has not chosen one."""
    named: Mapping[str, Channel] = field(default_factory=dict)
    """All rooms that the settings name (`telegram/general`)."""
    polls_open: bool = False
    """Whether everybody may make polls, or the team only."""
    poll_hours: float = 24.0
    """How long a poll runs that was given no end."""
    giveaways: GiveawayRules = field(default_factory=GiveawayRules)
    active_seconds: float = 30 * 86400.0
    """Who wrote something within this time is an active member."""

    @property
    def cards(self) -> tuple[Channel, ...]:
        """Every channel that a card may have to be shown in."""
        return self.review if self.escalation is None else (*self.review, self.escalation)

    def language(self, channel: Channel, locale: str | None = None) -> str:
        """The language for a reader: theirs, else the channel's, else the community's."""
        place = self.channel_languages.get((channel.platform, channel.channel_id))
        return choose(locale, self.languages) or place or self.languages[0]

    def cap(self, destination: str) -> tuple[int, Units]:
        """How long a draft for this platform may be, so that destination and every review card take it whole."""
        involved = [
            c for name in {destination, *(c.platform for c in self.cards)} if (c := self.capabilities.get(name))
        ]
        limits = [self.max_draft, *(c.max_draft for c in involved)]
        if destination in self.capabilities:
            limits.append(self.capabilities[destination].max_reply)
        units: Units = "utf16" if any(c.units == "utf16" for c in involved) else "codepoints"
        return min(limits), units

    def forms(self, platform: str) -> bool:
        """Whether forms open there as dialogs."""
        found = self.capabilities.get(platform)
        return found is not None and found.forms


@dataclass(frozen=True, slots=True)
class Prepared:
    """What triage says of a message, and its draft where that takes no time."""

    verdict: Verdict
    made: Made | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """One unit of work: what it may write, and the roles of whoever set it off."""

    work: Work
    desk: Desk
    registry: Registry[Context]
    roles: frozenset[Role] = frozenset()
    prepared: Prepared | None = None
    """What was found out about the message that this is about."""

    @property
    def now(self) -> float:
        """The unit's moment in UTC seconds."""
        return self.work.now


@dataclass(frozen=True, slots=True)
class Asker:
    """The person who asked for something, where, and how to answer them privately."""

    member: Member
    name: str
    channel: Channel
    reply: ReplyHandle
    locale: str | None

    @staticmethod
    def of(event: ButtonPressed | FormSubmitted | CommandInvoked) -> Asker:
        """Whoever is behind this event. Their name stands beside our words: what cannot be seen of it is marked."""
        return Asker(event.member, visible(inert(event.member_name)), event.channel, event.reply, event.locale)


def language_of(ctx: Context, asker: Asker) -> str:
    """The language to answer this person in."""
    return ctx.work.people.language(asker.member) or ctx.desk.language(asker.channel, asker.locale)


def zone_of(ctx: Context, asker: Asker) -> str:
    """The zone whose clock this person reads; the community's also where the one that they chose is known no more."""
    chosen = ctx.work.people.zone(asker.member)
    return chosen if chosen and is_zone(chosen) else ctx.desk.timezone


def tell(ctx: Context, asker: Asker, text: str, *, toast: bool = False, passing: bool = False) -> None:
    """Answer one person privately. A `toast` is shown only where it leaves nothing behind.

    What is `passing` answers a press: it is said from memory after the commit, and dropped where it would come too late
    for that or where newer ones wait for the same person (`engine.passing`). Where it comes of no press, or only after
    some time (of a timer), it is sent like everything else, but nobody else learns that there was something to say.
    """
    if passing and say_passing(ctx, asker, text, toast=toast):
        return
    key = new_id()
    hint = "" if passing else ctx.desk.texts.say(language_of(ctx, asker), "notice.hint", name=asker.name)
    extra = {
        "member": str(asker.member),
        "hint": hint,
        "toast": toast,
        "reply": dict(asker.reply),
    }
    ctx.work.outbox.add(Order(key, "notice", key, asker.channel, Urgency.ANSWER, text=text, extra=extra))


def say_passing(ctx: Context, asker: Asker, text: str, *, toast: bool = False) -> bool:
    """Answer a press from memory once this unit is committed; False where nobody would."""
    notice = Notice(text, asker.member, toast=toast, passing=True)
    return ctx.work.say(Passing(notice, asker.channel, asker.reply))


def offer(ctx: Context, asker: Asker, text: str, buttons: tuple[Button, ...]) -> None:
    """Show one person something privately, with buttons; only where the platform shows such things privately."""
    key = new_id()
    extra = {
        "member": str(asker.member),
        "hint": ctx.desk.texts.say(language_of(ctx, asker), "notice.hint", name=asker.name),
        "reply": dict(asker.reply),
        "buttons": [{"label": one.label, "payload": one.payload, "style": one.style} for one in buttons],
    }
    ctx.work.outbox.add(Order(key, "notice", key, asker.channel, Urgency.ANSWER, text=text, extra=extra))


def say(
    ctx: Context,
    asker: Asker,
    key: str,
    values: Mapping[str, Value] | None = None,
    *,
    toast: bool = False,
    **args: Value,
) -> None:
    """Answer one person privately with a catalogue text, its arguments by name or in `values`."""
    text = ctx.desk.texts.say(language_of(ctx, asker), key, **{**(values or {}), **args})
    tell(ctx, asker, text, toast=toast)
