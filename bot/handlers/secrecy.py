"""What must not be written down: clicks and private answers of anonymous polls, codes and addresses of prizes.

All of it is sealed in the database.

What is sealed can be read as long as the poll's key exists, which `handlers.shredding` destroys soon after the end.
Nothing beside a seal may name its voter: channels are rooms, ids of events are the platforms' numbers, and a ballot
knows neither order nor time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from pydantic import TypeAdapter, ValidationError

from bot.chat.events import ButtonPressed, CommandInvoked, Event, FormSubmitted
from bot.chat.messages import Button, Notice
from bot.chat.ports import Incoming
from bot.domain.delivery import Urgency
from bot.domain.places import Member
from bot.domain.polls import Poll
from bot.engine.registry import Act, Nothing, Registry, Tell
from bot.engine.sealing import envelope
from bot.handlers.commands import UMBRELLA
from bot.handlers.context import Asker, Context, say_passing
from bot.handlers.payloads import new_id, view_and_word
from bot.storage.keys import Key, Keys, is_anonymous, is_giveaway
from bot.storage.outbox import Delivery, Order

NOTICE = "sealed_notice"
SHRED = "poll_shred"
"""The timer that destroys the key of the poll it is named after; set where a poll is closed, cancelled or discarded."""

_PRESSED, _SUBMITTED, _COMMAND = TypeAdapter(ButtonPressed), TypeAdapter(FormSubmitted), TypeAdapter(CommandInvoked)
_KINDS: Mapping[bytes, TypeAdapter[ButtonPressed] | TypeAdapter[FormSubmitted] | TypeAdapter[CommandInvoked]] = {
    b"p": _PRESSED,
    b"s": _SUBMITTED,
    b"c": _COMMAND,
}
_PAYLOAD = re.compile(r"v1\|(a\.[A-Za-z0-9_-]{1,14})\|")


def register(registry: Registry[Context]) -> None:
    """Declare sealed notices as outgoing messages."""
    registry.outgoing(NOTICE, _prepare, private=True)


# ---- who votes


def person_in(ctx: Context, poll: Poll, member: Member) -> str:
    """The person behind a member in an anonymous poll: as accounts were linked when it opened.

    A ballot that moved in the moment in which two members are linked would be known for theirs.
    """
    return ctx.work.facts.get(as_prefix(poll) + str(member)) or ctx.work.links.person_of(member)


def keep_persons(ctx: Context, poll: Poll, members: Iterable[Member]) -> None:
    """Before members are linked or parted: in this open anonymous poll they stay who they are."""
    for member in members:
        if ctx.work.facts.get(as_prefix(poll) + str(member)) is None:
            ctx.work.facts.set(as_prefix(poll) + str(member), ctx.work.links.person_of(member))


def forget_persons(ctx: Context, poll: Poll) -> None:
    """The poll is over."""
    for name in ctx.work.facts.beginning(as_prefix(poll)):
        ctx.work.facts.forget(as_prefix(poll) + name)


def as_prefix(poll: Poll) -> str:
    """What the names of those facts about voters begin with that are forgotten when an anonymous poll is over."""
    return f"poll:{poll.name}:as:"


# ---- what comes in


def poll_of(payload: str) -> str | None:
    """The anonymous poll that a payload, verified or not, says it belongs to."""
    parts = payload.split("|")
    return parts[1] if len(parts) > 1 and is_anonymous(parts[1]) else None


class PollSeals:
    """Seals the presses and forms of anonymous polls. Only the event is sealed, not what the platform wrote around it:

    the sealed texts of all presses are of the same length, and names and ids cannot be told from it.
    """

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def covers(self, event: Event) -> bool:
        """Whether it says who voted, what a prize's code is, or where one is sent to."""
        return _key_for(event) is not None

    def close(self, item: Incoming) -> Incoming:
        """The event with a sealed text in place of the raw one. Raises StoreUnavailable.

        A poll without a key is over, or not open yet: then the guests' key seals it, which lives for some hours.
        """
        event = item.event
        if event is None:
            found = _PAYLOAD.search(item.raw)  # nothing that we read; it may name somebody all the same
            return replace(item, raw=envelope(found[1])) if found else item
        name = _key_for(event)
        if name is None or not isinstance(event, ButtonPressed | FormSubmitted | CommandInvoked):
            return item
        key = (self._keys.find(name) if name else None) or self._keys.guest()
        return replace(item, raw=envelope(key.name, _packed(key, event)))

    def open(self, name: str, sealed: str) -> Event | None:
        """The event that was sealed; None if its key is gone. Raises StoreUnavailable."""
        key = self._keys.find(name)
        data = key.open(sealed) if key else None
        return None if data is None else _unpacked(data)


