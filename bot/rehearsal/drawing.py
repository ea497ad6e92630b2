"""Giveaways in a play: crowds that press, who has entered by the journal, and proofs that are checked from outside."""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from bot.rehearsal.errors import StepFailed
from bot.rehearsal.expecting import View
from bot.rehearsal.giveaway_steps import ClickMany, Entrants, Verify
from bot.rehearsal.looking import LOOK_SECONDS, Looker, Memory
from bot.rehearsal.processes import run_verifier
from bot.rehearsal.scenario import Scenario
from bot.rehearsal.stage import Stage
from bot.rehearsal.tallying import Teller
from bot.rehearsal.values import Json
from bot.rehearsal.whispers import Account

_FIELDS = {"giveaway", "entries", "commit", "seed", "beacon", "freeze_hash", "rerolls", "final"}
_PART = 500
"""Presses in one control call, so that none takes too long."""
_NUMBER = r"\D{0,40}?(\d{1,3}(?:[,\u00a0\u202f]\d{3})+|\d+)"


@dataclass(frozen=True)
class _Proof:
    """A proof as it was posted."""

    text: str
    fields: Mapping[str, Json]

    @property
    def winners(self) -> list[str]:
        return [str(ticket) for ticket in self.fields["final"]]

    @property
    def giveaway(self) -> str:
        return str(self.fields["giveaway"])


