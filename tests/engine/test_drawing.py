"""Draws of whole lists from files that are a cache: the same as the rules say, whatever becomes of the files."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from bot.domain.fdraw import Entry, Reroll, Terms, commitment, draw_key, select
from bot.domain.fdraw_proof import UNAIDED
from bot.domain.fdraw_tree import path_of, root_from, root_of
from bot.engine import drawing
from bot.engine import drawing_files as files
from bot.engine.drawing import Drawer, DrawingFailed
from bot.engine.drawing_files import Tree

from .drawn import BEACON, SEED, TERMS, Book, entries_of, file_of, frozen, modes, unread


@pytest.fixture
def drawer(tmp_path: Path) -> Drawer:
    return Drawer(tmp_path / "draws")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "draws"


# ---- what it makes


@pytest.mark.parametrize("size", [0, 1, 2, 63, 64, 65, 127, 128, 129, 500, 5000])
async def test_a_whole_draw_is_as_the_rules_say(size: int, drawer: Drawer) -> None:
    entries = entries_of(size)
    freeze = await drawer.freeze(TERMS, Book(entries)())
    assert freeze == frozen(entries)
    order = await drawer.draw(freeze, SEED, BEACON.bytes, unread)
    assert list(order) == select(entries, draw_key(SEED, freeze.hash, BEACON.bytes), 5)
    path = await drawer.proof(freeze, SEED, BEACON, order, [], [], pages=unread)
    proof = json.loads(path.read_text(encoding="utf-8"))
    assert [tuple(entry) for entry in proof["entries"]] == entries
    assert (proof["order"], proof["final"]) == (list(order), list(order[:3]))
    listed = await drawer.list_file(freeze, unread)
    assert listed.read_text() == "".join(f"{ticket} {weight}\n" for ticket, weight in entries)


async def test_the_empty_list_has_the_root_of_nothing_and_no_winner(drawer: Drawer) -> None:
    freeze = await drawer.freeze(TERMS, Book([])())
    assert (freeze.entries, freeze.weight, freeze.root) == (0, 0, hashlib.sha256(b"").hexdigest())
    assert await drawer.draw(freeze, SEED, BEACON.bytes, unread) == ()
    assert await drawer.inclusion(freeze, "0" * 32, unread) is None


async def test_without_a_beacon(drawer: Drawer) -> None:
    terms = Terms("g-1", 3, 2, commitment(SEED), "none")
    freeze = await drawer.freeze(terms, Book(entries_of(20))())
    order = await drawer.draw(freeze, SEED, UNAIDED.bytes, unread)
    assert list(order) == select(entries_of(20), draw_key(SEED, freeze.hash, b""), 5)


async def test_a_proof_is_written_again_after_a_re_roll(drawer: Drawer) -> None:
    freeze = await drawer.freeze(TERMS, Book(entries_of(20))())
    order = await drawer.draw(freeze, SEED, BEACON.bytes, unread)
    await drawer.proof(freeze, SEED, BEACON, order, [], [], pages=unread)
    reroll = Reroll(order[1], "half a character: \ud83d", "阿明", 5)
    path = await drawer.proof(freeze, SEED, BEACON, order, [reroll], [{"url": "x"}], pages=unread)
    proof = json.loads(path.read_text(encoding="utf-8"))
    assert proof["final"] == [order[0], order[3], order[2]]
    assert proof["rerolls"] == [{"out": order[1], "reason": "half a character: \ud83d", "by": "阿明", "at": 5}]
    assert proof["witnesses"] == [{"url": "x"}]


@pytest.mark.parametrize("size", [1, 2, 64, 65, 200])
async def test_every_entrant_can_prove_to_be_in(size: int, drawer: Drawer) -> None:
    entries = entries_of(size)
    freeze = await drawer.freeze(TERMS, Book(entries)())
    for index, (ticket, weight) in enumerate(entries):
        found = await drawer.inclusion(freeze, ticket, unread)
        assert found is not None
        assert (found.index, found.entries, found.weight, found.root) == (index, size, weight, freeze.root)
        path = [bytes.fromhex(one) for one in found.path]
        assert tuple(path) == path_of(entries, index)
        root = root_from(ticket, weight, index, size, path)
        assert root is not None
        assert root.hex() == freeze.root


async def test_who_is_not_in_has_no_proof(drawer: Drawer) -> None:
    entries = entries_of(200)
    freeze = await drawer.freeze(TERMS, Book(entries)())
    known = {ticket for ticket, _ in entries}
    others = [f"{int(ticket, 16) + step:032x}" for ticket in known for step in (-1, 1)]
    for ticket in ("0" * 32, "f" * 32, *others):
        assert await drawer.inclusion(freeze, ticket, unread) is None
    for wrong in ("", "0" * 31, "A" * 32, "z" * 32, " " * 32, "0" * 34, entries[0][0].replace("a", "A") + " "):
        with pytest.raises(ValueError):  # of bytes.fromhex, too
            await drawer.inclusion(freeze, wrong, unread)


# ---- what is kept, and for how long


async def test_nobody_else_can_read_the_files(drawer: Drawer, folder: Path) -> None:
    freeze = await drawer.freeze(TERMS, Book(entries_of(9))())
    order = await drawer.draw(freeze, SEED, BEACON.bytes, unread)
    await drawer.proof(freeze, SEED, BEACON, order, [], [], pages=unread)
    assert modes(folder.parent)["draws"] == 0o700
    assert modes(folder) == {
        "g-1.list": 0o600,
        "g-1.tree": 0o600,
        "g-1.proof.json": 0o600,
    }


async def test_the_seed_is_in_no_file_before_the_proof(drawer: Drawer, folder: Path) -> None:
    freeze = await drawer.freeze(TERMS, Book(entries_of(9))())
    await drawer.draw(freeze, SEED, BEACON.bytes, unread)
    key = draw_key(SEED, freeze.hash, BEACON.bytes)
    written = b"".join(file_of(folder, kind).read_bytes() for kind in ("list", "tree"))
    assert len(modes(folder)) == 2
    for secret in (SEED, key):
        assert secret not in written
        assert secret.hex().encode() not in written


async def test_a_giveaway_is_forgotten(drawer: Drawer, folder: Path) -> None:
    entries = entries_of(9)
    freeze = await drawer.freeze(TERMS, Book(entries)())
    order = await drawer.draw(freeze, SEED, BEACON.bytes, unread)
    await drawer.proof(freeze, SEED, BEACON, order, [], [], pages=unread)
    other = await drawer.freeze(Terms("g-10", 1, 0, commitment(SEED), "none"), Book(entries)())
    drawer.forget("g-1")
    drawer.forget("g-1")
    assert modes(folder).keys() == {"g-10.list", "g-10.tree"}
    book = Book(entries)
    await drawer.inclusion(freeze, entries[0][0], book)
    await drawer.list_file(other, unread)
    assert book.read == 1


async def test_what_somebody_left_who_was_killed_goes_after_a_day(folder: Path) -> None:
    await Drawer(folder).freeze(TERMS, Book([])())
    for name, age in (("old", 86_500.0), ("new", 80_000.0)):
        path = folder / f".g-1.{name}.part"
        path.write_bytes(b"half a list")
        at = path.stat().st_mtime - age
        os.utime(path, (at, at))
    await Drawer(folder).freeze(TERMS, Book([])())
    assert modes(folder).keys() == {"g-1.list", "g-1.tree", ".g-1.new.part"}


async def test_only_some_lists_stay_in_memory(drawer: Drawer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "_TREES", 2)
    entries = entries_of(70)
    for name in ("g-1", "g-2", "g-3"):
        freeze = await drawer.freeze(Terms(name, 1, 0, commitment(SEED), "none"), Book(entries)())
        assert await drawer.inclusion(freeze, entries[69][0], unread) is not None
    assert list(drawer._trees) == ["g-2", "g-3"]


# ---- many at once


async def test_thousands_ask_and_the_list_is_read_once(drawer: Drawer, monkeypatch: pytest.MonkeyPatch) -> None:
    loads = 0

    def load(*paths: Any) -> Tree | None:
        nonlocal loads
        loads += 1
        return files.load(*paths)

    monkeypatch.setattr(drawing, "load", load)
    entries = entries_of(1000)
    freeze = await drawer.freeze(TERMS, Book(entries)())
    drawer.forget("g-1")
    book = Book(entries)
    found = await asyncio.gather(*(drawer.inclusion(freeze, ticket, book) for ticket, _ in entries))
    assert [one.index for one in found if one] == list(range(1000))
    assert (book.read, loads) == (1, 2)  # in vain, and what was made then


async def test_lists_take_turns(drawer: Drawer, folder: Path) -> None:
    lists = {f"g-{number}": entries_of(300 + number) for number in range(5)}
    made = await asyncio.gather(
        *(drawer.freeze(Terms(name, 1, 0, commitment(SEED), "none"), Book(one)()) for name, one in lists.items())
    )
    assert [freeze.root for freeze in made] == [root_of(one).hex() for one in lists.values()]
    assert len(modes(folder)) == 10


async def test_a_long_page_does_not_keep_the_others_waiting(drawer: Drawer) -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async def page() -> AsyncIterator[Sequence[Entry]]:
        yield entries_of(10_000)
        told.append(turns)

    told: list[int] = []
    task = asyncio.create_task(others())
    await asyncio.sleep(0)
    await drawer.freeze(TERMS, page())
    task.cancel()
    assert told[0] >= 10_000 // 2000


async def test_time_runs_out(folder: Path) -> None:
    async def stuck() -> AsyncIterator[Sequence[Entry]]:
        yield entries_of(10)
        await asyncio.Event().wait()

    drawer = Drawer(folder, deadline=0.05)
    with pytest.raises(DrawingFailed, match="longer than"):
        await drawer.freeze(TERMS, stuck())
    assert modes(folder) == {}
    drawer = Drawer(folder)
    assert (await drawer.freeze(TERMS, Book([])())).entries == 0


async def test_pages_are_closed_and_their_faults_told(drawer: Drawer) -> None:
    closed = []

    async def broken(fault: Exception | None) -> AsyncIterator[Sequence[Entry]]:
        try:
            yield entries_of(10)
            if fault:
                raise fault
            yield [("\n", 1)]
            yield []
        finally:
            closed.append(True)

    with pytest.raises(RuntimeError, match="the database is gone"):
        await drawer.freeze(TERMS, broken(RuntimeError("the database is gone")))
    with pytest.raises(TimeoutError, match="slow"):
        await drawer.freeze(TERMS, broken(TimeoutError("slow")))
    with pytest.raises(ValueError, match="line break"):
        await drawer.freeze(TERMS, broken(None))
    assert closed == [True] * 3


async def test_no_room_on_the_disk(tmp_path: Path) -> None:
    (tmp_path / "draws").write_text("this is no folder")
    with pytest.raises(DrawingFailed, match="draws"):
        await Drawer(tmp_path / "draws").freeze(TERMS, Book(entries_of(5))())
