#!/usr/bin/env python3
"""Check a draw (fdraw/1):  python3 verify.py PROOF.json

This one file needs nothing but Python 3.9 or newer: no other file, no package, no network. It reads the proof file of a
giveaway, computes everything in it again, and says VALID (exit code 0), INVALID and which fields are wrong (1), or that
it cannot read the file (2). `python3 verify.py --help` tells of its options.

It was written from the description of fdraw/1 alone and shares no line with the program that draws, so that each checks
the other. To be sure of it, read it: the rules stand in `read` (what a proof file looks like) and `check` (what follows
from what). verify.html is the same for a browser.
"""

from __future__ import annotations

import argparse
import gc
import gzip
import hashlib
import hmac
import io
import json
import math
import os
import re
import struct
import sys
import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate, islice
from operator import lt
from time import gmtime, strftime

LARGEST = 256 * 1024 * 1024
"""Bytes of a file; larger ones are not read."""
SAFE = 2**53 - 1
FIELDS = (
    *("spec", "giveaway", "winners", "alternates", "entries", "commit", "seed", "beacon", "freeze_text", "freeze_hash"),
    *("order", "rerolls", "final", "witnesses"),
)
BEACONS = {"drand": ("chain", "round", "signature", "value"), "bitcoin": ("round", "value"), "none": ()}
"""What each type of beacon has beside `type`; everything else of a beacon is null, "" or absent."""
LINES = ("spec", "giveaway", "winners", "alternates", "entries", "entries", "entries", "commit", "beacon")
"""The fields that the lines of a freeze text are made of."""
QUICKNET = "52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971"
GENESIS, PERIOD = 1692803367, 3
"""drand's chain "quicknet": the time of round 1 and the time between two, in seconds."""
MIRRORS = ("https://api.drand.sh", "https://drand.cloudflare.com")
CODE = re.compile(r"(?<![0-9a-z])[0-9a-f]{32}(?![0-9a-z])")
MEMBER = re.compile(r"(?<![A-Za-z0-9])[a-z]{2,20}:[^\s/`*<>\"'，。；、（）(),;]+")
ISO_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?(Z|[+-][0-9]{2}:?[0-9]{2})")


class Unreadable(Exception):
    """This is no file of JSON, or too large; `args[0]` is the key of a text."""


@dataclass(frozen=True)
class Fault:
    """What is wrong with which field; `reason` is the key of a text and `args` what is put into it."""

    field: str
    reason: str
    args: tuple[str, ...] = ()


class Faults(list[Fault]):
    """The first fault of each field, at most a hundred, and none inside of what is not even an object."""

    def add(self, name: str, reason: str, *args: object) -> None:
        """Note a fault."""
        if len(self) < 100 and not any(one.field == name or self._holds(one, name) for one in self):
            self.append(Fault(name, reason, tuple(show(str(one)) for one in args)))

    @staticmethod
    def _holds(one: Fault, name: str) -> bool:
        return one.reason == "object" and (one.field == "proof" or name.startswith(f"{one.field}."))


class Odd:
    """A number that not every program reads alike: NaN, Infinity, or one with too many digits."""


class Doubled(dict[str, object]):
    """An object of JSON in which these names stand more than once."""

    def __init__(self, found: dict[str, object]) -> None:
        super().__init__(found)
        self.names: list[str] = []


@dataclass(frozen=True)
class Proof:
    """A proof file whose fields are all of the right kind."""

    giveaway: str
    winners: int
    alternates: int
    entries: list[tuple[str, int]]
    commit: str
    seed: str
    kind: str
    chain: str
    round: int
    signature: str
    value: str
    freeze_text: str
    freeze_hash: str
    order: list[str]
    rerolls: list[tuple[str, str]]
    final: list[str]
    witnesses: list[dict[str, object]]

    @property
    def beacon(self) -> str:
        """The beacon's name, as it stands in the freeze text."""
        return {"drand": f"drand:{self.chain}:{self.round}", "bitcoin": f"bitcoin:{self.round}"}.get(self.kind, "none")

    @property
    def due(self) -> float | None:
        """When the beacon's round is published (UTC seconds), where that is known."""
        return GENESIS + (self.round - 1) * PERIOD if self.chain == QUICKNET else None


@dataclass(frozen=True)
class Verdict:
    """What came out: `unchecked` names fields that could not be checked, as what they follow from is wrong."""

    proof: Proof
    faults: list[Fault]
    unchecked: list[str] = field(default_factory=list)
    delayed: list[Fault] = field(default_factory=list)
    warnings: list[Fault] = field(default_factory=list)

    @property
    def word(self) -> str:
        """VALID or INVALID."""
        return "INVALID" if self.faults else "VALID"


def show(text: str) -> str:
    """Text of a file, so that it cannot pretend to be ours: one line, no control or invisible signs, not too long."""
    cut = text if len(text) <= 300 else text[:300] + "..."
    return "".join(one if one.isprintable() else f"\\u{ord(one):04x}" for one in cut)


# --- reading ---------------------------------------------------------------------------------------------------------


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    doubled, seen = Doubled(found), set()
    for name, _ in pairs:
        if name in seen:
            doubled.names.append(name)
        seen.add(name)
    return doubled


