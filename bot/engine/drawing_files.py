"""The files of a draw, and the work on them: it runs in a thread, or in a process of its own (`drawing_child`).

A giveaway has two files. The list holds a line `ticket weight` for each entry, in the order of tickets: it is also what
is published. The tree holds what is needed to find an entry and its way to the root without reading the list: for each
64 entries where they begin, with which ticket, and the root of the tree over them. Both are a cache of the database.
"""

from __future__ import annotations

import hashlib
import os
import struct
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from operator import lt
from pathlib import Path
from typing import BinaryIO, Protocol

from bot.domain.fdraw import MAX_SUM, MAX_WEIGHT, Entry, Freeze, check_entries, choose
from bot.domain.fdraw_tree import Inclusion, levels_over, path_in

_MAGIC = b"fdraw/1 tree 1\n"
_HEAD = struct.Struct(">QQ32s32s")
"""Entries, the sum of their weights, the root, and the SHA-256 of the list."""
_HASH = 32
_TICKET = 32
_HEIGHT = 6
_BLOCK = 1 << _HEIGHT
"""Entries that the tree's file holds one hash of."""
_CHUNK = 1 << 18
"""Bytes that are read at once: what is done with them at once takes a few milliseconds."""
_HEX = b"0123456789abcdef"
_DIGITS = len(str(MAX_WEIGHT))


class DrawingFailed(Exception):
    """The work on a list could not be done; `str()` says why. Nothing has changed by it: try again."""


class Stale(DrawingFailed):
    """A file is not what the freeze says: it is made again from the database."""


@dataclass(frozen=True, slots=True)
class Built:
    """What a list came to; the root in hex."""

    entries: int
    weight: int
    root: str

    def is_of(self, freeze: Freeze) -> bool:
        """Whether it is the list that was frozen."""
        return (self.entries, self.weight, self.root) == (freeze.entries, freeze.weight, freeze.root)


# ---- making both


class Hashing(Protocol):
    """Who hashes a list: itself, or with another's help."""

    def add(self, text: bytes) -> None:
        """The next lines; only the last ones of a list are not a multiple of 64."""

    def roots(self) -> list[bytes]:
        """Of each 64 lines, and of what was left. That was all."""


class Alone:
    """Hashes what it is given."""

    def __init__(self) -> None:
        self._roots: list[bytes] = []

    def add(self, text: bytes) -> None:
        """The next lines."""
        self._roots += block_roots(text)

    def roots(self) -> list[bytes]:
        """Of each 64 lines, and of what was left."""
        return self._roots


def block_roots(text: bytes) -> list[bytes]:
    """The root of each 64 of these lines, and of what is left."""
    sha256 = hashlib.sha256
    leaves = b"\0" + text[:-1].replace(b" ", b"\0").replace(b"\n", b"\n\0")
    hashes = [sha256(line).digest() for line in leaves.split(b"\n")]
    levels = levels_over(hashes)
    return list(levels[min(_HEIGHT, len(levels) - 1)])


def build(chunks: Iterable[bytes], list_path: Path, tree_path: Path, hashing: Hashing) -> Built:
    """Write both files from the list's bytes, which may be cut anywhere.

    Raises ValueError that says what is wrong with the list, and OSError.
    """
    with _created(list_path) as file:
        making = _Making(file, hashing)
        for chunk in chunks:
            making.add(chunk)
        making.finish()
    roots = hashing.roots()
    root = levels_over(roots)[-1][0]
    body = b"".join(
        (
            _MAGIC,
            _HEAD.pack(making.entries, making.weight, root, making.digest.digest()),
            bytes.fromhex(b"".join(making.firsts).decode()),
            struct.pack(f">{len(making.offsets)}Q", *making.offsets),
            *roots,
        )
    )
    with _created(tree_path) as file:
        file.write(body + hashlib.sha256(body).digest())
    return Built(making.entries, making.weight, root.hex())


