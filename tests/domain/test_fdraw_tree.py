"""The tree over a list: its root by the recursion of RFC 9162, and ways to the root that hold for one entry only."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.fdraw import Entry
from bot.domain.fdraw_tree import leaf, levels_over, path_in, path_of, root_from, root_of


def entries_of(size: int) -> list[Entry]:
    return [(f"{number:032x}", number % 9 + 1) for number in range(1, size + 1)]


def by_the_book(entries: Sequence[Entry]) -> bytes:
    """MTH of section 2.1.1."""
    if not entries:
        return hashlib.sha256(b"").digest()
    if len(entries) == 1:
        ((ticket, weight),) = entries
        return hashlib.sha256(b"\x00" + ticket.encode() + b"\x00" + str(weight).encode()).digest()
    half = 1
    while half * 2 < len(entries):
        half *= 2
    return hashlib.sha256(b"\x01" + by_the_book(entries[:half]) + by_the_book(entries[half:])).digest()


def path_by_the_book(entries: Sequence[Entry], index: int) -> tuple[bytes, ...]:
    """PATH of section 2.1.3.1."""
    if len(entries) == 1:
        return ()
    half = 1
    while half * 2 < len(entries):
        half *= 2
    if index < half:
        return (*path_by_the_book(entries[:half], index), by_the_book(entries[half:]))
    return (*path_by_the_book(entries[half:], index - half), by_the_book(entries[:half]))


def test_published_root() -> None:
    root = root_of([("a", 1), ("b", 2), ("c", 3)])
    assert root.hex() == "4bb9b03a64e31d97d0c713ce0e29fa4f0244c6e780a8289b3b1841672787f156"


def test_an_empty_list_has_a_root() -> None:
    assert root_of([]) == hashlib.sha256(b"").digest()


@pytest.mark.parametrize("size", range(1, 71))
def test_every_entry_s_way_to_the_root(size: int) -> None:
    entries = entries_of(size)
    root = root_of(entries)
    assert root == by_the_book(entries)
    for index, entry in enumerate(entries):
        path = path_of(entries, index)
        assert path == path_by_the_book(entries, index)
        assert root_from(*entry, index, size, path) == root


@given(st.integers(1, 3000), st.data())
def test_ways_in_any_list(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    entries = entries_of(size)
    assert root_from(*entries[index], index, size, path_of(entries, index)) == root_of(entries)


@given(st.integers(2, 300), st.data())
def test_a_way_holds_for_its_entry_alone(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    entries = entries_of(size)
    (ticket, weight), path, root = entries[index], path_of(entries, index), root_of(entries)
    other = data.draw(st.integers(0, size - 1).filter(lambda one: one != index))
    changed = data.draw(st.integers(0, len(path) - 1))
    forged = [bytes(32) if at == changed else hash_ for at, hash_ in enumerate(path)]
    assert root_from(entries[other][0], weight, index, size, path) != root
    assert root_from(ticket, weight + 1, index, size, path) != root
    assert root_from(ticket, weight, other, size, path) != root
    assert root_from(ticket, weight, index, size, forged) != root
    assert root_from(ticket, weight, index, size, path[:-1]) is None
    assert root_from(ticket, weight, index, size, (*path, path[0])) is None


def test_places_that_are_not_there() -> None:
    entries = entries_of(5)
    for index in (-1, 5):
        assert root_from(*entries[0], index, 5, path_of(entries, 0)) is None
        with pytest.raises(IndexError):
            path_of(entries, index)
    assert root_from(*entries[0], 0, 0, ()) is None


@pytest.mark.parametrize("size", [*range(1, 40), 64, 65, 100])
def test_parts_of_a_power_of_two_make_the_same_tree(size: int) -> None:
    """A list can be hashed in parts, and a way to the root be put together from two."""
    entries = entries_of(size)
    parts = [levels_over([leaf(*entry) for entry in entries[start : start + 8]]) for start in range(0, size, 8)]
    above = levels_over([levels[-1][0] for levels in parts])
    assert above[-1][0] == root_of(entries)
    for index in range(size):
        assert path_in(parts[index // 8], index % 8) + path_in(above, index // 8) == path_of(entries, index)


def test_leaves_and_nodes_are_told_apart() -> None:
    """Without the first byte an inner node could be passed off as an entry."""
    assert leaf("a", 1) == hashlib.sha256(b"\x00a\x001").digest()
    left, right = leaf("a", 1), leaf("b", 2)
    assert root_of([("a", 1), ("b", 2)]) == hashlib.sha256(b"\x01" + left + right).digest()
