"""What may be given away and for whom: whether an offer of a giveaway makes sense. Pure."""

from __future__ import annotations

from collections import Counter
from urllib.parse import urlsplit

from bot.domain.giveaways import (
    MAX_ABOUT,
    MAX_ALTERNATES,
    MAX_BONUSES,
    MAX_CAP,
    MAX_EXTRA,
    MAX_LISTED,
    MAX_PICTURE,
    MAX_PRIZE,
    MAX_ROLES,
    MAX_SECONDS,
    MAX_SPONSOR,
    MAX_WINNERS,
    Offer,
    Refused,
    Requirements,
)
from bot.domain.places import BadAddress, Member
from bot.domain.polling import alike

MAX_KEYWORD = 100
"""Characters that comments of a contest have to hold."""
MAX_MESSAGES = 10_000
"""Messages that somebody may be asked to have written."""
MAX_SPAN = 3660 * 86400.0
"""How long ago somebody may be asked to have joined, and the like: about ten years."""

REFUSALS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("no_prize", ()),
    ("prize_long", ("length", "limit")),
    ("about_long", ("length", "limit")),
    ("sponsor_long", ("length", "limit")),
    ("picture_long", ("length", "limit")),
    ("picture_address", ()),
    ("winners_range", ("count", "limit")),
    ("alternates_range", ("count", "limit")),
    ("claim_range", ("days",)),
    ("keyword_long", ("length", "limit")),
    ("many_roles", ("count", "limit")),
    ("many_bonuses", ("count", "limit")),
    ("bonus_range", ("role", "limit")),
    ("bonus_twice", ("role",)),
    ("cap_range", ("count", "limit")),
    ("messages_range", ("count", "limit")),
    ("messages_time", ()),
    ("span_range", ("days",)),
    ("list_long", ("count", "limit")),
    ("list_member", ("member",)),
    ("list_both", ("member",)),
)
"""Every `why` of this module with its arguments."""


def check(offer: Offer) -> Refused | None:
    """What is wrong with an offer, if anything: its texts, its numbers, who may enter. Texts are to be tidied before
    (`polling.tidy`)."""
    return _texts_wrong(offer) or _numbers_wrong(offer) or _requirements_wrong(offer.requirements)


def _texts_wrong(offer: Offer) -> Refused | None:
    if not alike(offer.prize):
        return Refused("no_prize")
    keyword = offer.contest.keyword if offer.contest else ""
    limited = (
        ("prize_long", offer.prize, MAX_PRIZE),
        ("about_long", offer.about, MAX_ABOUT),
        ("sponsor_long", offer.sponsor, MAX_SPONSOR),
        ("picture_long", offer.picture, MAX_PICTURE),
        ("keyword_long", keyword, MAX_KEYWORD),
    )
    for why, text, limit in limited:
        if len(text) > limit:
            return Refused(why, {"length": len(text), "limit": limit})
    return Refused("picture_address") if offer.picture and not _is_public_https(offer.picture) else None


def _is_public_https(address: str) -> bool:
    """Whether platforms can fetch this: https, a host, and neither a password nor anything that is not typed."""
    if not address.isascii() or not address.isprintable() or " " in address or "\\" in address:
        return False
    try:
        parts = urlsplit(address)
        return parts.scheme == "https" and bool(parts.hostname) and "@" not in parts.netloc and parts.port != 0
    except ValueError:  # an unclosed bracket, a port that is no number
        return False


def _numbers_wrong(offer: Offer) -> Refused | None:
    if not 1 <= offer.winners <= MAX_WINNERS:
        return Refused("winners_range", {"count": offer.winners, "limit": MAX_WINNERS})
    if not 0 <= offer.alternates <= MAX_ALTERNATES:
        return Refused("alternates_range", {"count": offer.alternates, "limit": MAX_ALTERNATES})
    if not 0 <= offer.claim_seconds <= MAX_SECONDS:
        return Refused("claim_range", {"days": round(MAX_SECONDS / 86400)})
    return None


def _requirements_wrong(asked: Requirements) -> Refused | None:
    if len(asked.roles) > MAX_ROLES:
        return Refused("many_roles", {"count": len(asked.roles), "limit": MAX_ROLES})
    if not 0 <= asked.messages <= MAX_MESSAGES:
        return Refused("messages_range", {"count": asked.messages, "limit": MAX_MESSAGES})
    if asked.messages and not asked.messages_seconds:
        return Refused("messages_time")
    spans = (asked.member_seconds, asked.account_seconds, asked.messages_seconds, asked.cooldown_seconds)
    if not all(0 <= span <= MAX_SPAN for span in spans):
        return Refused("span_range", {"days": round(MAX_SPAN / 86400)})
    return _bonuses_wrong(asked) or _lists_wrong(asked)


def _bonuses_wrong(asked: Requirements) -> Refused | None:
    if len(asked.bonuses) > MAX_BONUSES:
        return Refused("many_bonuses", {"count": len(asked.bonuses), "limit": MAX_BONUSES})
    for one in asked.bonuses:
        if not 1 <= one.extra <= MAX_EXTRA:
            return Refused("bonus_range", {"role": one.role, "limit": MAX_EXTRA})
    twice = [role for role, count in Counter(one.role for one in asked.bonuses).items() if count > 1]
    if twice:
        return Refused("bonus_twice", {"role": twice[0]})
    if not 0 <= asked.cap <= MAX_CAP or asked.most > MAX_CAP:
        return Refused("cap_range", {"count": asked.cap or asked.most, "limit": MAX_CAP})
    return None


def _lists_wrong(asked: Requirements) -> Refused | None:
    for listed in (asked.allow, asked.block):
        if len(listed) > MAX_LISTED:
            return Refused("list_long", {"count": len(listed), "limit": MAX_LISTED})
        for name in listed:
            try:
                Member.parse(name)
            except BadAddress:
                return Refused("list_member", {"member": name})
    both = [name for name in asked.allow if name in asked.block]
    return Refused("list_both", {"member": both[0]}) if both else None
