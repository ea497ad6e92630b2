"""The comment changes while people decide; and forms that are asked for by message."""

from __future__ import annotations

import pytest

from bot.chat.messages import Accepted

from .house import ANSWER, QUESTION, House, channel, member
from .test_reviews import approved

# ---- the comment changes meanwhile


async def test_a_click_tells_of_the_edit_and_a_second_one_sends(house: House) -> None:
    comment = await house.say()
    await house.edit(comment, "When will the coffee be back?")
    await house.press("approve")
    assert (await house.state())[0] == "waiting"
    told = house.notices()[-1]
    assert QUESTION in told
    assert "coffee" in told
    await house.press("approve")
    await house.advance(10)
    assert house.replies() == [ANSWER]


async def test_who_was_not_told_is_told_on_their_own_card(house: House) -> None:
    comment = await house.say()
    await house.edit(comment, "When will the coffee be back?")
    await house.press("approve")
    await house.press("approve", "discord", "ben")
    assert (await house.state())[0] == "waiting"
    assert "coffee" in house.notices("ben", "discord")[-1]


async def test_a_deleted_comment_is_not_answered(house: House) -> None:
    comment = await house.say(platform="slack")
    await house.delete(comment, "slack")
    await house.press("approve", "discord", "ben")
    assert house.notices("ben", "discord")[-1] == house.told("review.comment_deleted")
    actions = [b.payload.split("|")[2] for b in house.card("discord").buttons if b.payload]
    assert "approve" not in actions
    await house.advance(60)
    assert house.replies() == []


async def test_a_comment_that_a_teammate_answered_needs_a_second_click(house: House) -> None:
    comment = await house.say()
    await house.say("On Friday, I think!", who="dan", reply_to=comment)
    assert "already answered" in " ".join(house.card().status)
    await house.press("approve")
    assert "Dan has already answered" in house.notices()[-1]
    assert (await house.state())[0] == "waiting"
    await house.press("approve")
    await house.advance(10)
    assert house.replies() == [ANSWER]


@pytest.mark.parametrize("claimed", [False, True])
@pytest.mark.parametrize("change", ["edited", "deleted", "answered"])
async def test_a_change_during_the_undo_hold_holds_the_reply_back(house: House, change: str, claimed: bool) -> None:
    comment = await house.say()
    if claimed:
        await house.press("claim")
    await house.press("approve")
    await house.advance(5)
    if change == "edited":
        await house.edit(comment, "Forget it, I found it. Thanks!")
    elif change == "deleted":
        await house.delete(comment)
    else:
        await house.say("On Friday.", who="dan", reply_to=comment)
    await house.advance(3600)
    assert house.replies() == []
    assert (await house.state())[0] == "waiting"
    assert house.told("line.held") in house.lines()


async def test_a_change_after_the_reply_is_only_shown(house: House) -> None:
    comment = await approved(house)
    await house.edit(comment, "Another question?")
    await house.advance(60)
    assert house.replies() == [ANSWER]
    assert (await house.state())[0] == "sent"


# ---- prompts in the place of forms


async def test_on_a_platform_without_forms_one_is_asked_by_message(house: House) -> None:
    await house.say()
    assert await house.press("edit", "telegram") == Accepted()
    message_id, prompt = house.prompt()
    assert prompt.member == member("telegram", "ana")
    assert "Ana" in prompt.text
    await house.say("On Monday.", who="ben", reply_to=message_id, channel=channel("telegram"))
    assert (await house.state())[2] == ANSWER
    await house.say("On Monday.", who="ana", reply_to=message_id, channel=channel("telegram"))
    assert await house.state() == ("waiting", 2, "On Monday.")
    await house.say("On Tuesday.", who="ana", reply_to=message_id, channel=channel("telegram"))
    assert (await house.state())[2] == "On Monday."


@pytest.mark.parametrize("action", ["edit", "redo", "reject", "answer"])
async def test_every_form_has_its_prompt(house: House, action: str) -> None:
    await house.say()
    await house.press(action, "telegram")
    message_id, prompt = house.prompt()
    assert prompt.text == house.told(f"prompt.{action}", number=1, name="Ana")
    await house.say("shorter", who="ana", reply_to=message_id, channel=channel("telegram"))
    expected = {"edit": "waiting", "redo": "waiting", "reject": "rejected", "answer": "approved"}
    assert (await house.state())[0] == expected[action]


async def test_a_prompt_that_is_answered_too_late_changes_nothing(house: House) -> None:
    await house.say()
    await house.press("edit", "telegram")
    message_id, _ = house.prompt()
    await house.press("approve", "discord", "ben")
    await house.say("too late", who="ana", reply_to=message_id, channel=channel("telegram"))
    assert (await house.state())[2] == ANSWER
    assert "faster" in house.notices("ana", "telegram")[-1]


async def test_a_prompt_is_not_shown_to_who_could_not_use_it(house: House) -> None:
    await house.say()
    await house.press("approve", "telegram", "ben")
    edit = [b for b in house.card("telegram").buttons if b.payload.split("|")[2:3] == ["edit"]]
    assert edit == []
