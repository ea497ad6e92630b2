"""A secret vote in a house: voters of three platforms who press with their platforms' own raw events."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.chat.events import ButtonPressed, CommandInvoked
from bot.chat.messages import Card, Notice
from bot.chat.ports import Incoming
from bot.domain.places import Channel, Member
from bot.domain.polls import Option, Poll, Question, State
from bot.handlers.polls.life import OPENS
from bot.handlers.secrecy import SHRED
from bot.integrations.discord import parse as discord
from bot.integrations.slack import parse as slack
from bot.integrations.telegram.parse import UpdateReader
from bot.storage.work import Work

from .house import House, living, member

ROOMS = {"slack": "C0VOTES", "discord": "500000000000000001", "telegram": "-1007001"}
GUILD = "400000000000000001"
OPTIONS = ("Hangzhou", "Chengdu", "Online")
NAME = "a.secretsecret"


@dataclass(frozen=True)
class Voter:
    """Somebody of whom nothing is known but that they vote."""

    platform: str
    user_id: str
    name: str

    @property
    def member(self) -> Member:
        tenant = {"slack": "T1", "discord": GUILD, "telegram": "1"}[self.platform]
        return Member(self.platform, tenant, self.user_id)


def electorate(count: int) -> list[Voter]:
    """People of all three platforms, whose names are of all lengths."""
    made = []
    for number in range(count):
        platform = ("slack", "discord", "telegram")[number % 3]
        user_id = {"slack": f"U0XY{number:04}Q", "discord": f"2{number:017}", "telegram": f"77{number:07}"}[platform]
        name = (f"Zaphod{number}" + "xyzzy" * 12)[: 7 + number]
        made.append(Voter(platform, user_id, name))
    return made


def press(voter: Voter, payload: str, number: int) -> Incoming:
    """The raw event with which a platform tells that somebody pressed a button, read by its own parser."""
    return {"slack": _slack, "discord": _discord, "telegram": _telegram}[voter.platform](voter, payload, number)


def handles(voter: Voter, number: int) -> list[str]:
    """What in that event leads back to the voter without naming them."""
    return {
        "slack": [f"/actions/T1/{number}/respond"],
        "discord": [f"interaction-token-{number}"],
        "telegram": [f"callback{number:012}"],
    }[voter.platform]


def _slack(voter: Voter, payload: str, number: int) -> Incoming:
    body: dict[str, Any] = {
        "type": "block_actions",
        "team": {"id": "T1", "domain": "tea"},
        "user": {"id": voter.user_id, "username": voter.name.lower(), "name": voter.name, "team_id": "T1"},
        "api_app_id": "A1",
        "container": {"type": "message", "message_ts": "1700000000.000100", "channel_id": ROOMS["slack"]},
        "trigger_id": f"{number}.111.{number:032x}",
        "channel": {"id": ROOMS["slack"], "name": "votes"},
        "message": {"ts": "1700000000.000100", "text": "Where?"},
        "response_url": f"https://hooks.slack.com/actions/T1/{number}/respond",
        "actions": [{"type": "button", "action_id": "b1", "block_id": "x", "value": payload, "action_ts": "17.1"}],
    }
    raw = json.dumps(body)
    return Incoming("slack:T1", slack.external_id(body, raw), raw, slack.parse(body, slack.Context("T1")))


def _discord(voter: Voter, payload: str, number: int) -> Incoming:
    frame: dict[str, Any] = {
        "t": "INTERACTION_CREATE",
        "s": number,
        "op": 0,
        "d": {
            "id": f"11{number:016}",
            "application_id": "900000000000000001",
            "type": 3,
            "token": f"interaction-token-{number}",
            "guild_id": GUILD,
            "channel_id": ROOMS["discord"],
            "channel": {"id": ROOMS["discord"], "type": 0},
            "member": {
                "user": {"id": voter.user_id, "username": voter.name.lower(), "global_name": voter.name},
                "roles": [f"6{at:017}" for at in range(len(voter.name) % 7)],
                "joined_at": f"2023-{11 if len(voter.name) % 2 else 10}-15T12:00:00.000000+00:00",  # some just now
            },
            "message": {"id": "510000000000000001"},
            "data": {"component_type": 2, "custom_id": payload},
            "locale": "en-GB",
        },
    }
    name = discord.external_id(frame, "session")
    assert name is not None
    return Incoming(discord.source(frame), name, json.dumps(frame), discord.read(frame))


def _telegram(voter: Voter, payload: str, number: int) -> Incoming:
    chat = {"id": int(ROOMS["telegram"]), "type": "supergroup", "title": "votes"}
    update = {
        "update_id": number,
        "callback_query": {
            "id": f"callback{number:012}",
            "from": {"id": int(voter.user_id), "is_bot": False, "first_name": voter.name, "language_code": "en"},
            "message": {"message_id": 5, "date": 1_700_000_000, "chat": chat, "text": "Where?"},
            "chat_instance": "17",
            "data": payload,
        },
    }
    raw = json.dumps(update)
    return Incoming("telegram:1", str(number), raw, UpdateReader("1").read(raw))


@dataclass
class Booth:
    """A poll that is open in three rooms."""

    house: House
    folder: Path
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1000))
    pressed: list[tuple[Voter, int]] = field(default_factory=list)
    """Who pressed, and the numbers of the presses."""

    @property
    def keys(self) -> list[str]:
        folder = self.folder / "ballots"
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []

    def payload(self, voter: Voter, what: str) -> str:
        room = Channel(voter.platform, voter.member.tenant, ROOMS[voter.platform])
        return self.house.desk.signer.make(NAME, what, room)

    def incoming(self, voter: Voter, what: str) -> Incoming:
        number = next(self.numbers)
        self.pressed.append((voter, number))
        found = press(voter, self.payload(voter, what), number)
        assert isinstance(found.event, ButtonPressed)
        return found

    async def vote(self, voter: Voter, choice: int, *, settled: bool = True) -> None:
        """Press on an option; pressing the chosen one takes the vote back."""
        await self.hear(self.incoming(voter, f"vote:{choice}"), settled=settled)

    async def hear(self, *items: Incoming, settled: bool = True) -> None:
        await self.house.door.accept(items)
        if settled:
            await self.house.settle()

    async def stop(self) -> None:
        """Nothing is handled any more; what comes is stored."""
        for task in self.house.tasks:
            task.cancel()
        await asyncio.gather(*self.house.tasks, return_exceptions=True)

    def told(self, voter: Voter) -> list[str]:
        """What somebody was told privately."""
        done = self.house.platforms[voter.platform].done
        notices = [call.message for call in done if isinstance(call.message, Notice)]
        return [notice.text for notice in notices if notice.member == voter.member]

    def card(self, platform: str) -> Card:
        return next(call.message for call in reversed(self.house.platforms[platform].done)
                    if isinstance(call.message, Card))  # fmt: skip

    async def counts(self) -> dict[tuple[int, ...], int]:
        groups = await self.house.read(lambda work: work.ballots.groups(1))
        found: dict[tuple[int, ...], int] = {}
        for group in groups:
            found[group.choice] = found.get(group.choice, 0) + group.count
        return found

    async def poll(self) -> Poll:
        found = await self.house.read(lambda work: work.polls.named(NAME))
        assert found is not None
        return found

    async def close(self, *, settled: bool = True) -> None:
        """The poll's host closes it."""
        number = (await self.poll()).id
        ada, room = member("slack", "ada"), Channel("slack", "T1", ROOMS["slack"])
        await self.house.hear(CommandInvoked(room, ada, "Ada", "poll", f"close {number}"), settled=settled)

    async def end(self) -> None:
        """It is closed, and the time has passed in which its key is destroyed."""
        await self.close()
        for _ in range(8):
            await self.house.advance(10.0)
        assert await self.waits(SHRED) == []

    async def waits(self, kind: str) -> list[str]:
        timers = await self.house.read(lambda work: work.timers.due(1e12, [], 100))
        return [timer.key for timer in timers if timer.kind == kind]