def parse(data: bytes) -> object:
    """The JSON of a file. Raises Unreadable."""
    if len(data) > LARGEST:
        raise Unreadable("large")
    collects = gc.isenabled()
    gc.disable()  # a million small lists would have it look at each of them again and again
    try:
        return json.loads(
            data.decode("utf-8-sig"),
            object_pairs_hook=_object,
            parse_int=lambda text: int(text) if len(text) < 20 else Odd(),
            parse_constant=lambda _: Odd(),
        )
    except (ValueError, RecursionError) as error:
        raise Unreadable("json") from error
    finally:
        if collects:
            gc.enable()


class Shape:
    """Looks whether fields are of the right kind; where one is not, that is noted and something harmless returned."""

    def __init__(self) -> None:
        self.faults = Faults()

    def fields(
        self, where: str, value: object, wanted: tuple[str, ...], also: tuple[str, ...] = ()
    ) -> dict[str, object]:
        """An object with exactly these fields, and perhaps the others."""
        if not isinstance(value, dict):
            self.faults.add(where or "proof", "object")
            return {}
        prefix = where and where + "."
        for reason, names in (
            ("twice", getattr(value, "names", ())),
            ("unknown", [name for name in value if name not in wanted and name not in also]),
            ("missing", [name for name in wanted if name not in value]),
        ):
            for name in names:
                self.faults.add(prefix + show(name), reason)
        return value

    def number(self, name: str, value: object, low: int, high: int) -> int:
        """A whole number; true and 3.0 are none."""
        if type(value) is int and low <= value <= high:
            return value
        self.faults.add(name, "number", low, high)
        return low

    def text(self, name: str, value: object, pattern: str = "", reason: str = "text") -> str:
        """A text that is like this from beginning to end; without a pattern, any that is not blank."""
        if type(value) is str and (re.fullmatch(pattern, value) if pattern else value.strip(" \t\r\n")):
            return value
        self.faults.add(name, reason)
        return ""

    def hex(self, name: str, value: object, digits: int) -> str:
        """So many hexadecimal digits in lower case."""
        if type(value) is str and re.fullmatch(f"[0-9a-f]{{{digits}}}", value):
            return value
        self.faults.add(name, "hex", digits)
        return "0" * digits

    def rows(self, name: str, value: object) -> list[object]:
        """A list."""
        if type(value) is list:
            return value
        self.faults.add(name, "list")
        return []

    def tickets(self, name: str, value: object) -> list[str]:
        """A list of tickets."""
        return [self.hex(f"{name}[{number}]", one, 32) for number, one in enumerate(self.rows(name, value))]

    def entries(self, value: object) -> list[tuple[str, int]]:
        """The list of [ticket, weight]; a good one is looked at as a whole, since it may be long."""
        rows = self.rows("entries", value)
        if not _are_entries(rows):
            before = ""
            for number, row in enumerate(rows):
                name = f"entries[{number}]"
                if type(row) is not list or len(row) != 2:
                    self.faults.add(name, "pair")
                    continue
                ticket = self.hex(name, row[0], 32)
                self.number(name, row[1], 1, 10**6)
                if ticket <= before:
                    self.faults.add(name, "sorted")
                before = ticket
            return []
        return rows  # type: ignore[return-value]  # looked through just now

    def beacon(self, value: object) -> tuple[str, dict[str, object]]:
        """The type of a beacon, and its fields."""
        kind = value.get("type") if isinstance(value, dict) else None
        name = kind if type(kind) is str and kind in BEACONS else ""
        others = tuple(one for one in BEACONS["drand"] if one not in BEACONS.get(name, ()))
        found = self.fields("beacon", value, ("type", *BEACONS.get(name, ())), others)
        if isinstance(value, dict) and not name:
            self.faults.add("beacon.type", "type")
        for one in others if name else ():
            if found.get(one) not in (None, ""):
                self.faults.add(f"beacon.{one}", "null", name)
        return name, found

    def reroll(self, where: str, value: object) -> tuple[str, str]:
        """Who goes, and why."""
        found = self.fields(where, value, ("out", "reason", "by", "at"))
        at = found.get("at")
        if not (seconds(at) is not None or (type(at) is str and ISO_TIME.fullmatch(at))):
            self.faults.add(f"{where}.at", "time")
        self.text(f"{where}.by", found.get("by"), "(?s).*", "string")
        return self.hex(f"{where}.out", found.get("out"), 32), self.text(f"{where}.reason", found.get("reason"))

    def witness(self, where: str, value: object) -> dict[str, object]:
        """Any object."""
        if not isinstance(value, dict):
            self.faults.add(where, "object")
            return {}
        if _is_odd(value):
            self.faults.add(where, "odd")
        return value


def _are_entries(rows: list[object]) -> bool:
    if not (set(map(type, rows)) <= {list} and set(map(len, rows)) <= {2}):  # type: ignore[arg-type]  # only lists get so far
        return False
    tickets, weights = [row[0] for row in rows], [row[1] for row in rows]  # type: ignore[index]  # all are pairs
    if not (set(map(type, tickets)) <= {str} and set(map(type, weights)) <= {int} and set(map(len, tickets)) <= {32}):
        return False
    if not re.fullmatch("[0-9a-f]*", "".join(tickets)) or not all(map(lt, tickets, islice(tickets, 1, None))):
        return False
    return not rows or (min(weights) >= 1 and max(weights) <= 10**6)


