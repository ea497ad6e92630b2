"""Somebody who has everything but the destroyed key, and wants to know who voted, and for what.

They have every byte of the database, its write-ahead log and its backups, taken whenever they liked, all other files of
the installation, all that was logged, and the program. They know every member's id and name and what platforms send.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import json
import re
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from bot.storage.keys import Key

from .booth import NAME, OPTIONS, Voter, handles

PAGE = 4096
CHUNK, OVERLAP = 256, 128
SEALED = {
    "inbox": re.compile(r'\\"herald_sealed\\": \\"[^\\"]*\\", \\"data\\": \\"([^\\"]+)'),
    "outbox": re.compile(r'\\"sealed\\": \\"([^\\"]+)'),
}
"""What stands for a press or an answer in a row, by table."""
Row = tuple[str, str]
"""A table, and everything in one of its rows as a text."""


@dataclass
class Loot:
    """What was taken."""

    backups: list[Path] = field(default_factory=list)
    """In the order in which they were made."""
    copies: list[bytes] = field(default_factory=list)
    """Files as they were on the disk at some moment."""
    files: dict[str, bytes] = field(default_factory=dict)
    """What else lies there in the end, by name."""
    log: str = ""

    @cached_property
    def pieces(self) -> set[bytes]:
        """All bytes, each piece once."""
        found: set[bytes] = set()
        for whole in [*(path.read_bytes() for path in self.backups), *self.copies, *self.files.values()]:
            wal = whole[:4] in {b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83"}
            start, step = (32, PAGE + 24) if wal else (0, PAGE)
            found.update(whole[at : at + step][24 * wal :] for at in range(start, len(whole), step))
        return found | {self.log.encode()}

    @cached_property
    def text(self) -> bytes:
        """The same to be searched: what pages share stands here once, and rows that go over several pages are whole."""
        chunks: dict[bytes, None] = {}
        for piece in self.pieces:
            chunks |= dict.fromkeys(piece[at : at + CHUNK + OVERLAP] for at in range(0, len(piece), CHUNK))
        rows = {row for state in self.states for table in state.values() for _, row in table}
        return b"\xff\xfe\xff".join([*chunks, *(row.encode() for row in rows)])

    @cached_property
    def states(self) -> list[dict[str, set[Row]]]:
        """Every backup as its rows by table."""
        return [_rows(path) for path in self.backups]

    @cached_property
    def ballots(self) -> list[dict[str, int]]:
        """Every backup's ballots in the order in which they are kept: what a voter is called, and the choice."""
        return [_ballots(path) for path in self.backups]


@dataclass
class Findings:
    """What the attacker believes."""

    named: set[str] = field(default_factory=set)
    """Ids of members who voted."""
    linked: dict[str, int] = field(default_factory=dict)
    """The choice of members."""
    hints: list[str] = field(default_factory=list)
    """What else tells one vote from another."""


def attack(loot: Loot, voters: list[Voter], numbers: dict[str, list[int]]) -> Findings:
    """Try everything; `numbers` are those of each member's events, from which platforms make their handles."""
    found = Findings()
    needles = {voter.user_id: _needles(loot, voter, numbers.get(voter.user_id, [])) for voter in voters}
    found.named.update(user for user, theirs in needles.items() if theirs)
    _read_rows(loot, needles, found)
    keys = list(_keys(loot))
    _guess_tokens(loot, voters, keys, found)
    _open_seals(loot, keys, found)
    _compare(loot, needles, found)
    _follow_times(loot, needles, found)
    _follow_log(loot, needles, found)
    _measure(loot, found)
    return found


# ---- plain search


