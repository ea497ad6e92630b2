"""A list's files are a cache: one that is missing or wrong is made again, and a list that is none makes no file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bot.domain.fdraw import Entry
from bot.engine.drawing import Drawer, ListDiffers

from .drawn import BEACON, SEED, TERMS, Book, entries_of, file_of, flip, modes, unread


@pytest.fixture
def drawer(tmp_path: Path) -> Drawer:
    return Drawer(tmp_path / "draws")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "draws"


# ---- lists that are none


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda entries: [*entries, entries[0]], "out of order"),
        (lambda entries: [*entries, entries[-1]], "twice"),
        (lambda entries: [*entries[:64], entries[63], *entries[64:]], "twice"),
        (lambda entries: [*entries[:70], ("f" * 31, 1)], "32 lower-case"),
        (lambda entries: [*entries[:70], ("F" * 32, 1)], "32 lower-case"),
        (lambda entries: [*entries[:70], ("f" * 31 + " ", 1)], "32 lower-case"),
        (lambda entries: [*entries[:70], ("f" * 31 + "é", 1)], "32 lower-case"),
        (lambda entries: [*entries[:70], ("f" * 32 + " 1\n" + "f" * 32, 1)], "line break"),
        (lambda entries: [*entries[:70], ("f" * 32, 0)], "a weight"),
        (lambda entries: [*entries[:70], ("f" * 32, -1)], "a weight"),
        (lambda entries: [*entries[:70], ("f" * 32, 1_000_001)], "a weight"),
        (lambda entries: [*entries[:70], ("f" * 32, 1.0)], "a weight"),
        (lambda entries: [*entries[:70], ("f" * 32, True)], "a weight"),
        (lambda entries: [*entries[:70], ("f" * 32, "01")], "a weight"),
        (lambda entries: [*entries[:70], ("f" * 32, "a")], "a weight"),
        (lambda entries: [*entries[:70], ("f" * 32, "")], "a weight"),
        (lambda entries: [*entries[:70], ("f" * 32, "9" * 5000)], "a weight"),
    ],
)
async def test_a_list_that_is_none_is_refused(
    change: Callable[[list[Entry]], list[Entry]], why: str, drawer: Drawer, folder: Path
) -> None:
    with pytest.raises(ValueError, match=why):
        await drawer.freeze(TERMS, Book(change(entries_of(100)))())
    assert modes(folder) == {}


async def test_order_is_kept_over_all_pages(drawer: Drawer) -> None:
    """The first ticket of a page is compared with the last one of the page before."""
    entries = entries_of(128)
    turned = [*entries[64:], *entries[:64]]
    with pytest.raises(ValueError, match=r"after the first 64: entry 1: .* out of order"):
        await drawer.freeze(TERMS, Book(turned, 64)())


async def test_weights_that_are_too_much_together(drawer: Drawer, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [(f"{number:032x}", 1) for number in range(200)]
    monkeypatch.setattr("bot.engine.drawing_files.MAX_SUM", 199)
    with pytest.raises(ValueError, match="add up"):
        await drawer.freeze(TERMS, Book(entries)())
    monkeypatch.setattr("bot.engine.drawing_files.MAX_SUM", 200)
    assert (await drawer.freeze(TERMS, Book(entries)())).weight == 200


# ---- files that are missing or wrong


def remove(path: Path) -> None:
    path.unlink()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("harm", [remove, cut, empty, flip])
@pytest.mark.parametrize("kind", ["list", "tree"])
@pytest.mark.parametrize("again", [True, False], ids=["same", "restarted"])
async def test_a_file_that_is_not_right_is_made_again(
    harm: Callable[[Path], None], kind: str, again: bool, drawer: Drawer, folder: Path
) -> None:
    entries = entries_of(300)
    freeze = await drawer.freeze(TERMS, Book(entries)())
    order = await drawer.draw(freeze, SEED, BEACON.bytes, unread)
    used = drawer if again else Drawer(folder)
    for ask in (
        lambda book: used.draw(freeze, SEED, BEACON.bytes, book),
        lambda book: used.proof(freeze, SEED, BEACON, order, [], [], pages=book),
        lambda book: used.list_file(freeze, book),
    ):
        before, book = file_of(folder, "list").read_bytes(), Book(entries)
        harm(file_of(folder, kind))
        found = await ask(book)
        assert book.read == 1
        assert file_of(folder, "list").read_bytes() == before
        assert not isinstance(found, tuple) or found == order


@pytest.mark.parametrize("harm", [remove, cut, empty, flip])
async def test_an_entrant_is_shown_nothing_from_a_file_that_is_not_right(
    harm: Callable[[Path], None], drawer: Drawer, folder: Path
) -> None:
    entries = entries_of(100)
    freeze = await drawer.freeze(TERMS, Book(entries)())
    for ticket, _ in (entries[0], entries[3], entries[-1]):
        before = await drawer.inclusion(freeze, ticket, unread)
        book = Book(entries)
        harm(file_of(folder, "list"))
        assert await drawer.inclusion(freeze, ticket, book) == before
        assert file_of(folder, "list").read_text().count("\n") == 100 or book.read == 0
        drawer.forget("g-1")
        await drawer.freeze(TERMS, Book(entries)())


async def test_files_of_an_older_list_are_not_used(drawer: Drawer, folder: Path) -> None:
    """Killed between the two: the list is the new one already, the tree still the old one's."""
    old, new = entries_of(100), entries_of(101)
    older = await drawer.freeze(TERMS, Book(old)())
    tree = file_of(folder, "tree").read_bytes()
    newer = await drawer.freeze(TERMS, Book(new)())
    file_of(folder, "tree").write_bytes(tree)
    for freeze, entries in ((newer, new), (older, old)):
        book = Book(entries)
        found = await Drawer(folder).inclusion(freeze, entries[5][0], book)
        assert found is not None
        assert (found.root, book.read) == (freeze.root, 1)