def seconds(value: object) -> float | None:
    """A moment (UTC seconds), where the value is one; the year 10000 is none any more."""
    if (type(value) is int or type(value) is float) and 0 <= value < 253402300800:
        return value
    return None


def _is_odd(value: object, depth: int = 0) -> bool:
    """Whether something is in it that not every program reads alike."""
    if isinstance(value, (dict, list)):
        inner = value.values() if isinstance(value, dict) else value
        return depth == 8 or isinstance(value, Doubled) or any(_is_odd(one, depth + 1) for one in inner)
    return isinstance(value, Odd) or (type(value) is float and not math.isfinite(value))


def read(value: object) -> tuple[Proof, list[Fault]]:
    """The fields of a proof file, and what is wrong with their kinds. With faults the proof is good for nothing."""
    shape = Shape()
    top = shape.fields("", value, FIELDS)
    shape.text("spec", top.get("spec"), "fdraw/1", "spec")
    giveaway = shape.text("giveaway", top.get("giveaway"), "[A-Za-z0-9._-]{1,64}", "name")
    winners = shape.number("winners", top.get("winners"), 1, 10000)
    alternates = shape.number("alternates", top.get("alternates"), 0, 10000)
    entries = shape.entries(top.get("entries"))
    if sum(weight for _, weight in entries) > SAFE:
        shape.faults.add("entries", "sum")
    commit, seed = (shape.hex(name, top.get(name), 64) for name in ("commit", "seed"))
    kind, beacon = shape.beacon(top.get("beacon"))
    has = BEACONS.get(kind, ())
    proof = Proof(
        giveaway,
        winners,
        alternates,
        entries,
        commit,
        seed,
        kind,
        chain=shape.hex("beacon.chain", beacon.get("chain"), 64) if "chain" in has else "",
        round=shape.number("beacon.round", beacon.get("round"), int(kind == "drand"), SAFE) if "round" in has else 0,
        signature=shape.text("beacon.signature", beacon.get("signature"), "([0-9a-f]{2}){1,512}", "bytes")
        if "signature" in has
        else "",
        value=shape.hex("beacon.value", beacon.get("value"), 64) if "value" in has else "",
        freeze_text=shape.text("freeze_text", top.get("freeze_text"), "[\n -~]*", "ascii"),
        freeze_hash=shape.hex("freeze_hash", top.get("freeze_hash"), 64),
        order=shape.tickets("order", top.get("order")),
        rerolls=[shape.reroll(f"rerolls[{n}]", one) for n, one in enumerate(shape.rows("rerolls", top.get("rerolls")))],
        final=shape.tickets("final", top.get("final")),
        witnesses=[
            shape.witness(f"witnesses[{n}]", one) for n, one in enumerate(shape.rows("witnesses", top.get("witnesses")))
        ],
    )
    return proof, shape.faults


# --- computing -------------------------------------------------------------------------------------------------------


def sha256(data: bytes) -> bytes:
    """SHA-256."""
    return hashlib.sha256(data).digest()


def root_of(entries: list[tuple[str, int]]) -> str:
    """The root of the tree over the list (RFC 9162), in hex."""
    hashing = hashlib.sha256
    level = [hashing(f"\0{ticket}\0{weight}".encode()).digest() for ticket, weight in entries]
    while len(level) > 1:
        left_over = level[-1:] if len(level) % 2 else []
        level = [hashing(b"\1" + a + b).digest() for a, b in zip(level[::2], level[1::2])] + left_over
    return (level[0] if level else sha256(b"")).hex()


def freeze_text(proof: Proof) -> str:
    """The text that was published when the list was frozen."""
    weight = sum(weight for _, weight in proof.entries)
    return (
        f"fdraw/1\ngiveaway={proof.giveaway}\nwinners={proof.winners}\nalternates={proof.alternates}\n"
        f"entries={len(proof.entries)}\nweight={weight}\nroot={root_of(proof.entries)}\ncommit={proof.commit}\n"
        f"beacon={proof.beacon}\n"
    )


def stream(key: bytes) -> Iterator[int]:
    """Numbers below 2^64, without end: four from each block."""
    number = 0
    while True:
        yield from struct.unpack(">4Q", hmac.digest(key, b"fdraw/1/stream\0" + struct.pack(">Q", number), "sha256"))
        number += 1


def below(numbers: Iterator[int], limit: int) -> int:
    """A number below `limit`, each as likely as any other: those of the last, incomplete round are thrown away."""
    for number in numbers:
        if number < 2**64 - 2**64 % limit:
            return number % limit
    raise AssertionError("the stream has no end")


def _find(weights: list[int], ticket: int) -> tuple[int, int]:
    """Whose numbered ticket this is, and the how many-th of theirs."""
    running = list(accumulate(weights))
    place = bisect_right(running, ticket)
    return place, ticket - (running[place - 1] if place else 0)


