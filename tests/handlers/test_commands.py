"""Commands: text twins of every button, in English and Chinese, and what the team asks for."""

from __future__ import annotations

import pytest
from engine.world import failing

from bot.chat.messages import Accepted, OpenForm
from bot.chat.ports import Incoming, Position, Unclear
from bot.domain.places import Channel

from .house import ANSWER, House, channel
from .trouble import troubled

EXPECTED = {
    ("approve", "1"): "approved",
    ("edit", "1 On Monday."): "waiting",
    ("redo", "1 shorter"): "waiting",
    ("reject", "1 wrong"): "rejected",
    ("claim", "#1"): "waiting",
    ("answer", "1 On Monday."): "approved",
}
ALIASES = {"approve": "批准", "edit": "修改", "redo": "重写", "reject": "驳回", "claim": "认领", "answer": "回复"}


@pytest.mark.parametrize("form", ["command", "umbrella", "alias", "typed"])
@pytest.mark.parametrize(("name", "text"), list(EXPECTED))
async def test_every_button_has_a_twin(house: House, name: str, text: str, form: str) -> None:
    await house.say()
    if form == "command":
        await house.command(name, text)
    elif form == "umbrella":
        await house.command("herald", f"{name} {text}")
    elif form == "alias":
        await house.command(ALIASES[name], text, "discord", "ben")
    else:
        await house.say(f"/{ALIASES[name]} {text}", "telegram", "ana", channel=channel("telegram"))
    state, version, draft = await house.state()
    assert state == EXPECTED[name, text]
    assert version == (2 if name in {"edit", "redo", "answer"} else 1)
    assert (draft == "On Monday.") == (name in {"edit", "answer"})


async def test_twins_of_what_comes_after_sending(house: House) -> None:
    await house.say()
    await house.command("approve", "1")
    await house.command("undo", "1")
    assert (await house.state())[0] == "waiting"
    await house.command("approve", "1")
    await house.advance(10)
    await house.command("correct", "1 On Saturday.")
    assert (await house.state())[2] == "On Saturday."
    await house.command("takeback", "1")
    assert (await house.state())[0] == "withdrawn"


@pytest.mark.parametrize("text", ["", "x", "0x1", "-1", "9" * 16, "#", "1.5"])
async def test_without_a_number_the_usage_is_told(house: House, text: str) -> None:
    await house.say()
    before = await house.snapshot()
    await house.command("approve", text)
    told = house.notices()[-1]
    assert told in {
        house.told("command.usage", usage="/approve <id>"),
        house.told("done.approve", number=1, seconds=10),
    }
    if told.startswith("It is written"):
        assert await house.snapshot() == before


@pytest.mark.parametrize("number", ["2", "0", "999999999999999"])
async def test_a_draft_that_is_not_there(house: House, number: str) -> None:
    await house.say()
    await house.command("approve", number)
    assert house.notices()[-1] == house.told("command.no_draft", number=int(number))


@pytest.mark.parametrize("action", ["edit", "redo", "answer"])
async def test_a_twin_without_a_text_opens_the_form(house: House, action: str) -> None:
    await house.say()
    answer = await house.command(action, "1")
    assert isinstance(answer, OpenForm)
    await house.submit(answer.form.payload, {"text": "On Monday."})
    state, version, _ = await house.state()
    assert (state, version) == ("approved" if action == "answer" else "waiting", 2)


async def test_a_typed_twin_without_a_text_says_how_it_is_written(house: House) -> None:
    await house.say()
    await house.say("/修改 1", "slack", "ana", channel=channel("slack"))
    assert house.notices()[-1] == house.told("command.usage", usage="/edit <id> [text]")


@pytest.mark.parametrize("room", ["review", "elsewhere"])
async def test_without_forms_a_twin_asks_by_message_in_any_room(house: House, room: str) -> None:
    await house.say()
    where = Channel("telegram", "1", f"telegram-{room}")
    await house.command("edit", "1", "telegram", channel=where)
    message_id, _ = house.prompt()
    await house.say("On Monday.", "telegram", "ana", reply_to=message_id, channel=where)
    assert await house.state() == ("waiting", 2, "On Monday.")


async def test_a_command_sees_what_its_room_was_shown(house: House) -> None:
    comment = await house.say()
    await house.edit(comment, "When will the coffee be back?")
    await house.command("approve", "1")
    assert "coffee" in house.notices()[-1]
    await house.command("approve", "1")
    assert (await house.state())[0] == "approved"


