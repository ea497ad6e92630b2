"""After an anonymous poll's end nobody can tell who chose what, nor who voted: tried by force, with every backup.

The attack is shown to be one: it finds the voters of programs that leave out one of the precautions.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from bot import logs
from bot.chat.ports import Incoming
from bot.handlers import secrecy
from bot.handlers.context import tell
from bot.handlers.polls import voting as voting_module
from bot.handlers.secrecy import PollSeals
from bot.operations.backup import backup
from bot.operations.databases import Database
from bot.storage import keys as keys_module
from bot.storage.ballots import Ballots
from bot.storage.keys import Key, Keys

from .attack import Findings, Loot, attack
from .booth import Booth, Voter, electorate, voting

SEED = 4
MANY, FEW = 40, 9


@dataclass
class Story:
    """What really happened, and what can be stolen of it."""

    loot: Loot = field(default_factory=Loot)
    chosen: dict[str, int] = field(default_factory=dict)
    """The last choice of those who have one."""
    voters: list[Voter] = field(default_factory=list)
    numbers: dict[str, list[int]] = field(default_factory=dict)
    key: bytes = b""

    def right(self, found: Findings) -> float:
        """The share of the voters whose choice the attacker knows."""
        return sum(found.linked.get(user) == choice for user, choice in self.chosen.items()) / len(self.chosen)


class _Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> Any:
    """All that is logged with the level DEBUG."""
    handler, root = _Lines(), logging.getLogger()
    for name in logs.QUIET:
        monkeypatch.setattr(logging.getLogger(name), "level", logging.WARNING)
    for name in ("herald", "herald.polls"):  # other tests may have made them quiet
        monkeypatch.setattr(logging.getLogger(name), "level", logging.NOTSET)
        monkeypatch.setattr(logging.getLogger(name), "disabled", False)
    before = root.level
    root.setLevel(logging.DEBUG)
    root.addHandler(handler)
    yield handler.lines
    root.removeHandler(handler)
    root.setLevel(before)


async def told(path: Path, count: int, lines: list[str]) -> Story:
    """People vote and ask whether it counted, some change their minds, one takes the vote back; somebody makes a copy
    of everything each time."""
    story, dice = Story(voters=electorate(count)), random.Random(SEED)
    (path.parent / "herald.key").write_bytes(b"k" * 32)
    turns = [(voter, dice.randint(1, 3)) for voter in story.voters]
    turns += [(voter, choice % 3 + 1) for voter, choice in turns[:: count // 4]]
    dice.shuffle(turns)
    turns.append((turns[0][0], 0))
    async with voting(path) as booth:
        story.key = (path.parent / "ballots" / booth.keys[0]).read_bytes()
        await _take(booth, story)
        for voter, choice in turns:
            await _vote(booth, story, voter, choice)
        for _ in range(2):  # the cards show the last votes
            await booth.house.advance(4.0)
        await _take(booth, story)
        await booth.end()
        await _take(booth, story)
        assert {user for user, _ in story.chosen.items()} < {voter.user_id for voter in story.voters}
        counted = await booth.counts()
        assert counted == {(choice,): list(story.chosen.values()).count(choice) for choice in story.chosen.values()}
    for voter, number in booth.pressed:
        story.numbers.setdefault(voter.user_id, []).append(number)
    for file in sorted(path.parent.rglob("*")):
        if file.is_file() and file not in story.loot.backups:
            story.loot.files[file.name] = file.read_bytes()
    story.loot.log = "\n".join(lines)
    return story


async def _vote(booth: Booth, story: Story, voter: Voter, choice: int) -> None:
    pressed = choice or story.chosen.pop(voter.user_id)
    if choice:
        if story.chosen.get(voter.user_id) == choice:
            return
        story.chosen[voter.user_id] = choice
    booth.house.clock.at += 0.3
    await booth.vote(voter, pressed, settled=False)
    await booth.hear(booth.incoming(voter, "mine"), settled=False)
    await _take(booth, story, whole=False)
    await booth.house.settle()
    await _take(booth, story)


async def _take(booth: Booth, story: Story, *, whole: bool = True) -> None:
    """Copy the files as they are, and (`whole`) make a backup."""

    def copy() -> None:
        for name in ("herald.db", "herald.db-wal"):
            story.loot.copies.append((booth.folder / name).read_bytes())
        if whole:
            folder = booth.folder / "backups"
            folder.mkdir(exist_ok=True)
            file = folder / f"{len(story.loot.backups):04}.db"
            backup(Database(booth.folder / "herald.db"), file)
            story.loot.backups.append(file)

    await asyncio.to_thread(copy)


async def test_nobody_can_be_linked_to_a_choice_or_be_told_to_have_voted(path: Path, logged: list[str]) -> None:
    story = await told(path, MANY, logged)
    assert len(story.loot.backups) > MANY
    found = attack(story.loot, story.voters, story.numbers)
    assert found == Findings()


async def test_the_key_is_in_nothing_that_is_left(path: Path, logged: list[str]) -> None:
    story = await told(path, FEW, logged)
    for text in (story.key, story.key.hex().encode(), base64.b64encode(story.key)[:40], keys_of(story.key)):
        assert not any(text in piece for piece in story.loot.pieces)


def keys_of(secret: bytes) -> bytes:
    """What tokens are made with."""
    return Key("a.secretsecret", secret)._tokens


# ---- programs without one of the precautions

Patch = Callable[[pytest.MonkeyPatch], None]


def presses_are_stored_as_they_came(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(PollSeals, "close", lambda self, item: item)


def answers_are_stored_as_they_are_told(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(voting_module, "tell_sealed", lambda ctx, asker, name, text, **more: tell(ctx, asker, text))


def the_key_is_kept(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Keys, "destroy", lambda self, name: None)


def the_key_is_only_renamed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(keys_module, "_shred", lambda path: None)


def tokens_are_hashes(patch: pytest.MonkeyPatch) -> None:
    def token(self: Key, voter: str, purpose: str = "ballot") -> str:
        return base64.urlsafe_b64encode(hashlib.sha256(voter.encode()).digest())[:24].decode()

    patch.setattr(Key, "token", token)


def tokens_are_made_with_the_key_of_the_buttons(patch: pytest.MonkeyPatch) -> None:
    made = Key.token
    patch.setattr(Key, "token", lambda self, voter, purpose="ballot": made(Key(self.name, b"k" * 32), voter, purpose))


def the_key_follows_from_the_name(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        "bot.storage.keys.secrets.token_bytes", lambda size: hashlib.sha256(b"a.secretsecret").digest()[:size]
    )


def presses_say_who_but_not_what(patch: pytest.MonkeyPatch) -> None:
    def close(self: PollSeals, item: Incoming) -> Incoming:
        event: Any = item.event
        return replace(item, raw=json.dumps({"by": event.member.user_id})) if hasattr(event, "payload") else item

    patch.setattr(PollSeals, "close", close)


def ballots_keep_their_time_and_presses_say_who(patch: pytest.MonkeyPatch) -> None:
    presses_say_who_but_not_what(patch)
    put, clock = Ballots.put, iter(range(10**6))

    def timed(self: Ballots, poll: int, voter: str, choice: tuple[int, ...], place: str, *_: object) -> None:
        put(self, poll, voter, choice, place, None, float(next(clock)))

    patch.setattr(Ballots, "put", timed)


def votes_are_logged(patch: pytest.MonkeyPatch) -> None:
    cast = voting_module._cast

    def noted(ctx: Any, poll: Any, voter: str, choice: Any, member: Any, *rest: Any) -> None:
        logging.getLogger("herald.polls").debug("%s has voted", member)
        cast(ctx, poll, voter, choice, member, *rest)

    patch.setattr(voting_module, "_cast", noted)


LINKING: list[Patch] = [
    presses_are_stored_as_they_came,
    answers_are_stored_as_they_are_told,
    the_key_is_kept,
    the_key_is_only_renamed,
    tokens_are_hashes,
    tokens_are_made_with_the_key_of_the_buttons,
    the_key_follows_from_the_name,
    presses_say_who_but_not_what,
    ballots_keep_their_time_and_presses_say_who,
    votes_are_logged,
]


@pytest.mark.parametrize("without", LINKING, ids=lambda patch: patch.__name__)
async def test_the_attack_succeeds_on_a_program_without_a_precaution(
    path: Path, logged: list[str], monkeypatch: pytest.MonkeyPatch, without: Patch
) -> None:
    without(monkeypatch)
    story = await told(path, FEW, logged)
    found = attack(story.loot, story.voters, story.numbers)
    assert story.right(found) > 0.8
    assert found.named >= set(story.chosen)


def names_are_hinted_at_in_public(patch: pytest.MonkeyPatch) -> None:
    def extra(ctx: Any, asker: Any, name: str, text: str, **more: Any) -> None:
        tell_sealed(ctx, asker, name, text, **more)
        ctx.work.facts.set(f"told:{asker.name}", "1")

    tell_sealed = secrecy.tell_sealed
    patch.setattr(voting_module, "tell_sealed", extra)


async def test_it_finds_those_who_voted_where_only_that_is_told(
    path: Path, logged: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    names_are_hinted_at_in_public(monkeypatch)
    story = await told(path, FEW, logged)
    assert attack(story.loot, story.voters, story.numbers).named >= set(story.chosen)


async def test_it_sees_what_is_noted_of_some_voters_only(
    path: Path, logged: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new member who voted, noted at that moment, is as good as named where there is one new member."""

    def watch(ctx: Any, poll: Any, event: Any, voter: str) -> None:
        if event.joined_at is not None and event.joined_at > poll.opened_at:
            ctx.work.polls.signal(poll.id, "joined_after_opening", "somebody", str(ctx.now))

    monkeypatch.setattr(voting_module, "_watch", watch)
    story = await told(path, FEW, logged)
    assert "not every vote writes ['poll_signals']" in attack(story.loot, story.voters, story.numbers).hints


async def test_it_sees_lengths_where_nothing_is_padded(
    path: Path, logged: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys_module, "_pad", lambda data: data + b"\x80")
    story = await told(path, FEW, logged)
    hints = attack(story.loot, story.voters, story.numbers).hints
    assert any(hint.startswith("inbox: lengths") for hint in hints)
    assert any(hint.startswith("outbox: lengths") for hint in hints)