def draw(proof: Proof, value: bytes) -> list[str]:
    """The order that follows from list, seed, freeze text and the beacon's value."""
    key = b"fdraw/1/key\0" + sha256(proof.freeze_text.encode()) + value
    numbers = stream(hmac.digest(bytes.fromhex(proof.seed), key, "sha256"))
    weights, size = [weight for _, weight in proof.entries], 1000
    sums = [sum(weights[start : start + size]) for start in range(0, len(weights), size)]  # to find owners quickly
    order: list[str] = []
    while len(order) < min(proof.winners + proof.alternates, len(weights)):
        part, ticket = _find(sums, below(numbers, sum(sums)))
        place = part * size + _find(weights[part * size : (part + 1) * size], ticket)[0]
        order.append(proof.entries[place][0])
        sums[part] -= weights[place]
        weights[place] = 0
    return order


def check(proof: Proof) -> tuple[list[Fault], list[str]]:
    """What does not follow from what, and which fields could not be checked for that reason."""
    faults, after = Faults(), ["order", "rerolls", "final"]
    commit = sha256(b"fdraw/1/seed\0" + bytes.fromhex(proof.seed)).hex()
    if commit != proof.commit:
        frozen = f"\ncommit={commit}\n" in proof.freeze_text  # then it is the other of the two that was changed
        faults.add("commit" if frozen else "seed", "commit", commit)
    _check_freeze(proof, faults)
    digest = sha256(bytes.fromhex(proof.signature))
    wrong = proof.kind == "drand" and digest.hex() != proof.value
    if faults:
        if wrong:
            faults.add("beacon.value", "value", digest.hex())
        return faults, after
    order = draw(proof, bytes.fromhex(proof.value))
    if wrong:  # the value that gives this order is the one that was drawn with
        faults.add("beacon.signature" if order == proof.order else "beacon.value", "value", digest.hex())
        if order != proof.order:
            return faults, after
    if order != proof.order:
        faults.add("order", "order", _differs(order, proof.order))
        return faults, after[1:]
    final = _replaced(proof, faults)
    if final is None:
        return faults, after[2:]
    if final != proof.final:
        faults.add("final", "final", _differs(final, proof.final))
    return faults, []


def _check_freeze(proof: Proof, faults: Faults) -> None:
    given, text = proof.freeze_text, freeze_text(proof)
    digest = sha256(given.encode()).hex()
    if given == text:
        if digest != proof.freeze_hash:
            faults.add("freeze_hash", "hash", digest)
    elif sha256(text.encode()).hex() == proof.freeze_hash:
        faults.add("freeze_text", "freeze")
    else:
        if digest != proof.freeze_hash:
            faults.add("freeze_hash", "hash", digest)
        lines = list(zip(LINES, given.split("\n"), text.split("\n")))
        if given.count("\n") != len(LINES) or any(a.split("=")[0] != b.split("=")[0] for _, a, b in lines):
            faults.add("freeze_text", "freeze")
            return
        for name, line, wanted in lines:
            if line != wanted:
                faults.add(_part(line, wanted) if name == "beacon" else name, "line", line, wanted)


def _part(line: str, wanted: str) -> str:
    """Which part of a beacon's name differs."""
    names = ("type", "chain", "round") if wanted.startswith("beacon=drand:") else ("type", "round")
    pairs = zip(names, line.split(":"), wanted.split(":"))
    return "beacon." + next((name for name, a, b in pairs if a != b), "type")


def _differs(right: list[str], given: list[str]) -> int:
    """The first place, from 1 on, at which two lists differ."""
    return next((n for n, (a, b) in enumerate(zip(right, given), 1) if a != b), min(len(right), len(given)) + 1)


def _replaced(proof: Proof, faults: Faults) -> list[str] | None:
    """The winners after all re-rolls; None if one of these cannot have been."""
    places: list[str | None] = [*proof.order[: proof.winners]]
    where = {ticket: place for place, ticket in enumerate(proof.order[: proof.winners])}
    unused = iter(proof.order[proof.winners :])
    for number, (out, _) in enumerate(proof.rerolls):
        if out not in where:
            faults.add(f"rerolls[{number}].out", "out")
            return None
        place = where.pop(out)
        places[place] = following = next(unused, None)
        if following is not None:
            where[following] = place
    return [one for one in places if one is not None]


# --- what the messages in public say ---------------------------------------------------------------------------------


def when(at: object) -> str:
    """A moment (UTC seconds) in words, or what stands there instead."""
    moment = seconds(at)
    if moment:  # 0 stands where nobody knows
        return strftime("%Y-%m-%d %H:%M:%S UTC", gmtime(moment))
    return show(at) if type(at) is str else ""


def _told(witness: dict[str, object], key: str) -> str:
    text = witness.get(key)
    return text if type(text) is str else ""


