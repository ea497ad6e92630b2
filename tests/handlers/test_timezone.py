"""`/timezone`: whose clock a person reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.engine.registry import Registry
from bot.handlers.context import Asker, Context, zone_of
from bot.locales.times import show_time
from bot.storage.work import Work

from .house import House, channel, living, member


def told(house: House, key: str, zone: str, language: str = "en") -> str:
    return house.told(key, language, zone=zone, time=show_time(house.clock.at, zone, language))


async def zone(house: House, who: str = "ana", platform: str = "slack") -> str:
    """The zone that other capabilities are given for this person."""
    asker = Asker(member(platform, who), who, channel(platform), {}, None)
    return await house.read(lambda work: zone_of(Context(work, house.desk, Registry()), asker))


async def test_nobody_has_a_zone_of_their_own_at_first(path: Path) -> None:
    async with living(path, timezone="Europe/Berlin") as house:
        await house.command("timezone")
        assert house.notices()[-1] == told(house, "zone.ours", "Europe/Berlin")
        assert await zone(house) == "Europe/Berlin"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Asia/Shanghai", "Asia/Shanghai"),
        ("shanghai", "Asia/Shanghai"),
        ("上海", "Asia/Shanghai"),
        ("utc-5", "Etc/GMT+5"),
    ],
)
async def test_a_zone_is_chosen(house: House, text: str, found: str) -> None:
    await house.command("timezone", text)
    assert house.notices()[-1] == told(house, "zone.chosen", found)
    assert await zone(house) == found
    await house.command("timezone")
    assert house.notices()[-1] == told(house, "zone.yours", found)


async def test_it_is_one_persons_own(house: House) -> None:
    await house.command("timezone", "Asia/Tokyo")
    await house.command("timezone", "Europe/Berlin", who="ben")
    assert await zone(house) == "Asia/Tokyo"
    assert await zone(house, "ben") == "Europe/Berlin"
    assert await zone(house, platform="discord") == "UTC"


@pytest.mark.parametrize("word", ["reset", "默认", "Community"])
async def test_back_to_the_communitys(house: House, word: str) -> None:
    await house.command("timezone", "Asia/Tokyo")
    await house.command("timezone", word)
    assert house.notices()[-1] == told(house, "zone.back", "UTC")
    assert await zone(house) == "UTC"
    await house.command("timezone")
    assert house.notices()[-1] == told(house, "zone.ours", "UTC")


@pytest.mark.parametrize("text", ["Mars/Olympus", "localtime", "../UTC", "x" * 500, "UTC+99", "\u202eUTC"])
async def test_an_unknown_zone_changes_nothing(house: House, text: str) -> None:
    await house.command("timezone", "Asia/Tokyo")
    await house.command("timezone", text)
    said = house.notices()[-1]
    assert said.startswith("I know no time zone")
    assert len(said) < 300
    assert "\u202e" not in said
    assert await zone(house) == "Asia/Tokyo"


async def test_language_and_zone_do_not_disturb_each_other(house: House) -> None:
    await house.command("时区", "上海", locale="zh-CN")
    assert house.notices()[-1] == told(house, "zone.chosen", "Asia/Shanghai", "zh")
    await house.command("language", "en", locale="zh-CN")
    await house.command("timezone", "tokyo", locale="zh-CN")
    assert house.notices()[-1] == told(house, "zone.chosen", "Asia/Tokyo", "en")
    await house.command("language", "zh")
    await house.command("timezone")
    assert house.notices()[-1] == told(house, "zone.yours", "Asia/Tokyo", "zh")


async def test_members_may_choose_theirs_too(house: House) -> None:
    await house.command("timezone", "Asia/Tokyo", who="lin", platform="discord")
    assert await zone(house, "lin", "discord") == "Asia/Tokyo"


async def test_a_zone_that_is_no_longer_known_is_the_communitys(house: House) -> None:
    """The database of zones is another one after an update of the machine."""
    await house.store.write(
        lambda connection: Work(connection, house.clock.at).people.choose_zone(member("slack", "ana"), "Asia/Atlantis")
    )
    assert await zone(house) == "UTC"
    await house.command("timezone")
    assert house.notices()[-1].endswith("/timezone Asia/Shanghai.")
