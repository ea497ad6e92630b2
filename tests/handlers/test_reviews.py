"""From a comment to its reply, over cards on three platforms: who may decide, over what, and what becomes of it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import sqlalchemy as sa
from engine.world import Call, Recorder, failing

from bot.chat.messages import Card, FieldErrors, OpenForm, Reply
from bot.chat.ports import NotSent, Refused, Unclear
from bot.domain.text import fingerprint
from bot.storage.tables import decisions, outbox

from .house import ANSWER, QUESTION, House, channel, living, member

EVERYWHERE = ("slack", "discord", "telegram")


async def approved(house: House, platform: str = "telegram") -> str:
    """A comment whose draft was approved and sent."""
    message_id = await house.say(platform=platform)
    await house.press("approve")
    await house.advance(10)
    assert (await house.state())[0] == "sent"
    return message_id


@pytest.mark.parametrize("platform", EVERYWHERE)
async def test_a_question_is_answered_once_where_it_was_asked(house: House, platform: str) -> None:
    message_id = await house.say(platform=platform)
    for place in EVERYWHERE:
        card = house.card(place)
        assert (card.comment, card.draft) == (QUESTION, ANSWER)
    await house.press("approve", "discord", "ben")
    assert house.replies() == []
    await house.advance(9.9)
    assert house.replies() == []
    await house.advance(0.2)
    (call,) = [c for c in house.platforms[platform].done if isinstance(c.message, Reply)]
    assert call.message == Reply(ANSWER, message_id)
    assert call.to == channel(platform, "community")
    assert house.replies() == [ANSWER]
    for place in EVERYWHERE:
        assert "Ben" in " ".join(house.card(place).status)
        assert [b.payload.split("|")[2] for b in house.card(place).buttons if b.payload] == ["correct", "takeback"]


async def test_what_is_sent_was_approved_and_the_log_says_by_whom(house: House) -> None:
    await approved(house)

    def unit(connection: sa.Connection) -> tuple[str, str, str, str, str]:
        decision = connection.execute(sa.select(decisions)).one()
        reply = connection.execute(sa.select(outbox).where(outbox.c.kind == "reply")).one()
        return decision.member, decision.action, decision.text_hash, reply.text_hash, decision.place

    expected = fingerprint(ANSWER)
    assert await house.store.read(unit) == (
        str(member("slack", "ana")), "approve", expected, expected, "slack:T1:slack-review")  # fmt: skip


async def test_a_reply_that_was_tampered_with_in_the_outbox_is_not_sent(house: House) -> None:
    """I9."""
    await house.say()
    await house.press("approve")
    forged = sa.update(outbox).where(outbox.c.kind == "reply").values(text="Send me your password")
    await house.store.write(lambda connection: connection.execute(forged))
    await house.advance(10)
    assert house.replies() == []
    assert (await house.state())[0] == "failed"
    assert [error for error in house.errors if "WrongText" in error]
    house.errors.clear()


async def test_two_approvers_at_the_same_moment(house: House) -> None:
    """Attack 29."""
    await house.say()
    first = house.press_event("approve", "slack", "ana")
    second = house.press_event("approve", "discord", "ben")
    await asyncio.gather(house.hear(first, settled=False), house.hear(second, settled=False))
    await house.settle()
    told = house.notices("ana") + house.notices("ben", "discord")
    assert len([text for text in told if "faster" in text]) == 1
    assert len([text for text in told if text.startswith("Approved #1")]) == 1
    await house.advance(10)
    assert house.replies() == [ANSWER]


async def test_approve_and_reject_together(house: House) -> None:
    """Attack 31."""
    await house.say()
    await house.press("reject", "discord", "ben")
    submitting = house.submit(house.button("reject", "discord"), {"reason": "tone"}, "discord", "ben")
    await asyncio.gather(submitting, house.hear(house.press_event("approve"), settled=False))
    await house.settle()
    await house.advance(10)
    state = (await house.state())[0]
    assert state in {"sent", "rejected"}
    assert house.replies() == ([ANSWER] if state == "sent" else [])
    loser = house.notices("ana") if state == "rejected" else house.notices("ben", "discord")
    assert "faster" in loser[-1]


async def test_an_edit_is_shown_and_then_approved(house: House) -> None:
    await house.say()
    old = house.button("approve")
    opened = await house.press("edit")
    assert isinstance(opened, OpenForm)
    assert opened.form.fields[0].value == ANSWER
    await house.submit(opened.form.payload, {"text": "  On Monday.\r\nSorry!  "})
    for place in EVERYWHERE:
        assert house.card(place).draft == "On Monday.\nSorry!"
    await house.press("approve", payload=old)
    assert (await house.state())[0] == "waiting"
    assert "has changed since you saw it" in house.notices()[-1]
    await house.press("approve")
    await house.advance(10)
    assert house.replies() == ["On Monday.\nSorry!"]


async def test_an_edit_over_an_older_version_is_lost_to_nobody(house: House) -> None:
    await house.say()
    mine = await house.press("edit")
    theirs = await house.press("edit", "discord", "ben")
    assert isinstance(mine, OpenForm)
    assert isinstance(theirs, OpenForm)
    await house.submit(theirs.form.payload, {"text": "Ben's text"}, "discord", "ben")
    await house.submit(mine.form.payload, {"text": "Ana's text"})
    assert await house.state() == ("waiting", 2, "Ben's text")
    assert "version 2" in house.notices()[-1]


@pytest.mark.parametrize(("text", "reason"), [("", "empty"), (" \u200b\u2060 ", "empty"), ("x" * 1501, "1501")])
async def test_a_text_that_cannot_be_sent_is_refused_in_the_form(house: House, text: str, reason: str) -> None:
    await house.say()
    before = await house.snapshot()
    answer = await house.fill("edit", {"text": text})
    assert isinstance(answer, FieldErrors)
    assert reason in answer.errors["text"]
    assert await house.snapshot() == before


async def test_the_cap_is_what_every_platform_shows_whole(path: Path) -> None:
    async with living(path, drafting={"max_length": 4000}) as house:
        await house.say(platform="discord")
        assert isinstance(await house.fill("edit", {"text": "x" * 1801}), FieldErrors)
        await house.fill("edit", {"text": "🍵" * 900})
        assert (await house.state())[2] == "🍵" * 900
        assert isinstance(await house.fill("edit", {"text": "🍵" * 901}), FieldErrors)


async def test_a_rejection_with_its_reason_and_a_new_draft_after_it(house: House) -> None:
    await house.say()
    await house.fill("reject", {"reason": "wrong_fact", "text": "it is Monday"})
    assert "Wrong fact: it is Monday" in " ".join(house.card("telegram").status)
    await house.fill("redo", {"text": "shorter"}, "discord", "ben")
    state, version, text = await house.state()
    assert (state, version) == ("waiting", 2)
    assert text
    assert house.replies() == []


async def test_a_claim_keeps_others_away_and_expires(house: House) -> None:
    await house.say()
    await house.press("claim")
    assert "Ana" in " ".join(house.card("discord").status)
    await house.press("approve", "discord", "ben")
    assert "Ana is on it" in house.notices("ben", "discord")[-1]
    assert (await house.state())[0] == "waiting"
    await house.advance(1800)
    await house.press("approve", "discord", "ben")
    assert (await house.state())[0] == "approved"


async def test_a_claim_is_let_go_and_taken_over(house: House) -> None:
    await house.say()
    await house.press("claim")
    await house.press("claim")
    assert house.notices()[-1] == house.told("done.release", number=1)
    await house.press("claim")
    await house.press("claim", "discord", "ben")
    await house.press("approve")
    assert "Ben is on it" in house.notices()[-1]


async def test_undo_holds_the_reply_back_and_a_new_version_is_sent_once(house: House) -> None:
    await house.say()
    await house.press("approve")
    await house.advance(5)
    await house.press("undo", "discord", "ben")
    await house.advance(60)
    assert house.replies() == []
    assert await house.state() == ("waiting", 2, ANSWER)
    await house.press("approve")
    await house.advance(10)
    assert house.replies() == [ANSWER]


async def test_undo_comes_too_late_for_what_is_sent(house: House) -> None:
    await house.say()
    await house.press("approve")
    undo = house.button("undo")
    await house.advance(10)
    await house.press("undo", payload=undo)
    assert "posted" in house.notices()[-1]
    assert house.replies() == [ANSWER]


async def test_an_own_answer_where_there_is_no_draft(house: House) -> None:
    await house.say("How do I repair my bicycle's gear shift?")
    assert house.card().draft == ""
    actions = [b.payload.split("|")[2] for b in house.card().buttons if b.payload]
    assert "approve" not in actions
    assert "answer" in actions
    await house.fill("answer", {"text": "Better ask a mechanic."})
    await house.advance(10)
    assert house.replies() == ["Better ask a mechanic."]


async def test_four_eyes(path: Path) -> None:
    async with living(path, review={"four_eyes": True}) as house:
        await house.say()
        await house.fill("answer", {"text": "My own words."})
        await house.advance(60)
        assert house.replies() == []
        await house.press("approve")
        assert house.notices()[-1] == house.told("review.four_eyes")
        await house.press("approve", "discord", "ben")
        await house.advance(10)
        assert house.replies() == ["My own words."]


async def test_a_reply_is_corrected_and_taken_back(house: House) -> None:
    await approved(house)
    await house.fill("correct", {"text": "On Saturday, sorry."})
    (sent,) = [c for c in house.platforms["telegram"].done if isinstance(c.message, Reply) and c.what == "send"]
    (changed,) = [c for c in house.platforms["telegram"].done if isinstance(c.message, Reply) and c.what == "edit"]
    assert (changed.message, changed.message_id) == (Reply("On Saturday, sorry."), sent.message_id)
    assert house.card().draft == "On Saturday, sorry."
    await house.press("takeback", "discord", "ben")
    (removed,) = [c for c in house.platforms["telegram"].done if c.what == "delete"]
    assert removed.message_id == sent.message_id
    assert (await house.state())[0] == "withdrawn"


async def test_a_correction_that_fails_is_told(house: House) -> None:
    await approved(house)
    house.platforms["telegram"].fates.append(failing(Refused("too old", "400")))
    await house.fill("correct", {"text": "New."})
    assert "too old" in " ".join(house.card().status)
    assert any("too old" in line for line in house.lines())


async def test_what_failed_is_tried_again(house: House) -> None:
    await house.say()
    await house.press("approve")
    house.platforms["telegram"].fates.append(failing(Refused("no rights", "403")))
    await house.advance(10)
    assert (await house.state())[0] == "failed"
    assert "no rights" in " ".join(house.card("discord").status)
    await house.press("retry")
    assert house.replies() == [ANSWER]
    assert (await house.state())[0] == "sent"


async def test_what_failed_is_dropped(house: House) -> None:
    await house.say()
    await house.press("approve")
    house.platforms["telegram"].fates.append(failing(Refused("no rights", "403")))
    await house.advance(10)
    await house.press("drop")
    assert (await house.state())[0] == "dropped"
    await house.advance(3600)
    assert house.replies() == []


async def test_a_card_that_an_earlier_try_had_made_is_brought_up_to_date(house: House) -> None:
    """Discord knows a create that is repeated: it answers with the card as it was posted at first."""
    discord = house.platforms["discord"]

    async def known(recorder: Recorder, _: Call) -> str:
        return recorder.sent(Card)[0].message_id

    discord.fates.extend([failing(Unclear("cut off"), after=True), known])
    await house.say()
    await house.fill("reject", {"reason": "wrong_fact", "text": "it is Monday"})
    await house.advance(10)
    assert (await house.state())[0] == "rejected"
    assert len(discord.sent(Card)) == 1
    assert house.card("discord").tone == house.card("slack").tone == "quiet"


async def in_doubt(house: House) -> None:
    await house.say()
    await house.press("approve")
    house.platforms["telegram"].fates.append(failing(Unclear("cut off"), after=True))
    await house.advance(10)
    assert (await house.state())[0] == "uncertain"


async def test_what_may_have_arrived_is_put_to_a_person_and_never_sent_again_by_itself(house: House) -> None:
    await in_doubt(house)
    await house.advance(86_400)
    assert house.replies() == [ANSWER]
    actions = [b.payload.split("|")[2] for b in house.card().buttons if b.payload]
    assert actions == ["arrived", "again", "drop"]


async def test_a_person_saw_it_arrive(house: House) -> None:
    await in_doubt(house)
    await house.press("arrived")
    assert (await house.state())[0] == "sent"
    await house.press("takeback")
    assert house.notices()[-1] == house.told("review.unknown_message")
    assert (await house.state())[0] == "sent"


async def test_a_person_sends_it_again_once(house: House) -> None:
    await in_doubt(house)
    again = house.button("again")
    await house.press("again")
    await house.press("again", payload=again)
    await house.advance(60)
    assert house.replies() == [ANSWER, ANSWER]


async def test_a_person_drops_it(house: House) -> None:
    await in_doubt(house)
    await house.press("drop")
    await house.advance(86_400)
    assert (await house.state())[0] == "dropped"
    assert house.replies() == [ANSWER]


async def test_a_busy_platform_gets_it_later(house: House) -> None:
    await house.say()
    await house.press("approve")
    house.platforms["telegram"].fates.append(failing(NotSent("429", 65.0)))
    await house.advance(10)
    assert (await house.state())[0] == "approved"
    await house.advance(64)
    assert house.replies() == []
    await house.advance(3)
    assert house.replies() == [ANSWER]
