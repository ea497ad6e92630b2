"""Permissions, command registration and positions, without a network."""

from __future__ import annotations

import pytest

from bot.chat.events import MessagePosted
from bot.chat.ports import CommandSpec, NotSent, Position, Refused, SendError, Unclear
from bot.domain.places import Channel, Member
from bot.integrations.discord import commands, errors, setup
from bot.integrations.discord.progress import Progress

VIEW, SEND = (setup.NEEDED[name] for name in ("View Channels", "Send Messages"))
ALL = sum(setup.NEEDED.values())
GUILD = {"id": "1", "roles": [{"id": "1", "permissions": str(ALL)}, {"id": "2", "permissions": "8"}]}


def overwrite(who: str, allow: int = 0, deny: int = 0) -> dict[str, str]:
    return {"id": who, "allow": str(allow), "deny": str(deny)}


@pytest.mark.parametrize(
    ("overwrites", "roles", "held"),
    [
        ([], [], ALL),
        ([overwrite("1", deny=SEND)], [], ALL & ~SEND),
        ([overwrite("1", deny=SEND), overwrite("3", allow=SEND)], ["3"], ALL),
        ([overwrite("3", allow=SEND), overwrite("9", deny=SEND)], ["3"], ALL & ~SEND),
        ([overwrite("3", deny=SEND), overwrite("4", allow=SEND)], ["3", "4"], ALL),
        ([overwrite("1", deny=VIEW)], [], 0),
        ([overwrite("1", deny=ALL)], ["2"], ALL | 8),
    ],
)
def test_permissions_follow_discord_s_order(overwrites: list[dict[str, str]], roles: list[str], held: int) -> None:
    assert setup.permissions(GUILD, {"permission_overwrites": overwrites}, "9", roles) == held


HELP = CommandSpec("help", {"en": "Help", "zh": "帮助"}, "[command]", staff=False)


def test_a_command_is_registered_with_its_languages() -> None:
    [made] = commands.payloads([HELP])
    assert made["description_localizations"] == {"zh-CN": "帮助"}
    assert made["options"] == [
        {"type": 3, "name": "text", "description": "[command]", "required": False, "max_length": 1000}
    ]


@pytest.mark.parametrize("name", ["Help", "two words", "", "x" * 33, "a/b"])
def test_a_name_that_discord_refuses_is_left_out(name: str) -> None:
    assert commands.payloads([CommandSpec(name, {"en": "x"}, "", staff=False), HELP]) == commands.payloads([HELP])


def test_what_discord_adds_does_not_count_and_what_differs_does() -> None:
    wanted = commands.payloads([HELP])
    known = {**wanted[0], "id": "5", "version": "6", "nsfw": False}
    assert commands.same([known], wanted)
    assert not commands.same([], wanted)
    assert not commands.same([known, known], wanted)
    assert not commands.same([{**known, "description": "old"}], wanted)
    assert not commands.same([{**known, "options": []}], wanted)
    assert not commands.same({"message": "no"}, wanted)


def said(number: int, channel: str = "10", parent: str | None = None) -> MessagePosted:
    place = Channel("discord", "1", channel, parent_id=parent)
    return MessagePosted(place, str(number), Member("discord", "1", "5"), "", "", 0.0)


def test_positions_wait_until_the_gap_is_closed_and_only_grow() -> None:
    progress = Progress(["10"])
    assert progress.of(said(100)) is None
    progress.new_session()
    progress.closed("10", progress.session() - 1)
    assert progress.of(said(101)) is None
    progress.closed("10", progress.session())
    assert progress.of(said(102)) == Position("discord:10", 102)
    assert progress.of(said(101)) is None
    assert progress.of(said(103, channel="77", parent="10")) == Position("discord:77", 103)
    assert progress.of(said(104, channel="11")) is None
    progress.new_session()
    assert progress.of(said(105)) is None


@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        (400, {"code": 50035}, Refused, "50035"),
        (401, {"code": 0}, Refused, "unauthorized"),
        (403, {"code": 50013}, Refused, "50013"),
        (404, {"code": 10008}, Refused, "gone"),
        (404, "<html>", Refused, "404"),
        (403, "<html>", NotSent, None),
        (408, None, Unclear, None),
        (429, {"retry_after": 1.5}, NotSent, None),
        (429, {"code": 30046, "retry_after": 1.5}, Refused, "30046"),
        (302, None, Unclear, None),
        (524, "<html>", Unclear, None),
        (500, None, Unclear, None),
        (503, "<html>", Unclear, None),
    ],
)
def test_what_an_answer_means(status: int, body: object, kind: type[SendError], code: str | None) -> None:
    error = errors.failure(errors.Response(status, {}, body))
    assert type(error) is kind
    assert getattr(error, "code", None) == code
