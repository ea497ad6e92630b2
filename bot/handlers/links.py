"""Accounts of one person: linked by a code that one shows and the other types, and parted again at any time.

In polls and giveaways whoever is linked counts once. The names of ballots and entries follow in the unit that links or
parts, so that there is no moment at which somebody counts twice in an open poll; polls that are over stay as they were,
and so do open anonymous ones.
"""

from __future__ import annotations

import json
import re
import secrets
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from bot.chat.events import ButtonPressed, CommandInvoked
from bot.chat.messages import Button
from bot.domain.places import Channel, Member
from bot.domain.polls import Kind, Poll, State
from bot.domain.text import cut
from bot.engine.registry import Control, Pressed, Registry
from bot.handlers.context import Asker, Context, language_of, offer, say, tell
from bot.handlers.giveaways.persons import follow
from bot.handlers.polls import posting
from bot.handlers.secrecy import keep_persons
from bot.handlers.wording import shown
from bot.locales import Value
from bot.storage.ballots import Cast
from bot.storage.linking import Offer

SECONDS = 600.0
"""How long a code is valid, and for how long a wrong one is held against whoever typed it."""
TRIES = 5
"""So many wrong codes within that time, and no other is looked at: there are a million of them."""
ALL_TRIES = 200
"""So many wrong codes of all members together: somebody with many accounts is guessing, and nobody's is looked at."""
WORD = "link"
_CODE = re.compile("[0-9]{6}")
_YES = frozenset({"yes", "y", "ok", "是", "确认", "同意", "好"})
_PAGE = 100
_NAME = 40


def register(registry: Registry[Context]) -> None:
    """Handle both commands, and the button under the question whether a code is one's own."""
    registry.command("link", "help.link", "[code]", None, ("关联",))(_link)
    registry.command("unlink", "help.unlink", "", None, ("取消关联",))(_unlink)
    registry.control(WORD, Control(_confirmed))


def _link(ctx: Context, event: CommandInvoked) -> None:
    """`/link` shows a code, `/link 123456` whose it is, `/link 123456 yes` links."""
    asker = Asker.of(event)
    words = unicodedata.normalize("NFKC", event.text).replace("-", " ").lower().split()
    agreed = len(words) > 1 and words[-1] in _YES
    code = "".join(words[:-1] if agreed else words)
    if not code:
        _show_code(ctx, asker)
    elif not _CODE.fullmatch(code):
        say(ctx, asker, "command.usage", usage="/link 123456")
    elif _guessed(ctx, asker):
        say(ctx, asker, "link.blocked", minutes=round(SECONDS / 60))
    elif not _typed(ctx, asker, code, agreed):
        ctx.work.links.missed(asker.member, ctx.now)


def _guessed(ctx: Context, asker: Asker) -> bool:
    since, misses = ctx.now - SECONDS, ctx.work.links.misses
    return misses(asker.member, since) >= TRIES or misses(None, since) >= ALL_TRIES


def _confirmed(ctx: Context, event: ButtonPressed, button: Pressed) -> None:
    """The button that stands for `/link 123456 yes`: nobody can guess it, so that it is no try."""
    _typed(ctx, Asker.of(event), button.view, agreed=True)


def _show_code(ctx: Context, asker: Asker) -> None:
    """A new code, in place of an older one, and what this account is linked with."""
    back = {"channel": asdict(asker.channel), "reply": dict(asker.reply), "locale": asker.locale}
    while True:
        code = f"{secrets.randbelow(10**6):06}"
        until = ctx.now + SECONDS
        if ctx.work.links.offer(_hash(ctx, code), asker.member, asker.name, until, json.dumps(back)):
            break
    language, texts = language_of(ctx, asker), ctx.desk.texts
    lines = [texts.say(language, "link.code", code=code, minutes=round(SECONDS / 60))]
    others = _others(ctx, asker.member)
    if others:
        lines.append(texts.say(language, "link.linked", accounts=_named(others)))
    tell(ctx, asker, "\n".join(lines))


def _typed(ctx: Context, asker: Asker, code: str, agreed: bool) -> bool:
    """Somebody typed a code: tell whose it is, or link where they were told before. False if there is no such code.

    The first one who types a code is the only one who can: in some rooms everybody reads what is typed.
    """
    links, code_hash = ctx.work.links, _hash(ctx, code)
    found = links.find(code_hash, ctx.now)
    if found is None or found.shown_to not in {"", str(asker.member)}:
        say(ctx, asker, "link.wrong")
        return False
    if found.member == asker.member:
        say(ctx, asker, "link.own")
    elif links.person_of(found.member) == links.person_of(asker.member):
        say(ctx, asker, "link.already")
    elif agreed and found.shown_to:
        links.take(code_hash, ctx.now)
        _linked(ctx, asker, found)
    else:
        links.show(code_hash, asker.member)
        _ask(ctx, asker, found, code)
    return True


