"""What hosts do about prizes: codes to be handed out, addresses, templates, the same once more."""

from __future__ import annotations

from dataclasses import replace

from bot.domain.giveaway_words import read
from bot.domain.giveaways import Giveaway, Refused, State
from bot.handlers import rooms
from bot.handlers.context import Asker, Context, say
from bot.handlers.giveaways import asking, panel, posting, publishing, results, winning

MAX_CODES, MAX_CODE = 200, 200
"""Codes that are taken at once, and their length in characters."""
MAX_TEMPLATE = 40


def codes(ctx: Context, asker: Asker, giveaway: Giveaway, rest: str) -> None:
    """`/giveaway codes 3 AAA BBB`: kept sealed, each shown once to one winner. Typed where only the team reads."""
    key = ctx.desk.keys.find(giveaway.name)
    here = (asker.channel.platform, asker.channel.home.channel_id)
    if here not in {(one.platform, one.channel_id) for one in ctx.desk.cards}:
        asking.refuse(ctx, asker, Refused("codes_place"))
        return
    found = list(dict.fromkeys(one.strip() for one in rest.replace(",", " ").split() if one.strip()))
    if not found:
        every, left = ctx.work.wins.codes(giveaway.id)
        say(ctx, asker, "giveaway.stats.codes", count=every, left=left)
    elif key is None or giveaway.state is State.CANCELLED:
        asking.refuse(ctx, asker, Refused("not_open"))
    elif len(found) > MAX_CODES or max(map(len, found)) > MAX_CODE:
        asking.refuse(ctx, asker, Refused("many_codes", {"limit": MAX_CODES, "length": MAX_CODE}))
    else:
        for one in found:
            ctx.work.wins.add_code(giveaway.id, key.seal(one.encode()))
        ctx.work.giveaways.log(giveaway.id, ctx.now, str(asker.member), "codes", str(len(found)))
        every, left = ctx.work.wins.codes(giveaway.id)
        say(ctx, asker, "giveaway.done.codes", count=len(found), every=every, left=left)


def address(ctx: Context, asker: Asker, giveaway: Giveaway, rest: str) -> None:
    """A winner says, in a private conversation, where a prize is sent to; the host asks for a winner's by place."""
    mine = winning.win_of(ctx, giveaway, asker)
    if not isinstance(mine, Refused) and rest and not rest.isdecimal():
        found_there = ctx.desk.capabilities.get(asker.channel.platform)
        alone = asker.channel.channel_id == asker.member.user_id  # a private conversation, where commands are messages
        if not alone and not (found_there is not None and found_there.private):
            asking.refuse(ctx, asker, Refused("address_place"))
        else:
            winning.keep_address(ctx, asker, giveaway, rest)
        return
    if asker.member != giveaway.host or not asking.may_run(ctx, asker, giveaway):
        asking.refuse(ctx, asker, Refused("not_won"))
        return
    found = results.winner_of(ctx, giveaway, rest)
    if isinstance(found, Refused):
        asking.refuse(ctx, asker, found)
    else:
        winning.tell_address(ctx, asker, giveaway, found)


def again(ctx: Context, asker: Asker, giveaway: Giveaway, rest: str) -> None:
    """`/giveaway again 3 2d`: the same offer once more, as a preview, with the times and places that are given."""
    if not asking.may_ask(ctx, asker):
        return
    asked = read(f'{rest or f"{ctx.desk.giveaways.hours:g}h"} 1w "?"')
    if not isinstance(asked, Refused) and not asked.places:
        names = [rooms.name_of(ctx, one.platform, one.channel_id) for one in giveaway.channels]
        asked = replace(asked, places=tuple(one for one in names if "/" in one))
    asking.make(ctx, asker, asked, replace(giveaway.offer, contest=None))


def template(ctx: Context, asker: Asker, rest: str) -> None:
    """`template save NAME 3`, `template use NAME 2d`, `template list`"""
    word, _, more = rest.partition(" ")
    name, _, last = more.strip().partition(" ")
    if word in {"save", "保存"} and name and last.strip().lstrip("#").isdecimal():
        giveaway = ctx.work.giveaways.get(int(last.strip().lstrip("#")[:15]))
        if giveaway is None or not asking.may_run(ctx, asker, giveaway):  # it may not be public yet
            say(ctx, asker, "giveaway.no_such")
            return
        offered = replace(giveaway.offer, contest=None)
        ctx.work.giveaways.save_template(name[:MAX_TEMPLATE].lower(), offered, asker.member)
        say(ctx, asker, "giveaway.template.saved", name=panel.safe(name[:MAX_TEMPLATE].lower()))
    elif word in {"use", "使用"} and (found := ctx.work.giveaways.template(name.lower())) is not None:
        asking.make(ctx, asker, read(f'{last.strip() or f"{ctx.desk.giveaways.hours:g}h"} 1w "?"'), found)
    else:
        names = ", ".join(panel.safe(one) for one in ctx.work.giveaways.templates()) or "–"
        say(ctx, asker, "giveaway.template.list", names=names)


def arrived(ctx: Context, asker: Asker, giveaway: Giveaway, rest: str) -> None:
    """`/giveaway arrived 3 17`: somebody has looked, and the freeze message is in the room."""
    number = rest.lstrip("#")
    post = ctx.work.giveaway_posts.get(int(number)) if number.isdecimal() and len(number) <= 15 else None
    if post is None or post.giveaway_id != giveaway.id or not publishing.arrived(ctx, giveaway, post):
        say(ctx, asker, "giveaway.no_such")
    else:
        say(ctx, asker, "giveaway.done.arrived", number=giveaway.id)


def repost(ctx: Context, asker: Asker, giveaway: Giveaway, rest: str) -> None:
    """Post a message of it once more where somebody looked and did not find it."""
    number = rest.lstrip("#")
    post = ctx.work.giveaway_posts.get(int(number)) if number.isdecimal() and len(number) <= 15 else None
    if post is None or post.giveaway_id != giveaway.id or post.message_id:
        say(ctx, asker, "giveaway.no_such")
        return
    if post.what == "freeze":
        frozen = ctx.work.giveaways.frozen(giveaway.id)
        if frozen is None or not publishing.repost(ctx, giveaway, frozen, post):
            say(ctx, asker, "giveaway.no_such")
            return
    else:
        kinds = {"card": posting.CARD, "announcement": posting.PROMISE, "result": results.RESULT}
        extra = posting.promised(ctx, giveaway, post.channel) if post.what == "announcement" else None
        posting.order(ctx, kinds[post.what], post.id, post.channel, extra)
    say(ctx, asker, "giveaway.done.reposted", number=giveaway.id)
