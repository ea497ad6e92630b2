"""The people of the fault run: members who ask, an approver who approves everything, and what they know of it.

Every comment carries a word of its own, and so does the reply that it must get, whoever drafts it. The approver looks
at the cards as people see them and presses what they offer; asked whether a reply arrived, they look into the channel
(the sandbox's journal) and say so. Nothing here asks the bot.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.rehearsal.errors import RehearsalError
from bot.rehearsal.journal import Created, decode

from .world import APPROVER, World

QUESTION = "When will tin {} be restocked?"
ASKED = QUESTION + " I hope soon."
"""As members say it: nothing else in a prompt reads like that."""
ANSWER = "Tin {} is restocked on Friday. It is kept for you until Sunday."
WORD = re.compile(r"\bq\d+x\b")
KNOWN = 250
"""So many answers the knowledge base holds at a time."""
AHEAD = 40
"""So many comments before they are needed new entries are written: a bot on a busy machine reads them late."""
LOOK = 0.25
PAUSE = (0.05, 0.25)
"""Seconds between two comments."""
TOGETHER = 12
"""So many comments may wait for their answers."""
AGAIN = 5.0
"""Seconds after which a button that is still there is pressed again."""
IN_DOUBT = ("arrived", "again", "drop")
STATE = (
    "SELECT outbox.state FROM outbox JOIN drafts ON drafts.id = outbox.draft_id JOIN comments ON comments.id ="
    " drafts.comment_id WHERE outbox.kind = 'reply' AND comments.message_id = ?"
)


@dataclass(frozen=True, slots=True)
class Comment:
    """What a member asked, and what must be answered."""

    message_id: str
    word: str

    @property
    def answer(self) -> str:
        return ANSWER.format(self.word)


@dataclass
class Journal:
    """The sandbox's journal as far as it was read: all messages of the bot in the community's channel."""

    file: Path
    channel: str
    replies: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    """Texts by message id, by what they answer (empty: nothing)."""
    made: set[str] = field(default_factory=set)
    _at: int = 0

    def read(self) -> None:
        """Take in what was written since."""
        for row in self._new():
            found = decode(row)
            if isinstance(found, Created) and found.message.channel == self.channel:
                self.made.add(found.message.message_id)
                self.replies[found.answers or ""][found.message.message_id] = found.text

    def _new(self) -> Iterator[dict[str, Any]]:
        with self.file.open("rb") as file:
            file.seek(self._at)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._at += len(whole)
        for line in whole.splitlines():
            if b'"direction": "request"' in line:
                yield json.loads(line)


@dataclass
class Crowd:
    """All people of one platform."""

    world: World
    chance: random.Random
    knowledge: Path
    model: bool = False
    """Whether a language model is told what to answer, too."""
    comments: dict[str, Comment] = field(default_factory=dict)
    doubtful: dict[str, str] = field(default_factory=dict)
    """Comments whose reply was put to a person with three buttons, and the state that the database had it in."""
    asking: set[str] = field(default_factory=set)
    """Words of comments whose cards ask for a press, by the last look."""
    presses: int = 0
    repeated: int = 0
    _number: int = 0
    _known: int = 0
    _pressed: dict[tuple[str, str], float] = field(default_factory=dict)
    _clicks: set[asyncio.Task[None]] = field(default_factory=set)
    _below: str | None = None
    journal: Journal = field(init=False)

    def __post_init__(self) -> None:
        channel = str(self.world.settings["channels"][f"{self.world.platform}/community"])
        self.journal = Journal(self.world.folder / "journal.jsonl", channel)

    def teach(self) -> None:
        """Write the knowledge base for the next comments; those that are under way stay in it."""
        first = max(0, self._number - KNOWN // 5)
        self._known = first + KNOWN
        lines = [
            {"id": f"tin-{n}", "question": QUESTION.format(f"q{n}x"), "answer": ANSWER.format(f"q{n}x"), "lang": "en"}
            for n in range(first, self._known)
        ]
        fresh = self.knowledge.with_suffix(".new")
        fresh.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        fresh.replace(self.knowledge)

    async def ask(self) -> None:
        """One member asks."""
        number, self._number = self._number, self._number + 1
        if self._number >= self._known - AHEAD:
            self.teach()
        word = f"q{number}x"
        if self.model:
            reply = {"reply": ANSWER.format(word), "language": "en", "sources": [f"tin-{number}"]}
            asked = ASKED.format(word)
            told = {"match": asked, "reply": reply | {"needs_human": False, "reason": ""}}
            await self.world.control.post("model", told)
        message = await self.world.say(ASKED.format(word), f"m{self.chance.randrange(20)}")
        self.comments[message] = Comment(message, word)

    async def talk(self, silent: asyncio.Event) -> None:
        """Ask and ask until told to be silent. Not to be cancelled: whatever is said is written down."""
        while not silent.is_set():
            if len(self.unanswered()) < TOGETHER:
                await self.ask()
            with suppress(TimeoutError):
                await asyncio.wait_for(silent.wait(), self.chance.uniform(*PAUSE))

    def stale(self) -> list[str]:
        """Words of comments whose cards ask for a press though their replies are in the channel."""
        return sorted(self.asking - {comment.word for comment in self.unanswered()})

    def unanswered(self) -> list[Comment]:
        """Comments that have no reply in the channel."""
        self.journal.read()
        return [one for one in self.comments.values() if not self.journal.replies.get(one.message_id)]

    async def approve(self) -> None:
        """Look at the cards and press what they offer, until cancelled."""
        try:
            while True:
                with suppress(RehearsalError):
                    await self._look()
                await asyncio.sleep(LOOK)
        finally:
            for click in self._clicks:
                click.cancel()
            await asyncio.gather(*self._clicks, return_exceptions=True)

    async def offered(self) -> dict[str, tuple[str, str]]:
        """Cards that ask for a press, by the word of their comment: message id and what to press.

        The last card counts: one that was posted again, because nobody could tell whether it was there, leaves another
        above that changes no more. Whatever is pressed on that one, the first decision stands.
        """
        last: dict[str, tuple[str, set[str]]] = {}
        for message in await self._cards():
            if found := WORD.search(message["text"]):
                actions = {part for button in message["buttons"] for part in str(button["id"]).split("|")}
                last[found.group()] = (str(message["id"]), actions)
        asking = {word: (card, "approve") for word, (card, actions) in last.items() if "approve" in actions}
        return asking | {word: (card, "settle") for word, (card, actions) in last.items() if actions >= set(IN_DOUBT)}

    async def forget(self) -> None:
        """All is settled: do not look at the cards of before any more."""
        cards = await self._cards()
        self._below = str(cards[-1]["id"]) if cards else self._below

    async def _cards(self) -> list[dict[str, Any]]:
        query = {"platform": self.world.platform, "channel": "review", "member": APPROVER, "after": self._below}
        answer = await self.world.control.get("channel", query)
        return list(answer["messages"])

    async def _look(self) -> None:
        now = asyncio.get_running_loop().time()
        offered = await self.offered()
        self.asking = set(offered)
        for word, (message, wanted) in offered.items():
            action = self._judged(word) if wanted == "settle" else wanted
            if action is not None:
                self._press_again(message, action, now)

    def _press_again(self, message: str, action: str, now: float) -> None:
        before = self._pressed.get((message, action))
        if before is None or now - before > AGAIN:
            self._pressed[message, action] = now
            self.presses += 1
            self.repeated += before is not None
            click = asyncio.create_task(self._press(message, action))
            self._clicks.add(click)
            click.add_done_callback(self._clicks.discard)

    def _judged(self, word: str) -> str | None:
        """Whether the reply to that comment is in the channel, for a card that asks."""
        comment = next((one for one in self.comments.values() if one.word == word), None)
        if comment is None:
            return None
        self.journal.read()
        if comment.message_id not in self.doubtful:
            rows = self.world.rows(STATE, comment.message_id)
            self.doubtful[comment.message_id] = ", ".join(str(row[0]) for row in rows)
        return "arrived" if self.journal.replies.get(comment.message_id) else "again"

    async def _press(self, message: str, action: str) -> None:
        with suppress(RehearsalError):  # the bot may be dead, or the card have changed meanwhile
            await self.world.click(message, action)