@dataclass
class Draws:
    """Plays and checks what is about giveaways."""

    scenario: Scenario
    stage: Stage
    memory: Memory
    looker: Looker
    teller: Teller
    _read: dict[str, _Proof | None] = field(default_factory=dict)
    """Files by their ids; None for those that are no proofs."""

    async def click_many(self, step: ClickMany) -> None:
        """Have a crowd press. Raises StepFailed where somebody could not."""
        target, crowd = self.memory.names[step.on], self.scenario.members[step.by]
        if crowd.platform != target.platform:
            raise StepFailed(f"{step.by} are on {crowd.platform} and cannot press on {target.platform}")
        people = [f"{step.by}{number}" for number in range(1, (crowd.count or 0) + 1)]
        if step.of is not None:
            people = random.Random(step.seed).sample(people, step.of)  # noqa: S311 - to be the same each time
        place = {"platform": target.platform, "tenant": target.tenant, "channel": target.channel}
        for start in range(0, len(people), _PART):
            clicks = [{"member": who, "button": step.button} for who in people[start : start + _PART]]
            fields = {**place, "message_id": target.message_id, "clicks": clicks, "at_once": step.at_once}
            for answer in (await self.stage.control.post("click_many", fields))["answers"]:
                if "error" in answer:
                    raise StepFailed(f"somebody could not press {step.button}: {answer['error']}")

    async def entrants(self, step: Entrants) -> None:
        """Wait until as many have entered, left and been refused, and the cards say so. Raises StepFailed."""
        problems = await self._until(step.within, lambda: self._miscounted(step))
        if problems:
            raise StepFailed("who has entered is not as expected:", tuple(problems))

    async def _miscounted(self, step: Entrants) -> list[str]:
        giveaway = self._giveaway(step.on)
        counts = {state: len(self._people(giveaway, state)) for state in ("entered", "left", "refused")}
        wanted = {state: getattr(step, state) for state in counts}
        problems = [
            f"{state}: {counts[state]} by the journal, not {wanted[state]}"
            for state in counts
            if wanted[state] not in (None, counts[state])
        ]
        for name in step.on if step.beside is not None else ():
            posted = self.teller.posted(name)
            shown = _beside(str(step.beside), posted.text) if posted else None
            if shown != counts["entered"]:
                text = posted.text if posted else "(it is not in the journal)"
                problems.append(f"{name} says {shown}, and {counts['entered']} have entered:\n{text}")
        return problems

    async def verify(self, step: Verify) -> None:
        """Wait for a proof that is as expected, and have it verified. Raises StepFailed."""
        found: list[_Proof] = []

        async def wrong() -> list[str]:
            proof = await self._newest(step)
            found[:] = [proof] if proof is not None else []
            return self._wrong(step, proof) if proof else [f"no file {step.file} that is a proof is in {step.place}"]

        problems = await self._until(step.within, wrong)
        if problems:
            raise StepFailed("the proof is not as expected:", tuple(problems))
        (proof,) = found
        path = self.stage.folder / "proof.json"
        path.write_text(proof.text, encoding="utf-8")
        code, printed = await run_verifier(path)
        if code != 0:
            raise StepFailed(f"the verifier says no (exit code {code}):", tuple(printed.splitlines()))
        self._name(step.name, proof)

    async def _until(self, seconds: float, look: Json) -> list[str]:
        """Look again and again until there are no problems, or the time is over; the problems."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while True:
            await self.teller.wire.look()
            problems: list[str] = await look()
            if not problems or loop.time() >= end:
                return problems
            await asyncio.sleep(LOOK_SECONDS)

    async def _newest(self, step: Verify) -> _Proof | None:
        platform, _, channel = step.place.partition("/")
        view = View(platform, channel, step.seen_by, self.looker.tenant(step.seen_by))
        files = [
            file
            for message in await self.looker.seen(view)
            for file in message.get("files") or ()
            if any(fnmatchcase(str(file.get(key)), step.file) for key in ("name", "title"))
        ]
        wanted = self._giveaway((step.of,)) if step.of else None
        for file in reversed(files):
            proof = await self._content(platform, str(file["id"]), view.tenant)
            if proof is not None and wanted in (None, proof.giveaway):
                return proof
        return None

    async def _content(self, platform: str, identity: str, tenant: str | None) -> _Proof | None:
        key = f"{platform} {identity}"
        if key not in self._read:
            answer = await self.stage.control.get("file", {"platform": platform, "id": identity, "tenant": tenant})
            self._read[key] = _proof(answer.get("text"))
        return self._read[key]

    def _wrong(self, step: Verify, proof: _Proof) -> list[str]:
        fields = proof.fields
        entered = self._people(proof.giveaway, "entered")
        facts: dict[str, tuple[Json, Json]] = {
            "winners": (step.winners, len(proof.winners)),
            "entries": (len(entered) if step.entries == "entered" else step.entries, len(fields["entries"])),
            "rerolls": (step.rerolls, len(fields["rerolls"])),
            "beacon": (step.beacon, fields["beacon"]["type"]),
        }
        wrong = {name: pair for name, pair in facts.items() if pair[0] not in (None, pair[1])}
        problems = [f"{name}: {found}, not {wanted}" for name, (wanted, found) in wrong.items()]
        if step.freeze is not None and str(fields["freeze_hash"]) not in self._posted(step.freeze):
            problems.append(f"the freeze hash {fields['freeze_hash']} is not in {step.freeze}")
        for name in step.announced:
            text = self._posted(name)
            if str(fields["commit"]) not in text:
                problems.append(f"the commitment {fields['commit']} was not in {name} when it was posted:\n{text}")
            if step.delayed is not None and step.delayed == (str(fields["beacon"]["round"]) in text):
                problems.append(f"{name} named {'this' if step.delayed else 'another'} round:\n{text}")
        return problems + self._strangers(step, proof, entered)

    def _strangers(self, step: Verify, proof: _Proof, entered: set[Account]) -> list[str]:
        """Winners who have not entered, by what people pressed and were told."""
        owners = self.teller.wire.ledger.owners(proof.giveaway, proof.winners)
        first = {account: group[0] for group in self._same() for account in group}
        nobody = [ticket for ticket in proof.winners if ticket not in owners]
        pressed = self.teller.wire.ledger.knows(proof.giveaway)  # a contest is entered by comments
        gone = [owner for owner in owners.values() if pressed and first.get(owner, owner) not in entered]
        problems = [f"{len(nobody)} winning tickets are nobody's: {nobody[0]}"] if len(nobody) > step.erased else []
        return problems + ([f"{gone[0]} has won without being in"] if gone else [])

    def _posted(self, name: str) -> str:
        posted = self.teller.posted(name)
        return posted.first if posted is not None else ""

    def _giveaway(self, cards: tuple[str, ...]) -> str:
        """Which giveaway the cards are of. Raises StepFailed where nobody has pressed anything under them."""
        ledger = self.teller.wire.ledger
        found = next((one for one in (ledger.of_card(self.teller.message(name)) for name in cards) if one), None)
        if found is None:
            raise StepFailed(f"nobody has pressed enter under {', '.join(cards)} yet")
        return found

    def _people(self, giveaway: str, state: str) -> set[Account]:
        return self.teller.wire.ledger.people(giveaway, state, self._same())

    def _same(self) -> list[tuple[Account, ...]]:
        return [tuple(self._account(name) for name in group) for group in self.scenario.same_person]

    def _account(self, name: str) -> Account:
        known = self.scenario.member(name)
        return (known.platform if known else "", self.stage.people.get(name, ""))

    def _name(self, name: str, proof: _Proof) -> None:
        """Give names to what the proof says, and to the winners."""
        for key in ("giveaway", "commit", "freeze_hash", "seed"):
            self.memory.taken[f"{name}.{key}"] = str(proof.fields[key])
        self.memory.taken[f"{name}.entries"] = str(len(proof.fields["entries"]))
        owners = self.teller.wire.ledger.owners(proof.giveaway, proof.winners)
        called = {self._account(member): member for member in self.stage.people}
        for number, ticket in enumerate(proof.winners, 1):
            self.memory.taken[f"{name}{number}.ticket"] = ticket
            if ticket in owners:
                platform, user = owners[ticket]
                self.memory.people[f"{name}{number}"] = called.get((platform, user), user)
                self.memory.taken[f"{name}{number}.platform"] = platform


def _proof(text: Json) -> _Proof | None:
    try:
        fields = json.loads(text)
    except (ValueError, TypeError):
        return None
    return _Proof(text, fields) if isinstance(fields, dict) and fields.keys() >= _FIELDS else None


def _beside(label: str, text: str) -> int | None:
    """The first number behind a label."""
    match = re.search(re.escape(label) + _NUMBER, text)
    return int(re.sub(r"\D", "", match[1])) if match else None