def witnessed(proof: Proof) -> tuple[list[Fault], list[Fault]]:
    """What the announcements and the messages of the freeze say otherwise: delays, and what should make one wonder."""
    delayed, odd = Faults(), Faults()
    name, due = proof.beacon, proof.due
    for number, one in enumerate(proof.witnesses):
        where, what, told, moment = (
            f"witnesses[{number}]",
            one.get("what"),
            _told(one, "beacon"),
            seconds(one.get("at")),
        )
        if what == "announcement" and told and told != name:
            delayed.add(where, "announced", told, name)
            same, _, before = told.rpartition(":")
            if same != name.rpartition(":")[0] or not re.fullmatch("[0-9]{1,16}", before) or int(before) > proof.round:
                odd.add(where, "earlier", told, name)
        if what == "freeze" and due is not None and moment is not None and moment > due:
            delayed.add(where, "late", when(moment), when(due))
        if what == "delayed":
            delayed.add(where, "told", _told(one, "reason"))
        for key, right in (("commit", proof.commit), ("freeze_hash", proof.freeze_hash)):
            if _told(one, key) not in ("", right):
                odd.add(f"{where}.{key}", "other", _told(one, key), right)
    return delayed, odd


def verify(data: bytes) -> Verdict:
    """Check the bytes of a proof file. Raises Unreadable."""
    proof, faults = read(parse(data))
    if faults:
        return Verdict(proof, faults)
    faults, unchecked = check(proof)
    return Verdict(proof, faults, unchecked, *witnessed(proof))


# --- a member's own ticket -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Found:
    """A ticket in the list. `state` is winner, rerolled, alternate, lost, or absent; place and weight are 0 then."""

    ticket: str
    state: str
    place: int = 0
    weight: int = 0
    reason: str = ""


def find(proof: Proof, text: str, member: str = "") -> Found | None:
    """Find a ticket by itself, or by a member ("platform:user") and their ticket code; None if that is neither.

    Both may stand anywhere in the text: a whole private message of the bot can be given.
    """
    compact = re.sub(r"[\s-]", "", text.lower())
    codes = [compact] if re.fullmatch("[0-9a-f]{32}", compact) else re.findall(CODE, text.lower())
    members = [member.strip()] if member.strip() else [one.rstrip(".:!?") for one in re.findall(MEMBER, text)]
    if not codes:
        return None
    made = [
        sha256(
            b"fdraw/1/ticket\0" + f"{proof.giveaway}\0{one}\0".encode("utf-8", "replace") + bytes.fromhex(code)
        ).hex()[:32]
        for code in codes
        for one in members
    ]
    tickets = [ticket for ticket, _ in proof.entries]
    for ticket in codes + made:
        place = bisect_left(tickets, ticket)
        if tickets[place : place + 1] == [ticket]:
            return _fate(proof, ticket, place)
    return Found((made or codes)[0], "absent" if made else "unknown")


def _fate(proof: Proof, ticket: str, place: int) -> Found:
    gone = dict(proof.rerolls)
    state = "lost"
    if ticket in proof.final:
        state = "winner"
    elif ticket in gone:
        state = "rerolled"
    elif ticket in proof.order:
        state = "alternate"
    return Found(ticket, state, place + 1, proof.entries[place][1], show(gone.get(ticket, "")))


# --- saying it -------------------------------------------------------------------------------------------------------

