"""Draws of long lists, beside the loop: freezing, drawing, proof files, and one entry's way to the root.

A list is read from the database page by page and kept as a file, of which everything else is made; small ones are
worked on in a thread, others in a process of its own, one at a time. The files are a cache: where one is missing, or is
not what was frozen, it is made again.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import cast

import bot
from bot.domain.fdraw import Entry, Freeze, Reroll, Terms, commitment, draw_key
from bot.domain.fdraw_proof import BeaconUsed, Witness, proof_around
from bot.domain.fdraw_tree import Inclusion
from bot.engine import drawing_files as files
from bot.engine.drawing_files import Built, DrawingFailed, Stale, Tree, load

__all__ = ["BeaconUsed", "Drawer", "DrawingFailed", "Inclusion", "ListDiffers", "Pages"]

Pages = AsyncIterator[Sequence[Entry]]
"""A list in the order of its tickets, a page after the other."""

_Job = Mapping[str, str | int]

SMALL = 20_000
"""Entries up to which a thread does it: a process of its own would take longer to start."""
DEADLINE = 300.0
"""Seconds after which work on one list is given up; a million entries take about three."""
_LINES = 2000
"""Entries that become text at once: a millisecond."""
_TREES = 16
"""Lists whose trees are kept in memory: 1.4 MB each for a million entries."""
_LEFT_OVER = 86400.0
"""Seconds after which an unfinished file is nobody's any more."""
_HOME = Path(bot.__file__).resolve().parents[1]


class ListDiffers(DrawingFailed):
    """The entries that were handed over are not those of the freeze: count, weights or root differ."""