def _needles(loot: Loot, voter: Voter, numbers: Iterable[int]) -> list[bytes]:
    """How a member is written anywhere."""
    plain = [voter.user_id, voter.name, voter.name.lower(), str(voter.member)]
    plain += [handle for number in numbers for handle in handles(voter, number)]
    found = []
    for text in plain:
        data = text.encode()
        found += [data, data.hex().encode(), text.encode("utf-16-le"), json.dumps(text)[1:-1].encode()]
        for shift in range(3):  # base64 of something in which it stands anywhere
            coded = base64.b64encode(b"\0" * shift + data).rstrip(b"=")
            found.append(coded[[0, 2, 3][shift] : -1])
    for text in (voter.user_id, str(voter.member)):
        for name in ("sha256", "sha1", "md5", "blake2b"):
            digest = hashlib.new(name, text.encode()).digest()
            found += [digest, digest.hex().encode()]
            found += [base64.b64encode(digest)[:20], base64.urlsafe_b64encode(digest)[:20]]
    return [needle for needle in set(found) if len(needle) >= 7 and needle in loot.text]


def _read_rows(loot: Loot, needles: dict[str, list[bytes]], found: Findings) -> None:
    """Rows that name somebody beside an option, or what a button of it carries."""
    seen: set[Row] = set()
    for state in loot.states:
        for row in sorted(set().union(*state.values()) - seen, key=_number):
            seen.add(row)
            for user in _named(row[1].encode(), needles):
                found.named.add(user)
                choice = _choice(row[1])
                if choice:
                    found.linked[user] = choice


def _choice(text: str) -> int | None:
    pressed = re.search(r"\|vote:(\d+)\|", text)
    if pressed:
        return int(pressed[1])
    return next((number for number, option in enumerate(OPTIONS, 1) if option in text), None)


def _named(data: bytes, needles: dict[str, list[bytes]]) -> list[str]:
    return [user for user, theirs in needles.items() if any(needle in data for needle in theirs)]


# ---- keys


def _keys(loot: Loot) -> Iterator[bytes]:
    """Everything that somebody could have taken for a key."""
    texts = {b"", NAME.encode(), b"herald", b"1"}
    for state in loot.states[-1:]:
        for row in state.get("facts", set()) | state.get("polls", set()):
            texts.update(str(value).encode() for value in json.loads(row[1]))
    for data in loot.files.values():
        texts.add(data[:PAGE])
        if len(data) <= 512:
            texts.update(data[at : at + 32] for at in range(max(len(data) - 31, 1)))
    for text in texts:
        yield text
        yield hashlib.sha256(text).digest()
        for decode in (bytes.fromhex, base64.b64decode, base64.urlsafe_b64decode):
            try:
                yield decode(text.decode())
            except ValueError:
                continue


def _guess_tokens(loot: Loot, voters: list[Voter], keys: list[bytes], found: Findings) -> None:
    by_start = {voter[:16]: choice for state in loot.ballots for voter, choice in state.items()}
    for voter in voters:
        for token in _tokens(voter, keys):
            if token[:16] in by_start:
                found.linked[voter.user_id] = by_start[token[:16]]
                found.named.add(voter.user_id)


def _tokens(voter: Voter, keys: list[bytes]) -> Iterator[str]:
    """All that a member could be called, with every key there is."""
    for key in keys:
        ours = Key(NAME, key)
        for name in (str(voter.member), voter.user_id):
            yield from (ours.token(name, purpose) for purpose in ("ballot", "refusal", ""))
            for text in (name.encode(), NAME.encode() + name.encode(), b"ballot\0" + name.encode()):
                for digest in (hmac.digest(key, text, "sha256"), hashlib.sha256(key + text).digest()):
                    yield from (base64.urlsafe_b64encode(digest).decode(), base64.b32encode(digest).decode())
                    yield digest.hex()


def _open_seals(loot: Loot, keys: list[bytes], found: Findings) -> None:
    sealed: dict[str, None] = {}
    for table, pattern in SEALED.items():
        for row in sorted(loot.states[-1].get(table, set()), key=_number):
            sealed |= dict.fromkeys(pattern.findall(row[1]))
    for key, text in itertools.product((Key(NAME, key) for key in set(keys)), sealed):
        opened = key.open(text)
        if opened is None:
            continue
        inside = opened.decode()
        for user in re.findall(r'"user_id":"([^"]+)"', inside):
            found.named.add(user)
            if choice := _choice(inside):
                found.linked[user] = choice


