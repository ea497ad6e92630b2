"""How members of a workspace stand: by pages where that is quicker, singly where it is not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest
from aiohttp import web

from bot.chat.ports import NotSent, Refused, Unclear
from bot.chat.standings import ReadsStandings, Standing
from bot.domain.places import Channel, Member
from bot.integrations.slack import SlackConfig, SlackPlatform, standings
from tests.integrations.slack.conftest import Stage
from tests.integrations.slack.server import Server, serving

HERE = Channel("slack", "T1", "C1")
GROUP, LIST, INFO = "usergroups.users.list", "users.list", "users.info"


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    monkeypatch.setattr("bot.chat.standings.PAUSES", (0.0, 0.0))
    monkeypatch.setattr(standings, "PAGE", 4)
    async with serving() as running:
        yield running


@pytest.fixture
async def platform(server: Server) -> AsyncIterator[SlackPlatform]:
    made = SlackPlatform(SlackConfig("xoxb", "xapp", server.url, request_timeout=2.0))
    yield made
    await made.close()


def members(numbers: Iterable[int]) -> list[Member]:
    return [Member("slack", "T1", f"U{number}") for number in numbers]


def user(number: int, **more: Any) -> dict[str, Any]:
    return {"id": f"U{number}", "team_id": "T1", "name": "x", "deleted": False, "is_bot": False, **more}


def populate(server: Server, users: list[dict[str, Any]]) -> None:
    """A workspace with these users, listed in this order."""

    def page(fields: dict[str, str]) -> Any:
        start, limit = int(fields.get("cursor") or 0), int(fields["limit"])
        following = str(start + limit) if start + limit < len(users) else ""
        return {"ok": True, "members": users[start : start + limit], "response_metadata": {"next_cursor": following}}

    def info(fields: dict[str, str]) -> Any:
        found = [one for one in users if one["id"] == fields["user"]]
        return {"ok": True, "user": found[0]} if found else {"ok": False, "error": "user_not_found"}

    server.answers |= {LIST: page, INFO: info}


def limited(_: dict[str, str]) -> web.Response:
    return web.json_response({"ok": False, "error": "ratelimited"}, status=429, headers={"Retry-After": "3600"})


async def test_few_are_read_singly(server: Server, platform: SlackPlatform) -> None:
    assert isinstance(platform, ReadsStandings)
    populate(server, [user(1), user(2, deleted=True), user(3, is_bot=True)])
    groups = {"S1": ["U1", "U2"], "S2": []}
    server.answers[GROUP] = lambda fields: (
        {"ok": True, "users": groups[fields["usergroup"]]}
        if fields["usergroup"] in groups
        else {"ok": False, "error": "no_such_subteam"}
    )
    found = await platform.standings(members([1, 2, 3, 4]), HERE, ["S1", "S2", "S3", "S1"])
    assert list(found.values()) == [
        Standing(True, frozenset({"S1"})),
        Standing(False, frozenset()),
        Standing(True, frozenset(), is_bot=True),
        Standing(False, frozenset()),
    ]
    assert (len(server.called(INFO)), len(server.called(LIST)), len(server.called(GROUP))) == (4, 0, 3)


async def test_many_are_read_by_pages_until_few_are_left(server: Server, platform: SlackPlatform) -> None:
    populate(server, [user(number, deleted=number % 3 == 0) for number in range(60)])
    asked = [*range(20), 58, 59, 999]
    found = await platform.standings(members(asked), HERE, [])
    assert {int(one.user_id[1:]) for one, standing in found.items() if standing.present} == {
        number for number in asked if number % 3 and number != 999
    }
    assert len(found) == len(asked)
    # Four pages bring 16 of 23; then the pages would cost more than they bring, and seven are read singly.
    assert (len(server.called(LIST)), len(server.called(INFO))) == (4, 7)


async def test_for_the_last_few_no_page_is_read(
    server: Server, platform: SlackPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standings, "PAGE", 10)
    populate(server, [user(number) for number in range(60)])
    assert len(await platform.standings(members([*range(20), 59]), HERE, [])) == 21
    assert (len(server.called(LIST)), len(server.called(INFO))) == (2, 1)


async def test_a_small_workspace_is_read_to_its_end(server: Server, platform: SlackPlatform) -> None:
    populate(server, [user(number) for number in range(7)])
    found = await platform.standings(members(range(12)), HERE, [])
    assert sum(standing.present for standing in found.values()) == 7
    assert (len(server.called(LIST)), len(server.called(INFO))) == (2, 5)


async def test_a_crowd_is_read_slowly_behind_the_first(
    server: Server, platform: SlackPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr("bot.integrations.slack.standings.asyncio.sleep", sleep)
    monkeypatch.setattr(standings, "PAGE_COSTS", 1_000)
    populate(server, [user(number) for number in range(30)])
    assert len(await platform.standings(members(range(30)), HERE, [])) == 30
    assert [wait for wait in waits if wait == standings.PACE] == [standings.PACE] * (30 - standings.BURST)


async def test_a_group_that_cannot_be_read_is_not_an_empty_one(server: Server, platform: SlackPlatform) -> None:
    populate(server, [user(1)])
    server.answers[GROUP] = lambda _: {"ok": False, "error": "missing_scope"}
    found = await platform.standings(members([1]), HERE, ["S1"])
    assert list(found.values()) == [Standing(True, None)]


async def test_what_was_read_before_an_outage_is_given_back(server: Server, platform: SlackPlatform) -> None:
    populate(server, [user(number) for number in range(60)])
    pages, page = [0], server.answers[LIST]

    def one_page(fields: dict[str, str]) -> Any:
        pages[0] += 1
        return page(fields) if pages[0] == 1 else limited(fields)

    server.answers |= {LIST: one_page, INFO: lambda _: web.Response(status=503)}
    found = await platform.standings(members(range(20)), HERE, [])
    assert {one.user_id for one in found} == {"U0", "U1", "U2", "U3"}
    server.answers[LIST] = limited
    with pytest.raises(Unclear):
        await platform.standings(members(range(20)), HERE, [])
    server.answers[INFO] = limited
    with pytest.raises(NotSent):
        await platform.standings(members([1]), HERE, [])


async def test_a_rate_limit_is_waited_for(server: Server, platform: SlackPlatform) -> None:
    answers = [web.json_response({"ok": False}, status=429, headers={"Retry-After": "1"})]
    server.answers[INFO] = lambda _: answers.pop() if answers else {"ok": True, "user": user(1)}
    assert (await platform.standings(members([1]), HERE, []))[members([1])[0]].present
    assert answers == []


async def test_nobody_of_another_workspace_is_looked_up(server: Server, platform: SlackPlatform) -> None:
    strangers = [Member("slack", "T2", "U1"), Member("discord", "T1", "U1")]
    assert await platform.standings(strangers, HERE, ["S1"]) == {}
    with pytest.raises(Refused):
        await platform.standings(members([1]), Channel("slack", "T2", "C1"), [])
    assert [method for method, _ in server.calls] == ["auth.test"]


async def test_in_a_real_workspace(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    team = stage.community.tenant
    crowd = (await stage.control("crowd", prefix="fan", count=12))["ids"]
    vip = (await stage.control("member", member="vip", roles=["vips"]))["member_id"]
    gone = (await stage.control("member", member="gone"))["member_id"]
    await stage.control("member", member="gone", left=True)
    headers = {"Authorization": f"Bearer {stage.config.bot_token}"}
    async with stage.session.post(f"{stage.config.api_url}usergroups.list", headers=headers) as answer:
        groups = {group["handle"]: group["id"] for group in (await answer.json())["usergroups"]}
    everybody = [Member("slack", team, one) for one in (*crowd, vip, gone)]
    platform = SlackPlatform(stage.config)
    listed = await platform.standings(everybody, stage.community, [groups["vips"]])
    monkeypatch.setattr(standings, "PAGE_COSTS", 100)
    assert await platform.standings(everybody, stage.community, [groups["vips"]]) == listed
    await platform.close()
    assert listed[everybody[-2]] == Standing(True, frozenset({groups["vips"]}))
    assert not listed[everybody[-1]].present
    assert sum(standing.present for standing in listed.values()) == 13
