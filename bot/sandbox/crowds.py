"""Many people at once: members made by the hundred, and their clicks and votes in one control call.

A crowd has been there since before the bot came: nothing is told of its coming. Its members are called after it, with
numbers from 1 (`fans1`, `fans2`, ...). What several people do happens at the same moment, up to `at_once` of them; what
one person does happens in the order given, each act after the answer to the one before.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

from bot.sandbox.frame import ControlError, Json, Platform

MOST = 100_000
"""How many people or acts one call may take."""
AT_ONCE = 64
MOST_AT_ONCE = 2000
_BREATH = 200
"""After so many made members, the loop sees to the others."""

Act = Callable[[Mapping[str, Json]], Awaitable[Json]]


def whole(call: Mapping[str, Json], name: str, most: int, default: int | None = None) -> int:
    """A whole number from 1 to `most`. Raises ControlError."""
    value = call.get(name, default)
    if value is None or value != int(value) or not 1 <= value <= most:
        raise ControlError(f"{name} is a whole number from 1 to {most}")
    return int(value)


async def gather_crowd(platform: Platform, call: Mapping[str, Json]) -> Json:
    """Make the members of a crowd; answers their ids in order, and the tenant."""
    prefix, ids, tenant = str(call["prefix"]), [], ""
    fields = {name: call[name] for name in ("roles", "joined_at", "created") if name in call} | {"quiet": True}
    for number in range(1, whole(call, "count", MOST) + 1):
        made = platform.member(f"{prefix}{number}", fields, call.get("tenant"))
        ids.append(made["member_id"])
        tenant = made["tenant"]
        if number % _BREATH == 0:
            await asyncio.sleep(0)
    return {"ids": ids, "tenant": tenant}


async def act_many(act: Act, place: Mapping[str, Json], acts: Sequence[Json], at_once: int, wants: str) -> Json:
    """Do all `acts` (`{"member", wants}`) in that `place`; answers, in their order, what each person saw with the
    `seconds` that it took, or the `error` why they could not. Raises ControlError where nobody could, and for acts that
    are not whole, before anything is done.
    """
    checked = [_checked(one, number, wants) for number, one in enumerate(acts)]
    if len(checked) > MOST:
        raise ControlError(f"at most {MOST} in one call")
    people: dict[str, list[int]] = {}
    for number, one in enumerate(checked):
        people.setdefault(one["member"], []).append(number)
    answers: list[Json] = [None] * len(checked)
    queue = iter(people.values())

    async def work() -> None:
        for numbers in queue:
            for number in numbers:
                answers[number] = await _one(act, {**place, **checked[number]})

    await asyncio.gather(*(work() for _ in range(min(at_once, len(people)))))
    if answers and all("error" in answer for answer in answers):
        raise ControlError(answers[0]["error"])
    return {"answers": answers}


async def _one(act: Act, call: Mapping[str, Json]) -> Json:
    began = time.monotonic()
    try:
        seen = await act(call) or {}
    except ControlError as error:
        seen = {"error": str(error)}
    return {**seen, "seconds": round(time.monotonic() - began, 6)}


def _checked(one: Json, number: int, wants: str) -> dict[str, Json]:
    if not isinstance(one, dict) or one.keys() != {"member", wants}:
        raise ControlError(f"number {number} of the list is not an object with member and {wants}: {one!r}")
    member, value = str(one["member"]), one[wants]
    if not member or not (isinstance(value, list) if wants == "options" else isinstance(value, str) and value):
        raise ControlError(f"number {number} of the list: {wants} is not what it should be: {value!r}")
    return {"member": member, wants: value}