async def test_pausing_holds_replies_back_and_nothing_else(house: House) -> None:
    await house.say()
    await house.press("approve")
    await house.command("pause")
    await house.advance(60)
    assert house.replies() == []
    await house.say()
    assert house.card("slack", 2).draft == ANSWER
    await house.command("status")
    assert "Ana" in house.notices()[-1].splitlines()[0]
    await house.command("resume", "", "discord", "ben")
    await house.settle()
    assert house.replies() == [ANSWER]
    await house.command("resume")
    assert house.notices()[-1] == house.told("done.not_paused")


async def test_the_inbox_lists_what_waits(house: House) -> None:
    await house.command("inbox")
    assert house.notices()[-1] == house.told("inbox.empty")
    for _ in range(7):
        await house.say()
    await house.command("inbox")
    lines = house.notices()[-1].splitlines()
    assert lines[0] == house.told("inbox.title", count=7)
    assert len(lines) == 6
    assert "#1 " in lines[1]
    assert "https://example.org/telegram/" in lines[1]
    await house.press("claim", draft=3)
    await house.command("inbox", "mine")
    assert [line.split(" ")[0] for line in house.notices()[-1].splitlines()[1:]] == ["#3"]


async def test_the_status_counts(house: House) -> None:
    await house.say()
    await house.say()
    await house.press("approve")
    house.platforms["telegram"].fates.append(failing(Unclear("cut off")))
    await house.advance(10)
    await house.command("herald", "status")
    told = house.notices()[-1]
    assert house.told("status.sending") in told
    assert house.told("status.events", new=0, failed=0) in told
    assert house.told("status.drafts", drafting=0, waiting=1, uncertain=1) in told
    assert house.told("status.platform", platform="Telegram", pending=0, sent=0, uncertain=1, failed=0) in told


async def test_the_status_tells_of_a_gap_while_it_is_read_back(house: House) -> None:
    await house.door.accept([Incoming("telegram:1", "start", "{}", None, Position("telegram:1", 5))])
    gap = house.told("status.gap", cursor="telegram:1")
    await house.door.gap("telegram:1", 9)
    await house.command("status")
    assert gap in house.notices()[-1]
    await house.door.gap("telegram:1", None)
    await house.command("status")
    assert gap not in house.notices()[-1]


async def test_the_status_names_what_cannot_be_reached_and_who_wants_us_to_wait(house: House) -> None:
    await troubled(house)
    await house.command("status")
    told = house.notices()[-1]
    assert house.told("status.link", name="Slack", ago=house.texts.ago("en", 120)) in told
    assert house.told("status.block", where="telegram:-100", time=house.texts.span("en", 60)) in told
    assert told.count("told us to wait") == 1


async def test_a_gap_that_cannot_be_filled_is_told_until_somebody_knows_of_it(house: House) -> None:
    await troubled(house)
    await house.command("status", "seen", who="vic")
    assert house.notices("vic")[-1] == house.told("command.no_right", name="status seen")
    await house.command("status")
    assert "slack C9 are" in house.notices()[-1]
    await house.command("status", "now")
    assert house.notices()[-1] == house.told("command.usage", usage="/status [seen]")
    await house.command("status", "已知")
    assert house.notices()[-1] == house.told("done.gaps_seen", count=1)
    await house.command("status")
    assert "slack C9 are" not in house.notices()[-1]


async def test_a_draft_is_made_by_link(house: House) -> None:
    message = await house.say("Good morning")
    await house.command("draft", f"https://example.org/telegram/{message}")
    assert house.notices()[-1] == house.told("done.drafting", number=1)
    assert (await house.state())[0] == "waiting"
    await house.command("draft", f"https://example.org/telegram/{message} shorter")
    assert (await house.state())[1] == 2
    await house.command("draft", "https://example.org/nothing")
    assert house.notices()[-1] == house.told("command.usage", usage="/draft <id|link> [instruction]")


@pytest.mark.parametrize(("name", "text"), [("herald", ""), ("help", ""), ("帮助", ""), ("start", "")])
async def test_help_lists_what_one_may(house: House, name: str, text: str) -> None:
    await house.command(name, text, who="lin")
    assert "/approve" not in house.notices("lin")[-1]
    await house.command(name, text)
    assert "/approve <id>" in house.notices()[-1]
    assert "/批准" in house.notices()[-1]


async def test_what_is_no_command(house: House) -> None:
    await house.command("herald", "frobnicate now")
    assert house.notices()[-1] == house.told("command.unknown", name="frobnicate")
    await house.command("x" * 500)
    assert len(house.notices()[-1]) < 200


async def test_a_command_is_answered_once_and_privately(house: House) -> None:
    assert await house.command("status") == Accepted()
    assert len(house.notices()) == 1
    assert house.platforms["slack"].sent() == []