class _Making:
    """A list that is being written: what is known of it so far."""

    def __init__(self, file: BinaryIO, hashing: Hashing) -> None:
        self.entries = self.weight = 0
        self.digest = hashlib.sha256()
        self.firsts: list[bytes] = []
        self.offsets: list[int] = []
        self._file, self._hashing = file, hashing
        self._left = self._last = b""
        self._written = 0

    def add(self, chunk: bytes) -> None:
        """The list goes on like this."""
        text = self._left + chunk
        count = text.count(b"\n")
        end = len(text)
        for _ in range(count % _BLOCK + 1):
            end = text.rfind(b"\n", 0, end)
        self._left = text[end + 1 :]
        if count >= _BLOCK:
            self._take(text[: end + 1], count // _BLOCK * _BLOCK)

    def finish(self) -> None:
        """That was all."""
        if self._left:
            self._take(self._left, self._left.count(b"\n"))

    def _take(self, text: bytes, count: int) -> None:
        """So many lines."""
        tickets, weights = self._checked(text, count)
        self._hashing.add(text)
        self.firsts += tickets[::_BLOCK]
        for start in range(0, count, _BLOCK):
            self.offsets.append(self._written)
            block = weights[start : start + _BLOCK]
            self._written += (_TICKET + 2) * len(block) + sum(map(len, block))
        self.entries += count
        self._last = tickets[-1]
        self.digest.update(text)
        self._file.write(text)

    def _checked(self, text: bytes, count: int) -> tuple[list[bytes], list[bytes]]:
        """Tickets and weights, if they are as `check_entries` wants them: that one would take far longer."""
        words = text.split()
        tickets, weights = words[::2], words[1::2]
        formed = text.translate(None, _HEX) == b" \n" * count and len(words) == 2 * count
        formed = formed and b" 0" not in text and set(map(len, tickets)) == {_TICKET}
        if formed and b"".join(weights).isdigit() and max(map(len, weights)) <= _DIGITS:
            numbers = list(map(int, weights))
            ordered = self._last < tickets[0] and all(map(lt, tickets, tickets[1:]))
            if ordered and max(numbers) <= MAX_WEIGHT and self.weight + sum(numbers) <= MAX_SUM:
                self.weight += sum(numbers)
                return tickets, weights
        raise ValueError(self._fault(text))

    def _fault(self, text: bytes) -> str:
        where = f"of the entries after the first {self.entries}: " if self.entries else ""
        if not text.endswith(b"\n"):
            return f"{where}the list ends within a line"
        entries = [_entry(line) for line in text[:-1].split(b"\n")]
        try:
            check_entries(entries)
        except ValueError as error:
            return f"{where}{error}"
        if entries[0][0].encode() <= self._last:
            return f"{where}entry 1: the ticket {entries[0][0]} is out of order, or there twice"
        return f"{where}the weights add up to more than {MAX_SUM}"


def _entry(line: bytes) -> Entry:
    """An entry for saying what is wrong with it; a weight that is not written as a number should be is 0."""
    ticket, _, weight = line.decode(errors="replace").partition(" ")
    plain = weight.isascii() and weight.isdecimal() and not weight.startswith("0") and len(weight) < 20
    return ticket, int(weight) if plain else 0


# ---- the draw and its proof


def draw(list_path: Path, key: bytes, count: int) -> list[str]:
    """The tickets that a key draws from a list, in their order."""
    tickets, weights = bytearray(), array("Q")
    for text in _texts(list_path):
        words = text.split()
        tickets += b"".join(words[::2])
        weights.extend(map(int, words[1::2]))
    places = choose(weights, key, count)
    return [tickets[_TICKET * place : _TICKET * (place + 1)].decode() for place in places]


def proof(list_path: Path, proof_path: Path, before: str, after: str) -> None:
    """Write a proof file: the list as JSON between these two texts."""
    with _created(proof_path) as file:
        file.write(before.encode())
        between = b"\n"
        for text in _texts(list_path):
            file.write(between)
            file.write(b'["%b]' % text[:-1].replace(b" ", b'",').replace(b"\n", b'],\n["'))
            between = b",\n"
        file.write(after.encode(errors="backslashreplace"))  # half a character: as JSON writes it


def _texts(path: Path) -> Iterator[bytes]:
    """A file in pieces of whole lines."""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk + file.readline() if chunk[-1:] != b"\n" else chunk


def _created(path: Path) -> BinaryIO:
    """A new file that nobody else reads."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


# ---- one entry's way to the root


def load(list_path: Path, tree_path: Path, freeze: Freeze) -> Tree | None:
    """What the files hold, if both are there and are those of this freeze, to the last bit."""
    try:
        body = tree_path.read_bytes()
        with list_path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").digest()
    except OSError:
        return None
    body, checksum = body[:-_HASH], body[-_HASH:]
    if not body.startswith(_MAGIC) or hashlib.sha256(body).digest() != checksum:
        return None
    tree = Tree(list_path, body)
    return tree if tree.built.is_of(freeze) and tree.digest == digest else None


class Tree:
    """Finds entries and their way to the root of one list."""

    def __init__(self, list_path: Path, body: bytes) -> None:
        self._list = list_path
        entries, weight, root, self.digest = _HEAD.unpack_from(body, len(_MAGIC))
        self.built = Built(entries, weight, root.hex())
        blocks = -(-entries // _BLOCK)
        firsts = len(_MAGIC) + _HEAD.size
        offsets = firsts + blocks * _TICKET // 2
        roots = offsets + blocks * 8
        self._firsts = body[firsts:offsets]
        self._offsets = array("Q", struct.unpack_from(f">{blocks}Q", body, offsets))
        self._levels = levels_over([body[at : at + _HASH] for at in range(roots, roots + blocks * _HASH, _HASH)])

    def find(self, ticket: str) -> Inclusion | None:
        """How an entry proves to be in the list; None: it is not there. Raises Stale where the list has changed."""
        block = self._block_of(ticket)
        if block < 0:
            return None
        lines = self._lines(block)
        levels = levels_over([hashlib.sha256(b"\0" + line.replace(b" ", b"\0")).digest() for line in lines])
        if levels[-1][0] != self._levels[0][block]:
            raise Stale("the list on the disk has changed")
        for within, line in enumerate(lines):
            if line.startswith(ticket.encode()):
                path = path_in(levels, within) + path_in(self._levels, block)
                place, weight = block * _BLOCK + within, int(line[_TICKET + 1 :])
                return Inclusion(place, self.built.entries, weight, tuple(one.hex() for one in path), self.built.root)
        return None

    def _block_of(self, ticket: str) -> int:
        """Where it would be; -1: before the first one. Raises ValueError for what is no ticket."""
        raw, width = bytes.fromhex(ticket), _TICKET // 2
        if len(raw) != width or raw.hex() != ticket:
            raise ValueError("this is no ticket")
        return (
            bisect_right(range(len(self._offsets)), raw, key=lambda at: self._firsts[at * width : (at + 1) * width]) - 1
        )

    def _lines(self, block: int) -> list[bytes]:
        ends = self._offsets[block + 1] if block + 1 < len(self._offsets) else None
        begins = self._offsets[block]
        try:
            with self._list.open("rb") as file:
                file.seek(begins)
                text = file.read() if ends is None else file.read(ends - begins)
        except OSError as error:
            raise Stale("the list on the disk is gone") from error
        return text.splitlines()
