"""Long lists are worked on by processes of their own: with the same result, and nothing of them is left behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from bot.domain.fdraw import Entry, Freeze, draw_key, select
from bot.engine import drawing
from bot.engine.drawing import Drawer, DrawingFailed, ListDiffers

from .drawn import BEACON, SEED, TERMS, Book, entries_of, file_of, flip, frozen, modes, unread
from .world import until

LONG = entries_of(20_500)


class Children:
    """The processes that were started, and with what."""

    def __init__(self) -> None:
        self.started: list[Process] = []
        self.arguments: list[str] = []
        self.environments: list[dict[str, str]] = []
        self._start = asyncio.create_subprocess_exec

    async def __call__(self, *arguments: str, **rest: Any) -> Process:
        self.arguments += arguments
        self.environments.append(rest["env"])
        child = await self._start(*arguments, **rest)
        self.started.append(child)
        return child


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> Children:
    found = Children()
    monkeypatch.setattr(asyncio, "create_subprocess_exec", found)
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "draws"


@pytest.fixture
def drawer(folder: Path) -> Drawer:
    """Everything is long for it."""
    return Drawer(folder, small=0)


class Endless:
    """Pages of which the last one does not come; `reached` when all others were taken."""

    def __init__(self, entries: Sequence[Entry], last: Sequence[Entry] = ()) -> None:
        self._entries, self._last = entries, last
        self.reached, self.goes_on = asyncio.Event(), asyncio.Event()

    async def __call__(self) -> AsyncIterator[Sequence[Entry]]:
        yield self._entries
        self.reached.set()
        await self.goes_on.wait()
        yield self._last


def helper_of(child: Process) -> int:
    (found,) = Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split()
    return int(found)


def longest(folder: Path) -> int:
    """Bytes of the largest file."""
    return max(path.stat().st_size for path in folder.iterdir())


def stat_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text()


async def ended(pid: int) -> bool:
    """Whether nothing is left of a process but its exit code."""
    try:
        return stat_of(pid).rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


async def test_a_long_list_is_frozen_drawn_and_proved_as_a_short_one(
    folder: Path, children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HERALD_DISCORD__TOKEN", "secret")
    drawer = Drawer(folder)
    freeze = await drawer.freeze(TERMS, Book(LONG, 3000)())
    assert freeze == frozen(LONG)
    order = await drawer.draw(freeze, SEED, BEACON.bytes, unread)
    assert list(order) == select(LONG, draw_key(SEED, freeze.hash, BEACON.bytes), 5)
    path = await drawer.proof(freeze, SEED, BEACON, order, [], [], pages=unread)
    proof = json.loads(path.read_text(encoding="utf-8"))
    assert [tuple(entry) for entry in proof["entries"]] == LONG
    assert (proof["order"], proof["freeze_hash"]) == (list(order), freeze.hash)
    assert set(modes(folder).values()) == {0o600}
    assert [child.returncode for child in children.started] == [0, 0, 0]
    assert all("HERALD_DISCORD__TOKEN" not in environment for environment in children.environments)
    for secret in (SEED, draw_key(SEED, freeze.hash, BEACON.bytes)):
        assert not any(secret.hex() in argument for argument in children.arguments)


async def test_up_to_the_limit_a_thread_does_it(folder: Path, children: Children) -> None:
    drawer = Drawer(folder, small=100)
    freeze = await drawer.freeze(TERMS, Book(entries_of(100))())
    order = await drawer.draw(freeze, SEED, BEACON.bytes, unread)
    await drawer.proof(freeze, SEED, BEACON, order, [], [], pages=unread)
    assert children.started == []
    assert await drawer.freeze(TERMS, Book(entries_of(101))()) == frozen(entries_of(101))
    assert len(children.started) == 1


async def test_what_is_wrong_with_a_long_list_is_told(drawer: Drawer, folder: Path, children: Children) -> None:
    with pytest.raises(ValueError, match=r"after the first \d+: entry \d+: .* out of order"):
        await drawer.freeze(TERMS, Book([*LONG, LONG[0]], 3000)())
    with pytest.raises(ValueError, match="entry 3: a weight"):
        await drawer.freeze(TERMS, Book([*LONG[:2], (LONG[2][0], 0), *LONG[3:]], 3000)())
    assert modes(folder) == {}
    assert all(child.returncode is not None for child in children.started)


async def test_a_long_list_that_is_not_the_frozen_one(drawer: Drawer, folder: Path) -> None:
    entries = entries_of(300)
    freeze = await drawer.freeze(TERMS, Book(entries)())
    flip(file_of(folder, "list"))
    with pytest.raises(ListDiffers):
        await drawer.draw(freeze, SEED, BEACON.bytes, Book(entries[:-1]))
    assert len(await drawer.draw(freeze, SEED, BEACON.bytes, Book(entries))) == 5


async def test_whoever_is_cancelled_leaves_nothing_running(drawer: Drawer, folder: Path, children: Children) -> None:
    pages = Endless(LONG)
    task = asyncio.create_task(drawer.freeze(TERMS, pages()))
    await pages.reached.wait()
    (child,) = children.started
    helper = helper_of(child)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert child.returncode == -signal.SIGKILL
    await until(lambda: ended(helper))
    assert modes(folder) == {}
    assert await drawer.freeze(TERMS, Book(entries_of(50))()) == frozen(entries_of(50))


async def test_time_runs_out_for_a_process_too(folder: Path, children: Children) -> None:
    drawer = Drawer(folder, small=0, deadline=0.3)
    with pytest.raises(DrawingFailed, match="longer than"):
        await drawer.freeze(TERMS, Endless(LONG)())
    assert all(child.returncode == -signal.SIGKILL for child in children.started)
    assert modes(folder) == {}


async def test_a_process_that_dies_says_nothing_and_harms_nothing(
    drawer: Drawer, folder: Path, children: Children
) -> None:
    pages = Endless(LONG)
    task = asyncio.create_task(drawer.freeze(TERMS, pages()))
    await pages.reached.wait()
    children.started[0].kill()
    pages.goes_on.set()
    with pytest.raises(DrawingFailed, match="code -9"):
        await task
    assert modes(folder) == {}


@pytest.mark.parametrize("last", [[("f" * 32, 1)], []], ids=["before-more", "after-all"])
async def test_a_helper_that_dies_is_noticed(
    last: list[Entry], drawer: Drawer, folder: Path, children: Children
) -> None:
    """Even where all was handed to it, and only its answer is missing."""
    entries = LONG[: 64 * 320]
    size = sum(len(f"{ticket} {weight}\n") for ticket, weight in entries)

    async def written() -> bool:
        """All but what is kept back to be written with more."""
        return longest(folder) > size - 8192

    pages = Endless(entries, last)
    task = asyncio.create_task(drawer.freeze(TERMS, pages()))
    await pages.reached.wait()
    await until(written)
    os.kill(helper_of(children.started[0]), signal.SIGKILL)
    pages.goes_on.set()
    with pytest.raises(DrawingFailed, match=r"ChildProcessError|BrokenPipeError"):
        await task
    assert modes(folder) == {}


async def test_a_program_that_does_not_start(drawer: Drawer, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "_HOME", folder)
    with pytest.raises(DrawingFailed, match=r"code 1: .*No module named"):
        await drawer.freeze(TERMS, Book(LONG, 3000)())
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    with pytest.raises(DrawingFailed, match="No such file"):
        await drawer.freeze(TERMS, Book(LONG, 3000)())


async def test_a_folder_that_is_gone(drawer: Drawer, folder: Path) -> None:
    await drawer.freeze(TERMS, Book(entries_of(5))())
    drawer.forget("g-1")
    await asyncio.to_thread(folder.rmdir)
    with pytest.raises(DrawingFailed, match="FileNotFoundError"):
        await drawer.freeze(TERMS, Book(LONG, 3000)())


async def test_the_environment_stays_what_it_is(drawer: Drawer, children: Children) -> None:
    """A child is found by where this program is, from wherever it was started."""
    freeze: Freeze = await drawer.freeze(TERMS, Book(entries_of(5))())
    assert freeze.entries == 5
    (environment,) = children.environments
    expected = {name: value for name, value in os.environ.items() if not name.startswith("HERALD_")}
    assert environment == expected | {"PYTHONPATH": str(Path(drawing.__file__).parents[2])}