EN = """
VALID VALID: the list, the seed and the beacon value give exactly these winners.
INVALID INVALID: this file contradicts itself. Wrong:
UNREADABLE UNREADABLE: {0}
file the file cannot be opened.
json this is not a JSON file.
large the file is larger than 256 MB.
unchecked Not checked, as it follows from what is wrong: {0}
summary Giveaway {0}: {1} entries with a weight of {2} together; {3} winners and {4} alternates to be drawn.
won Winners: {0}
nobody nobody
more and {0} more
went Re-rolled: {0}. The reason given: {1}

missing is missing
unknown does not belong into a proof file
twice stands there more than once
object must be an object
list must be a list
number must be a whole number from {0} to {1}
string must be a text
text must be a text with something in it
hex must be {0} hexadecimal digits in lower case
bytes must be bytes as hexadecimal digits in lower case
pair must be [ticket, weight]
sorted must come after the ticket before it: the list is sorted, and no ticket stands there twice
sum has weights of more than 2^53-1 together
type must be "drand", "bitcoin" or "none"
null must be null when beacon.type is {0}
time must be seconds since 1970, or a time such as 2026-01-31T18:00:00Z
odd has something that not every program reads alike (NaN, very large numbers, names twice), or is nested too deep
spec must be "fdraw/1"
name must be 1 to 64 letters a-z A-Z, digits, dots, hyphens and underscores
ascii must be a text of plain letters
commit commit must be the fingerprint of seed, which is {0}
line the freeze text says "{0}", but the other fields say "{1}"
freeze is not the text that follows from the other fields
hash must be the SHA-256 of freeze_text, which is {0}
value beacon.value must be the SHA-256 of beacon.signature, which is {0}
order is not the order that the draw gives: place {0} differs
out was not a winner at that moment
final is not what follows from order and rerolls: place {0} differs

drand Level: public beacon (drand). Nobody, the organiser included, could steer the random choice, unless enough of
 drand's operators conspired and the organiser leaked the seed to them.
bitcoin Level: public beacon (Bitcoin). The organiser could not steer the random choice. A miner could, by throwing
 away a block and the reward for it.
none Level: organiser-trusted (no beacon). Nothing could be changed after the opening, but somebody who knew the seed
 could have added entries until they liked the result.
limits It does not prove that the entrants are real, nor that it was judged fairly who may enter: the list is public for
 that reason, and objections belong before the freeze.

compare This file agrees with itself. That it was fixed in time, only the public messages can show. Compare by eye:
eye.commit 1. the announcement shows: commit={0}
eye.beacon 2. the announcement shows: beacon={0}
eye.moved 2. the announcement shows another beacon (see DELAYED); the message of the freeze shows: beacon={0}
eye.freeze 3. the message of the freeze ("the list is final") shows: SHA-256 = {0}, and was sent before the beacon: {1}
eye.trusted 3. the message of the freeze ("the list is final") shows: SHA-256 = {0}, and nobody was shown
 the seed before it
round the time of round {0} of this chain
block the time of block {0}
links The messages, as the file names them:
what.announcement announcement
what.freeze freeze
what.result result
what.delayed delay
no_links The file names no messages; ask the organiser for their links.
mirrors Then compare the beacon with two servers of drand. Both must show: "randomness": "{0}"
explorer Then look up block {0} in two Bitcoin explorers. Both must show the hash {1}
delayed DELAYED:
announced the announcement names {0}, but the draw used {1}
late the freeze was published at {0}, later than its beacon: {1}
told the organiser gives this reason: {0}
why.late_freeze the list could not be published in time
why.late_message the list was published too late
rule The rule: if the freeze is published after the time of its round, that round is void, and the first round at or
 after the message of the freeze + 60 seconds takes its place. There is never another source.
rule.round By this rule, a freeze at {0} leads to round {1}; the draw used round {2}.
warnings LOOK CLOSELY:
earlier announced was {0}; {1} is not a later round of the same beacon, so its value may have been known before
other this message is said to show {0}, but should show {1}

absent Your account and code give ticket {0}, and it is not in the list: it took no part in this draw.
alone {0} is not a ticket of this list. If it is your ticket code, say also who you are, such as
 discord:80351110224678912
nothing There is no ticket in what you gave: a ticket, and also a ticket code, is 32 digits 0-9 and a-f.
wrong The file is INVALID, so it says nothing about your ticket.
present Ticket {0} is in the list: number {1} of {2}, weight {3} of {4}.
winner It won.
rerolled It was drawn, and re-rolled. The reason given: {0}
alternate It was drawn as an alternate, and was not needed.
lost It was not drawn.
"""
ZH = """
VALID VALID（有效）：由名单、种子和信标值算出的中奖者与文件完全一致。
INVALID INVALID（无效）：文件自相矛盾。有问题的是：
UNREADABLE UNREADABLE（无法读取）：{0}
file 打不开这个文件。
json 这不是 JSON 文件。
large 文件超过 256 MB。
unchecked 以下各项由有问题的内容推出，因此没有检查：{0}
summary 抽奖 {0}：{1} 份参加，权重合计 {2}；应抽 {3} 名中奖者、{4} 名候补。
won 中奖：{0}
nobody 无人
more 另有 {0} 个
went 已换人：{0}。公布的原因：{1}

missing 缺少
unknown 不属于证明文件
twice 出现了不止一次
object 必须是对象
list 必须是列表
number 必须是 {0} 到 {1} 的整数
string 必须是文字
text 必须是非空文字
hex 必须是 {0} 位小写十六进制数字
bytes 必须是以小写十六进制写出的字节
pair 必须是 [奖券编号, 权重]
sorted 必须排在前一张奖券之后：名单是排好序的，奖券编号不重复
sum 权重合计超过 2^53-1
type 必须是 "drand"、"bitcoin" 或 "none"
null 在 beacon.type 为 {0} 时必须是 null
time 必须是自 1970 年起的秒数，或 2026-01-31T18:00:00Z 这样的时间
odd 含有不同程序读法不一的内容（NaN、过大的数、重复的名称），或者嵌套过深
spec 必须是 "fdraw/1"
name 必须是 1 到 64 个字母、数字、点、连字符或下划线
ascii 必须是纯 ASCII 文字
commit commit 必须是 seed 的指纹，即 {0}
line 冻结文本写的是“{0}”，其他各项给出的却是“{1}”
freeze 与由其他各项得出的文本不符
hash 必须是 freeze_text 的 SHA-256，即 {0}
value beacon.value 必须是 beacon.signature 的 SHA-256，即 {0}
order 与抽取得出的顺序不符：第 {0} 位不同
out 当时并不是中奖者
final 与 order 和 rerolls 得出的结果不符：第 {0} 位不同

drand 级别：公共信标（drand）。包括组织者在内，没有人能左右随机结果，
 除非足够多的 drand 运营者串通，而且组织者把种子泄露给了他们。
bitcoin 级别：公共信标（比特币）。组织者无法左右随机结果。矿工可以，但要丢弃一个区块及其奖励。
none 级别：信任组织者（无信标）。开始之后什么都不能改动，但知道种子的人可以不断添加参加者，直到结果合意。
limits 它不能证明参加者都是真人，也不能证明参加资格的评判是公正的：名单因此公开，异议应在冻结之前提出。

compare 这个文件与自身一致。它是否及时固定，只有公开消息能说明。请用眼睛对照：
eye.commit 1. 公告中写着：commit={0}
eye.beacon 2. 公告中写着：beacon={0}
eye.moved 2. 公告中写着另一个信标（见 DELAYED）；冻结消息中写着：beacon={0}
eye.freeze 3. 冻结消息（“名单已确定”）中写着：SHA-256 = {0}，而且发出的时间早于信标：{1}
eye.trusted 3. 冻结消息（“名单已确定”）中写着：SHA-256 = {0}，而且在此之前没有人见过种子
round 该链第 {0} 轮的时间
block 区块 {0} 的时间
links 文件列出的消息：
what.announcement 公告
what.freeze 冻结
what.result 结果
what.delayed 延迟
no_links 文件没有列出消息；请向组织者索取链接。
mirrors 然后用两台 drand 服务器核对信标。两处都必须显示："randomness": "{0}"
explorer 然后在两个比特币浏览器中查看区块 {0}。两处显示的哈希都必须是 {1}
delayed DELAYED（延迟）：
announced 公告写的是 {0}，抽取用的却是 {1}
late 冻结消息发布于 {0}，晚于信标的时间：{1}
told 组织者给出的原因：{0}
why.late_freeze 名单未能及时公布
why.late_message 名单公布得太晚
rule 规则：如果冻结消息发布于该轮的时间之后，该轮作废，改用冻结消息发出后满 60 秒起的第一轮。绝不换用其他来源。
rule.round 按此规则，{0} 的冻结消息对应第 {1} 轮；抽取用的是第 {2} 轮。
warnings 请仔细查看：
earlier 公告写的是 {0}；{1} 不是同一信标的后续轮次，它的值可能事先已为人所知
other 按文件所说，这条消息写的是 {0}，而它应当是 {1}

absent 由您的账号和奖券码得出的奖券编号是 {0}，它不在名单中：没有参加这次抽取。
alone 名单中没有奖券编号 {0}。如果这是您的奖券码，请同时写明您的账号，例如 discord:80351110224678912
nothing 其中没有奖券编号：奖券编号和奖券码都是 32 位数字 0-9 和字母 a-f。
wrong 文件无效，因此无法说明您的奖券的情况。
present 奖券编号 {0} 在名单中：第 {1} 个，共 {2} 个；权重 {3}，总权重 {4}。
winner 中奖了。
rerolled 曾被抽中，后来换了人。公布的原因：{0}
alternate 被抽为候补，没有用上。
lost 没有抽中。
"""


