"""The tree over a list of entries (RFC 9162, section 2.1): its root, and how one entry proves to be in it. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from bot.domain.fdraw import Entry

EMPTY = hashlib.sha256(b"").digest()
"""The root of a list without entries."""


@dataclass(frozen=True, slots=True)
class Inclusion:
    """How one entry proves to be in a frozen list: its place from 0, the list's length, and hashes in hex."""

    index: int
    entries: int
    weight: int
    path: tuple[str, ...]
    root: str


def leaf(ticket: str, weight: int) -> bytes:
    """The hash of an entry."""
    return hashlib.sha256(b"\0%b\0%d" % (ticket.encode(), weight)).digest()


def node(left: bytes, right: bytes) -> bytes:
    """The hash of two neighbours."""
    return hashlib.sha256(b"\1" + left + right).digest()


def root_of(entries: Sequence[Entry]) -> bytes:
    """The root of the tree over these entries."""
    return levels_over([leaf(*entry) for entry in entries])[-1][0]


def path_of(entries: Sequence[Entry], index: int) -> tuple[bytes, ...]:
    """The hashes that lead from an entry (counted from 0) to the root, from below. Raises IndexError."""
    if not 0 <= index < len(entries):
        raise IndexError(index)
    return path_in(levels_over([leaf(*entry) for entry in entries]), index)


def root_from(ticket: str, weight: int, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root of the list of this size in which the path places this entry; None: the path does not fit."""
    if not 0 <= index < size:
        return None
    found, place, last = leaf(ticket, weight), index, size - 1
    for hash_ in path:
        if last == 0:
            return None
        if place & 1 or place == last:
            found = node(hash_, found)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            found = node(found, hash_)
        place, last = place >> 1, last >> 1
    return found if last == 0 else None


def levels_over(hashes: Sequence[bytes]) -> list[Sequence[bytes]]:
    """These hashes, the hashes of their pairs, and so on to the root; a last one without a neighbour moves up as it is.

    The hashes are leaves, or roots of parts of the list of the same power of two entries (the last may have fewer).
    """
    sha256 = hashlib.sha256  # this is most of the time that a large list takes
    levels: list[Sequence[bytes]] = [hashes or [EMPTY]]
    while len(below := levels[-1]) > 1:
        above = [sha256(b"\1" + left + right).digest() for left, right in zip(below[::2], below[1::2], strict=False)]
        levels.append([*above, below[-1]] if len(below) % 2 else above)
    return levels


def path_in(levels: Sequence[Sequence[bytes]], index: int) -> tuple[bytes, ...]:
    """The neighbours of a place on the way up to the root."""
    path = []
    for level in levels:
        if (index ^ 1) < len(level):
            path.append(level[index ^ 1])
        index >>= 1
    return tuple(path)
