"""Proof files, good and forged, as bytes: the Python verifier and the page are both tried with all of them."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

from verifier.model import QUICKNET, Entry, Json, digest, prove, ticket

SIGNATURE = bytes(range(48))
DRAND: Json = {
    "type": "drand",
    "chain": QUICKNET,
    "round": 1003,
    "signature": SIGNATURE.hex(),
    "value": digest(SIGNATURE).hex(),
}
DUE = 1692803367 + 1002 * 3
OTHER_CHAIN: Json = {**DRAND, "chain": "ab" * 32}
BITCOIN: Json = {"type": "bitcoin", "chain": None, "round": 900000, "signature": None, "value": digest(b"block").hex()}
NONE: Json = {"type": "none", "chain": None, "round": None, "signature": None, "value": None}


def people(count: int, weigh: Callable[[int], int] = lambda _: 1) -> list[Entry]:
    """Entries of so many members, whose ticket codes are their numbers."""
    made = [(ticket("g-ten", f"discord:{number}", number.to_bytes(16, "big")), number) for number in range(count)]
    return [(name, weigh(number)) for name, number in sorted(made)]


def reroll(out: int, **other: Any) -> Json:
    return {"out": out, "reason": "did not claim", "by": "discord:host", "at": 1700000000, **other}


def announced(**other: Any) -> list[Json]:
    """What Herald writes about its messages: an announcement and a freeze, with some fields otherwise."""
    name = f"drand:{QUICKNET}:1003"
    commit = digest(b"fdraw/1/seed\0", digest(b"g-ten")).hex()
    return [
        {"what": "announcement", "platform": "discord", "url": "https://discord.com/channels/1/2/3", "at": DUE - 9000.5}
        | {"commit": commit, "beacon": name}
        | {key: value for key, value in other.items() if key in {"commit", "beacon"}},
        {"what": "freeze", "platform": "telegram", "url": "https://t.me/c/1/2", "at": DUE - 100}
        | {key: value for key, value in other.items() if key in {"at", "freeze_hash"}},
        *other.get("more", []),
    ]


WEIGHTED = prove("g-ten", (3, 2), people(10, lambda number: number % 4 + 1), DRAND, [reroll(1), reroll(3)])
"""The one that is forged: weights, and two re-rolls, of which the second concerns whom the first brought in."""
WORDLESS = [{"what": "freeze", "platform": "slack", "at": 0, "message": "C1/17.5"}]
GOOD: dict[str, Json] = {
    "drand": prove("g-ten", (3, 2), people(10), DRAND, []),
    "weighted and re-rolled": WEIGHTED,
    "one entry": prove("g-ten", (1, 0), people(1), DRAND, []),
    "fewer entries than winners": prove("g-ten", (5, 3), people(3), DRAND, [reroll(0)]),
    "no entries": prove("g-ten", (1, 10000), [], DRAND, []),
    "everybody": prove("g-ten", (5, 2), people(7, lambda number: number + 1), DRAND, [reroll(0), reroll(1), reroll(2)]),
    "many": prove("g-ten", (40, 20), people(2100, lambda number: number % 3 + 1), DRAND, []),
    "none": prove("A.b_c-9", (2, 1), people(5), NONE, [reroll(0, at="2026-01-31T18:00:00+08:00", reason="没有认领")]),
    "none in few words": prove("g-ten", (2, 1), people(5), {"type": "none"}, []),
    "none with empty texts": prove("g-ten", (2, 1), people(5), dict.fromkeys(NONE, "") | {"type": "none"}, []),
    "bitcoin": prove("g-ten", (2, 1), people(6), BITCOIN, [reroll(0, at=1700000000.25)]),
    "bitcoin in few words": prove("g-ten", (2, 1), people(6), {k: v for k, v in BITCOIN.items() if v}, []),
    "another chain": prove("g-ten", (2, 1), people(6), OTHER_CHAIN, []),
    "witnessed": WEIGHTED | {"witnesses": announced(freeze_hash=WEIGHTED["freeze_hash"])},
    "without links": WEIGHTED | {"witnesses": WORDLESS},
    "by nobody": WEIGHTED | {"rerolls": [{**one, "by": ""} for one in WEIGHTED["rerolls"]]},
    "any witnesses": WEIGHTED | {"witnesses": [{}, {"what": 5, "at": True, "x": [1.5, {"y": None}]}, {"at": "now"}]},
}
DELAYED: dict[str, tuple[Json, list[str], list[str]]] = {
    # With the reasons of the delay, and what should make one look closely.
    "another round": (
        WEIGHTED | {"witnesses": announced(beacon=f"drand:{QUICKNET}:990", at=DUE - 61)},
        ["announced"],
        [],
    ),
    "an earlier round": (
        WEIGHTED | {"witnesses": announced(beacon=f"drand:{QUICKNET}:1004")},
        ["announced"],
        ["earlier"],
    ),
    "another source": (WEIGHTED | {"witnesses": announced(beacon="none")}, ["announced"], ["earlier"]),
    "late": (WEIGHTED | {"witnesses": announced(at=DUE + 0.5)}, ["late"], []),
    "just in time": (WEIGHTED | {"witnesses": announced(at=DUE)}, [], []),
    "by its own word": (
        WEIGHTED | {"witnesses": announced(more=[{"what": "delayed", "reason": "the server\u202e was down\n"}])},
        ["told"],
        [],
    ),
    "by a word of the bot": (WEIGHTED | {"witnesses": [{"what": "delayed", "reason": "late_message"}]}, ["told"], []),
    "another commitment": (WEIGHTED | {"witnesses": announced(commit="00" * 32)}, [], ["other"]),
    "another list": (WEIGHTED | {"witnesses": announced(freeze_hash="11" * 32)}, [], ["other"]),
}


def change(*path: str | int, to: Any) -> Callable[[Json], None]:
    """Put something else there; a function is given what stands there."""

    def act(proof: Any) -> None:
        for step in path[:-1]:
            proof = proof[step]
        proof[path[-1]] = to(proof[path[-1]]) if callable(to) else to

    return act


def flip(text: str) -> str:
    """Another digit at the end."""
    return text[:-1] + ("0" if text[-1] != "0" else "1")


def swap(values: list[Any]) -> list[Any]:
    return [values[1], values[0], *values[2:]]


UNUSED = ticket("g-ten", "discord:nobody", bytes(16))
ENTRIES = WEIGHTED["entries"]
LOSER = next(name for name, _ in ENTRIES if name not in WEIGHTED["order"])

FORGED: list[tuple[str, str, Callable[[Json], None]]] = [
    # Which field, what was done to it, and how.
    ("spec", "another version", change("spec", to="fdraw/2")),
    ("giveaway", "another", change("giveaway", to="g-eleven")),
    ("giveaway", "signs", change("giveaway", to="g ten")),
    ("giveaway", "a line more", change("giveaway", to="g-ten\n")),
    ("giveaway", "long", change("giveaway", to="g" * 65)),
    ("winners", "one more", change("winners", to=4)),
    ("winners", "true", change("winners", to=True)),
    ("winners", "a fraction", change("winners", to=3.0)),
    ("winners", "a text", change("winners", to="3")),
    ("winners", "none", change("winners", to=0)),
    ("winners", "more than ten thousand", change("winners", to=10001)),
    ("alternates", "one more", change("alternates", to=3)),
    ("alternates", "negative", change("alternates", to=-1)),
    ("alternates", "null", change("alternates", to=None)),
    ("entries", "no list", change("entries", to={})),
    ("entries", "a weight", change("entries", 4, 1, to=lambda weight: weight + 1)),
    ("entries", "a ticket", change("entries", 4, 0, to=flip)),
    ("entries", "one less", change("entries", to=lambda rows: rows[:-1])),
    ("entries", "one more", change("entries", to=lambda rows: sorted([*rows, [UNUSED, 1]]))),
    ("entries[1]", "not sorted", change("entries", to=swap)),
    ("entries[3]", "twice", change("entries", to=lambda rows: [*rows[:3], rows[2], *rows[3:]])),
    ("entries[2]", "weight 0", change("entries", 2, 1, to=0)),
    ("entries[2]", "weight 1.0", change("entries", 2, 1, to=1.0)),
    ("entries[2]", "weight true", change("entries", 2, 1, to=True)),
    ("entries[2]", "too heavy", change("entries", 2, 1, to=1000001)),
    ("entries[2]", "upper case", change("entries", 2, 0, to="ABCDEF" + "0" * 26)),
    ("entries[2]", "short ticket", change("entries", 2, 0, to=lambda name: name[:-1])),
    ("entries[2]", "foreign digits", change("entries", 2, 0, to=lambda name: name[:-1] + "\uff11")),
    ("entries[2]", "three things", change("entries", 2, to=lambda row: [*row, 1])),
    ("entries[2]", "a text", change("entries", 2, to="12")),
    ("commit", "another", change("commit", to=flip)),
    ("commit", "upper case", change("commit", to=str.upper)),
    ("commit", "a line more", change("commit", to=lambda text: text + "\n")),
    ("seed", "another", change("seed", to=flip)),
    ("seed", "short", change("seed", to=lambda text: text[2:])),
    ("beacon", "no object", change("beacon", to="none")),
    ("beacon.type", "unknown", change("beacon", "type", to="lottery")),
    ("beacon.type", "a list", change("beacon", "type", to=["drand"])),
    ("beacon.chain", "none has no chain", change("beacon", "type", to="none")),
    ("beacon.chain", "another", change("beacon", "chain", to=flip)),
    ("beacon.chain", "empty", change("beacon", "chain", to="")),
    ("beacon.round", "another", change("beacon", "round", to=1004)),
    ("beacon.round", "zero", change("beacon", "round", to=0)),
    ("beacon.round", "a text", change("beacon", "round", to="1003")),
    ("beacon.round", "too large", change("beacon", "round", to=2**53)),
    ("beacon.round", "NaN", change("beacon", "round", to=float("nan"))),
    ("beacon.signature", "another", change("beacon", "signature", to=flip)),
    ("beacon.signature", "half a byte", change("beacon", "signature", to=lambda text: text[1:])),
    ("beacon.signature", "none", change("beacon", "signature", to=None)),
    ("beacon.value", "another", change("beacon", "value", to=flip)),
    ("beacon.value", "missing", lambda proof: proof["beacon"].pop("value")),
    ("beacon.time", "one more", change("beacon", to=lambda beacon: {**beacon, "time": 1})),
    ("freeze_text", "a number", change("freeze_text", to=lambda text: text.replace("winners=3", "winners=4"))),
    ("freeze_text", "no end", change("freeze_text", to=str.rstrip)),
    ("freeze_text", "carriage returns", change("freeze_text", to=lambda text: text.replace("\n", "\r\n"))),
    ("freeze_text", "half a sign", change("freeze_text", to="\ud800")),
    ("freeze_hash", "another", change("freeze_hash", to=flip)),
    ("order", "two swapped", change("order", to=swap)),
    ("order", "the last two swapped", change("order", to=lambda names: swap(names[::-1])[::-1])),
    ("order", "one less", change("order", to=lambda names: names[:-1])),
    ("order", "one more", change("order", to=lambda names: [*names, LOSER])),
    ("order", "somebody else", change("order", 0, to=LOSER)),
    ("order[0]", "null", change("order", 0, to=None)),
    ("rerolls", "null", change("rerolls", to=None)),
    ("rerolls[0]", "a text", change("rerolls", 0, to="did not claim")),
    ("rerolls[0].out", "no winner", change("rerolls", 0, "out", to=LOSER)),
    ("rerolls[0].out", "not yet a winner", change("rerolls", to=swap)),
    ("rerolls[1].out", "twice", change("rerolls", to=lambda rows: [rows[0], rows[0]])),
    ("rerolls[0].reason", "blank", change("rerolls", 0, "reason", to=" \n")),
    ("rerolls[0].reason", "missing", lambda proof: proof["rerolls"][0].pop("reason")),
    ("rerolls[0].by", "a number", change("rerolls", 0, "by", to=5)),
    ("rerolls[0].at", "some day", change("rerolls", 0, "at", to="yesterday")),
    ("rerolls[0].at", "no date", change("rerolls", 0, "at", to="18:00:00Z")),
    ("rerolls[0].at", "true", change("rerolls", 0, "at", to=True)),
    ("rerolls[0].at", "negative", change("rerolls", 0, "at", to=-1)),
    ("rerolls[1].place", "one more", change("rerolls", 1, to=lambda row: {**row, "place": 2})),
    ("final", "no re-rolls", change("rerolls", to=[])),
    ("final", "as first drawn", change("final", to=WEIGHTED["order"][:3])),
    ("final", "two swapped", change("final", to=swap)),
    ("final", "one less", change("final", to=lambda names: names[:-1])),
    ("final", "somebody else", change("final", 2, to=LOSER)),
    ("final[0]", "a number", change("final", 0, to=7)),
    ("witnesses", "an object", change("witnesses", to={})),
    ("witnesses[0]", "a text", change("witnesses", to=["seen"])),
    ("witnesses[0]", "infinite", change("witnesses", to=[{"at": float("inf")}])),
    ("witnesses[0]", "deep", change("witnesses", to=[{"a": [[[[[[[[]]]]]]]]}])),
    ("organiser", "one more", change("organiser", to="me")),
    ("\\u202e", "an invisible name", change("\u202e", to=1)),
    *[(name, "missing", lambda proof, name=name: proof.pop(name)) for name in WEIGHTED],
]


def forge(act: Callable[[Json], None]) -> bytes:
    proof = copy.deepcopy(WEIGHTED)
    act(proof)
    return json.dumps(proof).encode()


def _raw(old: str, new: str) -> bytes:
    text = json.dumps(WEIGHTED)
    assert old in text
    return text.replace(old, new, 1).encode()


WRITTEN: list[tuple[str, str, bytes]] = [
    # What is wrong only as it is written, and which field.
    ("proof", "a list", b"[]"),
    ("proof", "a number", b" 7\n"),
    ("spec", "nothing in it", b"{}"),
    ("seed", "twice", _raw('"seed": "', '"seed": "00", "seed": "')),
    ("winners", "twice the same", _raw('"winners": 3', '"winners": 3, "winners": 3')),
    ("beacon.value", "twice", _raw('"value": "', '"value": null, "value": "')),
    ("rerolls[0].by", "twice", _raw('"by": "', '"by": "x", "by": "')),
    ("witnesses[0]", "twice", _raw('"witnesses": []', '"witnesses": [{"a": 1, "a": 1}]')),
    ("winners", "huge", _raw('"winners": 3', '"winners": 3' + "0" * 5000)),
    ("witnesses[0]", "not a number", _raw('"witnesses": []', '"witnesses": [{"at": NaN}]')),
    ("witnesses[0]", "less than infinite", _raw('"witnesses": []', '"witnesses": [{"at": -Infinity}]')),
    ("witnesses[0]", "twenty digits", _raw('"witnesses": []', '"witnesses": [{"at": 10000000000000000000}]')),
    ("winners", "3e0", _raw('"winners": 3', '"winners": 3e0')),
    ("winners", "endless", _raw('"winners": 3', '"winners": 1e999')),
    ("alternates", "-Infinity", _raw('"alternates": 2', '"alternates": -Infinity')),
]
STILL_GOOD: list[tuple[str, bytes]] = [
    # Other ways to write what is the same, and numbers that nothing follows from.
    ("nineteen digits", _raw('"witnesses": []', '"witnesses": [{"at": 1000000000000000000, "x": -0.5e-3}]')),
    ("with a mark of its encoding", b"\xef\xbb\xbf" + json.dumps(WEIGHTED).encode()),
    ("on many lines", json.dumps(WEIGHTED, indent=2).replace("\n", "\r\n\t").encode()),
    ("escaped", _raw('"spec": "fdraw/1"', '"\\u0073pec": "fdraw\\/1"')),
    ("unescaped", json.dumps(GOOD["none"], ensure_ascii=False).encode()),
]
UNREADABLE: list[tuple[str, bytes]] = [
    ("nothing", b""),
    ("a text", b"VALID"),
    ("cut off", json.dumps(WEIGHTED).encode()[:-1]),
    ("more behind it", json.dumps(WEIGHTED).encode() + b"{}"),
    ("bytes", bytes(range(128, 256))),
    ("half a sign", _raw("did not claim", "did not cl\xe4im").replace("\xe4".encode(), b"\xe4")),
    ("UTF-16", json.dumps(WEIGHTED).encode("utf-16")),
    ("a comma too many", _raw('"witnesses": []', '"witnesses": [],')),
    ("a leading zero", _raw('"winners": 3', '"winners": 03')),
    ("half a number", _raw('"winners": 3', '"winners": 3.')),
    ("a bare sign", _raw('"winners": 3', '"winners": -')),
    ("single quotes", _raw('"fdraw/1"', "'fdraw/1'")),
    ("a bad escape", _raw('"fdraw/1"', '"fdraw\\x2f1"')),
    ("a line break in a text", _raw('"fdraw/1"', '"fdraw\n/1"')),
    ("a comment", b"// a proof\n" + json.dumps(WEIGHTED).encode()),
    ("a foreign space", b"\xc2\xa0" + json.dumps(WEIGHTED).encode()),
    ("very deep", b"[" * 100000),
]