def _ask(ctx: Context, asker: Asker, found: Offer, code: str) -> None:
    values: dict[str, Value] = {"name": _brief(found.name), "platform": _platform(found.member), "code": code}
    capabilities = ctx.desk.capabilities.get(asker.channel.platform)
    if capabilities is None or not capabilities.private or not asker.reply:
        say(ctx, asker, "link.whose", values)
        return
    language = language_of(ctx, asker)
    label = ctx.desk.texts.say(language, "link.button")
    button = Button(label, ctx.desk.signer.make(code, WORD, asker.channel), "primary")
    offer(ctx, asker, ctx.desk.texts.say(language, "link.whose", **values), (button,))


def _linked(ctx: Context, asker: Asker, found: Offer) -> None:
    """Both have agreed. The other side hears of it by the way its command came, which outlives its code."""
    tie(ctx, asker.member, found.member)
    say(ctx, asker, "link.done", name=_brief(found.name), platform=_platform(found.member))
    back = json.loads(found.back)
    other = Asker(found.member, found.name, Channel(**back["channel"]), back["reply"], back["locale"])
    say(ctx, other, "link.done_there", name=_brief(asker.name), platform=_platform(asker.member))


def _unlink(ctx: Context, event: CommandInvoked) -> None:
    """Whoever asks is a person of their own again."""
    asker = Asker.of(event)
    others = _others(ctx, asker.member)
    if others:
        part(ctx, asker.member)
        say(ctx, asker, "link.parted", accounts=_named(others))
    else:
        say(ctx, asker, "link.none")


def tie(ctx: Context, a: Member, b: Member) -> None:
    """Make two members, and all that are linked with either, one person with one ballot in each open poll."""
    links = ctx.work.links
    persons = links.person_of(a), links.person_of(b)
    _hold(ctx, persons)
    person = links.tie(a, b)
    merge_ballots(ctx, persons, person)
    follow(ctx, links.members_of(person))


def part(ctx: Context, member: Member) -> None:
    """Part a member from all others, to whom it leaves what they voted together in open polls."""
    links = ctx.work.links
    person, others = links.person_of(member), _others(ctx, member)
    _hold(ctx, (person,))
    if links.untie(member) and len(others) == 1:  # no longer a person of several
        merge_ballots(ctx, (person,), str(others[0]))
    follow(ctx, (member, *others))


def merge_ballots(ctx: Context, olds: Sequence[str], new: str) -> None:
    """Make the ballots of some persons, in every open poll, the one ballot of the person `new`.

    Of several the latest stays, or the earliest where votes are final. Anonymous polls stay as they are (`_hold`).
    """
    for poll in _open_polls(ctx):
        if not poll.question.anonymous and _merge(ctx, poll, olds, new):
            posting.changed(ctx, poll)


def _hold(ctx: Context, persons: Sequence[str]) -> None:
    """Before somebody is linked or parted: open anonymous polls go on as if it had not happened.

    A ballot that moved together with the note about the link would be known for theirs by whoever compares backups.
    """
    members = [member for person in persons for member in ctx.work.links.members_of(person)]
    for poll in _open_polls(ctx):
        if poll.question.anonymous:
            keep_persons(ctx, poll, members)


def _open_polls(ctx: Context) -> Iterator[Poll]:
    before = 0
    while page := ctx.work.polls.page((State.OPEN,), _PAGE, before):
        yield from page
        before = page[-1].id


def _merge(ctx: Context, poll: Poll, olds: Sequence[str], new: str) -> bool:
    """The same in one poll; whether its tally changed."""
    ballots = ctx.work.ballots
    names = list(dict.fromkeys((*olds, new)))
    for name in names:
        ctx.work.polls.rename_refused(poll.id, name, new)
    casts = [cast for name in names if (cast := ballots.cast(poll.id, name))]
    if not casts:
        return False
    kept = _kept(poll, casts)
    for cast in casts:
        if cast is not kept:
            ballots.remove(poll.id, cast.voter)
    ballots.rename(poll.id, kept.voter, new)
    return len(casts) > 1


def _kept(poll: Poll, casts: Sequence[Cast]) -> Cast:
    choose = min if poll.question.fixed or poll.question.kind is Kind.QUIZ else max
    return choose(casts, key=lambda cast: cast.at or 0.0)


def _others(ctx: Context, member: Member) -> list[Member]:
    return [one for one in ctx.work.links.members_of(ctx.work.links.person_of(member)) if one != member]


def _named(members: Sequence[Member]) -> str:
    """Accounts as a list; their names are not kept."""
    return ", ".join(f"{_platform(one)} {shown(one.user_id)}" for one in members)


def _brief(name: str) -> str:
    return shown(cut(name, _NAME))


def _platform(member: Member) -> str:
    return member.platform.capitalize()


def _hash(ctx: Context, code: str) -> str:
    return ctx.desk.signer.digest("link code", code)