class Drawer:
    """Does the heavy work of draws. What it is asked waits for its turn; whoever is cancelled leaves nothing running.

    All of it raises DrawingFailed where the disk, the other process or the time does not suffice.
    """

    def __init__(self, folder: Path, *, small: int = SMALL, deadline: float = DEADLINE) -> None:
        self._folder, self._small, self._deadline = folder, small, deadline
        self._turns = asyncio.Lock()
        self._trees: dict[str, Tree] = {}
        self._prepared = False

    async def freeze(self, terms: Terms, pages: Pages) -> Freeze:
        """Close the list. Raises ValueError that says what is wrong with it: order, duplicates, forms, weights."""
        async with self._turn():
            built = await self._make(terms.giveaway, pages, None)
        return Freeze(terms, built.entries, built.weight, built.root)

    async def draw(self, freeze: Freeze, seed: bytes, value: bytes, pages: Callable[[], Pages]) -> tuple[str, ...]:
        """The tickets that are drawn, winners and alternates in their order; the same whenever it is asked.

        `value` is the beacon's 32 bytes, or empty. `pages` is called only where the list's file is missing or wrong.
        Raises ListDiffers, and ValueError for a seed that is not the one of the commitment.
        """
        terms = freeze.terms
        if commitment(seed) != terms.commit:
            raise ValueError("this seed is not the one that was promised")
        key = draw_key(seed, freeze.hash, value)
        async with self._turn():
            await self._ready(freeze, pages)
            listed = self._path(terms.giveaway, "list")
            if freeze.entries <= self._small:
                order = await asyncio.to_thread(files.draw, listed, key, terms.count)
            else:
                job: _Job = {"list": str(listed), "key": key.hex(), "count": terms.count}
                order = cast("list[str]", await _in_child(("draw",), _said(job)))
        return tuple(order)

    async def proof(
        self,
        freeze: Freeze,
        seed: bytes,
        beacon: BeaconUsed,
        order: Sequence[str],
        rerolls: Sequence[Reroll],
        witnesses: Sequence[Witness],
        *,
        pages: Callable[[], Pages],
    ) -> Path:
        """The proof file as it stands now. It tells the seed: not before that is public. Raises as `draw`."""
        before, after = await asyncio.to_thread(proof_around, freeze, seed, beacon, order, rerolls, witnesses)
        name = freeze.terms.giveaway
        async with self._turn():
            await self._ready(freeze, pages)
            listed = self._path(name, "list")
            with self._unfinished(name, 1) as (part,):
                if freeze.entries <= self._small:
                    await asyncio.to_thread(files.proof, listed, part, before, after)
                else:
                    job: _Job = {"list": str(listed), "proof": str(part), "before": before, "after": after}
                    await _in_child(("proof",), _said(job))
                path = self._path(name, "proof.json")
                part.replace(path)
        return path

    async def list_file(self, freeze: Freeze, pages: Callable[[], Pages]) -> Path:
        """The list as it is published: a line `ticket weight` for each entry. Raises ListDiffers."""
        async with self._turn():
            await self._ready(freeze, pages)
        return self._path(freeze.terms.giveaway, "list")

    async def inclusion(self, freeze: Freeze, ticket: str, pages: Callable[[], Pages]) -> Inclusion | None:
        """How an entry proves to be in the list; None: it is not there. Raises ListDiffers; ValueError: no ticket."""
        tree = self._known(freeze) or await self._loaded(freeze, pages, None)
        try:
            return await asyncio.to_thread(tree.find, ticket)
        except Stale:
            tree = await self._loaded(freeze, pages, tree)
            return await asyncio.to_thread(tree.find, ticket)

    def forget(self, giveaway: str) -> None:
        """Remove the files of a giveaway."""
        self._trees.pop(giveaway, None)
        for kind in ("list", "tree", "proof.json"):
            self._path(giveaway, kind).unlink(missing_ok=True)

    # ---- the files

    def _path(self, giveaway: str, kind: str) -> Path:
        return self._folder / f"{giveaway}.{kind}"

    @contextmanager
    def _unfinished(self, giveaway: str, count: int) -> Iterator[tuple[Path, ...]]:
        """Names for files that are not complete yet; what still has one at the end is removed."""
        paths = tuple(self._folder / f".{giveaway}.{secrets.token_hex(8)}.part" for _ in range(count))
        try:
            yield paths
        finally:
            for path in paths:
                path.unlink(missing_ok=True)

    def _prepare(self) -> None:
        """The folder, without what somebody left who was killed."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in self._folder.glob(".*.part"):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < time.time() - _LEFT_OVER:
                    path.unlink()

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        async with self._turns:
            try:
                async with asyncio.timeout(self._deadline) as limit:
                    if not self._prepared:
                        await asyncio.to_thread(self._prepare)
                        self._prepared = True
                    yield
            except TimeoutError as error:
                if limit.expired():
                    raise DrawingFailed(f"a list took longer than {self._deadline:.0f} s") from error
                raise
            except OSError as error:
                raise DrawingFailed(str(error)) from error

    # ---- a list, from the database or from its file

    def _known(self, freeze: Freeze) -> Tree | None:
        tree = self._trees.get(freeze.terms.giveaway)
        return tree if tree is not None and tree.built.is_of(freeze) else None

    async def _loaded(self, freeze: Freeze, pages: Callable[[], Pages], stale: Tree | None) -> Tree:
        """The list's tree, another one than the stale one."""
        async with self._turn():
            known = self._known(freeze)  # somebody else may have come first
            return known if known is not None and known is not stale else await self._ready(freeze, pages)

    async def _ready(self, freeze: Freeze, pages: Callable[[], Pages]) -> Tree:
        """See to it that the files are there and are those of the freeze. Raises ListDiffers."""
        name = freeze.terms.giveaway
        paths = self._path(name, "list"), self._path(name, "tree")
        tree = await asyncio.to_thread(load, *paths, freeze)
        if tree is None:
            await self._make(name, pages(), freeze)
            tree = await asyncio.to_thread(load, *paths, freeze)
        if tree is None:
            raise DrawingFailed("a list's files were changed by somebody else")
        self._trees.pop(name, None)
        self._trees[name] = tree
        if len(self._trees) > _TREES:
            del self._trees[next(iter(self._trees))]
        return tree

    async def _make(self, giveaway: str, pages: Pages, expected: Freeze | None) -> Built:
        """Make both files, if the list is the expected one."""
        with self._unfinished(giveaway, 2) as (listed, tree):
            try:
                built = await self._build(pages, listed, tree)
            except ValueError as error:
                if expected is None:
                    raise
                raise ListDiffers(f"the entries are not those that were frozen: {error}") from error
            if expected is not None and not built.is_of(expected):
                raise ListDiffers(
                    f"the entries are not those that were frozen: {built.entries} of weight {built.weight} with root "
                    f"{built.root} instead of {expected.entries} of weight {expected.weight} with root {expected.root}"
                )
            listed.replace(self._path(giveaway, "list"))
            tree.replace(self._path(giveaway, "tree"))
        return built

    async def _build(self, pages: Pages, listed: Path, tree: Path) -> Built:
        async with aclosing(_texts(pages)) as texts:
            held: list[bytes] = []
            count = 0
            async for text in texts:
                held.append(text)
                count += text.count(b"\n")
                if count > self._small:
                    break
            else:
                return await asyncio.to_thread(files.build, held, listed, tree, files.Alone())
            found = await _in_child(("build", str(listed), str(tree)), _both(held, texts))
        fields = cast("Mapping[str, int | str]", found)
        return Built(int(fields["entries"]), int(fields["weight"]), str(fields["root"]))


