"""What is known of somebody who wants to enter: from the press itself, from what is stored, from their platform."""

from __future__ import annotations

import json

from bot.chat.events import ButtonPressed
from bot.chat.standings import Standing
from bot.domain.eligibility import Tells
from bot.domain.giveaways import Entry, Facts, Giveaway, Requirements
from bot.domain.places import Channel, Member
from bot.domain.roles import Role
from bot.handlers.context import Asker, Context
from bot.storage.linking import PERSON

OURS = frozenset(one.value for one in Role)


def tells(ctx: Context, platform: str) -> Tells:
    """What a platform can tell of its members."""
    found = ctx.desk.capabilities.get(platform)
    return Tells(found.tells_joined, found.tells_created, found.boosts) if found else Tells(False, False, False)


def of_press(ctx: Context, giveaway: Giveaway, event: ButtonPressed, person: str) -> Facts:
    """What is known at a press. Roles are known where the event carries them, or where none has to be."""
    needs, member = giveaway.offer.requirements, event.member
    roles = _held(ctx, needs.every_role, event) if needs.roles or needs.bonuses else frozenset()
    return stored(ctx, giveaway, person, member, Facts(
        roles=roles, joined_at=event.joined_at, account_made=event.created_at, boosting=event.boosting,
        staff=bool(ctx.roles) or is_host(ctx, giveaway, person),
    ))  # fmt: skip


def _held(ctx: Context, needed: tuple[str, ...], event: ButtonPressed) -> frozenset[str] | None:
    """Which of these roles somebody has; None: the event does not tell."""
    ours = {one for one in needed if one in OURS and one in {held.value for held in ctx.roles}}
    asked = [one for one in needed if one not in OURS and _is_of(one, event.member)]
    found = ctx.desk.capabilities.get(event.member.platform)
    if asked and not (found is not None and found.carries_roles):
        return None
    return frozenset(ours | {one for one in asked if one.rpartition(":")[2] in event.member_roles})


def of_standing(
    ctx: Context, giveaway: Giveaway, entry: Entry, standing: Standing | None, held: frozenset[str]
) -> Facts:
    """What is known when the platform has been asked; `held` are roles of Herald's own."""
    needs, member = giveaway.offer.requirements, entry.member
    if member is None:
        return Facts(present=False)
    ours = held & set(needs.every_role)
    base = Facts(staff=bool(held & OURS) or is_host(ctx, giveaway, entry.person))
    if standing is not None:
        asked = [one for one in needs.every_role if one not in OURS and _is_of(one, member)]
        theirs = {one for one in asked if standing.roles is not None and one.rpartition(":")[2] in standing.roles}
        unknown = standing.roles is None and bool(asked)
        base = Facts(
            roles=None if unknown else frozenset(ours | theirs),
            joined_at=standing.joined_at,
            account_made=standing.created_at,
            boosting=standing.boosting,
            staff=base.staff,
            present=standing.present,
            is_bot=standing.is_bot,
        )
    return stored(ctx, giveaway, entry.person, member, base)


def stored(ctx: Context, giveaway: Giveaway, person: str, member: Member, base: Facts) -> Facts:
    """The same with what the database knows, as far as the rules ask for it."""
    needs = giveaway.offer.requirements
    if not (_asks_person(needs) or needs.member_seconds or needs.poll):
        return base
    members = ctx.work.links.members_of(person) if _asks_person(needs) else [member]
    names = frozenset(str(one) for one in members) | {str(member)}
    joined = base.joined_at
    if joined is None and needs.member_seconds:
        joined = ctx.work.comments.first_seen(member)
    messages = answered = 0
    if needs.messages:
        messages = ctx.work.comments.written(sorted(names), ctx.now - needs.messages_seconds)
    if needs.poll:
        answered = bool(ctx.work.ballots.get(needs.poll, person))
    won_at = 0.0
    if needs.cooldown_seconds:
        won_at = ctx.work.wins.last_won([person, *names], ctx.now - needs.cooldown_seconds)
    return Facts(
        roles=base.roles, joined_at=joined, account_made=base.account_made, messages=messages, answered=bool(answered),
        boosting=base.boosting, linked=len({one.platform for one in members}) > 1, won_at=won_at, staff=base.staff,
        present=base.present, is_bot=base.is_bot, names=names,
    )  # fmt: skip


def _asks_person(needs: Requirements) -> bool:
    return bool(needs.messages or needs.linked or needs.allow or needs.block or needs.cooldown_seconds)


def _is_of(role: str, member: Member) -> bool:
    """Whether a platform's own role is one of this member's platform and tenant."""
    match role.split(":"):
        case [platform, tenant, "role", _]:
            return (platform, tenant) == (member.platform, member.tenant)
    return False


def is_host(ctx: Context, giveaway: Giveaway, person: str) -> bool:
    """Whether this person is the host, by whichever of their accounts."""
    if not person.startswith(PERSON):  # a single account, or the host's own person would be another
        return person == str(giveaway.host)
    return person == ctx.work.links.person_of(giveaway.host)


# ---- how to answer somebody later


def remember(ctx: Context, giveaway: Giveaway, person: str, asker: Asker) -> None:
    """Keep how this person can be answered while something is looked up for them."""
    channel = asker.channel
    place = [channel.platform, channel.tenant, channel.channel_id, channel.thread_id, channel.parent_id]
    kept = {"member": str(asker.member), "name": asker.name, "channel": place, "reply": dict(asker.reply)}
    kept["locale"] = asker.locale or ""
    ctx.work.facts.set(_fact(giveaway, person), json.dumps(kept))


def recall(ctx: Context, giveaway: Giveaway, person: str) -> Asker | None:
    """Who is to be answered; once."""
    stored_fact = ctx.work.facts.get(_fact(giveaway, person))
    if stored_fact is None:
        return None
    ctx.work.facts.forget(_fact(giveaway, person))
    kept = json.loads(stored_fact)
    return Asker(
        Member.parse(kept["member"]), kept["name"], Channel(*kept["channel"]), kept["reply"], kept["locale"] or None
    )


def drop(ctx: Context, giveaway: Giveaway) -> None:
    """Nobody is answered any more, and nothing is waited for."""
    for name in ctx.work.facts.beginning(f"giveaway:{giveaway.name}:"):
        ctx.work.facts.forget(f"giveaway:{giveaway.name}:{name}")


def _fact(giveaway: Giveaway, person: str) -> str:
    return f"giveaway:{giveaway.name}:asked:{person}"
