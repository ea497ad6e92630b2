"""Whoever may not, cannot: strangers, forged payloads, buttons of other rooms, commands in private."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.chat.messages import Accepted
from bot.domain.places import Channel, Member
from bot.domain.roles import Action
from bot.handlers.payloads import Signer, new_id

from .house import House, channel, member

ACTIONS = ["approve", "edit", "redo", "reject", "claim", "answer"]


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("who", ["lin", "vic"])
async def test_a_stranger_can_press_nothing(house: House, action: str, who: str) -> None:
    await house.say()
    before = await house.snapshot()
    assert await house.press(action, who=who) == Accepted()
    assert await house.snapshot() == before
    assert "You may not use" in house.notices(who)[-1]


@pytest.mark.parametrize("action", ["approve", "reject", "answer"])
async def test_a_drafter_cannot_decide(house: House, action: str) -> None:
    await house.say()
    before = await house.snapshot()
    assert await house.press(action, who="dan") == Accepted()
    assert await house.snapshot() == before


async def test_a_drafter_can_edit(house: House) -> None:
    await house.say()
    await house.fill("edit", {"text": "Better."}, who="dan")
    assert (await house.state())[2] == "Better."


async def test_a_form_is_decided_by_who_sends_it_and_not_by_who_opened_it(house: House) -> None:
    await house.say()
    payload = house.button("edit")
    before = await house.snapshot()
    await house.submit(payload, {"text": "Mine now."}, who="lin")
    assert await house.snapshot() == before
    assert "You may not use" in house.notices("lin")[-1]


@pytest.mark.parametrize(
    "stranger",
    [Member("slack", "T2", "ana"), Member("slack", "T1", "Ana"), Member("slack", "T1", "ana ")],
    ids=["another workspace", "a name", "a blank"],
)
async def test_the_same_id_elsewhere_is_a_stranger(house: House, stranger: Member) -> None:
    await house.say()
    before = await house.snapshot()
    await house.press("approve", member=stranger, member_name="Ana")
    assert await house.snapshot() == before


async def test_a_name_gives_no_right(house: House) -> None:
    """Attack 21."""
    await house.say()
    before = await house.snapshot()
    await house.press("approve", who="lin", member_name="Ana")
    assert await house.snapshot() == before


async def forged(house: House) -> list[str]:
    good = house.button("approve")
    version, view, action, mac = good.split("|")
    swapped = "A" if view[-1] != "A" else "Q"
    flipped = mac[:-1] + ("A" if mac[-1] != "A" else "B")
    other = Signer(b"another key" * 3).make(view, Action.APPROVE, channel("slack"))
    return [
        "", "x", "|||", "v1|||", good[:-1], good[1:], good[:32], good + "=", good + "|", good.upper(), good * 3,
        f"v2|{view}|{action}|{mac}", f"{version}|{view}|{action}|{flipped}", f"{version}|{view}|reject|{mac}",
        f"{version}|{new_id()}|{action}|{mac}", f"{version}|{view[:-1]}{swapped}|{action}|{mac}", other, "x" * 65,
        "é" * 40, "\ud800", "v1|a|b|\x00", "v1|" + "a" * 100_000, "v1|x|approve|" + "茶" * 16,
        house.desk.signer.make(new_id(), Action.APPROVE, channel("slack")),
    ]  # fmt: skip


async def test_a_forged_button_is_no_longer_valid_and_changes_nothing(house: House) -> None:
    """Attack 27."""
    await house.say()
    before = await house.snapshot()
    for payload in await forged(house):
        if payload == "":
            await house.hear(replace(house.press_event("approve"), payload=""))
        else:
            await house.press("approve", payload=payload)
        assert house.notices()[-1] == house.told("review.invalid_button"), payload
        await house.submit(payload, {"text": "x"})
        assert house.notices()[-1] == house.told("review.invalid_button"), payload
    assert await house.snapshot() == before


async def test_a_button_works_in_its_own_room_only(house: House) -> None:
    await house.say()
    before = await house.snapshot()
    good = house.button("approve", "slack")
    for where in (
        Channel("slack", "T1", "elsewhere"),
        Channel("slack", "T1", "slack-community"),
        Channel("discord", "G1", "slack-review"),
    ):
        who = member(where.platform, "ana")
        await house.press("approve", payload=good, channel=where, member=who)
        assert house.notices("ana", where.platform)[-1] == house.told("review.invalid_button")
    assert await house.snapshot() == before


async def test_a_button_of_another_draft_decides_that_draft_only(house: House) -> None:
    await house.say()
    await house.say()
    await house.press("approve", draft=2)
    assert [(await house.state(n))[0] for n in (1, 2)] == ["waiting", "approved"]


@pytest.mark.parametrize("name", ["approve", "reject", "status", "inbox", "pause", "resume", "draft", "批准", "审核"])
async def test_a_stranger_can_command_nothing(house: House, name: str) -> None:
    await house.say()
    before = await house.snapshot()
    await house.command(name, "1", who="lin")
    assert await house.snapshot() == before
    assert "You may not use" in house.notices("lin")[-1]
    assert await house.read(lambda work: work.facts.get("paused")) is None


@pytest.mark.parametrize("name", ["approve", "reject", "status", "pause"])
async def test_private_conversations_carry_no_role(house: House, name: str) -> None:
    """Attack 25."""
    await house.say()
    before = await house.snapshot()
    private = Channel("telegram", "1", "ana")
    await house.command(name, "1", "telegram", private=True, channel=private)
    assert await house.snapshot() == before
    assert "#1" not in house.notices("ana", "telegram")[-1]
    assert await house.read(lambda work: work.facts.get("paused")) is None


async def test_help_and_language_are_for_everybody_everywhere(house: House) -> None:
    private = Channel("telegram", "1", "lin")
    await house.command("help", "", "telegram", "lin", private=True, channel=private)
    assert "/language" in house.notices("lin", "telegram")[-1]
    assert "/approve" not in house.notices("lin", "telegram")[-1]


async def test_a_bots_command_is_ignored(house: House) -> None:
    await house.say()
    before = await house.snapshot()
    await house.say("/批准 1", "slack", "ana", author_is_bot=True, channel=channel("slack"))
    assert await house.snapshot() == before
    assert house.notices() == []


signer = Signer(b"k" * 32)
room = channel("slack")


@given(st.text(max_size=80) | st.binary(max_size=80).map(lambda data: data.decode("latin-1")))
def test_no_text_is_a_payload(text: str) -> None:
    assert signer.read(text, room) is None


@given(st.sampled_from(Action), st.data())
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_every_change_of_a_payload_is_seen(action: Action, data: st.DataObject) -> None:
    payload = signer.make(new_id(), action, room)
    assert len(payload.encode()) <= 64
    at = data.draw(st.integers(0, len(payload) - 1))
    character = data.draw(st.characters().filter(lambda c: c != payload[at]))
    assert signer.read(payload[:at] + character + payload[at + 1 :], room) is None
    read = signer.read(payload, room)
    assert read is not None
    assert (read.word, read.argument) == (action.value, "")