def words(language: str) -> dict[str, str]:
    """Everything that is said, by key."""
    block = ZH if language == "zh" else EN
    lines = re.sub("\n ", "" if language == "zh" else " ", block).splitlines()  # a line that begins so goes on
    return {key: text for key, _, text in (line.partition(" ") for line in lines if line)}


class Report:
    """Says a verdict in one language."""

    def __init__(self, language: str) -> None:
        self.texts = words(language)

    def say(self, key: str, *args: object) -> str:
        """A text with what belongs into it."""
        return self.texts[key].format(*args)

    def faults(self, faults: list[Fault]) -> list[str]:
        """One line each."""
        lines = []
        for one in faults:
            args = [self.texts.get(f"why.{arg}", arg) for arg in one.args]
            lines.append(f"  {one.field}: {self.say(one.reason, *args)}")
        return lines

    def verdict(self, verdict: Verdict) -> list[str]:
        """All lines of a verdict."""
        lines = [self.say(verdict.word), *self.faults(verdict.faults)]
        if verdict.unchecked:
            lines.append(self.say("unchecked", ", ".join(verdict.unchecked)))
        if verdict.faults:
            return lines
        proof = verdict.proof
        weight = sum(weight for _, weight in proof.entries)
        lines.append(self.say("summary", proof.giveaway, len(proof.entries), weight, proof.winners, proof.alternates))
        won = proof.final[:20] + ([self.say("more", len(proof.final) - 20)] if len(proof.final) > 20 else [])
        lines.append(self.say("won", ", ".join(won) or self.say("nobody")))
        lines += [self.say("went", out, show(reason)) for out, reason in proof.rerolls]
        lines += ["", self.say(proof.kind), self.say("limits"), *self.public(verdict), "", *self.by_eye(proof)]
        return lines

    def public(self, verdict: Verdict) -> list[str]:
        """What the public messages say otherwise."""
        lines = []
        if verdict.delayed:
            lines += ["", self.say("delayed"), *self.faults(verdict.delayed), self.say("rule")]
            by_rule = rule(verdict.proof)
            lines += [self.say("rule.round", *by_rule)] if by_rule else []
        if verdict.warnings:
            lines += ["", self.say("warnings"), *self.faults(verdict.warnings)]
        return lines

    def by_eye(self, proof: Proof) -> list[str]:
        """What a person has to compare, and where."""
        lines = [self.say("compare")]
        moved = any(one.reason == "announced" for one in witnessed(proof)[0])
        lines += ["  " + self.say("eye.commit", proof.commit)]
        lines += ["  " + self.say("eye.moved" if moved else "eye.beacon", proof.beacon)]
        if proof.kind == "none":
            lines.append("  " + self.say("eye.trusted", proof.freeze_hash))
        else:
            other = self.say("round" if proof.kind == "drand" else "block", proof.round)
            lines.append(
                "  " + self.say("eye.freeze", proof.freeze_hash, other if proof.due is None else when(proof.due))
            )
        lines.append(self.say("links" if proof.witnesses else "no_links"))
        for one in proof.witnesses:
            what = _told(one, "what")
            named = [self.texts.get(f"what.{what}", show(what)), show(_told(one, "platform")), when(one.get("at"))]
            lines.append(
                "  " + ", ".join(filter(None, named)) + ": " + show(_told(one, "url") or _told(one, "message"))
            )
        if proof.kind == "drand":
            lines.append(self.say("mirrors", proof.value))
            lines += [f"  {mirror}/{proof.chain}/public/{proof.round}" for mirror in MIRRORS]
        elif proof.kind == "bitcoin":
            lines.append(self.say("explorer", proof.round, proof.value))
        return lines

    def ticket(self, verdict: Verdict, found: Found | None) -> str:
        """What became of a ticket."""
        proof = verdict.proof
        if verdict.faults:
            return self.say("wrong")
        if found is None:
            return self.say("nothing")
        if not found.place:
            return self.say("absent" if found.state == "absent" else "alone", found.ticket)
        weight = sum(weight for _, weight in proof.entries)
        present = self.say("present", found.ticket, found.place, len(proof.entries), found.weight, weight)
        return present + " " + self.say(found.state, found.reason)