async def _texts(pages: Pages) -> AsyncGenerator[bytes, None]:
    """The lines of a list, some thousand at a time. Raises ValueError for a ticket that is more than a line."""
    try:
        async for page in pages:
            for start in range(0, len(page), _LINES):
                part = page[start : start + _LINES]
                text = "".join([f"{ticket} {weight}\n" for ticket, weight in part])
                if text.count("\n") != len(part):
                    raise ValueError("a ticket holds a line break")
                yield text.encode(errors="replace")
                await asyncio.sleep(0)  # a page may be long, and whoever takes the texts need not wait for anything
    finally:
        if isinstance(pages, AsyncGenerator):
            await pages.aclose()


async def _both(held: Sequence[bytes], texts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    for text in held:
        yield text
    async for text in texts:
        yield text


async def _said(job: _Job) -> AsyncIterator[bytes]:
    yield (await asyncio.to_thread(json.dumps, job)).encode()


# ---- the other process


async def _in_child(arguments: Sequence[str], texts: AsyncIterator[bytes]) -> object:
    """What a process of its own answers; it dies with whoever waits for it. Raises ValueError and DrawingFailed."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-S", "-P", "-m", "bot.engine.drawing_child", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=_environment(),
        start_new_session=True,  # Ctrl-C reaches the program alone, which ends this one in order
    )
    try:
        await _feed(cast("asyncio.StreamWriter", child.stdin), texts)
        out, err = await child.communicate()
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    try:
        answer = json.loads(out)
    except ValueError:
        last = err.decode(errors="replace").strip()[-300:]
        raise DrawingFailed(f"the work on a list ended with code {child.returncode}: {last}") from None
    if "wrong" in answer:
        raise ValueError(answer["wrong"])
    if "failed" in answer:
        raise DrawingFailed(answer["failed"])
    return answer["done"]


async def _feed(stdin: asyncio.StreamWriter, texts: AsyncIterator[bytes]) -> None:
    # Where it ended early it says why on its other end.
    with suppress(BrokenPipeError, ConnectionResetError):
        async for text in texts:
            stdin.write(text)
            await stdin.drain()
        stdin.close()


def _environment() -> dict[str, str]:
    """This process's environment, without our settings and secrets, and with this program importable."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HERALD_")}
    return kept | {"PYTHONPATH": str(_HOME)}
