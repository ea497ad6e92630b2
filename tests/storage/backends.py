"""The databases that the contract is run over: each knows how to make an empty, migrated store."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from bot.storage.schema import migrate
from bot.storage.sqlite import SqliteStore
from bot.storage.store import Store

Backend = Callable[[Path], AbstractAsyncContextManager[Store]]


@asynccontextmanager
async def sqlite(folder: Path) -> AsyncIterator[Store]:
    """A SQLite file."""
    store = SqliteStore(fresh(folder / "herald.db"))
    await store.open()
    try:
        yield store
    finally:
        await store.close()


_templates: list[Path] = []


def fresh(path: Path) -> Path:
    """A migrated, empty database file; migrated once and copied from then on."""
    if _templates and _templates[0].exists():
        shutil.copy(_templates[0], path)
    else:
        migrate(path)
        template = path.parent / "template.db"
        shutil.copy(path, template)
        _templates[:] = [template]
    return path


BACKENDS: dict[str, Backend] = {"sqlite": sqlite}