async def test_a_list_that_was_closed_once_more(drawer: Drawer) -> None:
    """What is still known of the former one is not shown, though most of the list is the same."""
    entries = entries_of(129)
    former = await drawer.freeze(TERMS, Book(entries[:128])())
    before = await drawer.inclusion(former, entries[0][0], unread)
    freeze = await drawer.freeze(TERMS, Book(entries)())
    found = await drawer.inclusion(freeze, entries[0][0], unread)
    assert before is not None
    assert found is not None
    assert (before.root, found.root) == (former.root, freeze.root)


async def test_entries_that_are_not_those_of_the_freeze(drawer: Drawer, folder: Path) -> None:
    entries = entries_of(100)
    freeze = await drawer.freeze(TERMS, Book(entries)())
    drawer.forget("g-1")
    heavier = [(entries[0][0], entries[0][1] + 1), *entries[1:]]
    for other in (entries[1:], [*entries, ("f" * 32, 1)], heavier, entries[::-1], [("f" * 32, 0)]):
        for ask in (
            lambda book: drawer.draw(freeze, SEED, BEACON.bytes, book),
            lambda book: drawer.inclusion(freeze, entries[1][0], book),
            lambda book: drawer.list_file(freeze, book),
        ):
            with pytest.raises(ListDiffers, match="not those that were frozen"):
                await ask(Book(other))
    assert modes(folder) == {}
    assert await drawer.list_file(freeze, Book(entries)) == file_of(folder, "list")


async def test_another_seed_is_refused(drawer: Drawer) -> None:
    freeze = await drawer.freeze(TERMS, Book(entries_of(9))())
    with pytest.raises(ValueError, match="seed"):
        await drawer.draw(freeze, bytes(32), BEACON.bytes, unread)
    with pytest.raises(ValueError, match="seed"):
        await drawer.proof(freeze, bytes(32), BEACON, [], [], [], pages=unread)