_GIVEAWAY_COMMANDS = frozenset({"giveaway", "抽奖"})
_TELLING = frozenset({"codes", "兑换码", "address", "地址"})
"""What is typed behind `/giveaway` with a secret after it."""


def _key_for(event: Event) -> str | None:
    """The name of the key that seals an event, empty for the guests'; None: it may be stored as it came."""
    if isinstance(event, ButtonPressed):
        return poll_of(event.payload)
    if isinstance(event, CommandInvoked):
        words = [event.name, *event.text.lower().split(maxsplit=2)]
        if words[0] == UMBRELLA:
            del words[0]
        tells = len(words) > 1 and words[0] in _GIVEAWAY_COMMANDS and words[1] in _TELLING
        return "" if tells else None
    if not isinstance(event, FormSubmitted):
        return None
    view = view_and_word(event.payload)[0]
    return view if is_giveaway(view) else poll_of(event.payload)


def _packed(key: Key, event: ButtonPressed | FormSubmitted | CommandInvoked) -> str:
    """Empty for what cannot be written at all (half a character in a name): that is handled from memory or not."""
    try:
        if isinstance(event, ButtonPressed):
            return key.seal(b"p" + _PRESSED.dump_json(event))
        if isinstance(event, CommandInvoked):
            return key.seal(b"c" + _COMMAND.dump_json(event))
        return key.seal(b"s" + _SUBMITTED.dump_json(event))
    except ValueError:
        return ""


def _unpacked(data: bytes) -> Event | None:
    """None for what another version of this program sealed in another way."""
    try:
        return _KINDS[data[:1]].validate_json(data[1:])
    except (ValidationError, KeyError):
        return None


# ---- what goes out


@dataclass(frozen=True, slots=True)
class _Letter:
    """A sealed notice, opened."""

    text: str
    member: Member
    toast: bool = False
    buttons: tuple[Button, ...] = ()
    reply: Mapping[str, str] = field(default_factory=dict)


_LETTER = TypeAdapter(_Letter)


def tell_sealed(
    ctx: Context,
    asker: Asker,
    poll_name: str,
    text: str,
    *,
    toast: bool = False,
    buttons: tuple[Button, ...] = (),
    passing: bool = False,
) -> None:
    """Answer one person privately about an anonymous poll: like `tell`, but only the poll's key can tell whom.

    What is said from memory is in no table, and needs no seal. There is no hint: it would be said in the room, with the
    name. Raises StoreUnavailable where keys cannot be read.
    """
    if passing and say_passing(ctx, asker, text, toast=toast):
        return
    key = ctx.desk.keys.find(poll_name) or ctx.desk.keys.guest()
    letter = _Letter(text, asker.member, toast, buttons, dict(asker.reply))
    extra = {"poll": key.name, "sealed": key.seal(_LETTER.dump_json(letter))}
    number = new_id()
    ctx.work.outbox.add(Order(number, NOTICE, lane(poll_name) + number, asker.channel, Urgency.ANSWER, extra=extra))


def lane(poll_name: str) -> str:
    """What the lanes of a poll's sealed notices begin with. Each has a lane of its own."""
    return f"sealed:{poll_name}:"


def _prepare(ctx: Context, row: Delivery) -> Act:
    key = ctx.desk.keys.find(str(row.extra.get("poll")))
    data = key.open(str(row.extra.get("sealed"))) if key else None
    if data is None:
        return Nothing()
    letter = _LETTER.validate_json(data)
    notice = Notice(letter.text, letter.member, toast=letter.toast, buttons=letter.buttons)
    return Tell(notice, row.to, letter.reply)
