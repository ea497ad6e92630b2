"""Who may be drawn, and with how many tickets. Pure.

The same rules are asked when somebody enters and again before the freeze. That a host lets somebody in after an appeal
(`Entry.granted`) is the caller's to know: nothing here is passed over in silence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bot.domain.giveaways import Facts, Refused, Requirements

DAY = 86400.0

REFUSALS: tuple[tuple[str, tuple[str, ...]], ...] = (
    # of somebody who wants to enter, in the order of RULES
    ("bot", ()),
    ("gone", ()),
    ("staff", ()),
    ("block", ()),
    ("allow", ()),
    ("role", ("roles",)),
    ("unknown_role", ("roles",)),
    ("member_since", ("days",)),
    ("unknown_member_since", ("days",)),
    ("account_age", ("days",)),
    ("unknown_account_age", ("days",)),
    ("messages", ("count", "have", "days")),
    ("poll", ("poll",)),
    ("boosted", ()),
    ("unknown_boosted", ()),
    ("linked", ()),
    ("cooldown", ("days",)),
    ("twice", ()),
    # of a giveaway whose rules cannot be kept
    ("untold_joined", ("platform",)),
    ("untold_created", ("platform",)),
    ("untold_boosts", ("platform",)),
)
"""Every `why` of this module with its arguments, and `twice`, which is found where entries are."""


@dataclass(frozen=True, slots=True)
class Tells:
    """What a platform can say of its members."""

    joined: bool
    """Since when they are members."""
    created: bool
    """Since when their account exists."""
    boosts: bool
    """Whether they boost."""


def judge(requirements: Requirements, facts: Facts, now: float) -> tuple[Refused, ...]:
    """All rules that keep somebody out now, in the order of RULES; none: they may enter. What is not known keeps them
    out too, and says so."""
    return (*_who(requirements, facts), *_since(requirements, facts, now), *_did(requirements, facts, now))


def _who(asked: Requirements, facts: Facts) -> Iterator[Refused]:
    if facts.is_bot:
        yield Refused("bot")
    if not facts.present:
        yield Refused("gone")
    if facts.staff and not asked.staff:
        yield Refused("staff")
    if not facts.names.isdisjoint(asked.block):
        yield Refused("block")
    if asked.allow and facts.names.isdisjoint(asked.allow):
        yield Refused("allow")
    if asked.roles and (facts.roles is None or facts.roles.isdisjoint(asked.roles)):
        args: Mapping[str, str | int | float] = {"roles": ", ".join(asked.roles)}
        yield Refused("unknown_role", args) if facts.roles is None else Refused("role", args)


def _since(asked: Requirements, facts: Facts, now: float) -> Iterator[Refused]:
    if asked.member_seconds and (facts.joined_at is None or now - facts.joined_at < asked.member_seconds):
        args = {"days": _days(asked.member_seconds)}
        yield Refused("unknown_member_since", args) if facts.joined_at is None else Refused("member_since", args)
    if asked.account_seconds and (facts.account_made is None or now - facts.account_made < asked.account_seconds):
        args = {"days": _days(asked.account_seconds)}
        yield Refused("unknown_account_age", args) if facts.account_made is None else Refused("account_age", args)


def _did(asked: Requirements, facts: Facts, now: float) -> Iterator[Refused]:
    if facts.messages < asked.messages:
        days = _days(asked.messages_seconds)
        yield Refused("messages", {"count": asked.messages, "have": facts.messages, "days": days})
    if asked.poll and not facts.answered:
        yield Refused("poll", {"poll": asked.poll})
    if asked.boosted and not facts.boosting:
        yield Refused("unknown_boosted") if facts.boosting is None else Refused("boosted")
    if asked.linked and not facts.linked:
        yield Refused("linked")
    if facts.won_at and now - facts.won_at < asked.cooldown_seconds:
        yield Refused("cooldown", {"days": _days(asked.cooldown_seconds)})


def weight_of(requirements: Requirements, facts: Facts) -> int:
    """How many tickets somebody has: one, and what their roles bring, up to the cap. Unknown roles bring nothing."""
    if not requirements.bonuses:
        return 1
    held = facts.roles or frozenset[str]()
    return min(1 + sum(one.extra for one in requirements.bonuses if one.role in held), requirements.most)


def needs_asking(requirements: Requirements, facts: Facts, tells: Tells) -> bool:
    """Whether the platform has to be asked about somebody, since a rule or a bonus needs what is not known of them and
    it can tell."""
    return (
        (bool(requirements.roles or requirements.bonuses) and facts.roles is None)
        or (requirements.member_seconds > 0 and facts.joined_at is None and tells.joined)
        or (requirements.account_seconds > 0 and facts.account_made is None and tells.created)
        or (requirements.boosted and facts.boosting is None and tells.boosts)
    )


def possible(requirements: Requirements, platforms: Mapping[str, Tells]) -> list[Refused]:
    """Why rules could let nobody in on some of these platforms (by name), if so: what they ask for is not told there.
    Such a giveaway is refused when it is made."""
    return [
        Refused(why, {"platform": name})
        for name, tells in sorted(platforms.items())
        for why, impossible in (
            ("untold_joined", requirements.member_seconds > 0 and not tells.joined),
            ("untold_created", requirements.account_seconds > 0 and not tells.created),
            ("untold_boosts", requirements.boosted and not tells.boosts),
        )
        if impossible
    ]


def _days(seconds: float) -> int | float:
    """As people would say it: a whole number where it is one."""
    found = round(seconds / DAY, 2)
    return int(found) if found.is_integer() else found