CHANNELS = {f"{platform}/votes": room for platform, room in ROOMS.items()}


@asynccontextmanager
async def voting(path: Path, **changes: object) -> AsyncIterator[Booth]:
    """A house in which an anonymous poll is open."""
    async with living(path, channels=CHANNELS) as house:
        booth = Booth(house, path.parent)
        await opened(booth, **changes)
        yield booth


@asynccontextmanager
async def resumed(before: Booth) -> AsyncIterator[Booth]:
    """The same installation, started again later."""
    async with living(before.folder / "herald.db", channels=CHANNELS) as house:
        house.clock.at = before.house.clock.at + 5.0
        yield Booth(house, before.folder, before.numbers, before.pressed)


async def opened(booth: Booth, **changes: object) -> None:
    house = booth.house
    options = tuple(Option(number, text) for number, text in enumerate(OPTIONS, 1))
    question = Question("Where?", options, anonymous=True, **changes)  # type: ignore[arg-type]
    now = house.clock.at
    rooms = tuple(Channel(platform, "", room) for platform, room in ROOMS.items())
    host = member("slack", "ada")
    poll = Poll(0, NAME, question, State.SCHEDULED, host, "Ada", "en", rooms, now, now, now + 86400.0)

    def unit(connection: Any) -> None:
        work = Work(connection, now)
        work.polls.add(poll)
        work.timers.set(OPENS, NAME, now)

    await house.store.write(unit)
    await house.settle()
    await asyncio.sleep(0)
    assert (await booth.poll()).state is State.OPEN
    assert booth.keys == [f"{NAME}.key"]