def rule(proof: Proof) -> tuple[str, int, int] | None:
    """When the freeze was published, the round that the rule of delays gives for it, and the one that was used."""
    known = list(filter(None, (seconds(one.get("at")) for one in proof.witnesses if one.get("what") == "freeze")))
    if proof.chain != QUICKNET or not known:
        return None
    return when(min(known)), max(1, math.ceil((min(known) + 60 - GENESIS) / PERIOD) + 1), proof.round


def as_json(verdict: Verdict, found: Found | None) -> dict[str, object]:
    """A verdict for programs."""

    def listed(faults: list[Fault]) -> list[dict[str, object]]:
        return [{"field": one.field, "reason": one.reason, "args": one.args} for one in faults]

    return {
        "verdict": verdict.word,
        "faults": listed(verdict.faults),
        "unchecked": verdict.unchecked,
        "level": None if verdict.faults else "organiser-trusted" if verdict.proof.kind == "none" else "public beacon",
        "delayed": listed(verdict.delayed),
        "warnings": listed(verdict.warnings),
        "ticket": vars(found) if found and not verdict.faults else None,
    }


def language_of(environment: Mapping[str, str]) -> str:
    """zh or en, by the locale that is set."""
    named = next((environment[key] for key in ("LC_ALL", "LC_MESSAGES", "LANG") if environment.get(key)), "")
    return "zh" if named.lower().startswith("zh") else "en"


def load(file: str) -> bytes:
    """The contents of a file, which may be compressed (gzip, as long proofs are posted). Raises what reading raises."""
    with open(file, "rb") as source:  # noqa: PTH123 - as anybody reads it
        packed = source.read(2) == b"\x1f\x8b"
        source.seek(0)
        return (gzip.GzipFile(fileobj=source) if packed else source).read(LARGEST + 1)


def run(file: str, language: str = "", ticket: str = "", member: str = "", in_json: bool = False) -> int:
    """Check a file and say what came out, in `language` or that of the locale. Returns the exit code."""
    report = Report(language or language_of(os.environ))
    try:
        verdict = verify(load(file))
    except (OSError, EOFError, zlib.error, Unreadable) as error:
        why = error.args[0] if isinstance(error, Unreadable) else "file"
        lines = (
            [json.dumps({"verdict": "UNREADABLE", "reason": why})]
            if in_json
            else [report.say("UNREADABLE", report.say(why))]
        )
        code = 2
    else:
        found = find(verdict.proof, ticket, member) if ticket and not verdict.faults else None
        lines = [json.dumps(as_json(verdict, found))] if in_json else report.verdict(verdict)
        if ticket and not in_json:
            lines += ["", report.ticket(verdict, found)]
        code = 1 if verdict.faults else 0
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal that has no such letters
    sys.stdout.write("\n".join(lines) + "\n")
    return code


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Check a draw. Exit code: 0 VALID, 1 INVALID, 2 unreadable.")
    parser.add_argument("proof", metavar="PROOF.json")
    parser.add_argument("--language", choices=("en", "zh"), default="", help="otherwise by the locale")
    parser.add_argument("--ticket", default="", help="find this ticket, or with --member this ticket code, in the list")
    parser.add_argument("--member", default="", help='whose ticket code it is, such as "discord:80351110224678912"')
    parser.add_argument("--json", action="store_true", help="one JSON object, for programs")
    given = parser.parse_args()
    return run(given.proof, given.language, given.ticket, given.member, given.json)


if __name__ == "__main__":
    sys.exit(main())