# ---- what changed together, and in which order


def _compare(loot: Loot, needles: dict[str, list[bytes]], found: Findings) -> None:
    """Whatever appeared together with one ballot belongs to it."""
    for at in range(1, len(loot.states)):
        changed = _changed(loot.ballots[at - 1], loot.ballots[at])
        fresh = set().union(*loot.states[at].values()) - set().union(*loot.states[at - 1].values())
        users = {user for row in fresh for user in _named(row[1].encode(), needles)}
        found.named |= users
        if len(changed) == len(users) == 1:
            (choice,) = changed.values()
            found.linked.update(dict.fromkeys(users, choice))


def _changed(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    """The ballots that are new, different or (choice 0) gone."""
    gone = {voter: 0 for voter in before if voter not in after}
    return gone | {voter: choice for voter, choice in after.items() if before.get(voter) != choice}


def _follow_times(loot: Loot, needles: dict[str, list[bytes]], found: Findings) -> None:
    """Ballots that keep their time or their order lie beside events that name somebody."""
    events = [_named(row[1].encode(), needles) for row in sorted(loot.states[-1].get("inbox", set()), key=_number)]
    users = [one for (one,) in (names for names in events if len(names) == 1)]
    ballots = _timed(loot.backups[-1])
    last = list(dict.fromkeys(reversed(users)))[::-1]
    if ballots and len(last) == len(ballots):
        found.linked.update(dict(zip(last, ballots, strict=True)))


def _follow_log(loot: Loot, needles: dict[str, list[bytes]], found: Findings) -> None:
    """Lines that name somebody, one for each change of a ballot."""
    lines = [_named(line.encode(), needles) for line in loot.log.splitlines()]
    users = [one for (one,) in (names for names in lines if len(names) == 1)]
    changes = [_changed(*pair) for pair in itertools.pairwise(loot.ballots)]
    choices = [choice for change in changes for choice in change.values()]
    if users and len(users) == len(choices):
        found.linked.update(dict(zip(users, choices, strict=True)))


def _measure(loot: Loot, found: Findings) -> None:
    """Sealed texts of different lengths, and rows that are there for some votes only."""
    for table, pattern in SEALED.items():
        rows = loot.states[-1].get(table, set())
        lengths = {len(text) for row in rows for text in pattern.findall(row[1])}
        if len(lengths) > 1:
            found.hints.append(f"{table}: lengths {sorted(lengths)}")
    kinds: Counter[frozenset[str]] = Counter()
    for at in range(1, len(loot.states)):
        if _changed(loot.ballots[at - 1], loot.ballots[at]):
            before, after = loot.states[at - 1], loot.states[at]
            kinds[frozenset(name for name in after if after[name] - before.get(name, set()))] += 1
    ever = frozenset().union(*kinds) - {"timers", "outbox", "live", "ballots"}  # edits come when their time is there
    for names in kinds:
        if names & ever != ever and names != frozenset():
            found.hints.append(f"not every vote writes {sorted(ever - names)}")


# ---- reading


def _rows(path: Path) -> dict[str, set[Row]]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        every = ((name, database.execute(f'SELECT * FROM "{name}"')) for name in names)
        return {name: {(name, json.dumps(row)) for row in rows} for name, rows in every}


def _number(row: Row) -> tuple[str, Any]:
    first = json.loads(row[1])[0]
    return row[0], (0, first, "") if isinstance(first, int) else (1, 0, str(first))


def _ballots(path: Path) -> dict[str, int]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        return {voter: json.loads(choice)[0] for voter, choice in database.execute("SELECT voter, choice FROM ballots")}


def _timed(path: Path) -> list[int]:
    """The choices in the order of their times, where times are kept."""
    query = "SELECT choice FROM ballots WHERE at IS NOT NULL ORDER BY at"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        return [json.loads(choice)[0] for (choice,) in database.execute(query)]
