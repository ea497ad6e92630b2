"""Accounts are linked by a code with the consent of both sides, and whoever is linked votes as one person."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import sqlalchemy as sa

from bot.chat.messages import Button, Notice
from bot.domain.places import Member
from bot.locales import LANGUAGES
from bot.storage.tables import link_codes

from .house import House, living, member

LIN, LIN_THERE, EVE = member("slack", "lin"), member("telegram", "77"), member("discord", "eve")


async def offered(house: House, platform: str = "slack", who: str = "lin", **changes: object) -> str:
    """Ask for a code; the one that is shown."""
    await house.command("link", "", platform, who, **changes)
    found = re.search(r"\d{6}", house.notices(who, platform)[-1])
    assert found
    return found[0]


async def linked(house: House) -> str:
    """lin on Slack and 77 on Telegram."""
    code = await offered(house)
    await house.command("link", code, "telegram", "77")
    await house.command("link", f"{code} yes", "telegram", "77")
    return code


async def persons(house: House, *members: Member) -> list[str]:
    return await house.read(lambda work: [work.links.person_of(one) for one in members])


async def is_linked(house: House, *members: Member) -> bool:
    return len(set(await persons(house, *members))) == 1


async def test_a_code_of_one_side_typed_on_the_other_links_after_a_yes(house: House) -> None:
    code = await offered(house)
    assert house.notices("lin") == [house.told("link.code", code=code, minutes=10)]
    await house.command("link", code, "telegram", "77", member_name="Lin W.")
    whose = house.told("link.whose", name="Lin", platform="Slack", code=code)
    assert house.notices("77", "telegram") == [whose]
    assert not await is_linked(house, LIN, LIN_THERE)
    await house.command("link", f"{code} yes", "telegram", "77", member_name="Lin W.")
    assert await is_linked(house, LIN, LIN_THERE)
    assert house.notices("77", "telegram")[-1] == house.told("link.done", name="Lin", platform="Slack")
    assert house.notices("lin")[-1] == house.told("link.done_there", name="Lin W.", platform="Telegram")
    assert len(house.notices("lin")) == 2


@pytest.mark.parametrize("typed", ["{0}{1} 是", "{0} {1} YES", "{0}-{1}　确认", "１２３４５６"])
async def test_a_code_is_read_as_people_write_it(house: House, typed: str) -> None:
    code = await offered(house)
    wide = code.translate({ord("0") + n: ord("０") + n for n in range(10)})
    text = typed.format(code[:3], code[3:]) if "{" in typed else f"{wide} yes"
    await house.command("link", code, "discord", "eve")
    await house.command("关联", text, "discord", "eve")
    assert await is_linked(house, LIN, EVE)


async def test_yes_before_anything_was_shown_asks_first(house: House) -> None:
    code = await offered(house)
    await house.command("link", f"{code} yes", "telegram", "77")
    assert not await is_linked(house, LIN, LIN_THERE)
    assert house.notices("77", "telegram") == [house.told("link.whose", name="Lin", platform="Slack", code=code)]
    await house.command("link", f"{code} yes", "telegram", "77")
    assert await is_linked(house, LIN, LIN_THERE)


def buttons(house: House, platform: str) -> tuple[Button, ...]:
    told = [call.message for call in house.platforms[platform].done if isinstance(call.message, Notice)]
    return told[-1].buttons


async def test_where_something_private_can_have_buttons_one_press_is_a_yes(house: House) -> None:
    code = await offered(house, "telegram", "77")
    assert buttons(house, "telegram") == ()
    await house.command("link", code, "discord", "eve")
    (button,) = buttons(house, "discord")
    await house.press("link", "discord", "ben", payload=button.payload)
    assert not await is_linked(house, LIN_THERE, member("discord", "ben"))
    await house.press("link", "discord", "eve", payload=button.payload)
    assert await is_linked(house, LIN_THERE, EVE)
    await house.press("link", "discord", "eve", payload=button.payload)
    assert house.notices("eve", "discord")[-1] == house.told("link.wrong")


async def test_only_the_first_who_types_a_code_can_go_on(house: House) -> None:
    """On Telegram a room reads what is typed: nobody else may take somebody over by it."""
    code = await offered(house)
    await house.command("link", code, "telegram", "77")
    for text in (code, f"{code} yes"):
        await house.command("link", text, "discord", "eve")
        assert house.notices("eve", "discord")[-1] == house.told("link.wrong")
    await house.command("link", f"{code} yes", "telegram", "77")
    assert await is_linked(house, LIN, LIN_THERE)
    assert not await is_linked(house, LIN, EVE)


async def test_a_code_is_good_for_ten_minutes(house: House) -> None:
    code = await offered(house)
    await house.command("link", code, "telegram", "77")
    await house.advance(600)
    await house.command("link", f"{code} yes", "telegram", "77")
    assert house.notices("77", "telegram")[-1] == house.told("link.wrong")
    code = await offered(house)
    await house.advance(599)
    await house.command("link", code, "telegram", "77")
    assert house.notices("77", "telegram")[-1] == house.told("link.whose", name="Lin", platform="Slack", code=code)


async def test_a_code_is_good_once_and_a_newer_one_replaces_it(house: House) -> None:
    first = await offered(house)
    code = await linked(house)
    for used in (first, code):
        await house.command("link", used, "discord", "eve")
        assert house.notices("eve", "discord")[-1] == house.told("link.wrong")


async def test_codes_are_kept_as_hashes(house: House) -> None:
    code = await offered(house)
    rows = await house.store.read(lambda c: [tuple(row) for row in c.execute(sa.select(link_codes))])
    assert code not in json.dumps(rows[0][:2])
    assert len(rows) == 1


async def test_guessing_ends_after_five_wrong_codes(house: House) -> None:
    code = await offered(house)
    wrong = [f"{(int(code) + n) % 10**6:06}" for n in range(1, 7)]
    for text in wrong[:5]:
        await house.command("link", text, "discord", "eve")
        assert house.notices("eve", "discord")[-1] == house.told("link.wrong")
        await house.advance(1)
    for text in (wrong[5], code, f"{code} yes"):
        await house.command("link", text, "discord", "eve")
        assert house.notices("eve", "discord")[-1] == house.told("link.blocked", minutes=10)
    await house.command("link", code, "discord", "ben")
    assert house.notices("ben", "discord") == [house.told("link.whose", name="Lin", platform="Slack", code=code)]
    await house.advance(594)
    await house.command("link", wrong[5], "discord", "eve")
    assert house.notices("eve", "discord")[-1] == house.told("link.blocked", minutes=10)
    await house.advance(1)
    await house.command("link", wrong[5], "discord", "eve")
    assert house.notices("eve", "discord")[-1] == house.told("link.wrong")


@pytest.mark.parametrize("text", ["x", "12345", "1234567", "yes", "12345x", "١٢٣٤٥٦", "1" * 5000])
async def test_what_is_no_code_is_no_try(house: House, text: str) -> None:
    for _ in range(7):
        await house.command("link", text, "discord", "eve")
    assert set(house.notices("eve", "discord")) == {house.told("command.usage", usage="/link 123456")}


async def test_an_account_is_not_linked_with_itself_nor_twice(house: House) -> None:
    code = await offered(house)
    for text in (code, f"{code} yes"):
        await house.command("link", text, "slack", "lin")
        assert house.notices("lin")[-1] == house.told("link.own")
    await linked(house)
    code = await offered(house)
    await house.command("link", code, "telegram", "77")
    assert house.notices("77", "telegram")[-1] == house.told("link.already")


async def test_two_accounts_of_one_platform_and_a_third_one(house: House) -> None:
    await linked(house)
    other = member("slack", "alt")
    code = await offered(house, "slack", "alt")
    await house.command("link", code, "telegram", "77")
    await house.command("link", f"{code} yes", "telegram", "77")
    assert await is_linked(house, LIN, LIN_THERE, other)
    await house.command("link", "", "slack", "alt")
    assert house.told("link.linked", accounts="Slack lin, Telegram 77") in house.notices("alt")[-1]


async def test_parting_is_for_whoever_asks_at_any_time(house: House) -> None:
    await house.command("unlink", "", "slack", "lin")
    assert house.notices("lin") == [house.told("link.none")]
    await linked(house)
    await house.command("取消关联", "", "slack", "lin")
    assert not await is_linked(house, LIN, LIN_THERE)
    assert house.notices("lin")[-1] == house.told("link.parted", accounts="Telegram 77")
    await linked(house)
    assert await is_linked(house, LIN, LIN_THERE)


async def test_names_cannot_pretend(house: House) -> None:
    code = await offered(house, member_name="Ana\u202e" + "x" * 99)
    await house.command("link", code, "telegram", "77")
    text = house.notices("77", "telegram")[-1]
    assert "\u202e" not in text
    assert "x" * 50 not in text


@pytest.mark.parametrize("language", LANGUAGES)
async def test_every_text_is_said_without_a_fault(path: Path, language: str) -> None:
    others = [one for one in LANGUAGES if one != language]
    async with living(path, languages=[language, *others]) as house:
        code = await offered(house)
        await house.command("link", code, "slack", "lin")
        for text in (code, f"{code} yes"):
            await house.command("link", text, "discord", "eve")
        code = await offered(house)
        for _ in range(7):
            await house.command("link", code, "discord", "eve")
            await house.command("link", "000000" if code != "000000" else "111111", "discord", "eve")
        for _ in range(2):
            await house.command("unlink", "", "discord", "eve")
        said = {key for spoken, key in house.texts.said if spoken == language}
        assert {key for key in house.texts.keys(language) if key.startswith("link.")} <= said
